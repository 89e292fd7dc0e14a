"""The life of an installation: started, kept running, stopped; with stand-ins for the children that are Python."""

from __future__ import annotations

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

from tests.fakes.supervised import Supervised, children_of, is_running, wait_for

STANDIN = Path(__file__).parents[1] / "fakes" / "standin_up.py"

Start = Callable[..., Supervised]


def argv(tmp_path: Path, **settings: Any) -> list[str]:
    free: dict[str, Any] = {name: {"port": 0} for name in ("grpc", "admin", "http", "mock")}
    told = {**free, "data_dir": str(tmp_path / "data"), **settings}
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


def events(tmp_path: Path) -> list[str]:
    """What the stand-ins left, oldest first."""
    path = tmp_path / "events"
    return path.read_text().splitlines() if path.exists() else []


def test_it_announces_every_service_and_then_ready(start: Start, tmp_path: Path) -> None:
    """`ready` alone on the last line is what scripts wait for."""
    up = start()
    up.wait_until_ready()
    lines = up.out.splitlines()
    for service in ("Valkey", "mock national database", "gateway (gRPC)", "administration (gRPC)", "health and metrics"):
        assert sum(line.startswith(service) for line in lines) == 1, service
    assert any("dancu lookup 09" in line for line in lines)
    assert lines[-1] == "ready"
    target = (tmp_path / "data" / "demo.env").read_text().splitlines()[0].removeprefix("DANCU_TARGET=")
    assert any(line.startswith("gateway (gRPC)") and target in line for line in lines)


def test_sigterm_stops_workers_first_and_exits_zero(start: Start, tmp_path: Path) -> None:
    """Calls under way still need the cache and the national database while workers drain."""
    up = start()
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


def test_nothing_outlives_a_supervisor_that_is_killed(start: Start) -> None:
    """`kill -9` of the supervisor must not leave a Valkey or a worker that holds ports and journals."""
    up = start()
    up.wait_until_ready()
    children = list(children_of(up.pid))
    assert len(children) == 5
    up.send(signal.SIGKILL)
    up.end()
    wait_for(lambda: not any(map(is_running, children)), "the end of all children")


def test_children_are_out_of_reach_of_the_terminal(start: Start) -> None:
    """Ctrl-C goes to the terminal's whole group; it must reach the supervisor alone, which knows the order."""
    up = start()
    up.wait_until_ready()
    for child in children_of(up.pid):
        assert os.getsid(child) == child


def test_a_killed_worker_is_started_again_and_its_gauges_are_dropped(start: Start, tmp_path: Path) -> None:
    """Capacity comes back by itself; calls the dead worker had in flight no longer count."""
    up = start()
    up.wait_until_ready()
    gauges = tmp_path / "data" / "run" / "metrics" / "gauge_livesum_worker-0.db"
    others = gauges.with_name("gauge_livesum_worker-1.db")
    counters = gauges.with_name("counter_worker-0.db")
    for path in (gauges, others, counters):
        path.write_bytes(b"")
    first, neighbour = up.child(" worker-0 "), up.child(" worker-1 ")
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: up.has_child(" worker-0 ", other_than=first), "another worker-0")
    assert up.child(" worker-1 ") == neighbour
    assert not gauges.exists()
    assert others.exists()
    assert counters.exists()
    log = tmp_path / "data" / "logs" / "worker-0.log"
    assert up.err.splitlines() == [f"worker-0 was killed by SIGKILL; starts again in 0.1 s (log: {log})"]


def test_a_killed_valkey_comes_back_on_its_socket(start: Start, tmp_path: Path) -> None:
    """Workers reconnect to an address they know; they are told no other."""
    from adapters.processes.valkey import answers

    up = start()
    up.wait_until_ready()
    first = up.child("valkey-server")
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: up.has_child("valkey-server", other_than=first), "another Valkey")

    import asyncio

    wait_for(lambda: asyncio.run(answers(tmp_path / "data" / "run" / "valkey.sock")), "an answer to PING")


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
    assert f"worker-1 ended with exit status 3 before it was ready; the end of {tmp_path}/data/logs/worker-1.log:" in up.err
    assert "  the reason why\n" in up.err
    assert "ready\n" not in up.out
    for name in ("worker-0", "control", "mock"):
        assert events(tmp_path).count(f"{name} started") == events(tmp_path).count(f"{name} stopped")


def test_an_installation_that_cannot_be_prepared_is_told_in_one_line(start: Start, tmp_path: Path) -> None:
    """Without secrets and accounts no worker may start."""
    up = start(installer="the ledger is locked")
    assert up.end() == 1
    assert "installation could not be prepared: RuntimeError: the ledger is locked" in up.err
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
    process = subprocess.Popen(argv(tmp_path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
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
        wait_for(lambda: len(children_of(process.pid)) == 5, "all children")
        process.terminate()
        assert process.wait(30) == 0
        assert "worker-0 writes to its log\n" in (tmp_path / "data" / "logs" / "worker-0.log").read_text()
    finally:
        process.kill()
        process.wait()


def test_it_starts_where_an_earlier_run_was_killed(start: Start, tmp_path: Path) -> None:
    """After a power cut stale sockets and locks lie about; nobody should have to clean up by hand."""
    first = start()
    first.wait_until_ready()
    first.send(signal.SIGKILL)
    first.end()
    stale = tmp_path / "data" / "run" / "metrics" / "counter_worker-9.db"
    stale.write_bytes(b"")
    wait_for(lambda: not any("stopped" not in event for event in events(tmp_path)[4:]), "the children's end")
    second = start()
    second.wait_until_ready()
    assert not stale.exists()


def test_a_long_path_gets_its_sockets_elsewhere_and_they_are_removed(tmp_path: Path, start: Start) -> None:
    """A unix socket's path ends at 107 bytes; installations under long paths exist."""
    data = tmp_path / ("d" * 60) / ("e" * 60)
    up = start(data_dir=str(data))
    up.wait_until_ready()
    socket_path = next(line for line in up.out.splitlines() if line.startswith("Valkey")).split("unix://")[1].split()[0]
    assert not socket_path.startswith(str(tmp_path))
    assert len(socket_path) <= 107
    assert Path(socket_path).parent.stat().st_mode & 0o777 == 0o700
    up.send(signal.SIGTERM)
    assert up.end() == 0
    assert not Path(socket_path).parent.exists()
