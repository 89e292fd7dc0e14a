"""The result as a person reads it, in Markdown. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.bars import Judged
from bench.spread import Spread

NOTHING = "–"
"""What was not measured."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they must be, figures to the right."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    right = [all(row[at][:1].isdigit() or row[at] in {"", NOTHING} for row in rows) for at in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ]
        return "| " + " | ".join(cells) + " |"

    rule = [
        ("-" * (width - 1) + ":") if is_right else "-" * width for width, is_right in zip(widths, right, strict=True)
    ]
    return "\n".join((line(head), "|" + "|".join(f" {cell} " for cell in rule) + "|", *map(line, rows)))


def bars_table(judged: Sequence[Judged]) -> str:
    """The bars, one a line."""
    rows = []
    for each in judged:
        bar, sign = each.bar, "≤" if each.bar.at_most else "≥"
        levels = [f"{sign} {level:g}{bar.unit}" for level in (bar.now, bar.goal)]
        rows.append([bar.says, *_cells(each.measured, bar.unit), *levels, each.verdict])
    return table(["bar", "median", "least to most", "now", "goal", ""], rows)


def figure(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 1 else f"{value:.2f}"


def spreads_table(head: Sequence[str], spreads: Mapping[str, Spread], unit: str = "") -> str:
    """Figures by name."""
    return table(head, [[name, *_cells(spread, unit)] for name, spread in spreads.items()])


def _cells(spread: Spread | None, unit: str) -> list[str]:
    if spread is None:
        return [NOTHING, NOTHING]
    return [figure(spread.median) + unit, f"{figure(spread.least)} to {figure(spread.most)}"]
