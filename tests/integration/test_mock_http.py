import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from mock_national_db import Nation, wire
from mock_national_db.server import MAX_BODY_BYTES, create_app

TOKEN = "mock-token-of-the-tests"
CONTROL = "control-token-of-the-tests"
POPULATION = 4000
DOCS = Path(__file__).parents[2] / "docs" / "mock-national-db.md"


class Mock:
    """A running mock and a client of it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def post(self, path: str, body: Any, *, token: str = TOKEN, status: int = 200) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.post(self.url + path, data=data, headers=headers) as response:
            assert response.status == status, await response.text()
            assert response.content_type == "application/json"
            return await response.json()

    async def lookup(self, number: str | None, **more: Any) -> Any:
        return await self.post("/v1/citizens/lookup", {"MaYeuCau": "r-1", "SoDinhDanh": number, **more})

    async def faults(self, **settings: Any) -> None:
        await self.post("/control/faults", settings, token=CONTROL)

    async def stats(self) -> Any:
        headers = {"Authorization": f"Bearer {CONTROL}"}
        async with self.session.get(self.url + "/control/stats", headers=headers) as response:
            return (await response.json())["endpoints"]


@pytest.fixture(scope="module")
def nation() -> Nation:
    return Nation(population=POPULATION, seed=1)


@pytest.fixture
async def mock() -> AsyncIterator[Mock]:
    runner = web.AppRunner(
        create_app(token=TOKEN, control_token=CONTROL, population=POPULATION, seed=1), shutdown_timeout=1.0
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession() as session:
            yield Mock(session, f"http://{host}:{port}")
    finally:
        await runner.cleanup()


def number(nation: Nation, index: int) -> str:
    held = nation.number(index)
    assert held is not None
    return held


async def test_a_citizen_is_found_by_either_number(mock: Mock, nation: Nation) -> None:
    """The record on the wire is the nation's, whichever number the dossier has."""
    expected = {"MaYeuCau": "r-1", "KetQua": "TIM_THAY", "CongDan": wire.citizen(nation.person(0))}
    assert await mock.lookup(number(nation, 0)) == expected
    by_legacy = {"MaYeuCau": "r-1", "SoCMND": nation.person(0).legacy_number}
    assert await mock.post("/v1/citizens/lookup", by_legacy) == expected


async def test_nobody_is_an_answer_and_not_an_error(mock: Mock, nation: Nation) -> None:
    """A gateway must tell "nobody holds it" from "the path is wrong" without guessing."""
    beyond = Nation(population=POPULATION + 1, seed=1).number(POPULATION)
    assert await mock.lookup(beyond) == {"MaYeuCau": "r-1", "KetQua": "KHONG_TIM_THAY"}


async def test_a_shared_legacy_number_tells_only_how_many_hold_it(mock: Mock, nation: Nation) -> None:
    """Two people, one number: neither may be disclosed until name and birth date tell them apart."""
    legacies = [nation.numbering.legacy_number_of(index) for index in range(POPULATION)]
    shared = next(one for one in legacies if one and len(nation.indexes_of_legacy(one)) == 2)
    body: dict[str, Any] = {"MaYeuCau": "r-1", "SoCMND": shared}
    assert await mock.post("/v1/citizens/lookup", body) == {"MaYeuCau": "r-1", "KetQua": "NHIEU_NGUOI", "SoNguoi": 2}
    person = nation.person(nation.indexes_of_legacy(shared)[1])
    body |= {"HoVaTen": person.full_name.upper(), "NgayThangNamSinh": wire.birth_date(person.birth_date)}
    found = await mock.post("/v1/citizens/lookup", body)
    assert found["CongDan"]["SoDinhDanh"] == person.personal_number


