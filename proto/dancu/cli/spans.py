"""Stretches of time as operators type them: days and months of Vietnam, both ends included.

Owns the reading of `--from` and `--to` and how a span reads in a heading. Vietnam keeps UTC+7 all year.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Annotated

import typer

from dancu.cli.output import Language

VIETNAM = timezone(timedelta(hours=7))

FromOption = Annotated[
    str, typer.Option("--from", metavar="DATE", help="First day or month, YYYY-MM-DD or YYYY-MM, in Vietnam's time.")
]
ToOption = Annotated[
    str, typer.Option("--to", metavar="DATE", help="Last day or month, included: YYYY-MM-DD or YYYY-MM.")
]

_DATE = re.compile(r"(?P<year>\d{4})-(?P<month>\d{2})(?:-(?P<day>\d{2}))?")


@dataclass(frozen=True, slots=True)
class Span:
    """From `since`, inclusive, to `until`, exclusive; None is open. Both are midnights in Vietnam."""

    since: datetime | None = None
    until: datetime | None = None

    def text(self, language: Language) -> str:
        """For a heading; the last day is named, not the midnight after it."""
        first = _day(self.since, language)
        last = _day(self.until - timedelta(days=1) if self.until else None, language)
        if first and last:
            return language.of(f"{first} to {last}", f"từ {first} đến {last}")
        if first:
            return language.of(f"since {first}", f"từ {first}")
        if last:
            return language.of(f"until {last}", f"đến hết {last}")
        return language.of("since the first record", "từ bản ghi đầu tiên")


def span(since: str, until: str) -> Span:
    """The span two options mean, empty ones being open; a mistake is a usage error that names the option."""
    first = _bounds(since, "--from")
    last = _bounds(until, "--to")
    found = Span(first[0] if first else None, last[1] if last else None)
    if found.since is not None and found.until is not None and found.since >= found.until:
        raise typer.BadParameter("ends before --from begins", param_hint="--to")
    return found


def _bounds(text: str, option: str) -> tuple[datetime, datetime] | None:
    """The first moment of a day or month, and the first one after it."""
    if not text:
        return None
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise _no_date(option)
    try:
        year, month, day = int(match["year"]), int(match["month"]), match["day"]
        start = datetime(year, month, int(day or 1), tzinfo=VIETNAM)
        if day:
            return start, start + timedelta(days=1)
        return start, (start + timedelta(days=31)).replace(day=1)
    except (ValueError, OverflowError):
        raise _no_date(option) from None


def _no_date(option: str) -> typer.BadParameter:
    return typer.BadParameter("a date reads YYYY-MM-DD or YYYY-MM", param_hint=option)


def _day(moment: datetime | None, language: Language) -> str:
    if moment is None:
        return ""
    return f"{moment:%d/%m/%Y}" if language is Language.VI else f"{moment:%Y-%m-%d}"
