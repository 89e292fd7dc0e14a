"""Certificates and tokens on a whole `dancu up` with two workers: TLS on every port, and how soon a removal counts."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.clock import SystemClock
from adapters.installation import prepare
from adapters.sql.account_store import SqlAccountStore
from adapters.sql.engine import open_engine
from dancu.client import AsyncClient, Refused
from gateway.accounts.entries import BindingEntry
from gateway.accounts.model import AccountStatus, BindingKind
from gateway.model import Secret
from gateway.settings import Settings
from mock_national_db import sample
from tests.fakes import issuer
from tests.fakes.certificates import Authority, Identity
from tests.fakes.supervised import Supervised, children_of
from tests.integration.conftest import DANCU, POPULATION, announced, free_ports, read_env

URI = "spiffe://example.vn/mot-cua"
ADMIN_URI = "spiffe://example.vn/van-hanh"
BOUND_SECONDS = 2.0
ISSUER_KEY = issuer.ec("first")


@dataclass(frozen=True)
class Installation:
    """A running `dancu up` with TLS, mutual TLS and an issuer."""

    process: Supervised
    folder: Path
    authority: Authority
    admin: Identity
    caller: Identity
    demo: dict[str, str]

    @property
    def mutual(self) -> str:
        return announced(self.process, "gateway (mutual TLS)")

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command by an administrator who has a certificate and no key."""
        known = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "DANCU_ADMIN_TARGET": self.demo["DANCU_ADMIN_TARGET"],
            "DANCU_ADMIN_TLS_CA": str(self.authority.certificate),
            "DANCU_ADMIN_TLS_CERT": str(self.admin.certificate),
            "DANCU_ADMIN_TLS_KEY": str(self.admin.key),
        }
        command = [str(DANCU), *arguments]
        return subprocess.run(
            command, env=known | environment, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )

    def told(self, *arguments: str) -> Any:
        ran = self.run(*arguments, "--json")
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)


def _first_administrator(data_dir: Path) -> None:
    """Before the admin port asks for certificates one of them must be bound (docs/ways-in.md)."""
    data_dir.mkdir()
    settings = Settings(data_dir=data_dir)
    prepare(settings, grpc_target="", admin_target="")

    async def bind() -> None:
        engine = open_engine("", data_dir=data_dir)
        store = SqlAccountStore(engine, seal=Secret(b"s" * 32), clock=SystemClock())
        async with store.change() as change:
            await change.put(
                BindingEntry(BindingKind.URI, ADMIN_URI, "BCA/van-hanh", "", AccountStatus.ACTIVE, int(time.time()))
            )
            await change.moved()
        await engine.dispose()

    asyncio.run(bind())


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("ways-in")
    authority = Authority(folder, "authority")
    server, admin = authority.issue("gateway"), authority.issue("admin", uris=[ADMIN_URI])
    jwks = folder / "jwks.json"
    jwks.write_bytes(issuer.jwks(ISSUER_KEY))
    pair = f'tls_cert_file = "{server.certificate}"\ntls_key_file = "{server.key}"\n'
    (folder / "dancu.toml").write_text(
        f'[mock]\npopulation = {POPULATION}\n[grpc]\n{pair}[admin]\n{pair}client_ca_file = "{authority.certificate}"\n'
        f'[mtls]\nport = 0\ncert_file = "{server.certificate}"\nkey_file = "{server.key}"\n'
        f'client_ca_file = "{authority.certificate}"\n'
        f'[login]\nfailures = 500\n[oauth]\nissuer = "https://id.example.vn"\naudience = "dancu"\njwks_file = "{jwks}"\nrefetch_seconds = 0.1\n'
    )
    _first_administrator(folder / "data")
    process = Supervised([str(DANCU), "up", "--data-dir", "data", *free_ports()], folder=folder, cwd=folder)
    try:
        process.wait_until_ready()
        demo = read_env(folder / "data" / "demo.env")
        yield Installation(process, folder, authority, admin, authority.issue("caller", uris=[URI]), demo)
    finally:
        process.close()


class Callers:
    """Clients of one connection each, enough of them that every worker has some."""

    def __init__(self, stack: AsyncExitStack, **ways: Any) -> None:
        self._clients = [AsyncClient(timeout_seconds=10, environment={}, **ways) for _ in range(12)]
        for client in self._clients:
            stack.push_async_callback(client.close)

    async def reasons(self) -> set[str]:
        """Why they are refused; an empty text for those who are not."""
        return set(await asyncio.gather(*map(_reason, self._clients)))

    async def until(self, wanted: set[str]) -> None:
        """Call in a loop until all see the same, which must be so within the bound."""
        started = time.monotonic()
        while True:
            asked = time.monotonic()
            seen = await self.reasons()
            if seen == wanted:
                return
            assert asked - started < BOUND_SECONDS, seen
            await asyncio.sleep(0.02)


async def _reason(client: AsyncClient) -> str:
    (person,) = sample(1, population=POPULATION)
    try:
        await client.lookup_citizen(personal_number=person.personal_number, procedure="1.1")
    except Refused as refused:
        return refused.reason
    return ""


