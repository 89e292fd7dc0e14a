"""The ways in which a request to an upstream fails, and what each means for everything else. Pure.

Owns the table. Refuses to know HTTP: an adapter says which kind a failure is.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class UpstreamUnavailableError(Exception):
    """No trustworthy answer came in time: refused, timed out, broken, or about another person."""

    def __init__(self, cause: str, *, retry_after_seconds: float = 1.0) -> None:
        """`cause` is for the log and holds no citizen's data."""
        super().__init__(cause)
        self.cause = cause
        self.retry_after_seconds = retry_after_seconds


class _Meaning(NamedTuple):
    outcome: str
    """As metrics call it."""
    may_retry: bool
    """Whether asking again at once can help. Lookups change nothing, so asking twice is always safe."""
    is_overload: bool
    """Whether fewer requests at a time might have gone better."""


class Failure(enum.Enum):
    """Why a whole request came to nothing. Each counts for the breaker."""

    TIMEOUT = _Meaning("timeout", may_retry=False, is_overload=True)
    """Silence, or too slow. Not repeated: its time is used up, and a slow system needs fewer questions."""
    UNREACHABLE = _Meaning("unreachable", may_retry=True, is_overload=True)
    """No connection, or one that broke before the whole answer was there."""
    UNWELL = _Meaning("unwell", may_retry=True, is_overload=True)
    """It says itself that it cannot (5xx, 429)."""
    UNUSABLE = _Meaning("unusable", may_retry=False, is_overload=False)
    """An answer of another shape or size than documented."""
    REJECTED = _Meaning("rejected", may_retry=False, is_overload=False)
    """It will not answer us: credentials, or a request it does not know."""


class ExchangeError(Exception):
    """One request to an upstream came to nothing, for all questions in it."""

    def __init__(self, failure: Failure, cause: str, *, retry_after_seconds: float | None = None) -> None:
        """`cause` is for the log and holds no citizen's data; `retry_after_seconds`: what the upstream asked for."""
        super().__init__(cause)
        self.failure = failure
        self.cause = cause
        self.retry_after_seconds = retry_after_seconds
