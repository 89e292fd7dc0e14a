"""The load: a process of its own that asks, checks the grpc-status of every reply, and says what came back.

    python -m bench.caller < plan.json > outcome.json

Closed (`callers` ask again as soon as they are answered) or open (`rate` calls a second, whatever comes back). Only
what ends inside the window after the warm-up counts. CPU time of the servers' processes is read at both ends of it.
Bounded: it ends after warm-up and window, and gives up on a server that answers nothing for `PATIENCE_SECONDS`.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path

from bench.proc import cpu_seconds
from bench.spread import quantile
from bench.wire import Connection, Headers, Reply, prefixed

PATIENCE_SECONDS = 10.0
_TICK_SECONDS = 0.001
_CHUNK = 262_144


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask, how, and for how long."""

    target: str
    """`host:port`."""
    path: str
    messages: Path
    """One request a line: the message in hexadecimal; after a space, what the reply must contain. Asked in turn."""
    metadata: Sequence[tuple[str, str]] = ()
    connections: int = 16
    callers: int = 128
    """Calls under way; ignored with a rate."""
    rate: float | None = None
    """Calls a second."""
    deadline_seconds: float = 20.0
    warm_up_seconds: float = 1.0
    seconds: float = 4.0
    calls: int | None = None
    """End the window early after so many."""
    pids: Sequence[int] = ()
    """Processes whose CPU time is read."""


@dataclass(slots=True)
class Outcome:
    """What came back in the window."""

    seconds: float = 0.0
    asked: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    """Replies by grpc-status; `late` for those that did not come before their deadline, `wrong` for an OK without the
    content that was due."""
    latency: dict[str, float] = field(default_factory=dict)
    """Quantiles in seconds of the OK ones."""
    cpu: dict[str, float] = field(default_factory=dict)
    """CPU seconds in the window by pid; `caller` is the load's own."""

    @property
    def ok(self) -> int:
        """Replies with status OK and the right content, in time."""
        return self.statuses.get("0", 0)

    @property
    def rate(self) -> float:
        """OK replies a second."""
        return self.ok / self.seconds if self.seconds else 0.0

    @property
    def failures(self) -> dict[str, int]:
        """What came back instead of OK."""
        return {status: count for status, count in self.statuses.items() if status != "0"}


class _Wire:
    """One connection with its socket and its calls under way."""

    def __init__(self, target: str, headers: Headers) -> None:
        host, _, port = target.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.connection = Connection(headers)
        # Oldest first, since dictionaries keep their order: when a call is due to be given up is seen at the front.
        self.under_way: dict[int, tuple[float, bytes]] = {}

    def ask(self, message: bytes, expected: bytes, now: float) -> None:
        self.under_way[self.connection.call(message)] = (now, expected)

    def flush(self) -> None:
        outgoing = self.connection.outgoing
        if outgoing:
            try:
                del outgoing[: self.socket.send(outgoing)]
            except BlockingIOError:
                return

    def receive(self) -> list[Reply]:
        try:
            received = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return []
        if not received:
            raise ConnectionError("the server closed a connection under load")
        return self.connection.feed(received)


