"""The way to the admin port, for every command of operators: where it is, and as whom.

The variables are those of the client library with `ADMIN_` in their names (`DANCU_ADMIN_TARGET`, `DANCU_ADMIN_KEY`,
`DANCU_ADMIN_TLS`, `…_TLS_CA`, `…_TLS_CERT`, `…_TLS_KEY`), since the public port has another address, key and TLS.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dancu.cli.gateway import environment, gateway
from dancu.cli.output import Language, complain

if TYPE_CHECKING:
    from dancu.client import Client

DEFAULT_TARGET = "127.0.0.1:50052"
TIMEOUT_SECONDS = 10.0
_TLS = ("TLS", "TLS_CA", "TLS_CERT", "TLS_KEY")

AdminTargetOption = Annotated[
    str | None,
    typer.Option("--target", metavar="HOST:PORT", help="Admin port; default: $DANCU_ADMIN_TARGET or 127.0.0.1:50052."),
]
AdminKeyOption = Annotated[
    str | None, typer.Option("--key", metavar="KEY", help="Administrator's key; better in $DANCU_ADMIN_KEY.")
]


@contextmanager
def administration(
    *,
    target: str | None,
    key: str | None,
    data_dir: Path | None,
    language: Language,
    as_json: bool,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Iterator[Client]:
    """A client of the admin port for the block; a refusal in it is told and ends the command with 1."""
    told = environment(data_dir)
    key = key or told.get("DANCU_ADMIN_KEY", "")
    if not key and "DANCU_ADMIN_TLS_CERT" not in told:
        complain(
            language.of(
                "No administrator's key: set DANCU_ADMIN_KEY (or DANCU_ADMIN_TLS_CERT and DANCU_ADMIN_TLS_KEY), or "
                "name an installation with --data-dir.",
                "Chưa có khóa quản trị: hãy đặt DANCU_ADMIN_KEY (hoặc DANCU_ADMIN_TLS_CERT và DANCU_ADMIN_TLS_KEY), "
                "hoặc chỉ ra thư mục cài đặt bằng --data-dir.",
            )
        )
        raise typer.Exit(1)
    with gateway(
        target=target or told.get("DANCU_ADMIN_TARGET", DEFAULT_TARGET),
        key=key,
        data_dir=data_dir,
        timeout_seconds=timeout_seconds,
        language=language,
        as_json=as_json,
        told={f"DANCU_{name}": told[f"DANCU_ADMIN_{name}"] for name in _TLS if f"DANCU_ADMIN_{name}" in told},
    ) as client:
        yield client
