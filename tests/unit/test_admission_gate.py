"""The gate as callers meet it: every refusal, shadow mode, officers, and what the loop's delay leads to."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.accounts.model import LimitNode, Limits
from gateway.accounts.quota import seconds_to_midnight
from gateway.calls.in_flight import InFlight
from gateway.calls.loop_delay import LoopDelay
from gateway.errors import Reason
from tests.fakes.gateway import PURPOSE, FakeGateway, claims, lookup_request, policy, refused
from tests.fakes.national_db import AN

NOBODY = "097190000009"


async def test_a_quota_of_the_day_is_told_with_its_end_and_its_node() -> None:
    """Whoever runs into it at noon must know that waiting a minute is no use."""
    gateway = FakeGateway(limits=Limits(daily=2))
    for _ in range(2):
        await gateway.lookup(AN.personal_number)
    with refused("RESOURCE_EXHAUSTED", Reason.DAILY_QUOTA_EXHAUSTED) as refusal:
        await gateway.lookup(AN.personal_number)
    wait = refusal[0].retry_after_seconds
    assert wait == seconds_to_midnight(gateway.clock.now())
    assert refusal[0].metadata == {"limit": "account:01/test"}
    assert refusal[0].quota is not None
    assert refusal[0].quota.subject == "account:01/test"
    told = dict(refusal[0].trailing)
    assert told["ratelimit"].startswith('"account-day";r=0;t=')
    assert told["ratelimit-policy"] == '"account-day";q=2;w=86400'
    gateway.clock.advance(wait + 0.001)
    await gateway.lookup(AN.personal_number)


async def test_who_tries_numbers_is_stopped_and_let_in_again_in_time() -> None:
    """Enumeration: 12 digits with a known prefix are few enough to be tried."""
    gateway = FakeGateway(limits=Limits(misses_per_hour=3))
    for _ in range(2):
        with refused("NOT_FOUND", Reason.CITIZEN_NOT_FOUND):
            await gateway.lookup(NOBODY)
    with refused("NOT_FOUND", Reason.IDENTITY_MISMATCH):
        await gateway.lookup(AN.personal_number, claims=claims("Somebody Else", 1990))
    asked = len(gateway.national_db.asked)
    with refused("RESOURCE_EXHAUSTED", Reason.ENUMERATION_SUSPECTED) as refusal:
        await gateway.lookup(AN.personal_number)
    assert len(gateway.national_db.asked) == asked
    assert refusal[0].retry_after_seconds == pytest.approx(1200)
    gateway.clock.advance(1200.001)
    assert (await gateway.lookup(AN.personal_number)).citizen == AN


async def test_hits_cost_nothing_of_the_budget_of_misses() -> None:
    """An honest office asks for people who exist."""
    gateway = FakeGateway(limits=Limits(misses_per_hour=1))
    for _ in range(5):
        assert (await gateway.lookup(AN.personal_number)).citizen == AN


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(rate=1, burst=1), "RATE_LIMITED"),
        (Limits(daily=1), "DAILY_QUOTA_EXHAUSTED"),
        (Limits(misses_per_hour=1), "ENUMERATION_SUSPECTED"),
    ],
)
async def test_a_limit_in_shadow_mode_counts_and_refuses_nothing(limits: Limits, reason: str) -> None:
    """A limit is tried on real traffic before it is put in force."""
    gateway = FakeGateway(policy=policy(shadow=True), limits=limits)
    with refused("NOT_FOUND", Reason.CITIZEN_NOT_FOUND):
        await gateway.lookup(NOBODY)
    assert gateway.observed.shadowed == []
    assert (await gateway.lookup(AN.personal_number)).citizen == AN
    assert gateway.observed.shadowed == [reason]


async def test_shadow_mode_does_not_switch_off_the_protection_of_the_worker() -> None:
    """Overload is about everybody, not about one account's limit."""
    gateway = FakeGateway(policy=policy(shadow=True), limits=Limits(in_flight=1), in_flight=2)
    gateway.national_db.gate.clear()
    asking = [asyncio.create_task(gateway.lookup(AN.personal_number)) for _ in range(2)]
    await asyncio.sleep(0.01)
    assert gateway.observed.shadowed == ["TOO_MANY_IN_FLIGHT"]
    with refused("UNAVAILABLE", Reason.OVERLOADED):
        await gateway.lookup(AN.personal_number)
    gateway.national_db.gate.set()
    await asyncio.gather(*asking)


