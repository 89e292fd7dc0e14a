"""Where an answer comes from: never staler than allowed, never asked twice at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from dancu.common.v1 import common_pb2
from gateway.citizens.changes import Change
from gateway.citizens.numbers import personal
from gateway.citizens.records import Records
from gateway.errors import Reason
from gateway.ports import NationalDatabaseUnavailableError
from tests.fakes.caches import SlowToKeep
from tests.fakes.gateway import FakeGateway, lookup_request, policy, refused
from tests.fakes.national_db import AN, BINH


async def test_copies_are_never_older_than_the_stricter_of_caller_and_policy() -> None:
    """P3: never staler than allowed."""
    gateway = FakeGateway(policy=policy(staleness_ceiling=timedelta(seconds=100)))
    await gateway.lookup(AN.personal_number)
    gateway.clock.advance(50)
    assert (await gateway.lookup(AN.personal_number)).provenance.source == common_pb2.Provenance.SOURCE_CACHE
    await gateway.lookup(AN.personal_number, staleness=49)
    assert len(gateway.national_db.asked) == 2
    gateway.clock.advance(101)
    await gateway.lookup(AN.personal_number, staleness=1000)
    assert len(gateway.national_db.asked) == 3
    answer = await gateway.lookup(AN.personal_number, staleness=0)
    assert answer.provenance.source == common_pb2.Provenance.SOURCE_NATIONAL_DB
    assert len(gateway.national_db.asked) == 4


async def test_a_stale_copy_is_given_only_where_the_policy_allows_and_is_marked() -> None:
    """An old address must never pass for a fresh one."""
    gateway = FakeGateway(policy=policy(staleness_ceiling=timedelta(seconds=10)))
    await gateway.lookup(AN.personal_number)
    gateway.clock.advance(60)
    gateway.national_db.down = True
    with refused("UNAVAILABLE", Reason.NATIONAL_DB_UNAVAILABLE) as refusal:
        await gateway.lookup(AN.personal_number)
    assert refusal[0].retry_after_seconds == 2.5
    gateway.allow(policy=policy(staleness_ceiling=timedelta(seconds=10), stale_if_error=timedelta(hours=1)))
    answer = await gateway.lookup(AN.personal_number)
    assert answer.provenance.source == common_pb2.Provenance.SOURCE_STALE_CACHE
    assert gateway.records[-1].data_age_millis == 60_000


async def test_concurrent_questions_about_one_citizen_ask_once_and_each_is_recorded() -> None:
    """Coalescing saves the national database, never the evidence."""
    gateway = FakeGateway()
    gateway.national_db.gate.clear()
    asking = [asyncio.create_task(gateway.lookup(AN.personal_number)) for _ in range(10)]
    other = asyncio.create_task(gateway.lookup(BINH.personal_number))
    await asyncio.sleep(0.02)
    asking[0].cancel()  # the leader leaves; the others must not notice
    gateway.national_db.gate.set()
    answers = await asyncio.gather(*asking[1:])
    assert all(answer.citizen == AN for answer in answers)
    assert (await other).citizen == BINH
    assert sorted(gateway.national_db.asked) == sorted([AN.personal_number, BINH.personal_number])
    assert len(gateway.journal.payloads) == 11


async def test_zero_staleness_never_joins_a_question_asked_before() -> None:
    """Otherwise "as of my call" would mean "as of somebody's earlier call"."""
    gateway = FakeGateway()
    gateway.national_db.gate.clear()
    first = asyncio.create_task(gateway.lookup(AN.personal_number))
    await asyncio.sleep(0.01)
    strict = asyncio.create_task(gateway.lookup(AN.personal_number, staleness=0))
    await asyncio.sleep(0.01)
    gateway.national_db.gate.set()
    await asyncio.gather(first, strict)
    assert len(gateway.national_db.asked) == 2


async def test_a_deadline_that_passes_while_the_national_database_is_slow_refuses_in_time() -> None:
    """A caller's own deadline wins over ours."""
    gateway = FakeGateway()
    gateway.national_db.gate.clear()
    request = lookup_request(AN.personal_number).SerializeToString()
    with refused("UNAVAILABLE", Reason.NATIONAL_DB_UNAVAILABLE):
        await gateway.call(request, deadline=gateway.clock.monotonic() + 0.05)
    gateway.national_db.gate.set()


async def test_a_flight_that_fails_after_its_callers_left_disturbs_nobody() -> None:
    """No "exception was never retrieved" in the log of a busy night."""
    gateway = FakeGateway()
    records = Records(cache=gateway.cache, national_db=gateway.national_db, clock=gateway.clock, timeout_seconds=0.05)
    gateway.national_db.gate.clear()
    number = personal(AN.personal_number)
    with pytest.raises(NationalDatabaseUnavailableError):
        await records.find(
            number, staleness=timedelta(1), stale_if_error=None, deadline=gateway.clock.monotonic() + 0.01
        )
    await asyncio.sleep(0.1)
    gateway.national_db.gate.set()
    found = await records.find(number, staleness=timedelta(1), stale_if_error=None, deadline=None)
    assert found.record.citizen == AN


