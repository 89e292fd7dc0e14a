"""What every journal promises its callers; runs on the files and on the fake other tests stand on."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.journal import FileJournal
from adapters.journal.disk import OsDisk
from gateway.ports import Journal, JournalUnavailableError
from tests.fakes.disk import FaultyDisk, io_error
from tests.fakes.journal import MemoryJournal


@dataclass
class Subject:
    journal: Journal
    fail: Callable[[], None]
    heal: Callable[[], None]


def _unchanged(payload: bytes, _index: int) -> bytes:
    return payload


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # the port has no event for it
        await asyncio.sleep(0.005)


@asynccontextmanager
async def _files(folder: Path) -> AsyncIterator[Subject]:
    disk = FaultyDisk(OsDisk())
    journal = FileJournal.open(
        folder / "w0", origin="w0", stamp=_unchanged, disk=disk, probe_interval=timedelta(milliseconds=5)
    )
    try:
        yield Subject(journal, lambda: disk.fail("sync", io_error(), times=1 << 30), disk.heal)
    finally:
        disk.heal()
        await journal.close()


@asynccontextmanager
async def _memory(_folder: Path) -> AsyncIterator[Subject]:
    journal = MemoryJournal(origin="w0")
    yield Subject(journal, journal.fail, journal.heal)


@pytest.fixture(params=[_files, _memory], ids=["files", "memory"])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    async with request.param(tmp_path) as subject:
        yield subject


async def test_every_record_gets_a_receipt_of_its_own(subject: Subject) -> None:
    """A receipt is the caller's only proof; it must name this record's place and bytes."""
    first = await subject.journal.append([b"one"])
    second = await subject.journal.append([b"two", b"three"])
    assert [(receipt.origin, receipt.index) for receipt in [*first, *second]] == [("w0", 0), ("w0", 1), ("w0", 2)]
    assert second[1].leaf_hash == hashlib.sha256(b"\x00three").digest()


async def test_records_keep_the_order_they_were_queued_in(subject: Subject) -> None:
    """The order of evidence is evidence."""
    futures = [subject.journal.append([b"%d" % number, b"%d again" % number]) for number in range(50)]
    answers = await asyncio.gather(*futures)
    assert [receipt.index for answer in answers for receipt in answer] == list(range(100))


async def test_hanging_up_withdraws_nothing(subject: Subject) -> None:
    """A caller who goes away before the answer must not erase that it asked."""
    future = subject.journal.append([b"asked"])
    future.cancel()
    (after,) = await subject.journal.append([b"next"])
    assert after.index == 1


async def test_a_failing_disk_is_an_error_and_never_an_answer(subject: Subject) -> None:
    """No record, no answer."""
    subject.fail()
    with pytest.raises(JournalUnavailableError):
        await subject.journal.append([b"lost"])
    assert not subject.journal.available


async def test_a_journal_recovers_without_a_restart(subject: Subject) -> None:
    """An operator frees the disk; nobody should have to restart anything."""
    subject.fail()
    with pytest.raises(JournalUnavailableError):
        await subject.journal.append([b"lost"])
    subject.heal()
    await _until(lambda: subject.journal.available)
    (receipt,) = await subject.journal.append([b"kept"])
    assert receipt.leaf_hash == hashlib.sha256(b"\x00kept").digest()


async def test_an_empty_append_is_answered_with_nothing(subject: Subject) -> None:
    """A call about nobody has nothing to record and must not hang."""
    assert list(await subject.journal.append([])) == []
