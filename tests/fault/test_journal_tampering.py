"""P2: the record cannot be rewritten unnoticed, and what was not touched is not suspected."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.journal.disk import OsDisk
from adapters.journal.findings import FindingKind, Progress
from adapters.journal.frames import encode, payloads
from adapters.journal.segments import decode_header
from gateway.audit.notes import SignerKey
from tests.fakes.disk import FaultyDisk, io_error
from tests.fakes.evidence import START, Evidence, record

STRANGER = SignerKey("dancu.example", bytes(range(1, 33)))


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    evidence = Evidence(tmp_path)
    evidence.grow()
    return evidence


def reframe(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Rewrite the records of a segment as somebody would who knows the format: every checksum fits again."""
    data = path.read_bytes()
    opened = decode_header(data, path.name)
    records = [bytes(one) for one in payloads(memoryview(data), opened.end, len(data))]
    path.write_bytes(data[: opened.end] + encode(change(records), opened.chain).data)


def test_untouched_evidence_passes(evidence: Evidence) -> None:
    """An alarm that rings by itself is switched off."""
    outcome = evidence.verify()
    assert outcome.sound, outcome.findings
    (totals,) = outcome.journals
    assert (totals.origin, totals.records, totals.signed_records, totals.checkpoints) == ("w0", 148, 148, 4)
    assert totals.segments >= 4


def test_records_after_the_last_checkpoint_are_no_finding(evidence: Evidence) -> None:
    """A running installation always has some."""
    evidence.write(10)
    outcome = evidence.verify()
    assert outcome.sound
    assert (outcome.journals[0].records, outcome.journals[0].signed_records) == (158, 148)


def test_a_running_installation_on_a_bad_disk_is_not_suspected(tmp_path: Path) -> None:
    """Verification runs at night beside the workers, the keeper and retention, whatever the disk does."""
    evidence = Evidence(tmp_path)
    evidence.witness.mkdir()
    disk = FaultyDisk(OsDisk())
    log = evidence.open_log(segment_bytes=3000, disk=disk)
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        chance = random.Random(5)
        while not stop.is_set():
            if chance.random() < 0.1:
                disk.fail(chance.choice(["sync", "write", "truncate"]), io_error())
            with suppress(OSError):
                log.establish()
                log.commit([record(log.next_index + at) for at in range(4)])

    def keep() -> None:
        keeper = evidence.keeper()
        try:
            while not stop.is_set():
                keeper.advance()
                keeper.checkpoint()
                keeper.pack(before=START + timedelta(days=1))
        except BaseException as error:  # noqa: BLE001  # told to the test
            failures.append(error)
        finally:
            keeper.close()

    threads = [threading.Thread(target=work), threading.Thread(target=keep)]
    for thread in threads:
        thread.start()
    try:
        while log.next_index < 2500:
            outcome = evidence.verify()
            assert outcome.sound, outcome.findings
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    disk.heal()
    log.close()
    assert evidence.verify().sound


def test_a_torn_tail_is_no_finding(evidence: Evidence) -> None:
    """A crash is not a crime, and a batch may be on its way."""
    with evidence.segment(-1).open("ab") as file:
        file.write(b"half a fra")
    outcome = evidence.verify()
    assert outcome.sound
    assert outcome.journals[0].unsettled_bytes == 10


def test_progress_reaches_the_end(evidence: Evidence) -> None:
    """Operators watch a bar over hours of records."""
    seen: list[Progress] = []
    evidence.verify(progress=seen.append)
    assert seen[-1].bytes_done == seen[-1].bytes_total
    assert seen[-1].records == 148


@pytest.mark.parametrize("seed", range(4))
def test_any_flipped_byte_is_found(evidence: Evidence, seed: int) -> None:
    """Every byte of evidence counts: records, frames, headers, checkpoints, marks and stored hashes."""
    chance = random.Random(seed)
    paths = [
        path for path in sorted(evidence.root.rglob("*")) if path.is_file() and path.name not in ("lock", "places")
    ]
    assert len(paths) >= 8
    for path in paths:
        data = path.read_bytes()
        for _ in range(2):
            changed = bytearray(data)
            changed[chance.randrange(len(data))] ^= chance.randint(1, 255)
            path.write_bytes(changed)
            assert evidence.kinds(), f"{path.name} was changed unnoticed"
        path.write_bytes(data)
    assert not evidence.kinds()


@pytest.mark.hammer
def test_every_flipped_byte_is_found(evidence: Evidence) -> None:
    """The same promise for every single byte."""
    for path in sorted(evidence.root.rglob("*")):
        if not path.is_file() or path.name in ("lock", "places"):
            continue
        data = path.read_bytes()
        for at in range(len(data)):
            changed = bytearray(data)
            changed[at] ^= 1 << (at % 8)
            path.write_bytes(changed)
            assert evidence.kinds(), f"byte {at} of {path.name} was changed unnoticed"
        path.write_bytes(data)


def test_a_changed_record_is_named(evidence: Evidence) -> None:
    """The auditor must know where to look."""
    path = evidence.segment(1)
    data = bytearray(path.read_bytes())
    at = bytes(data).index(b"record 40 ")
    data[at] ^= 1
    path.write_bytes(data)
    (finding,) = evidence.verify().findings
    assert (finding.kind, finding.file, finding.index) == (FindingKind.RECORD_CHANGED, path.name, 40)


