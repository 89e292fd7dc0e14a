"""The accounts on PostgreSQL: the schema and what only a server of its own can show."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.clock import SystemClock
from adapters.demo import ensure_demo
from adapters.directory_snapshot import SnapshotFile
from adapters.sql.account_store import SqlAccountStore
from adapters.sql.directory import SqlDirectory
from adapters.sql.engine import open_engine
from adapters.sql.migrate import HEAD, SchemaError, require_schema, upgrade
from adapters.sql.tables import api_keys, metadata
from gateway.accounts.model import AccountStatus
from gateway.accounts.ports import AccountsUnavailableError
from gateway.model import Secret
from tests.contract.test_account_store import ACCOUNT, KEY, OFFICER, ORGANISATION
from tests.fakes.postgres import RunningPostgres, running_postgres

FOREVER = 4_000_000_000


async def migrated(engine: AsyncEngine) -> bool:
    async with engine.begin() as connection:
        return await upgrade(connection)


def store_on(engine: AsyncEngine) -> SqlAccountStore:
    return SqlAccountStore(engine, seal=Secret(b"s" * 32), clock=SystemClock())


async def fill(engine: AsyncEngine) -> None:
    async with store_on(engine).change() as change:
        for entry in (ORGANISATION, ACCOUNT, OFFICER, replace(KEY, not_after=FOREVER)):
            await change.put(entry)
        await change.moved()


async def test_the_steps_make_exactly_the_tables_and_run_once(postgres: RunningPostgres, tmp_path: Path) -> None:
    """A table that the code knows and the database does not is found on the day it is needed."""
    engine = open_engine(postgres.fresh_database(), data_dir=tmp_path)
    with pytest.raises(SchemaError, match="holds no accounts' tables"):
        await require_schema(engine)
    assert await migrated(engine)
    assert not await migrated(engine)
    await require_schema(engine)

    def difference(connection: Connection) -> object:
        context = MigrationContext.configure(connection, opts={"version_table": "accounts_schema"})
        return compare_metadata(context, metadata)

    async with engine.connect() as connection:
        assert await connection.run_sync(difference) == []
        assert await connection.scalar(text("SELECT version_num FROM accounts_schema")) == HEAD
    await engine.dispose()


async def test_two_machines_that_start_together_make_the_tables_once(postgres: RunningPostgres, tmp_path: Path) -> None:
    """Every machine of an installation starts its control process after the same power cut."""
    url = postgres.fresh_database()
    engines = [open_engine(url, data_dir=tmp_path) for _ in range(3)]
    assert sorted(await asyncio.gather(*(migrated(engine) for engine in engines))) == [False, False, True]
    for engine in engines:
        await engine.dispose()


async def test_a_change_reaches_a_directory_and_the_use_of_a_key_the_tables(
    postgres: RunningPostgres, tmp_path: Path
) -> None:
    """P5 on PostgreSQL: what an operator did is what workers know."""
    engine = open_engine(postgres.fresh_database(), data_dir=tmp_path)
    await migrated(engine)
    await fill(engine)
    directory = SqlDirectory(engine, on_state=lambda _: None)
    await directory.start()
    key = directory.key("k1")
    assert key is not None
    assert (key.account.name, key.secret_hash, list(key.account.officers)) == ("01/mot-cua", b"h" * 32, ["cb-17"])

    async with store_on(engine).change() as change:
        await change.put(replace(ACCOUNT, status=AccountStatus.ACTIVE))
        await change.moved()
    assert await directory.refresh()
    assert not await directory.refresh()
    opened = directory.key("k1")
    assert opened is not None
    assert opened.account.status is AccountStatus.ACTIVE

    directory.used("k1", at=time.time())
    await directory.report()
    async with engine.connect() as connection:
        used = await connection.scalar(select(api_keys.c.last_used_at).where(api_keys.c.key_id == "k1"))
    assert used == pytest.approx(time.time(), abs=60)
    await engine.dispose()


async def test_the_demo_set_is_made_once(postgres: RunningPostgres, tmp_path: Path) -> None:
    """`dancu up` with a PostgreSQL named is how an installation on servers begins."""
    engine = open_engine(postgres.fresh_database(), data_dir=tmp_path)
    file = tmp_path / "demo.env"

    async def ensure() -> str:
        await ensure_demo(engine, pepper=Secret(b"p" * 32), env_file=file, targets={"DANCU_TARGET": "127.0.0.1:1"})
        return file.read_text()

    first = await ensure()
    assert "DANCU_ADMIN_KEY=dck_" in first
    assert await ensure() == first
    directory = SqlDirectory(engine, on_state=lambda _: None)
    await directory.start()
    assert len(re.findall("=dck_([a-z0-9]+)_", first)) == 3
    for key_id in re.findall("=dck_([a-z0-9]+)_", first):
        assert directory.key(key_id) is not None
    await engine.dispose()


async def test_a_server_that_dies_costs_no_caller_and_is_taken_up_again(tmp_path: Path) -> None:
    """DESIGN §12: ledger SQL gone. Lookups go on, changes are refused as the port says, nothing is restarted."""
    with running_postgres() as server:
        engine = open_engine(server.fresh_database(), data_dir=tmp_path)
        await migrated(engine)
        await fill(engine)

        def directory() -> SqlDirectory:
            file = SnapshotFile(tmp_path / "run", slot="w0", pepper=Secret(b"p" * 32))
            return SqlDirectory(engine, on_state=lambda _: None, file=file)

        running = directory()
        await running.start()
        await asyncio.to_thread(server.kill)
        await require_schema(engine)  # an outage is no reason not to start
        restarted = directory()
        await restarted.start()
        assert [known.key("k1") is not None for known in (running, restarted)] == [True, True]
        with pytest.raises(AccountsUnavailableError):
            async with store_on(engine).change():
                pytest.fail("the change must not begin")
        await asyncio.to_thread(server.start)
        async with store_on(engine).change() as change:
            await change.put(replace(ACCOUNT, status=AccountStatus.ACTIVE))
            await change.moved()
        assert await running.refresh()
        await engine.dispose()
