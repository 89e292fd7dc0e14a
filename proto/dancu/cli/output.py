"""How results are printed: for people on a terminal, and the same without colours or wrapping anywhere else.

Owns no texts. What comes from elsewhere is shown without its control characters: a record must not steer a terminal.
"""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer

_REPLACED = "\N{REPLACEMENT CHARACTER}"


class Language(StrEnum):
    """The language of what people read."""

    EN = "en"
    VI = "vi"

    def of(self, english: str, vietnamese: str) -> str:
        """The text in this language; English where there is no other."""
        return vietnamese if self is Language.VI and vietnamese else english


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
LangOption = Annotated[Language, typer.Option("--lang", help="Language of labels and messages.")]


def wait_text(wait: timedelta, language: Language) -> str:
    """How long to wait, as a person reads it, rounded up: who comes back a little early is refused again."""
    seconds = wait.total_seconds()
    if seconds < 10:
        return f"{math.ceil(round(seconds * 10, 6)) / 10:g} {language.of('s', 'giây')}"
    if seconds < 120:
        return f"{math.ceil(seconds)} {language.of('s', 'giây')}"
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    told = [f"{hours} {language.of('h', 'giờ')}"] if hours else []
    told += [f"{minutes} {language.of('min', 'phút')}"] if minutes else []
    return " ".join(told)


def clean(text: str) -> str:
    """The text without characters that act on a terminal instead of being seen."""
    return "".join(
        _REPLACED if unicodedata.category(character) in {"Cc", "Cf", "Cs"} else character for character in text
    )


def print_json(value: Any) -> None:
    """One object on one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def print_card(rows: Iterable[tuple[str, str]]) -> None:
    """Labels and values in two columns; a row of two empty strings is an empty line."""
    shown = [(clean(label), clean(value)) for label, value in rows]
    if sys.stdout.isatty():
        # rich wraps long values inside their column; loaded only where somebody looks.
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        for label, value in shown:
            grid.add_row(Text(label, style="bold"), Text(value))
        Console(highlight=False).print(grid)
        return
    width = max((len(label) for label, _ in shown), default=0)
    for label, value in shown:
        sys.stdout.write(f"{label:<{width}}  {value}".rstrip() + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A heading and aligned columns, at least two spaces apart, one row a line."""
    shown = [[clean(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in shown:
            table.add_row(*(Text(value) for value in row))
        Console(highlight=False).print(table)
        return
    widths = [max(len(row[position]) for row in [list(columns), *shown]) for position in range(len(columns))]
    for row in [list(columns), *shown]:
        line = "  ".join(f"{value:<{width}}" for value, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")


def complain(text: str, *, details: Iterable[str] = ()) -> None:
    """One line on standard error, and what belongs to it indented below."""
    sys.stderr.write(f"dancu: {clean(text)}\n")
    for detail in details:
        sys.stderr.write(f"  {clean(detail)}\n")
