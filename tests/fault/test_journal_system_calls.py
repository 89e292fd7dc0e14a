"""Real processes whose real system calls fail or are their last, by strace's fault injection."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.journal_lives import JournalLives
from tests.fakes.programs import require_program

TIMEOUT_SECONDS = 60
GOAL = 100


@pytest.fixture
def lives(tmp_path: Path) -> JournalLives:
    return JournalLives(tmp_path / "journal" / "w0")


def strace(lives: JournalLives, injection: str, paths: Sequence[str]) -> list[str]:
    """Strace with one injection, for calls on these files of the journal alone (none: on any file)."""
    program = require_program("strace", "strace")
    call = injection.partition(":")[0]
    only = [part for path in paths for part in ("-P", str(lives.directory / path))]
    # Without --seccomp-bpf, under which strace 6.1 forgets to send any signal but the first call's.
    return [
        program,
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        *only,
        "-e",
        f"trace={call}",
        "-e",
        f"inject={injection}",
    ]


def live(lives: JournalLives, injection: str, paths: Sequence[str], *, goal: int) -> tuple[bool, int]:
    """One life under strace: whether it reached its goal, and its exit code."""
    with lives.start(callers=3, goal=goal, around=strace(lives, injection, paths)) as process:
        try:
            output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        finally:
            process.kill()
    return lives.hear(output), process.returncode


FIRST_SEGMENT = "0000000000-00000000000000000000.segment"
ERRORS = [
    ("openat:error=ENOSPC:when=2+2", ["next.tmp"], True),
    ("pwrite64:error=ENOSPC:when=2+7", [], True),
    ("pwrite64:error=EIO:when=1..3", [], False),  # before the first call: opened, and waited for the disk
    ("fdatasync:error=EIO:when=2+5", [], True),
    ("fsync:error=EIO:when=2+2", [], True),
    ("rename:error=EIO:when=2+2", [], True),
    ("ftruncate:error=EIO:when=1+1", [], False),
    ("close:error=EIO:when=1+1", [".", FIRST_SEGMENT], False),
]


@pytest.mark.parametrize(("injection", "paths", "refuses"), ERRORS, ids=[one[0] for one in ERRORS])
def test_a_failing_call_refuses_and_the_journal_recovers_by_itself(
    lives: JournalLives, injection: str, paths: list[str], *, refuses: bool
) -> None:
    """P1 with the kernel saying no, again and again: no false yes, no restart, no loss."""
    reached, code = live(lives, injection, paths, goal=GOAL)
    assert (reached, code) == (True, 0)
    assert len(lives.acknowledged) >= GOAL
    if refuses:
        assert lives.refusals > 0
    lives.check()


KILLS = [
    ("openat", ["next.tmp"], [1]),
    ("pwrite64", [], [1, 3]),
    ("fdatasync", [], [2]),
    ("fsync", [], [2]),
    ("rename", [], [2]),
    ("close", ["."], [2]),
]


@pytest.mark.parametrize(("call", "paths", "whens"), KILLS, ids=[f"{one[0]}{''.join(one[1])}" for one in KILLS])
def test_a_process_killed_in_a_call_loses_nothing_acknowledged(
    lives: JournalLives, call: str, paths: list[str], whens: list[int]
) -> None:
    """P1 with SIGKILL at every kind of call, one life after the other in one directory."""
    for when in whens:
        reached, code = live(lives, f"{call}:signal=SIGKILL:when={when}", paths, goal=GOAL)
        assert (reached, code) == (False, -signal.SIGKILL)
        lives.check()


def test_a_process_killed_while_it_cuts_a_torn_tail_loses_nothing_acknowledged(lives: JournalLives) -> None:
    """Recovery may be interrupted like anything else."""
    live(lives, "pwrite64:signal=SIGKILL:when=8", [], goal=GOAL)
    last = max(lives.directory.glob("*.segment"))
    with last.open("ab") as file:
        file.write(b"torn")
    reached, code = live(lives, "ftruncate:signal=SIGKILL:when=1", [], goal=GOAL)
    assert (reached, code) == (False, -signal.SIGKILL)
    lives.check()


@pytest.mark.hammer
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync", "fsync", "rename"])
def test_a_process_killed_in_any_call_loses_nothing_acknowledged(lives: JournalLives, call: str) -> None:
    """The same for each of the first forty calls of a kind."""
    for when in range(1, 41):
        live(lives, f"{call}:signal=SIGKILL:when={when}", [], goal=200)
        lives.check()
