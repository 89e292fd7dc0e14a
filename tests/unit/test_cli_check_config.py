"""`dancu check-config`: mistakes, the settings in force, and no secrets."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from dancu.cli import main
from dancu.cli.configuration import masked, toml
from gateway.settings import Settings


@pytest.fixture(autouse=True)
def _no_settings_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DANCU_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_right_settings_are_ok(capsys: pytest.CaptureFixture[str]) -> None:
    """The word deployment scripts wait for."""
    Path("a.toml").write_text("[workers]\ncount = 4\n")
    assert main(["check-config", "a.toml"]) == 0
    assert capsys.readouterr() == ("ok\n", "")


def test_every_mistake_of_file_and_environment_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One at a time would be one deployment at a time."""
    Path("a.toml").write_text("[workers]\ncount = 0\n[nothing]\nx = 1\n")
    monkeypatch.setenv("DANCU_GRPC__PORT", "99999")
    monkeypatch.setenv("DANCU_NOTHING_ELSE", "1")
    assert main(["check-config", "a.toml"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    for name in ("workers.count", "nothing", "grpc.port", "DANCU_NOTHING_ELSE"):
        assert any(line.startswith(f"dancu: {name}: ") for line in told.err.splitlines())


def test_a_registry_nobody_knows_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelled registry would be served by nobody, or by the wrong system."""
    Path("a.toml").write_text('[registries.each.civil_statuz]\nurl = "http://127.0.0.1:1"\n')
    assert main(["check-config", "a.toml"]) == 1
    assert "registries.each: " in capsys.readouterr().err
    Path("a.toml").write_text('[registries.each.civil_status]\nurl = "http://127.0.0.1:1"\n')
    assert main(["check-config", "a.toml"]) == 0


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "cannot be read"), (b"[workers\n", "not valid TOML"), (b"\xff", "not valid TOML")]
)
def test_a_file_that_cannot_be_read_is_one_line(
    content: bytes | None, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback is no message to an operator."""
    if content is not None:
        Path("a.toml").write_bytes(content)
    assert main(["check-config", "a.toml"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dancu: a.toml: ")
    assert complaint in line


def test_what_is_shown_is_a_settings_file_that_says_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is in force can be written down and kept."""
    monkeypatch.setenv("DANCU_WORKERS__COUNT", "4")
    monkeypatch.setenv("DANCU_NATIONAL_DB__TOKEN_FILE", 'a "b" \\ c\x7f đ')
    assert main(["check-config", "--show"]) == 0
    shown = capsys.readouterr()
    assert shown.err == "ok\n"
    told = Settings()
    monkeypatch.delenv("DANCU_WORKERS__COUNT")
    monkeypatch.delenv("DANCU_NATIONAL_DB__TOKEN_FILE")
    assert Settings(**tomllib.loads(shown.out)) == told


def test_json_is_one_object_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts parse it."""
    assert main(["check-config", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["grpc"]["port"] == 50051
    assert shown.err == ""


@pytest.mark.parametrize("flag", ["--show", "--json"])
def test_passwords_are_never_shown(
    flag: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output is pasted into tickets."""
    monkeypatch.setenv("DANCU_REDIS__URL", "rediss://:hunter2@cache:6379/0")
    monkeypatch.setenv("DANCU_DATABASE__URL", "postgresql+asyncpg://dancu:hunter2@sql/dancu?ssl=1&password=hunter2")
    assert main(["check-config", flag]) == 0
    shown = capsys.readouterr().out
    assert "hunter2" not in shown
    assert "cache:6379" in shown
    assert "dancu:****@sql/dancu?ssl=1&password=****" in shown


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("redis://user:p@ss:w/ord@cache:1/0", "redis://user:****@cache:1/0"),
        ("redis://user@cache:1/0", "redis://user@cache:1/0"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock"),
        ("http://127.0.0.1:8090", "http://127.0.0.1:8090"),
        ("redis://cache?password=a&db=1", "redis://cache?password=****&db=1"),
    ],
)
def test_an_address_keeps_all_but_its_password(address: str, expected: str) -> None:
    """Masked too much, it says nothing; too little, everything."""
    assert masked({"redis": {"url": address}}) == {"redis": {"url": expected}}


def test_toml_of_nested_tables_reads_back() -> None:
    """Each value in its own table."""
    table = {"a": 1, "b": {"c": "x", "d": {"e": True}, "f": None}, "g": ["h"]}
    assert tomllib.loads(toml(table)) == {"a": 1, "b": {"c": "x", "d": {"e": True}}, "g": ["h"]}