def _account(up: Installation, name: str) -> str:
    return str(up.told("account", "create", "--organisation", "01", "--name", name)["account"]["name"])


async def test_a_removed_certificate_is_refused_on_every_worker_within_two_seconds(up: Installation) -> None:
    """P5, on connections that are open and busy: bound, removed and bound anew."""
    assert sum("adapters.processes.worker" in command for command in children_of(up.process.pid).values()) == 2
    name = _account(up, "by-certificate")
    ways = {"tls_ca": up.authority.certificate, "tls_cert": up.caller.certificate, "tls_key": up.caller.key}
    async with AsyncExitStack() as stack:
        callers = Callers(stack, target=up.mutual, **ways)
        assert await callers.reasons() == {"CERTIFICATE_UNKNOWN"}
        up.told("account", "certificate", "add", name, "--file", str(up.caller.certificate))
        await callers.until({""})
        up.told("account", "certificate", "remove", "--fingerprint", up.caller.fingerprint.upper())
        await callers.until({"CERTIFICATE_UNKNOWN"})
        up.told("account", "certificate", "add", name, "--uri", URI, "--until", "2100-01-01")
        await callers.until({""})
        (listed,) = [
            json.loads(line)
            for line in up.run("account", "certificate", "list", "--account", name, "--json").stdout.splitlines()
        ]
        assert listed["name"] == f"uri:{URI}"
        up.told("account", "certificate", "remove", "--uri", URI)
        await callers.until({"CERTIFICATE_UNKNOWN"})


async def test_a_token_opens_its_account_until_its_binding_is_removed(up: Installation) -> None:
    """A token cannot be called back from the issuer; here it can, on every worker and whatever is cached."""
    name = _account(up, "by-token")
    now = int(time.time())
    claims = {"iss": "https://id.example.vn", "aud": "dancu", "client_id": "portal", "exp": now + 600, "iat": now}
    fresh = issuer.ec("second")

    def token(**changes: Any) -> str:
        return issuer.sign(ISSUER_KEY, "ES256", claims | {"scope": "dancu.citizen.*"} | changes)

    async with AsyncExitStack() as stack:
        public = {"target": up.demo["DANCU_TARGET"], "tls_ca": up.authority.certificate}
        callers = Callers(stack, **public, token=token())
        assert await callers.reasons() == {"TOKEN_UNKNOWN"}
        up.told("account", "token", "add", name, "--client-id", "portal")
        await callers.until({""})
        wrong = {"aud": "other"}, {"exp": now - 600}, {"scope": "openid"}, {"iss": "https://other.example.vn"}
        seen = [await Callers(stack, **public, token=token(**one)).reasons() for one in wrong]
        assert seen == [{"TOKEN_INVALID"}, {"TOKEN_EXPIRED"}, {"METHOD_NOT_GRANTED"}, {"TOKEN_INVALID"}]
        rotated = Callers(stack, **public, token=issuer.sign(fresh, "ES256", claims | {"scope": "dancu.*"}))
        (up.folder / "jwks.json").write_bytes(issuer.jwks(ISSUER_KEY, fresh))
        await rotated.until({""})
        up.told("account", "token", "remove", "--client-id", "portal")
        await callers.until({"TOKEN_UNKNOWN"})
        await rotated.until({"TOKEN_UNKNOWN"})


def test_the_admin_port_asks_for_a_certificate_and_takes_no_key_instead(up: Installation) -> None:
    """The operators' port is worth more than any account."""
    tls = {"DANCU_ADMIN_TLS_CA": str(up.authority.certificate), "DANCU_ADMIN_KEY": up.demo["DANCU_ADMIN_KEY"]}
    for without in ("DANCU_ADMIN_TLS_CERT", "DANCU_ADMIN_TLS_KEY"):
        tls[without] = ""
    assert "TLS" in up.run("account", "list", **tls).stderr
    stranger = {"DANCU_ADMIN_TLS_CERT": str(up.caller.certificate), "DANCU_ADMIN_TLS_KEY": str(up.caller.key)}
    assert "CERTIFICATE_UNKNOWN" in up.run("account", "list", **stranger).stderr
    assert "01/demo" in up.run("account", "list").stdout


def test_readiness_sees_workers_behind_tls_and_demo_env_says_tls(up: Installation) -> None:
    """TLS must not make a healthy installation look dead to its own control process."""
    url = announced(up.process, "health and metrics")
    told = urllib.request.urlopen(f"{url}/readyz", timeout=10).read()  # noqa: S310  our own
    assert b"serving" in told
    assert (up.demo["DANCU_TLS"], up.demo["DANCU_ADMIN_TLS"]) == ("on", "on")
    found = up.run("lookup", sample_number(), "--data-dir", "data", DANCU_TLS_CA=str(up.authority.certificate))
    assert found.returncode == 0, found.stderr


def sample_number() -> str:
    (person,) = sample(1, population=POPULATION)
    return person.personal_number
