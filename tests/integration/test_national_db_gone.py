"""DESIGN §12, row "national database or a registry", through the whole of a call, on the real mock."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.request import urlopen

import pytest

from adapters.upstream_metrics import UpstreamMetrics
from dancu.client import Client
from dancu.common.v1 import common_pb2
from gateway.errors import Reason
from gateway.upstream.policy import BreakerPolicy
from mock_national_db import sample
from tests.fakes.gateway import FakeGateway, policy, refused
from tests.fakes.mock_upstream import PEOPLE, MockUpstream, mock_upstream
from tests.integration.conftest import POPULATION, GatewayUp

pytestmark = pytest.mark.usefixtures("no_socket_left_behind")
STALE_ALLOWED = policy(staleness_ceiling=timedelta(0), stale_if_error=timedelta(hours=1))


@pytest.fixture
async def upstream() -> AsyncIterator[MockUpstream]:
    breaker = BreakerPolicy(min_requests=4, open_seconds=0.2)
    async with mock_upstream(timeout_seconds=0.3, breaker=breaker) as made:
        yield made


def gateway_on(upstream: MockUpstream, **changes: Any) -> FakeGateway:
    return FakeGateway(upstream=upstream.adapter, clock=upstream.clock, **changes)


async def until_open(gateway: FakeGateway, upstream: MockUpstream) -> None:
    for person in PEOPLE[100:]:
        if upstream.watched.opened[-1]:
            return
        with refused("UNAVAILABLE", Reason.NATIONAL_DB_UNAVAILABLE):
            await gateway.lookup(person.personal_number)
    raise AssertionError("the breaker never opened")


@pytest.mark.parametrize("fault", [{"outage": True}, {"hang_rate": 1}, {"reset_rate": 1}, {"truncate_rate": 1}])
async def test_the_breaker_refuses_at_once_with_retry_info_and_closes_by_itself(
    upstream: MockUpstream, fault: dict[str, object]
) -> None:
    """An officer hears at once that it is not now, and when; and nobody has to switch anything back on."""
    gateway = gateway_on(upstream)
    await upstream.faults(**fault)
    await until_open(gateway, upstream)
    asked = await upstream.requests()
    with refused("UNAVAILABLE", Reason.NATIONAL_DB_UNAVAILABLE) as refusal:
        await gateway.lookup(PEOPLE[0].personal_number)
    wait = refusal[0].retry_after_seconds
    assert wait is not None
    assert 0 < wait <= 0.3
    assert await upstream.requests() == asked
    await upstream.faults()
    await asyncio.sleep(wait)
    answer = await gateway.lookup(PEOPLE[0].personal_number)
    assert answer.citizen.personal_number == PEOPLE[0].personal_number


async def test_a_stale_copy_is_given_at_once_while_the_breaker_is_open(upstream: MockUpstream) -> None:
    """Where the policy allows it, and marked: an outage must not stop what can go on."""
    gateway = gateway_on(upstream, policy=STALE_ALLOWED)
    await gateway.lookup(PEOPLE[0].personal_number)
    await upstream.faults(outage=True)
    await until_open(gateway, upstream)
    answer = await gateway.lookup(PEOPLE[0].personal_number)
    assert answer.provenance.source == common_pb2.Provenance.SOURCE_STALE_CACHE


async def test_every_refusal_is_on_record(upstream: MockUpstream) -> None:
    """A question that could not be answered was asked all the same."""
    gateway = gateway_on(upstream)
    await upstream.faults(outage=True)
    await until_open(gateway, upstream)
    before = len(gateway.records)
    calls = (gateway.lookup(person.personal_number) for person in PEOPLE[:20])
    await asyncio.gather(*calls, return_exceptions=True)
    assert len(gateway.records) == before + 20


def test_a_running_gateway_tells_how_its_upstream_is(gateway_up: GatewayUp) -> None:
    """An operator sees a breaker before the first telephone call."""
    (person,) = sample(1, population=POPULATION)
    with Client(target=gateway_up.target, key=gateway_up.demo["DANCU_API_KEY"], environment={}) as client:
        client.lookup_citizen(personal_number=person.personal_number, procedure="1.004222", max_staleness=timedelta(0))
    deadline = time.monotonic() + 5
    while True:
        with urlopen(f"{gateway_up.http_url}/metrics", timeout=5) as answer:  # noqa: S310  our own address
            told = answer.read().decode()
        if 'dancu_upstream_seconds_count{outcome="answered",registry="national_db"}' in told:
            break
        assert time.monotonic() < deadline, told
        time.sleep(0.1)
    assert 'dancu_upstream_breaker_open{registry="national_db"} 0.0' in told
    assert 'dancu_degraded{dependency="national_db"} 0.0' in told
    (limit,) = re.findall(r'dancu_upstream_concurrency_limit\{registry="national_db"\} ([0-9.]+)', told)
    assert 2 * 2 <= float(limit) <= 2 * 32, "of two workers together"


def test_metrics_of_the_breaker_follow_it() -> None:
    """`degraded` is what alerts look at."""
    told: list[tuple[str, bool]] = []
    metrics = UpstreamMetrics(degraded=lambda dependency, *, is_degraded: told.append((dependency, is_degraded)))
    metrics.breaker("national_db", is_open=True)
    metrics.breaker("national_db", is_open=False)
    assert told == [("national_db", True), ("national_db", False)]
