"""Children that belong together: started as soon as what they need is there, watched, stopped in order.

Owns order, signals and what the operator is told. Knows nothing of what the children are for: the table comes from
`plan`, the life of each from `children`.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from adapters.processes.children import Child, ChildFailedError, ChildSpec
from adapters.processes.console import Console
from adapters.processes.logs import ChildLog

_PROGRESS_SECONDS = 3.0
_ROTATION_SECONDS = 5.0
_SAME_PRESS_SECONDS = 0.2
_TAIL_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Blocking work that children wait for, done in a thread while others start."""

    name: str
    run: Callable[[], object]
    after: frozenset[str] = frozenset()
    """Names of other preparations or of children that must be ready first."""


class StopSignals:
    """What the operator asked for: SIGTERM, SIGHUP or Ctrl-C stop, a second Ctrl-C hurries."""

    def __init__(self) -> None:
        """Installs handlers on the running event loop."""
        self.asked = asyncio.Event()
        self.hurry = asyncio.Event()
        self._asked_at = 0.0
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # nohup has made hang-ups mean nothing; keep it so.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._heard, number)

    def _heard(self, number: signal.Signals) -> None:
        if not self.asked.is_set():
            self._asked_at = time.monotonic()
            self.asked.set()
        # Some launchers signal the process and then its whole group: that is one press, not two.
        elif number is signal.SIGINT and time.monotonic() - self._asked_at > _SAME_PRESS_SECONDS:
            self.hurry.set()


class Ensemble:
    """Runs one table of children from the first start to the last stop."""

    def __init__(
        self,
        *,
        children: Sequence[ChildSpec],
        preparations: Sequence[Preparation],
        announcements: Mapping[str, Sequence[str]],
        logs: Path,
        sockets: Path,
        console: Console,
        signals: StopSignals,
    ) -> None:
        """`announcements`: the lines for a service, said once all its children are ready. Needs a running event loop.

        Logs go to `logs`/NAME.log, notify sockets to `sockets`; both directories exist.
        """
        self._children = [
            Child(
                spec=spec,
                log=ChildLog(path=logs / f"{spec.name}.log"),
                notify_path=sockets / f"notify-{spec.name}.sock",
                reporter=console,
            )
            for spec in children
        ]
        self._preparations = tuple(preparations)
        self._announcements = announcements
        self._console = console
        self._signals = signals
        names = [*(spec.name for spec in children), *(each.name for each in preparations)]
        self._ready = {name: asyncio.Event() for name in names}
        self._lives: dict[str, asyncio.Task[None]] = {}

    async def run(self, *, started: Callable[[], Awaitable[None]], stopping: Callable[[], None]) -> int:
        """Start everything, call `started`, keep it running until asked to stop, call `stopping`; the exit status.

        0: stopped as asked. 1: something failed before all was ready, or the supervision itself broke.
        """
        asked = asyncio.ensure_future(self._signals.asked.wait())
        chores = [asyncio.ensure_future(self._tell_progress()), asyncio.ensure_future(self._rotate_logs())]
        starting = asyncio.ensure_future(self._start(started))
        try:
            await asyncio.wait((asked, starting), return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return 0
            if not self._started_well(starting):
                return 1
            ended, _ = await asyncio.wait((asked, *self._lives.values()), return_when=asyncio.FIRST_COMPLETED)
            if asked in ended:
                return 0
            for life in ended:
                self._console.warn(f"supervision broke: {life.exception()!r}")
            return 1
        finally:
            asked.cancel()
            for task in (starting, *chores):
                task.cancel()
            await asyncio.gather(starting, *chores, return_exceptions=True)
            stopping()
            await self._stop()

    async def _start(self, started: Callable[[], Awaitable[None]]) -> None:
        async with asyncio.TaskGroup() as group:
            for preparation in self._preparations:
                group.create_task(self._prepare(preparation))
            for child in self._children:
                group.create_task(self._start_child(child))
        await started()

    async def _prepare(self, preparation: Preparation) -> None:
        for name in preparation.after:
            await self._ready[name].wait()
        try:
            await asyncio.to_thread(preparation.run)
        except Exception as error:
            raise PreparationFailedError(preparation.name, error) from error
        self._ready[preparation.name].set()

    async def _start_child(self, child: Child) -> None:
        for name in child.spec.after:
            await self._ready[name].wait()
        life = asyncio.ensure_future(child.run())
        self._lives[child.spec.name] = life
        await asyncio.wait((child.ever_ready, life), return_when=asyncio.FIRST_COMPLETED)
        if not child.ever_ready.done():
            await life
        await child.ever_ready
        self._ready[child.spec.name].set()
        service = child.spec.service
        if all(self._ready[one.spec.name].is_set() for one in self._children if one.spec.service == service):
            for line in self._announcements.get(service, ()):
                self._console.say(line)

    def _started_well(self, starting: asyncio.Future[None]) -> bool:
        error = starting.exception()
        if error is None:
            return True
        for one in error.exceptions if isinstance(error, BaseExceptionGroup) else (error,):
            if isinstance(one, ChildFailedError):
                self._console.warn(f"{one.name} {one.outcome} before it was ready; the end of {one.log.path}:")
                for line in one.log.tail(_TAIL_LINES):
                    self._console.warn(f"  {line}")
            elif isinstance(one, PreparationFailedError):
                self._console.warn(str(one))
            else:
                self._console.warn(f"start-up broke: {one!r}")
        return False

    async def _stop(self) -> None:
        running = [child for child in self._children if child.spec.name in self._lives]
        if self._signals.asked.is_set() and running:
            self._console.warn("stopping: calls under way are finished first, Ctrl-C again cuts them")
        for stage in sorted({child.spec.stop_stage for child in running}):
            leaving = [child for child in running if child.spec.stop_stage == stage]
            await asyncio.gather(*(child.stop(self._signals.hurry) for child in leaving))
        await asyncio.gather(*self._lives.values(), return_exceptions=True)

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_SECONDS)
            waiting = [name for name, event in self._ready.items() if not event.is_set()]
            if not waiting:
                return
            statuses = {child.spec.name: child.status for child in self._children}
            told = [f"{name} ({statuses[name]})" if statuses.get(name) else name for name in waiting]
            self._console.warn(f"still waiting for {', '.join(told)}")

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(_ROTATION_SECONDS)
            for child in self._children:
                # A log that cannot be rotated now is tried again; it must not take the installation down.
                with suppress(OSError):
                    await asyncio.to_thread(child.log.rotate)


class PreparationFailedError(Exception):
    """What children wait for could not be made."""

    def __init__(self, name: str, error: Exception) -> None:
        first_line = str(error).partition("\n")[0]
        super().__init__(f"{name} could not be prepared: {type(error).__name__}: {first_line}")
