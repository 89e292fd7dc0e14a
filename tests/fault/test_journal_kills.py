"""Real processes killed under load at random moments."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.fakes.journal_lives import JournalLives

ROUNDS = 10
"""Lives in one directory; the check after each reads all of it."""


def kill_often(folder: Path, *, seed: int) -> None:
    """Start a process with many callers, kill it somewhere, look; again and again in one directory."""
    print(f"seed {seed}")  # noqa: T201  # to run a failure again
    chance = random.Random(seed)
    lives = JournalLives(folder / "journal" / "w0")
    for number in range(ROUNDS):
        with lives.start(callers=chance.choice([1, 2, 20, 60]), goal=0) as process:
            assert process.stdout is not None
            try:
                first = process.stdout.readline()
                assert first.startswith(b"ready"), first
                time.sleep(chance.uniform(0, 0.15))
            finally:
                process.kill()
            rest = process.stdout.read()
        lives.hear(rest)
        assert lives.check() >= len(lives.acknowledged), f"round {number}"
    assert len(lives.acknowledged) > ROUNDS


def test_nothing_acknowledged_is_lost_to_sigkill(tmp_path: Path) -> None:
    """P1: a process that is killed while it answers leaves every answer's record behind."""
    kill_often(tmp_path, seed=random.randrange(1 << 32))


@pytest.mark.hammer
def test_nothing_acknowledged_is_lost_to_two_hundred_sigkills(tmp_path: Path) -> None:
    """The same promise, for as long as it takes to meet the rare moments."""
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        kill_often(folder, seed=random.randrange(1 << 32))