async def test_name_and_birth_date_sent_along_must_match(mock: Mock, nation: Nation) -> None:
    """Decree 70/2024: who asks enters name and date of birth; a wrong one finds nobody and learns nothing."""
    person = nation.person(0)
    held = person.birth_date
    for claims, result in (
        ({"HoVaTen": f" {person.full_name.upper()} "}, "TIM_THAY"),
        ({"NgayThangNamSinh": {"Nam": str(held.year)}}, "TIM_THAY"),
        ({"NgayThangNamSinh": {"NamThang": f"{held.year}{held.month:02d}"}}, "TIM_THAY"),
        ({"NgayThangNamSinh": {"Nam": str(held.year + 1)}}, "KHONG_TIM_THAY"),
        ({"HoVaTen": "Người Không Có"}, "KHONG_TIM_THAY"),
    ):
        answer = await mock.lookup(person.personal_number, **claims)
        assert answer["KetQua"] == result, claims


async def test_a_batch_keeps_its_order_and_answers_item_by_item(mock: Mock, nation: Nation) -> None:
    """The gateway pairs answers with questions by position: one out of place discloses another citizen."""
    beyond = Nation(population=POPULATION + 1, seed=1).number(POPULATION)
    numbers = [number(nation, index) for index in (7, 3, 3999, 7)]
    items = [{"SoDinhDanh": one} for one in (numbers[0], numbers[1], beyond, numbers[2], numbers[3])]
    answer = await mock.post("/v1/citizens/batch", {"MaYeuCau": "b", "DanhSach": items})
    assert [item.get("CongDan", {}).get("SoDinhDanh") for item in answer["DanhSach"]] == [
        numbers[0], numbers[1], None, numbers[2], numbers[3]
    ]  # fmt: skip
    assert answer["DanhSach"][2] == {"KetQua": "KHONG_TIM_THAY"}


async def test_a_household_lists_every_member_with_the_head_first(mock: Mock, nation: Nation) -> None:
    """Residence procedures ask for the household: all of its people, once each, whoever is asked about."""
    answers = []
    for member in nation.household_of(0):
        body = {"MaYeuCau": "h", "SoDinhDanh": number(nation, member)}
        answers.append(await mock.post("/v1/households/lookup", body))
    assert all(answer == answers[0] for answer in answers)
    home = answers[0]["HoGiaDinh"]
    assert [one["CongDan"] for one in home["ThanhVien"]] == [
        wire.citizen(nation.person(i)) for i in nation.household_of(0)
    ]
    assert home["ThanhVien"][0]["QuanHe"] == "01"
    assert home["ChuHo"]["SoDinhDanh"] == home["ThanhVien"][0]["CongDan"]["SoDinhDanh"]


async def test_the_dead_have_records_and_no_household(mock: Mock, nation: Nation) -> None:
    """Pensions are stopped by this answer: the dead are found, and say so."""
    dead = next(index for index in range(POPULATION) if not nation.person(index).alive)
    found = (await mock.lookup(nation.number(dead)))["CongDan"]
    assert found["TrangThai"] == 2
    assert re.fullmatch(r"20\d{6}", found["NgayMat"])
    assert "ChuHo" not in found
    home = await mock.post("/v1/households/lookup", {"MaYeuCau": "h", "SoDinhDanh": number(nation, dead)})
    assert home["KetQua"] == "KHONG_CO_HO"


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1], "é\udc80"])
async def test_without_the_token_nothing_is_answered(mock: Mock, nation: Nation, token: str) -> None:
    """The mock is used as the real one would be; an adapter that forgets the token must see 401."""
    raw = f"Bearer {token}".encode("utf-8", "surrogateescape")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(mock.url.rpartition(":")[2]))
    body = json.dumps({"MaYeuCau": "r", "SoDinhDanh": number(nation, 0)}).encode()
    writer.write(b"POST /v1/citizens/lookup HTTP/1.1\r\nHost: mock\r\nConnection: close\r\nAuthorization: " + raw)
    writer.write(b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"CHUA_XAC_THUC" in answer
    assert (await mock.stats())["citizens.lookup"]["citizens"] == 0


async def test_controls_have_a_token_of_their_own(mock: Mock) -> None:
    """Whoever may ask about citizens need not be able to break the service."""
    await mock.post("/control/faults", {"outage": True}, token=TOKEN, status=401)
    await mock.post("/v1/citizens/lookup", {}, token=CONTROL, status=401)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", [""]),
        (b"[]", [""]),
        (b'{"a":', [""]),
        ({"MaYeuCau": "r"}, ["SoDinhDanh"]),
        ({"SoDinhDanh": "097190000000"}, ["MaYeuCau"]),
        ({"MaYeuCau": "r", "SoDinhDanh": "097190000000", "SoCMND": "412345678"}, ["SoDinhDanh"]),
        ({"MaYeuCau": "có dấu", "SoDinhDanh": "12345", "X": 1}, ["MaYeuCau", "SoDinhDanh", "X"]),
        ({"MaYeuCau": "r", "SoDinhDanh": "٠٩٧١٩٠٠٠٠٠٠٠"}, ["SoDinhDanh"]),
        ({"MaYeuCau": "r", "SoDinhDanh": 97190000000}, ["SoDinhDanh"]),
        ({"MaYeuCau": "r", "SoCMND": "097190000000"}, ["SoCMND"]),
        ({"MaYeuCau": "r", "SoDinhDanh": "097190000000", "097190000001": 1}, [""]),
        (
            {"MaYeuCau": "r", "SoDinhDanh": "097190000000", "NgayThangNamSinh": {"NgayThangNam": "20230230"}},
            ["NgayThangNamSinh"],
        ),
    ],
)
async def test_a_malformed_lookup_is_refused_with_every_violation(mock: Mock, body: Any, fields: list[str]) -> None:
    """An adapter is debugged by this message; and it must not carry the number on into logs."""
    answer = await mock.post("/v1/citizens/lookup", body, status=400)
    assert answer["MaLoi"] == "YEU_CAU_SAI"
    assert [violation["Truong"] for violation in answer["ChiTiet"]] == fields
    assert not re.search(r"\d{9}", json.dumps(answer))


