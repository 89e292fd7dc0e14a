"""What a connection sends: frames in order, within the peer's windows, in one write a turn of the loop.

Owns the peer's flow control (RFC 9113 §5.2, §6.9) and how much waits here because the peer does not read. Refuses to
know what the bytes mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.transport.lean.frames import (
    DATA,
    FIRST_WINDOW,
    HEAD,
    LARGEST_WINDOW,
    SMALLEST_MAX_FRAME,
    ConnectionFaultError,
    ErrorCode,
    StreamFaultError,
)
from gateway.transport.lean.patience import Patience

MOST_PENDING_BYTES = 64 << 20
"""Answers that may wait for a peer's windows. Many calls and no reading is how a gateway is filled up."""
ENOUGH_PENDING_BYTES = 1 << 20
"""Beyond it no further call of the connection is begun."""
_WRITE_BYTES = 128 * 1024


class Lane:
    """The sending side of one stream."""

    __slots__ = ("body", "drained", "id", "last", "window")

    def __init__(self, stream: int, window: int, drained: Callable[[], None]) -> None:
        """`drained` is called whenever nothing waits any more."""
        self.id = stream
        self.window = window
        self.body = bytearray()
        """DATA that waits."""
        self.last: bytes | None = None
        """The frames that end the stream, once they are known and until they are sent."""
        self.drained = drained


class Output:
    """The sending side of one connection."""

    def __init__(self, *, loop: asyncio.AbstractEventLoop, write: Callable[[bytes], None], patience: Patience) -> None:
        """`write` gives bytes to the network, and may call `pause` before it returns."""
        self._patience = patience
        self._loop = loop
        self._write = write
        self._frames: list[bytes] = []
        self._size = 0
        self._scheduled = False
        self._ready: dict[Lane, None] = {}
        self._stalled: set[Lane] = set()
        self.paused = False
        self.window = FIRST_WINDOW
        self.first_window = FIRST_WINDOW
        self.max_frame = SMALLEST_MAX_FRAME
        self.pending = 0
        """Bytes of DATA that wait."""
        self.progress_at = loop.time()
        """When the peer last let something through."""

    def send(self, frames: bytes) -> None:
        """Send frames that no window holds back."""
        self._frames.append(frames)
        self._size += len(frames)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.flush)

    def answer(self, lane: Lane, head: bytes, body: bytes, last: bytes) -> bool:
        """Send a whole answer of one DATA frame at once if the peer lets it through; False where it has to wait."""
        size = len(body)
        if self.paused or self._ready or size > lane.window or size > self.window or size > self.max_frame:
            return False
        self.window -= size
        self.send(head + HEAD.pack(size << 8 | DATA, 0, lane.id) + body + last)
        return True

    def queue(self, lane: Lane, body: bytes, last: bytes | None = None) -> None:
        """Send what the peer lets through, now and as it does; then the frames that end the stream, if given.

        Raises `ConnectionFaultError` where too much waits.
        """
        if not self.pending:
            # Until now nothing was held back: patience with the peer starts here.
            self.progress_at = self._loop.time()
        if self.pending + len(body) > MOST_PENDING_BYTES:
            raise ConnectionFaultError(ErrorCode.ENHANCE_YOUR_CALM, "answers are not read")
        self.pending += len(body)
        lane.body += body
        lane.last = last
        if lane not in self._stalled:
            self._ready[lane] = None
            self.send(b"")

    def drop(self, lane: Lane) -> None:
        """Forget what waits on a stream that was reset."""
        self.pending -= len(lane.body)
        lane.body.clear()
        lane.last = None
        self._ready.pop(lane, None)
        self._stalled.discard(lane)

    def flush(self) -> None:
        """Write what there is."""
        self._scheduled = False
        if self.paused:
            return
        if self._ready:
            self._pump()
        if self._frames and not self.paused:
            self._give()

    def _give(self) -> None:
        frames = self._frames
        joined = frames[0] if len(frames) == 1 else b"".join(frames)
        frames.clear()
        self._size = 0
        if joined:
            self._write(joined)

    def _pump(self) -> None:
        """One frame of each stream in turn, so that a small answer does not wait for the whole of a large one."""
        while self._ready and not self.paused:
            lane = next(iter(self._ready))
            if lane.body:
                size = min(len(lane.body), lane.window, self.max_frame)
                if size <= 0:
                    del self._ready[lane]
                    self._stalled.add(lane)
                    continue
                size = min(size, self.window)
                if size <= 0:
                    return
                self._frames.append(HEAD.pack(size << 8 | DATA, 0, lane.id) + lane.body[:size])
                self._size += size
                del lane.body[:size]
                lane.window -= size
                self.window -= size
                self.pending -= size
                # Whoever is sent much in small windows has to widen them often.
                self._patience.sent(1)
                self.progress_at = self._loop.time()
            del self._ready[lane]
            if lane.body:
                self._ready[lane] = None
            else:
                if lane.last is not None:
                    self._frames.append(lane.last)
                    lane.last = None
                lane.drained()
            if self._size >= _WRITE_BYTES:
                self._give()

    def pause(self) -> None:
        """The network takes no more for now."""
        self.paused = True
        self.progress_at = self._loop.time()

    def resume(self) -> None:
        """The network takes more."""
        self.paused = False
        self.progress_at = self._loop.time()
        self.flush()

    def is_held_back(self) -> bool:
        """Whether something waits for the peer."""
        return self.paused or self.pending > 0

    def widen(self, increment: int) -> None:
        """WINDOW_UPDATE of the connection."""
        if not 0 < increment <= LARGEST_WINDOW - self.window:
            code = ErrorCode.FLOW_CONTROL_ERROR if increment else ErrorCode.PROTOCOL_ERROR
            raise ConnectionFaultError(code, "window of the connection")
        self.window += increment
        if self._ready:
            self.send(b"")

    def widen_lane(self, lane: Lane, increment: int) -> None:
        """WINDOW_UPDATE of a stream."""
        if not 0 < increment <= LARGEST_WINDOW - lane.window:
            code = ErrorCode.FLOW_CONTROL_ERROR if increment else ErrorCode.PROTOCOL_ERROR
            raise StreamFaultError(code, "window of a stream")
        lane.window += increment
        self._unstall(lane)

    def change_first_window(self, value: int, lanes: list[Lane]) -> None:
        """SETTINGS_INITIAL_WINDOW_SIZE: of streams to come, and by its difference of those there are."""
        if value > LARGEST_WINDOW:
            raise ConnectionFaultError(ErrorCode.FLOW_CONTROL_ERROR, "initial window")
        difference = value - self.first_window
        self.first_window = value
        for lane in lanes:
            if lane.window + difference > LARGEST_WINDOW:
                raise ConnectionFaultError(ErrorCode.FLOW_CONTROL_ERROR, "window of a stream")
            lane.window += difference
            self._unstall(lane)

    def _unstall(self, lane: Lane) -> None:
        if lane.window > 0 and lane in self._stalled:
            self._stalled.discard(lane)
            self._ready[lane] = None
            self.send(b"")
