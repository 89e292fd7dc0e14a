"""The adapter of the registries against the real mock on a real socket, with faults switched on for one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from adapters.national_db_wire import WireError
from adapters.registries import reader_of
from dancu.client import message_to_json
from gateway.citizens.numbers import personal
from gateway.registries.kinds import REGISTRIES
from gateway.registries.ports import RegistryUnavailableError
from tests.fakes import mock_upstream
from tests.fakes.mock_upstream import ABSENT, MockRegistries, mock_registries, serving

pytestmark = pytest.mark.usefixtures("no_socket_left_behind")
PEOPLE = [person.personal_number for person in mock_upstream.PEOPLE[:200]]
KINDS = {kind.name: kind for kind in REGISTRIES}


@pytest.fixture
async def upstream() -> AsyncIterator[MockRegistries]:
    async with mock_registries(timeout_seconds=0.4, attempts=1) as made:
        yield made


async def holders(upstream: MockRegistries, name: str) -> list[Any]:
    found = await asyncio.gather(*(upstream.find(name, number) for number in PEOPLE))
    return [record.record for record in found if record.record is not None]


@pytest.mark.parametrize("name", KINDS)
async def test_records_arrive_with_every_field_of_the_contract_filled_by_somebody(
    name: str, upstream: MockRegistries
) -> None:
    """A field that no record ever fills is a field the adapter lost."""
    records = await holders(upstream, name)
    filled: set[str] = set()
    for record in records:
        filled |= set(_paths(message_to_json(record)))
        assert record.HasField("updated_at")
        assert record.personal_number in PEOPLE
    wanted = set(_fields(KINDS[name].descriptor))
    assert wanted - filled <= _NEVER.get(name, set()) | _RARE.get(name, set())
    assert upstream.watched[name].ended == [("answered", 100), ("answered", 100)], "few requests for many questions"


# Detailed addresses are not told by these registries; what is rare may be missing among two hundred people.
_NEVER = {
    "civil_status": {"birth.registered_at.detail", "marriages.registered_at.detail", "death.registered_at.detail"},
    "driving_licences": {"licences.issued_in.detail", "licences.issued_in.commune_name"},
    "enterprises": {"entries.head_office.detail"},
    "digital_identity": {"issued_in.detail", "issued_in.commune_name"},
}
_RARE = {"civil_status": {"marriages.judgment_number"}}


async def test_an_enterprise_is_found_by_its_code(upstream: MockRegistries) -> None:
    """The other number of the contract."""
    by_person = (await holders(upstream, "enterprises"))[0]
    code = by_person.entries[0].enterprise_code
    by_code: Any = (await upstream.find("enterprises", code)).record
    assert by_code.entries[0] == by_person.entries[0]
    assert by_code.personal_number == ""
    assert (await upstream.find("enterprises", "9999999999")).record is None


async def test_nobody_is_an_answer(upstream: MockRegistries) -> None:
    """Nothing under a number is no failure, or the breaker would open on it."""
    for name in KINDS:
        found = await upstream.find(name, ABSENT)
        assert (found.record, found.version, found.registry) == (None, 0, name)


@pytest.mark.parametrize(
    ("faults", "outcome"),
    [
        ({"outage": True}, "unwell"),
        ({"error_rate": 1.0}, "unwell"),
        ({"error_rate": 1.0, "error_status": 403}, "rejected"),
        ({"reset_rate": 1.0}, "unreachable"),
        ({"truncate_rate": 1.0}, "unreachable"),
        ({"hang_rate": 1.0}, "timeout"),
        ({"invalid_json_rate": 1.0}, "unusable"),
        ({"oversize_rate": 1.0, "oversize_bytes": 4_000_000}, "unusable"),
        ({"wrong_citizen_rate": 1.0}, "answered"),
    ],
)
async def test_no_fault_becomes_an_answer(faults: dict[str, object], outcome: str, upstream: MockRegistries) -> None:
    """Above all not another person's record."""
    await upstream.faults(endpoints=["registries.civil_status"], **faults)
    asked = (upstream.find("civil_status", number) for number in PEOPLE[:5])
    refusals = await asyncio.gather(*asked, return_exceptions=True)
    for refusal in refusals:
        assert isinstance(refusal, RegistryUnavailableError)
        assert not any(number in str(refusal) for number in PEOPLE)
        assert outcome != "answered" or "about somebody else" in refusal.cause
    assert upstream.watched["civil_status"].ended == [(outcome, 5)]
    await upstream.find("digital_identity", PEOPLE[0])


async def test_a_wrong_token_is_no_answer(upstream: MockRegistries) -> None:
    """Misconfigured is unavailable, and the log says why."""
    stranger = upstream.open(KINDS["civil_status"], "somebody-elses-token")
    with pytest.raises(RegistryUnavailableError, match="status 401"):
        await stranger.find(personal(PEOPLE[0]), upstream.patience(5))
    await stranger.close()


async def test_closing_under_way_leaves_nothing_behind(upstream: MockRegistries) -> None:
    """A worker that drains while a registry hangs must still end."""
    await upstream.faults(hang_rate=1)
    asked = [asyncio.create_task(upstream.find("enterprises", number)) for number in PEOPLE[:20]]
    await asyncio.sleep(0.05)
    await upstream.close()
    refusals = await asyncio.gather(*asked, return_exceptions=True)
    assert [str(refusal) for refusal in refusals] == ["the gateway is closing"] * 20


