"""`dancu sample`: who is printed, from which mock, and in which form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.national_db_wire import citizen_from_wire
from dancu.cli import main
from dancu.client import message_to_json
from gateway.settings import MockSettings
from mock_national_db import NumberingScheme, wire
from mock_national_db import sample as people


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command changes the environment, which is its own in a process of its own."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("DANCU_"):
            del os.environ[name]
    monkeypatch.chdir(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(before)


def sampled(capsys: pytest.CaptureFixture[str], *flags: str) -> list[dict[str, object]]:
    assert main(["sample", "--json", *flags]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    return [json.loads(line) for line in told.out.splitlines()]


def expected(count: int, *, population: int, seed: int | None = None, scheme: str = "test") -> list[dict[str, object]]:
    seed = MockSettings().seed if seed is None else seed
    chosen = people(count, population=population, seed=seed, numbering=NumberingScheme(scheme))
    return [dict(message_to_json(citizen_from_wire(wire.citizen(person)))) for person in chosen]


def test_people_are_printed_as_a_lookup_would_answer_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Checks compare the two object by object."""
    assert sampled(capsys, "-n", "3", "--population", "1000") == expected(3, population=1000)


def test_the_settings_in_force_say_which_mock_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    """People of another mock would not be found."""
    Path("dancu.toml").write_text("[mock]\npopulation = 500\nseed = 7\n")
    assert sampled(capsys, "-n", "2") == expected(2, population=500, seed=7)
    assert sampled(capsys, "-n", "2", "--seed", "8") == expected(2, population=500, seed=8)


def test_an_installation_may_say_which_people_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """`dancu up --population 400` is a flag of a process that may be long gone."""
    Path("here").mkdir()
    Path("here/demo.env").write_text("DANCU_TARGET=127.0.0.1:1\nDANCU_MOCK__POPULATION=400\n")
    assert sampled(capsys, "-n", "2", "--data-dir", "here") == expected(2, population=400)


def test_numbers_are_realistic_only_where_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """They may be living people's."""
    plain = sampled(capsys, "-n", "20", "--population", "1000")
    assert {str(one["personal_number"])[:3] for one in plain} <= {"097", "098", "099"}
    asked = sampled(capsys, "-n", "2", "--population", "1000", "--numbering", "realistic")
    assert asked == expected(2, population=1000, scheme="realistic")


def test_nobody_is_invented_to_fill_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    """A village of five has five people."""
    assert len(sampled(capsys, "--population", "5")) == 5


def test_a_table_is_one_aligned_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrapped lines cannot be read by column."""
    assert main(["sample", "-n", "4", "--population", "1000"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 4
    columns = [heading.index(name) for name in ("PERSONAL NUMBER", "FULL NAME", "BORN", "SEX", "LIFE")]
    for row, person in zip(rows, expected(4, population=1000), strict=True):
        cells = [row[start:end].strip() for start, end in zip(columns, [*columns[1:], None], strict=True)]
        names = ("personal_number", "full_name", "birth_date", "sex")
        assert cells[:4] == [person[name] for name in names]


def test_a_wrong_setting_is_told_and_prints_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """Half a list would look whole."""
    assert main(["sample", "--population", "300000000"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("dancu: mock.population: ")


def test_a_directory_without_an_installation_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """People of the default mock would be the wrong ones."""
    assert main(["sample", "--data-dir", "nowhere"]) == 1
    assert "nowhere/demo.env" in capsys.readouterr().err


def test_a_reader_that_left_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """`dancu sample … | head` is everyday work."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "")
    command = [sys.executable, "-m", "dancu", "sample", "-n", "2000", "--json", "--population", "10000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"personal_number"')
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1