@pytest.mark.parametrize("count", [0, 101])
async def test_a_batch_has_1_to_100_items(mock: Mock, nation: Nation, count: int) -> None:
    """The real one refuses more; a gateway that relies on larger batches would fail there."""
    items = [{"SoDinhDanh": number(nation, 0)}] * count
    answer = await mock.post("/v1/citizens/batch", {"MaYeuCau": "b", "DanhSach": items}, status=400)
    assert answer["ChiTiet"][0]["Truong"] == "DanhSach"


async def test_a_malformed_item_is_named_by_its_place(mock: Mock, nation: Nation) -> None:
    """In a hundred items, "something is wrong" helps nobody."""
    items = [{"SoDinhDanh": number(nation, 0)}, {"SoDinhDanh": "1"}, 5, {"SoCMND": "412345678", "MaYeuCau": "x"}]
    answer = await mock.post("/v1/citizens/batch", {"MaYeuCau": "b", "DanhSach": items}, status=400)
    assert {one["Truong"] for one in answer["ChiTiet"]} == {
        "DanhSach.1.SoDinhDanh",
        "DanhSach.2",
        "DanhSach.3.MaYeuCau",
    }


async def test_wrong_paths_methods_and_sizes_are_errors_of_http(mock: Mock) -> None:
    """They are mistakes of the adapter, never answers about people."""
    assert (await mock.post("/v1/citizens", {}, status=404))["MaLoi"] == "KHONG_CO_DUONG_DAN"
    assert (await mock.post("/healthz", {}, status=405))["MaLoi"] == "SAI_PHUONG_THUC"
    large = b'{"MaYeuCau":"' + b"x" * MAX_BODY_BYTES + b'"}'
    assert (await mock.post("/v1/citizens/lookup", large, status=413))["MaLoi"] == "QUA_LON"
    async with mock.session.get(mock.url + "/healthz") as response:
        assert await response.json() == {"TrangThai": "SAN_SANG"}


async def test_the_counters_tell_how_many_citizens_left(mock: Mock, nation: Nation) -> None:
    """Tests of the gateway prove by these that a refused or cached call fetched nothing."""
    await mock.lookup(number(nation, 0))
    await mock.lookup(Nation(population=POPULATION + 1, seed=1).number(POPULATION))
    items = [{"SoDinhDanh": number(nation, index)} for index in range(3)]
    await mock.post("/v1/citizens/batch", {"MaYeuCau": "b", "DanhSach": items})
    before = await mock.post("/control/stats", b"", token=CONTROL)
    assert before["endpoints"]["citizens.lookup"] == {"requests": 2, "citizens": 1, "faults": {}}
    assert before["endpoints"]["citizens.batch"] == {"requests": 1, "citizens": 3, "faults": {}}
    assert (await mock.stats())["citizens.lookup"]["requests"] == 0


