"""How much of a day's quota the ledger says is used: `gateway.ports.QuotaSource` over its counts of hours.

Read once per node and day, and when the counters are lost with Redis. The hours count citizens where something was
disclosed and calls elsewhere, so a bulk call's citizens that nobody holds are counted once for the call. An officer's
day is counted from the records themselves, since the hours do not tell officers apart.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, case, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.ledger.tables import hours, records, series
from gateway.accounts.model import LimitNode
from gateway.accounts.quota import moment_of
from gateway.errors import Reason
from gateway.ports import QuotaUnknownError

CHARGED = (
    0,
    *(Reason.CITIZEN_NOT_FOUND, Reason.IDENTITY_MISMATCH, Reason.AMBIGUOUS, Reason.NATIONAL_DB_UNAVAILABLE),
    *(Reason.CALLER_GONE, Reason.DEADLINE_EXCEEDED, Reason.INTERNAL),
)
"""Outcomes of calls that had been admitted, and so had been charged."""

_DAY_SECONDS = 86_400
_HOUR_SECONDS = 3_600


class LedgerQuotas:
    """Counts in the ledger."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` of the database that holds the ledger."""
        self._engine = engine

    async def used_on(self, node: LimitNode, day: int) -> int:
        """Citizens asked for under the node on a local day, as far as they are ingested.

        Raises `QuotaUnknownError`.
        """
        try:
            async with self._engine.connect() as connection:
                return int(await connection.scalar(_query(node, int(moment_of(day)))) or 0)
        except (SQLAlchemyError, OSError) as error:
            raise QuotaUnknownError(type(error).__name__) from error


def _query(node: LimitNode, begins: int) -> Select[Any]:
    kind, _, name = node.name.partition(":")
    if kind == "officer":
        return select(func.count()).where(
            records.c.account == name.rpartition("/")[0],
            records.c.officer == node.officer,
            records.c.time_ns >= begins * 10**9,
            records.c.time_ns < (begins + _DAY_SECONDS) * 10**9,
            records.c.outcome.in_(CHARGED),
            records.c.subject_token.is_not(None),
        )
    # Midnight in Viet Nam is a whole hour of UTC.
    first = begins // _HOUR_SECONDS
    owner = series.c.account if kind == "account" else series.c.organisation
    return (
        select(func.sum(case((series.c.outcome == 0, hours.c.citizens), else_=hours.c.calls)))
        .join(series, hours.c.series == series.c.id)
        .where(owner == name, hours.c.hour >= first, hours.c.hour < first + 24, series.c.outcome.in_(CHARGED))
    )
