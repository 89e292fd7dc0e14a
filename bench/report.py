"""The report of a run: what `make bench` prints and `bench/README.md` keeps. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice

from bench.bars import Judged
from bench.overload import Overloaded
from bench.rounds import Turn
from bench.run import Result
from bench.spread import Spread
from bench.table import NOTHING, bars_table, figure, table

_DEAREST = 3


def report(result: Result, judged: Sequence[Judged], *, at: datetime, quick: bool) -> str:
    """Everything in Markdown."""
    figures = result.figures()
    parts = [
        f"{at:%Y-%m-%d %H:%M} UTC, {result.machine}; {result.seconds:.0f} s"
        + (" (quick: too short to judge by)" if quick else ""),
        bars_table(judged),
        _evidence(figures),
        _turns_table(result.turns),
        _alone(result.alone),
        _overloaded(result.overloaded),
        _memory(result),
        _steps(result.steps),
    ]
    return "\n\n".join(part for part in parts if part)


def _evidence(figures: Mapping[str, Spread]) -> str:
    kept = figures["evidence"]
    cpu = figures["cached/echo, CPU"]
    lines = [
        f"Price of evidence: calls/s with the journal on ÷ with it off: {_told(kept)}.",
        f"CPU time of the answering processes, cached lookup ÷ echo: {_told(cpu)}.",
    ]
    if "cached/echo (h2load)" in figures:
        lines.append(f"Second opinion, cached ÷ echo by h2load: {_told(figures['cached/echo (h2load)'])}.")
    else:
        lines.append("No second opinion: h2load is not installed (Debian: apt-get install nghttp2-client).")
    return "\n".join(lines)


def _told(spread: Spread) -> str:
    return f"{spread.median:.2f} ({spread.least:.2f} to {spread.most:.2f})"


def _turns_table(turns: Mapping[str, Sequence[Turn]]) -> str:
    rows = []
    for name, each in turns.items():
        rates = Spread.of([turn.rate for turn in each])
        failures = sum(sum(turn.failures.values()) for turn in each)
        rows.append(
            [
                name,
                figure(rates.median),
                f"{figure(rates.least)} to {figure(rates.most)}",
                *(_median(each, name) for name in ("micros", "micros_beside")),
                *(_median(each, name, 1e3) for name in ("p50", "p99")),
                str(failures),
            ]
        )
    head = ["contestant", "calls/s", "least to most", "µs CPU a call", "beside", "p50 ms", "p99 ms", "not OK"]
    return table(head, rows)


def _median(turns: Sequence[Turn], name: str, times: float = 1.0) -> str:
    value = Spread.of([getattr(turn, name) for turn in turns]).median * times
    return figure(value) if value else NOTHING


def _alone(alone: Mapping[str, Sequence[Turn]]) -> str:
    told = [f"{name} {_median(turns, 'p50', 1e6)} µs" for name, turns in alone.items()]
    return "One caller, p50: " + ", ".join(told) + "."


def _overloaded(overloaded: Sequence[Overloaded]) -> str:
    rows = [
        [
            figure(each.peak),
            figure(each.offered),
            figure(each.goodput),
            f"{each.p99 * 1e3:.0f}",
            ", ".join(f"{count} {name}" for name, count in sorted(each.replies.items(), key=lambda item: -item[1])),
        ]
        for each in overloaded
    ]
    return table(["peak /s", "offered /s", "goodput /s", "p99 ms", "replies"], rows)


def _memory(result: Result) -> str:
    found = result.memory
    told = [" and ".join(f"{size:.0f}" for size in sizes) for sizes in found.megabytes]
    return (
        f"Memory of the workers after each tenth of {found.citizens:,} distinct citizens ({found.copies:,} copies "
        f"kept by each), MB: {'; '.join(told)}; after {found.calls:,} calls more, "
        f"{' and '.join(f'{size:.0f}' for size in found.after_calls)}."
    )


def _steps(steps: Mapping[str, float]) -> str:
    whole = sum(steps.values())
    rows = [[name, figure(micros), f"{micros / whole:.0%}"] for name, micros in steps.items()]
    dearest = "; ".join(f"{name} ({micros:.0f} µs)" for name, micros in islice(steps.items(), _DEAREST))
    return f"The three dearest steps of a cached call: {dearest}.\n\n" + table(["step", "µs CPU", "share"], rows)
