"""`dancu account organisation` and `dancu account officer`: mistakes in usage are told before anything is asked."""

from __future__ import annotations

import pytest

from dancu.cli import main


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["organisation", "create", "79"], "--name"),
        (["organisation", "create", "79", "--name", "x", "--kind", "planet"], "planet"),
        (["organisation", "create", "79", "--name", "x", "--rate", "0"], "--rate"),
        (["organisation", "update", "79", "--clear", "speed"], "speed is none of"),
        (["organisation", "update", "79", "--clear", "until"], "until is none of"),
        (["officer", "add", "01/a"], "OFFICER"),
        (["officer", "add", "01/a", "cb", "--until", "tomorrow"], "--until"),
        (["officer", "update", "01/a", "cb", "--clear", "officer-rate"], "officer_rate is none of"),
    ],
)
def test_a_mistake_in_usage_is_named(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip must change nothing, least of all half of what was meant."""
    assert main(["account", *arguments]) == 2
    assert told in capsys.readouterr().err
