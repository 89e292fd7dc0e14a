"""Frames of HTTP/2 (RFC 9113 §4, §6): names, numbers, how one is written, and the two ways a peer can be at fault.

Owns bytes of single frames. Refuses to know connections, streams and their states.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = struct.Struct(">IBI")
"""Length and type in one word (`length << 8 | type`), flags, stream."""
HEAD_BYTES = 9
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)
LARGEST_WINDOW = 2**31 - 1
FIRST_WINDOW = 65_535
SMALLEST_MAX_FRAME = 16_384
LARGEST_MAX_FRAME = 2**24 - 1

_WORD = struct.Struct(">I")
_SETTING = struct.Struct(">HI")


class ErrorCode(enum.IntEnum):
    """RFC 9113 §7."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class ConnectionFaultError(Exception):
    """The peer broke the rules of the connection: GOAWAY with the code, and the end of it."""

    def __init__(self, code: ErrorCode, cause: str) -> None:
        """`cause`: static, for the log."""
        super().__init__(cause)
        self.code = code
        self.cause = cause


class StreamFaultError(Exception):
    """The peer broke the rules of one stream: RST_STREAM with the code; the others go on."""

    def __init__(self, code: ErrorCode, cause: str) -> None:
        """`cause`: static, for the log."""
        super().__init__(cause)
        self.code = code
        self.cause = cause


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def header_frames(stream: int, block: bytes, *, end_stream: bool, max_frame: int) -> bytes:
    """A header block, in CONTINUATION frames where it is longer than the peer takes."""
    ends = END_STREAM if end_stream else 0
    if len(block) <= max_frame:
        return HEAD.pack(len(block) << 8 | HEADERS, ends | END_HEADERS, stream) + block
    parts = [block[at : at + max_frame] for at in range(0, len(block), max_frame)]
    last = len(parts) - 1
    return b"".join(
        frame(CONTINUATION if at else HEADERS, (END_HEADERS if at == last else 0) | (0 if at else ends), stream, part)
        for at, part in enumerate(parts)
    )


def settings_frame(pairs: Iterable[tuple[int, int]]) -> bytes:
    """Our SETTINGS."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(name, value) for name, value in pairs))


def settings_in(payload: bytes) -> Iterable[tuple[int, int]]:
    """The pairs of a SETTINGS frame. Raises `ConnectionFaultError` where its length is none of theirs."""
    if len(payload) % _SETTING.size:
        raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, "length of SETTINGS")
    return _SETTING.iter_unpack(payload)


def word_frame(kind: int, stream: int, value: int) -> bytes:
    """RST_STREAM or WINDOW_UPDATE."""
    return HEAD.pack(_WORD.size << 8 | kind, 0, stream) + _WORD.pack(value)


def word_in(payload: bytes) -> int:
    """The 32 bits of RST_STREAM or WINDOW_UPDATE. Raises `ConnectionFaultError` where they are more or fewer."""
    if len(payload) != _WORD.size:
        raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, "length of a frame of fixed length")
    value: int = _WORD.unpack(payload)[0]
    return value


def goaway_frame(last_stream: int, code: ErrorCode, cause: str = "") -> bytes:
    """GOAWAY: streams after `last_stream` were not looked at."""
    return frame(GOAWAY, 0, 0, _WORD.pack(last_stream) + _WORD.pack(code) + cause.encode())


def unpadded(payload: bytes) -> bytes:
    """What a padded payload carries. Raises `ConnectionFaultError` where the padding is all of it and more."""
    if not payload or payload[0] >= len(payload):
        raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "padding longer than the frame")
    return payload[1 : len(payload) - payload[0]]
