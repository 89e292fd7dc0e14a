"""What `dancu up` refuses before it starts anything, and that a refusal leaves no trace."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.processes import supervisor
from gateway.settings import Settings
from tests.fakes.supervised import Supervised

STANDIN = Path(__file__).parents[1] / "fakes" / "standin_up.py"
FREE_PORTS: dict[str, Any] = {name: {"port": 0} for name in ("grpc", "admin", "http", "mock")}


Refusal = Callable[..., list[str]]


@pytest.fixture
def refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refusal:
    """The lines of a start that is refused."""

    def lines(**settings: Any) -> list[str]:
        told = {**FREE_PORTS, "data_dir": str(tmp_path / "data"), **settings}
        assert supervisor.up(Settings(**told), installer=NoInstaller()) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err.splitlines()

    return lines


class NoInstaller:
    """A preflight that fails has nothing to install."""

    def ensure_mock_token(self, settings: Settings) -> Path:  # noqa: ARG002
        raise AssertionError("preflight was passed")

    def prepare(self, settings: Settings, *, grpc_target: str, admin_target: str) -> None:  # noqa: ARG002
        raise AssertionError("preflight was passed")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody else's server; with SO_REUSEPORT, as another gateway's workers have it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken


def test_every_taken_port_is_named_with_its_setting_and_nothing_is_made(
    refusal: Refusal, tmp_path: Path, listener: socket.socket
) -> None:
    """Two gateways on one SO_REUSEPORT port would share its callers without anyone noticing."""
    port = listener.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as second:
        other = second.getsockname()[1]
        lines = refusal(grpc={"port": port}, mock={"port": other})
    assert lines == [
        f"dancu up: port {port} on 127.0.0.1 (grpc.port) is taken by another process",
        f"dancu up: port {other} on 127.0.0.1 (mock.port) is taken by another process",
    ]
    assert not (tmp_path / "data").exists()


def test_one_port_for_two_purposes_is_refused_as_such(refusal: Refusal, tmp_path: Path) -> None:
    """`taken by another process` would send the operator looking for a process that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as free_in_a_moment:
        port = free_in_a_moment.getsockname()[1]
    (line,) = refusal(admin={"port": port}, http={"port": port})
    assert line == f"dancu up: port {port} on 127.0.0.1 (http.port) is also admin.port: each needs its own"


def test_an_address_of_another_machine_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    """A typing mistake in an address is the operator's to see, not a worker's to crash on."""
    (line,) = refusal(grpc={"host": "192.0.2.1", "port": 0})
    assert "192.0.2.1" in line
    assert "not one of this machine" in line


def test_a_data_directory_that_is_a_file_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    """The first thing an operator mistypes."""
    (tmp_path / "data").write_text("a file")
    (line,) = refusal()
    assert line == f"dancu up: data directory {tmp_path / 'data'} (data_dir) is not a directory"
    assert (tmp_path / "data").read_text() == "a file"


def test_a_data_directory_below_a_file_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    """The message must name the part of the path that is wrong."""
    (tmp_path / "data").write_text("a file")
    (line,) = refusal(data_dir=str(tmp_path / "data" / "below"))
    assert f"cannot be made: {tmp_path / 'data'} is not a directory" in line


def test_a_data_directory_that_cannot_be_made_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    """Even root cannot make a directory here, so this also covers containers that run as root."""
    (line,) = refusal(data_dir="/proc/dancu-test")
    assert line.startswith("dancu up: data directory /proc/dancu-test (data_dir) cannot be")


def test_a_directory_it_cannot_lay_out_is_left_as_it_was(refusal: Refusal, tmp_path: Path) -> None:
    """Half an installation in somebody's directory is worse than none."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "logs").write_text("a file where a directory belongs")
    (line,) = refusal()
    assert str(data / "logs") in line
    assert [path.name for path in data.iterdir()] == ["logs"]


def test_without_any_national_database_it_refuses(refusal: Refusal, tmp_path: Path) -> None:
    """A gateway to nothing would start, look healthy, and answer nobody."""
    (line,) = refusal(mock={"enabled": False})
    assert "national_db.url" in line
    assert "mock.enabled" in line
    assert not (tmp_path / "data").exists()


def test_a_second_start_on_one_data_directory_names_the_first(refusal: Refusal, tmp_path: Path) -> None:
    """Two installations over one set of journals would both be right and both be wrong."""
    settings = json.dumps({**FREE_PORTS, "data_dir": str(tmp_path / "data")})
    first = Supervised([sys.executable, "-P", str(STANDIN), settings, str(tmp_path)], folder=tmp_path / "first")
    try:
        first.wait_until_ready()
        (line,) = refusal()
        assert line == f"dancu up: data directory {tmp_path / 'data'} (data_dir) is in use by pid {first.pid}"
        assert first.process.poll() is None
    finally:
        first.close()
