"""As whom a command asks, and how it reads what is to be bound."""

from __future__ import annotations

from pathlib import Path

import pytest

from dancu.cli import main
from dancu.cli.account_bindings import fingerprint_of
from dancu.cli.gateway import environment
from tests.fakes.certificates import Authority


@pytest.fixture(autouse=True)
def _demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "demo.env").write_text(f"DANCU_API_KEY={name}\nDANCU_ADMIN_KEY={name}-admin\n")


def ways(process: dict[str, str], data_dir: str | None = None) -> dict[str, str]:
    told = environment(None if data_dir is None else Path(data_dir), process)
    return {name.removeprefix("DANCU_"): value for name, value in told.items()}


@pytest.mark.parametrize(
    ("process", "data_dir", "expected"),
    [
        ({}, None, {"API_KEY": "data", "ADMIN_KEY": "data-admin"}),
        ({"DANCU_TOKEN": "t"}, None, {"TOKEN": "t", "ADMIN_KEY": "data-admin"}),
        ({"DANCU_TOKEN": "t"}, "other", {"API_KEY": "other", "ADMIN_KEY": "other-admin"}),
        ({"DANCU_TLS_CERT": "c"}, None, {"TLS_CERT": "c", "ADMIN_KEY": "data-admin"}),
        ({"DANCU_TLS_CERT": "c"}, "other", {"TLS_CERT": "c", "ADMIN_KEY": "other-admin"}),
        ({"DANCU_ADMIN_TLS_CERT": "c"}, "other", {"API_KEY": "other", "ADMIN_TLS_CERT": "c"}),
    ],
)
def test_one_way_of_being_known_is_taken_and_no_other_beside_it(
    process: dict[str, str], data_dir: str | None, expected: dict[str, str]
) -> None:
    """The demo's key beside one's own certificate would be CERTIFICATE_MISMATCH, and a riddle."""
    assert ways(process, data_dir) == expected


def test_a_fingerprint_is_that_of_the_first_certificate(tmp_path: Path) -> None:
    """A file with a chain means its first certificate; the others are of authorities."""
    authority = Authority(tmp_path, "authority")
    caller = authority.issue("caller")
    chain = caller.certificate.read_text() + authority.certificate.read_text()
    assert fingerprint_of(f"Subject: caller\n{chain}") == caller.fingerprint
    with pytest.raises(ValueError, match="no certificate"):
        fingerprint_of(caller.key.read_text())


@pytest.mark.parametrize(
    "arguments",
    [
        ["certificate", "add", "01/a"],
        ["certificate", "add", "01/a", "--uri", "urn:a", "--dns", "a"],
        ["certificate", "remove"],
        ["token", "add", "01/a", "--subject", "s", "--client-id", "c"],
        ["token", "remove"],
    ],
)
def test_exactly_one_thing_is_bound_or_removed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Which of two was meant is not for a program to guess."""
    assert main(["account", *arguments]) == 2
    assert "exactly one of" in capsys.readouterr().err


def test_a_file_that_is_no_certificate_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is asked of the gateway."""
    Path("c.pem").write_text("text")
    for name in ("c.pem", "absent.pem"):
        assert main(["account", "certificate", "add", "01/a", "--file", name]) == 1
        assert name in capsys.readouterr().err


def test_without_a_key_the_command_says_what_an_administrator_can_show(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ways, both named."""
    monkeypatch.setenv("DANCU_DATA_DIR", "nowhere")
    assert main(["account", "token", "list"]) == 1
    told = capsys.readouterr().err
    assert "DANCU_ADMIN_KEY" in told
    assert "DANCU_ADMIN_TLS_CERT" in told
