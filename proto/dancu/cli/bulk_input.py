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
_TOO_LONG: Final = "the line is too long"


class UnusableFileError(Exception):
    """The file is of no form that can be read; the text says why, without its content."""


@dataclass(frozen=True, slots=True)
class InputRow:
    """One citizen of the file."""

    line: int
    """Line of the file, from 1. One row is one line."""
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


def lines_in(path: Path) -> int:
    """How many lines a file has: about as many citizens, for a progress bar."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def _is_json(file: TextIO) -> bool:
    start = file.read(4096).lstrip()
    file.seek(0)
    return start.startswith("{")


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    """Each line with its number, blank ones left out; one beyond all measure comes as its beginning, of that length."""
    for line, start in enumerate(iter(lambda: file.readline(_LARGEST_LINE), ""), 1):
        rest = start
        while len(rest) == _LARGEST_LINE and not rest.endswith("\n"):
            rest = file.readline(_LARGEST_LINE)
        if start.strip() or len(start) == _LARGEST_LINE:
            yield line, start


def _json_lines(file: TextIO) -> Iterator[tuple[int, Mapping[str, str] | str]]:
    for line, text in _lines(file):
        if len(text) == _LARGEST_LINE:
            yield line, _TOO_LONG
            continue
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            told = None
        if isinstance(told, dict):
            yield line, {name: str(value) for name, value in told.items()}
        else:
            yield line, "the line is not a JSON object"


def _csv(file: TextIO) -> Iterator[tuple[int, Mapping[str, str] | str]]:
    start = file.read(4096)
    file.seek(0)
    delimiter = max(",;\t", key=start.partition("\n")[0].count)
    columns: list[str] | None = None
    for line, text in _lines(file):
        cells = _cells(text, delimiter)
        if isinstance(cells, list) and not any(cell.strip() for cell in cells):
            continue
        if columns is None:
            if isinstance(cells, str):
                raise UnusableFileError(f"cannot be read from its first line on: {cells}")
            named = [cell.strip().lower() for cell in cells]
            if any(name in NUMBER_COLUMNS for name in named):
                columns = named
                continue
            if not named[0].isdigit():
                raise UnusableFileError(f"names none of the columns {', '.join(NUMBER_COLUMNS)} in its first line")
            columns = ["number"]  # no heading: the first column is the number
        yield line, cells if isinstance(cells, str) else dict(zip(columns, cells, strict=False))


def _cells(text: str, delimiter: str) -> list[str] | str:
    """The cells of one line, or what is wrong with it."""
    if len(text) == _LARGEST_LINE:
        return _TOO_LONG
    # Each line by itself: a quote that is never closed would take all lines after it into one cell.
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        return f"the line is not CSV: {error}"


def _row(line: int, values: Mapping[str, str] | str, claimed: Sequence[str]) -> InputRow:
    if isinstance(values, str):
        return InputRow(line, "", None, values)
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
