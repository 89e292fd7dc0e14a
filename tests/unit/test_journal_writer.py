"""The queue, the thread and the answers of the file journal."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import uvloop

from adapters.journal import FileJournal, JournalLockedError, RecordTooLargeError
from adapters.journal.disk import OsDisk
from adapters.journal.frames import MAX_RECORD_BYTES
from adapters.journal.reader import JournalReader
from gateway.ports import JournalUnavailableError
from tests.fakes.disk import FaultyDisk, disk_full, io_error


class Bug(BaseException):
    """What nobody foresaw."""


class GatedDisk(OsDisk):
    """A disk whose syncs wait while its gate is shut."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()
        self.syncs = 0

    def sync(self, fd: int) -> None:
        self.syncs += 1
        self.waiting.set()
        assert self.gate.wait(30)
        super().sync(fd)


def stamped(payload: bytes, index: int) -> bytes:
    return payload + b"#%d" % index


def opened(
    folder: Path,
    *,
    disk: OsDisk | FaultyDisk | None = None,
    stamp: Callable[[bytes, int], bytes] = stamped,
    queue_records: int = 1000,
    probe_interval: timedelta = timedelta(milliseconds=5),
    on_commit: Callable[[float, int], None] | None = None,
) -> FileJournal:
    return FileJournal.open(
        folder / "w0",
        origin="w0",
        stamp=stamp,
        disk=disk,
        queue_records=queue_records,
        probe_interval=probe_interval,
        on_commit=on_commit,
    )


def stored(folder: Path) -> list[bytes]:
    return [record.data for record in JournalReader(folder / "w0")]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # the journal has no event for it
        await asyncio.sleep(0.002)


async def test_a_record_is_stored_with_its_index(tmp_path: Path) -> None:
    """The stored bytes must say their own place, or two records could be swapped."""
    journal = opened(tmp_path)
    await asyncio.gather(*(journal.append([b"a", b"b"]) for _ in range(3)))
    await journal.close()
    assert stored(tmp_path) == [b"a#0", b"b#1", b"a#2", b"b#3", b"a#4", b"b#5"]


async def test_no_answer_before_the_sync_returned(tmp_path: Path) -> None:
    """Durable is when the disk says so, not when the bytes were handed over."""
    disk = GatedDisk()
    journal = opened(tmp_path, disk=disk)
    disk.gate.clear()
    disk.waiting.clear()
    future = journal.append([b"a"])
    await asyncio.to_thread(disk.waiting.wait, 30)
    await asyncio.sleep(0.02)
    assert not future.done()
    disk.gate.set()
    assert len(await future) == 1
    await journal.close()


async def test_one_sync_answers_all_who_wait(tmp_path: Path) -> None:
    """Group commit: the cost of a sync must not grow with the callers."""
    disk = GatedDisk()
    journal = opened(tmp_path, disk=disk)
    disk.gate.clear()
    disk.waiting.clear()
    first = journal.append([b"a"])
    await asyncio.to_thread(disk.waiting.wait, 30)
    rest = [journal.append([b"b"]) for _ in range(100)]
    before = disk.syncs
    disk.gate.set()
    await asyncio.gather(first, *rest)
    assert disk.syncs == before + 1
    await journal.close()


async def test_a_full_queue_refuses_at_once_and_keeps_what_it_took(tmp_path: Path) -> None:
    """A slow disk must push back, not eat the memory."""
    disk = GatedDisk()
    journal = opened(tmp_path, disk=disk, queue_records=10)
    disk.gate.clear()
    taken = [journal.append([b"a"] * 5), journal.append([b"b"] * 5)]
    refused = journal.append([b"c"])
    assert refused.done()
    with pytest.raises(JournalUnavailableError, match="full"):
        await refused
    disk.gate.set()
    assert [len(receipts) for receipts in await asyncio.gather(*taken)] == [5, 5]
    assert len(await journal.append([b"d"])) == 1
    await journal.close()


async def test_a_full_disk_refuses_the_waiting_and_recovers_by_itself(tmp_path: Path) -> None:
    """Closed while the disk is full, open once it is not, and no index lost between."""
    disk = FaultyDisk(OsDisk())
    journal = opened(tmp_path, disk=disk)
    await journal.append([b"a"])
    disk.fail("write", disk_full(), times=1 << 30)
    with pytest.raises(JournalUnavailableError):
        await journal.append([b"b"])
    assert not journal.available
    with pytest.raises(JournalUnavailableError, match="failing"):
        await journal.append([b"c"])
    disk.heal()
    await until(lambda: journal.available)
    (receipt,) = await journal.append([b"d"])
    assert receipt.index == 1
    await journal.close()
    assert stored(tmp_path) == [b"a#0", b"d#1"]


async def test_one_passing_fault_costs_one_batch(tmp_path: Path) -> None:
    """A single I/O error is answered with a new segment, not with an outage."""
    disk = FaultyDisk(OsDisk())
    journal = opened(tmp_path, disk=disk, probe_interval=timedelta(0))
    disk.fail("sync", io_error())
    with pytest.raises(JournalUnavailableError):
        await journal.append([b"a"])
    await until(lambda: journal.available)
    assert len(await journal.append([b"b"])) == 1
    await journal.close()


