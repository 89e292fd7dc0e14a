"""The real mock on a real socket of this process, with the adapter of the national database on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import aiohttp
from aiohttp import web

from adapters.clock import SystemClock
from adapters.national_db_http import HttpNationalDatabase
from gateway.citizens.numbers import personal
from gateway.model import CitizenRecord, Secret
from gateway.upstream.patience import Patience
from gateway.upstream.policy import UpstreamPolicy
from mock_national_db import sample
from mock_national_db.server import create_app
from tests.fakes.upstream import WatchedUpstream

TOKEN = "token-of-the-tests"
POPULATION = 4000
PEOPLE = list(sample(300, population=POPULATION))
ABSENT = "099199000000"


class MockUpstream:
    """An address with an adapter on it."""

    def __init__(self, url: str, **policy: Any) -> None:
        self.url = url
        self.clock = SystemClock()
        self.watched = WatchedUpstream()
        self.policy = UpstreamPolicy(**policy)
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

    def patience(self, seconds: float) -> Patience:
        return Patience(self.clock.monotonic() + seconds)

    async def find(self, digits: str, *, seconds: float = 5) -> CitizenRecord:
        return await self.adapter.find(personal(digits), self.patience(seconds))

    async def faults(self, **faults: object) -> None:
        """Replace the faults of the mock."""
        await self._control("POST", "faults", faults)

    async def citizens_asked(self) -> int:
        """Records the mock put into answers."""
        stats = await self._control("GET", "stats", None)
        return int(sum(endpoint["citizens"] for endpoint in stats["endpoints"].values()))

    async def requests(self) -> int:
        """Requests that reached the mock."""
        stats = await self._control("GET", "stats", None)
        return int(sum(endpoint["requests"] for endpoint in stats["endpoints"].values()))

    async def _control(self, method: str, what: str, body: object) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, f"{self.url}/control/{what}", json=body) as answer,
        ):
            assert answer.status == 200
            return await answer.json()


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
