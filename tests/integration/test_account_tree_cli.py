"""Organisations and officers from the command line, through a whole `dancu up`."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.conftest import GatewayUp
from tests.integration.test_account_live import create, dancu


def told(gateway: GatewayUp, *arguments: str) -> Any:
    done = dancu(gateway, "account", *arguments, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_organisation_is_made_changed_suspended_and_resumed(gateway_up: GatewayUp) -> None:
    """A ministry joins without anybody writing a tree file or a program."""
    code = "CLI-1"
    made = told(
        gateway_up, "organisation", "create", code, "--name", "Bộ Thử nghiệm", "--kind", "ministry", "--rate", "9",
        *("--burst", "20", "--in-flight", "4", "--misses-per-hour", "70"),
    )[0]["organisation"]  # fmt: skip
    assert (made["kind"], made["status"]) == ("ministry", "active")
    assert made["limits"] == {"rate": 9, "burst": 20, "in_flight": 4, "misses_per_hour": 70}
    changed = told(
        gateway_up, "organisation", "update", code, "--daily", "100", "--misses-unlimited", "--kind", "other",
        *("--clear", "burst,in-flight,misses-per-hour"),
    )[0]["organisation"]  # fmt: skip
    assert (changed["name"], changed["kind"]) == ("Bộ Thử nghiệm", "other")
    assert changed["limits"] == {"rate": 9, "daily": 100, "misses_unlimited": True}
    assert told(gateway_up, "organisation", "suspend", code)[0]["organisation"]["status"] == "suspended"
    assert {one["code"]: one["status"] for one in told(gateway_up, "organisation", "list")}[code] == "suspended"
    assert told(gateway_up, "organisation", "resume", code)[0]["organisation"] == changed
    shown = dancu(gateway_up, "account", "organisation", "list").stdout
    assert any(
        line.split()[0] == code and line.endswith("rate 9, daily 100, misses_unlimited") for line in shown.splitlines()
    )
    again = dancu(gateway_up, "account", "organisation", "create", code, "--name", "x", "--lang", "vi")
    assert again.returncode == 1
    assert "RESOURCE_EXISTS" in again.stderr


def test_an_officer_is_registered_changed_suspended_and_resumed(gateway_up: GatewayUp) -> None:
    """Who leaves the counter at noon asks nothing in the afternoon."""
    name, _ = create(gateway_up)
    officer = ("officer", "add", name, "cb-17", "--label", "Quầy 3", "--until", "2099-01-01", "--daily", "400")
    made = told(gateway_up, *officer)[0]["officer"]
    assert (made["account"], made["label"], made["limits"]) == (name, "Quầy 3", {"daily": 400})
    assert made["not_after"].startswith("2099-01-01T00:00:00")
    update = ("officer", "update", name, "cb-17", "--rate", "2", "--clear", "until,daily")
    changed = told(gateway_up, *update)[0]["officer"]
    assert (changed["label"], changed["limits"]) == ("Quầy 3", {"rate": 2})
    assert "not_after" not in changed
    assert told(gateway_up, "officer", "suspend", name, "cb-17")[0]["officer"]["status"] == "suspended"
    explain = ("account", "explain", name, "citizen.lookup", "--procedure", "1.1", "--officer", "cb-17")
    assert "OFFICER_UNKNOWN" in dancu(gateway_up, *explain).stdout
    assert told(gateway_up, "officer", "resume", name, "cb-17")[0]["officer"] == changed
    assert dancu(gateway_up, *explain).returncode == 0
    assert told(gateway_up, "officer", "list", "--account", name) == [changed]
    assert "rate 2" in dancu(gateway_up, "account", "officer", "list", "--account", name).stdout
