"""The contract of `gateway.ports.NationalDatabase`, on the fake and on the adapter with the real mock behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.citizens.numbers import legacy, personal
from gateway.model import CitizenNumber
from gateway.ports import AmbiguousNumberError, NationalDatabase, NationalDatabaseUnavailableError
from gateway.upstream.patience import Patience
from tests.fakes.clock import FakeClock
from tests.fakes.mock_upstream import ABSENT, PEOPLE, MockUpstream, mock_upstream, shared_legacy_number
from tests.fakes.national_db import AN, BINH, NOBODY, SHARED_LEGACY, FakeNationalDatabase


class OnFake:
    """The fake."""

    def __init__(self) -> None:
        self._clock = FakeClock()
        self._fake = FakeNationalDatabase(self._clock)
        self.database: NationalDatabase = self._fake
        self.people = [AN.personal_number, BINH.personal_number]
        self.by_legacy = (AN.legacy_number, AN.personal_number)
        self.nobody, self.shared = NOBODY, SHARED_LEGACY

    def patience(self, seconds: float) -> Patience:
        return Patience(self._clock.monotonic() + seconds)

    async def go_down(self) -> None:
        self._fake.down = True

    async def come_back(self) -> None:
        self._fake.down = False

    async def asked(self) -> int:
        return len(self._fake.asked)


class OnMock:
    """The adapter on the mock, over a socket."""

    def __init__(self, upstream: MockUpstream) -> None:
        self._upstream = upstream
        self.database: NationalDatabase = upstream.adapter
        self.people = [person.personal_number for person in PEOPLE]
        holder = next(person for person in PEOPLE if person.legacy_number)
        self.by_legacy = (holder.legacy_number or "", holder.personal_number)
        self.nobody, self.shared = ABSENT, shared_legacy_number()

    def patience(self, seconds: float) -> Patience:
        return self._upstream.patience(seconds)

    async def go_down(self) -> None:
        await self._upstream.faults(outage=True)

    async def come_back(self) -> None:
        await self._upstream.faults()

    async def asked(self) -> int:
        return await self._upstream.citizens_asked()


@pytest.fixture(params=["fake", "mock"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[OnFake | OnMock]:
    if request.param == "fake":
        yield OnFake()
        return
    async with mock_upstream() as upstream:
        yield OnMock(upstream)


async def test_a_record_is_about_the_one_asked_for_and_no_older_than_the_question(world: OnFake | OnMock) -> None:
    """P3, in the words of the port."""
    record = await world.database.find(personal(world.people[0]), world.patience(5))
    assert record.citizen is not None
    assert record.citizen.personal_number == world.people[0]
    assert record.number == personal(world.people[0])
    assert record.version >= 1
    assert record.data_as_of <= record.fetched_at
    by_legacy = await world.database.find(legacy(world.by_legacy[0]), world.patience(5))
    assert by_legacy.citizen is not None
    assert by_legacy.citizen.personal_number == world.by_legacy[1]


async def test_nobody_is_an_answer_and_several_are_told_apart(world: OnFake | OnMock) -> None:
    """A miss is no outage, and a shared legacy number discloses nobody."""
    record = await world.database.find(personal(world.nobody), world.patience(5))
    assert (record.citizen, record.version) == (None, 0)
    with pytest.raises(AmbiguousNumberError):
        await world.database.find(legacy(world.shared), world.patience(5))


async def test_many_at_once_are_each_told_their_own(world: OnFake | OnMock) -> None:
    """However they travel, nobody gets a neighbour's answer."""

    async def told(number: CitizenNumber) -> str:
        try:
            record = await world.database.find(number, world.patience(5))
        except AmbiguousNumberError:
            return "ambiguous"
        return record.citizen.personal_number if record.citizen is not None else "nobody"

    numbers = [personal(digits) for digits in world.people] + [personal(world.nobody), legacy(world.shared)]
    answers = await asyncio.gather(*(told(number) for number in numbers))
    assert answers == [*world.people, "nobody", "ambiguous"]


async def test_an_outage_is_unavailable_with_a_time_to_come_back_and_passes(world: OnFake | OnMock) -> None:
    """UNAVAILABLE is for what a retry can cure."""
    await world.go_down()
    with pytest.raises(NationalDatabaseUnavailableError) as refusal:
        await world.database.find(personal(world.people[0]), world.patience(5))
    assert refusal.value.retry_after_seconds > 0
    assert world.people[0] not in refusal.value.cause
    await world.come_back()
    assert (await world.database.find(personal(world.people[0]), world.patience(5))).citizen is not None


async def test_a_question_nobody_waits_for_is_not_sent(world: OnFake | OnMock) -> None:
    """A shared system must not work for somebody who has left."""
    with pytest.raises(NationalDatabaseUnavailableError):
        await world.database.find(personal(world.people[0]), world.patience(-0.001))
    assert await world.asked() == 0


async def test_a_caller_who_leaves_harms_no_other(world: OnFake | OnMock) -> None:
    """The first of a batch hangs up; the second must not notice."""
    leaving = asyncio.create_task(world.database.find(personal(world.people[0]), world.patience(5)))
    staying = asyncio.create_task(world.database.find(personal(world.people[1]), world.patience(5)))
    await asyncio.sleep(0)
    leaving.cancel()
    record = await staying
    assert record.citizen is not None
    assert record.citizen.personal_number == world.people[1]
