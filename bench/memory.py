"""Whether a worker's memory stays flat while it meets one citizen after another.

The workers are the real ones but for the national database, which is asked inside the worker: over HTTP a million
would take the time of the whole bench. Flat is: no more at the end than when the copies were full.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.contestants import of_gateway
from bench.installation import WORKERS, installed
from bench.load import outcome_of
from bench.proc import MeasurementError, resident_megabytes
from bench.requests import distinct_numbers, write_lookups
from bench.rounds import plan_for
from bench.servers.variant import TEMPLATE_VARIABLE

PARTS = 10
_COPIES = 100_000
"""`cache.l1_entries` as it is by default."""
_SLOWEST_RATE = 200


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes of each worker after each tenth of the citizens."""

    citizens: int
    copies: int
    megabytes: list[list[float]]

    @property
    def growth(self) -> list[float]:
        """For each worker: memory at the end, in memory once both workers had met twice what they keep."""
        full = min(-(-2 * self.copies * WORKERS * PARTS // self.citizens), PARTS - 1)
        return [last / then for then, last in zip(self.megabytes[full - 1], self.megabytes[-1], strict=True)]


def memory(
    folder: Path, citizen: bytes, *, citizens: int, shape: Mapping[str, object], told: Callable[[str], None]
) -> Memory:
    """Ask for so many distinct citizens. `citizen`: a serialised one, the pattern of all. Raises `MeasurementError`."""
    copies = min(_COPIES, citizens // 20)
    environment = {TEMPLATE_VARIABLE: citizen.hex(), "DANCU_CACHE__L1_ENTRIES": str(copies)}
    each = citizens // PARTS
    numbers = list(distinct_numbers(citizens))
    files = [
        write_lookups(folder / f"distinct-{at}.requests", numbers[at * each : (at + 1) * each]) for at in range(PARTS)
    ]
    megabytes = []
    with installed(folder / "memory", variant=("--national-db", "inside"), environment=environment) as gateway:
        asked = of_gateway("memory", gateway, files.__getitem__, source="national_db")
        for part in range(PARTS):
            limits = {"warm_up_seconds": 0.0, "seconds": each / _SLOWEST_RATE, "calls": each}
            outcome = outcome_of(plan_for(asked, part, **(dict(shape) | limits)))
            if outcome.ok < each or outcome.failures:
                raise MeasurementError(f"only {outcome.ok} of {each} citizens were answered: {outcome.statuses}")
            megabytes.append([resident_megabytes(pid) for pid in gateway.workers])
            sizes = ", ".join(f"{size:.0f} MB" for size in megabytes[-1])
            told(f"memory {(part + 1) * each:>9,} citizens  {sizes}")
    return Memory(citizens, copies, megabytes)
