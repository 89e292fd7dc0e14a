"""The accounts as a worker knows them: a snapshot of the tables, renewed when their version moves.

How a change travels: whoever makes it rings the bell in Redis, which every worker hears within a quarter of a second;
and every worker asks the database for its version each second, bell or not.

What is known outlives a dead database, in memory and in a file for a restart. It never goes back: an older version of
the same database (a lagging replica, an old file) is not taken for newer truth, so that nothing revoked comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping

import structlog
from sqlalchemy import BindParameter, and_, bindparam, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.directory_snapshot import Known, SnapshotFile
from adapters.redis_bell import RedisBell
from adapters.sql.rows import MAPPINGS
from adapters.sql.tables import account_bindings, accounts, api_keys, directory_state, officers, organisations
from gateway.accounts.entries import AccountEntry, BindingEntry, E, KeyEntry, OfficerEntry, OrganisationEntry
from gateway.accounts.model import Account, AccountStatus, ApiKey, Binding
from gateway.accounts.snapshot import account_of

LISTEN_SECONDS = 0.25
POLL_SECONDS = 1.0
TIMEOUT_SECONDS = 3.0
"""A database that hangs is as dead as one that refuses."""

REPORT_SECONDS = 30.0
_REMEMBER_ENDED_SECONDS = 30 * 86_400


class DirectoryUnavailableError(Exception):
    """There are no accounts to start with: the database is gone, and no snapshot may stand in for it."""


class SqlDirectory:
    """`gateway.ports.Directory` from SQL."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        on_state: Callable[[bool], None],
        bell: RedisBell | None = None,
        file: SnapshotFile | None = None,
        default_misses_per_hour: int | None = None,
    ) -> None:
        """`on_state` is told whether the database answers, at every poll.

        `default_misses_per_hour`: the budget of an account that says nothing of misses.
        """
        self._engine = engine
        self._on_state = on_state
        self._bell = bell
        self._file = file
        self._default_misses_per_hour = default_misses_per_hour
        self._keys: dict[str, ApiKey] = {}
        self._bindings: dict[str, Binding] = {}
        self._lineage = ""
        self._version = -1
        self._used: dict[str, float] = {}
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.directory")

    @property
    def version(self) -> int:
        """The version of the accounts in force; -1 before the first."""
        return self._version

    def key(self, key_id: str) -> ApiKey | None:
        """The key of that identifier with its account, or None."""
        return self._keys.get(key_id)

    def binding(self, name: str) -> Binding | None:
        """The binding of that name with its account, or None."""
        return self._bindings.get(name)

    def used(self, credential_id: str, *, at: float) -> None:
        """Remember that a call came in with this; `follow` reports it to the database twice a minute."""
        self._used[credential_id] = at

    async def start(self) -> None:
        """The first state: of the database, or where that is dead of the snapshot file.

        Raises `DirectoryUnavailableError` where there is neither, or Redis knows that the file is behind: a key
        revoked since would open again.
        """
        known = await asyncio.to_thread(self._file.read) if self._file is not None else None
        if known is not None:
            self._lineage, self._version = known.lineage, known.version
        try:
            if await self.refresh(force=True):
                return
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            self._on_state(False)
            cause = type(error).__name__
        else:
            cause = "the database is behind the snapshot"
        told = await self._bell.heard() if self._bell is not None else None
        if known is None or (told is not None and told[0] == known.lineage and told[1] > known.version):
            why = "there is no snapshot" if known is None else "the snapshot is older than what Redis knows of"
            raise DirectoryUnavailableError(f"no accounts: {cause}, and {why}")
        self._take(known)
        self._log.warning("directory_from_snapshot", version=known.version, cause=cause)

    async def refresh(self, *, force: bool = False) -> bool:
        """Read the tables if their version moved, or `force`; tells whether it did.

        Raises `SQLAlchemyError`, `OSError`, `TimeoutError`.
        """
        async with asyncio.timeout(TIMEOUT_SECONDS), self._engine.connect() as connection:
            # The version first: what is read after it is at least as new.
            state = (await connection.execute(select(directory_state))).one()
            if state.lineage == self._lineage:
                if state.version < self._version:
                    self._log.warning("directory_behind", version=state.version, known=self._version)
                    return False
                if state.version == self._version and not force:
                    return False
            known = await _read(connection, state.lineage, state.version)
        self._take(known)
        self._log.info("directory_loaded", version=known.version, keys=len(self._keys))
        if self._file is not None:
            try:
                await asyncio.to_thread(self._file.write, known)
            except OSError as error:
                # A full disk must not keep a revocation from taking effect.
                self._log.warning("directory_snapshot_not_written", error=type(error).__name__)
        return True

    async def follow(self) -> None:
        """Listen, poll and report for ever; cancel to stop."""
        polled = reported = time.monotonic()
        while True:
            await asyncio.sleep(LISTEN_SECONDS)
            now = time.monotonic()
            if now - polled < POLL_SECONDS and not await self._hears():
                continue
            polled = now
            try:
                await self.refresh()
                if now - reported >= REPORT_SECONDS:
                    reported = now
                    await self.report()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                self._on_state(False)
                self._log.warning("directory_unreachable", error=type(error).__name__)
            else:
                self._on_state(True)
            if self._bell is not None:
                await self._ring_if_behind()

    async def report(self) -> None:
        """Write when keys and bindings were last used.

        Raises as `refresh`; what could not be written is kept for the next time.
        """
        if not self._used:
            return
        used, self._used = self._used, {}
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._engine.begin() as connection:
                await _report(connection, used)
        except (SQLAlchemyError, OSError, TimeoutError):
            self._used = used | self._used
            raise

    async def close(self) -> None:
        """Report once more; a database that is gone loses a usage time and nothing else."""
        with contextlib.suppress(SQLAlchemyError, OSError, TimeoutError):
            await self.report()

    async def _hears(self) -> bool:
        told = await self._bell.heard() if self._bell is not None else None
        return told is not None and told != (self._lineage, self._version)

    async def _ring_if_behind(self) -> None:
        """A Redis that was emptied or never told learns it from whoever knows."""
        assert self._bell is not None
        told = await self._bell.heard()
        if self._version >= 0 and (told is None or told[0] != self._lineage or told[1] < self._version):
            await self._bell.ring(self._lineage, self._version)

    def _take(self, known: Known) -> None:
        opened = _accounts_of(known, default_misses_per_hour=self._default_misses_per_hour)
        self._keys = {
            key.key_id: ApiKey(key.key_id, key.secret_hash, opened[key.account], key.not_after)
            for key in known.keys
            if key.account in opened
        }
        self._bindings = {
            one.name: Binding(one.name, opened[one.account], one.not_after)
            for one in known.bindings
            if one.account in opened
        }
        self._lineage, self._version = known.lineage, known.version


