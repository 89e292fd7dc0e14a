"""The ledger of a stopped installation, read in this process.

Owns the way from what the commands ask to the ledger's own questions and back. The rules are those of AuditService:
the latest first, disclosures without accounts whose policy defers them. Asks for no key and leaves no record, since it
works for whoever may read the files; `list --method` takes full names only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import typer

from dancu.cli.evidence_files import journals_of
from dancu.cli.output import Language, complain
from dancu.cli.report_organisations import organisation
from dancu.cli.settings import put_in_force, settings_in_force

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from adapters.ledger.queries import SqlLedger
    from dancu.audit.v1.audit_service_pb2 import (
        GetStatisticsResponse,
        ListAuditRecordsResponse,
        ListDisclosuresResponse,
        ListedRecord,
    )
    from dancu.cli.report_numbers import Organisation
    from dancu.client.audit_calls import CountFilter, DisclosureFilter, Page, RecordFilter
    from gateway.audit import ledger as port

Result = TypeVar("Result")

_DEFAULT_PAGE = 100
_MOST_ROWS = 1_000_000
_LEDGER = "ledger.sqlite"


@contextmanager
def stopped_ledger(data_dir: Path, *, language: Language) -> Iterator[StoppedLedger]:
    """The ledger for the block; where it cannot be read, says so and ends the command with 1."""
    put_in_force({"DANCU_DATA_DIR": data_dir})
    settings = settings_in_force()
    if not settings.database.url and not (data_dir / _LEDGER).is_file():
        complain(language.of(f"{data_dir / _LEDGER}: no ledger is there", f"{data_dir / _LEDGER}: không có sổ cái"))
        raise typer.Exit(1)
    # SQLAlchemy takes a third of a second, which only this way costs.
    from adapters.ledger.queries import SqlLedger
    from adapters.sql.engine import open_engine
    from gateway.audit.ledger import LedgerUnavailableError, TooManyRowsError

    with asyncio.Runner() as runner:
        engine = open_engine(settings.database.url, data_dir=data_dir)
        try:
            ledger = SqlLedger(engine, root=journals_of(data_dir))
            yield StoppedLedger(runner=runner, ledger=ledger, engine=engine, data_dir=data_dir)
        except LedgerUnavailableError as error:
            complain(
                language.of(
                    f"{data_dir}: the ledger cannot be read ({error}); `dancu audit rebuild` makes it anew",
                    f"{data_dir}: không đọc được sổ cái ({error}); `dancu audit rebuild` dựng lại từ nhật ký",
                )
            )
            raise typer.Exit(1) from None
        except TooManyRowsError:
            complain(language.of("too many rows; name a shorter time", "quá nhiều dòng; hãy chọn thời gian ngắn hơn"))
            raise typer.Exit(1) from None
        finally:
            runner.run(engine.dispose())


class StoppedLedger:
    """An `AuditSource` on the ledger itself."""

    def __init__(self, *, runner: asyncio.Runner, ledger: SqlLedger, engine: AsyncEngine, data_dir: Path) -> None:
        """The engine is whoever's made it."""
        self._runner = runner
        self._ledger = ledger
        self._engine = engine
        self._data_dir = data_dir

    def list_audit_records(self, **asked: Unpack[RecordFilter]) -> ListAuditRecordsResponse:
        """See `AuditSource`."""
        from dancu.audit.v1.audit_service_pb2 import ListAuditRecordsResponse
        from dancu.client.audit_calls import outcome_value
        from gateway.audit.ledger import RecordFilter as Filter

        method, number, outcome = asked.get("method", ""), asked.get("personal_number", ""), asked.get("outcome", "")
        if method and "/" not in method:
            raise typer.BadParameter("a stopped installation takes the full name of a method", param_hint="--method")
        which = Filter(
            account=asked.get("account", ""),
            organisation=asked.get("organisation", ""),
            methods=(method,) if method else (),
            subject_tokens=self._tokens(number) if number else (),
            outcome=outcome_value(outcome) if outcome else None,
            procedure=asked.get("procedure", ""),
            request_id=asked.get("request_id", ""),
            from_ns=_nanoseconds(asked.get("since")),
            to_ns=_nanoseconds(asked.get("until")),
        )
        found, token = self._page(which, asked)
        return ListAuditRecordsResponse(records=found, next_page_token=token)

    def list_disclosures(self, personal_number: str, **asked: Unpack[DisclosureFilter]) -> ListDisclosuresResponse:
        """See `AuditSource`."""
        from dancu.audit.v1.audit_service_pb2 import ListDisclosuresResponse
        from gateway.audit.ledger import RecordFilter as Filter

        which = Filter(
            subject_tokens=self._tokens(personal_number),
            from_ns=_nanoseconds(asked.get("since")),
            to_ns=_nanoseconds(asked.get("until")),
            disclosing=True,
            public_at=time.time(),
        )
        found, token = self._page(which, asked)
        return ListDisclosuresResponse(disclosures=found, next_page_token=token)

    def get_statistics(self, **asked: Unpack[CountFilter]) -> GetStatisticsResponse:
        """See `AuditSource`."""
        from dancu.audit.v1.audit_service_pb2 import GetStatisticsResponse, StatisticsRow
        from dancu.client.audit_calls import statistics_request
        from gateway.audit.ledger import CountQuery
        from gateway.audit.statistics import SECONDS_PER_HOUR

        request = statistics_request(asked)
        since, until = asked.get("since"), asked.get("until")
        query = CountQuery(
            from_hour=None if since is None else int(since.timestamp()) // SECONDS_PER_HOUR,
            to_hour=None if until is None else int(until.timestamp()) // SECONDS_PER_HOUR,
            period=request.period,
            dimensions=tuple(request.dimensions),
            max_rows=_MOST_ROWS,
        )
        told = self._run(self._ledger.count(query))
        answer = GetStatisticsResponse(lag_records=told.lag_records)
        for one in sorted(told.rows, key=lambda row: (row.period_start or 0, tuple(map(str, row.values)))):
            row = StatisticsRow(calls=one.calls, citizens=one.citizens, fields=one.fields, dossiers=one.dossiers)
            row.values.extend(_value_texts(request.dimensions, one.values))
            if one.period_start is not None:
                row.period_start.seconds = one.period_start * SECONDS_PER_HOUR
            answer.rows.append(row)
        return answer

    def organisations(self) -> Sequence[Organisation]:
        """See `AuditSource`."""
        from sqlalchemy import select

        from adapters.sql.tables import organisations as table

        async def read() -> list[Organisation]:
            async with self._engine.connect() as connection:
                rows = await connection.execute(select(table.c.code, table.c.name, table.c.kind))
                return [organisation(code, name, kind) for code, name, kind in rows]

        return self._run(read())

    def _page(self, which: port.RecordFilter, asked: Page) -> tuple[list[ListedRecord], str]:
        from dancu.audit.v1.audit_record_pb2 import AuditRecord
        from dancu.audit.v1.audit_service_pb2 import ListedRecord
        from gateway.audit.ledger import Position
        from gateway.audit.merkle import leaf_hash
        from gateway.audit.receipt import Receipt

        size, token = asked.get("page_size", 0) or _DEFAULT_PAGE, asked.get("page_token", "")
        # The token never leaves this process, so it needs no seal.
        before = Position(*map(int, token.split("."))) if token else None
        found = self._run(self._ledger.records(which, before=before, limit=size + 1))
        listed = [
            ListedRecord(
                record=AuditRecord.FromString(one.data),
                receipt=str(Receipt(one.origin, one.position.index, leaf_hash(one.data))),
            )
            for one in found[:size]
        ]
        if len(found) <= size:
            return listed, ""
        last = found[size - 1].position
        return listed, f"{last.time_ns}.{last.journal}.{last.index}"

    def _tokens(self, digits: str) -> tuple[bytes, ...]:
        """The citizen's token under every version of the key."""
        from adapters.secret_files import SUBJECT_TOKEN, SecretMissingError, key_ring
        from gateway.audit.tokens import Tokens
        from gateway.model import CitizenNumber, NumberKind

        try:
            keys = key_ring(self._data_dir, SUBJECT_TOKEN).versions()
        except SecretMissingError as error:
            complain(str(error))
            raise typer.Exit(1) from None
        number = CitizenNumber(NumberKind.PERSONAL, digits)
        return tuple(Tokens(key).of(number) for key in keys)

    def _run(self, asked: Coroutine[Any, Any, Result]) -> Result:
        return self._runner.run(asked)


def _value_texts(dimensions: Sequence[int], values: Sequence[str | int]) -> list[str]:
    from dancu.audit.v1 import audit_service_pb2
    from gateway.audit.statistics import outcome_name, source_name

    def text_of(dimension: int, value: str | int) -> str:
        if isinstance(value, int) and dimension == audit_service_pb2.DIMENSION_OUTCOME:
            return outcome_name(value)
        if isinstance(value, int) and dimension == audit_service_pb2.DIMENSION_SOURCE:
            return source_name(value)
        return str(value)

    return [text_of(dimension, value) for dimension, value in zip(dimensions, values, strict=True)]


def _nanoseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp()) * 1_000_000_000
