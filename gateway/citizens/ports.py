"""What keeping copies in step with the national database needs of the world, as contracts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.citizens.changes import Change
from gateway.model import CitizenNumber


class ChangeFeedUnavailableError(Exception):
    """The feed did not answer in time, or refused. `cause` is for the log and holds no citizen's data."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class UnusablePageError(ChangeFeedUnavailableError):
    """The feed answered, but not in the documented shape: what changed is not known."""


class ChangesMissedError(Exception):
    """The feed no longer knows the cursor: what changed since is not known. `cursor` is that of this moment."""

    def __init__(self, cursor: str) -> None:
        super().__init__("the feed does not reach back to the cursor")
        self.cursor = cursor


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Changes in order; `cursor` is where the next page begins, `more` whether there is one already."""

    changes: Sequence[Change]
    cursor: str
    more: bool


class ChangeFeed(Protocol):
    """The national database's list of changes."""

    async def now(self) -> str:
        """The cursor of this moment: every later change comes after it.

        Raises `ChangeFeedUnavailableError`.
        """

    async def read(self, cursor: str, *, wait_seconds: float) -> ChangePage:
        """The changes after a cursor; waits for one where there is none.

        Raises `ChangesMissedError`, `ChangeFeedUnavailableError` and its `UnusablePageError`.
        """


class InvalidationUnavailableError(Exception):
    """The place of the shared copies did not answer: whether an invalidation took effect is not known."""


class NotLeadingError(Exception):
    """Another follower leads, or went further; nothing was changed."""


class Invalidations(Protocol):
    """Takes copies away from all workers of all machines, for one leader at a time.

    The cursor lives where the shared copies live and moves after they are gone, so that no crash, restore or loss of
    either leaves a copy behind that a change should have taken. Every method raises `InvalidationUnavailableError`.
    """

    async def lead(self) -> bool:
        """Become the leader, or stay it, for a few seconds; False while another one is."""

    async def cursor(self) -> str | None:
        """How far changes took effect; None where that is not known, and copies may be of any age."""

    async def apply(self, changes: Sequence[Change], *, after: str, cursor: str) -> None:
        """Return once no shared copy older than the changes is left or can come in late, and every worker is told.

        Moves the cursor from `after` to `cursor` and prolongs the lead. May be repeated. Raises `NotLeadingError`.
        """

    async def start_over(self, cursor: str) -> None:
        """Take all copies away and go on from `cursor`. Raises `NotLeadingError`."""


class FetchClaims(Protocol):
    """Tells workers apart who are about to ask the same. Losing it costs upstream questions, never an answer.

    No method raises.
    """

    async def take(self, number: CitizenNumber) -> bool:
        """Whether this worker should ask; False while another one does. Ends by itself after a moment."""

    async def release(self, number: CitizenNumber) -> None:
        """Give back what `take` gave."""


class EveryWorkerAsks:
    """`FetchClaims` of a worker that knows of no others."""

    async def take(self, number: CitizenNumber) -> bool:  # noqa: ARG002
        """Always."""
        return True

    async def release(self, number: CitizenNumber) -> None:
        """Nothing to give back."""


class FollowerObserver(Protocol):
    """Told how the following fares. MUST NOT raise or block."""

    def change_feed_lag(self, seconds: float) -> None:
        """For how long changes may have waited that are not applied."""

    def degraded(self, dependency: str, *, is_degraded: bool) -> None:
        """A dependency is gone, or back."""
