"""The adapter of the national database against the real mock on a real socket, with its faults switched on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from adapters.clock import SystemClock
from adapters.national_db_http import HttpNationalDatabase
from adapters.national_db_wire import WireError, citizen_from_wire
from dancu.citizen.v1 import citizen_pb2
from gateway.citizens.numbers import legacy, personal
from gateway.model import Secret
from gateway.ports import AmbiguousNumberError, NationalDatabaseUnavailableError
from mock_national_db import sample, wire
from mock_national_db.server import create_app

TOKEN = "token-of-the-tests"
POPULATION = 4000
PEOPLE = list(sample(300, population=POPULATION))
ABSENT = "099199000000"


class Watching:
    """Keeps the outcomes it is told."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def upstream_finished(self, *, registry: str, outcome: str, seconds: float) -> None:
        assert registry == "population"
        assert seconds >= 0
        self.outcomes.append(outcome)


class Upstream:
    """The running mock with an adapter on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.watching = Watching()
        self.adapter = self.open(TOKEN)

    def open(self, token: str) -> HttpNationalDatabase:
        return HttpNationalDatabase.open(
            base_url=self.url,
            token=Secret(token.encode()),
            max_connections=4,
            clock=SystemClock(),
            observer=self.watching,
        )

    async def faults(self, **faults: object) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{self.url}/control/faults", json=faults) as answer,
        ):
            assert answer.status == 200


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    runner = web.AppRunner(create_app(token=TOKEN, population=POPULATION), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    made = Upstream(f"http://{host}:{port}")
    yield made
    await made.faults()
    await made.adapter.close()
    await runner.cleanup()


async def test_a_person_arrives_with_every_field_the_exchange_carries(upstream: Upstream) -> None:
    """A field lost here is lost to every ministry."""
    for person in PEOPLE[:50]:
        record = await upstream.adapter.find(personal(person.personal_number), timeout_seconds=5)
        citizen = record.citizen
        assert citizen is not None
        assert (citizen.personal_number, citizen.full_name) == (person.personal_number, person.full_name)
        assert record.version == 1
        assert record.data_as_of <= record.fetched_at
        assert citizen.permanent_residence.province_name
        assert citizen.birth_registration.province_code.startswith("0")
        assert citizen.HasField("updated_at")
    assert set(upstream.watching.outcomes) == {"found"}


async def test_nobody_and_several_holders_are_answers_of_their_own(upstream: Upstream) -> None:
    """A miss is not an outage, and an ambiguous legacy number discloses nobody."""
    assert (await upstream.adapter.find(personal(ABSENT), timeout_seconds=5)).citizen is None
    holder = next(person for person in PEOPLE if person.legacy_number)
    by_legacy = await upstream.adapter.find(legacy(holder.legacy_number or ""), timeout_seconds=5)
    assert by_legacy.citizen is not None
    assert by_legacy.citizen.personal_number == holder.personal_number
    shared = await shared_legacy_number()
    with pytest.raises(AmbiguousNumberError):
        await upstream.adapter.find(legacy(shared), timeout_seconds=5)
    assert upstream.watching.outcomes == ["not_found", "found", "ambiguous"]


async def shared_legacy_number() -> str:
    seen: set[str] = set()
    for person in sample(POPULATION, population=POPULATION):
        if person.legacy_number in seen:
            return person.legacy_number
        if person.legacy_number:
            seen.add(person.legacy_number)
    raise AssertionError("the mock shares no legacy number")


@pytest.mark.parametrize(
    ("faults", "outcome"),
    [
        ({"wrong_citizen_rate": 1}, "broken"),
        ({"invalid_json_rate": 1}, "broken"),
        ({"oversize_rate": 1, "oversize_bytes": 4_000_000}, "broken"),
        ({"truncate_rate": 1}, "refused"),
        ({"reset_rate": 1}, "refused"),
        ({"error_rate": 1, "error_status": 500}, "broken"),
        ({"outage": True}, "broken"),
        ({"hang_rate": 1}, "timeout"),
        ({"drip_rate": 1, "drip_bytes_per_second": 50}, "timeout"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
async def test_every_fault_is_unavailable_and_never_an_answer(
    upstream: Upstream, faults: dict[str, object], outcome: str
) -> None:
    """P3: another person's data, or half a record, must never pass for an answer."""
    await upstream.faults(**faults)
    with pytest.raises(NationalDatabaseUnavailableError) as refusal:
        await upstream.adapter.find(personal(PEOPLE[0].personal_number), timeout_seconds=0.4)
    assert PEOPLE[0].personal_number not in refusal.value.cause
    assert upstream.watching.outcomes == [outcome]
    await upstream.faults()
    recovered = await upstream.adapter.find(personal(PEOPLE[0].personal_number), timeout_seconds=5)
    assert recovered.citizen is not None


async def test_a_wrong_token_is_unavailable(upstream: Upstream) -> None:
    """Our own lack of rights upstream must not look like "nobody holds this number"."""
    stranger = upstream.open("wrong")
    with pytest.raises(NationalDatabaseUnavailableError):
        await stranger.find(personal(PEOPLE[0].personal_number), timeout_seconds=5)
    await stranger.close()


async def test_a_redirect_is_not_followed() -> None:
    """Whoever can redirect us could collect citizens' numbers."""
    asked: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_post("/{tail:.*}", redirect)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    upstream = Upstream(f"http://{host}:{port}")
    with pytest.raises(NationalDatabaseUnavailableError):
        await upstream.adapter.find(personal(ABSENT), timeout_seconds=5)
    assert asked == ["/v1/citizens/lookup"]
    await upstream.adapter.close()
    await runner.cleanup()


def test_the_wire_form_is_read_without_loss() -> None:
    """Codes of the exchange, one by one, over many kinds of people."""
    kinds = set()
    for person in PEOPLE:
        citizen = citizen_from_wire(wire.citizen(person))
        kinds.add((citizen.sex, citizen.marital_status, citizen.life_status, citizen.birth_date.HasField("day")))
        assert citizen.full_name == person.full_name
        assert citizen.legacy_number == (person.legacy_number or "")
        assert citizen.household.household_id == (wire.citizen(person).get("SoSoHoKhau") or "")
    assert {citizen_pb2.SEX_MALE, citizen_pb2.SEX_FEMALE} == {kind[0] for kind in kinds}
    assert len(kinds) > 5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("SoDinhDanh", 12),
        ("SoDinhDanh", "1"),
        ("HoVaTen", "An"),
        ("GioiTinh", 7),
        ("GioiTinh", [1]),
        ("NgayThangNamSinh", {"Nam": "199"}),
        ("NgayThangNamSinh", {"NgayThangNam": "19901301"}),
        ("ThoiDiemDuLieu", "20251399000000"),
        ("ThuongTru", None),
    ],
)
def test_a_record_of_another_shape_is_refused_without_repeating_it(field: str, value: object) -> None:
    """A guess at a malformed record is a wrong answer about a person."""
    record = dict(wire.citizen(PEOPLE[0])) | {field: value}
    with pytest.raises(WireError) as refusal:
        citizen_from_wire(record)
    assert PEOPLE[0].personal_number not in str(refusal.value)
