"""A journal in memory that obeys the port, for tests of what stands on it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence

from gateway.audit.receipt import Receipt
from gateway.ports import JournalUnavailableError


class MemoryJournal:
    """Durable as soon as it is told to be; `hold` keeps answers back, `fail` refuses, `heal` ends both."""

    def __init__(self, *, origin: str = "memory") -> None:
        self._origin = origin
        self._failing = False
        self._holding = False
        self._held: list[tuple[asyncio.Future[Sequence[Receipt]], Sequence[Receipt]]] = []
        self.payloads: list[bytes] = []
        """What was journalled, by index."""
        self.batches: list[int] = []
        """How many payloads each append brought."""
        self.leaf_hash: Callable[[bytes], bytes] = lambda payload: hashlib.sha256(b"\x00" + payload).digest()
        """What receipts hold of a payload."""

    @property
    def available(self) -> bool:
        return not self._failing

    def append(self, payloads: Sequence[bytes]) -> asyncio.Future[Sequence[Receipt]]:
        future: asyncio.Future[Sequence[Receipt]] = asyncio.get_running_loop().create_future()
        if self._failing:
            future.set_exception(JournalUnavailableError("the journal's disk is failing"))
            return future
        receipts = [
            Receipt(self._origin, index, self.leaf_hash(payload))
            for index, payload in enumerate(payloads, len(self.payloads))
        ]
        self.payloads += payloads
        self.batches.append(len(payloads))
        if self._holding:
            self._held.append((future, receipts))
        else:
            future.set_result(receipts)
        return future

    def hold(self) -> None:
        """Appends are queued and not answered, as on a slow disk."""
        self._holding = True

    def fail(self) -> None:
        """Refuse what waits and what comes, as on a full disk."""
        self._failing = True
        for future, _ in self._held:
            if not future.done():
                future.set_exception(JournalUnavailableError("the records could not be written"))
        self._held.clear()

    def heal(self) -> None:
        """Answer what waits and what comes."""
        self._failing = False
        self._holding = False
        for future, receipts in self._held:
            if not future.done():
                future.set_result(receipts)
        self._held.clear()
