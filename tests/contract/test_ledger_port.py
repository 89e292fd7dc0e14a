"""The contract of `gateway.audit.ledger.Ledger`, on the real ledger and on the one that recounts every record."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import insert

from adapters.journal.reader import JournalReader
from adapters.ledger.queries import SqlLedger
from adapters.sql.engine import open_engine
from adapters.sql.policies import policy_to_json
from adapters.sql.tables import accounts, metadata, organisations
from dancu.audit.v1 import audit_service_pb2 as pb
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from dancu.errors.v1 import errors_pb2
from gateway.accounts.model import Policy
from gateway.audit.ledger import (
    CountQuery,
    Ledger,
    LedgerRecord,
    LedgerUnavailableError,
    Position,
    RecordFilter,
    TooManyRowsError,
)
from gateway.errors import Reason
from tests.fakes.ledger import BULK, EPOCH, LOOKUP, JournalWriter, LedgerWorld, audit_record, random_records
from tests.fakes.memory_ledger import MemoryLedger

Add = Callable[[list[AuditRecord]], None]
ALL = RecordFilter()
DIMENSIONS = [one for one in pb.Dimension.values() if one != pb.DIMENSION_UNSPECIFIED]
SECRET_ACCOUNT = "BTP/kin"


@dataclass
class Held:
    """A ledger, and how records get into it."""

    ledger: Ledger
    add: Callable[..., None]
    lose: Callable[[], Awaitable[None]]


@pytest.fixture(params=["sql", "memory"])
async def held(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Held]:
    if request.param == "memory":
        memory = MemoryLedger(confidential={SECRET_ACCOUNT: EPOCH + 100.0})
        made: dict[str, int] = {}

        def keep(records: list[AuditRecord], origin: str = "m-w0") -> None:
            first = made.get(origin, 0)
            made.setdefault(origin, 0)
            made[origin] += len(records)
            stored = [one.SerializeToString() for one in records]
            memory.add(origin, list(made).index(origin), stored, first_index=first)

        async def go() -> None:
            memory.gone = True

        yield Held(memory, keep, go)
        return
    world = LedgerWorld(tmp_path)
    writers: dict[str, JournalWriter] = {}
    engine = open_engine("", data_dir=tmp_path)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.execute(
            insert(organisations).values(code="BTP", name="Bộ Tư pháp", kind="ministry", status="active", limits={})
        )
        policy = Policy(1, frozenset(), frozenset(), frozenset(), confidential_until=EPOCH + 100.0)
        await connection.execute(
            insert(accounts).values(
                name=SECRET_ACCOUNT,
                organisation="BTP",
                status="active",
                limits={},
                policy=policy_to_json(policy),
                policy_version=1,
                test=False,
                admin_role="",
            )
        )

    def write(records: list[AuditRecord], origin: str = "m-w0") -> None:
        writer = writers.get(origin) or writers.setdefault(origin, JournalWriter(world.root, origin))
        writer.write(records)
        world.catch_up(batch_records=97)

    async def lose() -> None:
        await engine.dispose()
        world.path.rename(tmp_path / "elsewhere")
        world.path.mkdir()

    try:
        yield Held(SqlLedger(engine, root=world.root), write, lose)
    finally:
        await engine.dispose()
        for writer in writers.values():
            writer.close()


def query(period: pb.Period.ValueType = pb.PERIOD_UNSPECIFIED, *dimensions: pb.Dimension.ValueType) -> CountQuery:
    return CountQuery(None, None, period, dimensions, max_rows=100_000)


async def listed(ledger: Ledger, which: RecordFilter, *, size: int) -> list[LedgerRecord]:
    """All pages together."""
    found: list[LedgerRecord] = []
    while page := await ledger.records(which, before=found[-1].position if found else None, limit=size):
        found += page
    return found


async def test_every_filter_finds_exactly_the_records_that_match(held: Held) -> None:
    """An operator's answer to a court must be neither short nor padded."""
    token = b"t" * 32
    close = b"t" * 16 + b"u" * 16
    records = [
        audit_record(time=EPOCH + 1.5, request_id="a"),
        audit_record(time=EPOCH + 2, organisation="79", account="79/x", subject_token=token, procedure="2.1"),
        audit_record(time=EPOCH + 3, subject_token=close, method=BULK, request_id="b"),
        audit_record(time=EPOCH + 4, outcome=Reason.CITIZEN_NOT_FOUND, fields=[], subject_token=b""),
    ]
    held.add(records)
    expected = {
        RecordFilter(): [3, 2, 1, 0],
        RecordFilter(account="79/x"): [1],
        RecordFilter(account="79/y"): [],
        RecordFilter(organisation="01"): [3, 2, 0],
        RecordFilter(methods=(BULK,)): [2],
        RecordFilter(methods=(BULK, LOOKUP)): [3, 2, 1, 0],
        RecordFilter(subject_tokens=(token,)): [1],
        RecordFilter(subject_tokens=(token, close)): [2, 1],
        RecordFilter(outcome=0): [2, 1, 0],
        RecordFilter(outcome=int(Reason.CITIZEN_NOT_FOUND)): [3],
        RecordFilter(procedure="2.1"): [1],
        RecordFilter(request_id="b"): [2],
        RecordFilter(request_id="c"): [],
        RecordFilter(from_ns=(EPOCH + 2) * 10**9): [3, 2, 1],
        RecordFilter(to_ns=EPOCH * 10**9 + 1_500_000_000): [],
        RecordFilter(to_ns=EPOCH * 10**9 + 1_500_000_001): [0],
        RecordFilter(disclosing=True, organisation="01"): [2, 0],
    }
    for which, indexes in expected.items():
        found = await held.ledger.records(which, before=None, limit=100)
        assert [one.position.index for one in found] == indexes, which
        for one in found:
            assert AuditRecord.FromString(one.data).request_id == records[one.position.index].request_id