def _accounts_of(known: Known, *, default_misses_per_hour: int | None) -> dict[str, Account]:
    """Every account as calls see it, by name."""
    at = {entry.code: entry for entry in known.organisations}
    of_account: dict[str, list[OfficerEntry]] = {}
    for officer in known.officers:
        of_account.setdefault(officer.account, []).append(officer)
    return {
        entry.name: account_of(
            at[entry.organisation],
            entry,
            of_account.get(entry.name, ()),
            default_misses_per_hour=default_misses_per_hour,
        )
        for entry in known.accounts
        if entry.organisation in at
    }


async def _report(connection: AsyncConnection, used: Mapping[str, float]) -> None:
    """Key identifiers hold no colon, names of bindings do."""
    at: BindParameter[int] = bindparam("used_at")
    keys = [{"used_key": name, "used_at": int(seconds)} for name, seconds in used.items() if ":" not in name]
    if keys:
        older = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < at)
        same = api_keys.c.key_id == bindparam("used_key")
        await connection.execute(update(api_keys).where(same, older).values(last_used_at=at), keys)
    bindings = [
        {"used_kind": name.partition(":")[0], "used_value": name.partition(":")[2], "used_at": int(seconds)}
        for name, seconds in used.items()
        if ":" in name
    ]
    if bindings:
        table = account_bindings.c
        older = or_(table.last_used_at.is_(None), table.last_used_at < at)
        same = and_(table.kind == bindparam("used_kind"), table.value == bindparam("used_value"))
        await connection.execute(update(account_bindings).where(same, older).values(last_used_at=at), bindings)


async def _read(connection: AsyncConnection, lineage: str, version: int) -> Known:
    # Long ended keys are unknown; recently ended ones are told so.
    ended = int(time.time()) - _REMEMBER_ENDED_SECONDS
    live = select(api_keys).where(or_(api_keys.c.not_after.is_(None), api_keys.c.not_after > ended))
    in_force = account_bindings.c.status == AccountStatus.ACTIVE.value
    read = connection.execute
    return Known(
        lineage,
        version,
        organisations=_entries(OrganisationEntry, await read(select(organisations))),
        accounts=_entries(AccountEntry, await read(select(accounts))),
        officers=_entries(OfficerEntry, await read(select(officers))),
        keys=_entries(KeyEntry, await read(live)),
        bindings=_entries(BindingEntry, await read(select(account_bindings).where(in_force))),
    )


def _entries(kind: type[E], rows: Iterable[object]) -> list[E]:
    return [MAPPINGS[kind].from_row(row) for row in rows]
