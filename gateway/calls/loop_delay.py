"""How long the event loop keeps what is ready waiting. Owns the measurement; what follows from it is policy."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

_EVERY_SECONDS = 0.02
_SAMPLES = 3


class LoopDelay:
    """Samples the loop's delay while it runs; the lowest of the last samples is the queue that stands (RFC 8289).

    A sample is how late a timer was, or how long a callback then waited for its turn, whichever is more.
    """

    def __init__(self, *, told: Callable[[float], None]) -> None:
        """`told` hears the standing delay in seconds after each sample. Nothing is measured before `start`."""
        self._told = told
        self._samples: deque[float] = deque(maxlen=_SAMPLES)
        self._timer: asyncio.Handle | None = None

    def start(self) -> None:
        """Begin to sample, on the running loop."""
        self._wait(asyncio.get_running_loop())

    def stop(self) -> None:
        """Sample no more; what stood is forgotten."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._samples.clear()
        self._told(0.0)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(_EVERY_SECONDS, self._ask, loop, loop.time() + _EVERY_SECONDS)

    def _ask(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        self._timer = loop.call_soon(self._sample, loop, now - due, now)

    def _sample(self, loop: asyncio.AbstractEventLoop, late: float, asked: float) -> None:
        self._samples.append(max(0.0, late, loop.time() - asked))
        self._told(min(self._samples) if len(self._samples) == _SAMPLES else 0.0)
        self._wait(loop)
