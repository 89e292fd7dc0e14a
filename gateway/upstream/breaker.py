"""When an upstream is not asked at all, and when it is tried again. Pure.

    CLOSED ──failures reach the ratio, of enough requests──▶ OPEN ──its period passes──▶ PROBING
       ▲                                                      ▲                            │
       │                                                      └────────a probe fails───────┤
       └───────────────────────────────as many probes succeed as are allowed───────────────┘

The period is drawn anew each time, so that the workers of a country do not all come back in the same second.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable

from gateway.upstream.policy import BreakerPolicy

BUCKETS = 10
"""Parts of the window; how exactly it slides."""
PROBES = 3
"""Requests at a time while trying again, and how many must succeed."""
BUSY_PROBING_SECONDS = 1.0
"""When to come back while probes are under way: about when their outcome is known."""


class State(enum.Enum):
    """Of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


class Breaker:
    """Of one upstream. Times are monotonic seconds."""

    def __init__(self, *, policy: BreakerPolicy, draw: Callable[[], float]) -> None:
        """`draw` gives random numbers from 0 to 1."""
        self._policy = policy
        self._draw = draw
        self._window = _Window(policy.window_seconds)
        self.state = State.CLOSED
        self._open_until = 0.0
        self._era = 0
        self._probing = 0
        self._probed_well = 0

    def seconds_closed_to(self, now: float) -> float | None:
        """When to come back, in seconds, if no request may start now; None if one may."""
        if self.state is State.CLOSED:
            return None
        if self.state is State.OPEN:
            if now < self._open_until:
                return self._open_until - now
            self._turn(State.PROBING)
        if self._probing + self._probed_well < PROBES:
            return None
        return BUSY_PROBING_SECONDS

    def started(self) -> int:
        """A request starts; give the number back with its outcome."""
        if self.state is State.PROBING:
            self._probing += 1
        return self._era

    def finished(self, era: int, *, well: bool, now: float) -> None:
        """The request ended. One that started in an earlier state says nothing of this one."""
        if era != self._era:
            return
        if self.state is State.PROBING:
            self._probing -= 1
            if not well:
                self._open(now)
                return
            self._probed_well += 1
            if self._probed_well >= PROBES:
                self._window = _Window(self._policy.window_seconds)
                self._turn(State.CLOSED)
            return
        self._window.add(now, failed=not well)
        enough = self._window.requests >= self._policy.min_requests
        if not well and enough and self._window.failures >= self._policy.failure_ratio * self._window.requests:
            self._open(now)

    def abandoned(self, era: int) -> None:
        """The request ended without an outcome."""
        if era == self._era and self.state is State.PROBING:
            self._probing -= 1

    def _open(self, now: float) -> None:
        self._open_until = now + self._policy.open_seconds * (0.5 + self._draw())
        self._turn(State.OPEN)

    def _turn(self, state: State) -> None:
        self.state = state
        self._era += 1
        self._probing = 0
        self._probed_well = 0


class _Window:
    """Requests and failures of the recent past."""

    __slots__ = ("_buckets", "_width", "failures", "requests")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / BUCKETS
        self._buckets: deque[list[int]] = deque()
        """Of [number of the bucket, requests, failures]."""
        self.requests = 0
        self.failures = 0

    def add(self, now: float, *, failed: bool) -> None:
        """Count a request, and forget what is no longer recent."""
        number = int(now / self._width)
        buckets = self._buckets
        while buckets and buckets[0][0] <= number - BUCKETS:
            _, requests, failures = buckets.popleft()
            self.requests -= requests
            self.failures -= failures
        if not buckets or buckets[-1][0] != number:
            buckets.append([number, 0, 0])
        buckets[-1][1] += 1
        buckets[-1][2] += failed
        self.requests += 1
        self.failures += failed
