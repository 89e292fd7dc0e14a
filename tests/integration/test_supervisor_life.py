"""The life of an installation: started, kept running, stopped; with stand-ins for the children that are Python."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.processes.valkey import answers
from tests.fakes.supervised import Supervised, children_of, is_running, wait_for

STANDIN = Path(__file__).parents[1] / "fakes" / "standin_up.py"

Start = Callable[..., Supervised]


WITH_MOCK: dict[str, Any] = {"mock": {"port": 0}, "national_db": {}}


def argv(tmp_path: Path, **settings: Any) -> list[str]:
    """Without the mock unless told otherwise: it is quicker to start."""
    free: dict[str, Any] = {name: {"port": 0} for name in ("grpc", "admin", "http")}
    without_mock = {"mock": {"enabled": False}, "national_db": {"url": "http://127.0.0.1:9"}}
    told = {**free, **without_mock, "data_dir": str(tmp_path / "data"), **settings}
    return [sys.executable, "-P", str(STANDIN), json.dumps(told), str(tmp_path)]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an installation; `standin` says how its children behave."""
    started: list[Supervised] = []

    def begin(*, standin: dict[str, str] | None = None, installer: str = "", **settings: Any) -> Supervised:
        environment = {"STANDIN": json.dumps(standin or {}), "STANDIN_INSTALLER": installer}
        up = Supervised(argv(tmp_path, **settings), folder=tmp_path / "output", environment=environment)
        started.append(up)
        return up

    yield begin
    for up in started:
        up.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    """One installation for the tests that leave it running; its data directory is `data` beside its output."""
    folder = tmp_path_factory.mktemp("running")
    up = Supervised(argv(folder, **WITH_MOCK), folder=folder)
    up.wait_until_ready()
    yield up
    up.close()


def events(tmp_path: Path) -> list[str]:
    """What the stand-ins left, oldest first."""
    path = tmp_path / "events"
    return path.read_text().splitlines() if path.exists() else []


def test_it_announces_every_service_and_then_ready(running: Supervised) -> None:
    """`ready` alone on the last line is what scripts wait for."""
    lines = running.out.splitlines()
    for service in (
        "Valkey",
        "mock national database",
        "gateway (gRPC)",
        "administration (gRPC)",
        "health and metrics",
    ):
        assert sum(line.startswith(service) for line in lines) == 1, service
    assert any("dancu lookup 09" in line for line in lines)
    assert lines[-1] == "ready"
    target = (running.folder / "data" / "demo.env").read_text().splitlines()[0].removeprefix("DANCU_TARGET=")
    assert any(line.startswith("gateway (gRPC)") and target in line for line in lines)


def test_sigterm_stops_workers_first_and_exits_zero(start: Start, tmp_path: Path) -> None:
    """Calls under way still need the cache and the national database while workers drain."""
    up = start(**WITH_MOCK)
    up.wait_until_ready()
    children = list(children_of(up.pid))
    assert len(children) == 5
    up.send(signal.SIGTERM)
    assert up.end() == 0
    stopped = [event.removesuffix(" stopped") for event in events(tmp_path) if event.endswith(" stopped")]
    assert sorted(stopped[:2]) == ["worker-0", "worker-1"]
    assert stopped[2:] == ["control", "mock"]
    assert not any(map(is_running, children))
    assert list((tmp_path / "data" / "run").glob("*.sock")) == []


def test_nothing_outlives_a_supervisor_that_is_killed_and_the_next_one_starts(start: Start, tmp_path: Path) -> None:
    """`kill -9` must not leave a Valkey or a worker that holds ports and journals, nor anything to clean up by hand."""
    up = start()
    up.wait_until_ready()
    children = list(children_of(up.pid))
    assert len(children) == 4
    stale = tmp_path / "data" / "run" / "metrics" / "counter_worker-9.db"
    stale.write_bytes(b"")
    up.send(signal.SIGKILL)
    up.end()
    wait_for(lambda: not any(map(is_running, children)), "the end of all children")
    start().wait_until_ready()
    assert not stale.exists()


def test_children_are_out_of_reach_of_the_terminal(running: Supervised) -> None:
    """Ctrl-C goes to the terminal's whole group; it must reach the supervisor alone, which knows the order."""
    for child in children_of(running.pid):
        assert os.getsid(child) == child


def test_a_log_that_grows_too_long_is_rotated_while_its_child_runs(running: Supervised) -> None:
    """A worker that complains all night must not fill the disk that evidence needs."""
    log = running.folder / "data" / "logs" / "control.log"
    control = running.child(" control ")
    os.truncate(log, 51 * 1_048_576)
    wait_for(lambda: log.stat().st_size == 0, "the rotation")
    assert log.with_name("control.log.1").stat().st_size == 51 * 1_048_576
    assert running.child(" control ") == control


