"""The contract of `adapters.ledger.store.LedgerStore`: whole batches, each record once, counts that stay."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.journal.reader import StoredRecord
from adapters.ledger.batch import Batch, Cursor, Sums, batch_of
from adapters.ledger.sqlite_store import SqliteLedgerStore
from adapters.ledger.store import CursorMovedError, LedgerStoreError
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from gateway.audit.merkle import leaf_hash
from gateway.audit.stamp import stamp_index
from tests.fakes.ledger import audit_record, random_records

ORIGIN = "m-w0"
COUNTS = "SELECT hour, series, sum(calls), sum(citizens), sum(fields) FROM ledger_hours GROUP BY hour, series"
DOSSIERS = "SELECT DISTINCT hour, series, dossier FROM ledger_dossiers"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteLedgerStore]:
    opened = SqliteLedgerStore.open(path, create=True)
    yield opened
    opened.close()


def batch(cursor: Cursor, records: list[AuditRecord]) -> Batch:
    first = cursor.next_index
    return batch_of(
        cursor,
        [StoredRecord(at, stamp_index(one.SerializeToString(), at)) for at, one in enumerate(records, first)],
    )


def table(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return sorted(connection.execute(query))
    finally:
        connection.close()


def records_held(path: Path) -> int:
    return len(table(path, "SELECT 1 FROM ledger_records"))


def test_a_batch_moves_the_cursor_with_its_records_and_counts(store: SqliteLedgerStore, path: Path) -> None:
    """The three are one truth: no reader may ever see one without the others."""
    written = batch(store.cursor(ORIGIN), [audit_record(), audit_record(fields=["*"], dossier="H-2")])
    cursor = store.write(written)
    assert cursor == store.cursor(ORIGIN)
    assert (cursor.next_index, cursor.last_leaf) == (2, leaf_hash(written.rows[-1][-1]))
    assert records_held(path) == 2
    ((_, _, calls, citizens, fields),) = table(path, COUNTS)
    assert (calls, citizens, fields) == (2, 2, 26)
    assert len(table(path, DOSSIERS)) == 2


def test_a_batch_that_was_written_is_refused_the_second_time(store: SqliteLedgerStore, path: Path) -> None:
    """Exactly once: what tries again after a crash must not count twice."""
    written = batch(store.cursor(ORIGIN), [audit_record()])
    store.write(written)
    with pytest.raises(CursorMovedError):
        store.write(written)
    assert records_held(path) == 1
    assert [row[2] for row in table(path, COUNTS)] == [1]


def test_of_two_writers_one_is_told_that_the_cursor_moved(store: SqliteLedgerStore, path: Path) -> None:
    """A rebuild beside the control process is such a second writer."""
    other = SqliteLedgerStore.open(path)
    try:
        ours, theirs = store.cursor(ORIGIN), other.cursor(ORIGIN)
        assert ours == theirs
        store.write(batch(ours, [audit_record()]))
        with pytest.raises(CursorMovedError):
            other.write(batch(theirs, [audit_record()]))
        other.write(batch(other.cursor(ORIGIN), [audit_record()]))
    finally:
        other.close()
    assert [row[2] for row in table(path, COUNTS)] == [2]


@pytest.mark.parametrize("late", [False, True])
def test_a_batch_that_fails_half_way_leaves_nothing(store: SqliteLedgerStore, path: Path, *, late: bool) -> None:
    """Series made in a transaction that was undone must not be used by the next one."""
    good = batch(store.cursor(ORIGIN), [audit_record(procedure="new")])
    unstorable: set[Any] = {object()}
    broken = replace(good, rows=[*good.rows, good.rows[0]])
    if late:
        broken = replace(good, tally={key: Sums(1, 1, 1, unstorable) for key in good.tally})
    with pytest.raises(LedgerStoreError):
        store.write(broken)
    assert records_held(path) == 0
    assert table(path, "SELECT 1 FROM ledger_series") == []
    store.write(good)
    joined = "SELECT procedure, calls FROM ledger_hours JOIN ledger_series ON series = id"
    assert table(path, joined) == [("new", 1)]


def test_retired_records_leave_and_their_counts_stay(store: SqliteLedgerStore, path: Path) -> None:
    """Retention is about records; what a committee was told five years ago stays true."""
    records = random_records(random.Random(5), 300)
    cursor = store.cursor(ORIGIN)
    for start in range(0, 300, 100):
        cursor = store.write(batch(cursor, records[start : start + 100]))
    counts, dossiers = table(path, COUNTS), table(path, DOSSIERS)
    assert store.retire(ORIGIN, 120, limit=50).first_index == 50
    while (cursor := store.retire(ORIGIN, 120, limit=50)).first_index < 120:
        pass
    assert (cursor.first_index, cursor.next_index) == (120, 300)
    assert table(path, "SELECT min(leaf_index), count(*) FROM ledger_records") == [(120, 180)]
    assert table(path, COUNTS) == counts
    assert table(path, DOSSIERS) == dossiers
    with pytest.raises(CursorMovedError):  # who ingests learns of the new first record
        store.write(batch(replace(cursor, first_index=0), [audit_record()]))


def test_nothing_is_retired_that_is_not_ingested(store: SqliteLedgerStore) -> None:
    """Otherwise the segment would go uncounted."""
    store.write(batch(store.cursor(ORIGIN), [audit_record()] * 3))
    assert store.retire(ORIGIN, 10, limit=100).first_index == 3
    assert store.retire(ORIGIN, 10, limit=100).first_index == 3


def test_a_reset_forgets_all_but_what_is_retired(store: SqliteLedgerStore, path: Path) -> None:
    """What the journals no longer hold could not be counted again."""
    records = random_records(random.Random(6), 200)
    store.write(batch(store.cursor(ORIGIN), records))
    counts, dossiers = table(path, COUNTS), table(path, DOSSIERS)
    store.retire(ORIGIN, 80, limit=1000)
    store.reset()
    cursor = store.cursor(ORIGIN)
    assert (cursor.first_index, cursor.next_index, cursor.last_leaf) == (80, 80, None)
    assert records_held(path) == 0
    assert store.cursors() == [cursor]
    store.write(batch(cursor, records[80:]))
    assert table(path, COUNTS) == counts
    assert table(path, DOSSIERS) == dossiers


def test_a_locked_ledger_raises_and_takes_nothing(store: SqliteLedgerStore, path: Path) -> None:
    """A backup or a long change of accounts must cost time, not records."""
    cursor = store.cursor(ORIGIN)
    with sqlite3.connect(path) as locker:
        locker.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerStoreError, match="locked"):
            store.write(batch(cursor, [audit_record()]))
        locker.rollback()
    locker.close()
    assert store.write(batch(cursor, [audit_record()])).next_index == 1


def test_a_ledger_that_was_moved_away_or_replaced_is_not_current(store: SqliteLedgerStore, path: Path) -> None:
    """Writing on into a file that nobody reads any more would look like success."""
    assert store.current()
    path.rename(path.with_name("elsewhere"))
    assert not store.current()
    SqliteLedgerStore.open(path, create=True).close()
    assert not store.current()


def test_a_missing_file_is_not_made_unless_asked_for(tmp_path: Path) -> None:
    """An empty ledger in the place of a lost one would show an empty history."""
    with pytest.raises(LedgerStoreError):
        SqliteLedgerStore.open(tmp_path / "none.sqlite")
    assert list(tmp_path.iterdir()) == []
