"""Walks the segments of one journal and hands out the leaf hashes of what counts.

Owns the question which bytes count and whether each segment fits its name and its neighbours. Once a record is bad the
ones after it can still be read, and no longer be placed in the tree: the walk goes on without leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.journal.disk import Disk
from adapters.journal.errors import JournalDamagedError
from adapters.journal.findings import Finding, FindingKind
from adapters.journal.frames import FRAME_HEADER_BYTES, MAX_RECORD_BYTES, Flaw, scan
from adapters.journal.mark import MARK_NAME, read_mark
from adapters.journal.segments import (
    HEADER_READ_BYTES,
    OpenedHeader,
    SegmentEnd,
    SegmentName,
    decode_header,
    read_header,
    read_segment,
    segments_of,
)

_CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Leaves:
    """Leaf hashes of records that follow one another, and where the walk is."""

    first_index: int
    leaf_hashes: list[bytes]
    segment: str
    bytes_read: int
    settled: bool
    """Whether they lie before the durable mark."""
    placed: bool
    """Whether every record before them was good."""


class SegmentAudit:
    """One walk over one journal."""

    def __init__(self, *, journal: Path, disk: Disk, report: Callable[[Finding], None]) -> None:
        self._journal = journal
        self._origin = journal.name
        self._disk = disk
        self._report = report
        names = disk.names(journal)
        self.segments = segments_of(names)
        self._check_names(names)
        self.unsettled_bytes = 0
        self._previous: SegmentEnd | None = None
        self._next_index = self.segments[0].first_index if self.segments else 0
        self._placed = True

    @property
    def next_index(self) -> int:
        """Index after the last record that was read."""
        return self._next_index

    @property
    def placed(self) -> bool:
        """Whether no record was bad or missing so far."""
        return self._placed

    def lose_place(self) -> None:
        """The records before the first segment are not known: its leaves have no place in the tree."""
        self._placed = False

    def file_of(self, index: int) -> str | None:
        """The segment that holds a record, or would."""
        names = [name for name in self.segments if name.first_index <= index]
        return str(names[-1]) if names else None

    def bytes_total(self) -> int:
        """Size of the files, for a progress bar."""
        total = 0
        for name in self.segments:
            try:
                fd = self._disk.open_read(self._journal / str(name))
            except FileNotFoundError:
                continue
            total += self._disk.size(fd)
            self._disk.close(fd)
        return total

    def walk(self) -> Iterator[Leaves]:
        """The leaves of every record that counts, in order; then those after the durable mark."""
        self._check_mark()
        for at, name in enumerate(self.segments):
            follower = self.segments[at + 1] if at + 1 < len(self.segments) else None
            yield from self._walk_segment(name, follower)

    def _walk_segment(self, name: SegmentName, follower: SegmentName | None) -> Iterator[Leaves]:
        try:
            source = self._open(name)
        except (JournalDamagedError, FileNotFoundError) as error:
            self._add(FindingKind.SEGMENT_DAMAGED, str(error), name, name.first_index)
            self._placed = False
            self._previous = None
            return
        try:
            self._check_place(name, source.opened)
            limit, ended = self._limit(source, follower)
            yield from self._records(source, limit, settled=True)
            good = source.flaw is None
            self._previous = ended if ended is not None else SegmentEnd(name.sequence, source.offset, source.chain)
            if good and ended is not None and ended.chain != source.chain:
                self._add(FindingKind.RECORD_CHANGED, "its end is not the one the next segment names", name, None)
            if good and ended is None:
                self.unsettled_bytes = source.size() - source.offset
                yield from self._records(source, source.size(), settled=False)
        finally:
            source.close()

    def _open(self, name: SegmentName) -> _Source:
        try:
            return _Source(self._disk, self._journal, name)
        except FileNotFoundError:
            # Packed since the walk began.
            for other in segments_of(self._disk.names(self._journal)):
                if other.sequence == name.sequence:
                    return _Source(self._disk, self._journal, other)
            raise

    def _records(self, source: _Source, limit: int, *, settled: bool) -> Iterator[Leaves]:
        """Scan up to `limit`; before the mark whatever does not fit is a finding, after it the end."""
        while source.offset < limit and source.flaw is None:
            data = source.read(min(_CHUNK_BYTES, limit - source.offset))
            found: list[bytes] = []
            scanned = scan(memoryview(data), 0, source.chain, found)
            source.offset += scanned.end
            source.chain = scanned.chain
            if found:
                first = self._next_index
                self._next_index += len(found)
                yield Leaves(first, found, str(source.name), source.offset, settled, self._placed)
            # A frame cut by the end of a whole chunk is the first one of the next.
            if scanned.flaw is not Flaw.TORN or len(data) < _CHUNK_BYTES:
                source.flaw = scanned.flaw if data else Flaw.TORN
        if source.flaw is not None and settled:
            kind = FindingKind.RECORDS_MISSING if source.size() < limit else FindingKind.RECORD_CHANGED
            self._add(kind, f"at byte {source.offset}: {source.flaw.value}", source.name, self._next_index)
            self._placed = False

    def _limit(self, source: _Source, follower: SegmentName | None) -> tuple[int, SegmentEnd | None]:
        """How far the segment counts, and what the one after it says about its end."""
        name = source.name
        if follower is None:
            try:
                mark = read_mark(self._disk, self._journal)
            except JournalDamagedError:
                mark = None
            header = source.opened.header
            if mark is not None and (mark.sequence, mark.nonce) == (header.sequence, header.nonce):
                return max(mark.length, source.opened.end), None
            # The writer may have gone on to a segment that was not there when this walk began.
            later = [one for one in segments_of(self._disk.names(self._journal)) if one.sequence > name.sequence]
            if not later:
                return (source.size() if name.archived else source.opened.end), None
            follower = later[0]
        try:
            ended = read_header(self._disk, self._journal, follower).header.previous
        except (JournalDamagedError, FileNotFoundError):
            return source.size(), None
        if ended is None or ended.sequence != name.sequence:
            return source.size(), None
        return ended.length, ended

    def _check_place(self, name: SegmentName, opened: OpenedHeader) -> None:
        header, before = opened.header, self._previous
        if header.origin != self._origin:
            self._add(FindingKind.SEGMENT_DAMAGED, f"belongs to journal {header.origin}", name, name.first_index)
        if (header.sequence, header.first_index) != (name.sequence, name.first_index):
            self._add(FindingKind.SEGMENT_DAMAGED, "the header names another place", name, name.first_index)
        if before is not None:
            self._check_neighbour(name, header.previous, before)
        if not self._placed:
            # Its place in the tree is lost; go on counting where the segment says.
            self._next_index = name.first_index

    def _check_neighbour(self, name: SegmentName, named: SegmentEnd | None, before: SegmentEnd) -> None:
        if name.sequence != before.sequence + 1:
            message = f"the segments between {before.sequence} and {name.sequence} are gone"
            self._add(FindingKind.SEGMENT_MISSING, message, name, self._next_index)
        elif named is None or named.sequence != before.sequence:
            self._add(FindingKind.SEGMENT_DAMAGED, "does not follow the segment before it", name, name.first_index)
        elif self._placed and name.first_index != self._next_index:
            message = f"begins with record {name.first_index}, the one before ends with {self._next_index - 1}"
            self._add(FindingKind.RECORDS_MISSING, message, name, min(name.first_index, self._next_index))
        else:
            return
        self._placed = False

    def _check_names(self, names: Sequence[str]) -> None:
        chosen = {str(name) for name in self.segments}
        for text in names:
            name = SegmentName.parse(text)
            if name is None or text in chosen:
                continue
            twin = next(one for one in self.segments if one.sequence == name.sequence)
            if (twin.first_index, twin.archived) != (name.first_index, False) or not name.archived:
                self._add(FindingKind.SEGMENT_INSERTED, f"stands beside {twin}", name, name.first_index)

    def _check_mark(self) -> None:
        try:
            mark = read_mark(self._disk, self._journal)
        except JournalDamagedError as error:
            self._report(Finding(FindingKind.MARK_DAMAGED, self._origin, str(error), MARK_NAME))
            return
        if mark is None and self.segments and MARK_NAME not in self._disk.names(self._journal):
            message = "the durable mark is gone"
            self._report(Finding(FindingKind.MARK_DAMAGED, self._origin, message, MARK_NAME))
        elif mark is not None and (not self.segments or mark.sequence > self._last_sequence()):
            message = f"{mark.next_index} records were durable, and their last segment is gone"
            self._report(Finding(FindingKind.SEGMENT_MISSING, self._origin, message, MARK_NAME, None))

    def _last_sequence(self) -> int:
        # Listed again: the mark may belong to a segment begun since.
        return segments_of(self._disk.names(self._journal))[-1].sequence

    def _add(self, kind: FindingKind, message: str, name: SegmentName, index: int | None) -> None:
        self._report(Finding(kind, self._origin, message, str(name), index))


class _Source:
    """The bytes of one segment, packed or not."""

    def __init__(self, disk: Disk, journal: Path, name: SegmentName) -> None:
        self.name = name
        self._disk = disk
        self._fd: int | None = None
        self._data = b""
        self.flaw: Flaw | None = None
        if name.archived:
            self._data = read_segment(disk, journal, name)
            self.opened = decode_header(self._data, str(name))
        else:
            self._fd = disk.open_read(journal / str(name))
            try:
                self.opened = decode_header(disk.read(self._fd, HEADER_READ_BYTES, 0), str(name))
            except BaseException:
                self.close()
                raise
        self.offset, self.chain = self.opened.end, self.opened.chain

    def size(self) -> int:
        """Its length now: the last segment may be growing."""
        return len(self._data) if self._fd is None else self._disk.size(self._fd)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes from where the walk is."""
        if self._fd is None:
            return self._data[self.offset : self.offset + size]
        return self._disk.read(self._fd, size, self.offset)

    def close(self) -> None:
        """Give up the file."""
        if self._fd is not None:
            self._disk.close(self._fd)
            self._fd = None


assert _CHUNK_BYTES > FRAME_HEADER_BYTES + MAX_RECORD_BYTES
