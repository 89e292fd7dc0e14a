"""`gateway.accounts.ports.AccountStore` in SQL: one statement set for SQLite and PostgreSQL.

A change first takes the write lock (SQLite: of the file; PostgreSQL: of the row that holds the directory's version),
so that changes run one after the other and what they read does not move.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, collate, delete, insert, select, tuple_, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.sql.rows import MAPPINGS
from adapters.sql.tables import directory_state, first_answers
from gateway.accounts.entries import E
from gateway.accounts.ports import AccountsUnavailableError, FirstAnswer
from gateway.model import Secret
from gateway.ports import Clock

_NONCE_BYTES = 12
_KEEP_ANSWERS_SECONDS = 30 * 86_400
_TIMEOUT_SECONDS = 8.0


class SqlAccountStore:
    """Entries in SQL."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        seal: Secret,
        clock: Clock,
        on_change: Callable[[str, int], Awaitable[None]] | None = None,
    ) -> None:
        """`seal` encrypts answers that hold a secret; `on_change` is told lineage and version after each change."""
        self._engine = engine
        self._seal = AESGCM(seal.reveal())
        self._clock = clock
        self._on_change = on_change
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.accounts")

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[SqlAccountTransaction]:
        """A view for the block. Raises `AccountsUnavailableError`."""
        with _told():
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._engine.connect() as connection:
                yield SqlAccountTransaction(connection, seal=self._seal, clock=self._clock)

    @asynccontextmanager
    async def change(self) -> AsyncIterator[SqlAccountTransaction]:
        """A change for the block. Raises `AccountsUnavailableError`."""
        with _told():
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._engine.begin() as connection:
                await connection.execute(update(directory_state).values(version=directory_state.c.version))
                change = SqlAccountTransaction(connection, seal=self._seal, clock=self._clock)
                yield change
        if change.moved_to is not None and self._on_change is not None:
            try:
                await self._on_change(*change.moved_to)
            except Exception as error:  # noqa: BLE001  the change stands; workers find it a little later
                self._log.warning("directory_change_not_told", error=type(error).__name__)


class _told:  # noqa: N801  reads as a statement
    """Turns what a driver raises into the port's error."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SQLAlchemyError | OSError | TimeoutError):
            raise AccountsUnavailableError(type(error).__name__) from error


class SqlAccountTransaction:
    """`gateway.accounts.ports.AccountTransaction` on one connection."""

    def __init__(self, connection: AsyncConnection, *, seal: AESGCM, clock: Clock) -> None:
        self._connection = connection
        self._seal = seal
        self._clock = clock
        self.changes = False
        """Whether an entry was put."""
        self.moved_to: tuple[str, int] | None = None
        """Lineage and the version this change makes; None while nothing that calls can notice changed."""

    async def get(self, kind: type[E], *key: str) -> E | None:
        """The entry of that key, or None."""
        mapping = MAPPINGS[kind]
        same = [column == part for column, part in zip(mapping.key, key, strict=True)]
        row = (await self._connection.execute(select(mapping.table).where(*same))).one_or_none()
        return None if row is None else mapping.from_row(row)

    async def page(self, kind: type[E], *, after: tuple[str, ...] = (), limit: int = 100_000, **equal: str) -> list[E]:
        """Entries in the order of their keys."""
        mapping = MAPPINGS[kind]
        key: list[ColumnElement[Any]] = list(mapping.key)
        if self._connection.dialect.name == "postgresql":
            # Its databases have a language's order of their own; keys are in the order of their characters.
            key = [collate(column, "C") for column in key]
        query = select(mapping.table).order_by(*key).limit(limit)
        for name, value in equal.items():
            query = query.where(mapping.table.c[name] == value)
        if len(after) == len(key):
            query = query.where(tuple_(*key) > tuple_(*after))
        return [mapping.from_row(row) for row in await self._connection.execute(query)]

    async def version(self) -> int:
        """The version of the directory."""
        return int(await self._connection.scalar(select(directory_state.c.version)) or 0)

    async def put(self, entry: Any) -> None:
        """Write the entry, in place of the one of its key."""
        self.changes = True
        mapping = MAPPINGS[type(entry)]
        same = [column == part for column, part in zip(mapping.key, entry.key, strict=True)]
        row = mapping.to_row(entry)
        # Not the dialects' own upserts: no other change runs at the time, and this is the same for all of them.
        changed = await self._connection.execute(update(mapping.table).where(*same).values(row))
        if changed.rowcount == 0:
            await self._connection.execute(insert(mapping.table).values(row))

    async def moved(self) -> int:
        """Tell that calls can notice this change."""
        if self.moved_to is None:
            await self._connection.execute(update(directory_state).values(version=directory_state.c.version + 1))
            state = (await self._connection.execute(select(directory_state))).one()
            self.moved_to = (state.lineage, state.version)
        return self.moved_to[1]

    async def first_answer(self, asker: str, request_id: str) -> FirstAnswer | None:
        """How this account's change of that identifier was answered."""
        row = (
            await self._connection.execute(
                select(first_answers).where(first_answers.c.asker == asker, first_answers.c.request_id == request_id)
            )
        ).one_or_none()
        if row is None:
            return None
        secret = None
        if row.sealed_answer is not None and self._clock.now() < row.secret_until:
            sealed = bytes(row.sealed_answer)
            try:
                secret = self._seal.decrypt(
                    sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], f"{asker} {request_id}".encode()
                )
            except InvalidTag:
                secret = None  # sealed under a key that is gone: what is left is the answer without the secret
        return FirstAnswer(bytes(row.digest), bytes(row.answer), secret)

    async def keep_answer(self, asker: str, request_id: str, first: FirstAnswer, *, secret_until: float) -> None:
        """Keep an answer, its secret sealed; forget old secrets and old answers."""
        now = int(self._clock.now())
        sealed = None
        if first.secret_answer is not None:
            nonce = os.urandom(_NONCE_BYTES)
            sealed = nonce + self._seal.encrypt(nonce, first.secret_answer, f"{asker} {request_id}".encode())
        execute = self._connection.execute
        await execute(delete(first_answers).where(first_answers.c.created_at < now - _KEEP_ANSWERS_SECONDS))
        await execute(
            update(first_answers)
            .where(first_answers.c.secret_until < now)
            .values(sealed_answer=None, secret_until=None)
        )
        await execute(
            insert(first_answers).values(
                asker=asker,
                request_id=request_id,
                digest=first.digest,
                answer=first.answer,
                sealed_answer=sealed,
                secret_until=None if sealed is None else int(secret_until),
                created_at=now,
            )
        )
