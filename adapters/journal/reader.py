"""Read a journal's records in order, also while another process appends to it.

A reader sees a record once it is durable and never before: bytes of the last segment beyond the durable mark may yet
become void, and their indices be used again. Where a segment is followed by another, the follower's header says how
far it counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from adapters.journal.disk import Disk, OsDisk
from adapters.journal.errors import JournalDamagedError
from adapters.journal.frames import (
    FRAME_HEADER_BYTES,
    MAX_RECORD_BYTES,
    count,
    first_frames,
    offsets,
    payloads,
    scan,
)
from adapters.journal.mark import trusted_mark
from adapters.journal.segments import (
    LOCK_NAME,
    OpenedHeader,
    SegmentName,
    decode_header,
    read_header,
    read_segment,
    segments_of,
)

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One durable record."""

    index: int
    data: bytes
    """The stored bytes: what the leaf hash is taken of."""


@dataclass(frozen=True, slots=True)
class LeafBlock:
    """Leaf hashes of durable records that follow one another in one segment."""

    first_index: int
    leaf_hashes: list[bytes]
    sequence: int
    """Of the segment."""
    offsets: list[int]
    """Where each record's frame begins in the segment (unpacked)."""


@dataclass(slots=True)
class _Place:
    """Where in the journal the reader stands."""

    name: SegmentName
    opened: OpenedHeader
    offset: int
    chain: int
    index: int
    unpacked: bytes | None
    """All bytes of an archived segment."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Whole, checked frames the reader has just moved over."""

    first_index: int
    sequence: int
    offset: int
    view: memoryview


class JournalReader:
    """A cursor over one journal, from a given index on. Holds no file open between calls."""

    def __init__(self, directory: Path, *, start_index: int = 0, disk: Disk | None = None) -> None:
        self._directory = directory
        self._disk = disk if disk is not None else OsDisk()
        self._next_index = start_index
        self._place: _Place | None = None

    @property
    def next_index(self) -> int:
        """Index of the record the next call begins with."""
        return self._next_index

    def read(self, max_records: int = 1000) -> list[StoredRecord]:
        """The next durable records in order, at most `max_records`; empty where the reader has caught up.

        Raises `JournalDamagedError` where bytes that should be records are not, or the records at the cursor have
        been removed by retention; `OSError` where a file cannot be read.
        """
        block = self._next_block(max_records, None)
        if block is None:
            return []
        found = payloads(block.view, 0, len(block.view))
        return [StoredRecord(block.first_index + at, bytes(payload)) for at, payload in enumerate(found)]

    def read_leaves(self, max_records: int = 4096) -> LeafBlock | None:
        """The leaf hashes of what `read` would give; None where the reader has caught up. Raises what `read` does."""
        leaf_hashes: list[bytes] = []
        block = self._next_block(max_records, leaf_hashes)
        if block is None:
            return None
        starts = [block.offset + at for at in offsets(block.view, 0, len(block.view))]
        return LeafBlock(block.first_index, leaf_hashes, block.sequence, starts)

    def __iter__(self) -> Iterator[StoredRecord]:
        """All records that are durable when the end is reached."""
        while records := self.read():
            yield from records

    def _next_block(self, max_records: int, leaf_hashes: list[bytes] | None) -> _Block | None:
        try:
            return self._find_block(max_records, leaf_hashes)
        except FileNotFoundError:
            # Archived between two calls: the same bytes have another name now.
            self._place = None
            return self._find_block(max_records, leaf_hashes)

    def _find_block(self, max_records: int, leaf_hashes: list[bytes] | None) -> _Block | None:
        while True:
            place = self._place or self._locate()
            if place is None:
                return None
            limit, follower = self._limit(place)
            while place.index < self._next_index and place.offset < limit:
                self._advance(place, limit, self._next_index - place.index, None)
            if limit > place.opened.end:
                # Only with durable records: an empty last segment may be replaced by a file of the same name.
                self._place = place
            if place.offset < limit:
                block = self._advance(place, limit, max_records, leaf_hashes)
                self._next_index = place.index
                return block
            if follower is None:
                return None
            if follower.first_index != place.index:
                raise JournalDamagedError(f"{follower}: the records before it end with {place.index - 1}")
            self._place = None

    def _locate(self) -> _Place | None:
        """The start of the segment that holds the cursor; None where the journal is empty."""
        segments = segments_of(self._disk.names(self._directory))
        before = [name for name in segments if name.first_index <= self._next_index]
        if not before:
            if segments:
                raise JournalDamagedError(
                    f"{self._directory}: record {self._next_index} is gone, the first is {segments[0].first_index}"
                )
            return None
        name = before[-1]
        unpacked = read_segment(self._disk, self._directory, name) if name.archived else None
        if unpacked is not None:
            opened = decode_header(unpacked, str(name))
        else:
            opened = read_header(self._disk, self._directory, name)
        return _Place(name, opened, opened.end, opened.chain, name.first_index, unpacked)

    def _limit(self, place: _Place) -> tuple[int, SegmentName | None]:
        """How far the segment counts, and the one that follows it."""
        # The mark first: a segment that follows then either is in the mark or does not count yet.
        header = place.opened.header
        if place.unpacked is None:
            mark = trusted_mark(self._disk, self._directory)
            if mark is not None and (mark.sequence, mark.nonce) == (header.sequence, header.nonce):
                return mark.length, None
        follower = self._follower(place.name)
        if place.unpacked is not None:
            return len(place.unpacked), follower
        if follower is None:
            return place.opened.end, None
        previous = read_header(self._disk, self._directory, follower).header.previous
        if previous is None or previous.sequence != header.sequence:
            raise JournalDamagedError(f"{follower}: does not follow {place.name}")
        return previous.length, follower

    def _follower(self, name: SegmentName) -> SegmentName | None:
        for other in segments_of(self._disk.names(self._directory)):
            if other.sequence > name.sequence:
                return other
        return None

    def _advance(self, place: _Place, limit: int, max_records: int, leaf_hashes: list[bytes] | None) -> _Block:
        """Move over up to `max_records` frames, as many as one read brings."""
        view = first_frames(memoryview(self._read_block(place, limit)), max_records)
        scanned = scan(view, 0, place.chain, leaf_hashes)
        if scanned.end == 0:
            flaw = scanned.flaw.value if scanned.flaw else "nothing is there"
            raise JournalDamagedError(f"{place.name}: record {place.index} at byte {place.offset}: {flaw}")
        block = _Block(place.index, place.name.sequence, place.offset, view[: scanned.end])
        place.index += count(view, 0, scanned.end)
        place.offset += scanned.end
        place.chain = scanned.chain
        return block

    def _read_block(self, place: _Place, limit: int) -> bytes:
        """Bytes from the cursor on that hold at least one frame, where the segment does."""
        size = min(limit - place.offset, max(_BLOCK_BYTES, FRAME_HEADER_BYTES + MAX_RECORD_BYTES))
        if place.unpacked is not None:
            return place.unpacked[place.offset : place.offset + size]
        fd = self._disk.open_read(self._directory / str(place.name))
        try:
            return self._disk.read(fd, size, place.offset)
        finally:
            self._disk.close(fd)


def journals_in(root: Path) -> list[Path]:
    """The journal directories under `root`, by name: those that a writer has locked once."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if (path / LOCK_NAME).exists())
