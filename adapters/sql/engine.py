"""Opens the database: SQLite in the data directory, or what `database.url` names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


def open_engine(url: str, *, data_dir: Path) -> AsyncEngine:
    """An engine for `url`; empty means `ledger.sqlite` in `data_dir`."""
    if url:
        return create_async_engine(url, pool_pre_ping=True)
    engine = create_async_engine(f"sqlite+aiosqlite:///{data_dir / 'ledger.sqlite'}")
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # Readers and the one writer do not wait for each other; a second writer waits instead of failing.
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA busy_timeout = 5000")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()
