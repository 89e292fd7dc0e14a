"""Drops the ledger and folds the journals into it again, to equal totals.

Works beside a running control process, whose ingest then does the folding, and without one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from adapters.journal.errors import JournalDamagedError
from adapters.journal.reader import JournalReader
from adapters.journal.segments import LOCK_NAME
from adapters.ledger.batch import Cursor
from adapters.ledger.ingest import Ingest, reader_at
from adapters.ledger.machine_lock import MachineHeldError, hold_machine
from adapters.ledger.opening import open_store_of
from adapters.ledger.store import LedgerStore
from gateway.settings import Settings

_LOOK_SECONDS = 0.1
_READ_RECORDS = 4_096

OnProgress = Callable[[int, int], None]
"""Told how many records are folded, of how many."""


class RebuildRefusedError(Exception):
    """The journals do not hold everything that the ledger has taken from them; nothing was dropped."""


def rebuild(settings: Settings, *, progress: OnProgress | None = None) -> int:
    """Drop the ledger of this machine and build it again; returns how many records that took.

    Returns when every record that was in it before is in it again; counts of records past their retention are never
    dropped. While it runs, lists and counts show what is folded so far. The journals are read through first: where
    they do not bear out what the ledger holds, nothing is dropped.

    Raises `RebuildRefusedError`, `LedgerStoreError` and `OSError`.
    """
    root = settings.data_dir / "journal"
    open_store = open_store_of(settings, create=True)
    store = open_store()
    try:
        before = store.cursors()
        for cursor in before:
            _require_records(root / cursor.origin, cursor)
        store.reset()
        try:
            with hold_machine(settings.data_dir):
                ingest = Ingest(root=root, open_store=open_store, observer=_Silent())
                try:
                    while ingest.step():
                        _tell(progress, store, before)
                finally:
                    ingest.close()
        except MachineHeldError:
            while not _is_folded(store, before):
                _tell(progress, store, before)
                time.sleep(_LOOK_SECONDS)
        _tell(progress, store, before)
        return _folded(store.cursors())
    finally:
        store.close()


def _require_records(directory: Path, cursor: Cursor) -> None:
    """Raise unless the journal can be folded up to the cursor, and is the one that was."""
    if cursor.next_index == cursor.first_index:
        return
    if not (directory / LOCK_NAME).exists():
        raise RebuildRefusedError(f"{directory}: the journal is gone")
    try:
        reader_at(directory, cursor)
        reader = JournalReader(directory, start_index=cursor.first_index)
        while reader.next_index < cursor.next_index and reader.read(_READ_RECORDS):
            pass
    except JournalDamagedError as error:
        raise RebuildRefusedError(str(error)) from error
    if reader.next_index < cursor.next_index:
        raise RebuildRefusedError(f"{directory}: ends with record {reader.next_index - 1}")


def _is_folded(store: LedgerStore, before: Sequence[Cursor]) -> bool:
    now = {cursor.origin: cursor.next_index for cursor in store.cursors()}
    return all(now[cursor.origin] >= cursor.next_index for cursor in before)


def _folded(cursors: Sequence[Cursor]) -> int:
    return sum(cursor.next_index - cursor.first_index for cursor in cursors)


def _tell(progress: OnProgress | None, store: LedgerStore, before: Sequence[Cursor]) -> None:
    if progress is not None:
        folded, total = _folded(store.cursors()), _folded(before)
        progress(folded, max(folded, total))


class _Silent:
    """An `IngestObserver` for a process without metrics."""

    def lag(self, origin: str, records: int) -> None:
        """Nobody asks."""

    def ingested(self, origin: str, records: int) -> None:
        """Nobody asks."""

    def stopped(self, origin: str, *, is_stopped: bool) -> None:
        """Nobody asks; the log tells."""

    def ledger_gone(self, *, is_gone: bool) -> None:
        """Nobody asks; the caller is told by an exception."""
