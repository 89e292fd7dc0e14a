"""The whole measurement: who stands beside whom, in which order, and which figures come of it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench import contestants as who
from bench import h2load
from bench.contestants import Contestant, of_gateway
from bench.installation import installed
from bench.load import outcome_of
from bench.memory import Memory, memory
from bench.overload import Overloaded, overload
from bench.requests import lookup, people, write_lookups
from bench.rounds import Turn, plan_for, take_turns
from bench.spread import Spread, ratio
from bench.start_up import start_up
from bench.steps import steps, with_transport

_FASTEST_UNCACHED = 6_000
"""Calls a second for which distinct citizens are kept ready."""
_KNOWN = 1_000
"""People with copies."""
_FILL_SECONDS = 3.0
_BULK = 100
_LARGEST_BULK = 500
"""Citizens a bulk call."""
_ECHO_FEW = "echo, few callers"


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to look."""

    rounds: int
    warm_up_seconds: float
    seconds: float
    citizens: int
    """Distinct ones, for the memory of a worker."""
    calls: int
    """After them, for the same."""
    starts: int
    step_calls: int
    transport: str = "aio"
    """`grpc.transport` of the gateways."""

    @property
    def shape(self) -> dict[str, object]:
        """Fields of every plan."""
        return {"warm_up_seconds": self.warm_up_seconds, "seconds": self.seconds}


