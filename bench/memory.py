"""Whether a worker's memory stays flat: over one citizen after another, and then over calls for those it knows.

The workers are the real ones but for the national database, which is asked inside the worker: over HTTP a million
would take the time of the whole bench. Flat is: no more at the end than when the copies were full.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adapters.memory_cache import cost_of
from bench.contestants import Contestant, of_gateway
from bench.installation import WORKERS, Installation, installed
from bench.load import outcome_of
from bench.proc import MeasurementError, resident_megabytes
from bench.requests import distinct_numbers, write_lookups
from bench.rounds import plan_for
from bench.servers.variant import TEMPLATE_VARIABLE
from dancu.citizen.v1.citizen_pb2 import Citizen
from gateway.citizens.numbers import personal
from gateway.model import CitizenRecord
from gateway.settings import CacheSettings

PARTS = 10
_MEGABYTES = CacheSettings().l1_megabytes
_SLOWEST_RATE = 200
"""Calls a second below which it is given up."""
_FEW = 500


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes of each worker after each tenth of the citizens."""

    citizens: int
    copies: int
    megabytes: list[list[float]]
    calls: int
    """Calls for known citizens that followed."""
    after_calls: list[float]
    """Megabytes of each worker after them."""

    @property
    def growth(self) -> list[float]:
        """For each worker: memory at the end, in memory once both workers had met twice what they keep."""
        full = min(-(-2 * self.copies * WORKERS * PARTS // self.citizens), PARTS - 1)
        return [last / then for then, last in zip(self.megabytes[full - 1], self.megabytes[-1], strict=True)]

    @property
    def growth_over_calls(self) -> list[float]:
        """For each worker: memory after the calls, in memory before them."""
        return [last / then for then, last in zip(self.megabytes[-1], self.after_calls, strict=True)]


def memory(folder: Path, citizen: bytes, *, citizens: int, calls: int, told: Callable[[str], None]) -> Memory:
    """Ask for so many distinct citizens, then `calls` times for a few of them.

    `citizen`: a serialised one, the pattern of all. Raises `MeasurementError`.
    """
    one = CitizenRecord(personal("097090000001"), Citizen.FromString(citizen), 1, 0.0, 0.0)
    kept = min(_MEGABYTES, max(1, citizens // 20 * cost_of(one) >> 20))
    copies = (kept << 20) // cost_of(one)
    environment = {TEMPLATE_VARIABLE: citizen.hex(), "DANCU_CACHE__L1_MEGABYTES": str(kept)}
    each = citizens // PARTS
    numbers = list(distinct_numbers(citizens))
    files = [
        write_lookups(folder / f"distinct-{at}.requests", numbers[at * each : (at + 1) * each]) for at in range(PARTS)
    ]
    megabytes = []
    with installed(folder / "memory", variant=("--national-db", "inside"), environment=environment) as gateway:
        asked = of_gateway("memory", gateway, files.__getitem__, source="national_db")
        for part in range(PARTS):
            _ask(asked, part, each)
            megabytes.append(_sizes(gateway))
            told(f"memory {(part + 1) * each:>9,} citizens  " + ", ".join(f"{size:.0f} MB" for size in megabytes[-1]))
        few = write_lookups(folder / "few.requests", numbers[-_FEW:])
        _ask(of_gateway("memory", gateway, lambda _: few, source="cache"), 0, calls)
        after_calls = _sizes(gateway)
        told(f"memory {calls:>9,} calls more  " + ", ".join(f"{size:.0f} MB" for size in after_calls))
    return Memory(citizens, copies, megabytes, calls, after_calls)


def _ask(gateway: Contestant, part: int, calls: int) -> None:
    seconds = calls / _SLOWEST_RATE
    outcome = outcome_of(plan_for(gateway, part, warm_up_seconds=0.0, seconds=seconds, calls=calls))
    if outcome.ok < calls or outcome.failures:
        raise MeasurementError(f"only {outcome.ok} of {calls} calls were answered: {outcome.statuses}")


def _sizes(gateway: Installation) -> list[float]:
    return [resident_megabytes(pid) for pid in gateway.workers]