def test_a_killed_worker_is_started_again_and_its_gauges_are_dropped(running: Supervised) -> None:
    """Capacity comes back by itself; calls the dead worker had in flight no longer count."""
    gauges = running.folder / "data" / "run" / "metrics" / "gauge_livesum_worker-0.db"
    others = gauges.with_name("gauge_livesum_worker-1.db")
    counters = gauges.with_name("counter_worker-0.db")
    for path in (gauges, others, counters):
        path.write_bytes(b"")
    first, neighbour = running.child(" worker-0 "), running.child(" worker-1 ")
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: running.has_child(" worker-0 ", other_than=first), "another worker-0")
    assert running.child(" worker-1 ") == neighbour
    assert not gauges.exists()
    assert others.exists()
    assert counters.exists()
    log = running.folder / "data" / "logs" / "worker-0.log"
    assert running.err.splitlines()[-1:] == [f"worker-0 was killed by SIGKILL; starts again in 0.1 s (log: {log})"]


def test_a_killed_valkey_comes_back_on_its_socket(running: Supervised) -> None:
    """Workers reconnect to an address they know; they are told no other."""
    first = running.child("valkey-server")
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: running.has_child("valkey-server", other_than=first), "another Valkey")
    wait_for(lambda: asyncio.run(answers(running.folder / "data" / "run" / "valkey.sock")), "an answer to PING")


def test_a_child_that_keeps_dying_is_started_ever_more_slowly(start: Start) -> None:
    """A crash loop must not eat the processors that the healthy children need."""
    up = start(standin={"worker-1": "hasty"})
    up.wait_until_ready()
    wait_for(lambda: "worker-1 ended with exit status 0; starts again in 0.8 s" in up.err, "the fourth delay")
    delays = [line.partition("again in ")[2].partition(" s")[0] for line in up.err.splitlines()]
    assert delays[:4] == ["0.1", "0.2", "0.4", "0.8"]


def test_a_child_that_dies_before_it_is_ready_stops_everything_and_tells_why(start: Start, tmp_path: Path) -> None:
    """The reason is in a log the newcomer has never heard of; it must be on the screen."""
    up = start(standin={"worker-1": "fails"})
    assert up.end() == 1
    assert (
        f"worker-1 ended with exit status 3 before it was ready; the end of {tmp_path}/data/logs/worker-1.log:"
        in up.err
    )
    assert "  the reason why\n" in up.err
    assert "ready\n" not in up.out
    for name in ("worker-0", "control"):
        assert events(tmp_path).count(f"{name} started") == events(tmp_path).count(f"{name} stopped")


def test_an_installation_that_cannot_be_prepared_is_told_in_one_line(start: Start, tmp_path: Path) -> None:
    """Without secrets and accounts no worker may start."""
    up = start(installer="the ledger is locked\n[SQL: a page of it]")
    assert up.end() == 1
    assert up.err.splitlines()[-1] == "installation could not be prepared: RuntimeError: the ledger is locked"
    assert "Traceback" not in up.err
    assert not any(event.startswith("worker") for event in events(tmp_path))


def test_a_slow_start_says_what_it_waits_for_and_can_be_stopped(start: Start) -> None:
    """Silence looks like a hang; and Ctrl-C must work from the first second."""
    up = start(standin={"worker-0": "hangs"})
    wait_for(lambda: "still waiting for worker-0 (thinking it over)" in up.err, "a word about the slow child")
    up.send(signal.SIGINT)
    assert up.end() == 0
    assert "ready\n" not in up.out


def test_a_second_ctrl_c_cuts_what_does_not_stop(start: Start) -> None:
    """The grace of a worker is long; an operator who asks twice means now."""
    up = start(standin={"worker-0": "stubborn"}, grpc={"port": 0, "drain_seconds": 300})
    up.wait_until_ready()
    up.send(signal.SIGINT)
    wait_for(lambda: "stopping" in up.err, "the first Ctrl-C to be heard")
    time.sleep(0.3)  # a press nearer than that is the same press, told twice by a launcher
    assert up.process.poll() is None
    up.send(signal.SIGINT)
    assert up.end() == 0
    assert "worker-0 did not stop in time and is killed" in up.err


def test_it_runs_without_anybody_reading_its_output(start: Start, tmp_path: Path) -> None:
    """`dancu up | head -1` must neither end the installation nor its exit status."""
    process = subprocess.Popen(
        argv(tmp_path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"Valkey")
        process.stdout.close()
        # Whether it has come to the lines nobody reads: its last start-up step waits for all children.
        wait_for(lambda: sorted(events(tmp_path))[-1:] == ["worker-1 started"], "all children")
        time.sleep(0.3)
        assert process.poll() is None
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_it_runs_with_its_output_closed(tmp_path: Path) -> None:
    """Service managers and `>&-` give it no descriptors at all; the first file opened must not become its output."""
    command = 'exec "$@" >&- 2>&-'
    process = subprocess.Popen(["/bin/sh", "-c", command, "sh", *argv(tmp_path)], stdin=subprocess.DEVNULL)
    try:
        wait_for((tmp_path / "data" / "demo.env").exists, "the installation")
        log = tmp_path / "data" / "logs" / "worker-0.log"
        wait_for(lambda: log.exists() and "worker-0 writes to its log\n" in log.read_text(), "a worker")
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