CODE, OTHER_CODE = "9272199807", "9272199815"


def record_of(digits: str, **changed: Any) -> dict[str, Any]:
    key = "MaSoDoanhNghiep" if len(digits) == 10 else "SoDinhDanh"
    record = {key: digits, "PhienBan": 1, "ThoiDiemDuLieu": "20250412093000"}
    return {"KetQua": "TIM_THAY", "BanGhi": record | changed}


async def told_by(change: Callable[[dict[str, Any]], Any], *subjects: str) -> list[str]:
    """What callers who ask an altered register of enterprises together get: `own`, or the cause of their refusal."""
    paths: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        paths.append(str(request.url.relative()))
        asked = await request.json()
        items = [record_of(next(iter(item.values()))) for item in asked["DanhSach"]]
        return web.json_response(change({"MaYeuCau": asked["MaYeuCau"], "DanhSach": items}))

    async with serving(register(answer)) as url:
        upstream = MockRegistries(url)
        asked = (upstream.find("enterprises", digits) for digits in subjects)
        results = await asyncio.gather(*asked, return_exceptions=True)
        await upstream.close()
    assert paths == ["/v1/registries/enterprises/batch"], "one request, and no number in its address"
    told = []
    for digits, result in zip(subjects, results, strict=True):
        if isinstance(result, RegistryUnavailableError):
            told.append(result.cause)
        else:
            assert not isinstance(result, BaseException), result
            assert result.subject.digits == digits
            assert result.record is not None
            told.append("own")
    return told


def register(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.Application:
    app = web.Application()
    app.router.add_post("/{tail:.*}", answer)
    return app


@pytest.mark.parametrize(
    ("item", "cause"),
    [
        (record_of(PEOPLE[7]), "about somebody else"),
        (record_of(PEOPLE[2]), "about somebody else"),
        (record_of(CODE), "about somebody else"),
        ({"KetQua": "TIM_THAY"}, "BanGhi is not an object"),
        (record_of(PEOPLE[1], PhienBan=0), "PhienBan"),
        (record_of(PEOPLE[1], DoanhNghiep="?"), "DoanhNghiep"),
        ({"KetQua": "NHIEU_NGUOI"}, "KetQua is not a known code"),
        (None, "KetQua is not a known code"),
    ],
    ids=["other", "neighbour", "enterprise", "empty", "version", "shape", "result", "null"],
)
async def test_an_unusable_item_harms_only_who_asked_for_it(item: Any, cause: str) -> None:
    """One broken record must not cost ninety-nine others their answer, nor a wrong one reach anybody."""

    def change(answer: dict[str, Any]) -> dict[str, Any]:
        answer["DanhSach"][1] = item
        return answer

    own, refused, also_own, by_code = await told_by(change, *PEOPLE[:3], CODE)
    assert (own, also_own, by_code) == ("own", "own", "own")
    assert cause in refused


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda answer: answer | {"DanhSach": answer["DanhSach"][::-1]}, "about somebody else"),
        (lambda answer: answer | {"DanhSach": answer["DanhSach"][1:]}, "as many items"),
        (lambda answer: answer | {"MaYeuCau": "another"}, "MaYeuCau"),
        (lambda answer: answer["DanhSach"][0], "MaYeuCau"),
        (lambda answer: answer["DanhSach"], "not an object"),
    ],
    ids=["order", "fewer", "other-request", "single", "list"],
)
async def test_an_answer_of_another_shape_or_order_is_told_to_nobody(change: Callable[[Any], Any], cause: str) -> None:
    """Shifted by one, every record would be about somebody else."""
    told = await told_by(change, PEOPLE[0], CODE, PEOPLE[1], OTHER_CODE)
    assert all(cause in one for one in told), told


@pytest.mark.parametrize("name", KINDS)
def test_a_record_of_another_shape_is_refused_by_a_text_without_values(name: str) -> None:
    """Error texts end in logs."""
    number = "097190000001"
    spoilt: list[dict[str, Any]] = [
        {},
        {"SoDinhDanh": 97190000001},
        {"SoDinhDanh": number, "ThoiDiemDuLieu": number},
        {"SoDinhDanh": number, "DoanhNghiep": number, "GiayPhep": [number], "KhaiSinh": number, "MucDo": number},
    ]
    for wire in spoilt:
        with pytest.raises(WireError) as error:
            reader_of(KINDS[name])(wire)
        assert number not in str(error.value)


def _paths(value: Any, prefix: str = "") -> list[str]:
    if isinstance(value, dict):
        return [path for key, inner in value.items() for path in _paths(inner, f"{prefix}{key}.")]
    if isinstance(value, list):
        return [path for inner in value for path in _paths(inner, prefix)]
    return [prefix.rstrip(".")]


def _fields(descriptor: Any, prefix: str = "") -> list[str]:
    found = []
    for field in descriptor.fields:
        inner = field.message_type
        if inner is not None and inner.full_name.startswith("dancu.registry."):
            found += _fields(inner, f"{prefix}{field.name}.")
        else:
            found.append(f"{prefix}{field.name}")
    return found
