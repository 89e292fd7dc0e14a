"""Limits: what they refuse, what they tell, and what is recorded of it."""

from __future__ import annotations

import asyncio

from dancu.errors.v1 import errors_pb2
from gateway.accounts.model import Limits
from gateway.errors import Reason
from tests.fakes.gateway import FakeGateway, lookup_request, refused
from tests.fakes.national_db import AN


async def test_a_limit_refusal_says_exactly_when_to_come_back() -> None:
    """Waiting that long and retrying must succeed."""
    gateway = FakeGateway(limits=Limits(rate=10, burst=2))
    for _ in range(2):
        await gateway.lookup(AN.personal_number)
    with refused("RESOURCE_EXHAUSTED", Reason.RATE_LIMITED) as refusal:
        await gateway.lookup(AN.personal_number)
    assert refusal[0].quota is not None
    assert refusal[0].quota.subject == "account:01/test"
    assert refusal[0].retry_after_seconds is not None
    gateway.clock.advance(refusal[0].retry_after_seconds)
    reply = await gateway.call(lookup_request(AN.personal_number).SerializeToString())
    trailing = dict(reply.trailing)
    assert trailing["ratelimit-policy"] == '"account";q=10;w=1'
    assert trailing["ratelimit"] == '"account";r=0;t=1'


async def test_hammering_a_limit_leaves_one_counted_record() -> None:
    """A caller in a loop must not fill the disk."""
    gateway = FakeGateway(limits=Limits(rate=1, burst=1))
    await gateway.lookup(AN.personal_number)
    for _ in range(50):
        with refused("RESOURCE_EXHAUSTED", Reason.RATE_LIMITED):
            await gateway.lookup(AN.personal_number)
    assert len(gateway.journal.payloads) == 1
    gateway.recorder.flush()
    tally = gateway.records[1]
    assert (tally.outcome, tally.count, tally.subject_token) == (errors_pb2.ERROR_REASON_RATE_LIMITED, 50, b"")


async def test_counts_of_refusals_survive_a_journal_that_fails_for_a_while() -> None:
    """A full disk loses time, not counts."""
    gateway = FakeGateway(limits=Limits(rate=1, burst=1))
    await gateway.lookup(AN.personal_number)
    for disk_turns in (gateway.journal.fail, gateway.journal.heal):
        disk_turns()
        with refused("RESOURCE_EXHAUSTED", Reason.RATE_LIMITED):
            await gateway.lookup(AN.personal_number)
        gateway.recorder.flush()
        await asyncio.sleep(0)
    gateway.recorder.flush()
    assert sum(record.count for record in gateway.records) == 2


async def test_calls_under_way_are_capped_per_account_and_per_worker() -> None:
    """A queue that grows without bound answers nobody in time."""
    gateway = FakeGateway(limits=Limits(in_flight=2), in_flight=3)
    gateway.national_db.gate.clear()
    asking = [asyncio.create_task(gateway.lookup(AN.personal_number)) for _ in range(2)]
    await asyncio.sleep(0.01)
    with refused("RESOURCE_EXHAUSTED", Reason.TOO_MANY_IN_FLIGHT):
        await gateway.lookup(AN.personal_number)
    gateway.allow(limits=Limits())
    asking.append(asyncio.create_task(gateway.lookup(AN.personal_number)))
    await asyncio.sleep(0.01)
    with refused("UNAVAILABLE", Reason.OVERLOADED):
        await gateway.lookup(AN.personal_number)
    gateway.national_db.gate.set()
    await asyncio.gather(*asking)
    assert (await gateway.lookup(AN.personal_number)).citizen == AN


async def test_a_count_that_could_not_be_written_joins_the_one_begun_since() -> None:
    """The next second's refusals arrive before the failed write is known of; neither may swallow the other."""
    gateway = FakeGateway(limits=Limits(rate=1, burst=1))
    await gateway.lookup(AN.personal_number)
    gateway.journal.fail()
    with refused("RESOURCE_EXHAUSTED", Reason.RATE_LIMITED):
        await gateway.lookup(AN.personal_number)
    gateway.recorder.flush()
    with refused("RESOURCE_EXHAUSTED", Reason.RATE_LIMITED):
        await gateway.lookup(AN.personal_number)
    gateway.journal.heal()
    await asyncio.sleep(0)
    gateway.recorder.flush()
    assert [record.count for record in gateway.records] == [0, 2]


async def test_calls_that_come_too_late_are_counted_together() -> None:
    """Under overload they come by the thousand: a sync for each would make it worse."""
    gateway = FakeGateway()
    for _ in range(5):
        with refused("DEADLINE_EXCEEDED", Reason.DEADLINE_EXCEEDED):
            await gateway.call(
                lookup_request(AN.personal_number).SerializeToString(), deadline=gateway.clock.monotonic() - 0.1
            )
    gateway.recorder.flush()
    (record,) = gateway.records
    assert record.count == 5
    assert record.outcome == int(Reason.DEADLINE_EXCEEDED)
