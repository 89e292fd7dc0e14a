"""`dancu up`: a whole installation on one machine, from preflight to the last child's end.

Owns preflight and what a newcomer reads. Imports no grpc, aiohttp or redis, since its own start is part of everybody's.

Order: settings that cannot work and ports are refused before anything is touched; then the directory is taken;
then everything starts as soon as what it needs is there. Stopping goes the other way: workers first, so that calls
under way still find the cache and the national database.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from adapters.processes import plan, valkey, workspace
from adapters.processes.addresses import reachable
from adapters.processes.children import ChildSpec
from adapters.processes.console import Console
from adapters.processes.ensemble import Ensemble, Preparation, StopSignals
from adapters.processes.notify import notify
from adapters.processes.reservation import PortsUnavailableError, reserve
from gateway.settings import Settings

_OPEN_FILES = 65_536


class Installer(Protocol):
    """Makes what an installation needs besides processes: secrets, accounts, `demo.env`. Blocking."""

    def ensure_mock_token(self, settings: Settings) -> Path:
        """The file with the mock's bearer token, made if missing; quick."""

    def prepare(self, settings: Settings, *, grpc_target: str, admin_target: str) -> object:
        """Make the rest, or see that it is there."""


class Table(Protocol):
    """Says which children there are: `plan.children_of`."""

    def __call__(
        self,
        settings: Settings,
        *,
        resolved: Settings,
        workspace: workspace.Workspace,
        valkey_binary: Path | None,
    ) -> Sequence[ChildSpec]:
        """The children, in no particular order."""


class PreflightError(Exception):
    """The installation cannot start; `lines` say why, one each."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def up(settings: Settings, *, installer: Installer | None = None, table: Table = plan.children_of) -> int:
    """Run an installation until SIGTERM, SIGHUP or Ctrl-C; the exit status.

    0: stopped as asked. 1: it could not start; standard error says why. `installer` and `table` are the project's own
    unless a test brings others. Changes the umask and the limit of open files of this process.
    """
    return asyncio.run(_up(settings, installer, table, Console()))


def _installer() -> Installer:
    # Imported when needed: the modules behind it are heavy, and a preflight that fails needs none of them.
    import adapters.installation as installer

    return installer


async def _up(settings: Settings, installer: Installer | None, table: Table, console: Console) -> int:
    signals = StopSignals()
    with ExitStack() as held:
        try:
            binary = _preflight(settings)
            ports = held.enter_context(reserve(plan.ports_of(settings))).ports
            space = workspace.take(settings.data_dir.absolute())
        except (PreflightError, PortsUnavailableError) as error:
            return _refuse(console, *error.lines)
        except (workspace.WorkspaceError, valkey.ValkeyMissingError) as error:
            return _refuse(console, str(error))
        held.callback(space.close)
        os.umask(0o077)
        _allow_many_files()
        installer = installer or _installer()
        try:
            token_file = _mock_token(settings, space, installer)
        except OSError as error:
            return _refuse(console, f"the token of the mock cannot be made: {error}")
        resolved = plan.resolved(settings, workspace=space, ports=ports, mock_token_file=token_file)
        to_try: list[str] = []
        example = Preparation(
            name="example",
            run=lambda: to_try.extend(_how_to_try(settings)),
            # Not before: it would share this process's one interpreter with what the workers wait for.
            after=frozenset({plan.INSTALLATION}),
        )
        ensemble = Ensemble(
            children=table(settings, resolved=resolved, workspace=space, valkey_binary=binary),
            preparations=[_preparation(resolved, installer), example],
            announcements=_announcements(resolved),
            logs=space.logs,
            sockets=space.sockets,
            console=console,
            signals=signals,
        )

        async def started() -> None:
            for line in to_try:
                console.say(line)
            console.say("ready")
            notify("READY=1")

        return await ensemble.run(started=started, stopping=lambda: notify("STOPPING=1"))


def _preflight(settings: Settings) -> Path | None:
    """Check what needs no port; the Valkey to run, or None where a server is named."""
    if not settings.national_db.url and not settings.mock.enabled:
        raise PreflightError(
            "no national database: name one (national_db.url), or let the bundled mock run (mock.enabled)"
        )
    binary = valkey.server_binary() if plan.runs_valkey(settings) else None
    workspace.check(settings.data_dir.absolute())
    return binary


def _refuse(console: Console, *lines: str) -> int:
    for line in lines:
        console.warn(f"dancu up: {line}")
    return 1


def _allow_many_files() -> None:
    """Children inherit the limit; the usual soft one of 1024 is fewer than a busy worker's connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _mock_token(settings: Settings, space: workspace.Workspace, installer: Installer) -> Path | None:
    if not plan.runs_mock(settings):
        return None
    return installer.ensure_mock_token(settings.model_copy(update={"data_dir": space.data_dir}))


def _preparation(resolved: Settings, installer: Installer) -> Preparation:
    def run() -> object:
        return installer.prepare(
            resolved,
            grpc_target=reachable(resolved.grpc.host, resolved.grpc.port),
            admin_target=reachable(resolved.admin.host, resolved.admin.port),
        )

    return Preparation(name=plan.INSTALLATION, run=run)


def _announcements(resolved: Settings) -> dict[str, tuple[str, ...]]:
    workers = resolved.workers.count
    mtls = resolved.mtls
    mutual = [] if mtls.port is None else [_service("gateway (mutual TLS)", reachable(mtls.host, mtls.port), "")]
    people = f"{resolved.mock.population:,} people"
    return {
        plan.VALKEY: (_service("Valkey", resolved.redis.url, f"{resolved.redis.max_memory_megabytes} MB"),),
        plan.MOCK: (_service("mock national database", resolved.national_db.url, people),),
        plan.GATEWAY: (
            _service(
                "gateway (gRPC)",
                reachable(resolved.grpc.host, resolved.grpc.port),
                f"{workers} worker{'s' if workers > 1 else ''}",
            ),
            *mutual,
        ),
        plan.CONTROL: (
            _service("administration (gRPC)", reachable(resolved.admin.host, resolved.admin.port), ""),
            _service("health and metrics", f"http://{reachable(resolved.http.host, resolved.http.port)}", ""),
        ),
    }


def _service(name: str, where: str, note: str) -> str:
    return f"{name:<23} {where}" + (f"  ({note})" if note else "")


def _how_to_try(settings: Settings) -> list[str]:
    """Lines a newcomer can paste, about a person who exists in the mock; none with a real national database."""
    if not plan.runs_mock(settings):
        return []
    # Imported here, since only the mock's users need it.
    from mock_national_db import NumberingScheme, sample

    mock = settings.mock
    person = next(
        sample(
            1,
            population=mock.population,
            seed=mock.seed,
            numbering=NumberingScheme(mock.numbering),
        )
    )
    where = "" if settings.data_dir == Path("data") else f" --data-dir {shlex.quote(str(settings.data_dir))}"
    program = _program()
    return [
        "",
        "Try, in another terminal:",
        f"  {program} sample -n 1{where}",
        f"  {program} lookup {person.personal_number}{where}",
        "",
    ]


def _program() -> str:
    """How this program was called, as briefly as it can be called again from here."""
    called = Path(sys.argv[0]).absolute()
    if called.name != "dancu":
        return "dancu"
    found = shutil.which("dancu")
    if found is not None and Path(found).absolute() == called:
        return "dancu"
    here = Path.cwd()
    return shlex.quote(str(called.relative_to(here) if called.is_relative_to(here) else called))
