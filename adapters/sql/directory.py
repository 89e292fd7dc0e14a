"""The accounts as a worker knows them: a snapshot of the tables, renewed when their version moves.

A database that is gone leaves the last known state in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.sql.policies import limits_from_json, policy_from_json
from adapters.sql.tables import accounts, api_keys, directory_state, organisations
from gateway.accounts.model import Account, AccountStatus, ApiKey, LimitNode

_POLL_SECONDS = 1.0


class SqlDirectory:
    """`gateway.ports.Directory` from SQL."""

    def __init__(self, engine: AsyncEngine, *, on_state: Callable[[bool], None]) -> None:
        """`on_state` is told whether the database answers, at every poll."""
        self._engine = engine
        self._on_state = on_state
        self._keys: dict[str, ApiKey] = {}
        self._version: int | None = None
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.directory")

    def key(self, key_id: str) -> ApiKey | None:
        """The key of that identifier with its account, or None."""
        return self._keys.get(key_id)

    async def refresh(self) -> bool:
        """Read the tables if their version moved; tells whether it did. Raises `SQLAlchemyError`."""
        async with self._engine.connect() as connection:
            version = await connection.scalar(select(directory_state.c.version))
            if version == self._version:
                return False
            keys = await _read(connection)
        self._keys, self._version = keys, version
        self._log.info("directory_loaded", version=version, keys=len(keys))
        return True

    async def follow(self) -> None:
        """Poll for ever; cancel to stop."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                await self.refresh()
            except (SQLAlchemyError, OSError) as error:
                self._on_state(False)
                self._log.warning("directory_unreachable", error=type(error).__name__)
            else:
                self._on_state(True)


async def _read(connection: AsyncConnection) -> dict[str, ApiKey]:
    rows = await connection.execute(
        select(
            api_keys.c.key_id,
            api_keys.c.secret_hash,
            api_keys.c.not_after,
            accounts,
            organisations.c.status.label("organisation_status"),
            organisations.c.limits.label("organisation_limits"),
        )
        .join(accounts, api_keys.c.account == accounts.c.name)
        .join(organisations, accounts.c.organisation == organisations.c.code)
    )
    known: dict[str, Account] = {}
    keys = {}
    for row in rows:
        account = known.get(row.name)
        if account is None:
            active = row.status == row.organisation_status == AccountStatus.ACTIVE.value
            account = known[row.name] = Account(
                name=row.name,
                organisation=row.organisation,
                status=AccountStatus.ACTIVE if active else AccountStatus.SUSPENDED,
                policy=policy_from_json(row.policy, version=row.policy_version),
                nodes=(
                    LimitNode(
                        f"organisation:{row.organisation}", row.organisation, limits_from_json(row.organisation_limits)
                    ),
                    LimitNode(f"account:{row.name}", row.organisation, limits_from_json(row.limits)),
                ),
                test=row.test,
                admin_role=row.admin_role,
            )
        keys[row.key_id] = ApiKey(row.key_id, bytes(row.secret_hash), account, row.not_after)
    return keys
