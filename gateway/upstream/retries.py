"""Whether and when a failed request is sent again. Pure.

Retries of all clients together are what keeps a struggling system down. So there are few (a share of the requests that
were sent), they are spread (full jitter), and none is sent for somebody who will not be there for the answer.
"""

from __future__ import annotations

BASE_SECONDS = 0.05
"""Longest pause before the first retry; it doubles with each."""
LONGEST_SECONDS = 1.0
RESERVE = 3.0
"""Retries that a quiet upstream may have at once, and the most that can be saved up."""


class RetryBudget:
    """Lets retries be a share of the requests, over any stretch of time, and `RESERVE` more."""

    __slots__ = ("_left", "_share")

    def __init__(self, share: float) -> None:
        """`share`: 0.1 is one retry for ten requests."""
        self._share = share
        self._left = RESERVE if share > 0 else 0.0

    def requested(self) -> None:
        """A request was sent that is no retry."""
        self._left = min(RESERVE, self._left + self._share)

    def take(self) -> bool:
        """Whether one more retry may be sent; it then counts as sent."""
        # Ten shares of 0.1 add up to a little less than one.
        if self._left < 1 - 1e-9:
            return False
        self._left -= 1
        return True


def pause_seconds(attempt: int, *, draw: float) -> float:
    """How long to wait before attempt 2, 3, …; `draw` is random, from 0 to 1 (full jitter)."""
    return draw * min(LONGEST_SECONDS, BASE_SECONDS * 2.0 ** (attempt - 2))
