"""What an installation needs before its processes start: tables, secrets, accounts, tokens.

Everything is made once and kept; a second call changes nothing but the addresses in `demo.env`.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from adapters.secret_files import (
    ACCOUNT_SEAL,
    API_KEY_PEPPER,
    CACHE_NAME,
    CACHE_SEAL,
    SUBJECT_TOKEN,
    key_ring,
    write_private,
)
from gateway.settings import Settings

_CONNECT_SECONDS = 10.0


def ensure_mock_token(settings: Settings) -> Path:
    """The file with the bearer token that the gateway shows to the mock."""
    path = settings.data_dir / "secrets" / "mock-token"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, secrets.token_urlsafe(32) + "\n")
    return path


def prepare(settings: Settings, *, grpc_target: str, admin_target: str) -> None:
    """Make secrets and the demo set, and write `demo.env`. Blocks for a few hundred milliseconds."""
    from adapters.demo import ensure_demo  # SQLAlchemy: half of a start-up's imports
    from adapters.sql.engine import open_engine

    _make_secrets(settings)
    pepper = key_ring(settings.data_dir, API_KEY_PEPPER).current()

    async def accounts() -> None:
        engine = open_engine(settings.database.url, data_dir=settings.data_dir)
        try:
            await ensure_demo(
                engine,
                pepper=pepper.secret,
                env_file=settings.data_dir / "demo.env",
                targets={"DANCU_TARGET": grpc_target, "DANCU_ADMIN_TARGET": admin_target}
                | _tls(settings)
                | _mock(settings),
            )
        finally:
            await engine.dispose()

    asyncio.run(accounts())


def _tls(settings: Settings) -> dict[str, str]:
    """Loopback is spoken to in clear unless told otherwise."""
    ports = {"DANCU_TLS": settings.grpc.tls_cert_file, "DANCU_ADMIN_TLS": settings.admin.tls_cert_file}
    return {name: "on" for name, certificate in ports.items() if certificate is not None}


async def prepare_control(settings: Settings) -> None:
    """What a control process on its own makes: missing tables, and secrets as long as no key was ever issued.

    Later a secret that is missing is lost, or stayed on another machine: a new one would lock every caller out, so
    `SecretMissingError` follows where it is read. Raises `SchemaError`; a database that does not answer is an outage
    and left to those who know how to do without.
    """
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    from adapters.sql.engine import open_engine
    from adapters.sql.migrate import upgrade
    from adapters.sql.tables import api_keys

    async with AsyncExitStack() as stack:
        engine = open_engine(settings.database.url, data_dir=settings.data_dir)
        stack.push_async_callback(engine.dispose)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                connection = await stack.enter_async_context(engine.connect())
            async with connection.begin():
                await upgrade(connection)
                is_unused = await connection.scalar(select(api_keys.c.key_id).limit(1)) is None
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            structlog.get_logger("dancu.control").warning("tables_not_checked", error=type(error).__name__)
            return
    if is_unused:
        _make_secrets(settings)


def _make_secrets(settings: Settings) -> None:
    for name in (API_KEY_PEPPER, ACCOUNT_SEAL, SUBJECT_TOKEN, CACHE_NAME, CACHE_SEAL):
        key_ring(settings.data_dir, name).ensure()


def _mock(settings: Settings) -> dict[str, str]:
    """What `dancu sample` must know to show people whom this very mock holds."""
    if not settings.mock.enabled:
        return {}
    return {
        "DANCU_MOCK__POPULATION": str(settings.mock.population),
        "DANCU_MOCK__SEED": str(settings.mock.seed),
        "DANCU_MOCK__NUMBERING": settings.mock.numbering,
    }
