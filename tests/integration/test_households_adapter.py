"""The adapter of households against the real mock on a real socket, with its faults switched on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.clock import SystemClock
from adapters.json_exchange import JsonExchange
from adapters.national_db_households import HttpHouseholds
from adapters.national_db_wire import citizen_from_wire
from dancu.citizen.v1 import citizen_pb2
from gateway.citizens.numbers import personal
from gateway.model import Secret
from gateway.ports import NationalDatabaseUnavailableError
from mock_national_db import sample, wire
from mock_national_db.server import create_app

TOKEN = "token-of-the-tests"
POPULATION = 4000
PEOPLE = [citizen_from_wire(wire.citizen(person)) for person in sample(200, population=POPULATION)]
LIVING = [one for one in PEOPLE if one.household.household_id]
DEAD = next(one for one in PEOPLE if not one.household.household_id)
ABSENT = "099199000000"


@dataclass
class Watching:
    """Keeps the outcomes it is told."""

    outcomes: list[str] = field(default_factory=list)

    def upstream_finished(self, *, registry: str, outcome: str, seconds: float) -> None:
        assert (registry, seconds >= 0) == ("population", True)
        self.outcomes.append(outcome)


class Scripted:
    """An exchange that answers with what a test has made of a true answer."""

    def __init__(self, change: Callable[[dict[str, Any]], Any]) -> None:
        self._change = change

    async def post(self, path: str, body: object, *, timeout_seconds: float) -> Any:
        assert path == "/v1/households/lookup"
        assert isinstance(body, dict)
        assert body["SoDinhDanh"] == LIVING[0].personal_number
        assert timeout_seconds > 0
        people = [
            person for person in sample(POPULATION, population=POPULATION)
            if person.household is not None and person.household.household_id == LIVING[0].household.household_id
        ]  # fmt: skip
        people.sort(key=lambda person: person.household is not None and person.household.relation)
        return self._change({"KetQua": "TIM_THAY", "HoGiaDinh": wire.household(people)})


@dataclass
class Upstream:
    """The running mock with an adapter on it."""

    url: str
    adapter: HttpHouseholds
    watching: Watching

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
    url, watching = f"http://{host}:{port}", Watching()
    exchange = JsonExchange.open(base_url=url, token=Secret(TOKEN.encode()), max_connections=4)
    made = Upstream(url, HttpHouseholds(exchange, clock=SystemClock(), observer=watching), watching)
    yield made
    await made.faults()
    await exchange.close()
    await runner.cleanup()


async def test_every_member_arrives_whole_the_head_first(upstream: Upstream) -> None:
    """A member lost here is lost to whoever decides on an allowance for the household."""
    for one in LIVING[:40]:
        found = await upstream.adapter.household_of(personal(one.personal_number), timeout_seconds=5)
        assert found.is_held
        assert found.household_id == one.household.household_id
        assert one in [member.citizen for member in found.members]
        head, *others = found.members
        assert head.citizen.personal_number == one.household.head.personal_number
        assert citizen_pb2.HOUSEHOLD_RELATION_HEAD not in [member.relation for member in others]
        assert all(member.relation == member.citizen.household.relation for member in found.members)
    assert set(upstream.watching.outcomes) == {"found"}


async def test_the_dead_have_no_household_and_strangers_no_record(upstream: Upstream) -> None:
    """Two different answers."""
    dead = await upstream.adapter.household_of(personal(DEAD.personal_number), timeout_seconds=5)
    stranger = await upstream.adapter.household_of(personal(ABSENT), timeout_seconds=5)
    assert (dead.is_held, dead.household_id, dead.members) == (True, "", ())
    assert (stranger.is_held, stranger.members) == (False, ())
    assert upstream.watching.outcomes == ["found", "not_found"]


@pytest.mark.parametrize(
    "fault",
    [
        {"wrong_citizen_rate": 1},
        {"invalid_json_rate": 1},
        {"truncate_rate": 1},
        {"reset_rate": 1},
        {"error_rate": 1, "error_status": 500},
        {"oversize_rate": 1, "oversize_bytes": 3_000_000},
        {"outage": True},
    ],
)
async def test_no_fault_of_the_mock_passes_for_a_household(upstream: Upstream, fault: dict[str, object]) -> None:
    """P3: another family's household must never be told."""
    await upstream.faults(**fault)
    with pytest.raises(NationalDatabaseUnavailableError) as failure:
        await upstream.adapter.household_of(personal(LIVING[0].personal_number), timeout_seconds=5)
    assert LIVING[0].personal_number not in failure.value.cause
    assert upstream.watching.outcomes == ["broken"]