async def test_an_account_is_hidden_until_its_time_and_not_a_moment_longer(held: Held) -> None:
    """A lawful delay ends by itself: nobody has to remember to end it."""
    held.add([audit_record(organisation="BTP", account=SECRET_ACCOUNT), audit_record()])
    hidden = await held.ledger.records(RecordFilter(disclosing=True, public_at=EPOCH + 99.9), before=None, limit=9)
    assert [one.position.index for one in hidden] == [1]
    shown = await held.ledger.records(RecordFilter(disclosing=True, public_at=EPOCH + 100.0), before=None, limit=9)
    assert [one.position.index for one in shown] == [1, 0]


async def test_pages_neither_repeat_nor_miss_while_records_arrive(held: Held) -> None:
    """The records of a bulk call have one time; those of a busy day never stop coming."""
    chance = random.Random(11)
    for origin in ("m-w0", "m-w1"):
        held.add([audit_record(time=EPOCH + chance.randrange(4)) for _ in range(60)], origin)
    before = {(one.origin, one.position.index) for one in await listed(held.ledger, ALL, size=500)}
    found: list[LedgerRecord] = []
    arriving = itertools.count()
    while page := await held.ledger.records(ALL, before=found[-1].position if found else None, limit=7):
        found += page
        held.add([audit_record(time=EPOCH + 100 + next(arriving))], chance.choice(("m-w0", "m-w1")))
    places = [one.position for one in found]
    assert places == sorted(set(places), reverse=True)
    assert {(one.origin, one.position.index) for one in found} == before


async def test_one_record_is_found_by_its_place(held: Held) -> None:
    """A receipt names origin and index."""
    held.add([audit_record(request_id="a"), audit_record(request_id="b")])
    found = await held.ledger.record("m-w0", 1)
    assert found is not None
    assert found.position == Position(EPOCH * 10**9, found.position.journal, 1)
    assert AuditRecord.FromString(found.data).request_id == "b"
    assert await held.ledger.record("m-w0", 2) is None
    assert await held.ledger.record("m-w9", 0) is None


