"""The adapter of households against the real mock on a real socket, with its faults switched on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from adapters.national_db_wire import citizen_from_wire
from dancu.citizen.v1 import citizen_pb2
from gateway.citizens.numbers import personal
from gateway.model import HouseholdRecord
from gateway.ports import NationalDatabaseUnavailableError
from gateway.upstream.policy import BreakerPolicy
from mock_national_db import sample, wire
from tests.fakes.mock_upstream import ABSENT, POPULATION, MockUpstream, mock_upstream, serving

pytestmark = pytest.mark.usefixtures("no_socket_left_behind")
PEOPLE = [citizen_from_wire(wire.citizen(person)) for person in sample(200, population=POPULATION)]
LIVING = [one for one in PEOPLE if one.household.household_id]
DEAD = next(one for one in PEOPLE if not one.household.household_id)
FAMILY = [
    person for person in sample(POPULATION, population=POPULATION)
    if person.household is not None and person.household.household_id == LIVING[0].household.household_id
]  # fmt: skip


@pytest.fixture
async def upstream() -> AsyncIterator[MockUpstream]:
    async with mock_upstream(timeout_seconds=0.4, attempts=1) as made:
        yield made


async def household_of(upstream: MockUpstream, number: str, *, seconds: float = 5) -> HouseholdRecord:
    return await upstream.adapter.households().household_of(personal(number), upstream.patience(seconds))


async def test_every_member_arrives_whole_the_head_first(upstream: MockUpstream) -> None:
    """A member lost here is lost to whoever decides on an allowance for the household."""
    for one in LIVING[:40]:
        found = await household_of(upstream, one.personal_number)
        assert found.is_held
        assert found.household_id == one.household.household_id
        assert one in [member.citizen for member in found.members]
        head, *others = found.members
        assert head.citizen.personal_number == one.household.head.personal_number
        assert citizen_pb2.HOUSEHOLD_RELATION_HEAD not in [member.relation for member in others]
        assert all(member.relation == member.citizen.household.relation for member in found.members)
    assert set(upstream.watched.outcomes) == {"answered"}


async def test_the_dead_have_no_household_and_strangers_no_record(upstream: MockUpstream) -> None:
    """Two different answers."""
    dead = await household_of(upstream, DEAD.personal_number)
    stranger = await household_of(upstream, ABSENT)
    assert (dead.is_held, dead.household_id, dead.members) == (True, "", ())
    assert (stranger.is_held, stranger.members) == (False, ())


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
async def test_no_fault_of_the_mock_passes_for_a_household(upstream: MockUpstream, fault: dict[str, object]) -> None:
    """P3: another family's household must never be told."""
    await upstream.faults(**fault)
    with pytest.raises(NationalDatabaseUnavailableError) as failure:
        await household_of(upstream, LIVING[0].personal_number)
    assert LIVING[0].personal_number not in failure.value.cause


async def test_an_answer_that_does_not_come_is_given_up(upstream: MockUpstream) -> None:
    """A caller is not left hanging with it."""
    await upstream.faults(hang_rate=1)
    began = upstream.clock.monotonic()
    with pytest.raises(NationalDatabaseUnavailableError, match="deadline"):
        await household_of(upstream, LIVING[0].personal_number, seconds=0.05)
    with pytest.raises(NationalDatabaseUnavailableError, match="no answer in time"):
        await household_of(upstream, LIVING[0].personal_number)
    assert upstream.clock.monotonic() - began < 2


async def test_the_breaker_of_the_national_database_holds_for_households() -> None:
    """One system: what is known of it from citizens spares households the wait, and the other way round."""
    breaker = BreakerPolicy(min_requests=3, open_seconds=5)
    async with mock_upstream(timeout_seconds=0.4, attempts=1, breaker=breaker) as upstream:
        await upstream.faults(outage=True)
        for person in PEOPLE[:5]:
            with pytest.raises(NationalDatabaseUnavailableError):
                await upstream.find(person.personal_number)
        requests = await upstream.requests()
        with pytest.raises(NationalDatabaseUnavailableError, match="breaker"):
            await household_of(upstream, LIVING[0].personal_number)
        assert await upstream.requests() == requests


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
        lambda answer: answer | {"MaYeuCau": "another"},
        lambda _: [],
    ],
)
async def test_an_answer_that_contradicts_itself_is_not_told(change: Callable[[dict[str, Any]], Any]) -> None:
    """Members of several households, two heads, or none: something is wrong with it, and nobody knows what."""
    people = sorted(FAMILY, key=lambda person: person.household is not None and person.household.relation)

    async def answer(request: web.Request) -> web.Response:
        asked = await request.json()
        assert asked["SoDinhDanh"] == LIVING[0].personal_number
        true = {"MaYeuCau": asked["MaYeuCau"], "KetQua": "TIM_THAY", "HoGiaDinh": wire.household(people)}
        return web.json_response(change(true) if changes else true)

    app = web.Application()
    app.router.add_post("/v1/households/lookup", answer)
    async with serving(app) as url:
        upstream = MockUpstream(url, attempts=1)
        changes = False
        assert (await household_of(upstream, LIVING[0].personal_number)).members
        changes = True
        with pytest.raises(NationalDatabaseUnavailableError, match="unusable answer"):
            await household_of(upstream, LIVING[0].personal_number)
        await upstream.adapter.close()


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
