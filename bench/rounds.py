"""Contestants taking turns: A B C A B C …, so that whatever else the machine does meets all of them alike.

Owns the turn, the pause before it, and the proof that what was counted was answered rightly: every reply's status and
content (`bench.caller`), and the server's own count of answers and of where they came from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench import h2load
from bench.caller import Outcome, Plan
from bench.contestants import Contestant
from bench.load import outcome_of
from bench.proc import MeasurementError, cpu_seconds

METRICS_LAG_SECONDS = 0.6
"""Counters are written four times a second."""
_QUIET_SHARE = 0.1
_QUIET_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Turn:
    """What one contestant did in one round."""

    rate: float
    """Calls answered rightly, a second."""
    micros: float
    """CPU microseconds a call of the processes that answer; 0 where they were not read."""
    micros_beside: float
    """The same of the processes that work for them."""
    p50: float
    p99: float
    """Seconds; 0 where not measured."""
    failures: Mapping[str, int]


def take_turns(
    contestants: Sequence[Contestant],
    *,
    rounds: int,
    shape: Mapping[str, object],
    told: Callable[[str], None],
) -> dict[str, list[Turn]]:
    """Turns by name. `shape`: fields of `Plan` that are the same for all. Raises `MeasurementError`."""
    everyone = sorted({pid for each in contestants for pid in (*each.workers, *each.others)})
    turns: dict[str, list[Turn]] = {each.name: [] for each in contestants}
    for number in range(rounds):
        for contestant in contestants:
            wait_until_quiet(everyone)
            turn = _turn(contestant, plan_for(contestant, number, **shape))
            turns[contestant.name].append(turn)
            told(f"round {number + 1}/{rounds}  {contestant.name:<22} {turn.rate:9.0f} /s")
    return turns


def plan_for(contestant: Contestant, number: int, **shape: object) -> Plan:
    """The plan of a contestant's turn in a round."""
    plan = Plan(
        target=contestant.target,
        path=contestant.path,
        messages=contestant.messages(number),
        metadata=contestant.metadata,
        pids=(*contestant.workers, *contestant.others),
    )
    return replace(plan, **{**shape, **contestant.shape})  # type: ignore[arg-type]


def wait_until_quiet(pids: Sequence[int]) -> None:
    """Return once the servers have done what the last turn left them, such as ingesting its records."""
    until = time.monotonic() + _LONGEST_PAUSE_SECONDS
    while time.monotonic() < until:
        before = sum(cpu_seconds(pid) for pid in pids)
        time.sleep(_QUIET_SECONDS)
        if sum(cpu_seconds(pid) for pid in pids) - before < _QUIET_SHARE * _QUIET_SECONDS:
            return


def _turn(contestant: Contestant, plan: Plan) -> Turn:
    before = contestant.answered() if contestant.answered else {}
    if contestant.by_h2load is None:
        outcome = outcome_of(plan)
        succeeded, turn = outcome.ok, _of(outcome, contestant)
    else:
        succeeded, turn = _by_h2load(contestant, plan)
    if contestant.answered:
        time.sleep(METRICS_LAG_SECONDS)
        after = contestant.answered().get(contestant.source, 0)
        if after - before.get(contestant.source, 0) < succeeded:
            raise MeasurementError(
                f"{contestant.name}: {succeeded} calls were counted as answered from {contestant.source}, the gateway "
                f"says {after - before.get(contestant.source, 0)}"
            )
    return turn


def _of(outcome: Outcome, contestant: Contestant) -> Turn:
    if not outcome.ok:
        raise MeasurementError(f"{contestant.name}: nothing was answered: {outcome.statuses}")
    beside = sum(outcome.cpu[str(pid)] for pid in contestant.others)
    return Turn(
        rate=outcome.rate,
        micros=sum(outcome.cpu[str(pid)] for pid in contestant.workers) / outcome.ok * 1e6,
        micros_beside=beside / outcome.ok * 1e6,
        p50=outcome.latency["p50"],
        p99=outcome.latency["p99"],
        failures=outcome.failures,
    )


def _by_h2load(contestant: Contestant, plan: Plan) -> tuple[int, Turn]:
    assert contestant.by_h2load is not None
    # A first run tells how many calls fill the window, since h2load counts calls and not time.
    rate, result = 1000.0, None
    for seconds in (plan.warm_up_seconds, plan.seconds):
        result = h2load.run(
            target=plan.target,
            path=plan.path,
            message=contestant.by_h2load,
            metadata=plan.metadata,
            calls=max(int(rate * seconds), plan.callers),
            connections=plan.connections,
            callers=plan.callers,
            patience_seconds=10 * plan.seconds + 30,
        )
        rate = result.rate
    assert result is not None
    failures = {"h2load": result.asked - result.succeeded} if result.asked != result.succeeded else {}
    return result.succeeded, Turn(result.rate, 0, 0, 0, 0, failures)
