"""What an embedded installation needs before its processes start: secrets, accounts, tokens.

Everything is made once and kept; a second call changes nothing but the addresses in `demo.env`.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

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

    for name in (ACCOUNT_SEAL, SUBJECT_TOKEN, CACHE_NAME, CACHE_SEAL):
        key_ring(settings.data_dir, name).ensure()
    pepper = key_ring(settings.data_dir, API_KEY_PEPPER).ensure()

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


def _mock(settings: Settings) -> dict[str, str]:
    """What `dancu sample` must know to show people whom this very mock holds."""
    if not settings.mock.enabled:
        return {}
    return {
        "DANCU_MOCK__POPULATION": str(settings.mock.population),
        "DANCU_MOCK__SEED": str(settings.mock.seed),
        "DANCU_MOCK__NUMBERING": settings.mock.numbering,
    }
