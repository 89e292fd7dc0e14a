"""Which processes an installation has: the table of children, and the settings each of them sees.

Data only: what runs, with which arguments and environment, after what, and how one sees that it is ready. Starts
nothing. Every child reads `gateway.settings.load_settings` itself and finds there, through its environment, exactly
what the supervisor resolved; a `dancu.toml` edited meanwhile takes effect when the installation is started again.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from adapters.processes import valkey
from adapters.processes.addresses import reachable
from adapters.processes.children import ChildSpec
from adapters.processes.reservation import Wanted
from adapters.processes.workspace import Workspace, forget_gauges
from gateway.settings import Settings

INSTALLATION = "installation"
"""The preparation that makes secrets and accounts; workers and control start after it."""

VALKEY = "valkey"
MOCK = "mock"
CONTROL = "control"
GATEWAY = "gateway"

_STOP_WORKERS, _STOP_CONTROL, _STOP_BACKING = range(3)
_GRACE_SECONDS = 5.0


def runs_valkey(settings: Settings) -> bool:
    """Whether this machine runs its own Valkey."""
    return not settings.redis.url


def runs_mock(settings: Settings) -> bool:
    """Whether the bundled mock stands in for the national database: only where no real one is named."""
    return settings.mock.enabled and not settings.national_db.url


def ports_of(settings: Settings) -> list[Wanted]:
    """The ports the installation listens on."""
    wanted = [
        Wanted(setting="grpc", host=settings.grpc.host, port=settings.grpc.port, shared=True),
        Wanted(setting="admin", host=settings.admin.host, port=settings.admin.port),
        Wanted(setting="http", host=settings.http.host, port=settings.http.port),
    ]
    if settings.mtls.port is not None:
        wanted.append(Wanted(setting="mtls", host=settings.mtls.host, port=settings.mtls.port, shared=True))
    if runs_mock(settings):
        wanted.append(Wanted(setting="mock", host=settings.mock.host, port=settings.mock.port))
    return wanted


def resolved(
    settings: Settings, *, workspace: Workspace, ports: Mapping[str, int], mock_token_file: Path | None
) -> Settings:
    """The settings as they are once everything has its place: real ports, sockets and addresses.

    `mock_token_file` is the mock's bearer token, None where the mock does not run. With the mock, test numbers are
    accepted and strangers may ask for the methods: there is nobody's data to protect.
    """
    changed: dict[str, Any] = {
        "data_dir": workspace.data_dir,
        "grpc": settings.grpc.model_copy(update={"port": ports["grpc"]}),
        "admin": settings.admin.model_copy(update={"port": ports["admin"]}),
        "http": settings.http.model_copy(update={"port": ports["http"]}),
    }
    if "mtls" in ports:
        changed["mtls"] = settings.mtls.model_copy(update={"port": ports["mtls"]})
    if runs_valkey(settings):
        url = valkey.url_of(_valkey_socket(workspace))
        changed["redis"] = settings.redis.model_copy(update={"url": url})
    if mock_token_file is not None:
        mock = settings.mock.model_copy(update={"port": ports["mock"]})
        changed["mock"] = mock
        changed["national_db"] = settings.national_db.model_copy(
            update={"url": f"http://{reachable(mock.host, mock.port)}", "token_file": mock_token_file}
        )
        if not settings.registries.url:
            changed["registries"] = settings.registries.model_copy(
                update={"url": changed["national_db"].url, "token_file": mock_token_file}
            )
        changed["numbers"] = settings.numbers.model_copy(update={"allow_test": True})
        changed["grpc"] = changed["grpc"].model_copy(update={"reflection": True})
    return settings.model_copy(update=changed)


def children_of(
    settings: Settings, *, resolved: Settings, workspace: Workspace, valkey_binary: Path | None
) -> tuple[ChildSpec, ...]:
    """The table: `settings` as they were written say which children there are, `resolved` what they are told."""
    environment = {**environment_of(resolved), "PROMETHEUS_MULTIPROC_DIR": str(workspace.metrics)}
    children: list[ChildSpec] = []
    backing = {INSTALLATION}
    if valkey_binary is not None:
        children.append(_valkey(resolved, workspace, valkey_binary))
        backing.add(VALKEY)
    if runs_mock(settings):
        children.append(_mock(resolved, workspace))
    for slot in range(resolved.workers.count):
        name = f"worker-{slot}"
        children.append(
            ChildSpec(
                name=name,
                argv=_python("adapters.processes.worker", "--slot", str(slot)),
                environment=environment,
                service=GATEWAY,
                after=frozenset(backing),
                stop_stage=_STOP_WORKERS,
                grace_seconds=resolved.grpc.drain_seconds + _GRACE_SECONDS,
                on_exit=functools.partial(forget_gauges, workspace.metrics, name),
            )
        )
    children.append(
        ChildSpec(
            name=CONTROL,
            argv=_python("adapters.processes.control"),
            environment=environment,
            service=CONTROL,
            after=frozenset(backing),
            stop_stage=_STOP_CONTROL,
            grace_seconds=_GRACE_SECONDS,
            on_exit=functools.partial(forget_gauges, workspace.metrics, CONTROL),
        )
    )
    return tuple(children)


def environment_of(settings: Settings) -> dict[str, str]:
    """Every setting as `DANCU_SECTION__KEY`, so that a child sees the same whatever file lies in its directory."""
    return {"DANCU_CONFIG": os.devnull, **_variables("DANCU", settings)}


def _valkey(resolved: Settings, workspace: Workspace, binary: Path) -> ChildSpec:
    socket_path = _valkey_socket(workspace)
    return ChildSpec(
        name=VALKEY,
        argv=valkey.arguments(
            binary=binary,
            socket_path=socket_path,
            directory=workspace.sockets,
            max_memory_megabytes=resolved.redis.max_memory_megabytes,
        ),
        environment={},
        service=VALKEY,
        stop_stage=_STOP_BACKING,
        grace_seconds=_GRACE_SECONDS,
        # It holds nothing worth a farewell, and must not linger.
        death_signal=signal.SIGKILL,
        probe=functools.partial(valkey.answers, socket_path),
    )


def _mock(resolved: Settings, workspace: Workspace) -> ChildSpec:
    mock = resolved.mock
    return ChildSpec(
        name=MOCK,
        argv=_python(
            "mock_national_db",
            *("--host", mock.host),
            *("--port", str(mock.port)),
            *("--population", str(mock.population)),
            *("--seed", str(mock.seed)),
            *("--numbering", mock.numbering),
            *("--data-dir", str(workspace.mock)),
            *("--token-file", str(resolved.national_db.token_file)),
        ),
        environment={},
        service=MOCK,
        stop_stage=_STOP_BACKING,
        grace_seconds=_GRACE_SECONDS,
    )


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    # -P: a file of the working directory named like a module of ours or of the library must not replace it.
    return (sys.executable, "-P", "-X", "faulthandler", "-m", module, *arguments)


def _valkey_socket(workspace: Workspace) -> Path:
    return workspace.sockets / "valkey.sock"


def _variables(prefix: str, section: BaseModel) -> dict[str, str]:
    variables: dict[str, str] = {}
    separator = "_" if prefix == "DANCU" else "__"
    for name in type(section).model_fields:
        value = getattr(section, name)
        key = f"{prefix}{separator}{name.upper()}"
        if isinstance(value, BaseModel):
            variables |= _variables(key, value)
        elif value is not None:
            variables[key] = _text(value)
    return variables


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, default=_plain)
    return str(value)


def _plain(value: object) -> object:
    assert isinstance(value, BaseModel)
    return value.model_dump(mode="json")
