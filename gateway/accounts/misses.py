"""The budget of misses and mismatches that stops those who try numbers until one fits. Pure.

A bucket of `misses_per_hour` citizens that is full at rest and refills evenly over an hour. It is kept as the seconds
until it is full again (`ahead`), as rates are.
"""

from __future__ import annotations

from gateway.accounts.model import Limits
from gateway.errors import Reason

HOUR_SECONDS = 3_600.0
MISSES = frozenset({Reason.CITIZEN_NOT_FOUND, Reason.IDENTITY_MISMATCH, Reason.REGISTRY_RECORD_NOT_FOUND})
"""Outcomes that count."""

_ROUNDING_SECONDS = 1e-6


def interval_of(limits: Limits) -> float:
    """Seconds in which one miss is forgiven. `limits` has a budget."""
    assert limits.misses_per_hour
    return HOUR_SECONDS / limits.misses_per_hour


def after_misses(limits: Limits, misses: int, *, ahead_seconds: float) -> float:
    """Seconds until the bucket is full again, after more misses. One bulk call blocks nobody for more than an hour."""
    return min(ahead_seconds + misses * interval_of(limits), HOUR_SECONDS + HOUR_SECONDS)


def seconds_blocked(limits: Limits, *, ahead_seconds: float) -> float:
    """Seconds until one more citizen may be asked for; 0 when one may now."""
    wait = ahead_seconds + interval_of(limits) - HOUR_SECONDS
    return wait if wait > _ROUNDING_SECONDS else 0.0
