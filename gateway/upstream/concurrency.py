"""How many requests an upstream gets at a time. Pure.

Additive increase, multiplicative decrease, as congestion control on the internet: while answers come as fast as they do
with few requests under way, one more at a time for each round of them; when they take twice as long, a tenth fewer;
when they fail, half. So we never make a system more than about twice as slow as it is without us, and what it cannot
take waits here, where it can still be refused in time.

How fast it is without us is measured again and again: every `EPOCH_SECONDS` a handful of requests goes out with the
fewest under way (as BBR does). Without that the slowness we cause ourselves would become the measure of itself.
"""

from __future__ import annotations

TOLERANCE = 2.0
"""So many times the unhurried time is slow."""
SLACK_SECONDS = 0.01
"""And no less than this above it: a fast system jitters by more than its time."""
SLOW_FACTOR = 0.9
FAILED_FACTOR = 0.5
EPOCH_SECONDS = 30.0
_SETTLED = 5
"""Samples after which a smoothed time means something."""
_SMOOTHING = 0.2
_SIZES = 8
_NEVER = float("inf")


class ConcurrencyLimit:
    """Of one upstream. Times are monotonic seconds."""

    __slots__ = (
        "_calm",
        "_changed_at",
        "_epoch_began",
        "_epoch_ends",
        "_fewest",
        "_limit",
        "_measuring",
        "_most",
        "_paces",
    )

    def __init__(self, *, fewest: int, most: int) -> None:
        """Never outside `fewest` … `most`."""
        self._fewest = fewest
        self._most = float(most)
        self._limit = float(fewest)
        self._changed_at = 0.0
        self._epoch_began = 0.0
        self._epoch_ends = 0.0
        self._measuring = _SETTLED
        self._paces = [_Pace() for _ in range(_SIZES)]
        self._calm = [_NEVER] * _SIZES

    @property
    def requests(self) -> int:
        """How many may be under way now."""
        return self._fewest if self._measuring else int(self._limit)

    def answered(self, *, began: float, now: float, size: int, was_full: bool) -> None:
        """A request of `size` questions was answered; `was_full`: as many as allowed were under way when it began."""
        if now >= self._epoch_ends:
            self._begin_epoch(now)
        if began < self._epoch_began:
            return
        size_class = min(size.bit_length(), _SIZES) - 1
        pace = self._paces[size_class]
        pace.add(now - began)
        if self._measuring:
            self._measuring -= 1
            self._calm[size_class] = pace.smoothed
        elif self._is_slow(size_class):
            self._shrink(SLOW_FACTOR, began=began, now=now)
        elif was_full:
            # What is not used proves nothing about what could be.
            self._limit = min(self._most, self._limit + 1.0 / self._limit)

    def failed(self, *, began: float, now: float) -> None:
        """A request failed as those of an overloaded system do."""
        self._shrink(FAILED_FACTOR, began=began, now=now)

    def start_over(self) -> None:
        """The upstream comes back from an outage: few at first."""
        self._limit = float(self._fewest)
        self._epoch_ends = 0.0
        self._measuring = _SETTLED

    def _begin_epoch(self, now: float) -> None:
        self._epoch_began = now
        self._epoch_ends = now + EPOCH_SECONDS
        self._measuring = _SETTLED
        for pace in self._paces:
            pace.forget()
        self._calm = [_NEVER] * _SIZES

    def _is_slow(self, size_class: int) -> bool:
        pace = self._paces[size_class]
        # Larger requests are no faster than smaller ones, so their calm time stands in for one not measured yet.
        calm = min(self._calm[size_class:])
        if calm == _NEVER:
            if pace.samples >= _SETTLED:
                self._calm[size_class] = pace.smoothed
            return False
        return pace.smoothed > TOLERANCE * calm + SLACK_SECONDS

    def _shrink(self, factor: float, *, began: float, now: float) -> None:
        # Requests from before the last step down say nothing about whether it was enough.
        if began < self._changed_at:
            return
        self._changed_at = now
        self._limit = max(float(self._fewest), self._limit * factor)


class _Pace:
    """How long requests of about one size take now."""

    __slots__ = ("samples", "smoothed")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.samples = 0
        self.smoothed = 0.0

    def add(self, seconds: float) -> None:
        self.samples += 1
        self.smoothed += max(_SMOOTHING, 1.0 / self.samples) * (seconds - self.smoothed)
