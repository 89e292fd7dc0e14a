r"""Segment files: their names, their headers, and which of them make a journal.

```
0000000007-00000000000000123456.segment      sequence - first index; `.segment.gz` once archived
  16 bytes  b"dancu journal 1\n"
  1 frame   the header, a JSON object; its CRC starts from the CRC of the 16 bytes
  n frames  the records
```
A header is written and synced under another name and then renamed, so a segment that has its name has its header. It
says where the segment before ends: bytes of that one beyond `previous.length` are void, whether they exist or not.
"""

from __future__ import annotations

import gzip
import json
import re
import secrets
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from adapters.journal.disk import Disk, read_all
from adapters.journal.errors import JournalDamagedError
from adapters.journal.frames import FRAME_HEADER_BYTES, encode, payloads, scan

MAGIC = b"dancu journal 1\n"
_NONCE_BYTES = 8
LOCK_NAME = "lock"
"""Locked by the journal's one writer for as long as it lives; its presence makes a directory a journal."""
HEADER_READ_BYTES = 4096
"""Enough for any header."""
UNFINISHED_NAME = "next.tmp"
"""A segment before it has its name. Left behind by a crash, it holds nothing and is removed."""

_FORMAT = 1
_NAME = re.compile(r"(\d{10})-(\d{20})\.segment(\.gz)?")


def fresh_nonce() -> bytes:
    """The nonce of a new segment."""
    return secrets.token_bytes(_NONCE_BYTES)


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """What a segment's file name says."""

    sequence: int
    """Place of the segment in its journal, from 0, without gaps."""
    first_index: int
    """Index of its first record."""
    archived: bool = False

    def __str__(self) -> str:
        """The file name."""
        return f"{self.sequence:010d}-{self.first_index:020d}.segment{'.gz' if self.archived else ''}"

    @classmethod
    def parse(cls, name: str) -> SegmentName | None:
        """Read a file name; None for anything that is not a segment's."""
        match = _NAME.fullmatch(name)
        return None if match is None else cls(int(match[1]), int(match[2]), match[3] is not None)


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    """Where the segment before ends."""

    sequence: int
    length: int
    """Valid length in bytes; what lies beyond is void."""
    chain: int
    """CRC of its last valid frame."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """The first frame of a segment."""

    origin: str
    sequence: int
    first_index: int
    nonce: bytes
    """8 random bytes: tells this file from one it replaced under the same name."""
    created_at: datetime
    """Every record of the segment before is older than this."""
    previous: SegmentEnd | None

    def encode(self) -> tuple[bytes, int]:
        """The file's first bytes, and the CRC its first record starts from."""
        previous = self.previous
        fields = {
            "format": _FORMAT,
            "origin": self.origin,
            "sequence": self.sequence,
            "first_index": self.first_index,
            "nonce": self.nonce.hex(),
            "created_at": self.created_at.isoformat(),
            "previous": previous and {"sequence": previous.sequence, "length": previous.length, "crc": previous.chain},
        }
        body = json.dumps(fields, separators=(",", ":")).encode()
        encoded = encode([body], zlib.crc32(MAGIC))
        return MAGIC + encoded.data, encoded.chain


@dataclass(frozen=True, slots=True)
class OpenedHeader:
    """A header as read from a file."""

    header: SegmentHeader
    end: int
    """Offset of the first record."""
    chain: int
    """CRC the first record starts from."""


def decode_header(data: bytes, name: str) -> OpenedHeader:
    """Read the header at the start of `data`; raises `JournalDamagedError` naming the file for anything else."""
    start = len(MAGIC)
    if data[:start] != MAGIC:
        raise JournalDamagedError(f"{name}: does not begin as a journal segment")
    size = int.from_bytes(data[start + 4 : start + FRAME_HEADER_BYTES], "little")
    frame = memoryview(data)[: start + FRAME_HEADER_BYTES + size]
    scanned = scan(frame, start, zlib.crc32(MAGIC))
    if scanned.flaw is not None or scanned.end == start:
        raise JournalDamagedError(f"{name}: the segment's header is damaged")
    (body,) = payloads(frame, start, scanned.end)
    try:
        fields = json.loads(bytes(body))
        if fields["format"] != _FORMAT:
            raise JournalDamagedError(f"{name}: format {fields['format']} is not known to this version")
        previous = fields["previous"]
        header = SegmentHeader(
            origin=str(fields["origin"]),
            sequence=int(fields["sequence"]),
            first_index=int(fields["first_index"]),
            nonce=bytes.fromhex(fields["nonce"]),
            created_at=datetime.fromisoformat(fields["created_at"]),
            previous=previous and SegmentEnd(previous["sequence"], previous["length"], previous["crc"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise JournalDamagedError(f"{name}: the segment's header is not understood") from error
    return OpenedHeader(header, scanned.end, scanned.chain)


def read_header(disk: Disk, directory: Path, name: SegmentName) -> OpenedHeader:
    """The header of one segment, without reading the rest of a plain file."""
    if name.archived:
        return decode_header(read_segment(disk, directory, name), str(name))
    fd = disk.open_read(directory / str(name))
    try:
        return decode_header(disk.read(fd, HEADER_READ_BYTES, 0), str(name))
    finally:
        disk.close(fd)


def read_segment(disk: Disk, directory: Path, name: SegmentName) -> bytes:
    """All bytes of one segment, unpacked where it is archived."""
    data = read_all(disk, directory / str(name))
    if not name.archived:
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise JournalDamagedError(f"{name}: the archived segment cannot be unpacked") from error


def segments_of(names: Iterable[str]) -> list[SegmentName]:
    """The segments among file names, in order.

    A crash while archiving leaves a segment in both forms; the plain one counts, since it is the one known complete.
    """
    found: dict[int, SegmentName] = {}
    for name in sorted(filter(None, map(SegmentName.parse, names)), reverse=True):
        # In descending order the archived form of a segment comes first and the plain one replaces it.
        found[name.sequence] = name
    return sorted(found.values())
