"""`gateway.audit.ledger.Ledger` in SQL, by SQLAlchemy Core: the same statements on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Subquery,
    Table,
    case,
    distinct,
    func,
    literal,
    literal_column,
    null,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.journal.reader import journals_in
from adapters.ledger.batch import request_key, subject_key
from adapters.ledger.ingest import durable_records
from adapters.ledger.tables import dossiers, hours, journals, records, series
from adapters.sql.tables import accounts
from dancu.audit.v1 import audit_service_pb2
from gateway.audit.ledger import (
    Count,
    CountQuery,
    LedgerRecord,
    LedgerUnavailableError,
    Position,
    RecordFilter,
    Statistics,
    TooManyRowsError,
)
from gateway.audit.statistics import HOURS_PER_DAY, VIETNAM_HOURS_AHEAD, month_starts

_DIMENSIONS: dict[int, ColumnElement[Any]] = {
    audit_service_pb2.DIMENSION_ORGANISATION: series.c.organisation,
    audit_service_pb2.DIMENSION_ACCOUNT: series.c.account,
    audit_service_pb2.DIMENSION_METHOD: series.c.method,
    audit_service_pb2.DIMENSION_PROCEDURE: series.c.procedure,
    audit_service_pb2.DIMENSION_OUTCOME: series.c.outcome,
    audit_service_pb2.DIMENSION_SOURCE: series.c.source,
}
_COUNTS = ("calls", "citizens", "fields", "dossiers")


class SqlLedger:
    """Reads the ledger; never writes."""

    def __init__(self, engine: AsyncEngine, *, root: Path) -> None:
        """`root`: the journals of this machine, for how far the ledger lags behind them."""
        self._engine = engine
        self._root = root

    async def records(self, which: RecordFilter, *, before: Position | None, limit: int) -> Sequence[LedgerRecord]:
        """See `Ledger.records`."""
        query = (
            select(journals.c.origin, records.c.time_ns, records.c.journal, records.c.leaf_index, records.c.record)
            .join(journals, journals.c.id == records.c.journal)
            .where(*_conditions(which))
            .order_by(records.c.time_ns.desc(), records.c.journal.desc(), records.c.leaf_index.desc())
            .limit(limit)
        )
        if before is not None:
            place = tuple_(records.c.time_ns, records.c.journal, records.c.leaf_index)
            query = query.where(place < tuple_(*map(literal, (before.time_ns, before.journal, before.index))))
        async with self._reading() as connection:
            rows = await connection.execute(query)
        return [LedgerRecord(origin, Position(*place), bytes(data)) for origin, *place, data in rows]

    async def record(self, origin: str, index: int) -> LedgerRecord | None:
        """See `Ledger.record`."""
        query = (
            select(records.c.time_ns, records.c.journal, records.c.record)
            .join(journals, journals.c.id == records.c.journal)
            .where(journals.c.origin == origin, records.c.leaf_index == index)
        )
        async with self._reading() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else LedgerRecord(origin, Position(row[0], row[1], index), bytes(row[2]))

    async def count(self, query: CountQuery) -> Statistics:
        """See `Ledger.count`."""
        # In this order the lag told is at least the true one.
        durable = await asyncio.to_thread(self._durable)
        async with self._reading() as connection:
            cursors = await connection.execute(select(journals.c.origin, journals.c.next_index))
            ingested = {origin: int(next_index) for origin, next_index in cursors}
            rows = await _counts(connection, query)
        lag = sum(max(0, size - ingested.get(origin, 0)) for origin, size in durable.items())
        return Statistics(rows, lag)

    def _durable(self) -> dict[str, int]:
        return {directory.name: durable_records(directory) for directory in journals_in(self._root)}

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            # Without the statement: its parameters are tokens.
            raise LedgerUnavailableError(type(error).__name__) from error


def _conditions(which: RecordFilter) -> list[ColumnElement[bool]]:
    equal = (
        (records.c.account, which.account),
        (records.c.organisation, which.organisation),
        (records.c.procedure, which.procedure),
        (records.c.request_key, request_key(which.request_id) if which.request_id else ""),
        (records.c.request_id, which.request_id),
    )
    found: list[ColumnElement[bool]] = [column == value for column, value in equal if value != ""]
    if which.methods:
        found.append(records.c.method.in_(which.methods))
    if which.subject_tokens:
        found.append(records.c.subject_key.in_(sorted({subject_key(token) for token in which.subject_tokens})))
        found.append(records.c.subject_token.in_(which.subject_tokens))
    if which.outcome is not None:
        found.append(records.c.outcome == which.outcome)
    if which.from_ns is not None:
        found.append(records.c.time_ns >= which.from_ns)
    if which.to_ns is not None:
        found.append(records.c.time_ns < which.to_ns)
    if which.disclosing:
        found += [records.c.outcome == 0, records.c.fields > 0]
    if which.public_at is not None:
        found.append(~_confidential(which.public_at))
    return found


def _confidential(now: float) -> ColumnElement[bool]:
    until = accounts.c.policy["confidential_until"].as_float()
    return select(accounts.c.name).where(accounts.c.name == records.c.account, until > now).exists()


async def _counts(connection: AsyncConnection, query: CountQuery) -> list[Count]:
    within = [
        *([] if query.from_hour is None else [hours.c.hour >= query.from_hour]),
        *([] if query.to_hour is None else [hours.c.hour < query.to_hour]),
    ]
    ends = select(func.min(hours.c.hour), func.max(hours.c.hour)).where(*within)
    first, last = (await connection.execute(ends)).one()
    if first is None:
        return []
    # One statement reads one state: sums and dossiers belong to the same records.
    both = union_all(
        _grouped(query, _labelled(query, hours, first, last), sums=True),
        _grouped(query, _labelled(query, dossiers, first, last), sums=False),
    )
    found: dict[tuple[Any, ...], list[int]] = {}
    for row in await connection.execute(both):
        *key, calls, citizens, fields, named = row
        totals = found.setdefault(tuple(key), [0, 0, 0, 0])
        for at, added in enumerate((calls, citizens, fields, named)):
            totals[at] += int(added)
    if len(found) > query.max_rows:
        raise TooManyRowsError
    return [Count(key[0], tuple(key[1:]), *totals) for key, totals in found.items()]


def _labelled(query: CountQuery, table: Table, first: int, last: int) -> Subquery:
    """The rows of a table with the period and the dimensions they belong to."""
    period = _period(query.period, table.c.hour, first, last)
    by = [period, *(_DIMENSIONS[one] for one in query.dimensions)]
    return (
        select(*(column.label(f"by_{at}") for at, column in enumerate(by)), table)
        .join_from(table, series, table.c.series == series.c.id)
        .where(table.c.hour.between(first, last))
        .subquery()
    )


def _grouped(query: CountQuery, rows: Subquery, *, sums: bool) -> Select[Any]:
    """One row for each period and combination of dimensions, but at most one more than an answer holds."""
    by = [rows.c[f"by_{at}"] for at in range(1 + len(query.dimensions))]
    nothing: ColumnElement[Any] = literal_column("0")
    if sums:
        values = [func.sum(rows.c.calls), func.sum(rows.c.citizens), func.sum(rows.c.fields), nothing]
    else:
        values = [nothing, nothing, nothing, func.count(distinct(rows.c.dossier))]
    named = [value.label(name) for name, value in zip(_COUNTS, values, strict=True)]
    return select(select(*by, *named).group_by(*by).limit(query.max_rows + 1).subquery())


def _period(
    period: audit_service_pb2.Period.ValueType, hour: ColumnElement[int], first: int, last: int
) -> ColumnElement[Any]:
    """The hour at which the period of an hour begins; null where all is one period."""
    match period:
        case audit_service_pb2.PERIOD_HOUR:
            return hour
        case audit_service_pb2.PERIOD_DAY:
            return (hour + VIETNAM_HOURS_AHEAD) // HOURS_PER_DAY * HOURS_PER_DAY - VIETNAM_HOURS_AHEAD
        case audit_service_pb2.PERIOD_MONTH:
            starts = month_starts(first, last)
            ends = [(hour < after, start) for start, after in pairwise(starts)]
            return case(*ends, else_=starts[-1]) if ends else literal(starts[0], Integer)
    return null()
