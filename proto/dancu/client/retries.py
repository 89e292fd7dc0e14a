"""When a refused call is worth another attempt, and how long to wait before it.

Owns the decision only: pure, without a clock or I/O. Refuses to know how a call is sent or how one waits.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from dancu.client.refusals import LimitExceeded, Refused, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How stubborn a client is. Only what a retry can cure is tried again, never beyond the call's deadline."""

    max_attempts: int = 4
    """Attempts of one call, the first included. 1 never retries."""
    first_pause_seconds: float = 0.05
    """Pause before the second attempt where the gateway names none; it doubles with each further one."""
    longest_pause_seconds: float = 1.0
    """Upper bound of that doubling. What RetryInfo asks for is not bounded by it, only by the deadline."""
    wait_for_limits: bool = False
    """Whether RESOURCE_EXHAUSTED is waited out too, where its RetryInfo ends before the call's deadline."""

    def pause(self, refused: Refused, *, attempt: int, remaining_seconds: float, chance: float) -> float | None:
        """Seconds to wait after the refusal of attempt number `attempt` (from 1), or None to give up.

        `chance` in [0, 1) spreads callers apart, so that those refused together do not return together; a pause
        is never shorter than RetryInfo asks.
        """
        if attempt >= self.max_attempts or not self._curable(refused):
            return None
        if refused.retry_after is None:
            bound = min(self.longest_pause_seconds, self.first_pause_seconds * 2.0 ** (attempt - 1))
            pause = bound * (0.5 + 0.5 * chance)
            return pause if pause < remaining_seconds else None
        asked = refused.retry_after.total_seconds()
        if asked >= remaining_seconds:
            return None
        return asked + chance * min(0.25 * asked + self.first_pause_seconds, 0.5 * (remaining_seconds - asked))

    def _curable(self, refused: Refused) -> bool:
        if isinstance(refused, Unavailable):
            return True
        return self.wait_for_limits and isinstance(refused, LimitExceeded) and refused.retry_after is not None


class RetryBudget:
    """Keeps the retries of all calls of a client together from multiplying the load on a gateway in trouble.

    A full budget allows about `capacity / 2` retries in a row; each answered call earns `earned` of one back. The
    scheme is that of gRPC's retry throttling (gRFC A6). Safe to share between threads.
    """

    def __init__(self, *, capacity: float = 1000.0, earned: float = 0.1) -> None:
        self._capacity = capacity
        self._earned = earned
        self._tokens = capacity
        self._lock = threading.Lock()

    def answered(self) -> None:
        """A call was answered."""
        with self._lock:
            self._tokens = min(self._capacity, self._tokens + self._earned)

    def may_retry(self) -> bool:
        """Count one failure; False once too many calls have failed of late."""
        with self._lock:
            self._tokens = max(0.0, self._tokens - 1.0)
            return self._tokens > self._capacity / 2
