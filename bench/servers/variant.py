"""The gateway with one part replaced, to see what that part costs. For the bench alone: production has no such switch.

    python -m bench.servers.variant up [--journal none] [--national-db inside]      as `dancu up`, settings from DANCU_*
    python -m bench.servers.variant worker --slot N [...]                           what it starts for each worker

`--journal none`: records are made, receipts are given, nothing is written: the difference is the price of evidence.
`--national-db inside`: whoever is asked for exists, without a question over HTTP, so that a million distinct citizens
pass through a worker in minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, Self

from adapters import wiring
from adapters.processes import plan, supervisor, worker
from adapters.processes.children import ChildSpec
from adapters.processes.workspace import Workspace
from dancu.citizen.v1 import citizen_pb2
from gateway.audit.receipt import Receipt
from gateway.model import CitizenNumber, CitizenRecord
from gateway.ports import Clock, Households, NationalDatabase
from gateway.settings import Settings, load_settings
from gateway.upstream.failures import UpstreamUnavailableError
from gateway.upstream.patience import Patience

TEMPLATE_VARIABLE = "BENCH_TEMPLATE"
"""Environment variable with a serialised Citizen in hexadecimal, for `--national-db inside`."""


class NullJournal:
    """`gateway.ports.Journal` that keeps nothing."""

    available = True

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._index = 0

    @classmethod
    def open(cls, _directory: Path, *, origin: str, **_options: Any) -> Self:
        """In the place of `FileJournal.open`."""
        return cls(origin)

    def append(self, payloads: Sequence[bytes]) -> asyncio.Future[Sequence[Receipt]]:
        """Receipts at once, for records that are nowhere."""
        first, self._index = self._index, self._index + len(payloads)
        future: asyncio.Future[Sequence[Receipt]] = asyncio.get_running_loop().create_future()
        future.set_result([Receipt(self._origin, index, bytes(32)) for index in range(first, self._index)])
        return future

    async def close(self) -> None:
        """Nothing to give up."""


class InsideNationalDatabase:
    """`gateway.ports.NationalDatabase` in the worker itself: one citizen's record under every number."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._template = bytes.fromhex(os.environ[TEMPLATE_VARIABLE])

    @classmethod
    def open(cls, *, clock: Clock, **_options: Any) -> Self:
        """In the place of `HttpNationalDatabase.open`."""
        return cls(clock)

    async def find(self, number: CitizenNumber, patience: Patience) -> CitizenRecord:  # noqa: ARG002
        """The record."""
        citizen = citizen_pb2.Citizen.FromString(self._template)
        citizen.personal_number = number.digits
        now = self._clock.now()
        return CitizenRecord(number, citizen, 1, now, now)

    def households(self) -> Households:
        """Nobody asks for any here."""
        return NoHouseholds()

    async def close(self) -> None:
        """Nothing to give up."""


class NoHouseholds:
    """`gateway.ports.Households` that answers nobody."""

    async def household_of(self, number: CitizenNumber, patience: Patience) -> NoReturn:  # noqa: ARG002
        """Refused: one record under every number makes no household."""
        raise UpstreamUnavailableError("there are no households here")


def _ours(child: ChildSpec, options: Sequence[str]) -> ChildSpec:
    """A worker of `dancu up` as this module runs it; every other child is left as it is."""
    if child.service != plan.GATEWAY:
        return child
    slot = child.argv[-2:]
    return replace(child, argv=(sys.executable, "-m", "bench.servers.variant", "worker", *slot, *options))


def main() -> int:
    """Run the one or the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=("up", "worker"))
    parser.add_argument("--slot", type=int, default=0)
    parser.add_argument("--journal", choices=("file", "none"), default="file")
    parser.add_argument("--national-db", choices=("http", "inside"), default="http")
    given = parser.parse_args()
    if given.role == "worker":
        # The composition root is the production one; only these two names mean something else in this process.
        if given.journal == "none":
            vars(wiring)["FileJournal"] = NullJournal
        if given.national_db == "inside":
            inside: type[NationalDatabase] = InsideNationalDatabase
            vars(wiring)["HttpNationalDatabase"] = inside
        return worker.main(given.slot)
    options = ("--journal", given.journal, "--national-db", given.national_db)

    def table(
        settings: Settings, *, resolved: Settings, workspace: Workspace, valkey_binary: Path | None
    ) -> tuple[ChildSpec, ...]:
        children = plan.children_of(settings, resolved=resolved, workspace=workspace, valkey_binary=valkey_binary)
        return tuple(_ours(child, options) for child in children)

    return supervisor.up(load_settings(), table=table)


if __name__ == "__main__":
    sys.exit(main())
