"""The commands against a whole installation of `dancu up`, as a newcomer would use them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

POPULATION = "5000"
DANCU = (sys.executable, "-m", "dancu")


@pytest.fixture
def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("DANCU_")}


@pytest.fixture
def installation(tmp_path: Path, environment: dict[str, str]) -> Iterator[Path]:
    ports = [text for name in ("grpc", "admin", "http", "mock") for text in (f"--{name}-port", "0")]
    command = [*DANCU, "up", "--data-dir", "data", "--workers", "1", "--population", POPULATION, *ports]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = iter(process.stdout.readline, "")
            assert any(line == "ready\n" for line in lines)
            yield tmp_path
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            assert process.wait(60) == 0


def test_a_sampled_person_is_looked_up_with_the_same_record(installation: Path, environment: dict[str, str]) -> None:
    """The two commands a newcomer tries first must agree, without a flag that says where the gateway is."""

    def dancu(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*DANCU, *arguments],
            cwd=installation,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    people = [
        json.loads(line)
        for line in dancu("sample", "-n", "3", "--json", "--population", POPULATION).stdout.splitlines()
    ]
    assert len(people) == 3
    for person in people:
        found = dancu("lookup", person["personal_number"], "--json")
        assert found.stderr == ""
        answer = json.loads(found.stdout)
        assert answer["citizen"] == person
        assert answer["provenance"]["source"] == "national_db"
        assert answer["request_id"]
        assert answer["receipt"].count(":") == 2
    again = dancu("lookup", people[0]["personal_number"], "--field", "full_name", "--lang", "vi")
    assert (again.returncode, again.stderr) == (0, "")
    assert people[0]["full_name"] in again.stdout
    refused = dancu("lookup", "12")
    assert refused.returncode == 1
    assert "INVALID_REQUEST" in refused.stderr
