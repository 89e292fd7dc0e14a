"""The control process, as a process: its HTTP side, its gRPC port, its start and its end."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from adapters.installation import prepare
from adapters.processes.control_health import WorkersCheck
from gateway.settings import Settings
from tests.fakes.supervised import Supervised, wait_for
from tests.fakes.valkey import RunningValkey

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Workers:
    """Two gRPC servers on one port, as workers are."""

    def __init__(self) -> None:
        self.servicers = [health.HealthServicer() for _ in range(2)]
        self._servers = []
        self.port = 0
        for servicer in self.servicers:
            server = grpc.server(ThreadPoolExecutor(4))
            health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
            self.port = server.add_insecure_port(f"127.0.0.1:{self.port}")
            server.start()
            self._servers.append(server)

    def say(self, *statuses: Any) -> None:
        for servicer, status in zip(self.servicers, statuses, strict=True):
            servicer.set("", status)

    def close(self) -> None:
        for server in self._servers:
            server.stop(None).wait()


class NationalDatabase:
    """Answers every question with one status."""

    def __init__(self) -> None:
        self.status = 401
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                """Keep the test's output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass
class World:
    """The control process and what it watches."""

    process: Supervised
    http_port: int
    admin_port: int
    metrics: Path
    workers: Workers
    valkey: RunningValkey
    national_db: NationalDatabase

    def ask(self, path: str, *, method: str = "GET") -> tuple[int, dict[str, str], str]:
        """Status, headers in lower case, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=30)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, headers, answer.read().decode()
        finally:
            connection.close()

    def readiness(self) -> tuple[int, Any]:
        """Status and body of /readyz."""
        status, _, body = self.ask("/readyz")
        return status, json.loads(body)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def control(folder: Path, **environment: str) -> Supervised:
    prepare(Settings(data_dir=folder), grpc_target="127.0.0.1:1", admin_target="127.0.0.1:2")
    return Supervised(
        [sys.executable, "-P", "-m", "adapters.processes.control"], folder=folder, environment=environment, cwd=folder
    )


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="dancu-") as name:
        folder = Path(name)
        workers, valkey, national_db = Workers(), RunningValkey(folder), NationalDatabase()
        asyncio.run(valkey.start())
        http_port, admin_port = free_port(), free_port()
        process = control(
            folder,
            DANCU_DATA_DIR=str(folder),
            DANCU_GRPC__PORT=str(workers.port),
            DANCU_HTTP__PORT=str(http_port),
            DANCU_ADMIN__PORT=str(admin_port),
            DANCU_REDIS__URL=valkey.url,
            DANCU_NATIONAL_DB__URL=national_db.url,
        )
        try:
            wait_for(
                lambda: "control_ready" in process.err or process.process.poll() is not None, "the control process"
            )
            metrics = folder / "run" / "metrics"
            yield World(process, http_port, admin_port, metrics, workers, valkey, national_db)
        finally:
            process.close()
            national_db.close()
            valkey.kill()
            workers.close()


def test_with_everything_there_it_is_ready(world: World) -> None:
    """The answer a load balancer acts on, and the names an operator reads."""
    wait_for(lambda: world.readiness()[0] == 200, "readiness")
    _, body = world.readiness()
    assert body == {
        "ready": True,
        "degraded": [],
        "checks": {
            "workers": {"ok": True, "required": True, "detail": "serving"},
            "redis": {"ok": True, "required": True, "detail": "answers"},
            "national_db": {"ok": True, "required": False, "detail": "reachable"},
        },
    }


async def test_one_worker_that_serves_is_enough(world: World) -> None:
    """The kernel chooses a worker for each connection: a single look would meet the other one half of the time."""
    check = WorkersCheck(target=f"127.0.0.1:{world.workers.port}", workers=2)
    world.workers.say(NOT_SERVING, SERVING)
    try:
        for _ in range(20):
            assert await check.look() == "serving"
    finally:
        world.workers.say(SERVING, SERVING)


def test_without_a_worker_that_serves_it_is_not_ready(world: World) -> None:
    """A worker that cannot record refuses every call; a load balancer must find another machine."""
    world.workers.say(NOT_SERVING, NOT_SERVING)
    try:
        wait_for(lambda: world.readiness()[0] == 503, "the loss of both workers")
        assert world.readiness()[1]["checks"]["workers"]["detail"] == "no worker serves"
    finally:
        world.workers.say(SERVING, SERVING)
    wait_for(lambda: world.readiness()[0] == 200, "readiness again")


def test_without_redis_it_is_not_ready_and_recovers_by_itself(world: World) -> None:
    """Limits are stricter and the cache is cold: new callers are better served elsewhere."""
    world.valkey.kill()
    wait_for(lambda: world.readiness()[0] == 503, "the loss of Redis")
    assert world.readiness()[1]["degraded"] == ["redis"]
    asyncio.run(world.valkey.start())
    wait_for(lambda: world.readiness()[0] == 200, "readiness again")


def test_without_the_national_database_it_is_ready_and_says_degraded(world: World) -> None:
    """Cached answers still flow; all gateways of the country share that database, so turning callers away helps none."""
    world.national_db.status = 503
    try:
        wait_for(lambda: world.readiness()[1]["degraded"] == ["national_db"], "the loss of the national database")
        assert world.readiness()[0] == 200
    finally:
        world.national_db.status = 401


def test_healthz_needs_nobody_else(world: World) -> None:
    """A process restarted because Redis is gone would only make things worse."""
    assert world.ask("/healthz")[0] == 200
    assert world.ask("/healthz")[2] == "ok\n"


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics", "/not-there"])
def test_every_answer_carries_safe_headers_and_head_works(world: World, path: str) -> None:
    """Old browsers guess types, caches keep health, and monitoring asks with HEAD."""
    status, headers, _ = world.ask(path)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["server"] == "dancu"
    assert "default-src 'none'" in headers["content-security-policy"]
    head_status, head_headers, body = world.ask(path, method="HEAD")
    assert (head_status, body) == (status, "")
    assert head_headers["content-type"] == headers["content-type"]


def test_an_unknown_path_is_not_repeated_in_answer_or_log(world: World) -> None:
    """What a stranger types may be a citizen's number, or a script for whoever reads the page."""
    status, _, body = world.ask("/098160086618<script>?so=098160086618")
    assert status == 404
    assert "098160086618" not in body
    assert "098160086618" not in world.process.err
    assert world.ask("/healthz", method="POST")[0] == 405