async def test_an_outage_refuses_everything_until_it_ends(mock: Mock, nation: Nation) -> None:
    """The breaker of the gateway is tested by this."""
    await mock.faults(outage=True)
    refused = {"MaYeuCau": "r", "SoDinhDanh": number(nation, 0)}
    assert (await mock.post("/v1/citizens/lookup", refused, status=503))["MaLoi"] == "TAM_NGUNG"
    await mock.faults()
    assert (await mock.lookup(number(nation, 0)))["KetQua"] == "TIM_THAY"
    assert (await mock.stats())["citizens.lookup"] == {"requests": 2, "citizens": 1, "faults": {"outage": 1}}


async def test_errors_come_at_their_rate_and_spare_other_endpoints(mock: Mock, nation: Nation) -> None:
    """Retries are tuned against a share of failures, not against all or nothing."""
    await mock.faults(endpoints=["citizens.lookup"], error_rate=0.5, error_status=502, seed=7)
    statuses = []
    for _ in range(60):
        body = {"MaYeuCau": "r", "SoDinhDanh": number(nation, 0)}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with mock.session.post(mock.url + "/v1/citizens/lookup", json=body, headers=headers) as response:
            statuses.append(response.status)
    assert set(statuses) == {200, 502}
    assert 15 < statuses.count(502) < 45
    await mock.post("/v1/households/lookup", {"MaYeuCau": "h", "SoDinhDanh": number(nation, 0)})


async def test_a_wrong_citizen_is_a_real_one_and_never_the_right_one(mock: Mock, nation: Nation) -> None:
    """The gateway must notice a record that answers another number; it is the worst upstream fault of all."""
    await mock.faults(wrong_citizen_rate=1)
    asked = [number(nation, index) for index in (0, POPULATION - 1)]
    for one in asked:
        answer = await mock.lookup(one)
        assert answer["CongDan"]["SoDinhDanh"] != one
        assert nation.index_of(answer["CongDan"]["SoDinhDanh"]) is not None
    answer = await mock.post(
        "/v1/citizens/batch", {"MaYeuCau": "b", "DanhSach": [{"SoDinhDanh": one} for one in asked]}
    )
    assert all(item["CongDan"]["SoDinhDanh"] != one for item, one in zip(answer["DanhSach"], asked, strict=True))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("reset_rate", (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)),
        ("truncate_rate", (aiohttp.ClientPayloadError,)),
        ("invalid_json_rate", (json.JSONDecodeError, UnicodeDecodeError)),
    ],
)
async def test_a_broken_answer_is_broken_for_the_client(
    mock: Mock, nation: Nation, fault: str, expected: tuple[type[Exception], ...]
) -> None:
    """Each of these must become "upstream unavailable", never half a citizen."""
    await mock.faults(**{fault: 1})
    for _ in range(3):
        with pytest.raises(expected):
            await mock.lookup(number(nation, 0))
    await mock.faults()
    assert (await mock.lookup(number(nation, 0)))["KetQua"] == "TIM_THAY"
    assert sum((await mock.stats())["citizens.lookup"]["faults"].values()) >= 3


async def test_an_oversized_answer_is_valid_and_very_long(mock: Mock, nation: Nation) -> None:
    """A client without a limit on what it reads can be drowned by one answer."""
    await mock.faults(oversize_rate=1, oversize_bytes=300_000)
    answer = await mock.lookup(number(nation, 0))
    assert len(answer.pop("Dem")) == 300_000
    assert answer["CongDan"] == wire.citizen(nation.person(0))


