"""What the control process does for the evidence, in two threads of its own: no call ever waits for them.

    ledger        takes the journals of this machine into SQL
    checkpoints   grows each journal's tree and signs it every few seconds; once an hour, retention

Owns when what is done; how is `adapters.ledger`'s and `adapters.journal`'s. Either thread may die with the process at
any point: nothing is lost or done twice.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from adapters.journal.errors import JournalError
from adapters.journal.keeper import JournalKeeper
from adapters.journal.reader import journals_in
from adapters.journal.signing_keys import SigningKeys
from adapters.journal.tree_store import RecordsPrunedError
from adapters.journal.verify import WITNESS_KEYS_FOLDER
from adapters.ledger.ingest import Ingest
from adapters.ledger.keys import signing_keys
from adapters.ledger.metrics import EvidenceMetrics
from adapters.ledger.opening import open_store_of
from adapters.ledger.retention import retain
from adapters.ledger.store import LedgerStore, LedgerStoreError, OpenStore
from adapters.secret_files import SecretMissingError
from gateway.settings import Settings

CHECKPOINT_SECONDS = 2.0
"""How often trees are signed."""
RETENTION_SECONDS = 3600.0
RECHECK_SECONDS = 30.0
"""How long a journal is left alone after its keeper failed."""


@asynccontextmanager
async def looking_after_evidence(settings: Settings) -> AsyncIterator[None]:
    """Run both threads for the block; the caller holds the machine (`hold_machine`).

    Raises `OSError` where the signing keys cannot be made.
    """
    keys = signing_keys(settings)
    await asyncio.to_thread(keys.ensure)
    await asyncio.to_thread(_make_ledger, settings)
    stop = threading.Event()
    threads = _threads(settings, keys, stop)
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            await asyncio.to_thread(thread.join)


def _threads(settings: Settings, keys: SigningKeys, stop: threading.Event) -> list[threading.Thread]:
    root = settings.data_dir / "journal"
    metrics = EvidenceMetrics()
    open_store = open_store_of(settings)
    ingest = Ingest(root=root, open_store=open_store, observer=metrics)
    keeping = Keeping(
        root=root,
        keys=keys,
        witness=settings.audit.witness_dir,
        open_store=open_store,
        retention=timedelta(days=settings.audit.retention_days),
        observer=metrics,
    )
    return [
        threading.Thread(target=ingest.run, args=(stop,), name="ledger", daemon=True),
        threading.Thread(target=keeping.run, args=(stop,), name="checkpoints", daemon=True),
    ]


def _make_ledger(settings: Settings) -> None:
    try:
        open_store_of(settings, create=True)().close()
    except LedgerStoreError as error:
        # The ingest tries again for as long as it takes.
        structlog.get_logger("dancu.evidence").warning("ledger_not_made", cause=str(error))


class KeepingObserver(Protocol):
    """Told how the keeping fares. MUST NOT raise or block."""

    def checkpoints_stopped(self, origin: str, *, is_stopped: bool) -> None:
        """A journal's tree cannot be signed, or can be again."""


class Keeping:
    """Trees, checkpoints and retention of one machine's journals. One thread calls everything."""

    def __init__(
        self,
        *,
        root: Path,
        keys: SigningKeys,
        witness: Path | None,
        open_store: OpenStore,
        retention: timedelta,
        observer: KeepingObserver,
        recheck_seconds: float = RECHECK_SECONDS,
    ) -> None:
        """`root` holds one directory for each journal; `witness` gets copies of checkpoints and public keys."""
        self._root = root
        self._keys = keys
        self._witness = witness
        self._open_store = open_store
        self._retention = retention
        self._observer = observer
        self._recheck_seconds = recheck_seconds
        self._keepers: dict[str, JournalKeeper] = {}
        self._failed_at: dict[str, float] = {}
        self._retained_at = float("-inf")
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.evidence")

    def run(self, stop: threading.Event) -> None:
        """Keep until `stop` is set; what is durable by then is still signed, unless it is much."""
        try:
            while not stop.is_set():
                self.step(stop)
                if time.monotonic() - self._retained_at >= RETENTION_SECONDS:
                    self._retained_at = time.monotonic()
                    self.retain(now=datetime.now(UTC))
                stop.wait(CHECKPOINT_SECONDS)
            self.step(stop)
        finally:
            for keeper in self._keepers.values():
                keeper.close()

    def step(self, stop: threading.Event) -> None:
        """A checkpoint of each journal that has grown."""
        for journal in journals_in(self._root):
            failed_at = self._failed_at.get(journal.name)
            if failed_at is not None and time.monotonic() - failed_at < self._recheck_seconds:
                continue
            try:
                keeper = self._keeper(journal)
                while keeper.advance() and not stop.is_set():
                    pass
                keeper.checkpoint()
            except Exception as error:  # noqa: BLE001  one journal's failure, or a defect, must not stop the others
                self._fail(journal.name, error)
            else:
                self._recover(journal.name)

    def retain(self, *, now: datetime) -> None:
        """Remove what is past its retention, and see that the witness has the public keys."""
        self._publish_keys()
        journals = journals_in(self._root)
        try:
            with closing(self._open_store()) as store:
                for journal in journals:
                    self._retain(journal, store, now - self._retention)
        except LedgerStoreError as error:
            self._log.warning("retention_postponed", cause=str(error))

    def _retain(self, journal: Path, store: LedgerStore, before: datetime) -> None:
        try:
            removed = retain(journal, keeper=self._keeper(journal), store=store, before=before)
        except (JournalError, RecordsPrunedError, SecretMissingError, OSError) as error:
            self._log.error("retention_failed", origin=journal.name, error=type(error).__name__, cause=str(error))
            return
        if removed:
            self._log.info("records_removed", origin=journal.name, segments=removed)

    def _publish_keys(self) -> None:
        if self._witness is None:
            return
        try:
            self._keys.publish(self._witness / WITNESS_KEYS_FOLDER)
        except OSError as error:
            self._log.warning("witness_keys_not_published", cause=str(error))

    def _keeper(self, journal: Path) -> JournalKeeper:
        keeper = self._keepers.get(journal.name)
        if keeper is None:
            keeper = self._keepers[journal.name] = JournalKeeper(
                journal=journal, signers=self._keys.signers, verifiers=self._keys.verifiers, witness=self._witness
            )
        return keeper

    def _fail(self, origin: str, error: Exception) -> None:
        if origin not in self._failed_at:
            self._log.error("checkpoints_stopped", origin=origin, error=type(error).__name__, cause=str(error))
        self._failed_at[origin] = time.monotonic()
        self._observer.checkpoints_stopped(origin, is_stopped=True)

    def _recover(self, origin: str) -> None:
        if self._failed_at.pop(origin, None) is not None:
            self._log.info("checkpoints_resumed", origin=origin)
        self._observer.checkpoints_stopped(origin, is_stopped=False)