async def test_a_failing_disk_is_probed_at_a_bounded_rate(tmp_path: Path) -> None:
    """A thousand refused calls must not be a thousand attempts on a dying disk."""
    disk = FaultyDisk(OsDisk())
    journal = opened(tmp_path, disk=disk, probe_interval=timedelta(hours=1))
    disk.fail("sync", io_error())
    with pytest.raises(JournalUnavailableError):
        await journal.append([b"a"])
    before = len(disk.calls)
    for _ in range(1000):
        with pytest.raises(JournalUnavailableError):
            await journal.append([b"b"])
    await asyncio.sleep(0.05)  # for an attempt that should not be under way
    assert len(disk.calls) == before
    assert not journal.available
    await journal.close()


async def test_a_journal_opens_on_a_full_disk_and_waits(tmp_path: Path) -> None:
    """A worker that restarts during an outage must come back with the disk, not die with it."""
    disk = FaultyDisk(OsDisk())
    disk.fail("write", disk_full(), times=1 << 30)
    journal = opened(tmp_path, disk=disk)
    assert not journal.available
    disk.heal()
    await until(lambda: journal.available)
    assert len(await journal.append([b"a"])) == 1
    await journal.close()


async def test_one_bad_record_is_only_its_callers_error(tmp_path: Path) -> None:
    """Callers share a batch and nothing else."""
    disk = GatedDisk()
    journal = opened(tmp_path, disk=disk)
    disk.gate.clear()
    futures = [
        journal.append([b"a"]),
        journal.append([b"b", bytes(MAX_RECORD_BYTES)]),
        journal.append([b"c"]),
    ]
    disk.gate.set()
    with pytest.raises(RecordTooLargeError):
        await futures[1]
    await asyncio.gather(futures[0], futures[2])
    await journal.close()
    assert stored(tmp_path) == [b"a#0", b"c#1"]


async def test_a_stamp_that_fails_is_only_its_callers_error(tmp_path: Path) -> None:
    """A program error in one record must not end the evidence of all."""

    def stamp(payload: bytes, index: int) -> bytes:
        if payload == b"bad":
            raise KeyError("bad")
        return stamped(payload, index)

    journal = opened(tmp_path, stamp=stamp)
    with pytest.raises(KeyError):
        await journal.append([b"bad"])
    assert len(await journal.append([b"good"])) == 1
    await journal.close()


async def test_closing_answers_what_is_queued_and_then_refuses(tmp_path: Path) -> None:
    """A graceful stop loses nobody's record and lets the next process in."""
    journal = opened(tmp_path)
    futures = [journal.append([b"a"]) for _ in range(20)]
    await journal.close()
    assert [receipts[0].index for receipts in await asyncio.gather(*futures)] == list(range(20))
    assert not journal.available
    with pytest.raises(JournalUnavailableError, match="closed"):
        await journal.append([b"b"])
    await journal.close()
    again = opened(tmp_path)
    assert again.recovered().next_index == 20
    await again.close()


async def test_two_writers_cannot_share_a_directory(tmp_path: Path) -> None:
    """One index, one record."""
    journal = opened(tmp_path)
    with pytest.raises(JournalLockedError, match="w0"):
        opened(tmp_path)
    await journal.close()


async def test_a_writer_thread_that_dies_leaves_nobody_waiting(tmp_path: Path) -> None:
    """The worst bug must end in refusals, never in silence or in a false yes."""
    disk = FaultyDisk(OsDisk())
    journal = opened(tmp_path, disk=disk)
    disk.fail("sync", Bug())
    futures = [journal.append([b"a"]) for _ in range(3)]
    for future in futures:
        with pytest.raises(JournalUnavailableError):
            await future
    assert not journal.available
    await journal.close()


async def test_an_observer_that_fails_stops_nothing(tmp_path: Path) -> None:
    """Monitoring never blocks evidence."""
    seen: list[int] = []

    def observe(_seconds: float, records: int) -> None:
        seen.append(records)
        raise ValueError("metrics are down")

    journal = opened(tmp_path, on_commit=observe)
    await journal.append([b"a", b"b"])
    await journal.append([b"c"])
    await journal.close()
    assert seen == [2, 1]


async def test_a_journal_belongs_to_one_loop(tmp_path: Path) -> None:
    """The queue is counted without a lock, which only one loop may rely on."""
    journal = opened(tmp_path)
    await journal.append([b"a"])

    async def other() -> None:
        with pytest.raises(RuntimeError, match="one event loop"):
            journal.append([b"b"])

    await asyncio.to_thread(asyncio.run, other())
    await journal.close()


def test_uvloop_works_too(tmp_path: Path) -> None:
    """Workers run on uvloop."""

    async def life() -> Sequence[int]:
        journal = opened(tmp_path)
        answers = await asyncio.gather(*(journal.append([b"a"]) for _ in range(10)))
        await journal.close()
        return [receipts[0].index for receipts in answers]

    assert uvloop.run(life()) == list(range(10))


async def test_a_loop_that_is_gone_does_not_stop_the_writing(tmp_path: Path) -> None:
    """Callers who die with their loop still leave their record."""
    disk = GatedDisk()

    async def call(journal: FileJournal) -> None:
        disk.gate.clear()
        journal.append([b"a"])

    journal = opened(tmp_path, disk=disk)
    await asyncio.to_thread(asyncio.run, call(journal))
    disk.gate.set()
    await journal.close()
    assert stored(tmp_path) == [b"a#0"]
