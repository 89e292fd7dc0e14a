"""How old an answer may be. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol


class Dated(Protocol):
    """A copy of some record."""

    @property
    def data_as_of(self) -> float:
        """The moment at which its source vouched for it, in seconds since the epoch."""


CLOCK_TOLERANCE_SECONDS = 1.0
"""How far ahead of our clock a copy's time may be before it counts as told by a wrong clock."""


def allowed_staleness(asked: timedelta | None, ceiling: timedelta) -> timedelta:
    """The stricter of what the caller accepts and what the account's policy allows."""
    return ceiling if asked is None else min(asked, ceiling)


def is_fresh(record: Dated, *, now: float, staleness_seconds: float) -> bool:
    """Whether a copy is young enough. No staleness allowed means no copy is; nor is one from the future."""
    return staleness_seconds > 0 and -CLOCK_TOLERANCE_SECONDS <= now - record.data_as_of <= staleness_seconds
