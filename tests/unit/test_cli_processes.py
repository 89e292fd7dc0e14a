"""The commands that start processes: which settings their flags put in force, and whose exit code they give."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dancu.cli import main


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The commands change the environment, which is theirs alone in a process of their own."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("DANCU_"):
            del os.environ[name]
    monkeypatch.chdir(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(before)


def stand_in(monkeypatch: pytest.MonkeyPatch, module: str, function: str, code: int) -> list[Any]:
    """A module in the place of one that would run for hours; gives the list of what it was called with."""
    called: list[Any] = []

    def run(*arguments: Any) -> int:
        called.append(arguments)
        return code

    fake = ModuleType(module)
    setattr(fake, function, run)
    monkeypatch.setitem(sys.modules, module, fake)
    # `from package import module` takes the package's attribute where it has one.
    package, _, name = module.rpartition(".")
    monkeypatch.setattr(sys.modules.get(package) or __import__(package, fromlist=["_"]), name, fake, raising=False)
    return called


def test_the_flags_of_up_become_settings_that_children_inherit(monkeypatch: pytest.MonkeyPatch) -> None:
    """One mechanism: what a child reads from its environment is what the flag said."""
    called = stand_in(monkeypatch, "adapters.processes.supervisor", "up", 0)
    flags = "up --data-dir here --workers 3 --population 1000 --no-mock --grpc-port 1 --admin-port 2 --http-port 3"
    assert main([*flags.split(), "--mock-port", "4"]) == 0
    ((settings,),) = called
    assert settings.data_dir == Path("here")
    assert settings.workers.count == 3
    assert (settings.mock.population, settings.mock.enabled, settings.mock.port) == (1000, False, 4)
    assert (settings.grpc.port, settings.admin.port, settings.http.port) == (1, 2, 3)
    assert {name: value for name, value in os.environ.items() if name.startswith("DANCU_")} == {
        "DANCU_DATA_DIR": "here",
        "DANCU_WORKERS__COUNT": "3",
        "DANCU_MOCK__POPULATION": "1000",
        "DANCU_MOCK__ENABLED": "false",
        "DANCU_GRPC__PORT": "1",
        "DANCU_ADMIN__PORT": "2",
        "DANCU_HTTP__PORT": "3",
        "DANCU_MOCK__PORT": "4",
    }


def test_up_without_flags_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A default written into the environment would win over the file."""
    called = stand_in(monkeypatch, "adapters.processes.supervisor", "up", 0)
    Path("dancu.toml").write_text("[workers]\ncount = 5\n[grpc]\nport = 7\n")
    before = dict(os.environ)
    assert main(["up"]) == 0
    ((settings,),) = called
    assert (settings.workers.count, settings.grpc.port) == (5, 7)
    assert dict(os.environ) == before


def test_a_config_file_is_named_to_the_children_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that read another file than the supervisor would be a second installation."""
    called = stand_in(monkeypatch, "adapters.processes.supervisor", "up", 0)
    Path("other.toml").write_text("[workers]\ncount = 9\n")
    assert main(["up", "--config", "other.toml"]) == 0
    assert called[0][0].workers.count == 9
    assert os.environ["DANCU_CONFIG"] == "other.toml"


@pytest.mark.parametrize("command", [["up"], ["worker", "--slot", "0"], ["control"], ["mock"]])
def test_wrong_settings_start_nothing_and_are_all_told(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One mistake per attempt is how an afternoon goes by."""
    called = [
        stand_in(monkeypatch, f"adapters.processes.{module}", function, 0)
        for module, function in (("supervisor", "up"), ("worker", "main"), ("control", "main"))
    ]
    Path("dancu.toml").write_text("[workers]\ncount = 0\n[grpc]\nprot = 7\n")
    assert main(command) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert any(line.startswith("dancu: workers.count: ") for line in lines)
    assert "dancu: grpc.prot: unknown setting" in lines
    assert called == [[], [], []]


def test_a_worker_is_told_its_slot_and_its_exit_code_is_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Systemd and the supervisor act on the code."""
    called = stand_in(monkeypatch, "adapters.processes.worker", "main", 3)
    assert main(["worker", "--slot", "1"]) == 3
    assert called == [(1,)]


def test_control_runs_and_its_exit_code_is_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for the control process."""
    called = stand_in(monkeypatch, "adapters.processes.control", "main", 4)
    assert main(["control"]) == 4
    assert called == [()]


def test_the_mock_runs_with_the_settings_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """`dancu mock` and the mock of `dancu up` must hold the same people."""
    called = stand_in(monkeypatch, "mock_national_db.__main__", "main", 5)
    os.environ["DANCU_MOCK__SEED"] = "7"
    assert main(["mock", "--data-dir", "here", "--port", "0", "--population", "12"]) == 5
    (((*arguments,),),) = called
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert given == {
        "--host": "127.0.0.1",
        "--port": "0",
        "--population": "12",
        "--seed": "7",
        "--numbering": "test",
        "--data-dir": "here/mock",
        "--token-file": "here/secrets/mock-token",
    }
    token = Path("here/secrets/mock-token")
    assert len(token.read_text().strip()) >= 32
    assert token.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("arguments", [["--workers", "0"], ["--population", "0"], ["--grpc-port", "65536"], ["extra"]])
def test_a_flag_that_cannot_be_is_a_usage_error(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Told in the words of the flag, not of the setting behind it."""
    called = stand_in(monkeypatch, "adapters.processes.supervisor", "up", 0)
    assert main(["up", *arguments]) == 2
    assert called == []
