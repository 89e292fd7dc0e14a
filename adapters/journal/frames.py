"""The frame around every record: length, checksum, and the byte that makes a leaf of it.

```
offset 0   4 bytes  CRC-32 (ISO-HDLC, zlib's), little endian, of bytes 4..end, started from the previous frame's CRC
offset 4   3 bytes  length of the payload, little endian, 1..MAX_RECORD_BYTES
offset 7   1 byte   0x00
offset 8   n bytes  the payload
```
Byte 7 is the RFC 9162 §2.1.1 leaf prefix, so that the leaf hash is SHA-256 over bytes 7..end without a copy. Each CRC
starts from the one before: a frame that was moved, dropped, doubled, or left over from an earlier life of the block
does not fit its neighbours. The CRC finds accidents; only the Merkle tree finds malice.

Knows nothing of files.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from zlib import crc32

from adapters.journal.errors import RecordTooLargeError

FRAME_HEADER_BYTES = 8
MAX_RECORD_BYTES = 1 << 20
"""Largest payload of one frame. Anything longer is a program error, or damage when met on reading."""

_HEADER = struct.Struct("<II")
_WORD = struct.Struct("<I")


class Flaw(Enum):
    """Why a scan stopped before the end of its bytes."""

    TORN = "the frame is cut off"
    LENGTH = "the frame's length is not possible"
    CHECKSUM = "the frame's checksum does not fit"


@dataclass(frozen=True, slots=True)
class Encoded:
    """Frames ready to be written one after the other."""

    data: bytes
    chain: int
    """CRC of the last frame: where the next one starts from."""
    leaf_hashes: list[bytes]


@dataclass(frozen=True, slots=True)
class Scanned:
    """How far a run of bytes holds whole, fitting frames."""

    end: int
    """Offset after the last good frame."""
    chain: int
    flaw: Flaw | None
    """None where the scan reached the last byte."""


def check_size(payload: bytes) -> None:
    """Raise `RecordTooLargeError` for a payload no frame can hold (empty, or over `MAX_RECORD_BYTES`)."""
    if not 0 < len(payload) <= MAX_RECORD_BYTES:
        raise RecordTooLargeError(f"a record holds 1 to {MAX_RECORD_BYTES} bytes, this one {len(payload)}")


def encode(payloads: Iterable[bytes], chain: int) -> Encoded:
    """Frame `payloads` in order, the first one's CRC started from `chain`.

    Sizes MUST have been checked with `check_size`.
    """
    parts: list[bytes] = []
    leaves: list[bytes] = []
    word, sha256 = _WORD.pack, hashlib.sha256
    for payload in payloads:
        body = word(len(payload)) + payload
        chain = crc32(body, chain)
        parts.append(word(chain))
        parts.append(body)
        leaves.append(sha256(body[3:]).digest())
    return Encoded(b"".join(parts), chain, leaves)


def scan(view: memoryview, start: int, chain: int, leaf_hashes: list[bytes] | None = None) -> Scanned:
    """Walk the frames in `view` from `start`; append each leaf hash to `leaf_hashes` where given.

    This is the inner loop of verification: one CRC and one SHA-256 per record, no copy of the payload.
    """
    position, stop = start, len(view)
    header, sha256 = _HEADER.unpack_from, hashlib.sha256
    keep = leaf_hashes.append if leaf_hashes is not None else None
    while position < stop:
        if stop - position < FRAME_HEADER_BYTES:
            return Scanned(position, chain, Flaw.TORN)
        expected, length = header(view, position)
        if not 0 < length <= MAX_RECORD_BYTES:
            return Scanned(position, chain, Flaw.LENGTH)
        end = position + FRAME_HEADER_BYTES + length
        if end > stop:
            return Scanned(position, chain, Flaw.TORN)
        if crc32(view[position + 4 : end], chain) != expected:
            return Scanned(position, chain, Flaw.CHECKSUM)
        chain = expected
        if keep is not None:
            keep(sha256(view[position + 7 : end]).digest())
        position = end
    return Scanned(position, chain, None)


def count(view: memoryview, start: int, end: int) -> int:
    """How many frames begin in `view[start:end]`, which MUST have been scanned before."""
    return len(offsets(view, start, end))


def offsets(view: memoryview, start: int, end: int) -> list[int]:
    """Where the frames in `view[start:end]` begin, which MUST have been scanned before."""
    found: list[int] = []
    unpack, position = _WORD.unpack_from, start
    while position < end:
        found.append(position)
        position += FRAME_HEADER_BYTES + unpack(view, position + 4)[0]
    return found


def first_frames(view: memoryview, frames: int) -> memoryview:
    """The part of `view` that at most `frames` frames take, by their lengths alone; nothing is checked."""
    position, stop = 0, len(view)
    unpack = _WORD.unpack_from
    while frames > 0 and position + FRAME_HEADER_BYTES <= stop:
        position += FRAME_HEADER_BYTES + unpack(view, position + 4)[0]
        frames -= 1
    return view[:position] if position <= stop else view


def payloads(view: memoryview, start: int, end: int) -> Iterator[memoryview]:
    """The payloads of the frames in `view[start:end]`, which MUST have been scanned before."""
    position = start
    while position < end:
        (length,) = _WORD.unpack_from(view, position + 4)
        position += FRAME_HEADER_BYTES
        yield view[position : position + length]
        position += length
