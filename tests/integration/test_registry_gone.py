"""One registry that is gone, as an installation connects all of them: on the real mock, through the whole of a call."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from adapters.registry_wiring import open_registries
from adapters.upstream_metrics import UpstreamMetrics
from dancu.common.v1 import common_pb2
from gateway.citizens.records import Records
from gateway.errors import GatewayError, Reason
from gateway.registries.kinds import REGISTRIES
from gateway.settings import Settings
from gateway.upstream.breaker import PROBES
from mock_national_db.server import create_app
from tests.fakes.gateway import PURPOSE, FakeGateway, policy, refused
from tests.fakes.mock_upstream import PEOPLE, POPULATION, TOKEN, MockAddress, serving

pytestmark = pytest.mark.usefixtures("no_socket_left_behind")
KINDS = {kind.name: kind for kind in REGISTRIES}
GONE, OTHERS = "civil_status", sorted(KINDS.keys() - {"civil_status"})
NUMBERS = [person.personal_number for person in PEOPLE]


class World:
    """A gateway on the registries of the mock."""

    def __init__(self, mock: MockAddress) -> None:
        self.mock = mock
        self.gateway = FakeGateway(in_flight=1000)
        self.degraded: list[tuple[str, bool]] = []

    def tell(self, dependency: str, *, is_degraded: bool) -> None:
        self.degraded.append((dependency, is_degraded))

    async def ask(self, name: str, number: str, *, staleness: float | None = None) -> Any:
        """The response; None where the registry holds nothing under the number, which is an answer too."""
        kind = KINDS[name]
        request: Any = kind.request(personal_number=number, purpose=PURPOSE)
        if staleness is not None:
            request.max_staleness.FromMilliseconds(int(staleness * 1000))
        try:
            reply = await self.gateway.call(request.SerializeToString(), method=kind.method)
        except GatewayError as error:
            if error.reason is Reason.REGISTRY_RECORD_NOT_FOUND:
                return None
            raise
        return kind.response.FromString(reply.response)

    async def faults(self, **faults: object) -> None:
        await self.mock.faults(endpoints=[f"registries.{GONE}"], **faults)

    async def until_open(self) -> None:
        for number in NUMBERS[100:]:
            if (GONE, True) in self.degraded:
                return
            with refused("UNAVAILABLE", Reason.REGISTRY_UNAVAILABLE):
                await self.ask(GONE, number)
        raise AssertionError("the breaker never opened")


@asynccontextmanager
async def world(tmp_path: Any, **settings: Any) -> AsyncIterator[World]:
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN)
    async with serving(create_app(token=TOKEN, population=POPULATION)) as url, AsyncExitStack() as stack:
        made = World(MockAddress(url))
        gateway = made.gateway
        connected = {"url": url, "token_file": token_file} | settings
        gateway.methods |= open_registries(
            stack,
            Settings.model_validate({"registries": connected, "numbers": {"allow_test": True}}),
            people=Records(
                cache=gateway.cache, national_db=gateway.national_db, clock=gateway.clock, timeout_seconds=3
            ),
            clock=made.mock.clock,
            observer=UpstreamMetrics(degraded=made.tell),
        )
        yield made
        await made.mock.faults()


@pytest.mark.parametrize("fault", [{"outage": True}, {"hang_rate": 1}, {"reset_rate": 1}, {"truncate_rate": 1}])
async def test_the_breaker_of_one_registry_refuses_at_once_for_it_alone_and_closes_by_itself(
    fault: dict[str, object], tmp_path: Any
) -> None:
    """One authority's outage is not five: hammering keeps it down, and nobody has to switch anything back on."""
    async with world(tmp_path, timeout_seconds=0.2, breaker_min_requests=4, breaker_open_seconds=0.2) as gone:
        await gone.faults(**fault)
        await gone.until_open()
        asked = await gone.mock.requests(f"registries.{GONE}")
        with refused("UNAVAILABLE", Reason.REGISTRY_UNAVAILABLE) as refusal:
            await gone.ask(GONE, NUMBERS[0])
        wait = refusal[0].retry_after_seconds
        assert wait is not None
        assert 0 < wait <= 0.3
        assert refusal[0].metadata == {"registry": GONE}
        assert await gone.mock.requests(f"registries.{GONE}") == asked
        for name in OTHERS:
            await gone.ask(name, NUMBERS[0])
        await gone.faults()
        await asyncio.sleep(wait)
        for number in NUMBERS[:PROBES]:
            assert (await gone.ask(GONE, number)).civil_status.personal_number == number
    assert [told for told in gone.degraded if told[0] == GONE] == [(GONE, False), (GONE, True), (GONE, False)]
    assert [told for told in gone.degraded if told[0] != GONE] == [
        (kind.name, False) for kind in REGISTRIES if kind.name != GONE
    ]


async def test_a_registry_that_hangs_is_asked_no_more_than_it_bears_and_holds_up_no_other(tmp_path: Any) -> None:
    """A slow registry must take neither the worker's memory nor the time of who asks another one."""
    limits = {"min_connections": 1, "max_connections": 2, "max_waiting": 20, "timeout_seconds": 0.4}
    async with world(tmp_path, **limits) as gone:
        await gone.faults(hang_rate=1)
        hanging = []
        for nth in range(6):
            hanging += [asyncio.create_task(gone.ask(GONE, number)) for number in NUMBERS[10 * nth : 10 * (nth + 1)]]
            # Longer than questions gather for: each ten would be a request of their own if the registry had a place.
            await asyncio.sleep(0.02)
        others = (gone.ask(name, number) for name in OTHERS for number in NUMBERS[:10])
        await asyncio.wait_for(asyncio.gather(*others), 2)
        refusals = await asyncio.wait_for(asyncio.gather(*hanging, return_exceptions=True), 2)
        causes = Counter(refusal.cause for refusal in refusals if isinstance(refusal, GatewayError))
        assert causes.total() == 60
        assert causes[f"{GONE}: too many questions wait"] >= 20, "twenty wait, ten or twenty are under way"
        assert await gone.mock.requests(f"registries.{GONE}") <= 3


async def test_a_stale_copy_is_given_at_once_while_a_registrys_breaker_is_open(tmp_path: Any) -> None:
    """Where the policy allows it, and marked: an outage must not stop what can go on."""
    async with world(tmp_path, breaker_min_requests=4) as gone:
        gone.gateway.allow(policy=policy(staleness_ceiling=timedelta(0), stale_if_error=timedelta(hours=1)))
        await gone.ask(GONE, NUMBERS[0])
        await gone.faults(outage=True)
        await gone.until_open()
        answer = await gone.ask(GONE, NUMBERS[0])
        assert answer.provenance.source == common_pb2.Provenance.SOURCE_STALE_CACHE