@pytest.mark.parametrize("keep_stored_hashes", [True, False])
def test_a_record_rewritten_with_all_checksums_is_found(evidence: Evidence, *, keep_stored_hashes: bool) -> None:
    """Checksums stop accidents; whoever knows the format can make them fit, but not the signed root."""
    path = evidence.segment(-1)
    if not keep_stored_hashes:
        shutil.rmtree(evidence.journal() / "tree")
    reframe(path, lambda records: [one.replace(b"record 147 ", b"record XXX ") for one in records])
    (finding,) = evidence.verify().findings
    assert (finding.kind, finding.file) == (FindingKind.RECORDS_REWRITTEN, path.name)
    assert finding.index == (147 if keep_stored_hashes else 111)


@pytest.mark.parametrize("keep_stored_hashes", [True, False])
def test_a_journal_forged_throughout_is_found(evidence: Evidence, *, keep_stored_hashes: bool) -> None:
    """Whoever makes every checksum and header fit still cannot make the signed root fit."""
    if not keep_stored_hashes:
        shutil.rmtree(evidence.journal() / "tree")
    evidence.forge(lambda _, records: [one.replace(b"record 50 ", b"record 05 ") for one in records])
    (finding,) = evidence.verify().findings
    assert finding.kind is FindingKind.RECORDS_REWRITTEN
    assert finding.index == (50 if keep_stored_hashes else 37)


def test_a_changed_segment_does_not_fit_the_next_one(evidence: Evidence) -> None:
    """Also where no checkpoint is left to compare with."""
    shutil.rmtree(evidence.journal() / "checkpoints")
    reframe(evidence.segment(0), lambda records: [one.replace(b"record 5 ", b"record 6 ") for one in records])
    assert evidence.kinds(witness=False) == {FindingKind.RECORD_CHANGED}


def test_two_records_made_one_leave_a_gap(evidence: Evidence) -> None:
    """Also where no checkpoint is left to compare with."""
    shutil.rmtree(evidence.journal() / "checkpoints")
    evidence.forge(lambda at, records: [records[0] + records[1], *records[2:]] if at == 1 else records)
    assert evidence.kinds(witness=False) == {FindingKind.RECORDS_MISSING}


def test_a_segment_under_another_name_is_found(evidence: Evidence) -> None:
    """The header says where it belongs."""
    name = evidence.segments()[-1]
    evidence.segment(-1).rename(evidence.journal() / f"{name.sequence:010d}-{name.first_index + 1:020d}.segment")
    assert FindingKind.SEGMENT_DAMAGED in evidence.kinds()


def test_a_checkpoint_cut_from_the_log_is_found_by_the_latest_one(evidence: Evidence) -> None:
    """The two are written one after the other, so the log cannot know less."""
    path = evidence.notes()
    path.write_bytes(path.read_bytes()[:-5])
    assert evidence.kinds(witness=False) == {FindingKind.CHECKPOINTS_DAMAGED}


@pytest.mark.parametrize(
    "change",
    [
        lambda records: records[1:],
        lambda records: records[:-1],
        lambda records: [records[0], *records],
        lambda records: [records[1], records[0], *records[2:]],
        lambda records: [*records[:3], b"invented", *records[3:]],
    ],
    ids=["first removed", "last removed", "doubled", "swapped", "inserted"],
)
@pytest.mark.parametrize("at", [0, 2, -1])
def test_records_removed_inserted_or_moved_are_found(
    evidence: Evidence, change: Callable[[list[bytes]], list[bytes]], at: int
) -> None:
    """The order and the number of records are evidence too."""
    reframe(evidence.segment(at), change)
    kinds = evidence.kinds()
    assert kinds & {
        FindingKind.RECORDS_REWRITTEN,
        FindingKind.RECORDS_MISSING,
        FindingKind.RECORD_CHANGED,
    }


def test_bytes_added_after_the_end_of_a_segment_are_void(evidence: Evidence) -> None:
    """Left-overs of a failed write are normal; nobody may ever read them as records."""
    reframe(evidence.segment(1), lambda records: [*records, b"invented"])
    assert evidence.verify().sound
    assert evidence.records() == [record(index) for index in range(148)]


@pytest.mark.parametrize("at", range(4))
def test_a_removed_segment_is_found(evidence: Evidence, at: int) -> None:
    """Also the first and the last one."""
    evidence.segment(at if at < 3 else -1).unlink()
    assert evidence.kinds() & {FindingKind.SEGMENT_MISSING, FindingKind.RECORDS_MISSING}


def test_an_added_segment_is_found(evidence: Evidence) -> None:
    """Two files that claim one place: the reader would take one of them."""
    name = evidence.segments()[1]
    shutil.copy(evidence.segment(1), evidence.journal() / f"{name.sequence:010d}-{name.first_index + 1:020d}.segment")
    assert FindingKind.SEGMENT_INSERTED in evidence.kinds()


def test_swapped_segments_are_found(evidence: Evidence) -> None:
    """A file under another's name says so itself."""
    one, two = evidence.segment(1), evidence.segment(2)
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)
    assert FindingKind.SEGMENT_DAMAGED in evidence.kinds()


@pytest.mark.parametrize("at", [0, 1, -1])
def test_a_cut_segment_is_found(evidence: Evidence, at: int) -> None:
    """Truncation is the easiest way to lose the end of a day."""
    path = evidence.segment(at)
    path.write_bytes(path.read_bytes()[:-30])
    assert evidence.kinds() & {FindingKind.RECORDS_MISSING, FindingKind.RECORD_CHANGED}


def test_the_end_cut_together_with_its_traces_is_found_by_the_checkpoint(evidence: Evidence) -> None:
    """Whoever rolls the mark back too still has the signed size against them."""
    path = evidence.segment(-1)
    data = path.read_bytes()
    opened = decode_header(data, path.name)
    path.write_bytes(data[: opened.end])
    (evidence.journal() / "durable").write_bytes(b"")
    assert FindingKind.RECORDS_MISSING in evidence.kinds(witness=False)
