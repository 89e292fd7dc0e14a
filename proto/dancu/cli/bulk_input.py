"""The citizens of a file, one after the other: CSV with or without a heading, or JSON lines. Of any length.

Owns the forms of input. What a row lacks is told with the row, not by ending the run; whether digits are a number is
the gateway's to judge.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from dancu.client import Claims, parse_birth_date

NUMBER_COLUMNS: Final = ("personal_number", "legacy_number", "number")
CLAIM_COLUMNS: Final = ("full_name", "birth_date", "legacy_number", "residence_province_code", "household_head_name")
"""Columns that can be sent as claims."""
_LARGEST_LINE: Final = 1_000_000


class UnusableFileError(Exception):
    """The file is of no form that can be read; the text says why, without its content."""


@dataclass(frozen=True, slots=True)
class InputRow:
    """One citizen of the file."""

    line: int
    """Line of the file, from 1, on which the row ends."""
    number: str
    claims: Claims | None
    mistake: str = ""
    """What keeps it from being asked; empty otherwise."""


def rows_of(path: Path, *, claims: Sequence[str]) -> Iterator[InputRow]:
    """The rows of a file; `claims` names the columns to send along. Raises `UnusableFileError`, OSError."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            for line, values in _json_lines(file) if _is_json(file) else _csv(file):
                yield _row(line, values, claims)
        except UnicodeDecodeError:
            raise UnusableFileError("is not UTF-8") from None
        except csv.Error as error:
            raise UnusableFileError(f"is not CSV: {error}") from None


def lines_in(path: Path) -> int:
    """How many lines a file has: about as many citizens, for a progress bar."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def _is_json(file: TextIO) -> bool:
    start = file.read(4096).lstrip()
    file.seek(0)
    return start.startswith("{")


def _json_lines(file: TextIO) -> Iterator[tuple[int, Mapping[str, str] | None]]:
    for line, text in enumerate(iter(lambda: file.readline(_LARGEST_LINE), ""), 1):
        if not text.strip():
            continue
        try:
            told = json.loads(text)
        except ValueError:
            told = None
        yield line, {name: str(value) for name, value in told.items()} if isinstance(told, dict) else None


def _csv(file: TextIO) -> Iterator[tuple[int, Mapping[str, str] | None]]:
    start = file.read(4096)
    file.seek(0)
    delimiter = max(",;\t", key=start.partition("\n")[0].count)
    reader = csv.reader(file, delimiter=delimiter)
    columns: list[str] | None = None
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if columns is None:
            named = [cell.strip().lower() for cell in cells]
            if any(name in NUMBER_COLUMNS for name in named):
                columns = named
                continue
            if not named[0].isdigit():
                raise UnusableFileError(f"names none of the columns {', '.join(NUMBER_COLUMNS)} in its first line")
            columns = ["number"]  # no heading: the first column is the number
        yield reader.line_num, dict(zip(columns, cells, strict=False))


def _row(line: int, values: Mapping[str, str] | None, claimed: Sequence[str]) -> InputRow:
    if values is None:
        return InputRow(line, "", None, "the line is not a JSON object")
    told = {name: value.strip() for name, value in values.items()}
    number = next(("".join(told[name].split()) for name in NUMBER_COLUMNS if told.get(name)), "")
    claims = Claims()
    for name in claimed:
        value = told.get(name, "")
        if not value:
            continue
        if name == "birth_date":
            try:
                claims.birth_date.CopyFrom(parse_birth_date(value))
            except ValueError:
                return InputRow(line, number, None, "birth_date does not read YYYY-MM-DD, YYYY-MM or YYYY")
        else:
            setattr(claims, name, value)
    return InputRow(line, number, claims if claims.ListFields() else None)