class Caller:
    """Carries out one plan."""

    def __init__(self, plan: Plan) -> None:
        """Connects, or raises `OSError`."""
        self._plan = plan
        self._messages = cycle(_read(plan.messages))
        headers = Headers(plan.path, plan.metadata)
        self._wires = [_Wire(plan.target, headers) for _ in range(plan.connections)]
        self._turn = cycle(self._wires)
        self._selector = selectors.DefaultSelector()
        for wire in self._wires:
            self._selector.register(wire.socket, selectors.EVENT_READ, wire)
        self._outcome = Outcome()
        self._latencies: list[float] = []
        self._counting = False
        self._last_heard = 0.0

    def run(self) -> Outcome:
        """Ask until the window is over. Raises `ConnectionError` where the server leaves, `TimeoutError` when mute."""
        plan, outcome = self._plan, self._outcome
        began = now = self._last_heard = time.perf_counter()
        opens, closes = began + plan.warm_up_seconds, began + plan.warm_up_seconds + plan.seconds
        before: dict[str, float] = {}
        scheduled = began
        if plan.rate is None:
            for _ in range(plan.callers):
                next(self._turn).ask(*next(self._messages), now)
        while now < closes and (plan.calls is None or outcome.ok < plan.calls):
            if not self._counting and now >= opens:
                self._counting, opens, before = True, now, self._cpu()
            if plan.rate is not None:
                scheduled = self._ask_due(scheduled, now, 1 / plan.rate)
            for wire in self._wires:
                wire.flush()
            self._hear()
            now = time.perf_counter()
            self._give_up(now)
            if now - self._last_heard > PATIENCE_SECONDS:
                raise TimeoutError(f"no reply for {PATIENCE_SECONDS:.0f} s")
        outcome.seconds = now - opens
        outcome.cpu = {name: spent - before[name] for name, spent in self._cpu().items()}
        self._latencies.sort()
        if self._latencies:
            outcome.latency = {name: quantile(self._latencies, at) for name, at in _QUANTILES.items()}
        for wire in self._wires:
            wire.socket.close()
        return outcome

    def _hear(self) -> None:
        for key, _ in self._selector.select(_TICK_SECONDS):
            wire: _Wire = key.data
            replies = wire.receive()
            now = time.perf_counter()
            for reply in replies:
                self._note(wire, reply, now)
                if self._plan.rate is None:
                    wire.ask(*next(self._messages), now)
                    self._outcome.asked += self._counting
            if replies:
                self._last_heard = now
            wire.flush()

    def _ask_due(self, scheduled: float, now: float, interval: float) -> float:
        while scheduled <= now:
            # Timed from when it was due, not from when we got round to it: a slow caller would flatter the server.
            next(self._turn).ask(*next(self._messages), scheduled)
            self._outcome.asked += self._counting
            scheduled += interval
        return scheduled

    def _note(self, wire: _Wire, reply: Reply, now: float) -> None:
        asked, expected = wire.under_way.pop(reply.stream)
        if not self._counting:
            return
        status = str(reply.status)
        if status == "0":
            if now - asked > self._plan.deadline_seconds:
                status = "late"
            elif not reply.data or expected not in reply.data:
                status = "wrong"
            else:
                self._latencies.append(now - asked)
        self._outcome.statuses[status] = self._outcome.statuses.get(status, 0) + 1

    def _give_up(self, now: float) -> None:
        latest = now - self._plan.deadline_seconds
        for wire in self._wires:
            while wire.under_way:
                stream, (asked, _) = next(iter(wire.under_way.items()))
                if asked > latest:
                    break
                del wire.under_way[stream]
                wire.connection.cancel(stream)
                if self._counting:
                    self._outcome.statuses["late"] = self._outcome.statuses.get("late", 0) + 1
                if self._plan.rate is None:
                    wire.ask(*next(self._messages), now)

    def _cpu(self) -> dict[str, float]:
        return {str(pid): cpu_seconds(pid) for pid in self._plan.pids} | {"caller": time.process_time()}


_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def _read(path: Path) -> Sequence[tuple[bytes, bytes]]:
    lines = (line.split() for line in path.read_text().splitlines())
    return [(prefixed(bytes.fromhex(message)), expected.encode()) for message, expected in _pairs(lines)]


def _pairs(lines: Iterable[list[str]]) -> Iterator[tuple[str, str]]:
    for message, *expected in lines:
        yield message, expected[0] if expected else ""


def main() -> int:
    """Read a plan, carry it out, write the outcome."""
    told = json.load(sys.stdin)
    told["messages"] = Path(told["messages"])
    try:
        outcome = Caller(Plan(**told)).run()
    except OSError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    json.dump(asdict(outcome), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
