"""The command line before any command runs: help, mistakes in arguments, what is loaded."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from dancu.cli import main

COMMANDS = (
    "up",
    "lookup",
    "registry",
    "sample",
    "check-config",
    "worker",
    "control",
    "mock",
    "audit",
    "report",
    "account",
    "cache",
)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The first thing a newcomer reads."""
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"  {command} " in told for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The second thing."""
    assert main([command, "--help"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"Usage: dancu {command}")
    assert told.err == ""


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """The first question of every bug report."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"dancu {version('dancu')}\n"


def test_no_command_is_a_usage_error_that_shows_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """A script that lost its arguments must not seem to have worked."""
    assert main([]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "check-config" in told.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["098190000017"],
        ["lookup", "098190000017", "098190000017"],
        ["lookup", "0981", "9000", "0017"],
        ["lookup", "--timeout", "098190000017", "x"],
        ["lookup", "--098190000017", "x"],
        ["lookup", "098190000017", "--birth-date", "098190000017", "--target", "127.0.0.1:1"],
        ["up", "098190000017"],
        ["registry", "098190000017", "x"],
        ["registry", "civil-status", "098190000017", "098190000017"],
        ["worker", "--slot", "098190000017"],
    ],
)
def test_a_usage_error_exits_with_2_and_never_repeats_a_number(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard error ends in logs, and a number typed in the wrong place is still a citizen's."""
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("dancu: ")
    assert "--help" in told.err
    for part in ("0981", "9000", "0017", "98190000017"):
        assert part not in told.err


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], {"grpc", "google.protobuf", "pydantic", "aiohttp", "sqlalchemy", "rich.table", "rich.console"}),
        (["check-config"], {"grpc", "aiohttp", "sqlalchemy", "rich.table", "rich.console"}),
    ],
)
def test_a_command_loads_only_what_it_needs(arguments: list[str], unwanted: set[str]) -> None:
    """Start-up is part of every command; gRPC alone costs a fifth of a second."""
    program = (
        "import sys\n"
        "from dancu.cli import main\n"
        f"assert main({arguments!r}) == 0\n"
        f"print(sorted(set(sys.modules) & {unwanted!r}), file=sys.stderr)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stderr == "[]\n"


def test_the_module_runs_as_the_command_does() -> None:
    """`python -m dancu` works where the script is not on the path."""
    run = subprocess.run(
        [sys.executable, "-m", "dancu", "nothing"], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_line_and_a_failure(unbuffered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that saves a list must learn that it is not saved."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with Path("/dev/full").open("wb") as full:
        run = subprocess.run(
            [sys.executable, "-m", "dancu", "check-config"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert run.returncode == 1
    assert run.stderr == "dancu: No space left on device\n"


def test_closed_streams_are_no_defect() -> None:
    """Some service managers start their children without any."""
    command = f'exec "{sys.executable}" -m dancu check-config >&- 2>&-'
    assert subprocess.run(["sh", "-c", command], timeout=60, check=False).returncode == 0
