"""One question under way per key: whoever asks the same in the meantime waits for the same answer.

Owns who waits for which answer and until when. Refuses to know how answers come about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from gateway.upstream.failures import UpstreamUnavailableError
from gateway.upstream.patience import Patience

KeyT = TypeVar("KeyT", bound=Hashable)
AnswerT = TypeVar("AnswerT")


class Flights(Generic[KeyT, AnswerT]):
    """The questions under way. A caller who leaves, the first one too, takes nothing from the others."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        """`now` is the monotonic clock of deadlines."""
        self._now = now
        self._flights: dict[KeyT, tuple[asyncio.Task[AnswerT], Patience]] = {}
        self._alone: set[asyncio.Task[AnswerT]] = set()

    async def answer(
        self, key: KeyT, ask: Callable[[KeyT, Patience], Awaitable[AnswerT]], *, until: float, shared: bool = True
    ) -> AnswerT:
        """What `ask` answers, from the question already under way if there is one and `shared` allows it.

        `ask` goes on when nobody waits any more, so that its answer is there for whoever asks next. Raises what it
        raises, and `UpstreamUnavailableError` at `until`.
        """
        known = self._flights.get(key) if shared else None
        if known is not None:
            task, patience = known
            patience.extend(until)
        else:
            task = self._start(key, ask, Patience(until), shared=shared)
        # asyncio.wait never cancels what it waits for, at half the price of wait_for and shield.
        await asyncio.wait((task,), timeout=max(0.0, until - self._now()))
        if not task.done():
            raise UpstreamUnavailableError("no answer before the caller's deadline")
        return task.result()

    async def close(self) -> None:
        """End what is still under way."""
        tasks = [*self._alone, *(task for task, _ in self._flights.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(
        self, key: KeyT, ask: Callable[[KeyT, Patience], Awaitable[AnswerT]], patience: Patience, *, shared: bool
    ) -> asyncio.Task[AnswerT]:
        async def fly() -> AnswerT:
            return await ask(key, patience)

        task = asyncio.get_running_loop().create_task(fly())
        if shared:
            self._flights[key] = (task, patience)
        else:
            self._alone.add(task)

        def land(landed: asyncio.Task[AnswerT]) -> None:
            if shared:
                del self._flights[key]
            else:
                self._alone.discard(landed)
            # One whose callers all left may fail unseen; asking for the exception keeps asyncio from complaining.
            if not landed.cancelled():
                landed.exception()

        task.add_done_callback(land)
        return task
