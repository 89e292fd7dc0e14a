"""The day of a daily quota: from midnight to midnight in Viet Nam. Pure.

Asia/Ho_Chi_Minh has stood at UTC+7 without summer time since 1975, so the day is arithmetic and needs no tables.
"""

from __future__ import annotations

_DAY_SECONDS = 86_400
_OFFSET_SECONDS = 7 * 3_600


def day_of(now: float) -> int:
    """The local day of a moment (seconds since the epoch), counted from 1970-01-01."""
    return int(now + _OFFSET_SECONDS) // _DAY_SECONDS


def moment_of(day: int) -> float:
    """The local midnight at which a day begins, in seconds since the epoch."""
    return float(day * _DAY_SECONDS - _OFFSET_SECONDS)


def seconds_to_midnight(now: float) -> float:
    """Seconds until the local midnight after a moment; more than 0, at most a day."""
    return moment_of(day_of(now) + 1) - now
