"""What an upstream's adapter does, and who is told of what befalls it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

QuestionT_contra = TypeVar("QuestionT_contra", contravariant=True)
AnswerT_co = TypeVar("AnswerT_co", covariant=True)


class Exchange(Protocol[QuestionT_contra, AnswerT_co]):
    """One request to an upstream, carrying questions that change nothing."""

    async def __call__(
        self, questions: Sequence[QuestionT_contra], /, *, timeout_seconds: float
    ) -> Sequence[AnswerT_co | Exception]:
        """For every question, in order, its answer, or the exception that is its alone.

        Raises `ExchangeError` where there is nothing for any of them. MUST end within `timeout_seconds`. MUST NOT give
        an answer that is about another question.
        """


class UpstreamObserver(Protocol):
    """Told what befalls an upstream, by its name. MUST NOT raise and MUST NOT block."""

    def request_ended(self, registry: str, /, *, outcome: str, seconds: float, questions: int) -> None:
        """A request ended: `answered`, `failed` (a defect of ours), or the outcome of a `Failure`."""

    def retried(self, registry: str, /) -> None:
        """A failed request is sent again."""

    def refused(self, registry: str, /, *, why: str, questions: int) -> None:
        """Questions were refused unsent: `breaker`, `full` or `late`."""

    def breaker(self, registry: str, /, *, is_open: bool) -> None:
        """The upstream is no longer asked (or only to find out whether it is back), or is asked again."""

    def concurrency(self, registry: str, /, *, limit: int) -> None:
        """So many requests may now be under way."""
