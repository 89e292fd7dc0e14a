"""How long the event loop keeps what is ready waiting. Owns the measurement; what follows from it is policy."""

from __future__ import annotations

import asyncio
from collections import deque

_EVERY_SECONDS = 0.05
_SAMPLES = 8


class LoopDelay:
    """Samples the loop's delay while it runs; the lowest of the last samples is the queue that stands (RFC 8289)."""

    def __init__(self) -> None:
        """Nothing is measured before `start`."""
        self._samples: deque[float] = deque(maxlen=_SAMPLES)
        self._timer: asyncio.TimerHandle | None = None
        self.standing_seconds = 0.0
        """The standing delay; 0 until there are enough samples."""

    def start(self) -> None:
        """Begin to sample, on the running loop."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_EVERY_SECONDS, self._sample, loop, loop.time() + _EVERY_SECONDS)

    def stop(self) -> None:
        """Sample no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._samples.clear()
        self.standing_seconds = 0.0

    def _sample(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._samples.append(max(0.0, loop.time() - due))
        self.standing_seconds = min(self._samples) if len(self._samples) == _SAMPLES else 0.0
        self._timer = loop.call_later(_EVERY_SECONDS, self._sample, loop, loop.time() + _EVERY_SECONDS)
