"""A child process: started so that it cannot outlive its parent, waited for, restarted, stopped.

Owns the life of one child. Knows nothing of which children there are, nor in what order they come and go.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from adapters.processes.logs import ChildLog
from adapters.processes.notify import VARIABLE, NotifySocket

FIRST_RESTART_SECONDS = 0.1
SLOWEST_RESTART_SECONDS = 5.0
SETTLED_SECONDS = 20.0
"""A child that lived this long starts its restart delays afresh."""
PROBE_SECONDS = 0.01

_PR_SET_PDEATHSIG = 1
_MANAGER_VARIABLES = (VARIABLE, "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """What to run, and what the supervisor must know about it."""

    name: str
    """Unique; names the log and the notify socket."""
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    """Added to the supervisor's own."""
    service: str
    """What is announced once every child of that service is ready."""
    after: frozenset[str] = frozenset()
    """Names that must be ready first: of children, or of preparations."""
    stop_stage: int
    """Stages stop one after the other, the lowest first."""
    grace_seconds: float
    """How long it may take to stop before it is killed."""
    death_signal: signal.Signals = signal.SIGTERM
    """What the kernel sends it when the supervisor is gone."""
    ready_seconds: float = 60.0
    """A process that is not ready by then is killed: it hangs."""
    probe: Callable[[], Awaitable[bool]] | None = None
    """Asked whether it is ready; None: it says so itself (sd_notify)."""
    on_exit: Callable[[], None] = field(default=lambda: None)
    """Cleans up after a process that is gone."""


class ChildFailedError(Exception):
    """A child ended, or hung, before it was ever ready."""

    def __init__(self, name: str, outcome: str, log: ChildLog) -> None:
        super().__init__(f"{name} {outcome}")
        self.name = name
        self.outcome = outcome
        self.log = log


class Reporter(Protocol):
    """Where the operator hears of trouble."""

    def warn(self, line: str) -> None:
        """Show one line. Never raises."""


class Child:
    """Keeps one child running until told to stop."""

    def __init__(self, *, spec: ChildSpec, log: ChildLog, notify_path: Path, reporter: Reporter) -> None:
        """Needs a running event loop. `run` does the work; `stop` ends it."""
        self.spec = spec
        self.log = log
        self.status = ""
        self.process: subprocess.Popen[bytes] | None = None
        self.ever_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it was ready for the first time; fails with `ChildFailedError` if it ended before."""
        # A failure nobody waits for any more, because another stopped everything, needs no second report.
        self.ever_ready.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._notify_path = notify_path
        self._reporter = reporter
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._gone = asyncio.Event()
        self._gone.set()

    async def run(self) -> None:
        """Start it, and start it again whenever it ends, until `stop`; returns after a failure of the first start."""
        ears = NotifySocket(path=self._notify_path, heard=self._heard) if self.spec.probe is None else None
        try:
            quick_deaths = 0
            while not self._stopping.is_set():
                if ears is not None:
                    ears.discard()
                began = time.monotonic()
                outcome = await self._live()
                if self._stopping.is_set():
                    return
                if not self.ever_ready.done():
                    self.ever_ready.set_exception(ChildFailedError(self.spec.name, outcome, self.log))
                    return
                quick_deaths = 0 if time.monotonic() - began >= SETTLED_SECONDS else quick_deaths + 1
                delay = min(FIRST_RESTART_SECONDS * 2 ** max(0, quick_deaths - 1), SLOWEST_RESTART_SECONDS)
                self._reporter.warn(f"{self.spec.name} {outcome}; starts again in {delay:.1f} s (log: {self.log.path})")
                await _within(delay, self._stopping.wait())
        finally:
            if ears is not None:
                ears.close()

    async def stop(self, hurry: asyncio.Event) -> None:
        """Ask it to end, and kill it after its grace or as soon as `hurry` is set. Returns when it is gone."""
        self._stopping.set()
        process = self.process
        if process is None:
            return
        # Not Popen.send_signal: it may reap the process, and its group must stay ours until `_live` is done with it.
        os.kill(process.pid, signal.SIGTERM)
        impatience = asyncio.ensure_future(hurry.wait())
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait((gone, impatience), timeout=self.spec.grace_seconds, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done():
                self._reporter.warn(f"{self.spec.name} did not stop in time and is killed")
                _kill_group(process)
            await gone
        finally:
            impatience.cancel()

    async def _live(self) -> str:
        """One life of the process: how it ended."""
        try:
            process = self._spawn()
        except OSError as error:
            return f"cannot be started: {error}"
        self.process = process
        self._gone.clear()
        self._ready.clear()
        self.status = ""
        ended = asyncio.ensure_future(_ended(process.pid))
        readiness = asyncio.ensure_future(self._await_readiness())
        hung = False
        try:
            await asyncio.wait((ended, readiness), timeout=self.spec.ready_seconds, return_when=asyncio.FIRST_COMPLETED)
            if self._ready.is_set():
                if not self.ever_ready.done():
                    self.ever_ready.set_result(None)
            elif not ended.done() and not self._stopping.is_set():
                hung = True
                _kill_group(process)
            await ended
        finally:
            readiness.cancel()
            ended.cancel()
            # Before the leader is reaped its group's number cannot be taken by a stranger.
            _kill_group(process)
            code = process.wait()
            self.process = None
            self.spec.on_exit()
            self._gone.set()
        return f"was not ready within {self.spec.ready_seconds:.0f} s" if hung else outcome_of(code)

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if name not in _MANAGER_VARIABLES}
        environment.update(self.spec.environment)
        if self.spec.probe is None:
            environment[VARIABLE] = str(self._notify_path)
        log = self.log.open()
        try:
            # Started from the main thread: the kernel sends the death signal when that thread ends. The hook between
            # fork and exec takes no lock and imports nothing, which is what makes it safe beside other threads.
            return subprocess.Popen(  # noqa: S603
                self.spec.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                umask=0o077,
                preexec_fn=_die_with_parent(self.spec.death_signal),  # noqa: PLW1509
            )
        finally:
            os.close(log)

    async def _await_readiness(self) -> None:
        if self.spec.probe is None:
            await self._ready.wait()
            return
        while not await self.spec.probe():  # noqa: ASYNC110  # a server of another kind sets no event of ours
            await asyncio.sleep(PROBE_SECONDS)
        self._ready.set()

    def _heard(self, key: str, value: str) -> None:
        if key == "READY" and value == "1":
            self._ready.set()
        elif key == "STATUS":
            self.status = value


def outcome_of(code: int) -> str:
    """How a process ended, in words: `code` is its exit status, or minus the signal that killed it."""
    if code >= 0:
        return f"ended with exit status {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


async def _ended(pid: int) -> None:
    """Return when the process has ended; it is left for the caller to reap."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(pid)
    try:
        loop.add_reader(descriptor, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def _within(seconds: float, wait: Awaitable[object]) -> None:
    try:
        await asyncio.wait_for(wait, seconds)
    except TimeoutError:
        return


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the child and whatever it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def in_child() -> None:
        # A parent that died before the call sends nothing any more: then the child is already somebody else's.
        if prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(127)

    return in_child
