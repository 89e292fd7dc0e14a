"""What a journal holds when it is opened, and what of its last segment must go.

Owns the decision, reads only; `segment_log.py` carries it out. The rules:

- Whole, fitting frames stay, also those nobody was told of: they may have been answered for.
- The first frame that does not fit, and all after it, is a torn tail if the durable mark ends before it: never
  acknowledged, cut and reported.
- Where the mark ends after it, acknowledged records are gone. That is damage, not a crash: `JournalDamagedError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adapters.journal.disk import Disk
from adapters.journal.errors import JournalDamagedError
from adapters.journal.frames import Scanned, count, scan
from adapters.journal.mark import DurableMark, trusted_mark
from adapters.journal.segments import (
    OpenedHeader,
    SegmentEnd,
    SegmentName,
    decode_header,
    read_segment,
    segments_of,
)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What start-up found."""

    next_index: int
    """Index the next record gets: the number of records ever kept in this journal."""
    cut_bytes: int = 0
    """Bytes of a torn tail that were cut."""
    segment: str | None = None
    """File name of the segment they were cut from."""
    reason: str | None = None
    """Why they could not be records."""
    kept_records: int = 0
    """Whole records after the durable mark: on disk, but perhaps never acknowledged."""


@dataclass(frozen=True, slots=True)
class UnsettledTail:
    """Bytes of the last segment that may be in the page cache only.

    They are written again, which makes the pages dirty again, before a sync is believed: a process that died after a
    failed sync leaves pages that read well and were never written.
    """

    name: str
    offset: int
    data: bytes
    length: int
    """What the file holds now."""


@dataclass(frozen=True, slots=True)
class Found:
    """The state to go on from."""

    recovery: Recovery
    sequence: int
    """Of the segment to create."""
    previous: SegmentEnd | None
    """For its header."""
    tail: UnsettledTail | None


def inspect(disk: Disk, directory: Path, origin: str) -> Found:
    """Read the end of a journal; writes nothing.

    Raises `JournalDamagedError` where acknowledged records are missing, a header is unreadable, or the directory
    belongs to another origin.
    """
    segments = segments_of(disk.names(directory))
    mark = trusted_mark(disk, directory)
    if not segments:
        if mark is not None and mark.next_index > 0:
            raise JournalDamagedError(f"{directory}: {mark.next_index} acknowledged records are missing")
        return Found(Recovery(next_index=0), 0, None, None)
    last = segments[-1]
    data = read_segment(disk, directory, last)
    opened = decode_header(data, str(last))
    _check_header(opened, last, origin)
    view = memoryview(data)
    scanned = scan(view, opened.end, opened.chain)
    settled = _settled_length(mark, opened)
    records = count(view, opened.end, scanned.end)
    next_index = last.first_index + records
    if mark is not None and (mark.next_index > next_index or settled > scanned.end):
        raise JournalDamagedError(
            f"{directory / str(last)}: {mark.next_index} records were acknowledged, {next_index} are there"
        )
    recovery = Recovery(
        next_index=next_index,
        cut_bytes=len(data) - scanned.end,
        segment=str(last) if scanned.flaw else None,
        reason=scanned.flaw.value if scanned.flaw else None,
        kept_records=count(view, settled, scanned.end),
    )
    if not records and not last.archived:
        # An empty last segment is replaced under its own name, so that restarts leave no trail of empty files.
        return Found(recovery, last.sequence, opened.header.previous, None)
    previous = SegmentEnd(last.sequence, scanned.end, scanned.chain)
    return Found(recovery, last.sequence + 1, previous, _tail(last, data, settled, scanned))


def _check_header(opened: OpenedHeader, name: SegmentName, origin: str) -> None:
    header = opened.header
    if header.origin != origin:
        raise JournalDamagedError(f"{name}: belongs to journal {header.origin!r}, not {origin!r}")
    if (header.sequence, header.first_index) != (name.sequence, name.first_index):
        raise JournalDamagedError(f"{name}: the header says another place in the journal than the name")


def _settled_length(mark: DurableMark | None, opened: OpenedHeader) -> int:
    header = opened.header
    if mark is None or (mark.sequence, mark.nonce) != (header.sequence, header.nonce):
        return opened.end
    return max(mark.length, opened.end)


def _tail(name: SegmentName, data: bytes, settled: int, scanned: Scanned) -> UnsettledTail | None:
    if name.archived or (settled == scanned.end and len(data) == scanned.end):
        return None
    return UnsettledTail(str(name), settled, data[settled : scanned.end], len(data))
