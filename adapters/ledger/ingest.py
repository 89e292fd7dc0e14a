"""Takes the journals of this machine into the ledger, each record exactly once.

Runs in a thread of the control process; no call ever waits for it. States, and what is lost if the process dies in
each: nothing. The cursor moves in the transaction that holds the records and their counts, so a record is either
before the cursor and counted, or after it and read again.

- The ledger is locked, gone or full: everything waits, at growing intervals up to `MAX_BACKOFF_SECONDS`, and then
  catches up.
- A journal is damaged, or is not the one that was ingested before: that journal stops where it is, with one line in the
  log and a metric; the others go on. It is looked at again every `RECHECK_SECONDS`, in case somebody has restored it.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Protocol

import structlog

from adapters.journal.disk import OsDisk
from adapters.journal.errors import JournalDamagedError
from adapters.journal.mark import trusted_mark
from adapters.journal.reader import JournalReader, StoredRecord, journals_in
from adapters.journal.segments import segments_of
from adapters.ledger.batch import Cursor, batch_of
from adapters.ledger.store import CursorMovedError, LedgerStore, LedgerStoreError, OpenStore
from gateway.audit.merkle import leaf_hash

POLL_SECONDS = 0.2
"""How long a record waits at most before it is looked for."""
BATCH_RECORDS = 5_000
"""Records of one transaction. Accounts cannot be changed while one is written (about 0.2 s), and more amortise no
better."""
MAX_BACKOFF_SECONDS = 5.0
RECHECK_SECONDS = 5.0

_READ_RECORDS = 4_096


class IngestObserver(Protocol):
    """Told how the ingest fares. MUST NOT raise or block."""

    def lag(self, origin: str, records: int) -> None:
        """How many durable records wait."""

    def ingested(self, origin: str, records: int) -> None:
        """Records are in the ledger."""

    def stopped(self, origin: str, *, is_stopped: bool) -> None:
        """A journal cannot be read further, or can be again."""

    def ledger_gone(self, *, is_gone: bool) -> None:
        """The ledger cannot be written, or can be again."""


class Ingest:
    """The ingest of one machine. One thread calls everything."""

    def __init__(
        self,
        *,
        root: Path,
        open_store: OpenStore,
        observer: IngestObserver,
        batch_records: int = BATCH_RECORDS,
        recheck_seconds: float = RECHECK_SECONDS,
    ) -> None:
        """`root` holds one directory for each journal."""
        self._root = root
        self._open_store = open_store
        self._observer = observer
        self._batch_records = batch_records
        self._recheck_seconds = recheck_seconds
        self._store: LedgerStore | None = None
        self._journals: dict[str, _Journal] = {}
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.ingest")
        self._gone = False

    def run(self, stop: threading.Event) -> None:
        """Ingest until `stop` is set; what is durable by then is still taken in, at most a batch of each journal."""
        pause = POLL_SECONDS
        try:
            stopping = False
            while not stopping:
                stopping = stop.is_set()
                try:
                    while self.step() and not stop.is_set():
                        pass
                    pause = POLL_SECONDS
                except LedgerStoreError as error:
                    self._lose_ledger(error)
                    pause = min(pause * 2, MAX_BACKOFF_SECONDS)
                except Exception as error:  # noqa: BLE001  a defect must not end the ingest for good
                    self._log.error("ingest_failed", error=type(error).__name__, cause=str(error))
                    self.close()
                    pause = MAX_BACKOFF_SECONDS
                stop.wait(pause)
        finally:
            self.close()

    def step(self) -> int:
        """One batch of each journal that has something; returns how many records were taken in.

        Raises `LedgerStoreError` where the ledger cannot be written; call again later. A journal's own failures are
        told to the log and the observer.
        """
        store = self._opened()
        cursors = {cursor.origin: cursor for cursor in store.cursors()}
        taken = 0
        for directory in journals_in(self._root):
            journal = self._journals.get(directory.name)
            if journal is None:
                journal = self._journals[directory.name] = _Journal(
                    directory, observer=self._observer, recheck_seconds=self._recheck_seconds
                )
            journal.follow(cursors.get(directory.name))
            try:
                taken += journal.step(store, self._batch_records)
            except CursorMovedError:
                # Moved since it was read above. The reader has passed records that are not in the ledger.
                journal.forget()
                taken += 1
        if self._gone:
            self._gone = False
            self._log.info("ledger_back")
        self._observer.ledger_gone(is_gone=False)
        return taken

    def close(self) -> None:
        """Give up the ledger's connection."""
        if self._store is not None:
            self._store.close()
            self._store = None
        for journal in self._journals.values():
            # What the connection was told may be void: begin again with the ledger's own cursors.
            journal.forget()

    def _opened(self) -> LedgerStore:
        if self._store is not None and not self._store.current():
            self.close()
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _lose_ledger(self, error: LedgerStoreError) -> None:
        self.close()
        self._observer.ledger_gone(is_gone=True)
        for journal in self._journals.values():
            journal.tell_lag()
        if not self._gone:
            self._gone = True
            self._log.warning("ledger_unavailable", cause=str(error))


