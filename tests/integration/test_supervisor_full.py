"""`dancu up` as a newcomer runs it: everything real, one machine, free ports."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.fakes.supervised import Supervised, children_of, is_running, wait_for

if TYPE_CHECKING:
    from tests.integration.conftest import GatewayUp

DANCU = Path(sys.executable).with_name("dancu")


def get(url: str) -> tuple[int, str]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def dancu(*arguments: str, cwd: Path) -> str:
    """What a command prints; it must succeed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DANCU_")}
    ended = subprocess.run(
        [str(DANCU), *arguments], capture_output=True, text=True, timeout=60, check=False, env=inherited, cwd=cwd
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def lookup(up: GatewayUp, number: str) -> dict[str, object]:
    """One citizen, by the command line."""
    found: dict[str, object] = json.loads(
        dancu("lookup", number, "--json", "--data-dir", str(up.data_dir), cwd=up.process.folder)
    )
    return found


def example_of(up: GatewayUp) -> str:
    """The number in the command that a start suggests."""
    match = re.search(r"lookup (09[789]\d{9})", up.process.out)
    assert match is not None
    return match[1]


def test_the_command_it_suggests_finds_a_citizen(gateway_up: GatewayUp) -> None:
    """The first thing a newcomer does must work as printed."""
    number = example_of(gateway_up)
    found = lookup(gateway_up, number)
    citizen = found["citizen"]
    assert isinstance(citizen, dict)
    assert citizen["personal_number"] == number


def test_it_is_ready_with_nothing_degraded(gateway_up: GatewayUp) -> None:
    """All parts see each other under the addresses they were told."""
    status, body = get(f"{gateway_up.http_url}/readyz")
    assert status == 200
    assert json.loads(body)["degraded"] == []


def test_calls_of_all_workers_are_counted(gateway_up: GatewayUp) -> None:
    """The files of the workers and the scrape of the control process are the same files."""
    before = calls(gateway_up)
    lookup(gateway_up, example_of(gateway_up))
    wait_for(lambda: calls(gateway_up) > before, "the call to be counted")


def calls(up: GatewayUp) -> float:
    _, body = get(f"{up.http_url}/metrics")
    return sum(float(line.rpartition(" ")[2]) for line in body.splitlines() if line.startswith("dancu_calls_total{"))


def test_a_killed_worker_is_back_and_counts_on(gateway_up: GatewayUp) -> None:
    """A crash costs its own calls and no others, and no count goes down."""
    lookup(gateway_up, example_of(gateway_up))
    wait_for(lambda: calls(gateway_up) > 0, "a call to be counted")
    before = calls(gateway_up)
    log = gateway_up.data_dir / "logs" / "worker-1.log"
    starts = log.read_text().count("worker_ready")
    os.kill(gateway_up.process.child("worker --slot 1"), signal.SIGKILL)
    lookup(gateway_up, example_of(gateway_up))
    wait_for(lambda: log.read_text().count("worker_ready") > starts, "the worker")
    wait_for(lambda: calls(gateway_up) > before, "the call to be counted")


def test_lookups_go_on_without_the_control_process(gateway_up: GatewayUp) -> None:
    """Operators' tools may fail; citizens at the counter must not notice."""
    killed = gateway_up.process.child(r"adapters\.processes\.control")
    os.kill(killed, signal.SIGKILL)
    lookup(gateway_up, example_of(gateway_up))
    wait_for(
        lambda: gateway_up.process.has_child(r"adapters\.processes\.control", other_than=killed), "another control"
    )
    wait_for(lambda: answers(gateway_up.http_url), "its HTTP side")


def answers(url: str) -> bool:
    try:
        return get(f"{url}/healthz")[0] == 200
    except OSError:
        return False


def test_what_it_leaves_is_its_owners_alone(gateway_up: GatewayUp) -> None:
    """Journals, secrets, keys and logs lie in one directory; no file of it is for others."""
    open_to_others = [
        path for path in gateway_up.data_dir.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    assert open_to_others == []


@pytest.fixture
def ports() -> list[str]:
    """Fixed ports, so that a second run takes those of the first."""
    arguments = []
    probes = []
    for name in ("grpc", "admin", "http", "mock"):
        probe = socket.create_server(("127.0.0.1", 0))
        probes.append(probe)
        arguments += [f"--{name}-port", str(probe.getsockname()[1])]
    for probe in probes:
        probe.close()
    return arguments


def test_it_stops_cleanly_and_starts_again_on_the_same_ports(tmp_path: Path, ports: list[str]) -> None:
    """An upgrade is a stop and a start; connections of before must not hold the ports."""
    argv = [str(DANCU), "up", "--workers", "1", "--data-dir", str(tmp_path / "data"), *ports]
    number = ""
    for run in ("first", "second"):
        up = Supervised(argv, folder=tmp_path / run, cwd=tmp_path)
        try:
            up.wait_until_ready()
            number = re.findall(r"lookup (\d{12})", up.out)[0]
            dancu("lookup", number, "--data-dir", str(tmp_path / "data"), cwd=tmp_path)
            children = list(children_of(up.pid))
            up.send(signal.SIGTERM)
            assert up.end() == 0, up.err
            assert not any(map(is_running, children))
            assert "killed" not in up.err
        finally:
            up.close()
    assert number not in "".join(path.read_text(errors="replace") for path in (tmp_path / "data" / "logs").iterdir())
