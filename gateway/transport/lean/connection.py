"""One connection: bytes into frames, frames to their streams, and the rules of RFC 9113 that hold between them.

Owns the states of a connection from its preface to its end. Whatever a peer sends ends in an answer, RST_STREAM or
GOAWAY: no exception leaves `data_received`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import cast

from gateway.errors import Reason, UnimplementedError
from gateway.transport.lean import frames, header_blocks
from gateway.transport.lean.calls import (
    RESOURCE_EXHAUSTED,
    UNIMPLEMENTED,
    Method,
    StatusError,
    Stream,
    refusal_trailers,
)
from gateway.transport.lean.frames import ConnectionFaultError, ErrorCode, StreamFaultError
from gateway.transport.lean.limits import MAX_BLOCK_BYTES, MAX_BLOCK_FRAMES, MAX_STREAMS, RECEIVE_WINDOW, Limits
from gateway.transport.lean.replies import Replies
from gateway.transport.lean.request_head import MAX_METADATA_BYTES, RequestHead

_FAREWELL = b"farewell"
_ALIVE = b"alive???"


class Connection(Replies, asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        methods: Mapping[str, Method],
        limits: Limits,
        max_age: float,
        opened: Callable[[Connection], None],
        closed: Callable[[Connection], None],
    ) -> None:
        """`methods` by path; `max_age`: this connection's own; `opened` and `closed` tell of its life."""
        super().__init__(loop=loop, limits=limits)
        self._methods = methods
        self._max_age = max_age
        self._opened = opened
        self._closed = closed
        self._rest = b""
        self._prefaced = self._settled = False
        self._block: bytearray | None = None
        self._block_of = (0, 0)
        self._block_frames = 0
        self._reader = header_blocks.HeaderReader()
        self._credit = frames.FIRST_WINDOW
        self._born = self._heard = loop.time()
        self._asked_at: float | None = None
        self._retired_at: float | None = None
        self._final = False
        self._controls: dict[int, Callable[[int, int, bytes], None]] = {
            frames.PRIORITY: self._on_priority,
            frames.RST_STREAM: self._on_reset,
            frames.SETTINGS: self._on_settings,
            frames.PUSH_PROMISE: self._on_push,
            frames.PING: self._on_ping,
            frames.GOAWAY: self._on_goaway,
            frames.WINDOW_UPDATE: self._on_window,
        }

    # The network

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say what we allow."""
        # uvloop's own does not inherit from it.
        self.attach(cast("asyncio.Transport", transport))
        self._opened(self)
        self.output.send(
            frames.settings_frame(
                (
                    (frames.MAX_CONCURRENT_STREAMS, MAX_STREAMS),
                    (frames.INITIAL_WINDOW_SIZE, self.limits.stream_window),
                    (frames.MAX_HEADER_LIST_SIZE, MAX_METADATA_BYTES),
                )
            )
            + frames.word_frame(frames.WINDOW_UPDATE, 0, RECEIVE_WINDOW - frames.FIRST_WINDOW)
        )
        self._credit = RECEIVE_WINDOW

    def connection_lost(self, _error: Exception | None) -> None:
        """The callers are gone."""
        self.abandon()
        self._closed(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        if self.dead:
            return
        self._heard = self.loop.time()
        try:
            self._feed(data)
        except ConnectionFaultError as fault:
            self.fail(fault.code, fault.cause)
        except Exception as defect:  # noqa: BLE001  one peer must not take the worker with it
            self.defect(defect)
            self.fail(ErrorCode.INTERNAL_ERROR, "internal")

    def _feed(self, data: bytes) -> None:
        buffer = self._rest + data if self._rest else data
        at = 0
        if not self._prefaced:
            if not frames.PREFACE.startswith(buffer[: len(frames.PREFACE)]):
                raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "preface")
            if len(buffer) < len(frames.PREFACE):
                self._rest = buffer
                return
            self._prefaced = True
            at = len(frames.PREFACE)
        end = len(buffer)
        unpack = frames.HEAD.unpack_from
        while at + frames.HEAD_BYTES <= end:
            length_and_kind, flags, stream = unpack(buffer, at)
            length = length_and_kind >> 8
            if length > frames.SMALLEST_MAX_FRAME:
                raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, "frame larger than announced")
            start = at + frames.HEAD_BYTES
            at = start + length
            if at > end:
                at = start - frames.HEAD_BYTES
                break
            self._on_frame(length_and_kind & 0xFF, flags, stream & 0x7FFFFFFF, buffer[start:at])
            if self.dead:
                return
        self._rest = buffer[at:]

    def _on_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._block is not None and (kind != frames.CONTINUATION or stream != self._block_of[0]):
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "a header block was not finished")
        if not self._settled and (kind != frames.SETTINGS or flags & frames.ACK):
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "SETTINGS come first")
        try:
            if kind == frames.DATA:
                self._on_data(flags, stream, payload)
            elif kind == frames.HEADERS:
                self._on_headers(flags, stream, payload)
            elif kind == frames.CONTINUATION:
                self._on_continuation(flags, payload)
            else:
                self.patience.spend(now=self._heard)
                control = self._controls.get(kind)
                if control is not None:
                    control(flags, stream, payload)
        except StreamFaultError as fault:
            self.patience.spend(now=self._heard)
            self.reset(stream, fault.code)

    # Requests

    def _on_headers(self, flags: int, stream: int, payload: bytes) -> None:
        if not stream & 1:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "stream of a caller with an even number")
        if flags & frames.PADDED:
            payload = frames.unpadded(payload)
        if flags & frames.WITH_PRIORITY:
            if len(payload) < 5:
                raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, "priority of HEADERS")
            payload = payload[5:]
        if flags & frames.END_HEADERS:
            self._on_block(flags, stream, payload)
            return
        self._block = bytearray(payload)
        self._block_of = (stream, flags)
        self._block_frames = 1

    def _on_continuation(self, flags: int, payload: bytes) -> None:
        if self._block is None:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "CONTINUATION of nothing")
        self._block += payload
        self._block_frames += 1
        if len(self._block) > MAX_BLOCK_BYTES or self._block_frames > MAX_BLOCK_FRAMES:
            raise ConnectionFaultError(ErrorCode.ENHANCE_YOUR_CALM, "header block too long")
        if flags & frames.END_HEADERS:
            block, self._block = bytes(self._block), None
            self._on_block(self._block_of[1], self._block_of[0], block)

    def _on_block(self, flags: int, number: int, block: bytes) -> None:
        last = bool(flags & frames.END_STREAM)
        if number <= self.last_stream:
            self._reader.skip(block)
            stream = self.streams.get(number)
            if stream is None or not last:
                raise StreamFaultError(ErrorCode.STREAM_CLOSED, "HEADERS on a stream that is used")
            self._give(stream, b"", last=True)
            return
        if self._final or len(self.streams) + self.ghosts >= MAX_STREAMS:
            self._reader.skip(block)
            # What is beyond the last stream of a final GOAWAY is known not to have been looked at.
            self.last_stream = self.last_stream if self._final else number
            raise StreamFaultError(ErrorCode.REFUSED_STREAM, "no further stream")
        self.last_stream = number
        head = self._reader.read(block)
        try:
            method = self._method_of(head)
        except StatusError as refusal:
            self.refuse(number, refusal.trailers(), ended=last)
            return
        except UnimplementedError as refusal:
            self.refuse(number, refusal_trailers(refusal), ended=last)
            return
        if method is None:
            self.refuse_http(number, head.http_status, ended=last)
            return
        self._open(Stream(self, number, head, method, window=self.output.first_window, quota=self.limits.stream_window))
        if last:
            self._give_end(number)

    def _method_of(self, head: RequestHead) -> Method | None:
        if head.too_large:
            raise StatusError(RESOURCE_EXHAUSTED, "The metadata are larger than allowed.")
        if head.http_status != 200:
            return None
        method = self._methods.get(head.path)
        if method is None:
            raise UnimplementedError(Reason.METHOD_UNKNOWN)
        if head.encoding not in {"", "identity"}:
            raise StatusError(
                UNIMPLEMENTED, "This encoding of messages is not supported.", pairs=header_blocks.ACCEPTED_ENCODINGS
            )
        return method

    def _open(self, stream: Stream) -> None:
        self.streams[stream.id] = stream
        timeout = stream.head.timeout_seconds
        if timeout is not None:
            stream.deadline = time.monotonic() + timeout
            stream.timer = self.loop.call_later(timeout, stream.expire)
        if stream.method.converse is not None:
            stream.open(b"")
            self.begin(stream)

    def _give_end(self, number: int) -> None:
        stream = self.streams[number]
        try:
            stream.end_without_data()
        except StatusError as refusal:
            self.cut(stream, refusal.trailers())

    def _on_data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._credit -= size
        if self._credit < RECEIVE_WINDOW // 2:
            if self._credit < 0:
                raise ConnectionFaultError(ErrorCode.FLOW_CONTROL_ERROR, "window of the connection")
            self.output.send(frames.word_frame(frames.WINDOW_UPDATE, 0, RECEIVE_WINDOW - self._credit))
            self._credit = RECEIVE_WINDOW
        if number == 0 or number > self.last_stream:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "DATA on a stream that is not open")
        if flags & frames.PADDED:
            payload = frames.unpadded(payload)
        last = bool(flags & frames.END_STREAM)
        if not payload and not last:
            self.patience.spend(now=self._heard)
        stream = self.streams.get(number)
        if stream is None or stream.over:
            # Sent before the caller knew that it has its answer.
            return
        stream.quota -= size
        if stream.quota < 0:
            raise StreamFaultError(ErrorCode.FLOW_CONTROL_ERROR, "window of the stream")
        if size != len(payload) and not last:
            self.reopen(stream, size - len(payload))
        self._give(stream, payload, last=last)

    def _give(self, stream: Stream, payload: bytes, *, last: bool) -> None:
        try:
            stream.data(payload, last=last)
        except StatusError as refusal:
            self.cut(stream, refusal.trailers())

    # Control

    def _on_priority(self, _flags: int, stream: int, payload: bytes) -> None:
        if stream == 0:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "PRIORITY of the connection")
        if len(payload) != 5:
            raise StreamFaultError(ErrorCode.FRAME_SIZE_ERROR, "length of PRIORITY")

    def _on_reset(self, _flags: int, number: int, payload: bytes) -> None:
        frames.word_in(payload)
        if number == 0 or number > self.last_stream:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "RST_STREAM of a stream that is not open")
        stream = self.streams.get(number)
        if stream is not None:
            self.forget(stream, cancel=True)

    def _on_settings(self, flags: int, stream: int, payload: bytes) -> None:
        if stream != 0:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "SETTINGS of a stream")
        if flags & frames.ACK:
            if payload:
                raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS with ACK carry nothing")
            return
        for name, value in frames.settings_in(payload):
            if name == frames.INITIAL_WINDOW_SIZE:
                self.output.change_first_window(value, [stream.lane for stream in self.streams.values()])
            elif name == frames.MAX_FRAME_SIZE:
                if not frames.SMALLEST_MAX_FRAME <= value <= frames.LARGEST_MAX_FRAME:
                    raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "maximal frame size")
                self.output.max_frame = value
            elif name == frames.ENABLE_PUSH and value > 1:
                raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "push is on or off")
        self._settled = True
        self.output.send(frames.frame(frames.SETTINGS, frames.ACK, 0))

    def _on_push(self, _flags: int, _stream: int, _payload: bytes) -> None:
        raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "callers push nothing")

    def _on_ping(self, flags: int, stream: int, payload: bytes) -> None:
        if stream != 0:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "PING of a stream")
        if len(payload) != 8:
            raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, "length of PING")
        if not flags & frames.ACK:
            self.output.send(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif payload == _FAREWELL and self._retired_at is not None:
            self._say_final()

    def _on_goaway(self, _flags: int, stream: int, payload: bytes) -> None:
        if stream != 0:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "GOAWAY of a stream")
        if len(payload) < 8:
            raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, "length of GOAWAY")
        self._say_final()

    def _on_window(self, _flags: int, number: int, payload: bytes) -> None:
        increment = frames.word_in(payload) & frames.LARGEST_WINDOW
        if number == 0:
            self.output.widen(increment)
            return
        if number > self.last_stream:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of a stream that is not open")
        stream = self.streams.get(number)
        if stream is not None:
            self.output.widen_lane(stream.lane, increment)

    # The end

    def retire(self) -> None:
        """Ask the caller to go elsewhere; what is under way goes on (RFC 9113 §6.8)."""
        if self._retired_at is None and not self.dead:
            self._retired_at = self.loop.time()
            self.output.send(
                frames.goaway_frame(frames.LARGEST_WINDOW, ErrorCode.NO_ERROR)
                + frames.frame(frames.PING, 0, 0, _FAREWELL)
            )

    def _say_final(self) -> None:
        if not self._final and not self.dead:
            self._final = self.closes_when_idle = True
            self.output.send(frames.goaway_frame(self.last_stream, ErrorCode.NO_ERROR))
            self.close_if_idle()

    def look(self, now: float) -> None:
        """What time brings; called every now and then."""
        limits = self.limits
        age = now - self._born
        if self.dead_at is not None:
            if now - self.dead_at > limits.closing:
                self.abort()
        elif (not self._settled and age > limits.handshake) or (
            self.output.is_held_back() and now - self.output.progress_at > limits.stall
        ):
            self.abort()
        elif age > self._max_age + limits.age_grace:
            self.fail(ErrorCode.NO_ERROR, "connection too old")
        else:
            if age > self._max_age:
                self.retire()
            if self._retired_at is not None and now - self._retired_at > limits.farewell:
                self._say_final()
            self._ask_whether_it_lives(now)

    def _ask_whether_it_lives(self, now: float) -> None:
        if now - self._heard <= self.limits.silence:
            self._asked_at = None
        elif self._asked_at is None:
            self._asked_at = now
            self.output.send(frames.frame(frames.PING, 0, 0, _ALIVE))
        elif now - self._asked_at > self.limits.ping:
            self.abort()
