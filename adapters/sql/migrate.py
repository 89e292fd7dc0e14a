"""Brings the accounts' tables to the present schema. The same steps on SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

HEAD = "0002"
"""The last step; a test compares it with the steps that are there."""

_VERSION_TABLE = "accounts_schema"
_LOCK = 0x64616E6375  # any number of our own


async def upgrade(connection: AsyncConnection) -> bool:
    """Run the steps that are missing, in the connection's transaction; tells whether there were any.

    Two processes at once do not run them twice: on PostgreSQL an advisory lock decides, on SQLite the write lock of
    the file. Raises `SQLAlchemyError`.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    return await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> bool:
    if _present(connection) == HEAD:
        return False
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
