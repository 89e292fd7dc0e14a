"""Reading a journal, also while it is written and packed."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.journal.errors import JournalDamagedError
from adapters.journal.reader import JournalReader, StoredRecord, journals_in
from adapters.journal.retention import pack_segments
from gateway.audit.merkle import leaf_hash
from tests.fakes.evidence import START, Evidence, record


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    evidence = Evidence(tmp_path)
    for day in range(4):
        evidence.write(30, day=day)
    return evidence


@pytest.mark.parametrize("start", [0, 1, 29, 30, 77, 119])
def test_reading_begins_where_it_is_told(evidence: Evidence, start: int) -> None:
    """The ledger goes on from its cursor and must neither skip nor repeat."""
    reader = JournalReader(evidence.journal(), start_index=start)
    found = reader.read(7)
    assert [one.index for one in found] == list(range(start, min(start + 7, 120)))[: len(found)]
    assert [one.data for one in [*found, *reader]] == [record(index) for index in range(start, 120)]
    assert reader.next_index == 120


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_no_more_is_read_than_was_asked_for(evidence: Evidence, size: int) -> None:
    """Callers bound their memory with it."""
    reader = JournalReader(evidence.journal())
    sizes = []
    while found := reader.read(size):
        sizes.append(len(found))
    assert sum(sizes) == 120
    assert max(sizes) <= size


def test_leaves_come_with_the_place_of_their_frames(evidence: Evidence) -> None:
    """Proofs find a record by them without reading the journal."""
    reader = JournalReader(evidence.journal())
    seen = 0
    while block := reader.read_leaves(10):
        assert block.first_index == seen
        assert block.leaf_hashes == [leaf_hash(record(seen + at)) for at in range(len(block.leaf_hashes))]
        (path,) = evidence.journal().glob(f"{block.sequence:010d}-*")
        data = path.read_bytes()
        for at, offset in enumerate(block.offsets):
            assert data[offset + 8 :].startswith(record(seen + at))
        seen += len(block.leaf_hashes)
    assert seen == 120


def test_a_reader_that_waits_sees_what_comes(evidence: Evidence) -> None:
    """The control process reads on for months, through restarts of the worker."""
    reader = JournalReader(evidence.journal(), start_index=130)
    assert reader.read() == []
    evidence.write(5)
    assert reader.read() == []
    evidence.write(10)
    assert [one.index for one in reader] == list(range(130, 135))


def test_a_reader_is_not_disturbed_by_packing(evidence: Evidence) -> None:
    """Retention runs beside the readers."""
    reader = JournalReader(evidence.journal())
    first = reader.read(10)
    assert pack_segments(evidence.journal(), before=START + timedelta(days=3))
    rest = list(reader)
    assert [one.data for one in [*first, *rest]] == [record(index) for index in range(120)]


def test_a_writer_and_a_reader_agree_all_the_time(tmp_path: Path) -> None:
    """What a reader saw is what was acknowledged, in order, however fast both go."""
    evidence = Evidence(tmp_path)
    log = evidence.open_log()
    done = threading.Event()

    def write() -> None:
        while log.next_index < 3000:
            log.commit([record(log.next_index + at) for at in range(7)])
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    reader = JournalReader(evidence.journal())
    found: list[StoredRecord] = []
    try:
        while not done.is_set() or len(found) < log.next_index:
            found += reader.read(100)
            assert reader.next_index <= log.next_index + 7
    finally:
        thread.join()
        log.close()
    assert [one.data for one in found] == [record(index) for index in range(log.next_index)]


def test_records_that_are_gone_are_an_error(evidence: Evidence) -> None:
    """Silence would be taken for an empty journal."""
    evidence.segment(0).unlink()
    with pytest.raises(JournalDamagedError, match="record 0 is gone"):
        JournalReader(evidence.journal()).read()


def test_damage_is_an_error_and_names_the_place(evidence: Evidence) -> None:
    """The ledger must stop before a false record, not skip it."""
    path = evidence.segment(1)
    path.write_bytes(path.read_bytes().replace(b"record 35 ", b"record 53 "))
    reader = JournalReader(evidence.journal(), start_index=30)
    with pytest.raises(JournalDamagedError, match=f"{path.name}: record 35 "):
        list(reader)
    assert reader.next_index == 35


def test_a_missing_segment_in_the_middle_is_an_error(evidence: Evidence) -> None:
    """A gap must not be read over."""
    evidence.segment(1).unlink()
    with pytest.raises(JournalDamagedError, match="does not follow"):
        list(JournalReader(evidence.journal()))


def test_journals_are_listed_by_name(evidence: Evidence) -> None:
    """The control process finds the workers' journals by looking."""
    evidence.write(1, "b1")
    (evidence.root / "something else").mkdir()
    assert [path.name for path in journals_in(evidence.root)] == ["b1", "w0"]
    assert journals_in(evidence.root / "missing") == []
