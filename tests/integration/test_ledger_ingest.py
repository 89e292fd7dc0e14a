"""Journals on their way into the ledger: followed while they grow, waited for, stopped at, and folded again."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.journal.reader import JournalReader
from adapters.journal.signing_keys import SigningKeys
from adapters.ledger.ingest import Ingest
from adapters.ledger.machine_lock import MachineHeldError, hold_machine
from adapters.ledger.rebuild import RebuildRefusedError, rebuild
from adapters.ledger.sqlite_store import SqliteLedgerStore
from adapters.processes.evidence import Keeping
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from gateway.settings import Settings
from tests.fakes.ledger import IngestObserved, JournalWriter, LedgerWorld, audit_record, random_records
from tests.fakes.supervised import wait_for

TOTALS = "SELECT sum(calls), sum(citizens), sum(fields) FROM ledger_hours"
HOURS = "SELECT hour, series, sum(calls), sum(citizens), sum(fields) FROM ledger_hours GROUP BY hour, series"


@pytest.fixture
def world(tmp_path: Path) -> LedgerWorld:
    return LedgerWorld(tmp_path)


@pytest.fixture
def running(world: LedgerWorld) -> Iterator[Ingest]:
    """An ingest in its thread, as in the control process."""
    ingest = world.ingest()
    stop = threading.Event()
    thread = threading.Thread(target=ingest.run, args=(stop,))
    thread.start()
    yield ingest
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def table(world: LedgerWorld, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(world.path)
    try:
        return sorted(connection.execute(query))
    finally:
        connection.close()


def held(world: LedgerWorld) -> int:
    return len(table(world, "SELECT 1 FROM ledger_records"))


def stored(world: LedgerWorld, origin: str = "m-w0") -> list[bytes]:
    return [one.data for one in JournalReader(world.root / origin)]


def test_a_journal_is_followed_through_its_segments_while_it_grows(world: LedgerWorld, running: Ingest) -> None:
    """Rotation, a restart of the worker and a second worker are every day's business."""
    chance = random.Random(3)
    for life in range(3):
        writers = [JournalWriter(world.root, f"m-w{slot}", segment_bytes=4000) for slot in range(2)]
        for _ in range(8):
            writers[chance.randrange(2)].write(random_records(chance, 10))
        total = 80 * (life + 1)
        wait_for(lambda: sum(world.observed.taken.values()) >= total, "the records of one life")  # noqa: B023
        for writer in writers:
            writer.close()
    held_now = table(world, "SELECT journal, leaf_index, record FROM ledger_records")
    journals = dict(table(world, "SELECT origin, id FROM ledger_journals"))
    expected = [
        (journals[origin], index, data)
        for origin in ("m-w0", "m-w1")
        for index, data in enumerate(stored(world, origin))
    ]
    assert held_now == sorted(expected)
    assert len(expected) == 240
    assert world.observed.lags == {"m-w0": 0, "m-w1": 0}


def test_a_ledger_that_is_locked_or_away_is_waited_for(world: LedgerWorld, running: Ingest, tmp_path: Path) -> None:
    """Lookups go on meanwhile, so the journals grow; nothing of that is lost or doubled."""
    writer = JournalWriter(world.root)
    writer.write([audit_record()] * 10)
    wait_for(lambda: held(world) == 10, "the first records")
    locker = sqlite3.connect(world.path)
    locker.execute("BEGIN IMMEDIATE")
    writer.write([audit_record()] * 10)
    wait_for(lambda: world.observed.gone, "the loss of the ledger")
    wait_for(lambda: world.observed.lags["m-w0"] == 10, "the lag")
    locker.rollback()
    locker.close()
    wait_for(lambda: held(world) == 20 and not world.observed.gone, "the records of the lock")
    for part in ("", "-wal", "-shm"):
        Path(f"{world.path}{part}").rename(tmp_path / f"away{part}")
    writer.write([audit_record()] * 10)
    wait_for(lambda: world.observed.gone, "the loss of the file")
    assert not world.path.exists()
    for part in ("", "-wal", "-shm"):
        if (tmp_path / f"away{part}").exists():
            (tmp_path / f"away{part}").rename(Path(f"{world.path}{part}"))
    wait_for(lambda: held(world) == 30, "the records made while it was away")
    assert table(world, TOTALS) == [(30, 30, 30)]
    writer.close()


