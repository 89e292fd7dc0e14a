"""Following changes: copies go first, then the cursor; and where what changed is not known, all copies go."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.citizens.changes import Change
from gateway.citizens.follow_changes import RETRY_SECONDS, STAND_BY_SECONDS, FollowChanges
from gateway.citizens.numbers import personal
from gateway.citizens.ports import (
    ChangeFeedUnavailableError,
    ChangePage,
    ChangesMissedError,
    InvalidationUnavailableError,
    NotLeadingError,
    UnusablePageError,
)
from tests.fakes.clock import FakeClock

NUMBER = personal("097090000001")


@dataclass
class Feed:
    """A feed of pages; a page is what it answers or raises for a cursor."""

    pages: dict[str, ChangePage | Exception]
    read_cursors: list[str] = field(default_factory=list)

    async def now(self) -> str:
        return "now"

    async def read(self, cursor: str, *, wait_seconds: float) -> ChangePage:
        assert wait_seconds > 0
        self.read_cursors.append(cursor)
        answer = self.pages.get(cursor) or ChangePage([], cursor, more=False)
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Taken:
    """Remembers what took effect, in order; `refusals` are raised first."""

    at: str | None = None
    free: bool = True
    effects: list[tuple[str, ...]] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)

    async def lead(self) -> bool:
        return self.free

    async def cursor(self) -> str | None:
        return self.at

    async def apply(self, changes: Sequence[Change], *, after: str, cursor: str) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        assert after == self.at
        self.at = cursor
        self.effects.append(("applied", *(str(change.version) for change in changes)))

    async def start_over(self, cursor: str) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.at = cursor
        self.effects.append(("started over", cursor))


@dataclass
class Told:
    """What an operator sees."""

    lag: float = -1.0
    is_degraded: bool | None = None

    def change_feed_lag(self, seconds: float) -> None:
        self.lag = seconds

    def degraded(self, dependency: str, *, is_degraded: bool) -> None:
        assert dependency == "change_feed"
        self.is_degraded = is_degraded


class Setup:
    def __init__(self, pages: dict[str, ChangePage | Exception] | None = None, *, at: str | None = "a") -> None:
        self.clock = FakeClock()
        self.feed, self.taken, self.told = Feed(pages or {}), Taken(at), Told()
        self.follower = FollowChanges(
            feed=self.feed, invalidations=self.taken, clock=self.clock, observer=self.told, sleep=self._sleep
        )
        self.slept: list[float] = []

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def page(self, *versions: int, cursor: str, more: bool = False, age: float = 0.0) -> ChangePage:
        changed_at = self.clock.now() - age
        return ChangePage([Change(NUMBER, one, False, changed_at) for one in versions], cursor, more)


async def test_pages_take_effect_in_order_and_the_cursor_follows() -> None:
    """A change is never skipped."""
    setup = Setup()
    setup.feed.pages = {"a": setup.page(2, 3, cursor="b", more=True), "b": setup.page(4, cursor="c")}
    assert [await setup.follower.step() for _ in range(3)] == [0, 0, 0]
    assert setup.taken.effects == [("applied", "2", "3"), ("applied", "4"), ("applied",)]
    assert setup.feed.read_cursors == ["a", "b", "c"]
    assert (setup.told.lag, setup.told.is_degraded) == (0, False)


async def test_without_a_cursor_everything_is_given_up_from_a_moment_known_before() -> None:
    """The moment is asked for first: what changes after it is read, what changed before it is dropped."""
    setup = Setup(at=None)
    await setup.follower.step()
    assert setup.taken.effects == [("started over", "now"), ("applied",)]


async def test_a_gap_in_the_feed_gives_everything_up() -> None:
    """What changed is not known: any copy may be old."""
    setup = Setup({"a": ChangesMissedError("z")})
    await setup.follower.step()
    assert setup.taken.effects == [("started over", "z")]
    await setup.follower.step()
    assert setup.feed.read_cursors == ["a", "z"]


async def test_pages_that_stay_unusable_count_as_missed() -> None:
    """One garbled answer is asked for again; a change nobody can read must not block all others for ever."""
    setup = Setup({"a": UnusablePageError("unusable page: not JSON")})
    assert [await setup.follower.step() for _ in range(3)] == list(RETRY_SECONDS[:3])
    assert setup.taken.effects == []
    await setup.follower.step()
    assert setup.taken.effects == [("started over", "now"), ("applied",)]


async def test_a_feed_that_is_gone_is_told_with_how_long() -> None:
    """An operator must see copies grow old."""
    setup = Setup({"a": ChangeFeedUnavailableError("status 503")})
    for _ in range(6):
        setup.clock.advance(10)
        await setup.follower.step()
    # In step since the lead was taken, after the first ten seconds.
    assert (setup.told.lag, setup.told.is_degraded) == (50, True)
    assert await setup.follower.step() == RETRY_SECONDS[-1]
    setup.feed.pages.clear()
    await setup.follower.step()
    assert (setup.told.lag, setup.told.is_degraded) == (0, False)
    setup.feed.pages["a"] = ChangeFeedUnavailableError("status 503")
    assert await setup.follower.step() == RETRY_SECONDS[0]


async def test_what_did_not_take_effect_is_done_again_from_the_kept_cursor() -> None:
    """At least once: Redis may have died half-way."""
    setup = Setup()
    setup.feed.pages = {"a": setup.page(2, cursor="b")}
    setup.taken.refusals = [InvalidationUnavailableError("gone")]
    assert await setup.follower.step() > 0
    assert setup.told.is_degraded is True
    await setup.follower.step()
    assert setup.taken.effects == [("applied", "2")]
    assert setup.feed.read_cursors == ["a", "a"]


async def test_who_does_not_lead_touches_nothing_and_takes_over_when_it_can() -> None:
    """One leader among machines."""
    setup = Setup()
    setup.taken.free = False
    assert await setup.follower.step() == STAND_BY_SECONDS
    assert (setup.feed.read_cursors, setup.taken.effects) == ([], [])
    assert setup.told.is_degraded is False
    setup.taken.free, setup.taken.at = True, "q"
    await setup.follower.step()
    assert setup.feed.read_cursors == ["q"]


async def test_who_lost_the_lead_stops_at_once() -> None:
    """A leader that slept must not undo its successor's work."""
    setup = Setup()
    await setup.follower.step()
    setup.taken.refusals = [NotLeadingError()]
    assert await setup.follower.step() == 0
    setup.taken.free = False
    assert await setup.follower.step() == STAND_BY_SECONDS
    assert len(setup.feed.read_cursors) == 2


async def test_while_catching_up_the_lag_is_the_age_of_what_was_reached() -> None:
    """A mass change is worked off in view."""
    setup = Setup()
    setup.feed.pages = {"a": setup.page(2, cursor="b", more=True, age=90)}
    await setup.follower.step()
    assert (setup.told.lag, setup.told.is_degraded) == (90, False)


async def test_a_defect_is_told_and_followed_by_another_attempt() -> None:
    """The follower must not end unseen: copies would grow old behind everybody's back."""
    setup = Setup()
    setup.taken.refusals = [ZeroDivisionError()]
    running = asyncio.create_task(setup.follower.run())
    for _ in range(50):
        await asyncio.sleep(0)
    running.cancel()
    assert setup.slept[0] == RETRY_SECONDS[0]
    assert setup.taken.effects