async def test_a_question_under_way_that_is_older_than_allowed_is_not_joined() -> None:
    """P3: a slow answer to an earlier caller may be too old for a later, stricter one."""
    gateway = FakeGateway()
    gateway.national_db.gate.clear()
    first = asyncio.create_task(gateway.lookup(AN.personal_number))
    await asyncio.sleep(0.01)
    gateway.clock.advance(2)
    asked_at = gateway.clock.now()
    strict = asyncio.create_task(gateway.lookup(AN.personal_number, staleness=1))
    relaxed = asyncio.create_task(gateway.lookup(AN.personal_number, staleness=60))
    await asyncio.sleep(0.01)
    gateway.national_db.gate.set()
    answers = await asyncio.gather(first, strict, relaxed)
    assert len(gateway.national_db.asked) == 2
    assert answers[1].provenance.data_as_of.ToNanoseconds() / 1e9 >= asked_at - 1


async def test_who_comes_after_a_change_is_not_given_the_answer_of_a_question_before_it() -> None:
    """P3: nobody sees an older record once the change is known, however long the answer takes."""
    gateway = FakeGateway()
    gateway.national_db.gate.clear()
    first = asyncio.create_task(gateway.lookup(AN.personal_number))
    await asyncio.sleep(0.01)
    gateway.l1.change(Change(personal(AN.personal_number), 2, withdrawn=False, changed_at=0))
    later = asyncio.create_task(gateway.lookup(AN.personal_number))
    await asyncio.sleep(0.01)
    gateway.national_db.gate.set()
    await asyncio.gather(first, later)
    assert len(gateway.national_db.asked) == 2


async def test_a_late_answer_from_before_a_change_is_not_kept() -> None:
    """The fence in a worker's own memory: the next caller asks again."""
    gateway = FakeGateway()
    gateway.national_db.gate.clear()
    first = asyncio.create_task(gateway.lookup(AN.personal_number))
    await asyncio.sleep(0.01)
    gateway.l1.change(Change(personal(AN.personal_number), 2, withdrawn=False, changed_at=0))
    gateway.national_db.gate.set()
    assert (await first).provenance.record_version == 1
    gateway.national_db.version = 2
    assert (await gateway.lookup(AN.personal_number)).provenance.record_version == 2
    assert (await gateway.lookup(AN.personal_number)).provenance.source == common_pb2.Provenance.SOURCE_CACHE


async def test_a_copy_from_the_future_is_not_fresh_and_is_replaced() -> None:
    """A clock that was set back must not freeze a record until it has caught up."""
    gateway = FakeGateway()
    await gateway.lookup(AN.personal_number)
    gateway.clock.advance(-600)
    assert (await gateway.lookup(AN.personal_number)).provenance.source == common_pb2.Provenance.SOURCE_NATIONAL_DB
    assert (await gateway.lookup(AN.personal_number)).provenance.source == common_pb2.Provenance.SOURCE_CACHE


async def test_while_changes_are_unheard_copies_are_used_for_a_shorter_time_only() -> None:
    """A failure in our own house must not show as older records than its operator decided."""
    gateway = FakeGateway(policy=policy(stale_if_error=timedelta(hours=2)))
    await gateway.lookup(AN.personal_number)
    gateway.hears = False
    gateway.clock.advance(899)
    assert (await gateway.lookup(AN.personal_number)).provenance.source == common_pb2.Provenance.SOURCE_CACHE
    gateway.clock.advance(2)
    gateway.national_db.down = True
    assert (await gateway.lookup(AN.personal_number)).provenance.source == common_pb2.Provenance.SOURCE_STALE_CACHE
    gateway.national_db.down = False
    assert (await gateway.lookup(AN.personal_number)).provenance.source == common_pb2.Provenance.SOURCE_NATIONAL_DB
    gateway.clock.advance(901)
    gateway.hears = True
    assert (await gateway.lookup(AN.personal_number)).provenance.source == common_pb2.Provenance.SOURCE_CACHE


async def test_an_answer_does_not_wait_until_its_copy_is_kept() -> None:
    """A slow Redis must cost the next caller a hit, never this one time."""
    gateway = FakeGateway()
    slow = SlowToKeep(gateway.cache)
    records = Records(cache=slow, national_db=gateway.national_db, clock=gateway.clock, timeout_seconds=3)
    number = personal(AN.personal_number)
    async with asyncio.timeout(1):
        found = await records.find(number, staleness=timedelta(1), stale_if_error=None, deadline=None)
    assert found.record.citizen == AN
    assert not slow.kept.is_set()
    slow.may_keep.set()
    await records.close()
    assert slow.kept.is_set()