FULL = Effort(
    rounds=5, warm_up_seconds=1.0, seconds=3.0, citizens=1_000_000, calls=100_000, starts=3, step_calls=20_000
)
QUICK = Effort(rounds=2, warm_up_seconds=0.5, seconds=1.5, citizens=20_000, calls=5_000, starts=1, step_calls=5_000)


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that was measured."""

    turns: Mapping[str, Sequence[Turn]]
    alone: Mapping[str, Sequence[Turn]]
    """The same with one caller."""
    overloaded: Sequence[Overloaded]
    memory: Memory
    starts: Sequence[float]
    steps: Mapping[str, float]
    seconds: float
    machine: str

    def figures(self) -> dict[str, Spread]:
        """What the bars ask for, by name, and the price of evidence."""
        rates = {name: [turn.rate for turn in turns] for name, turns in self.turns.items()}
        found = {
            "cached/echo": ratio(rates["cached"], rates["echo"]),
            "cached/textbook": ratio(rates["cached"], rates["textbook"]),
            "uncached/echo": ratio(rates["uncached"], rates["echo"]),
            "bulk/echo": ratio([rate * _BULK for rate in rates[f"bulk of {_BULK}"]], rates["echo"]),
            "bulk of 500/60 echoes, CPU": ratio(
                [turn.micros for turn in self.turns[f"bulk of {_LARGEST_BULK}"]],
                [60 * turn.micros for turn in self.turns[_ECHO_FEW]],
            ),
            "evidence": ratio(rates["cached"], rates["journal off"]),
            "cached/echo, CPU": ratio(
                [turn.micros for turn in self.turns["cached"]], [turn.micros for turn in self.turns["echo"]]
            ),
            "goodput/peak": Spread.of([each.goodput / each.peak for each in self.overloaded]),
            "added latency": Spread.of(
                [
                    (ours.p50 - floor.p50) / floor.p50
                    for ours, floor in zip(self.alone["cached"], self.alone["echo"], strict=True)
                ]
            ),
            "memory, calls": Spread.of(self.memory.growth_over_calls),
            "memory, citizens": Spread.of(self.memory.growth),
            "start": Spread.of(self.starts),
        }
        if "cached (h2load)" in rates:
            found["cached/echo (h2load)"] = ratio(rates["cached (h2load)"], rates["echo (h2load)"])
        return found


def measure(folder: Path, effort: Effort, told: Callable[[str], None]) -> Result:
    """Measure everything. Raises `MeasurementError`; whatever was started has ended when this returns."""
    began = time.monotonic()
    numbers = people(_KNOWN)
    cached = write_lookups(folder / "cached.requests", numbers)
    unchecked = write_lookups(folder / "unchecked.requests", numbers, checked=False)
    one = write_lookups(folder / "one.requests", numbers[:1])
    starts = [start_up(folder / f"start-{at}", one) for at in range(effort.starts)]
    told("start-up: " + ", ".join(f"{seconds:.2f} s" for seconds in starts))
    with ExitStack() as stack:
        chosen = {"DANCU_GRPC__TRANSPORT": effort.transport}
        gateway = stack.enter_context(installed(folder / "gateway", environment=chosen))
        silent = stack.enter_context(installed(folder / "silent", variant=("--journal", "none"), environment=chosen))
        answer = who.first_answer(gateway, numbers[0])
        response = answer.SerializeToString()
        ours = of_gateway("cached", gateway, lambda _: cached, source="cache")
        floor = stack.enter_context(who.echo(folder, response=response, messages=unchecked, metadata=ours.metadata))
        field = [
            floor,
            ours,
            who.few(floor, _ECHO_FEW),
            who.bulk_of(gateway, folder, numbers, each=_BULK),
            who.bulk_of(gateway, folder, numbers, each=_LARGEST_BULK),
            of_gateway("journal off", silent, lambda _: cached, source="cache"),
            stack.enter_context(who.textbook(folder, response=response, numbers=numbers, messages=cached)),
            of_gateway("uncached", gateway, _strangers(folder, effort), source="national_db"),
        ]
        if h2load.program():
            request = lookup(numbers[0])
            field += [replace(each, name=f"{each.name} (h2load)", by_h2load=request) for each in (floor, ours)]
        _fill_copies(field)
        turns = take_turns(field, rounds=effort.rounds, shape=effort.shape, told=told)
        single = effort.shape | {"connections": 1, "callers": 1}
        alone = take_turns([floor, ours], rounds=effort.rounds, shape=single, told=told)
        overloaded = overload(ours, rounds=max(1, effort.rounds // 2), shape=effort.shape, told=told)
        spent = steps(gateway, numbers[0], calls=effort.step_calls)
    return Result(
        turns=turns,
        alone=alone,
        overloaded=overloaded,
        memory=memory(
            folder, answer.citizen.SerializeToString(), citizens=effort.citizens, calls=effort.calls, told=told
        ),
        starts=starts,
        steps=with_transport(
            spent,
            floor=_micros(turns["echo"]),
            silent=_micros(turns["journal off"]),
            worker=_micros(turns["cached"]),
        ),
        seconds=time.monotonic() - began,
        machine=machine(),
    )


def _strangers(folder: Path, effort: Effort) -> Callable[[int], Path]:
    """For each round a file of people whom nobody has asked for yet."""
    each = int((effort.warm_up_seconds + effort.seconds) * _FASTEST_UNCACHED)
    known = set(people(_KNOWN))
    numbers = [number for number in people(each * effort.rounds) if number not in known]
    files = [
        write_lookups(folder / f"uncached-{at}.requests", numbers[at * each : (at + 1) * each])
        for at in range(effort.rounds)
    ]
    return files.__getitem__


def _fill_copies(field: Sequence[Contestant]) -> None:
    """Ask for everyone once on every worker, uncounted."""
    for contestant in field:
        if contestant.source != "national_db" and contestant.by_h2load is None:
            outcome_of(plan_for(contestant, 0, warm_up_seconds=0.0, seconds=_FILL_SECONDS))


def _micros(turns: Sequence[Turn]) -> float:
    return Spread.of([turn.micros for turn in turns]).median


def machine() -> str:
    """What it was measured on, in a line without names or addresses."""
    described = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in described if line.startswith("model name")]
    cores = f"{os.cpu_count()} cores ({models[0] if models else platform.machine()})"
    return f"{cores}, Python {platform.python_version()}, Linux {platform.release().split('-')[0]}"
