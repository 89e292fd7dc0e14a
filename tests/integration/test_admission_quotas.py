"""Quotas counted again from a real ledger's tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert

from adapters.ledger.tables import LEDGER_TABLES, hours, journals, records, series
from adapters.ledger_quotas import LedgerQuotas
from adapters.sql.engine import open_engine
from adapters.sql.tables import metadata
from gateway.accounts.model import LimitNode, Limits
from gateway.accounts.quota import moment_of
from gateway.errors import Reason
from gateway.ports import QuotaUnknownError

DAY = 20_780
MIDNIGHT = int(moment_of(DAY))
QUOTA = Limits(daily=100)
OUTCOMES = {1: 0, 2: int(Reason.CITIZEN_NOT_FOUND), 3: int(Reason.RATE_LIMITED)}


async def test_what_was_charged_today_is_counted_and_nothing_else(tmp_path: Path) -> None:
    """Refusals for a limit cost nothing; yesterday and other accounts are not this account's today."""
    engine = open_engine("", data_dir=tmp_path)
    hour = MIDNIGHT // 3600
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all, tables=list(LEDGER_TABLES))
        common = {"organisation": "01", "method": "m", "procedure": "p", "source": 0}
        rows = [common | {"id": id_, "account": "01/a", "outcome": outcome} for id_, outcome in OUTCOMES.items()]
        await connection.execute(insert(series), [*rows, common | {"id": 4, "account": "01/b", "outcome": 0}])
        counted = [(hour, 1, 3, 7), (hour + 23, 1, 1, 1), (hour, 2, 5, 0), (hour, 3, 50, 0), (hour, 4, 2, 2)]
        counted += [(hour - 1, 1, 400, 400), (hour + 24, 1, 400, 400)]
        await connection.execute(
            insert(hours),
            [
                {"hour": when, "series": which, "retired": 0, "calls": calls, "citizens": citizens, "fields": 0}
                for when, which, calls, citizens in counted
            ],
        )
        await connection.execute(insert(journals).values(id=1, origin="o", first_index=0, next_index=0))
        record = {"journal": 1, "organisation": "01", "account": "01/a", "procedure": "p", "dossier": "", "method": "m"}
        record |= {"subject_token": b"s", "request_key": 1, "request_id": "", "source": 0, "calls": 1, "fields": 0}
        asked = [("cb-1", 0, 0), ("cb-1", 9, int(Reason.CITIZEN_NOT_FOUND)), ("cb-1", 9, int(Reason.RATE_LIMITED))]
        asked += [("cb-2", 5, 0), ("cb-1", -1, 0), ("cb-1", 86_400, 0)]
        await connection.execute(
            insert(records),
            [
                record
                | {"leaf_index": index, "officer": officer, "outcome": outcome, "record": b""}
                | {"time_ns": (MIDNIGHT + after) * 10**9}
                for index, (officer, after, outcome) in enumerate(asked)
            ],
        )
    quotas = LedgerQuotas(engine)
    assert await quotas.used_on(LimitNode("account:01/a", "01", QUOTA), DAY) == 7 + 1 + 5
    assert await quotas.used_on(LimitNode("organisation:01", "01", QUOTA), DAY) == 7 + 1 + 5 + 2
    assert await quotas.used_on(LimitNode("officer:01/a/f00", "01", QUOTA, "cb-1"), DAY) == 2
    assert await quotas.used_on(LimitNode("account:02/c", "02", QUOTA), DAY) == 0
    await engine.dispose()


async def test_a_ledger_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    """Nothing counted and nothing known are not the same."""
    engine = open_engine("", data_dir=tmp_path)
    with pytest.raises(QuotaUnknownError):
        await LedgerQuotas(engine).used_on(LimitNode("account:01/a", "01", QUOTA), DAY)
    await engine.dispose()
