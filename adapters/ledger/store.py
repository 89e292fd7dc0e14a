"""The seam for writing the ledger in bulk, for which SQLAlchemy is five times too slow.

One implementation for each database that holds a ledger; they share the statements, which are made from the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from adapters.ledger.batch import Batch, Cursor


class LedgerStoreError(Exception):
    """The ledger cannot be written now: locked, gone, full or broken. Nothing of the call has taken effect."""


class CursorMovedError(LedgerStoreError):
    """Somebody else has moved the cursor since it was read: a rebuild, or another ingest. Read it again."""


class LedgerStore(Protocol):
    """One writer's connection, used by one thread. Every method raises `LedgerStoreError`.

    Each method takes effect whole or not at all, also where the process or the machine dies in it.
    """

    def current(self) -> bool:
        """False where the ledger has been moved away or replaced since it was opened, and must be opened again."""

    def cursor(self, origin: str) -> Cursor:
        """How far a journal is in the ledger; one that is new to it begins at 0."""

    def cursors(self) -> Sequence[Cursor]:
        """How far every journal is that the ledger knows."""

    def write(self, batch: Batch) -> Cursor:
        """Add the records, count them, and move the cursor; returns the cursor moved.

        Raises `CursorMovedError` where the ledger's cursor is not the batch's: so no record gets in twice.
        """

    def retire(self, origin: str, before: int, *, limit: int) -> Cursor:
        """Take up to `limit` records with an index below `before` out of the ledger; their counts stay.

        Stops at what was ingested. Done once the returned cursor's `first_index` grows no more.
        """

    def reset(self) -> None:
        """Forget all records that are not retired, their counts, and how far each journal was ingested."""

    def close(self) -> None:
        """Give up the connection. Raises nothing."""


OpenStore: TypeAlias = Callable[[], LedgerStore]
"""Opens the ledger's store. Raises `LedgerStoreError`."""