async def test_a_dripping_answer_is_right_and_late(mock: Mock, nation: Nation) -> None:
    """A read timeout per chunk never fires here; only a deadline over the whole call does."""
    await mock.faults(drip_rate=1, drip_bytes_per_second=4000)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(mock.lookup(number(nation, 0)), 0.1)
    assert (await mock.lookup(number(nation, 0)))["KetQua"] == "TIM_THAY"


async def test_a_hanging_request_hangs_until_it_is_released(mock: Mock, nation: Nation) -> None:
    """Only the caller's deadline ends such a wait; the test must be able to end it as well."""
    await mock.faults(hang_rate=1)
    body = {"MaYeuCau": "r", "SoDinhDanh": number(nation, 0)}
    hanging = asyncio.create_task(mock.post("/v1/citizens/lookup", body, status=503))
    await asyncio.wait({hanging}, timeout=0.3)
    assert (await mock.stats())["citizens.lookup"]["faults"] == {"hang": 1}
    assert not hanging.done()
    await mock.faults()
    assert (await hanging)["MaLoi"] == "TAM_NGUNG"


@pytest.mark.parametrize(
    "latency",
    [
        {"kind": "fixed", "seconds": 0.15},
        {"kind": "uniform", "low_seconds": 0.15, "high_seconds": 0.2},
        {"kind": "lognormal", "median_seconds": 0.2, "sigma": 0.01, "max_seconds": 0.3},
    ],
)
async def test_latency_holds_an_answer_back(mock: Mock, nation: Nation, latency: dict[str, Any]) -> None:
    """Coalescing and deadlines show themselves only when the other side is slow."""
    await mock.faults(latency=latency)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(mock.lookup(number(nation, 0)), 0.05)
    assert (await mock.lookup(number(nation, 0)))["KetQua"] == "TIM_THAY"


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"error_rate": 1.5}, ["error_rate"]),
        ({"error_rate": True}, ["error_rate"]),
        ({"error_rate": 0.7, "hang_rate": 0.7}, [""]),
        ({"error_status": 200}, ["error_status"]),
        ({"latency": {"kind": "uniform", "low_seconds": 2, "high_seconds": 1}}, ["latency.high_seconds"]),
        ({"latency": {"kind": "fixed"}}, ["latency.seconds"]),
        ({"latency": {"kind": ["fixed"], "seconds": 1}}, ["latency.kind"]),
        ({"endpoints": ["health"]}, ["endpoints"]),
        ({"erorr": 1}, ["erorr"]),
    ],
)
async def test_a_mistaken_fault_is_refused_and_changes_nothing(
    mock: Mock, nation: Nation, settings: dict[str, Any], fields: list[str]
) -> None:
    """A typing error that switched nothing on would make a resilience test pass for no reason."""
    await mock.faults(wrong_citizen_rate=1)
    answer = await mock.post("/control/faults", settings, token=CONTROL, status=400)
    assert [one["Truong"] for one in answer["ChiTiet"]] == fields
    assert (await mock.lookup(number(nation, 0)))["CongDan"]["SoDinhDanh"] != number(nation, 0)


async def test_the_documented_requests_are_accepted_and_the_documented_fields_exist(mock: Mock, nation: Nation) -> None:
    """The adapter is written against the page: an example that the server refuses is a trap."""
    sections = re.split(r"^### ", DOCS.read_text("utf-8"), flags=re.MULTILINE)
    tried = 0
    for section in sections:
        heading = re.match(r"POST (/v1/\S+)", section)
        blocks = re.findall(r"```json\n(.*?)```", section, flags=re.DOTALL)
        if heading is None:
            continue
        request = json.loads(blocks[0])
        answer = await mock.post(heading[1], request)
        assert answer["MaYeuCau"] == request["MaYeuCau"]
        tried += 1
    assert tried == 5
    lookup = next(section for section in sections if section.startswith("POST /v1/citizens/lookup"))
    example = json.loads(re.findall(r"```json\n(.*?)```", lookup, flags=re.DOTALL)[1])["CongDan"]
    shown = {field for index in range(POPULATION) for field in wire.citizen(nation.person(index))}
    assert set(example) <= shown
    assert shown - set(example) == {"NguoiDaiDien", "NgayMat"}
