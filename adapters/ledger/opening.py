"""Which ledger an installation has, and how its bulk writer is opened."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sqlalchemy import make_url

from adapters.ledger.sqlite_store import SqliteLedgerStore
from adapters.ledger.store import LedgerStoreError, OpenStore
from gateway.settings import Settings


def open_store_of(settings: Settings, *, create: bool = False) -> OpenStore:
    """Opens the ledger's bulk writer; `create` makes an SQLite file that is missing.

    Calling the result raises `LedgerStoreError`, for a database that has no bulk writer too.
    """
    if not settings.database.url:
        return partial(SqliteLedgerStore.open, settings.data_dir / "ledger.sqlite", create=create)
    url = make_url(settings.database.url)
    if url.get_backend_name() == "sqlite" and url.database:
        return partial(SqliteLedgerStore.open, Path(url.database), create=create)
    return partial(_refuse, url.get_backend_name())


def _refuse(backend: str) -> SqliteLedgerStore:
    raise LedgerStoreError(f"database.url: this version keeps no ledger in {backend}; records wait in the journals")