def test_a_damaged_record_stops_its_journal_alone_and_is_said_once(world: LedgerWorld) -> None:
    """Skipped, it would be missing from every statistic without a trace."""
    good, bad = JournalWriter(world.root, "m-w0"), JournalWriter(world.root, "m-w1")
    for writer in (good, bad):
        writer.write([audit_record(request_id=f"r{at}") for at in range(20)])
        writer.close()
    (segment,) = bad.directory.glob("*.segment")
    intact = segment.read_bytes()
    at = intact.index(b"r13")
    segment.write_bytes(intact[:at] + b"R" + intact[at + 1 :])
    ingest = world.ingest()
    try:
        with capture_logs() as logs:
            for _ in range(4):
                ingest.step()
        (told,) = [line for line in logs if line["event"] == "ingest_stopped"]
        assert (told["origin"], told["next_index"], told["log_level"]) == ("m-w1", 13, "error")
        assert "record 13" in told["cause"]
        assert world.observed.stopped_now == {"m-w0": False, "m-w1": True}
        assert world.observed.taken == {"m-w0": 20, "m-w1": 13}
        assert world.observed.lags == {"m-w0": 0, "m-w1": 7}
        segment.write_bytes(intact)
        with capture_logs() as logs:
            ingest.step()
        assert [line["event"] for line in logs] == ["ingest_resumed"]
        assert world.observed.taken["m-w1"] == 20
        assert not world.observed.stopped_now["m-w1"]
    finally:
        ingest.close()


def test_bytes_that_are_no_record_stop_their_journal(world: LedgerWorld) -> None:
    """A frame may be whole and its content senseless."""
    writer = JournalWriter(world.root)
    writer.write([audit_record()])
    writer.write_raw([b"\xff\xff"])
    writer.write([audit_record()])
    writer.close()
    assert world.catch_up(batch_records=1) == 1
    assert world.observed.stopped_now["m-w0"]
    assert table(world, "SELECT next_index FROM ledger_journals") == [(1,)]


@pytest.mark.parametrize("records", [1, 30])
def test_another_journal_under_the_same_name_is_not_taken_in(world: LedgerWorld, records: int) -> None:
    """A wiped disk starts at 0 again: its first records would pass for known ones, the later ones be mixed in."""
    writer = JournalWriter(world.root)
    writer.write([audit_record()] * 20)
    writer.close()
    world.catch_up()
    for path in writer.directory.iterdir():
        path.unlink()
    other = JournalWriter(world.root)
    other.write([audit_record(request_id="other")] * records)
    other.close()
    with capture_logs() as logs:
        assert world.catch_up() == 0
    (told,) = [line for line in logs if line["event"] == "ingest_stopped"]
    assert ("is not the one" if records > 20 else "are there") in told["cause"]
    assert held(world) == 20


def test_a_rebuild_gives_equal_totals(world: LedgerWorld, tmp_path: Path) -> None:
    """P7 can be checked at any time: drop everything, fold the journals, compare."""
    chance = random.Random(8)
    for origin in ("m-w0", "m-w1"):
        writer = JournalWriter(world.root, origin, segment_bytes=20_000)
        for _ in range(10):
            writer.write(random_records(chance, 60))
        writer.close()
    world.catch_up()
    before = table(world, HOURS), table(world, "SELECT * FROM ledger_dossiers"), held(world)
    connection = sqlite3.connect(world.path)
    with connection:
        connection.execute("UPDATE ledger_hours SET calls = calls + 1")
        connection.execute("DELETE FROM ledger_dossiers")
    connection.close()
    told: list[tuple[int, int]] = []
    assert rebuild(Settings(data_dir=tmp_path), progress=lambda *seen: told.append(seen)) == 1200
    assert (table(world, HOURS), table(world, "SELECT * FROM ledger_dossiers"), held(world)) == before
    assert told[-1] == (1200, 1200)