async def test_each_officer_is_limited_apart_and_all_by_the_account() -> None:
    """One officer's script must not use up the counter's day."""
    gateway = FakeGateway(policy=policy(officer_limits=Limits(rate=1, burst=2)), limits=Limits(rate=1, burst=3))
    purpose = type(PURPOSE)()
    purpose.CopyFrom(PURPOSE)
    purpose.officer_id = "cb-18"
    for _ in range(2):
        await gateway.lookup(AN.personal_number)
    with refused("RESOURCE_EXHAUSTED", Reason.RATE_LIMITED) as refusal:
        await gateway.lookup(AN.personal_number)
    assert refusal[0].metadata == {"limit": "officer:01/test"}
    reply = await gateway.call(lookup_request(AN.personal_number, purpose=purpose).SerializeToString())
    assert dict(reply.trailing)["ratelimit-policy"] == '"account";q=1;w=1, "officer";q=1;w=1'
    with refused("RESOURCE_EXHAUSTED", Reason.RATE_LIMITED) as refusal:
        await gateway.lookup(AN.personal_number, purpose=purpose)
    assert refusal[0].metadata == {"limit": "account:01/test"}


def test_calls_under_way_are_capped_by_a_share_and_nodes_at_rest_cost_no_memory() -> None:
    """Workers do not ask each other; and officers come and go by the thousand."""
    in_flight = InFlight(workers=2)
    node = LimitNode("officer:01/a/f00", "01", Limits(in_flight=4))
    first, second = in_flight.enter([node]), in_flight.enter([node])
    assert in_flight.full([node]) is node
    with first:
        pass
    assert in_flight.full([node]) is None
    with second:
        pass
    assert (in_flight.total, in_flight._by_node) == (0, {})


async def test_a_call_that_fails_or_is_cancelled_gives_its_place_back() -> None:
    """A place that leaks is lost until a restart."""
    gateway = FakeGateway(limits=Limits(in_flight=1))
    with refused("NOT_FOUND", Reason.CITIZEN_NOT_FOUND):
        await gateway.lookup(NOBODY)
    gateway.national_db.gate.clear()
    left = asyncio.create_task(gateway.lookup(AN.personal_number))
    await asyncio.sleep(0.01)
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    gateway.national_db.gate.set()
    assert (await gateway.lookup(AN.personal_number)).citizen == AN


async def test_a_queue_that_stands_is_measured_and_a_spike_is_not() -> None:
    """One slow callback is no overload; a loop that is late every time is."""
    told: list[float] = []
    delay = LoopDelay(told=told.append)
    delay.start()
    time.sleep(0.2)  # noqa: ASYNC251  the spike
    await asyncio.sleep(0.6)
    assert told[-1] < 0.1
    for _ in range(12):
        time.sleep(0.12)  # noqa: ASYNC251  the loop is never on time
        await asyncio.sleep(0.02)
    standing = told[-1]
    delay.stop()
    assert standing > 0.02
    assert told[-1] == 0


async def test_a_call_whose_deadline_passed_in_the_queue_is_told_so_and_asks_nobody() -> None:
    """Work for somebody who has left is taken from those who still wait."""
    gateway = FakeGateway()
    request = lookup_request(AN.personal_number).SerializeToString()
    with refused("DEADLINE_EXCEEDED", Reason.DEADLINE_EXCEEDED):
        await gateway.call(request, deadline=gateway.clock.monotonic())
    assert gateway.national_db.asked == []
    await gateway.call(request, deadline=gateway.clock.monotonic() + 1)
