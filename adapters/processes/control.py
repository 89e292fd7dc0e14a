"""The control process of a machine: health, metrics and the administrators' port, from start to drained end.

Its failures never touch a lookup: workers neither call it nor wait for it. Start: settings, both ports. End, on
SIGTERM or SIGINT: health says NOT_SERVING, calls under way finish, exit 0.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import grpc
import grpc.aio
import structlog
from aiohttp import web
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from adapters import metrics
from adapters.citizen_cache import following_changes
from adapters.installation import prepare_control
from adapters.journal.errors import JournalError
from adapters.ledger.machine_lock import MachineHeldError, hold_machine
from adapters.logs import configure_logs
from adapters.processes.addresses import listening, reachable
from adapters.processes.control_health import NationalDatabaseCheck, Readiness, RedisCheck, WorkersCheck
from adapters.processes.control_http import application
from adapters.processes.evidence import looking_after_evidence
from adapters.processes.memory import settle
from adapters.processes.notify import notify
from adapters.processes.ports import open_port, tls_files
from adapters.secret_files import SecretMissingError
from adapters.sql.directory import DirectoryUnavailableError
from adapters.sql.migrate import SchemaError
from adapters.tls_files import TlsFilesError
from adapters.wiring import Answering, national_db_token, open_control
from gateway.settings import Settings, SettingsError, load_settings
from gateway.transport.grpc_aio import PipelineHandler
from gateway.version import __version__

PROCESS_NAME = "control"
DRAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class AdminService:
    """A gRPC service of the administrators' port: its full name, and how it joins a server."""

    name: str
    join: Callable[[grpc.aio.Server], None]


def admin_services(*, healthy: HealthServicer) -> tuple[AdminService, ...]:
    """What the administrators' port offers; reflection, which names them all, comes on top.

    The port is for operators and listens on loopback unless told otherwise, so strangers' eyes are no reason to hide.
    """
    return (AdminService("grpc.health.v1.Health", partial(health_pb2_grpc.add_HealthServicer_to_server, healthy)),)


def main() -> int:
    """Run until told to stop; the exit status: 0 stopped as asked, 1 could not start, standard error says why."""
    try:
        settings = load_settings()
    except SettingsError as error:
        for mistake in error.mistakes:
            sys.stderr.write(mistake + "\n")
        return 1
    configure_logs(level=settings.log.level, process=PROCESS_NAME)
    log = structlog.get_logger("dancu.control")
    try:
        # Before anything is touched: a second control process must not take the metrics' files from the first.
        with hold_machine(settings.data_dir):
            # Before anything creates a metric: the files carry the process's name, so a restarted one goes on counting.
            metrics.configure(PROCESS_NAME, settings.data_dir / "run" / "metrics")
            asyncio.run(_serve(settings))
    except (
        PortUnavailableError,
        MachineHeldError,
        TlsFilesError,
        SchemaError,
        SecretMissingError,
        DirectoryUnavailableError,
        JournalError,
    ) as error:
        log.error("control_failed", cause=str(error))  # noqa: TRY400  the text says it all
        return 1
    return 0


class PortUnavailableError(Exception):
    """A port of the control process cannot be opened; the text names it with its setting."""


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    log = structlog.get_logger("dancu.control")
    async with AsyncExitStack() as stack:
        await _open_http(settings, stack)
        await prepare_control(settings)
        # Left last: what the administrators' port records at the end is still taken in.
        await stack.enter_async_context(looking_after_evidence(settings))
        healthy = HealthServicer()
        observer = metrics.PrometheusObserver(version=__version__)
        answering = await stack.enter_async_context(open_control(settings, observer=observer))
        token = national_db_token(settings)
        await stack.enter_async_context(following_changes(settings, token=token, observer=observer))
        await _open_admin(settings, answering, admin_services(healthy=healthy), stack)
        settle()
        notify("READY=1")
        log.info("control_ready", http_port=settings.http.port, admin_port=settings.admin.port)
        await stop.wait()
        notify("STOPPING=1")
        await healthy.enter_graceful_shutdown()
    log.info("control_drained")


async def _open_http(settings: Settings, stack: AsyncExitStack) -> None:
    readiness = Readiness(checks=_checks(settings))
    stack.push_async_callback(readiness.close)
    directory = settings.data_dir / "run" / "metrics"
    app = application(readiness=readiness, scrape=partial(metrics.scrape, directory))
    # Without an access log: a path is whatever a stranger typed.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, settings.http.host, settings.http.port).start()
    except OSError as error:
        raise PortUnavailableError(
            f"port {settings.http.port} on {settings.http.host} (http.port) cannot be opened: {error.strerror}"
        ) from error


def _checks(settings: Settings) -> list[WorkersCheck | RedisCheck | NationalDatabaseCheck]:
    """What can be checked; an address that is not named, as in a control process on its own, is left out."""
    target = reachable(settings.grpc.host, settings.grpc.port)
    checks: list[WorkersCheck | RedisCheck | NationalDatabaseCheck] = [
        WorkersCheck(target=target, workers=settings.workers.count, certificate=settings.grpc.tls_cert_file)
    ]
    if settings.redis.url:
        checks.append(RedisCheck(url=settings.redis.url))
    if settings.national_db.url:
        checks.append(NationalDatabaseCheck(url=settings.national_db.url))
    return checks


async def _open_admin(
    settings: Settings, answering: Answering, services: Sequence[AdminService], stack: AsyncExitStack
) -> None:
    server = grpc.aio.server(
        handlers=[
            PipelineHandler(
                answer=answering.pipeline,
                methods=answering.methods,
                mutual=settings.admin.client_ca_file is not None,
            )
        ],
        options=[
            # A second control process must fail loudly, not share the port.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", settings.grpc.max_request_bytes),
        ],
    )
    for service in services:
        service.join(server)
    answered = sorted({name.partition("/")[0] for name in answering.methods})
    names = (*answered, *(one.name for one in services), reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    try:
        admin = settings.admin
        files = tls_files(admin.tls_cert_file, admin.tls_key_file, admin.client_ca_file)
        open_port(server, listening(admin.host, admin.port), files, name="admin")
    except RuntimeError as error:
        raise PortUnavailableError(
            f"port {settings.admin.port} on {settings.admin.host} (admin.port) cannot be opened"
        ) from error
    await server.start()
    stack.push_async_callback(server.stop, DRAIN_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
