"""The registries of the mock over HTTP: endpoints, batches, faults of one registry alone, rows with their truth."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from mock_national_db import Nation, sample_rows
from mock_national_db.registries.registers import NAMES
from mock_national_db.registries.rows import written
from mock_national_db.server import create_app
from tests.integration.test_mock_http import CONTROL, TOKEN, Mock

POPULATION = 4000
FIRST = 240
"""Among the hundred from here on are owners of enterprises."""
ABSENT = "099199000000"
DOCS = Path(__file__).parents[2] / "docs" / "mock-registries.md"


@pytest.fixture(scope="module")
def nation() -> Nation:
    return Nation(population=POPULATION, seed=1)


@pytest.fixture
async def mock() -> AsyncIterator[Mock]:
    runner = web.AppRunner(create_app(token=TOKEN, control_token=CONTROL, population=POPULATION), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession() as session:
            yield Mock(session, f"http://{host}:{port}")
    finally:
        await runner.cleanup()


def path(name: str, what: str = "lookup") -> str:
    return f"/v1/registries/{name.replace('_', '-')}/{what}"


def numbers(nation: Nation, count: int) -> list[str]:
    return [str(nation.number(index)) for index in range(FIRST, FIRST + count)]


@pytest.mark.parametrize("name", NAMES)
async def test_a_batch_answers_what_lookups_answer_in_its_order(name: str, mock: Mock, nation: Nation) -> None:
    """One protocol for five registries."""
    asked = [*numbers(nation, 99), ABSENT]
    body = {"MaYeuCau": "r-1", "DanhSach": [{"SoDinhDanh": number} for number in asked]}
    answer = await mock.post(path(name, "batch"), body)
    assert answer["MaYeuCau"] == "r-1"
    assert len(answer["DanhSach"]) == 100
    assert answer["DanhSach"][-1] == {"KetQua": "KHONG_TIM_THAY"}
    found = [item for item in answer["DanhSach"] if item["KetQua"] == "TIM_THAY"]
    assert found
    for number, item in zip(asked[:40], answer["DanhSach"], strict=False):
        one = await mock.post(path(name), {"MaYeuCau": "r-2", "SoDinhDanh": number})
        assert one == {"MaYeuCau": "r-2", **item}
        assert item["KetQua"] == "KHONG_TIM_THAY" or item["BanGhi"]["SoDinhDanh"] == number
    assert (await mock.stats())[f"registries.{name}"]["citizens"] >= len(found)


@pytest.mark.parametrize(
    ("name", "body", "fields"),
    [
        ("civil_status", {"MaYeuCau": "r"}, ["SoDinhDanh"]),
        ("civil_status", {"MaYeuCau": "r", "SoDinhDanh": "1"}, ["SoDinhDanh"]),
        ("civil_status", {"MaYeuCau": "r", "MaSoDoanhNghiep": "9000000000"}, ["SoDinhDanh", "MaSoDoanhNghiep"]),
        ("enterprises", {"MaYeuCau": "r", "MaSoDoanhNghiep": "9"}, ["MaSoDoanhNghiep"]),
        ("enterprises", {"SoDinhDanh": ABSENT, "MaSoDoanhNghiep": "9000000000"}, ["MaYeuCau", "SoDinhDanh"]),
    ],
)
async def test_a_malformed_question_is_refused_with_every_violation(
    name: str, body: Any, fields: list[str], mock: Mock
) -> None:
    """A registry is as strict as the population, and a number in an error would end in a log."""
    answer = await mock.post(path(name), body, status=400)
    assert [violation["Truong"] for violation in answer["ChiTiet"]] == fields
    assert ABSENT not in str(answer)
    await mock.post(path(name, "batch"), {"MaYeuCau": "r", "DanhSach": [{}] * 101}, status=400)


async def test_without_the_token_no_registry_answers(mock: Mock) -> None:
    """Five more doors, the same lock."""
    for name in NAMES:
        for what in ("lookup", "batch"):
            await mock.post(path(name, what), {}, token="another-token-of-somebody", status=401)
    await mock.post("/control/registries/rows", {"count": 1}, status=401)


async def test_one_registry_can_fail_while_the_others_answer(mock: Mock, nation: Nation) -> None:
    """What a gateway does with one registry down can only be tested where one can be."""
    await mock.faults(endpoints=["registries.civil_status"], outage=True)
    body = {"MaYeuCau": "r", "SoDinhDanh": numbers(nation, 1)[0]}
    for name in NAMES:
        await mock.post(path(name), body, status=503 if name == "civil_status" else 200)
    await mock.faults()
    await mock.post(path("civil_status"), body)


async def test_a_wrong_record_is_a_real_one_about_somebody_else(mock: Mock, nation: Nation) -> None:
    """The most dangerous answer of all has to be producible."""
    lookups = {name: await _found(mock, name, nation) for name in NAMES}
    code = lookups["enterprises"]["BanGhi"]["DoanhNghiep"][0]["MaSoDoanhNghiep"]
    await mock.faults(wrong_citizen_rate=1.0)
    for name, right in lookups.items():
        number = right["BanGhi"]["SoDinhDanh"]
        wrong = await mock.post(path(name), {"MaYeuCau": "r", "SoDinhDanh": number})
        assert wrong["BanGhi"]["SoDinhDanh"] != number
    wrong = await mock.post(path("enterprises"), {"MaYeuCau": "r", "MaSoDoanhNghiep": code})
    assert wrong["BanGhi"]["MaSoDoanhNghiep"] != code


async def test_rows_come_with_their_truth(mock: Mock) -> None:
    """The mock knows what cleansing should find."""
    answer = await mock.post("/control/registries/rows", {"count": 200, "seed": 3}, token=CONTROL)
    expected = [written(row) for row in sample_rows(200, population=POPULATION, rows_seed=3)]
    assert answer["rows"] == expected
    assert any(row["Loi"] for row in expected)


async def test_every_field_on_the_wire_is_documented(mock: Mock, nation: Nation) -> None:
    """Whoever writes the next adapter has the page and nothing else."""
    documented = set(re.findall(r"[A-Za-z]+", DOCS.read_text()))
    body = {"MaYeuCau": "r", "DanhSach": [{"SoDinhDanh": number} for number in numbers(nation, 100)]}
    for name in NAMES:
        names = set(_keys(await mock.post(path(name, "batch"), body)))
        assert names <= documented, names - documented


async def _found(mock: Mock, name: str, nation: Nation) -> Any:
    body = {"MaYeuCau": "r", "DanhSach": [{"SoDinhDanh": number} for number in numbers(nation, 100)]}
    items = (await mock.post(path(name, "batch"), body))["DanhSach"]
    return next(item for item in items if item["KetQua"] == "TIM_THAY")


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(key for inner in value.values() for key in _keys(inner))]
    return [key for inner in value for key in _keys(inner)] if isinstance(value, list) else []
