"""The accounts as workers know them: how changes arrive, what outlives a dead database, and what never comes back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.clock import SystemClock
from adapters.directory_snapshot import SnapshotFile
from adapters.redis_bell import RedisBell
from adapters.redis_lane import RedisLane
from adapters.sql import migrate
from adapters.sql.account_store import SqlAccountStore
from adapters.sql.directory import DirectoryUnavailableError, SqlDirectory
from adapters.sql.engine import open_engine
from adapters.sql.tables import metadata
from gateway.accounts.entries import (
    AccountEntry,
    BindingEntry,
    KeyEntry,
    OfficerEntry,
    OrganisationEntry,
    OrganisationKind,
    TreeEntry,
)
from gateway.accounts.model import AccountStatus, BindingKind, Limits, Policy
from gateway.model import Secret
from tests.fakes.valkey import running_valkey

PEPPER = Secret(b"p" * 32)
EVERYTHING = frozenset({"*"})
ORGANISATION = OrganisationEntry("01", "Hà Nội", OrganisationKind.PROVINCE, AccountStatus.ACTIVE, Limits())
ACCOUNT = AccountEntry("01/a", AccountStatus.ACTIVE, Policy(1, EVERYTHING, EVERYTHING, EVERYTHING), Limits(rate=5))
OFFICER = OfficerEntry("01/a", "cb-17", "", AccountStatus.ACTIVE, Limits(rate=1))
KEY = KeyEntry("k1", "01/a", b"h" * 32, 1_000)
BINDING = BindingEntry(BindingKind.URI, "urn:x:y", "01/a", "", AccountStatus.ACTIVE, 1_000, 4_000_000_000)


@asynccontextmanager
async def installation(data_dir: Path) -> AsyncIterator[tuple[AsyncEngine, SqlAccountStore]]:
    """A database with one account; made where there is none."""
    engine = open_engine("", data_dir=data_dir)
    async with engine.begin() as connection:
        fresh = await migrate.upgrade(connection)
    store = SqlAccountStore(engine, seal=Secret(b"s" * 32), clock=SystemClock())
    if fresh:
        await put(store, ORGANISATION, ACCOUNT, OFFICER, KEY, BINDING)
    yield engine, store
    await engine.dispose()


async def put(store: SqlAccountStore, *entries: TreeEntry | KeyEntry) -> None:
    async with store.change() as change:
        for entry in entries:
            await change.put(entry)
        await change.moved()


def directory(engine: AsyncEngine, data_dir: Path, *, slot: str = "w0", bell: RedisBell | None = None) -> SqlDirectory:
    file = SnapshotFile(data_dir / "run", slot=slot, pepper=PEPPER)
    return SqlDirectory(engine, on_state=lambda _: None, bell=bell, file=file)


def destroy(data_dir: Path) -> None:
    """The database answers nothing any more."""
    with closing(sqlite3.connect(data_dir / "ledger.sqlite")) as connection:
        connection.execute("DROP TABLE directory_state")
        connection.commit()


def remove_database(data_dir: Path) -> None:
    """The files are gone, the snapshots are not."""
    for path in data_dir.glob("ledger.sqlite*"):
        path.unlink()


async def test_the_last_known_state_outlives_a_dead_database_and_a_restart(tmp_path: Path) -> None:
    """DESIGN §12: ledger SQL gone, lookups go on."""
    async with installation(tmp_path) as (engine, _):
        running = directory(engine, tmp_path)
        await running.start()
        destroy(tmp_path)
        with pytest.raises(SQLAlchemyError):
            await running.refresh()
        restarted = directory(engine, tmp_path)
        await restarted.start()
        for known in (running, restarted):
            key = known.key("k1")
            assert key is not None
            assert (key.account.name, key.secret_hash, list(key.account.officers)) == (
                "01/a",
                KEY.secret_hash,
                ["cb-17"],
            )
            binding = known.binding("uri:urn:x:y")
            assert binding is not None
            assert (binding.account.name, binding.not_after) == ("01/a", 4_000_000_000)


async def test_without_database_and_snapshot_nobody_is_let_in(tmp_path: Path) -> None:
    """A worker that knows no account must say why it does not start."""
    async with installation(tmp_path) as (engine, _):
        destroy(tmp_path)
        with pytest.raises(DirectoryUnavailableError, match="no snapshot"):
            await directory(engine, tmp_path).start()


async def test_a_restart_takes_what_any_worker_of_the_machine_knew_last(tmp_path: Path) -> None:
    """P5: a slot that was down during the revocation must not bring the key back."""
    async with installation(tmp_path) as (engine, store):
        await directory(engine, tmp_path, slot="w0").start()
        await put(store, replace(KEY, revoked_at=2_000, not_after=4_000_000_000))
        await put(store, replace(ACCOUNT, status=AccountStatus.SUSPENDED))
        await directory(engine, tmp_path, slot="w1").start()
        destroy(tmp_path)
        restarted = directory(engine, tmp_path, slot="w0")
        await restarted.start()
        key = restarted.key("k1")
        assert key is not None
        assert key.account.status is AccountStatus.SUSPENDED


async def test_an_older_copy_of_the_same_database_is_not_believed(tmp_path: Path) -> None:
    """P5: a lagging replica or a restored backup must not resume what was suspended."""
    async with installation(tmp_path) as (engine, store):
        known = directory(engine, tmp_path)
        await known.start()
        with (
            closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as live,
            closing(sqlite3.connect(tmp_path / "old")) as old,
        ):
            live.backup(old)
        await put(store, replace(ACCOUNT, status=AccountStatus.SUSPENDED))
        assert await known.refresh()
        with (
            closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as live,
            closing(sqlite3.connect(tmp_path / "old")) as old,
        ):
            old.backup(live)
        restarted = directory(engine, tmp_path)
        assert not await known.refresh()
        await restarted.start()
        for one in (known, restarted):
            key = one.key("k1")
            assert key is not None
            assert key.account.status is AccountStatus.SUSPENDED


async def test_a_fresh_database_is_believed_whatever_its_version(tmp_path: Path) -> None:
    """A new installation on an old directory is no attack."""
    async with installation(tmp_path) as (engine, store):
        await put(store, ACCOUNT)
        await put(store, ACCOUNT)
        await directory(engine, tmp_path).start()
    remove_database(tmp_path)
    async with installation(tmp_path) as (engine, _):
        known = directory(engine, tmp_path)
        await known.start()
        assert known.version == 1


async def test_a_snapshot_behind_what_redis_knows_opens_nothing(tmp_path: Path) -> None:
    """P5: better no answer than one to a key that somebody revoked meanwhile."""
    async with running_valkey() as valkey, installation(tmp_path) as (engine, _):
        lane = RedisLane.connect(valkey.url, timeout_seconds=1)
        bell = RedisBell(lane)
        store = SqlAccountStore(engine, seal=Secret(b"s" * 32), clock=SystemClock(), on_change=bell.ring)
        await directory(engine, tmp_path).start()
        await put(store, replace(ACCOUNT, status=AccountStatus.SUSPENDED))
        destroy(tmp_path)
        with pytest.raises(DirectoryUnavailableError, match="older"):
            await directory(engine, tmp_path, bell=bell).start()
        await lane.close()


async def test_a_snapshot_that_somebody_wrote_opens_nothing(tmp_path: Path) -> None:
    """Who can write a file in `run` must not make himself an account."""
    async with installation(tmp_path) as (engine, _):
        await directory(engine, tmp_path).start()
        destroy(tmp_path)
        (file,) = (tmp_path / "run").glob("*.snapshot")
        file.write_text(file.read_text().replace('"rate": 5', '"rate": 9'))
        with pytest.raises(DirectoryUnavailableError):
            await directory(engine, tmp_path).start()
        assert file.stat().st_mode & 0o077 == 0


async def test_the_last_use_of_a_key_is_reported_in_bulk_and_never_goes_back(tmp_path: Path) -> None:
    """An operator must see which keys nobody uses, and a call must not cost a write."""
    async with installation(tmp_path) as (engine, store):
        for at in (5_000.0, 4_000.0):
            known = directory(engine, tmp_path)
            await known.start()
            known.used("k1", at=at)
            known.used("uri:urn:x:y", at=at)
            await known.close()
        async with store.reading() as reader:
            key = await reader.get(KeyEntry, "k1")
            binding = await reader.get(BindingEntry, "uri", "urn:x:y")
        assert key is not None
        assert key.last_used_at == 5_000
        assert binding == replace(BINDING, last_used_at=5_000)


async def test_a_removed_binding_is_unknown_and_stays_so_in_the_snapshot(tmp_path: Path) -> None:
    """P5: a certificate that was cut off must not come back with a restart on a dead database."""
    async with installation(tmp_path) as (engine, store):
        known = directory(engine, tmp_path)
        await known.start()
        await put(store, replace(BINDING, status=AccountStatus.SUSPENDED))
        assert await known.refresh()
        destroy(tmp_path)
        restarted = directory(engine, tmp_path)
        await restarted.start()
        assert known.binding("uri:urn:x:y") is restarted.binding("uri:urn:x:y") is None


async def test_a_snapshot_of_the_release_before_is_understood(tmp_path: Path) -> None:
    """An upgrade on the day the database is dead must not lock everybody out."""
    async with installation(tmp_path) as (engine, _):
        file = SnapshotFile(tmp_path / "run", slot="w0", pepper=PEPPER)
        known = directory(engine, tmp_path)
        await known.start()
        body = json.loads((tmp_path / "run/directory-w0.snapshot").read_text().partition("\n")[2])
        del body["bindings"]
        older = json.dumps(body)
        (tmp_path / "run/directory-w0.snapshot").write_text(f"{file._tag(older)}\n{older}\n")
        read = file.read()
        assert read is not None
        assert (read.keys, read.bindings) == ([KEY], [])


async def test_the_migrations_make_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    """A column that only one of the two knows is found in production otherwise."""

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_name": lambda name, kind, _: kind != "table" or name in metadata.tables,
                "compare_type": True,
            },
        )
        return list(compare_metadata(context, metadata))

    async with installation(tmp_path) as (engine, _), engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        assert not await migrate.upgrade(connection)
    steps = ScriptDirectory(str(Path(migrate.__file__).with_name("migrations")))
    assert steps.get_heads() == [migrate.HEAD]
