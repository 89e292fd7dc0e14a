"""The national report as numbers: what the rows of `GetStatistics` say to a steering committee. Pure.

Owns what is counted as what:

- *lookups* are citizens answered by CitizenService and RegistryService, so a bulk call counts as many as it answered;
- *syncs* are calls of SyncService that were answered, *cleansed* the records answered by CleansingService;
- the *share from copies* is of lookups: those answered from the gateway's cache, without the national database;
- a *refusal* is a call of one of these services that was not answered, under its reason;
- an organisation is *connected* by one such call, answered or refused; what operators ask on the admin port and what
  callers ask for proofs connects nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from dancu.cli.spans import VIETNAM

if TYPE_CHECKING:
    from dancu.audit.v1.audit_service_pb2 import StatisticsRow
    from dancu.client.audit_calls import DimensionName

DIMENSIONS: tuple[DimensionName, ...] = ("organisation", "method", "outcome", "source")
"""What the rows must be counted by, in this order."""

MINISTRY = "ministry"
PROVINCE = "province"
KINDS = (MINISTRY, PROVINCE)

_ANSWERED = "OK"
_COPIES = frozenset({"cache", "stale_cache"})
_LOOKUPS = frozenset({"citizen", "registry"})
_SYNC = "sync"
_CLEANSING = "cleansing"
_COUNTED = _LOOKUPS | {_SYNC, _CLEANSING}


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who may be connected."""

    code: str
    name: str
    kind: str
    """`ministry`, `province`, or something else."""
    population: int | None = None
    """Of a province, in persons, where known."""


@dataclass(slots=True)
class Tally:
    """Counts of one organisation, period, or of all."""

    calls: int = 0
    lookups: int = 0
    syncs: int = 0
    cleansed: int = 0
    from_copies: int = 0
    refused: int = 0

    def add(self, area: str, outcome: str, source: str, row: StatisticsRow) -> None:
        """Take in one row of counts."""
        self.calls += row.calls
        if outcome != _ANSWERED:
            self.refused += row.calls
        elif area == _SYNC:
            self.syncs += row.calls
        elif area == _CLEANSING:
            self.cleansed += row.citizens
        else:
            self.lookups += row.citizens
            self.from_copies += row.citizens if source in _COPIES else 0


@dataclass(frozen=True, slots=True)
class Period:
    """One day or month, starting at a midnight in Vietnam."""

    start: datetime
    tally: Tally
    connected: Mapping[str, int]
    """How many organisations of each kind made a call in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a report shows, in any form."""

    total: Tally
    organisations: Sequence[tuple[Organisation, Tally]]
    """All that are known and all that called; by lookups, the most first."""
    periods: Sequence[Period]
    """Days or months with at least one call, in order."""
    refusals: Sequence[tuple[str, int]]
    """Reasons with their calls, the most frequent first."""
    methods: Sequence[tuple[str, int, int]]
    """Full methods with calls and citizens answered, the most called first."""
    dossiers: int = 0
    """Distinct dossiers named."""
    lag_records: int = 0
    """Records that were not counted yet."""
    has_syncs: bool = False
    has_cleansing: bool = False

    @property
    def empty(self) -> bool:
        """Whether nobody called."""
        return self.total.calls == 0

    def of_kind(self, kind: str) -> list[tuple[Organisation, Tally]]:
        """The organisations of one kind, in the report's order."""
        return [one for one in self.organisations if one[0].kind == kind]

    def others(self) -> list[tuple[Organisation, Tally]]:
        """The organisations of no kind that the report has a table for."""
        return [one for one in self.organisations if one[0].kind not in KINDS]

    def connected(self, kind: str) -> int:
        """How many organisations of a kind made a call."""
        return sum(1 for _, tally in self.of_kind(kind) if tally.calls)


@dataclass(slots=True)
class _Counting:
    total: Tally = field(default_factory=Tally)
    organisations: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    periods: defaultdict[int, Tally] = field(default_factory=lambda: defaultdict(Tally))
    callers: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    refusals: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    methods: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    areas: set[str] = field(default_factory=set)
    taken_in: Mapping[str, str] = field(default_factory=dict)


def report_of(
    rows: Iterable[StatisticsRow],
    organisations: Iterable[Organisation],
    *,
    taken_in: Mapping[str, str] | None = None,
    dossiers: int = 0,
    lag_records: int = 0,
) -> Report:
    """The report that rows by `DIMENSIONS` and by day or month make.

    `taken_in`: under which organisation the calls of a former one count, by code.
    """
    counting = _Counting(taken_in=taken_in or {})
    for row in rows:
        _count(row, counting)
    known = {one.code: one for one in organisations}
    listed = [
        (known.get(code) or Organisation(code, code, ""), counting.organisations.get(code) or Tally())
        for code in {**known, **counting.organisations}
    ]
    listed.sort(key=lambda one: (-one[1].lookups, -one[1].calls, one[0].code))
    kinds = {organisation.code: organisation.kind for organisation, _ in listed}
    return Report(
        total=counting.total,
        organisations=listed,
        periods=[
            Period(
                datetime.fromtimestamp(start, VIETNAM),
                tally,
                {kind: sum(1 for code in counting.callers[start] if kinds[code] == kind) for kind in KINDS},
            )
            for start, tally in sorted(counting.periods.items())
        ],
        refusals=sorted(counting.refusals.items(), key=lambda one: (-one[1], one[0])),
        methods=sorted(
            ((name, calls, citizens) for name, (calls, citizens) in counting.methods.items()),
            key=lambda one: (-one[1], one[0]),
        ),
        dossiers=dossiers,
        lag_records=lag_records,
        has_syncs=_SYNC in counting.areas,
        has_cleansing=_CLEANSING in counting.areas,
    )


def _count(row: StatisticsRow, counting: _Counting) -> None:
    caller, method, outcome, source = row.values
    organisation = counting.taken_in.get(caller, caller)
    area = area_of(method)
    if area not in _COUNTED or not row.calls + row.citizens:
        return
    start = row.period_start.seconds
    for tally in (counting.total, counting.organisations[organisation], counting.periods[start]):
        tally.add(area, outcome, source, row)
    counting.callers[start].add(organisation)
    counting.areas.add(area)
    of_method = counting.methods[method]
    of_method[0] += row.calls
    of_method[1] += row.citizens
    if outcome != _ANSWERED:
        counting.refusals[outcome] += row.calls


def area_of(method: str) -> str:
    """`citizen` of `dancu.citizen.v1.CitizenService/LookupCitizen`; empty for a name of another shape."""
    parts = method.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "dancu" else ""


def permille(part: int, whole: int) -> int | None:
    """Thousandths, rounded to the nearest; None of nothing."""
    return (2000 * part + whole) // (2 * whole) if whole else None
