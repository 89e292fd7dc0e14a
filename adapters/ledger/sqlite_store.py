"""The ledger's bulk writer on SQLite: the driver itself, one thread, large transactions that are on disk when they end.

Owns transactions and the numbers of series. The statements come from `adapters.ledger.statements`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from adapters.ledger import statements as sql
from adapters.ledger.batch import Batch, Cursor, Tally, tally_of
from adapters.ledger.store import CursorMovedError, LedgerStoreError
from gateway.audit.statistics import Series

_BUSY_SECONDS = 1.0
# Indexes over random values touch pages all over the file.
_CACHE_KIBIBYTES = 64 << 10


class SqliteLedgerStore:
    """`adapters.ledger.store.LedgerStore` on an SQLite file."""

    def __init__(self, *, connection: sqlite3.Connection, path: Path) -> None:
        """See `open`."""
        self._connection = connection
        self._path = path
        self._identity = _identity_of(path)
        self._series: dict[Series, int] = {}

    @classmethod
    def open(cls, path: Path, *, create: bool = False) -> Self:
        """Open the file and make the ledger's tables where they are missing; `create` makes the file too.

        Raises `LedgerStoreError`.
        """
        try:
            connection = sqlite3.connect(
                f"file:{path.absolute()}?mode={'rwc' if create else 'rw'}",
                uri=True,
                isolation_level=None,
                timeout=_BUSY_SECONDS,
            )
        except sqlite3.Error as error:
            raise LedgerStoreError(f"{path} cannot be opened: {error}") from error
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
            store = cls(connection=connection, path=path)
            with store._transaction():
                for statement in sql.CREATE:
                    connection.execute(statement)
        except (sqlite3.Error, OSError, LedgerStoreError) as error:
            connection.close()
            raise LedgerStoreError(f"{path} cannot be used: {error}") from error
        return store

    def current(self) -> bool:
        """See `LedgerStore.current`."""
        try:
            return _identity_of(self._path) == self._identity
        except OSError:
            return False

    def cursor(self, origin: str) -> Cursor:
        """See `LedgerStore.cursor`."""
        known = next((one for one in self.cursors() if one.origin == origin), None)
        if known is not None:
            return known
        with self._transaction():
            self._connection.execute(sql.ADD_JOURNAL, (origin,))
            return self._cursor(origin)

    def cursors(self) -> Sequence[Cursor]:
        """See `LedgerStore.cursors`."""
        try:
            return [Cursor(*row) for row in self._connection.execute(sql.READ_CURSORS)]
        except sqlite3.Error as error:
            raise LedgerStoreError(f"{type(error).__name__}: {error}") from error

    def write(self, batch: Batch) -> Cursor:
        """See `LedgerStore.write`."""
        before = batch.cursor
        with self._transaction():
            moved = self._connection.execute(
                sql.MOVE_CURSOR,
                (batch.next_index, batch.last_leaf, before.journal, before.next_index, before.first_index),
            )
            if moved.rowcount != 1:
                raise CursorMovedError(f"the cursor of {before.origin} is not where it was")
            self._connection.executemany(sql.ADD_RECORD, batch.rows)
            self._count(batch.tally, retired=0)
        return Cursor(before.journal, before.origin, before.first_index, batch.next_index, batch.last_leaf)

    def retire(self, origin: str, before: int, *, limit: int) -> Cursor:
        """See `LedgerStore.retire`."""
        with self._transaction():
            cursor = self._cursor(origin)
            end = min(before, cursor.next_index, cursor.first_index + limit)
            if end <= cursor.first_index:
                return cursor
            leaving = self._connection.execute(sql.RECORDS_BEFORE, (cursor.journal, end))
            tally = tally_of(leaving)
            self._count(tally, retired=1)
            self._uncount(tally)
            self._connection.execute(sql.REMOVE_RECORDS, (cursor.journal, end))
            self._connection.execute(sql.MOVE_FIRST, (end, cursor.journal))
            return self._cursor(origin)

    def reset(self) -> None:
        """See `LedgerStore.reset`."""
        with self._transaction():
            for statement in sql.RESET:
                self._connection.execute(statement)

    def close(self) -> None:
        """See `LedgerStore.close`."""
        self._connection.close()

    def _cursor(self, origin: str) -> Cursor:
        row = self._connection.execute(sql.READ_CURSOR, (origin,)).fetchone()
        if row is None:
            raise LedgerStoreError(f"the ledger knows no journal {origin}")
        return Cursor(*row)

    def _count(self, tally: Tally, *, retired: int) -> None:
        counts, dossiers = [], []
        for (hour, series), sums in tally.items():
            number = self._number_of(series)
            counts.append((hour, number, retired, sums.calls, sums.citizens, sums.fields))
            dossiers += [(hour, number, retired, dossier) for dossier in sums.dossiers]
        self._connection.executemany(sql.ADD_COUNTS, counts)
        # In the order of the key, so that neighbours meet the same page.
        self._connection.executemany(sql.ADD_DOSSIER, sorted(dossiers))

    def _uncount(self, tally: Tally) -> None:
        """Take sums back. Dossiers stay: whether another record names one too is not known, and it counts once."""
        taken = [
            (hour, self._number_of(series), 0, -sums.calls, -sums.citizens, -sums.fields)
            for (hour, series), sums in tally.items()
        ]
        self._connection.executemany(sql.ADD_COUNTS, taken)

    def _number_of(self, series: Series) -> int:
        number = self._series.get(series)
        if number is None:
            self._connection.execute(sql.ADD_SERIES, series)
            (number,) = self._connection.execute(sql.READ_SERIES, series).fetchone()
            self._series[series] = number
        return number

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Whole and on disk when left, or undone."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # Numbers given out in it are void too.
                self._series.clear()
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise LedgerStoreError(f"{type(error).__name__}: {error}") from error


def _identity_of(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
