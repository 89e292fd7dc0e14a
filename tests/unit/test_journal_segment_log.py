"""The files of a journal: what a failing disk may and may not do to them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.journal.disk import Disk
from adapters.journal.errors import JournalDamagedError, JournalLockedError
from adapters.journal.mark import MARK_NAME, DurableMark, read_mark
from adapters.journal.reader import JournalReader
from adapters.journal.segment_log import SegmentLog
from adapters.journal.segments import SegmentName, read_header, segments_of
from tests.fakes.disk import FaultyDisk, MemoryDisk, disk_full, io_error

DIRECTORY = Path("/journal/w0")


class Nothing:
    """Chance at its worst: nothing unsynced survives."""

    def randint(self, a: int, _b: int) -> int:
        return a


def opened(disk: Disk, *, origin: str = "w0", segment_bytes: int = 1 << 20) -> SegmentLog:
    return SegmentLog.open(
        directory=DIRECTORY,
        origin=origin,
        segment_bytes=segment_bytes,
        disk=disk,
        now=lambda: datetime(2030, 1, 1, tzinfo=UTC),
        nonce=lambda: b"12345678",
    )


def established(disk: Disk, *, segment_bytes: int = 1 << 20) -> SegmentLog:
    log = opened(disk, segment_bytes=segment_bytes)
    log.establish()
    return log


def contents(disk: Disk) -> list[bytes]:
    return [record.data for record in JournalReader(DIRECTORY, disk=disk)]


def segments(disk: Disk) -> list[SegmentName]:
    return segments_of(disk.names(DIRECTORY))


def write_over(disk: MemoryDisk, name: str, data: bytes, offset: int) -> None:
    fd = disk.open(DIRECTORY / name, create=True)
    disk.write(fd, data, offset)
    disk.sync(fd)
    disk.close(fd)


def size_of(disk: MemoryDisk, name: str) -> int:
    fd = disk.open(DIRECTORY / name)
    try:
        return disk.size(fd)
    finally:
        disk.close(fd)


def test_a_second_writer_is_refused_by_name() -> None:
    """Two writers would give one index to two records; the operator must see which directory it is about."""
    disk = MemoryDisk()
    established(disk)
    with pytest.raises(JournalLockedError, match=str(DIRECTORY)):
        opened(disk)


def test_a_segment_whose_sync_failed_is_never_touched_again() -> None:
    """Linux reports a lost page once and then calls it clean: a later sync of that file proves nothing."""
    memory = MemoryDisk()
    disk = FaultyDisk(memory)
    log = established(disk)
    log.commit([b"kept"])
    disk.fail("sync", io_error())
    with pytest.raises(OSError, match="error"):
        log.commit([b"refused"])
    with pytest.raises(OSError, match="no segment"):
        log.commit([b"too early"])
    log.establish()
    log.commit([b"after"])
    assert [name.sequence for name in segments(disk)] == [0, 1]
    assert contents(memory) == [b"kept", b"after"]


def test_bytes_of_a_refused_batch_are_void_even_if_they_cannot_be_removed() -> None:
    """The index of a refused record is used again, so its bytes must never be read as a record."""
    memory = MemoryDisk()
    disk = FaultyDisk(memory)
    log = established(disk)
    log.commit([b"kept"])
    disk.fail("sync", io_error())
    disk.fail("truncate", io_error())
    with pytest.raises(OSError, match="error"):
        log.commit([b"refused"])
    log.establish()
    log.commit([b"after"])
    first, second = segments(memory)
    previous = read_header(memory, DIRECTORY, second).header.previous
    assert previous is not None
    assert size_of(memory, str(first)) > previous.length
    assert contents(memory) == [b"kept", b"after"]


def test_pages_lost_by_a_failed_sync_are_written_again_at_the_next_start() -> None:
    """A process that dies after a failed sync leaves bytes that read well and are not on disk."""
    memory = MemoryDisk()
    disk = FaultyDisk(memory)
    log = established(disk)
    log.commit([b"kept"])
    disk.fail("sync", io_error())
    with pytest.raises(OSError, match="error"):
        log.commit([b"refused"])
    memory.kill()
    again = established(memory)
    again.commit([b"after"])
    memory.power_cut(Nothing())
    established(memory)
    assert contents(memory) == [b"kept", b"refused", b"after"]


def test_unsynced_bytes_are_not_shown_to_readers() -> None:
    """What a reader has seen must stay true; bytes in the page cache may not."""
    memory = MemoryDisk()
    disk = FaultyDisk(memory)
    log = established(disk)
    log.commit([b"kept"])
    disk.fail("sync", io_error())
    with pytest.raises(OSError, match="error"):
        log.commit([b"refused"])
    assert contents(memory) == [b"kept"]


def test_a_mark_that_cannot_be_written_delays_readers_and_not_callers() -> None:
    """The mark only tells others; the record itself is on disk."""
    memory = MemoryDisk()
    disk = FaultyDisk(memory)
    log = established(disk)
    disk.fail("write", disk_full(), skip=1)
    log.commit([b"first"])
    assert contents(memory) == []
    log.commit([b"second"])
    assert contents(memory) == [b"first", b"second"]


def test_a_full_disk_leaves_no_trail_of_empty_segments() -> None:
    """An hour of probing must not fill the directory."""
    memory = MemoryDisk()
    disk = FaultyDisk(memory)
    log = established(disk)
    for _ in range(10):
        disk.fail("sync", disk_full())
        with pytest.raises(OSError, match="space"):
            log.commit([b"refused"])
        disk.fail("sync_directory", disk_full())
        with pytest.raises(OSError, match="space"):
            log.establish()
        log.establish()
    log.commit([b"kept"])
    assert [name.sequence for name in segments(memory)] == [0]
    assert contents(memory) == [b"kept"]


def test_restarts_leave_no_trail_of_empty_segments() -> None:
    """A crash loop must not fill the directory."""
    disk = MemoryDisk()
    for _ in range(5):
        established(disk)
        disk.kill()
    assert [name.sequence for name in segments(disk)] == [0]


def test_a_full_segment_is_followed_by_another() -> None:
    """Retention works on whole segments, so they must end."""
    disk = MemoryDisk()
    log = established(disk, segment_bytes=420)
    for number in range(6):
        log.commit([b"%d" % number * 100])
    assert [name.first_index for name in segments(disk)] == [0, 3]
    assert contents(disk) == [b"%d" % number * 100 for number in range(6)]


def test_a_torn_tail_is_cut_and_reported() -> None:
    """Start-up says what it removed, from which file and why."""
    disk = MemoryDisk()
    established(disk).commit([b"kept"])
    name = str(segments(disk)[0])
    write_over(disk, name, b"\x01\x02\x03", size_of(disk, name))
    disk.kill()
    log = established(disk)
    found = log.recovery
    assert (found.cut_bytes, found.segment, found.next_index, found.kept_records) == (3, name, 1, 0)
    assert found.reason
    assert contents(disk) == [b"kept"]


def test_a_clean_end_has_nothing_to_report() -> None:
    """A warning at every start is one nobody reads."""
    disk = MemoryDisk()
    log = established(disk)
    log.commit([b"kept"])
    log.close()
    found = opened(disk).recovery
    assert (found.cut_bytes, found.segment, found.reason, found.kept_records) == (0, None, None, 0)


def test_whole_records_after_the_mark_are_kept() -> None:
    """They may have been answered for: the mark may be older than the truth."""
    memory = MemoryDisk()
    disk = FaultyDisk(memory)
    log = established(disk)
    disk.fail("write", io_error(), skip=1)
    log.commit([b"answered"])
    memory.kill()
    assert established(memory).recovery.kept_records == 1
    assert contents(memory) == [b"answered"]


def test_missing_acknowledged_bytes_stop_the_start() -> None:
    """Going on would give their indices to other records and hide the loss."""
    disk = MemoryDisk()
    established(disk).commit([b"one", b"two"])
    name = str(segments(disk)[0])
    fd = disk.open(DIRECTORY / name)
    disk.truncate(fd, disk.size(fd) - 1)
    disk.kill()
    with pytest.raises(JournalDamagedError, match="2 records were acknowledged, 1 are there"):
        opened(disk)
    with pytest.raises(JournalDamagedError):
        opened(disk)  # and the lock was given back


def test_a_changed_acknowledged_byte_stops_the_start() -> None:
    """A flipped bit below the mark is damage, not a torn tail."""
    disk = MemoryDisk()
    established(disk).commit([b"one", b"two"])
    name = str(segments(disk)[0])
    write_over(disk, name, b"X", size_of(disk, name) - 14)
    disk.kill()
    with pytest.raises(JournalDamagedError):
        opened(disk)


def test_removed_segments_stop_the_start() -> None:
    """An emptied directory must not look like a new journal."""
    disk = MemoryDisk()
    established(disk).commit([b"one"])
    disk.unlink(DIRECTORY / str(segments(disk)[0]))
    disk.kill()
    with pytest.raises(JournalDamagedError, match="1 acknowledged records are missing"):
        opened(disk)


def test_a_journal_of_another_origin_is_not_continued() -> None:
    """Receipts name the origin; a swapped directory would make them lie."""
    disk = MemoryDisk()
    established(disk).commit([b"one"])
    disk.kill()
    with pytest.raises(JournalDamagedError, match="w0"):
        opened(disk, origin="w1")


def test_a_damaged_mark_costs_nothing() -> None:
    """The mark is a hint for readers; the records speak for themselves."""
    disk = MemoryDisk()
    established(disk).commit([b"kept"])
    write_over(disk, MARK_NAME, b"X", 20)
    disk.kill()
    assert contents(disk) == []
    established(disk)
    assert contents(disk) == [b"kept"]


def test_the_mark_says_how_far_the_segment_is_durable() -> None:
    """Readers in other processes rest on it."""
    disk = MemoryDisk()
    log = established(disk)
    log.commit([b"one", b"two"])
    name = segments(disk)[0]
    expected = DurableMark(0, b"12345678", size_of(disk, str(name)), 2)
    assert read_mark(disk, DIRECTORY) == expected
    assert DurableMark.encode(expected)[-4:] != bytes(4)
