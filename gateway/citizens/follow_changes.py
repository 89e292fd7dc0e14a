"""Keeps copies in step with the national database: follows its changes and takes away what they made old.

Owns the order of things: copies go first, then the cursor moves, so that a crash repeats work and skips none; and where
what changed is not known, all copies go. Refuses to know how the feed is read and where copies are.

One follower among all machines leads; the others wait for its lead to end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.citizens.ports import (
    ChangeFeed,
    ChangeFeedUnavailableError,
    ChangePage,
    ChangesMissedError,
    FollowerObserver,
    Invalidations,
    InvalidationUnavailableError,
    NotLeadingError,
    UnusablePageError,
)
from gateway.ports import Clock

DEPENDENCY = "change_feed"
WAIT_SECONDS = 2.0
"""How long the feed may wait for a change; shorter than the lead, which each answer prolongs."""
STAND_BY_SECONDS = 1.0
RETRY_SECONDS = (0.25, 0.5, 1.0, 2.0)
"""Waits after the first, second, … failure in a row; then the last one."""
UNUSABLE_PAGES = 3
"""So many unusable pages in a row, and what they say counts as missed."""


class FollowChanges:
    """Follows for ever."""

    def __init__(
        self,
        *,
        feed: ChangeFeed,
        invalidations: Invalidations,
        clock: Clock,
        observer: FollowerObserver,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`observer` hears `degraded("change_feed")` and the lag."""
        self._feed = feed
        self._invalidations = invalidations
        self._clock = clock
        self._observer = observer
        self._sleep = sleep
        self._leads = False
        self._cursor: str | None = None
        self._failures = 0
        self._unusable = 0
        self._in_step_at = clock.monotonic()
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.change_feed")

    async def run(self) -> None:
        """Follow; cancel to stop."""
        while True:
            try:
                wait = await self.step()
            except Exception as defect:  # noqa: BLE001  a defect is told, and another machine may do better
                self._leads = False
                wait = self._failed(f"defect: {type(defect).__name__}")
            await self._sleep(wait)

    async def step(self) -> float:
        """One page, or one attempt; how many seconds to wait before the next."""
        try:
            if not self._leads and not await self._take_the_lead():
                self._tell(lag=0.0, is_degraded=False)
                return STAND_BY_SECONDS
            await self._follow_once()
        except NotLeadingError:
            self._log.info("lead_lost")
            self._leads = False
            return 0.0
        except ChangeFeedUnavailableError as error:
            self._unusable += isinstance(error, UnusablePageError)
            return self._failed(error.cause)
        except InvalidationUnavailableError as error:
            # What was under way is done again from the cursor that is kept with the copies.
            self._leads = False
            return self._failed(str(error))
        self._failures = self._unusable = 0
        return 0.0

    async def _take_the_lead(self) -> bool:
        if not await self._invalidations.lead():
            return False
        self._leads = True
        self._cursor = await self._invalidations.cursor()
        self._in_step_at = self._clock.monotonic()
        self._log.info("lead_taken", is_new=self._cursor is None)
        return True

    async def _follow_once(self) -> None:
        if self._cursor is None or self._unusable >= UNUSABLE_PAGES:
            await self._start_over(await self._feed.now(), why="no cursor" if self._cursor is None else "unusable")
        assert self._cursor is not None
        try:
            page = await self._feed.read(self._cursor, wait_seconds=WAIT_SECONDS)
        except ChangesMissedError as missed:
            await self._start_over(missed.cursor, why="missed")
            return
        await self._invalidations.apply(page.changes, after=self._cursor, cursor=page.cursor)
        self._cursor = page.cursor
        self._tell(lag=self._lag_after(page), is_degraded=False)

    async def _start_over(self, cursor: str, *, why: str) -> None:
        self._log.warning("copies_given_up", why=why)
        await self._invalidations.start_over(cursor)
        self._cursor, self._unusable = cursor, 0
        self._in_step_at = self._clock.monotonic()

    def _lag_after(self, page: ChangePage) -> float:
        if not page.more or not page.changes:
            self._in_step_at = self._clock.monotonic()
            return 0.0
        return max(0.0, self._clock.now() - page.changes[-1].changed_at)

    def _failed(self, cause: str) -> float:
        wait = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        if self._failures == 0:
            self._log.warning("change_feed_stopped", cause=cause)
        self._failures += 1
        self._tell(lag=self._clock.monotonic() - self._in_step_at, is_degraded=True)
        return wait

    def _tell(self, *, lag: float, is_degraded: bool) -> None:
        self._observer.change_feed_lag(lag)
        self._observer.degraded(DEPENDENCY, is_degraded=is_degraded)
