"""The real mock on a real socket of this process, with the adapters of the national database and registries on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import aiohttp
from aiohttp import web

from adapters.clock import SystemClock
from adapters.national_db_http import HttpNationalDatabase
from adapters.registries import reader_of
from adapters.registry_http import HttpRegistry
from gateway.citizens.numbers import personal
from gateway.model import CitizenRecord, Secret
from gateway.registries.kinds import REGISTRIES, RegistryKind
from gateway.registries.model import EnterpriseCode, RegistryRecord
from gateway.upstream.patience import Patience
from gateway.upstream.policy import UpstreamPolicy
from mock_national_db import sample
from mock_national_db.server import create_app
from tests.fakes.upstream import WatchedUpstream

TOKEN = "token-of-the-tests"
POPULATION = 4000
PEOPLE = list(sample(300, population=POPULATION))
ABSENT = "099199000000"


class MockAddress:
    """Where a mock answers, how adapters are to treat it, and the handles of its faults."""

    def __init__(self, url: str, **policy: Any) -> None:
        self.url = url
        self.clock = SystemClock()
        self.policy = UpstreamPolicy(**policy)

    def patience(self, seconds: float) -> Patience:
        return Patience(self.clock.monotonic() + seconds)

    async def faults(self, **faults: object) -> None:
        """Replace the faults of the mock."""
        await self._control("POST", "faults", faults)

    async def citizens_asked(self) -> int:
        """Records the mock put into answers."""
        return sum(endpoint["citizens"] for endpoint in (await self._endpoints()).values())

    async def requests(self, *endpoints: str) -> int:
        """Requests that reached the mock, or these endpoints of it."""
        told = await self._endpoints()
        return sum(told[endpoint]["requests"] for endpoint in endpoints or told)

    async def _endpoints(self) -> dict[str, dict[str, int]]:
        told: dict[str, dict[str, int]] = (await self._control("GET", "stats", None))["endpoints"]
        return told

    async def _control(self, method: str, what: str, body: object) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, f"{self.url}/control/{what}", json=body) as answer,
        ):
            assert answer.status == 200
            return await answer.json()


class MockUpstream(MockAddress):
    """With the adapter of the national database."""

    def __init__(self, url: str, **policy: Any) -> None:
        super().__init__(url, **policy)
        self.watched = WatchedUpstream()
        self.adapter = self.open(TOKEN)

    def open(self, token: str) -> HttpNationalDatabase:
        return HttpNationalDatabase.open(
            base_url=self.url,
            token=Secret(token.encode()),
            policy=self.policy,
            clock=self.clock,
            draw=lambda: 0.5,
            observer=self.watched,
        )

    async def find(self, digits: str, *, seconds: float = 5) -> CitizenRecord:
        return await self.adapter.find(personal(digits), self.patience(seconds))


class MockRegistries(MockAddress):
    """With an adapter on each registry."""

    def __init__(self, url: str, **policy: Any) -> None:
        super().__init__(url, **policy)
        self.watched = {kind.name: WatchedUpstream() for kind in REGISTRIES}
        self.adapters = {kind.name: self.open(kind, TOKEN) for kind in REGISTRIES}

    def open(self, kind: RegistryKind, token: str) -> HttpRegistry:
        return HttpRegistry.open(
            kind=kind,
            reader=reader_of(kind),
            base_url=self.url,
            token=Secret(token.encode()),
            policy=self.policy,
            clock=self.clock,
            draw=lambda: 0.5,
            observer=self.watched[kind.name],
        )

    async def find(self, name: str, digits: str, *, seconds: float = 5) -> RegistryRecord:
        subject = EnterpriseCode(digits) if len(digits) == 10 else personal(digits)
        return await self.adapters[name].find(subject, self.patience(seconds))

    async def close(self) -> None:
        for adapter in self.adapters.values():
            await adapter.close()


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """The application on a free port; yields its address."""
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def mock_upstream(**policy: Any) -> AsyncIterator[MockUpstream]:
    """The mock without faults, and an adapter whose upstream has this policy."""
    async with serving(create_app(token=TOKEN, population=POPULATION)) as url:
        made = MockUpstream(url, **policy)
        try:
            yield made
        finally:
            await made.faults()
            await made.adapter.close()


@asynccontextmanager
async def mock_registries(**policy: Any) -> AsyncIterator[MockRegistries]:
    """The same of the registries."""
    async with serving(create_app(token=TOKEN, population=POPULATION)) as url:
        made = MockRegistries(url, **policy)
        try:
            yield made
        finally:
            await made.faults()
            await made.close()


@cache
def shared_legacy_number() -> str:
    """A legacy number of two people."""
    seen: set[str] = set()
    for person in sample(POPULATION, population=POPULATION):
        if person.legacy_number in seen:
            return person.legacy_number
        if person.legacy_number:
            seen.add(person.legacy_number)
    raise AssertionError("the mock shares no legacy number")
