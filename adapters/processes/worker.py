"""A worker process: the data plane on one slot, from start to drained end.

Start: settings, secrets, journal, accounts, then the port. End, on SIGTERM or SIGINT: health says NOT_SERVING, calls
under way finish, the journal is flushed, exit 0.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
from collections.abc import Callable
from typing import Protocol

import structlog
from grpc.aio import Server
from grpc_health.v1 import _async as health
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from adapters import metrics
from adapters.logs import configure_logs
from adapters.processes.addresses import listening
from adapters.processes.memory import settle
from adapters.processes.notify import notify
from adapters.processes.ports import mutual_files, open_port, tls_files
from adapters.processes.standard_services import HEALTH, health_handlers, reflection_handlers
from adapters.wiring import Answering, open_worker
from gateway.ports import Journal
from gateway.settings import Settings, SettingsError, load_settings
from gateway.transport.grpc_aio import PipelineHandler, server
from gateway.transport.lean.server import LeanServer
from gateway.version import __version__

_HEALTH_PERIOD_SECONDS = 0.2


def main(slot: int) -> int:
    """Run until told to stop; returns the exit code."""
    try:
        settings = load_settings()
    except SettingsError as error:
        for mistake in error.mistakes:
            sys.stderr.write(mistake + "\n")
        return 1
    configure_logs(level=settings.log.level, process=f"worker-{slot}")
    # Before anything creates a metric: the files carry the slot's name, so a restarted slot goes on counting.
    metrics.configure(f"worker-{slot}", settings.data_dir / "run" / "metrics")
    try:
        with asyncio.Runner(loop_factory=_loop_factory(uvloop=settings.workers.uvloop)) as runner:
            runner.run(_serve(settings, slot))
    except Exception as error:  # noqa: BLE001  whatever makes a start impossible is told in one line
        structlog.get_logger().error("worker_failed", error=type(error).__name__, cause=str(error))
        return 1
    return 0


async def _serve(settings: Settings, slot: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    observer = metrics.PrometheusObserver(version=__version__)
    async with open_worker(settings, slot=slot, observer=observer) as worker:
        servers, healthy = await _listen(settings, worker)
        watching = asyncio.create_task(_tell_health(healthy, worker.journal))
        settle()
        notify("READY=1")
        structlog.get_logger().info("worker_ready", port=settings.grpc.port, slot=slot)
        await stop.wait()
        notify("STOPPING=1")
        watching.cancel()
        await healthy.enter_graceful_shutdown()
        await asyncio.gather(*(server.stop(settings.grpc.drain_seconds) for server in servers))
    observer.flush()
    structlog.get_logger().info("worker_drained", slot=slot)


class _Serving(Protocol):
    """A server that takes calls."""

    async def stop(self, grace: float) -> None:
        """Take no further ones; those under way may take so many seconds."""


async def _listen(settings: Settings, worker: Answering) -> tuple[list[_Serving], health.HealthServicer]:
    """Open the public port, and the one for callers with certificates where there is one.

    They are two servers, since only the second has to look for a certificate at each call.
    """
    healthy = health.HealthServicer()
    servers: list[_Serving] = []
    public = tls_files(settings.grpc.tls_cert_file, settings.grpc.tls_key_file)
    if settings.grpc.transport == "lean" and public is None:
        servers.append(await _lean(settings, worker, healthy))
    else:
        serving = _server(settings, worker, healthy, mutual=False)
        open_port(serving, listening(settings.grpc.host, settings.grpc.port), public, name="grpc")
        servers.append(await _started(serving))
    files = mutual_files(settings.mtls)
    if files is not None:
        assert settings.mtls.port is not None
        serving = _server(settings, worker, healthy, mutual=True)
        open_port(serving, listening(settings.mtls.host, settings.mtls.port), files, name="mtls")
        servers.append(await _started(serving))
    return servers, healthy


async def _started(serving: Server) -> _Serving:
    await serving.start()
    return serving


async def _lean(settings: Settings, worker: Answering, healthy: health.HealthServicer) -> _Serving:
    serving = LeanServer(
        answer=worker.pipeline,
        methods=worker.methods,
        max_request_bytes=settings.grpc.max_request_bytes,
        max_connection_age_seconds=settings.grpc.max_connection_age_seconds,
        draw=random.random,
    )
    serving.add(health_handlers(healthy))
    if settings.grpc.reflection:
        serving.add(reflection_handlers(_services(worker)))
    await serving.listen(settings.grpc.host, settings.grpc.port)
    return serving


def _server(settings: Settings, worker: Answering, healthy: health.HealthServicer, *, mutual: bool) -> Server:
    serving = server(
        handler=PipelineHandler(answer=worker.pipeline, methods=worker.methods, mutual=mutual),
        max_request_bytes=settings.grpc.max_request_bytes,
        max_connection_age_seconds=settings.grpc.max_connection_age_seconds,
    )
    health_pb2_grpc.add_HealthServicer_to_server(healthy, serving)
    if settings.grpc.reflection:
        reflection.enable_server_reflection((*_services(worker), reflection.SERVICE_NAME), serving)
    return serving


def _services(worker: Answering) -> tuple[str, ...]:
    """What reflection shows, beside itself."""
    return (*sorted({name.partition("/")[0] for name in worker.methods}), HEALTH)


async def _tell_health(healthy: health.HealthServicer, journal: Journal) -> None:
    """Health follows the journal: a worker that cannot record does not serve."""
    told = None
    while True:
        status = (
            health_pb2.HealthCheckResponse.SERVING if journal.available else health_pb2.HealthCheckResponse.NOT_SERVING
        )
        if status != told:
            await healthy.set("", status)
            told = status
        await asyncio.sleep(_HEALTH_PERIOD_SECONDS)


def _loop_factory(*, uvloop: bool) -> Callable[[], asyncio.AbstractEventLoop]:
    if not uvloop:
        return asyncio.new_event_loop
    import uvloop as faster  # absent on Windows, where the setting is off

    return faster.new_event_loop


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="dancu worker")
    arguments.add_argument("--slot", type=int, required=True)
    sys.exit(main(arguments.parse_args().slot))
