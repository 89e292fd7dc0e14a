"""The durable mark: how far the last segment may be believed, published for readers in other processes.

Bytes beyond it may be in the page cache only and may yet become void, so no reader looks past it. It is written after
each sync and never synced on its own: after a power cut it may be older than the truth, never newer.

```
file `durable`, 48 bytes, little endian
 8 bytes  b"durable1"
 8 bytes  sequence of the last segment
 8 bytes  nonce of that segment
 8 bytes  durable length of it in bytes
 8 bytes  index of the next record
 4 bytes  zero
 4 bytes  CRC-32 of the 44 bytes before
```
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from adapters.journal.disk import Disk
from adapters.journal.errors import JournalDamagedError

MARK_NAME = "durable"
MARK_BYTES = 48

_MAGIC = b"durable1"
_FIELDS = struct.Struct("<8sQ8sQQ4x")
_CRC = struct.Struct("<I")
_TRIES = 5


@dataclass(frozen=True, slots=True)
class DurableMark:
    """Everything up to `length` in segment `sequence` is on disk."""

    sequence: int
    nonce: bytes
    length: int
    next_index: int

    def encode(self) -> bytes:
        """The file's bytes."""
        fields = _FIELDS.pack(_MAGIC, self.sequence, self.nonce, self.length, self.next_index)
        return fields + _CRC.pack(crc32(fields))


def decode_mark(data: bytes) -> DurableMark | None:
    """Read the file's bytes; None for an empty file (its first write never reached the disk)."""
    if not data:
        return None
    fields = data[: _FIELDS.size]
    if len(data) != MARK_BYTES or _CRC.pack(crc32(fields)) != data[_FIELDS.size :]:
        raise JournalDamagedError(f"{MARK_NAME}: the mark is damaged")
    magic, sequence, nonce, length, next_index = _FIELDS.unpack(fields)
    if magic != _MAGIC:
        raise JournalDamagedError(f"{MARK_NAME}: the mark is of another format")
    return DurableMark(sequence, nonce, length, next_index)


def read_mark(disk: Disk, directory: Path) -> DurableMark | None:
    """The mark of a journal, also while it is being written; None where there is none yet.

    Raises `JournalDamagedError` where it does not fit its checksum.
    """
    for attempt in range(_TRIES):
        try:
            fd = disk.open_read(directory / MARK_NAME)
        except FileNotFoundError:
            return None
        try:
            data = disk.read(fd, MARK_BYTES + 1, 0)
        finally:
            disk.close(fd)
        try:
            return decode_mark(data)
        except JournalDamagedError:
            # A reader may meet the writer half-way through its 48 bytes.
            if attempt == _TRIES - 1:
                raise
    raise AssertionError("unreachable")


def trusted_mark(disk: Disk, directory: Path) -> DurableMark | None:
    """The mark where it can be believed; None where it is missing or damaged, which is always safe to assume.

    To a reader the last segment then holds nothing yet, to recovery nothing that is certain to be on disk.
    """
    try:
        return read_mark(disk, directory)
    except JournalDamagedError:
        return None
