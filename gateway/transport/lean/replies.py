"""What a connection says: answers, refusals and resets of its streams, and what that does to the streams' lives.

Owns which streams are under way. Refuses to know what the peer sends (`connection`).
"""

from __future__ import annotations

import asyncio
from collections import deque

from gateway.model import ClientCertificate
from gateway.transport.lean import frames, header_blocks
from gateway.transport.lean.calls import Stream
from gateway.transport.lean.frames import ConnectionFaultError, ErrorCode
from gateway.transport.lean.limits import Limits
from gateway.transport.lean.output import ENOUGH_PENDING_BYTES, Output
from gateway.transport.lean.patience import Patience

_RESPONSE_FRAME = len(header_blocks.RESPONSE) << 8 | frames.HEADERS
_ENDS = frames.END_STREAM | frames.END_HEADERS


class Replies:
    """The speaking half of a connection; `calls.Line` to its streams."""

    def __init__(self, *, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        """The listening half is the subclass."""
        self.loop = loop
        self.limits = limits
        self.max_request_bytes = limits.max_request_bytes
        self.peer = ""
        self.certificate: ClientCertificate | None = None
        self.streams: dict[int, Stream] = {}
        self.last_stream = 0
        self.ghosts = 0
        """Calls whose caller hung up and whose work has not ended yet."""
        self.dead_at: float | None = None
        """Since when nothing more is said or heard."""
        self.closes_when_idle = False
        self.output: Output
        self.patience = Patience(now=loop.time())
        self._transport: asyncio.Transport
        self._held = 0
        self._waiting: deque[Stream] = deque()
        self._no_table = header_blocks.NO_TABLE

    @property
    def dead(self) -> bool:
        """Whether the connection is over."""
        return self.dead_at is not None

    def attach(self, transport: asyncio.Transport) -> None:
        """The network is there."""
        self._transport = transport
        self.peer = peer_of(transport.get_extra_info("peername"))
        self.output = Output(loop=self.loop, write=transport.write, patience=self.patience)

    def pause_writing(self) -> None:
        """The peer does not read: neither do we, so that it cannot have us keep what we owe it."""
        self.output.pause()
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        if not self._transport.is_closing():
            self._transport.resume_reading()
        self.output.resume()
        self._begin_waiting()

    # calls.Line

    def hold(self, size: int) -> bool:
        """See `calls.Line`."""
        if self._held + size > self.limits.unfinished_bytes:
            return False
        self._held += size
        return True

    def release(self, size: int) -> None:
        """See `calls.Line`."""
        self._held -= size

    def reopen(self, stream: Stream, size: int) -> None:
        """See `calls.Line`."""
        stream.quota += size
        if not self.dead:
            self.output.send(frames.word_frame(frames.WINDOW_UPDATE, stream.id, size))

    def begin(self, stream: Stream) -> None:
        """See `calls.Line`."""
        if self._is_clogged():
            self._waiting.append(stream)
        else:
            stream.run()

    def _is_clogged(self) -> bool:
        return self.output.paused or self.output.pending > ENOUGH_PENDING_BYTES

    def _begin_waiting(self) -> None:
        while self._waiting and not self._is_clogged():
            stream = self._waiting.popleft()
            if not stream.over:
                stream.run()

    def answer(self, stream: Stream, message: bytes, trailers: bytes) -> None:
        """See `calls.Line`."""
        head = frames.HEAD.pack(_RESPONSE_FRAME, frames.END_HEADERS, stream.id) + header_blocks.RESPONSE
        if self._no_table:
            head = self._response_head(stream)
        stream.over = stream.headers_sent = True
        if len(trailers) <= frames.SMALLEST_MAX_FRAME:
            last = frames.HEAD.pack(len(trailers) << 8 | frames.HEADERS, _ENDS, stream.id) + trailers
        else:
            last = frames.header_frames(stream.id, trailers, end_stream=True, max_frame=self.output.max_frame)
        if self.output.answer(stream.lane, head, message, last):
            self.done(stream)
        else:
            self.output.send(head)
            self._queue(stream, message, last)

    def say(self, stream: Stream, message: bytes) -> None:
        """See `calls.Line`."""
        if stream.over:
            return
        if not stream.headers_sent:
            stream.headers_sent = True
            self.output.send(self._response_head(stream))
        self._queue(stream, message, None)

    def end(self, stream: Stream, trailers: bytes) -> None:
        """See `calls.Line`."""
        if stream.over:
            return
        stream.over = True
        block = trailers if stream.headers_sent else self._once() + header_blocks.RESPONSE + trailers
        last = frames.header_frames(stream.id, block, end_stream=True, max_frame=self.output.max_frame)
        if not stream.ended:
            last += frames.word_frame(frames.RST_STREAM, stream.id, ErrorCode.NO_ERROR)
        if stream.lane.body:
            self._queue(stream, b"", last)
        else:
            self.output.send(last)
            self.done(stream)

    def _queue(self, stream: Stream, body: bytes, last: bytes | None) -> None:
        try:
            self.output.queue(stream.lane, body, last)
        except ConnectionFaultError as fault:
            self.fail(fault.code, fault.cause)

    def done(self, stream: Stream) -> None:
        """See `calls.Line`."""
        self.patience.sent(2)
        self.forget(stream, cancel=False)

    def defect(self, error: Exception) -> None:
        """See `calls.Line`."""
        self.loop.call_exception_handler({"message": "a defect of the transport", "exception": error})

    # Streams

    def _once(self) -> bytes:
        no_table, self._no_table = self._no_table, b""
        return no_table

    def _response_head(self, stream: Stream) -> bytes:
        block = self._once() + header_blocks.RESPONSE
        return frames.header_frames(stream.id, block, end_stream=False, max_frame=self.output.max_frame)

    def refuse(self, number: int, trailers: bytes, *, ended: bool) -> None:
        """Refuse a request by its headers."""
        self._only(number, header_blocks.RESPONSE + trailers, ended=ended)

    def refuse_http(self, number: int, status: int, *, ended: bool) -> None:
        """Refuse what is no gRPC."""
        self._only(number, header_blocks.http_refusal(status), ended=ended)

    def _only(self, number: int, block: bytes, *, ended: bool) -> None:
        reply = frames.header_frames(number, self._once() + block, end_stream=True, max_frame=self.output.max_frame)
        if not ended:
            reply += frames.word_frame(frames.RST_STREAM, number, ErrorCode.NO_ERROR)
        self.output.send(reply)
        self.close_if_idle()

    def cut(self, stream: Stream, trailers: bytes) -> None:
        """See `calls.Line`."""
        task = stream.task
        self.end(stream, trailers)
        if task is not None:
            self._cancel(task)

    def reset(self, number: int, code: ErrorCode) -> None:
        """Give a stream up."""
        self.output.send(frames.word_frame(frames.RST_STREAM, number, code))
        stream = self.streams.get(number)
        if stream is not None:
            self.forget(stream, cancel=True)

    def forget(self, stream: Stream, *, cancel: bool) -> None:
        """The stream is closed."""
        stream.over = True
        if self.streams.pop(stream.id, None) is None:
            return
        if stream.timer is not None:
            stream.timer.cancel()
            stream.timer = None
        stream.release()
        if cancel:
            self.output.drop(stream.lane)
            if stream.task is not None:
                self._cancel(stream.task)
        if self._waiting:
            self._begin_waiting()
        if self.closes_when_idle:
            self.close_if_idle()

    def _cancel(self, task: asyncio.Task[None]) -> None:
        if not task.done():
            self.ghosts += 1
            task.add_done_callback(self._ghost_gone)
            task.cancel()

    def _ghost_gone(self, _task: asyncio.Task[None]) -> None:
        self.ghosts -= 1

    # The end

    def close_if_idle(self) -> None:
        """Close after a GOAWAY once everything is said."""
        if self.closes_when_idle and not self.streams and not self.dead:
            self._close()

    def fail(self, code: ErrorCode, cause: str) -> None:
        """GOAWAY with a code, and the end at once."""
        if not self.dead:
            self.output.send(frames.goaway_frame(self.last_stream, code, cause))
            self._close()

    def _close(self) -> None:
        self.output.flush()
        self.dead_at = self.loop.time()
        self._transport.close()
        self.abandon()

    def abort(self) -> None:
        """The end, without a word: the peer does not listen."""
        self._transport.abort()

    def abandon(self) -> None:
        """Nobody waits for anything any more."""
        if self.dead_at is None:
            self.dead_at = self.loop.time()
        self._waiting.clear()
        for stream in list(self.streams.values()):
            self.forget(stream, cancel=True)


def peer_of(peername: object) -> str:
    """The network address without the port; empty for a unix socket."""
    if not isinstance(peername, tuple):
        return ""
    address = str(peername[0]).partition("%")[0]
    # A dual-stack port sees IPv4 callers as ::ffff:192.0.2.1; networks of accounts are written in IPv4.
    return address.removeprefix("::ffff:") if "." in address else address
