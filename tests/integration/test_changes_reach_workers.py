"""How changes reach every worker over a real Redis: nothing is missed, or everything is dropped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from adapters import redis_changes
from adapters.redis_changes import LOG, STATE
from adapters.redis_lane import RedisLane, RedisUnavailableError
from gateway.citizens.changes import Change
from gateway.citizens.numbers import personal
from gateway.citizens.ports import InvalidationUnavailableError, NotLeadingError
from gateway.model import CitizenRecord, Secret, VersionedSecret
from tests.fakes.caches import NAMES, CachingWorker, invalidations
from tests.fakes.clock import FakeClock
from tests.fakes.national_db import AN, BINH
from tests.fakes.valkey import RunningValkey, running_valkey

NOW = float(int(time.time()))
RECORD = CitizenRecord(personal(AN.personal_number), AN, 3, NOW - 5, NOW - 4)
OTHER = CitizenRecord(personal(BINH.personal_number), BINH, 1, NOW - 5, NOW - 4)
CHANGE = Change(RECORD.number, 4, False, NOW)


class Setup:
    """A Valkey, one leader and two workers that have heard where the log stands."""

    def __init__(self, server: RunningValkey, lane: RedisLane) -> None:
        self.server = server
        self.lane = lane
        self.clock = FakeClock(NOW)
        self.leader = invalidations(lane, self.clock)
        self.workers = [CachingWorker(lane, self.clock) for _ in range(2)]

    async def start(self) -> None:
        assert await self.leader.lead()
        await self.leader.start_over("c0")
        for worker in self.workers:
            await worker.hear()

    async def keep(self, *records: CitizenRecord) -> None:
        for worker in self.workers:
            for record in records:
                await worker.cache.put(record, ticket=worker.cache.ticket())

    async def versions(self, record: CitizenRecord = RECORD) -> list[int | None]:
        copies = [await worker.cache.get(record.number, not_before=0) for worker in self.workers]
        return [None if copy is None else copy.version for copy in copies]

    async def nears(self, record: CitizenRecord = RECORD) -> list[bool]:
        return [worker.l1.held(record.number) is not None for worker in self.workers]


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    async with running_valkey() as server:
        lane = RedisLane.connect(server.url, timeout_seconds=0.5)
        made = Setup(server, lane)
        await made.start()
        yield made
        await lane.close()


async def test_a_change_takes_the_copy_from_redis_and_from_every_worker(setup: Setup) -> None:
    """P3: once told, no worker answers the older record, and others' records stay."""
    await setup.keep(RECORD, OTHER)
    await setup.leader.apply([CHANGE], after="c0", cursor="c1")
    for worker in setup.workers:
        await worker.hear()
    assert await setup.versions() == [None, None]
    assert await setup.nears(OTHER) == [True, True]
    await setup.keep(RECORD)
    assert await setup.versions() == [None, None]
    await setup.keep(replace(RECORD, version=4))
    assert await setup.versions() == [4, 4]


async def test_a_worker_that_was_away_hears_everything_it_missed(setup: Setup) -> None:
    """A lost connection must not lose an invalidation."""
    await setup.keep(RECORD, OTHER)
    for number in range(40):
        await setup.leader.apply(
            [CHANGE] if number == 7 else [Change(personal(f"0970900001{number:02}"), 1, False, NOW)],
            after=f"c{number}",
            cursor=f"c{number + 1}",
        )
    await setup.workers[0].hear()
    assert await setup.nears() == [False, True]
    assert await setup.nears(OTHER) == [True, True]


