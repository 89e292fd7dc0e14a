"""Every command of README is run, as a newcomer would type it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import GatewayUp

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
MADE = [line for block in BLOCKS for line in block.splitlines() if line.startswith("make")]
TYPED = [block for block in BLOCKS if not block.startswith("make")]


def test_the_readme_names_the_two_commands_of_a_newcomer() -> None:
    """Two commands are all a newcomer should need."""
    assert {"make run", "make test"} <= set(MADE)


@pytest.mark.parametrize("command", MADE)
def test_make_targets_of_the_readme_exist(command: str) -> None:
    """`make run` and `make test` are run in full by hand and by CI; here make must know them."""
    dry = subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert dry.returncode == 0, dry.stderr


@pytest.mark.parametrize("commands", TYPED)
def test_commands_of_the_readme_work(gateway_up: GatewayUp, tmp_path: Path, commands: str) -> None:
    """A command that fails in a README costs a newcomer's trust."""
    dancu = Path(sys.executable).with_name("dancu")
    typed = commands.replace(".venv/bin/dancu", str(dancu))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DANCU_")}
    (tmp_path / "data").symlink_to(gateway_up.data_dir)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", typed],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
