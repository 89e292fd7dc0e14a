"""Accounts through a whole `dancu up`: the command line, the admin port, and how soon every worker obeys."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from dancu.account.v1 import account_service_pb2 as pb
from dancu.account.v1.account_pb2 import Account, Limits, Policy
from dancu.client import AsyncClient, Client, Refused
from mock_national_db import sample
from tests.fakes.supervised import children_of
from tests.integration.conftest import DANCU, GatewayUp

SERVICE = "dancu.account.v1.AccountService"
BOUND_SECONDS = 2.0
_names = count(1)


def admin(gateway: GatewayUp, key: str = "DANCU_ADMIN_KEY") -> Client:
    return Client(target=gateway.admin_target, key=gateway.demo[key])


def ask(client: Client, rpc: str, **fields: Any) -> Any:
    request = getattr(pb, f"{rpc}Request")(**fields)
    return client.call(f"{SERVICE}/{rpc}", request, getattr(pb, f"{rpc}Response")).message


def dancu(gateway: GatewayUp, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**gateway.demo, "DANCU_ADMIN_TARGET": gateway.admin_target, "PATH": "/usr/bin:/bin"}
    environment["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    command = [str(DANCU), *arguments]
    return subprocess.run(
        command, env=environment, cwd=gateway.data_dir.parent, capture_output=True, text=True, timeout=60, check=False
    )


def create(gateway: GatewayUp) -> tuple[str, str]:
    """A new account of its own for one test, and its key."""
    made = dancu(gateway, "account", "create", "--organisation", "01", "--name", f"live-{next(_names)}", "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    return told["account"]["name"], told["key"]


class Caller(AsyncClient):
    """One connection, so one worker, that asks for the same citizen again and again."""

    async def reason(self) -> str:
        """Why it is refused; empty where it is not."""
        (person,) = sample(1, population=1_000_000)
        try:
            await self.lookup_citizen(personal_number=person.personal_number, procedure="1.1")
        except Refused as refused:
            return refused.reason
        return ""


@asynccontextmanager
async def on_every_worker(gateway: GatewayUp, key: str) -> AsyncIterator[Callable[[], Any]]:
    """A look at the reasons that callers see, enough of them that every worker has some."""
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(Caller(target=gateway.target, key=key)) for _ in range(12)]

        async def look() -> list[str]:
            return list(await asyncio.gather(*(caller.reason() for caller in callers)))

        # A new account reaches the workers as any change does.
        await until(look, lambda reasons: not any(reasons))
        yield look


async def until(look: Callable[[], Any], done: Callable[[list[str]], bool], *, within: float = BOUND_SECONDS) -> None:
    """Calls in a loop until the outcome is as wished, which must be so within the bound."""
    started = time.monotonic()
    while True:
        asked = time.monotonic()
        reasons = await look()
        if done(reasons):
            return
        assert asked - started < within, reasons
        await asyncio.sleep(0.02)


async def test_a_suspended_account_is_refused_on_every_worker_within_two_seconds(gateway_up: GatewayUp) -> None:
    """P5: revoked means revoked, and resumed means resumed."""
    name, key = create(gateway_up)
    assert sum("adapters.processes.worker" in command for command in children_of(gateway_up.process.pid).values()) == 2
    async with on_every_worker(gateway_up, key) as look:
        with admin(gateway_up) as operator:
            ask(operator, "SuspendAccount", name=name)
            await until(look, lambda reasons: set(reasons) == {"ACCOUNT_SUSPENDED"})
            ask(operator, "ResumeAccount", name=name)
            await until(look, lambda reasons: set(reasons) == {""})


async def test_a_revoked_key_is_refused_on_every_worker_within_two_seconds(gateway_up: GatewayUp) -> None:
    """P5: a leaked key is worth nothing two seconds after it is revoked."""
    name, key = create(gateway_up)
    async with on_every_worker(gateway_up, key) as look:
        assert dancu(gateway_up, "account", "revoke", name).returncode == 0
        await until(look, lambda reasons: set(reasons) == {"KEY_EXPIRED"})


async def test_rotation_lets_both_keys_in_until_the_grace_ends(gateway_up: GatewayUp) -> None:
    """A caller changes its key without a gap."""
    name, old = create(gateway_up)
    rotated = dancu(gateway_up, "account", "rotate", name, "--grace", "4", "--json")
    assert rotated.returncode == 0, rotated.stderr
    new = json.loads(rotated.stdout)["key"]
    async with on_every_worker(gateway_up, new) as with_new, on_every_worker(gateway_up, old) as with_old:
        await until(with_old, lambda reasons: set(reasons) == {"KEY_EXPIRED"}, within=4 + BOUND_SECONDS)
        assert set(await with_new()) == {""}


async def test_a_field_that_is_taken_away_is_refused_soon(gateway_up: GatewayUp) -> None:
    """A right that is withdrawn must not live on in copiers compiled for it."""
    name, key = create(gateway_up)
    async with on_every_worker(gateway_up, key) as look:
        with admin(gateway_up) as operator:
            account = ask(operator, "GetAccount", name=name).account
            account.policy.procedures[:] = ["2.*"]
            ask(operator, "UpdateAccount", account=account)
        await until(look, lambda reasons: set(reasons) == {"PURPOSE_NOT_GRANTED"})


def test_a_lookup_account_cannot_manage_accounts(gateway_up: GatewayUp) -> None:
    """OWASP API5:2023, function level authorisation: `*` on the public port is nothing on the admin port."""
    with admin(gateway_up, "DANCU_API_KEY") as caller, pytest.raises(Refused) as refused:
        ask(caller, "ListAccounts")
    assert refused.value.reason == "METHOD_NOT_GRANTED"


def test_limits_are_stated_changed_and_taken_away_from_the_command_line(gateway_up: GatewayUp, tmp_path: Path) -> None:
    """Every limit of the contract is within reach of who has nothing but the command line."""
    name = f"live-{next(_names)}"
    made = dancu(
        gateway_up, "account", "create", "--organisation", "01", "--name", name, "--json", "--shadow",
        *("--misses-per-hour", "7", "--officer-rate", "2", "--officer-daily", "90", "--officer-misses-per-hour", "3"),
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    account = json.loads(made.stdout)["account"]
    assert account["limits"] == {"misses_per_hour": 7}
    assert account["policy"]["officer_limits"] == {"rate": 2, "daily": 90, "misses_per_hour": 3}
    assert account["policy"]["shadow"] is True

    changed = dancu(
        gateway_up, "account", "update", f"01/{name}", "--json", "--no-shadow", "--rate", "5", "--misses-unlimited",
        *("--clear", "misses-per-hour,officer-daily", "--fields", "full_name,sex"),
    )  # fmt: skip
    assert changed.returncode == 0, changed.stderr
    account = json.loads(changed.stdout)["account"]
    assert account["limits"] == {"rate": 5, "misses_unlimited": True}
    assert account["policy"]["officer_limits"] == {"rate": 2, "misses_per_hour": 3}
    assert account["policy"]["fields"] == ["full_name", "sex"]
    assert account["policy"]["procedures"] == ["*"]
    assert "shadow" not in account["policy"]

    exported = dancu(gateway_up, "account", "export").stdout
    assert "limits = { rate = 5, misses_unlimited = true }" in exported
    file = tmp_path / "accounts.toml"
    file.write_text(exported)
    assert dancu(gateway_up, "account", "apply", str(file)).stdout == "no change\n"

    back = dancu(gateway_up, "account", "update", f"01/{name}", "--json", "--clear", "misses_per_hour")
    assert json.loads(back.stdout)["account"]["limits"] == {"rate": 5}
    told = dancu(gateway_up, "account", "explain", f"01/{name}", "citizen.lookup", "--officer", "x", "--json")
    limits = {one["subject"]: one["rule"] for one in json.loads(told.stdout)["verdicts"]}
    assert limits[f"limit:account:01/{name}"] == "rate 5, misses_per_hour 1000"
    assert limits[f"limit:officer:01/{name}"] == "rate 2, misses_per_hour 3"
    wrong = dancu(gateway_up, "account", "update", f"01/{name}", "--clear", "speed")
    assert wrong.returncode == 2


def test_the_tree_is_exported_applied_and_then_unchanged(gateway_up: GatewayUp, tmp_path: Path) -> None:
    """A tree that lives in git is applied by a machine, again and again."""
    exported = dancu(gateway_up, "account", "export")
    assert exported.returncode == 0, exported.stderr
    assert "dck_" not in exported.stdout
    file = tmp_path / "accounts.toml"
    file.write_text(exported.stdout)
    assert dancu(gateway_up, "account", "apply", str(file)).stdout == "no change\n"

    name = f"live-{next(_names)}"
    file.write_text(exported.stdout + f'\n[organisation.01.account.{name}]\nmethods = ["citizen.lookup"]\n')
    shown = dancu(gateway_up, "account", "apply", str(file), "--dry-run", "--json")
    assert [one["subject"] for one in json.loads(shown.stdout)["changes"]] == [f"account 01/{name}"]
    assert dancu(gateway_up, "account", "apply", str(file), "--yes").returncode == 0
    assert dancu(gateway_up, "account", "apply", str(file), "--yes").stdout == "no change\n"


def test_an_organisation_asks_for_an_account_and_is_shown_its_key_once(gateway_up: GatewayUp) -> None:
    """The localities' wish of the 2023 review, from asking to the first lookup."""
    name = f"live-{next(_names)}"
    asked = dancu(
        gateway_up, "account", "requests", "ask", "--name", name, "--why", "Tiếp nhận hồ sơ", "--json",
        *("--methods", "citizen.lookup", "--fields", "full_name,sex", "--procedures", "1.*"),
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    request = json.loads(asked.stdout)["request"]
    show = ("account", "requests", "show", request["id"], "--json")
    assert "key" not in json.loads(dancu(gateway_up, *show).stdout)
    approved = dancu(gateway_up, "account", "requests", "approve", request["id"], "--reason", "đủ điều kiện", "--json")
    assert json.loads(approved.stdout)["request"]["state"] == "approved"
    first = json.loads(dancu(gateway_up, *show).stdout)
    assert first["key"].startswith("dck_")
    assert "key" not in json.loads(dancu(gateway_up, *show).stdout)


def test_explain_names_the_rule_that_decides(gateway_up: GatewayUp) -> None:
    """An operator must be able to answer "why was I refused?" without reading code."""
    with admin(gateway_up) as operator:
        name = f"01/live-{next(_names)}"
        policy = Policy(methods=["citizen.*"], fields=["*", "!religion_code"], procedures=["1.*", "!1.9*"])
        ask(operator, "CreateAccount", account=Account(name=name, policy=policy, limits=Limits(rate=5)))
    told = dancu(
        gateway_up,
        "account",
        "explain",
        name,
        "citizen.lookup",
        "--field",
        "religion_code",
        "--procedure",
        "1.95",
        "--json",
    )
    assert told.returncode == 1
    rules = {one["subject"]: (one["rule"], one["reason"]) for one in json.loads(told.stdout)["verdicts"]}
    assert rules["method"] == ("citizen.*", "")
    assert rules["procedure"] == ("!1.9*", "PURPOSE_NOT_GRANTED")
    assert rules["field:religion_code"] == ("!religion_code", "FIELD_NOT_GRANTED")
