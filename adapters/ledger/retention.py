"""Takes records past their retention out of the ledger and then out of the journals; what they counted for stays.

In this order, so that at every moment what the journals no longer hold is counted as retired: dying anywhere loses
nothing, and a rebuild finds every record that it has to count again.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path

from adapters.journal.disk import OsDisk
from adapters.journal.keeper import JournalKeeper
from adapters.journal.segments import read_header, segments_of
from adapters.ledger.store import LedgerStore

_RETIRE_RECORDS = 10_000


def retain(journal: Path, *, keeper: JournalKeeper, store: LedgerStore, before: datetime) -> list[str]:
    """Remove the segments of `journal` whose records are all older than `before`; returns their names.

    Nothing goes that the ledger has not counted or that no checkpoint covers. Raises `LedgerStoreError`,
    `JournalError` and `OSError`; call again later.
    """
    end = first_kept(journal, before=before)
    if not end:
        return []
    cursor = store.cursor(journal.name)
    while cursor.first_index < end:
        first_index = cursor.first_index
        cursor = store.retire(journal.name, end, limit=_RETIRE_RECORDS)
        if cursor.first_index == first_index:
            break  # what comes next is not ingested yet
    return keeper.remove(before=before, keep_from=cursor.first_index)


def first_kept(journal: Path, *, before: datetime) -> int:
    """Index of the first record in a segment that may hold records made at `before` or later."""
    disk = OsDisk()
    end = 0
    for _, follower in pairwise(segments_of(disk.names(journal))):
        # A segment was finished before the one that follows it was begun.
        if read_header(disk, journal, follower).header.created_at >= before:
            break
        end = follower.first_index
    return end