def test_the_start_page_leads_to_the_others(world: World) -> None:
    """The one address a newcomer types."""
    status, headers, body = world.ask("/")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    for path in ("/readyz", "/healthz", "/metrics"):
        assert f'href="{path}"' in body


def test_metrics_of_workers_are_served(world: World) -> None:
    """Prometheus asks the control process; the numbers are the workers'."""
    code = (
        "from pathlib import Path; import sys; from adapters.metrics import PrometheusObserver, configure;"
        "configure('worker-0', Path(sys.argv[1])); PrometheusObserver(version='7').call_started()"
    )
    subprocess.run([sys.executable, "-c", code, str(world.metrics)], check=True, timeout=60)
    status, headers, body = world.ask("/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    assert "dancu_in_flight 1.0" in body


def test_the_administrators_port_has_health_and_tells_its_services(world: World) -> None:
    """Operators' tools find out by themselves what is offered."""
    with grpc.insecure_channel(f"127.0.0.1:{world.admin_port}") as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
        assert answer.status == SERVING
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (told,) = stub.ServerReflectionInfo(iter([request]), timeout=30)
        names = [service.name for service in told.list_services_response.service]
    assert "grpc.health.v1.Health" in names


@pytest.mark.parametrize("setting", ["http", "admin"])
def test_a_taken_port_ends_it_with_its_name(world: World, tmp_path: Path, setting: str) -> None:
    """A second control process must fail loudly; sharing the port would split health between two opinions."""
    ports = {"http": free_port(), "admin": free_port(), setting: getattr(world, f"{setting}_port")}
    second = control(
        tmp_path,
        DANCU_DATA_DIR=str(tmp_path),
        DANCU_HTTP__PORT=str(ports["http"]),
        DANCU_ADMIN__PORT=str(ports["admin"]),
    )
    try:
        assert second.end() == 1
    finally:
        second.close()
    assert f"port {ports[setting]} on 127.0.0.1 ({setting}.port) cannot be opened" in second.err
    assert "Traceback" not in second.err


def test_wrong_settings_end_it_with_every_mistake(tmp_path: Path) -> None:
    """Settings are mended in one go, not one restart for each mistake."""
    process = control(tmp_path, DANCU_HTTP__PORT="80800", DANCU_NO_SUCH__THING="1")
    try:
        assert process.end() == 1
    finally:
        process.close()
    assert "http.port" in process.err
    assert "DANCU_NO_SUCH__THING" in process.err


def test_sigterm_ends_it_with_zero_after_telling_its_manager(tmp_path: Path) -> None:
    """The protocol of `Type=notify` units, whoever the manager is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(30)
        manager.bind(str(tmp_path / "notify.sock"))
        process = control(
            tmp_path,
            DANCU_DATA_DIR=str(tmp_path),
            DANCU_HTTP__PORT=str(free_port()),
            DANCU_ADMIN__PORT=str(free_port()),
            NOTIFY_SOCKET=str(tmp_path / "notify.sock"),
        )
        try:
            assert manager.recv(64) == b"READY=1"
            process.send(signal.SIGTERM)
            assert manager.recv(64) == b"STOPPING=1"
            assert process.end() == 0
        finally:
            process.close()