class _Journal:
    """One journal on its way into the ledger."""

    def __init__(self, directory: Path, *, observer: IngestObserver, recheck_seconds: float) -> None:
        self._directory = directory
        self._origin = directory.name
        self._observer = observer
        self._recheck_seconds = recheck_seconds
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.ingest")
        self._cursor: Cursor | None = None
        self._reader: JournalReader | None = None
        self._next_index = 0
        self._stopped = False
        self._look_again_at = float("-inf")

    def forget(self) -> None:
        """Ask the ledger for the cursor again before the next step."""
        self._cursor = self._reader = None

    def follow(self, cursor: Cursor | None) -> None:
        """Go on from where the ledger is: a rebuild may have begun, or retention have moved the first record."""
        if self._cursor is not None and cursor != self._cursor:
            self._log.info("ingest_cursor_moved", origin=self._origin)
            self.forget()

    def step(self, store: LedgerStore, batch_records: int) -> int:
        """Take in one batch; returns its records. After a `LedgerStoreError` `forget` MUST be called."""
        if self._stopped and time.monotonic() < self._look_again_at:
            self.tell_lag()
            return 0
        cursor = self._cursor or store.cursor(self._origin)
        self._cursor, self._next_index = cursor, cursor.next_index
        try:
            stored = self._read(cursor, batch_records)
            batch = batch_of(cursor, stored) if stored else None
        except (JournalDamagedError, OSError) as error:
            self._stop(error)
            return 0
        if batch is not None:
            self._cursor = store.write(batch)
            self._next_index = batch.next_index
            self._observer.ingested(self._origin, len(stored))
        self._go_on()
        return len(stored)

    def tell_lag(self) -> None:
        """Tell how many durable records wait."""
        self._observer.lag(self._origin, max(0, durable_records(self._directory) - self._next_index))

    def _stop(self, error: Exception) -> None:
        self._reader = None
        self._look_again_at = time.monotonic() + self._recheck_seconds
        if not self._stopped:
            self._stopped = True
            self._log.error("ingest_stopped", origin=self._origin, next_index=self._next_index, cause=str(error))
        self._observer.stopped(self._origin, is_stopped=True)
        self.tell_lag()

    def _go_on(self) -> None:
        if self._stopped:
            self._stopped = False
            self._log.info("ingest_resumed", origin=self._origin, next_index=self._next_index)
        self._observer.stopped(self._origin, is_stopped=False)
        self.tell_lag()

    def _read(self, cursor: Cursor, batch_records: int) -> list[StoredRecord]:
        if self._reader is None:
            self._reader = reader_at(self._directory, cursor)
        stored: list[StoredRecord] = []
        while len(stored) < batch_records:
            try:
                found = self._reader.read(min(_READ_RECORDS, batch_records - len(stored)))
            except (JournalDamagedError, OSError):
                if stored:
                    break  # what came before is good; the next step meets the same again
                raise
            if not found:
                break
            stored += found
        return stored


def durable_records(directory: Path) -> int:
    """How many records a journal has made durable, as its writer last said; 0 where it has said nothing readable."""
    mark = trusted_mark(OsDisk(), directory)
    return 0 if mark is None else mark.next_index


def reader_at(directory: Path, cursor: Cursor) -> JournalReader:
    """A reader that goes on from the cursor, in the journal that was ingested up to there.

    Raises `JournalDamagedError` where the journal lacks records that were not ingested, or is another one than that.
    """
    disk = OsDisk()
    segments = segments_of(disk.names(directory))
    first = segments[0].first_index if segments else 0
    if first > cursor.next_index:
        raise JournalDamagedError(f"{directory}: records {cursor.next_index} to {first - 1} were never ingested")
    if cursor.last_leaf is None or first == cursor.next_index:
        return JournalReader(directory, start_index=cursor.next_index)
    reader = JournalReader(directory, start_index=cursor.next_index - 1)
    last = reader.read(1)
    if not last:
        raise JournalDamagedError(
            f"{directory}: {cursor.next_index} records were ingested and {durable_records(directory)} are there"
        )
    if leaf_hash(last[0].data) != cursor.last_leaf:
        raise JournalDamagedError(f"{directory}: record {last[0].index} is not the one that was ingested")
    return reader
