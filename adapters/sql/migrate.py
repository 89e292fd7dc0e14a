"""Brings the accounts' tables to the present schema, and tells who must not start on an older one.

The same steps on SQLite and PostgreSQL.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

HEAD = "0002"
"""The last step; a test compares it with the steps that are there."""

_VERSION_TABLE = "accounts_schema"
_LOCK = 0x64616E6375  # any number of our own
_TIMEOUT_SECONDS = 3.0


class SchemaError(Exception):
    """The tables are not those of this version; the message is one line that says what to do."""


async def require_schema(engine: AsyncEngine) -> None:
    """Raise `SchemaError` where the tables are missing or older than this version needs.

    Newer ones pass: steps only add, and machines are upgraded one after the other. So does a database that does not
    answer, which is an outage and no mistake.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS), engine.connect() as connection:
            present = await connection.run_sync(_present)
    except (SQLAlchemyError, OSError, TimeoutError):
        return
    if present is None:
        raise SchemaError("the database holds no accounts' tables: start `dancu control` or `dancu up` first")
    if present < HEAD:
        raise SchemaError(
            f"the accounts' tables are at step {present}, this version needs {HEAD}: start its `dancu control` first"
        )


async def upgrade(connection: AsyncConnection) -> bool:
    """Run the steps that are missing, in the connection's transaction; tells whether there were any.

    Two processes at once do not run them twice: on PostgreSQL an advisory lock decides, on SQLite the write lock of
    the file. Raises `SQLAlchemyError`, and `SchemaError` where the tables are of a newer version.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    return await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> bool:
    present = _present(connection)
    if present == HEAD:
        return False
    if present is not None and present > HEAD:
        raise SchemaError(f"the accounts' tables are at step {present}, newer than this version knows ({HEAD})")
    # Only who has something to do pays for the import, a fifth of a second.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    command.upgrade(config, "head")
    return True


def _present(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION_TABLE):
        return None
    present = connection.scalar(text(f"SELECT version_num FROM {_VERSION_TABLE}"))  # noqa: S608  a constant
    return None if present is None else str(present)