async def test_a_worker_that_was_away_too_long_drops_everything(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap in what was heard: any copy may be old."""
    monkeypatch.setattr(redis_changes, "_LOG_ENTRIES", 3)
    await setup.keep(RECORD, OTHER)
    ticket = setup.workers[0].cache.ticket()
    for number in range(5):
        change = Change(personal(f"09709000010{number}"), 1, False, NOW)
        await setup.leader.apply([change], after=f"c{number}", cursor=f"c{number + 1}")
    await setup.workers[0].hear()
    assert await setup.nears(OTHER) == [False, True]
    # What was asked for before the gap may be what changed in it.
    await setup.workers[0].cache.put(replace(OTHER, data_as_of=NOW), ticket=ticket)
    assert await setup.nears(OTHER) == [False, True]


@pytest.mark.parametrize("loss", ["flush", "restart"])
async def test_a_redis_that_lost_everything_is_taken_up_again_without_an_old_copy(setup: Setup, loss: str) -> None:
    """With the cursor gone what changed is not known: a new epoch, and every worker begins anew."""
    await setup.keep(RECORD)
    if loss == "flush":
        await setup.lane.execute("FLUSHALL")
    else:
        setup.server.kill()
        with pytest.raises((InvalidationUnavailableError, NotLeadingError)):
            await setup.leader.apply([], after="c0", cursor="c1")
        await setup.server.start()
        await up(setup.lane)
    with pytest.raises(NotLeadingError):
        await setup.leader.apply([CHANGE], after="c0", cursor="c1")
    await setup.workers[0].hear()
    assert await setup.nears() == [False, True]
    assert await setup.leader.lead()
    assert await setup.leader.cursor() is None
    await setup.leader.start_over("c9")
    for worker in setup.workers:
        await worker.hear()
    assert await setup.nears() == [False, False]
    await setup.keep(replace(RECORD, version=4))
    assert await setup.versions() == [4, 4]


async def test_a_redis_restored_from_an_older_state_makes_workers_drop(setup: Setup) -> None:
    """A restore brings old copies and an old cursor together: what came between is read and told again."""
    await setup.leader.apply([CHANGE], after="c0", cursor="c1")
    before = {key: await setup.lane.execute("DUMP", key) for key in (STATE, LOG)}
    await setup.leader.apply([replace(CHANGE, version=5)], after="c1", cursor="c2")
    for worker in setup.workers:
        await worker.hear()
    await setup.keep(OTHER)
    for key, value in before.items():
        await setup.lane.execute("RESTORE", key, 0, value, "REPLACE")
    assert await setup.leader.lead()
    assert await setup.leader.cursor() == "c1"
    await setup.leader.apply([replace(CHANGE, version=5)], after="c1", cursor="c2")
    await setup.workers[0].hear()
    assert await setup.nears(OTHER) == [False, True]


async def test_starting_over_leaves_nothing_anybody_had(setup: Setup) -> None:
    """The feed's gap: shared copies of the old epoch are there but nobody looks at them."""
    await setup.keep(RECORD)
    await setup.leader.start_over("c9")
    for worker in setup.workers:
        await worker.hear()
    assert await setup.versions() == [None, None]


async def test_one_leads_and_another_takes_over_where_it_stopped(setup: Setup) -> None:
    """One leader among machines; its successor knows the cursor and repeats nothing that took effect."""
    successor = invalidations(setup.lane, setup.clock, who="machine-2")
    assert not await successor.lead()
    await setup.leader.apply([CHANGE], after="c0", cursor="c1")
    await setup.leader.resign()
    assert await successor.lead()
    assert await successor.cursor() == "c1"
    with pytest.raises(NotLeadingError):
        await setup.leader.apply([CHANGE], after="c1", cursor="c2")
    with pytest.raises(NotLeadingError):
        await setup.leader.start_over("c7")


async def test_a_leader_that_slept_through_its_lead_moves_nothing(setup: Setup) -> None:
    """The cursor moves only from where the leader believes it to be."""
    with pytest.raises(NotLeadingError):
        await setup.leader.apply([CHANGE], after="elsewhere", cursor="c9")
    assert await setup.lane.execute("HGET", STATE, "cursor") == b"c0"


async def test_the_cursor_stays_where_an_invalidation_failed(setup: Setup) -> None:
    """At least once: what did not take effect is done again."""
    setup.server.kill()
    with pytest.raises(InvalidationUnavailableError):
        await setup.leader.apply([CHANGE], after="c0", cursor="c1")
    await setup.server.start()
    await up(setup.lane)
    assert await setup.leader.lead()
    assert await setup.leader.cursor() is None


async def test_a_worker_that_names_copies_by_an_unknown_key_shares_none(
    setup: Setup, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copies under a name that the follower does not know would never be taken away."""
    stranger = CachingWorker(setup.lane, setup.clock, names=VersionedSecret(2, Secret(b"m" * 32)))
    await stranger.hear()
    assert stranger.l2.epoch is None
    assert "shared_copies_unused" in capsys.readouterr().out
    informed = invalidations(setup.lane, setup.clock, NAMES, VersionedSecret(2, Secret(b"m" * 32)))
    await setup.leader.resign()
    assert await informed.lead()
    assert await informed.cursor() is None
    await informed.start_over("c1")
    await stranger.hear()
    assert stranger.l2.epoch is not None


async def test_an_entry_that_cannot_be_opened_makes_a_worker_drop(setup: Setup) -> None:
    """What it says is not known; a foreign hand can cost time, and no more."""
    await setup.keep(RECORD)
    entry = await setup.lane.execute("XADD", LOG, "*", "page", b"\x00\x01garbage-garbage-garbage")
    await setup.lane.execute("HSET", STATE, "last", entry)
    await setup.workers[0].hear()
    assert await setup.nears() == [False, True]


async def test_pages_are_sealed(setup: Setup) -> None:
    """P8: the log names citizens, and Redis must not see one."""
    await setup.leader.apply([CHANGE], after="c0", cursor="c1")
    assert AN.personal_number.encode() not in b"".join(
        page for _, fields in await setup.lane.execute("XRANGE", LOG, "-", "+") for page in fields.values()
    )


async def test_a_worker_that_hears_nothing_says_so_and_vouches_for_less(setup: Setup) -> None:
    """Without Redis, control or feed a copy's age is the only bound, and it gets a closer one."""
    (worker, _) = setup.workers
    listening = asyncio.create_task(worker.listener.follow())
    try:
        await until(lambda: worker.states == [True])
        setup.server.pause()
        with pytest.raises(RedisUnavailableError):
            await setup.lane.execute("PING")
        assert worker.cache.vouched_seconds == float("inf")
        setup.clock.advance(11)
        assert worker.cache.vouched_seconds == 900
        await until(lambda: worker.states == [True, False])
        setup.server.resume()
        await until(lambda: worker.states == [True, False, True])
        assert worker.cache.vouched_seconds == float("inf")
    finally:
        listening.cancel()


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within 5 s")


async def up(lane: RedisLane) -> None:
    await until(lambda: lane.is_up)