@pytest.mark.parametrize("seed", [1, 2])
async def test_counts_equal_a_recount_of_every_record(held: Held, seed: int) -> None:
    """P7, by every period and every dimension."""
    chance = random.Random(seed)
    records = random_records(chance, 500)
    for start in range(0, len(records), 90):
        held.add(records[start : start + 90], f"m-w{start % 3}")
    again = MemoryLedger()
    again.add("all", 0, [one.SerializeToString() for one in records])
    combinations: list[tuple[pb.Dimension.ValueType, ...]] = [
        (),
        *((one,) for one in DIMENSIONS),
        tuple(chance.sample(DIMENSIONS, 3)),
        tuple(DIMENSIONS),
    ]
    spans = [(None, None), (EPOCH // 3600 + 100, None), (EPOCH // 3600 + 30, EPOCH // 3600 + 600), (0, 1)]
    for period, dimensions in itertools.product(pb.Period.values(), combinations):
        first, last = chance.choice(spans)
        asked = CountQuery(first, last, period, dimensions, max_rows=100_000)
        told = await held.ledger.count(asked)
        assert told.lag_records == 0
        expected = (await again.count(asked)).rows
        assert sorted(told.rows, key=repr) == sorted(expected, key=repr), (asked, f"seed {seed}")


async def test_bulk_calls_and_counted_refusals_count_as_documented(held: Held) -> None:
    """One call for three citizens is one call; one record of 400 refusals is 400 calls."""
    bulk = [
        audit_record(method=BULK, subject_token=bytes([at]) * 32, fields=["*"], continuation=at > 0) for at in range(3)
    ]
    bulk[1].outcome = errors_pb2.ERROR_REASON_CITIZEN_NOT_FOUND
    del bulk[1].fields[:]
    held.add([*bulk, audit_record(outcome=Reason.RATE_LIMITED, count=400, fields=[], subject_token=b"", dossier="")])
    (row,) = (await held.ledger.count(query())).rows
    assert (row.calls, row.citizens, row.fields, row.dossiers) == (401, 2, 50, 1)
    by_outcome = {
        row.values[0]: row for row in (await held.ledger.count(query(pb.PERIOD_UNSPECIFIED, pb.DIMENSION_OUTCOME))).rows
    }
    assert by_outcome[0].calls == 1
    assert by_outcome[Reason.CITIZEN_NOT_FOUND].calls == 0
    assert by_outcome[Reason.RATE_LIMITED].calls == 400


async def test_more_rows_than_asked_for_are_refused_not_cut(held: Held) -> None:
    """A statistic that silently lacks its last rows is worse than none."""
    held.add([audit_record(account=f"01/a{at}", dossier=f"d{at}") for at in range(5)])
    by_account = (pb.DIMENSION_ACCOUNT,)
    told = await held.ledger.count(CountQuery(None, None, pb.PERIOD_HOUR, by_account, max_rows=5))
    assert len(told.rows) == 5
    with pytest.raises(TooManyRowsError):
        await held.ledger.count(CountQuery(None, None, pb.PERIOD_HOUR, by_account, max_rows=4))


async def test_an_empty_ledger_counts_nothing(held: Held) -> None:
    """The first question after an installation."""
    assert (await held.ledger.count(query(pb.PERIOD_MONTH, pb.DIMENSION_METHOD))).rows == []
    assert await held.ledger.records(ALL, before=None, limit=5) == []


async def test_a_ledger_that_is_gone_says_so(held: Held) -> None:
    """Nothing of the driver's own errors passes the port: they hold statements and parameters."""
    held.add([audit_record()])
    await held.lose()
    with pytest.raises(LedgerUnavailableError):
        await held.ledger.records(RecordFilter(subject_tokens=(b"s" * 32,)), before=None, limit=5)
    with pytest.raises(LedgerUnavailableError):
        await held.ledger.record("m-w0", 0)
    with pytest.raises(LedgerUnavailableError):
        await held.ledger.count(query())


async def test_the_lag_is_what_the_journals_hold_and_the_ledger_lacks(tmp_path: Path) -> None:
    """A number that is behind must say by how much."""
    world = LedgerWorld(tmp_path)
    writer = JournalWriter(world.root)
    writer.write([audit_record()] * 5)
    world.catch_up()
    writer.write([audit_record()] * 3)
    writer.close()
    assert len(list(JournalReader(writer.directory))) == 8
    engine = open_engine("", data_dir=tmp_path)
    try:
        ledger = SqlLedger(engine, root=world.root)
        assert (await ledger.count(query())).lag_records == 3
        world.catch_up()
        assert (await ledger.count(query())).lag_records == 0
    finally:
        await engine.dispose()
