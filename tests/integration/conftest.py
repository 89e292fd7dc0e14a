"""A whole installation on free ports, shared by the tests that need one."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.supervised import Supervised

DANCU = Path(sys.executable).with_name("dancu")
POPULATION = 1_000_000


@dataclass(frozen=True)
class GatewayUp:
    """A running `dancu up`. Tests share it: leave it as it was, and take numbers of your own."""

    target: str
    """`host:port` of the public gRPC port."""
    admin_target: str
    http_url: str
    mock_url: str
    data_dir: Path
    demo: Mapping[str, str]
    """`demo.env`: DANCU_TARGET, DANCU_API_KEY, DANCU_BENCH_KEY, DANCU_ADMIN_KEY and whatever else it holds."""
    process: Supervised


@pytest.fixture(scope="session")
def gateway_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayUp]:
    """`dancu up` with two workers and a mock of a million people, stopped at the end of the session."""
    folder = tmp_path_factory.mktemp("up")
    data_dir = folder / "data"
    process = Supervised(
        [str(DANCU), "up", "--data-dir", str(data_dir), "--population", str(POPULATION), *free_ports()],
        folder=folder,
        cwd=folder,
    )
    try:
        process.wait_until_ready()
        demo = read_env(data_dir / "demo.env")
        yield GatewayUp(
            target=demo["DANCU_TARGET"],
            admin_target=announced(process, "administration (gRPC)"),
            http_url=announced(process, "health and metrics"),
            mock_url=announced(process, "mock national database"),
            data_dir=data_dir,
            demo=demo,
            process=process,
        )
    finally:
        process.close()


def free_ports() -> list[str]:
    """Arguments that let every port be a free one."""
    return [part for name in ("grpc", "admin", "http", "mock") for part in (f"--{name}-port", "0")]


def announced(process: Supervised, service: str) -> str:
    """The address in the line that announces a service."""
    (line,) = [line for line in process.out.splitlines() if line.startswith(service)]
    return line.removeprefix(service).split()[0]


def read_env(path: Path) -> dict[str, str]:
    """A file that a shell would source."""
    pairs = (word.partition("=") for word in shlex.split(path.read_text(), comments=True) if "=" in word)
    return {name: value for name, _, value in pairs}
