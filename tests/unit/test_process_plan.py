"""The table of children, and that each of them sees the settings the supervisor resolved."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.processes import plan
from adapters.processes.addresses import listening, reachable
from adapters.processes.children import ChildSpec
from adapters.processes.workspace import Workspace
from gateway.settings import Settings, load_settings

PORTS = {"grpc": 1001, "admin": 1002, "http": 1003, "mock": 1004}


def settings(**told: Any) -> Settings:
    return Settings(**told)


def resolved(written: Settings, tmp_path: Path) -> Settings:
    token = tmp_path / "token" if plan.runs_mock(written) else None
    return plan.resolved(written, workspace=workspace(tmp_path), ports=PORTS, mock_token_file=token)


def workspace(tmp_path: Path) -> Workspace:
    return Workspace(data_dir=tmp_path, sockets=tmp_path / "run", held=ExitStack())


def table(written: Settings, tmp_path: Path) -> dict[str, ChildSpec]:
    binary = Path("/bin/true") if plan.runs_valkey(written) else None
    children = plan.children_of(
        written, resolved=resolved(written, tmp_path), workspace=workspace(tmp_path), valkey_binary=binary
    )
    return {child.name: child for child in children}


def test_a_child_reads_back_exactly_the_resolved_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting lost on the way would make workers and supervisor disagree in silence."""
    written = settings(
        data_dir=tmp_path,
        node="node-7",
        grpc={"host": "::", "drain_seconds": 2.5},
        workers={"count": 3, "uvloop": False},
        cache={"negative_ttl_seconds": 0},
        audit={"witness_dir": str(tmp_path / "witness")},
        log={"level": "debug"},
        registries={"each": {"civil_status": {"url": "http://civil.example", "token_file": str(tmp_path / "civil")}}},
    )
    told = resolved(written, tmp_path)
    (tmp_path / "dancu.toml").write_text("this is [ no TOML: a file edited meanwhile must not reach a child")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DANCU_")]:
        monkeypatch.delenv(name)
    for name, value in plan.environment_of(told).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == told


def test_the_embedded_shape_is_resolved_to_real_addresses(tmp_path: Path) -> None:
    """Children connect to what is written there; an empty address would send them nowhere."""
    told = resolved(settings(data_dir=tmp_path), tmp_path)
    assert told.redis.url == f"unix://{tmp_path}/run/valkey.sock"
    assert told.national_db.url == "http://127.0.0.1:1004"
    assert told.national_db.token_file == tmp_path / "token"
    assert (told.registries.url, told.registries.token_file) == (told.national_db.url, tmp_path / "token")
    assert (told.grpc.port, told.admin.port, told.http.port, told.mock.port) == (1001, 1002, 1003, 1004)
    assert told.numbers.allow_test
    assert told.grpc.reflection


@pytest.mark.parametrize(
    "national", [{"national_db": {"url": "http://db.example"}}, {"mock": {"enabled": False}}], ids=["named", "off"]
)
def test_without_the_mock_test_numbers_and_reflection_stay_off(tmp_path: Path, national: dict[str, Any]) -> None:
    """What is convenient with invented people would be a hole in front of real ones."""
    written = settings(data_dir=tmp_path, **national)
    told = resolved(written, tmp_path)
    assert not told.numbers.allow_test
    assert not told.grpc.reflection
    assert told.national_db == written.national_db
    assert told.registries == written.registries
    assert plan.MOCK not in table(written, tmp_path)
    assert [wanted.setting for wanted in plan.ports_of(written)] == ["grpc", "admin", "http"]


def test_a_named_redis_needs_no_valkey(tmp_path: Path) -> None:
    """One server that is named must not become two that disagree."""
    children = table(settings(data_dir=tmp_path, redis={"url": "redis://cache.example"}), tmp_path)
    assert plan.VALKEY not in children
    assert children["worker-0"].after == {plan.INSTALLATION}
    assert children["worker-0"].environment["DANCU_REDIS__URL"] == "redis://cache.example"


def test_workers_wait_for_secrets_and_valkey_and_drain_before_they_are_killed(tmp_path: Path) -> None:
    """A worker that starts without its secrets ends at once; one that is killed while it drains cuts calls."""
    children = table(settings(data_dir=tmp_path, workers={"count": 2}, grpc={"drain_seconds": 7}), tmp_path)
    assert set(children) == {"worker-0", "worker-1", "control", "mock", "valkey"}
    worker = children["worker-1"]
    assert worker.after == {plan.INSTALLATION, plan.VALKEY}
    assert worker.grace_seconds > 7
    assert worker.argv[-3:] == ("adapters.processes.worker", "--slot", "1")
    assert worker.stop_stage < children["control"].stop_stage < children["mock"].stop_stage
    assert children["valkey"].death_signal is signal.SIGKILL
    assert worker.death_signal is signal.SIGTERM


def test_only_a_dead_process_loses_its_gauges(tmp_path: Path) -> None:
    """A neighbour's calls under way are still under way; counters of the dead one go on."""
    worker = table(settings(data_dir=tmp_path), tmp_path)["worker-1"]
    metrics = tmp_path / "run" / "metrics"
    metrics.mkdir(parents=True)
    kept = ["gauge_livesum_worker-11.db", "gauge_livesum_worker-0.db", "counter_worker-1.db"]
    for name in (*kept, "gauge_livesum_worker-1.db", "gauge_livemax_worker-1.db"):
        (metrics / name).write_bytes(b"")
    worker.on_exit()
    assert sorted(path.name for path in metrics.iterdir()) == sorted(kept)


@pytest.mark.parametrize(
    ("host", "reached", "listened"),
    [
        ("127.0.0.1", "127.0.0.1:1", "127.0.0.1:1"),
        ("0.0.0.0", "127.0.0.1:1", "0.0.0.0:1"),  # noqa: S104
        ("::", "[::1]:1", "[::]:1"),
        ("::1", "[::1]:1", "[::1]:1"),
        ("gateway.example", "gateway.example:1", "gateway.example:1"),
    ],
)
def test_addresses_are_written_as_grpc_and_urls_want_them(host: str, reached: str, listened: str) -> None:
    """A wildcard is no address to connect to, and a bare IPv6 address eats its port."""
    assert reachable(host, 1) == reached
    assert listening(host, 1) == listened
