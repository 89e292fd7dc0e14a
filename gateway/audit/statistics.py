"""How a record is counted, and into which period. Pure.

Owns the rules behind `GetStatistics`; whoever counts (the ingest, a recount, a test) counts by them:

- a call is counted once, by the record that opened it: further citizens of a bulk call (`continuation`) add none, and
  a record of refusals that were counted together stands for as many as its `count`;
- a citizen is counted by each answered record that names one, however often the same one is asked for;
- a field is counted by each answered record for each path disclosed, `*` as the top-level fields of `Citizen`;
- a dossier is counted once in each row, whoever named it and whatever was answered.

Hours are whole hours since the epoch, UTC. Vietnam keeps UTC+7 all year, so its days and months begin with one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from dancu.citizen.v1 import citizen_pb2
from dancu.common.v1 import common_pb2
from gateway.accounts.model import EVERYTHING
from gateway.errors import Reason

SECONDS_PER_HOUR = 3600
VIETNAM_HOURS_AHEAD = 7
HOURS_PER_DAY = 24

ANSWERED = "OK"
"""The outcome of an answered call, beside the names of reasons."""
SOURCE_NAMES = {
    common_pb2.Provenance.SOURCE_UNSPECIFIED: "none",
    common_pb2.Provenance.SOURCE_NATIONAL_DB: "national_db",
    common_pb2.Provenance.SOURCE_CACHE: "cache",
    common_pb2.Provenance.SOURCE_STALE_CACHE: "stale_cache",
}

_FIELDS_OF_EVERYTHING = len(citizen_pb2.Citizen.DESCRIPTOR.fields)


class Series(NamedTuple):
    """What records are counted together by, besides the hour."""

    organisation: str
    account: str
    method: str
    procedure: str
    outcome: int
    """Number of the reason; 0 is answered."""
    source: int
    """Number of `Provenance.Source`."""


def hour_of(seconds: int) -> int:
    """The hour a record belongs to, by the arrival of its call in seconds since the epoch."""
    return seconds // SECONDS_PER_HOUR


def calls_of(count: int, *, continuation: bool) -> int:
    """How many calls a record stands for."""
    return 0 if continuation else count or 1


def citizens_of(outcome: int, *, names_citizen: bool) -> int:
    """How many citizens a record discloses something of."""
    return 1 if names_citizen and not outcome else 0


def fields_of(outcome: int, paths: Sequence[str]) -> int:
    """How many fields a record discloses."""
    if outcome:
        return 0
    if EVERYTHING in paths:
        return sum(_FIELDS_OF_EVERYTHING if path == EVERYTHING else 1 for path in paths)
    return len(paths)


def outcome_name(outcome: int) -> str:
    """`OK`, or the name of the reason; a number this version does not know stays a number."""
    if outcome == 0:
        return ANSWERED
    try:
        return Reason(outcome).name
    except ValueError:
        return str(outcome)


def source_name(source: int) -> str:
    """`national_db`, `cache`, `stale_cache` or `none`; a number this version does not know stays a number."""
    try:
        return SOURCE_NAMES[common_pb2.Provenance.Source.ValueType(source)]
    except KeyError:
        return str(source)


def month_starts(first_hour: int, last_hour: int) -> list[int]:
    """The hours at which the months of Vietnam begin that cover `first_hour` to `last_hour`, both inclusive."""
    month = _local(first_hour).replace(day=1, hour=0)
    starts = [_hour(month)]
    while (following := _hour(month := (month + timedelta(days=31)).replace(day=1))) <= last_hour:
        starts.append(following)
    return starts


def _local(hour: int) -> datetime:
    """The wall clock of Vietnam, as if it were UTC."""
    return datetime.fromtimestamp((hour + VIETNAM_HOURS_AHEAD) * SECONDS_PER_HOUR, UTC)


def _hour(local: datetime) -> int:
    return int(local.timestamp()) // SECONDS_PER_HOUR - VIETNAM_HOURS_AHEAD
