"""One clock for what machines tell each other: that of Redis.

Times that travel between machines are kept in Redis's time and translated by each at both ends, so that a machine whose
clock is wrong makes no copy look younger than it is.
"""

from __future__ import annotations

LONGEST_TRIP_SECONDS = 0.05
"""A reading that took longer says too little."""


class RedisTime:
    """How far Redis's clock is ahead of ours."""

    def __init__(self) -> None:
        """Until the first reading the two count as the same."""
        self.ahead_seconds = 0.0

    def read(self, redis_now: float, *, sent_at: float, trip_seconds: float) -> None:
        """A reading: what Redis's clock said on a trip that began at `sent_at` by ours."""
        if trip_seconds > LONGEST_TRIP_SECONDS:
            return
        ahead = redis_now - (sent_at + trip_seconds / 2)
        # Within half a trip nothing can be told apart; clocks that agree are not made to differ.
        self.ahead_seconds = ahead if abs(ahead) > trip_seconds / 2 + 0.001 else 0.0

    def to_redis(self, ours: float) -> float:
        """A time of ours in Redis's."""
        return ours + self.ahead_seconds

    def from_redis(self, theirs: float) -> float:
        """A time of Redis's in ours."""
        return theirs - self.ahead_seconds