async def test_an_answer_that_does_not_come_is_given_up(upstream: Upstream) -> None:
    """A caller is not left hanging with it."""
    await upstream.faults(hang_rate=1)
    with pytest.raises(NationalDatabaseUnavailableError, match="no answer in time"):
        await asyncio.wait_for(
            upstream.adapter.household_of(personal(LIVING[0].personal_number), timeout_seconds=0.05), 5
        )


def _without_head(answer: dict[str, Any]) -> Any:
    for member in answer["HoGiaDinh"]["ThanhVien"]:
        member["CongDan"]["ChuHo"]["QuanHe"] = "03"
    return answer


def _with_a_stranger(answer: dict[str, Any]) -> Any:
    other = next(person for person in LIVING if person.household.household_id != LIVING[0].household.household_id)
    (stranger,) = [
        person for person in sample(200, population=POPULATION) if person.personal_number == other.personal_number
    ]
    answer["HoGiaDinh"]["ThanhVien"].append({"QuanHe": "03", "CongDan": wire.citizen(stranger)})
    return answer


def _doubled(answer: dict[str, Any]) -> Any:
    answer["HoGiaDinh"]["ThanhVien"].append(answer["HoGiaDinh"]["ThanhVien"][-1])
    return answer


@pytest.mark.parametrize(
    "change",
    [
        _without_head,
        _with_a_stranger,
        _doubled,
        lambda answer: answer | {"HoGiaDinh": answer["HoGiaDinh"] | {"SoSoHoKhau": "1"}},
        lambda answer: answer | {"HoGiaDinh": answer["HoGiaDinh"] | {"ThanhVien": []}},
        lambda answer: answer | {"HoGiaDinh": answer["HoGiaDinh"] | {"ThanhVien": [7]}},
        lambda answer: answer | {"HoGiaDinh": None},
        lambda answer: answer | {"KetQua": "CHUA_BIET"},
        lambda _: [],
    ],
)
async def test_an_answer_that_contradicts_itself_is_not_told(change: Callable[[dict[str, Any]], Any]) -> None:
    """Members of several households, two heads, or none: something is wrong with it, and nobody knows what."""
    true = HttpHouseholds(Scripted(lambda answer: answer), clock=SystemClock(), observer=Watching())
    number = personal(LIVING[0].personal_number)
    assert (await true.household_of(number, timeout_seconds=1)).members
    changed = HttpHouseholds(Scripted(change), clock=SystemClock(), observer=Watching())
    with pytest.raises(NationalDatabaseUnavailableError, match="unusable answer"):
        await changed.household_of(number, timeout_seconds=1)


def test_places_are_told_as_of_today_and_births_as_of_both() -> None:
    """A record that was written before July 2025 carries codes that mean other provinces now."""
    (person,) = sample(1, population=POPULATION)
    record = wire.citizen(person)
    record["ThuongTru"] |= {"MaTinh": "15", "TenTinh": "Tỉnh Yên Bái", "NgayDanhMuc": "20240101"}
    record["NoiOHienTai"] |= {"MaTinh": "30", "TenTinh": "Tỉnh Hải Dương", "NgayDanhMuc": "20240101"}
    record["NoiDangKyKhaiSinh"] |= {"MaTinh": "24", "TenTinh": "Tỉnh Bắc Giang", "NgayDanhMuc": "20250630"}
    citizen = citizen_from_wire(record)
    assert citizen.permanent_residence.province_code == "15"
    assert citizen.permanent_residence.province_name == "Tỉnh Lào Cai"
    assert citizen.current_residence.province_code == "31"
    assert citizen.current_residence.province_name == "Thành phố Hải Phòng"
    assert citizen.birth_registration == citizen_pb2.BirthRegistration(
        province_code="024",
        province_name="Tỉnh Bắc Giang",
        current_province_code="24",
        current_province_name="Tỉnh Bắc Ninh",
    )
