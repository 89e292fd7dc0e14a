"""As much HTTP/2 as a caller of unary gRPC methods needs to be ten times cheaper than the server it loads.

Owns frames and headers (RFC 9113, RFC 7541) of one connection. Refuses to know sockets and time. Two things make it
cheap: a request is three ready-made byte strings, and the server is asked to keep no header table
(SETTINGS_HEADER_TABLE_SIZE 0), so that the grpc-status of a reply is found by searching for its bytes.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

UNKNOWN_STATUS = 2
"""grpc-status UNKNOWN: what a client makes of a reply without one."""
UNAVAILABLE_STATUS = 14

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 0x1, 0x4, 0x1
_MAX_CONCURRENT_STREAMS = 3
_CANCEL = 8
_LARGEST_WINDOW = 2**31 - 1
_FIRST_WINDOW = 65_535
_HEAD = struct.Struct(">IBI")  # length << 8 | type, flags, stream

# The status name and its value, as they are and in the Huffman code of RFC 7541 appendix B.
_NAMES = (b"\x0bgrpc-status", b"\x88" + bytes.fromhex("9acac8b21234da8f"))
_DIGITS = {str(digit): f"{digit:05b}" if digit < 3 else f"{digit + 22:06b}" for digit in range(10)}


def _huffman(digits: str) -> bytes:
    bits = "".join(_DIGITS[digit] for digit in digits)
    size = -(-len(bits) // 8)
    return bytes([0x80 | size]) + int(bits.ljust(size * 8, "1"), 2).to_bytes(size, "big")


def _values() -> Iterator[tuple[bytes, int]]:
    for code in range(17):
        yield bytes([len(str(code))]) + str(code).encode(), code
        yield _huffman(str(code)), code


_VALUES = dict(_values())


def status_in(trailers: bytes) -> int:
    """The grpc-status in a block of headers that uses no table; `UNKNOWN_STATUS` where there is none."""
    for name in _NAMES:
        at = trailers.find(name)
        if at >= 0:
            at += len(name)
            size = int.from_bytes(trailers[at : at + 1], "big") & 0x7F
            return _VALUES.get(trailers[at : at + 1 + size], UNKNOWN_STATUS)
    return UNKNOWN_STATUS


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame."""
    return _HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def _text(value: str) -> bytes:
    encoded = value.encode()
    if len(encoded) < 127:
        return bytes([len(encoded)]) + encoded
    return bytes([127, len(encoded) - 127]) + encoded


class Headers:
    """The request headers of one connection: spelt out once, afterwards one byte each from the server's table."""

    def __init__(self, path: str, metadata: Sequence[tuple[str, str]]) -> None:
        """`metadata`: of every request, at most 30 values of at most 254 bytes."""
        fields = [(":path", path), (":authority", "bench"), ("te", "trailers"), ("content-type", "application/grpc")]
        fields += metadata
        spelt = b"".join(b"\x40" + _text(name) + _text(value) for name, value in fields)
        # Static: `:method: POST`, `:scheme: http`. Dynamic: the newest entry is 62.
        self.first = b"\x83\x86" + spelt
        self.later = b"\x83\x86" + bytes(0x80 | (62 + at) for at in reversed(range(len(fields))))


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of one call."""

    stream: int
    status: int
    data: bytes
    """The message with its five bytes of prefix; empty where there was none."""


class Connection:
    """The caller's side of one connection: bytes to send are in `outgoing`, bytes received go to `feed`.

    Calls beyond what the server allows at a time wait in a queue, in order.
    """

    def __init__(self, headers: Headers) -> None:
        """`headers` of every call."""
        settings = struct.pack(">HIHIHI", 1, 0, 2, 0, 4, _LARGEST_WINDOW)
        widen = frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _LARGEST_WINDOW - _FIRST_WINDOW))
        self.outgoing = bytearray(_PREFACE + frame(_SETTINGS, 0, 0, settings) + widen)
        self.closing = False
        """The server asked for no further calls here."""
        self._later = headers.later
        self._head = headers.first
        self._buffer = b""
        self._next_stream = 1
        self._window = _FIRST_WINDOW
        self._max_streams = _LARGEST_WINDOW
        self._open: dict[int, list[bytes]] = {}
        self._queue: deque[tuple[int, bytes]] = deque()
        self._to_acknowledge = 0

    def call(self, message: bytes) -> int:
        """Send a request (a message with its prefix); the stream that its reply will bear."""
        stream = self._next_stream
        self._next_stream += 2
        self._queue.append((stream, message))
        self._send_queued()
        return stream

    def cancel(self, stream: int) -> None:
        """Give up a call."""
        if self._open.pop(stream, None) is not None:
            self.outgoing += frame(_RST_STREAM, 0, stream, struct.pack(">I", _CANCEL))
            self._send_queued()
        else:
            self._queue = deque(waiting for waiting in self._queue if waiting[0] != stream)

    def feed(self, received: bytes) -> list[Reply]:
        """Take bytes of the server; the calls that ended with them."""
        buffer = self._buffer + received if self._buffer else received
        at, end = 0, len(buffer)
        replies: list[Reply] = []
        while at + 9 <= end:
            length_and_kind, flags, stream = _HEAD.unpack_from(buffer, at)
            kind = length_and_kind & 0xFF
            stop = at + 9 + (length_and_kind >> 8)
            if stop > end:
                break
            payload = buffer[at + 9 : stop]
            at = stop
            if kind == _HEADERS:
                if flags & _END_STREAM:
                    self._ended(stream, status_in(payload), replies)
            elif kind == _DATA:
                self._to_acknowledge += len(payload)
                if stream in self._open:
                    self._open[stream].append(payload)
            elif kind == _RST_STREAM:
                self._ended(stream, UNAVAILABLE_STATUS, replies)
            else:
                self._control(kind, flags, stream, payload)
        self._buffer = buffer[at:]
        if self._to_acknowledge > _LARGEST_WINDOW // 2:
            self.outgoing += frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", self._to_acknowledge))
            self._to_acknowledge = 0
        self._send_queued()
        return replies

    def _ended(self, stream: int, status: int, replies: list[Reply]) -> None:
        parts = self._open.pop(stream, None)
        if parts is not None:
            replies.append(Reply(stream, status, parts[0] if len(parts) == 1 else b"".join(parts)))

    def _send_queued(self) -> None:
        while self._queue and len(self._open) < self._max_streams and len(self._queue[0][1]) <= self._window:
            stream, message = self._queue.popleft()
            self._window -= len(message)
            self._open[stream] = []
            self.outgoing += frame(_HEADERS, _END_HEADERS, stream, self._head)
            self.outgoing += frame(_DATA, _END_STREAM, stream, message)
            self._head = self._later

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == _MAX_CONCURRENT_STREAMS:
                    self._max_streams = value
            self.outgoing += frame(_SETTINGS, _ACK, 0, b"")
        elif kind == _PING and not flags & _ACK:
            self.outgoing += frame(_PING, _ACK, 0, payload)
        elif kind == _WINDOW_UPDATE and stream == 0:
            self._window += struct.unpack(">I", payload)[0]
        elif kind == _GOAWAY:
            self.closing = True


def prefixed(message: bytes) -> bytes:
    """A message as gRPC frames it: uncompressed, its length before it."""
    return struct.pack(">BI", 0, len(message)) + message