def test_a_rebuild_beside_a_running_ingest_lets_it_fold(world: LedgerWorld, running: Ingest, tmp_path: Path) -> None:
    """Counting anew must not need the installation to stop."""
    writer = JournalWriter(world.root)
    writer.write(random_records(random.Random(9), 500))
    wait_for(lambda: held(world) == 500, "the records")
    before = table(world, HOURS)
    with hold_machine(tmp_path):
        assert rebuild(Settings(data_dir=tmp_path)) == 500
    assert table(world, HOURS) == before
    writer.close()


@pytest.mark.parametrize("loss", ["journal", "record"])
def test_a_rebuild_drops_nothing_that_the_journals_cannot_give_back(
    world: LedgerWorld, tmp_path: Path, loss: str
) -> None:
    """After a damage the ledger may be the last place that knows."""
    writer = JournalWriter(world.root)
    writer.write([audit_record(request_id=f"r{at}") for at in range(20)])
    writer.close()
    world.catch_up()
    (segment,) = writer.directory.glob("*.segment")
    if loss == "journal":
        writer.directory.rename(tmp_path / "lost")
    else:
        segment.write_bytes(segment.read_bytes().replace(b"r7", b"r8"))
    with pytest.raises(RebuildRefusedError):
        rebuild(Settings(data_dir=tmp_path))
    assert held(world) == 20
    assert table(world, TOTALS) == [(20, 20, 20)]


def test_records_past_their_retention_leave_journal_and_ledger_and_stay_counted(
    world: LedgerWorld, tmp_path: Path
) -> None:
    """Decree 53/2022 sets how long records are kept; what was counted of them stays true, also after a rebuild."""
    chance = random.Random(4)
    writer = JournalWriter(world.root, segment_bytes=3000)
    for _ in range(40):
        writer.write(random_records(chance, 10))
    writer.close()
    world.catch_up()
    before = table(world, HOURS)
    keys = SigningKeys(tmp_path / "signing", name="dancu.test")
    keys.ensure()
    keeping = Keeping(
        root=world.root,
        keys=keys,
        witness=tmp_path / "witness",
        open_store=lambda: SqliteLedgerStore.open(world.path),
        retention=timedelta(days=365),
        observer=IngestObserved(),
    )
    keeping.step(threading.Event())
    now = datetime.now(UTC)
    keeping.retain(now=now + timedelta(days=364))
    assert held(world) == 400
    keeping.retain(now=now + timedelta(days=366))
    first = min(int(path.name.split("-")[1].split(".")[0]) for path in writer.directory.glob("*.segment"))
    assert 0 < first < 400
    assert table(world, "SELECT min(leaf_index), count(*) FROM ledger_records") == [(first, 400 - first)]
    assert table(world, HOURS) == before
    assert list((tmp_path / "witness" / "keys").glob("*.verifier"))
    assert rebuild(Settings(data_dir=tmp_path)) == 400 - first
    assert table(world, HOURS) == before
    late = JournalWriter(world.root)
    late.write([audit_record()])
    late.close()
    assert world.catch_up() == 1


def test_of_two_control_processes_one_is_refused(tmp_path: Path) -> None:
    """Two of them would sign two trees."""
    with hold_machine(tmp_path), pytest.raises(MachineHeldError, match=str(tmp_path)), hold_machine(tmp_path):
        pass
    with hold_machine(tmp_path):
        pass


def test_all_that_was_durable_is_taken_in_before_the_end(world: LedgerWorld) -> None:
    """A stopped installation is read from its ledger: the last fifth of a second must be in it."""
    writer = JournalWriter(world.root)
    writer.write([audit_record()] * 7)
    writer.close()
    stop = threading.Event()
    stop.set()
    world.ingest().run(stop)
    assert held(world) == 7
    assert AuditRecord.FromString(stored(world)[6]).index == 6
