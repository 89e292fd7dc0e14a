"""The cache of a whole installation, seen from outside: a change at the national database reaches both workers."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from dancu.client import AsyncClient, Refused
from dancu.common.v1 import common_pb2
from mock_national_db import sample
from mock_national_db.households import Sex
from tests.fakes.supervised import children_of
from tests.integration.conftest import POPULATION, GatewayUp

_keys = itertools.count(int(time.time()))
_people = iter([one.personal_number for one in sample(3000, population=POPULATION) if one.alive][1500:])
GENEROUS_SECONDS = 2.0
"""What a test on a crowded machine allows; the promise is 0.1 s."""
CONTROL = "adapters.processes.control"


def a_citizen() -> str:
    """The number of somebody whom no other test asked for."""
    return next(_people)


class Registry:
    """The mock as a clerk and an operator use it."""

    def __init__(self, up: GatewayUp) -> None:
        self._url = f"http://{up.mock_url}" if "://" not in up.mock_url else up.mock_url
        self._token = (up.data_dir / "secrets" / "mock-token").read_text().strip()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(  # noqa: S310  loopback
            self._url + path, json.dumps(body).encode(), {"Authorization": f"Bearer {self._token}"}
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.load(answer)

    def change(self, number: str, kind: str, content: dict[str, Any], *, version: int = 1) -> Any:
        body = {"MaYeuCau": "s", "KhoaChongLap": f"cache-{next(_keys)}", "LoaiThayDoi": kind, "SoDinhDanh": number}
        answer = self.post("/v1/changes/submit", body | {"PhienBanGoc": version, "NoiDung": content})
        assert answer["KetQua"] == "DA_AP_DUNG", answer["KetQua"]
        return answer

    def move(self, number: str, *, version: int = 1) -> None:
        """Somebody moves to an address where nobody lived before: nobody else's record changes, and this one does."""
        place = {"MaTinh": "48", "TenXa": "Phường Hải Châu", "ChiTiet": f"Số {next(_keys)}"}
        assert self.change(number, "DIA_CHI", {"NoiOHienTai": place}, version=version)["PhienBan"] == version + 1

    def reset(self) -> None:
        """Count from now on."""
        self.post("/control/stats", {})

    def asked(self) -> int:
        """Citizens answered since `reset`, alone or in batches."""
        request = urllib.request.Request(  # noqa: S310  loopback
            f"{self._url}/control/stats", headers={"Authorization": f"Bearer {self._token}"}
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            stats = json.load(answer)["endpoints"]
        return sum(stats[name]["citizens"] for name in ("citizens.lookup", "citizens.batch"))


@asynccontextmanager
async def both_workers(up: GatewayUp) -> AsyncIterator[list[AsyncClient]]:
    """A client on each worker: connections are made until both have one."""
    found: dict[str, AsyncClient] = {}
    async with AsyncExitStack() as stack:
        for _ in range(40):
            client = AsyncClient(target=up.target, key=up.demo["DANCU_BENCH_KEY"])
            await stack.enter_async_context(client)
            answer = await client.lookup_citizen(personal_number=a_citizen(), procedure="1.1")
            assert answer.receipt is not None
            found.setdefault(answer.receipt.partition(":")[0], client)
            if len(found) == 2:
                yield list(found.values())
                return
        raise AssertionError("40 connections never reached the second worker")


async def version(client: AsyncClient, number: str, **asked: Any) -> int:
    answer = await client.lookup_citizen(personal_number=number, procedure="1.1", **asked)
    return answer.provenance.record_version


def mothers() -> Iterator[str]:
    """Women of an age to have a child today."""
    year = time.gmtime().tm_year
    for one in sample(3000, population=POPULATION):
        is_mother = one.alive and one.sex is Sex.FEMALE and 20 <= year - one.birth_date.year <= 40
        if is_mother and one.household is not None:
            yield one.personal_number


@pytest.fixture
def registry(gateway_up: GatewayUp) -> Registry:
    return Registry(gateway_up)


async def test_a_change_at_the_national_database_reaches_both_workers(
    gateway_up: GatewayUp, registry: Registry
) -> None:
    """P3: whatever age a caller accepts, a change that is known is not hidden from him."""
    number = a_citizen()
    async with both_workers(gateway_up) as clients:
        for round_ in range(1, 6):
            assert [await version(client, number) for client in clients] == [round_, round_]
            changed = time.monotonic()
            registry.move(number, version=round_)
            while {await version(client, number, max_staleness=timedelta(days=30)) for client in clients} != {
                round_ + 1
            }:
                assert time.monotonic() - changed < GENEROUS_SECONDS


async def test_a_withdrawn_citizen_is_nobody_on_both_workers(gateway_up: GatewayUp, registry: Registry) -> None:
    """A tombstone: a copy of somebody who is no longer on record must not be answered."""
    number = a_citizen()
    async with both_workers(gateway_up) as clients:
        assert [await version(client, number) for client in clients] == [1, 1]
        registry.change(number, "HUY_SO", {})
        deadline = time.monotonic() + GENEROUS_SECONDS
        while not all([await is_gone(client, number) for client in clients]):
            assert time.monotonic() < deadline


async def is_gone(client: AsyncClient, number: str) -> bool:
    try:
        await version(client, number)
    except Refused as refusal:
        return refusal.reason == "CITIZEN_NOT_FOUND"
    return False


async def test_a_newborn_is_known_on_both_workers(gateway_up: GatewayUp, registry: Registry) -> None:
    """The first lookup is often minutes after the birth was registered."""
    mother = next(iter(mothers()))
    birth = {
        "HoVaTen": {"Ho": "Nguyễn", "Ten": "Bé"},
        "GioiTinh": 2,
        "NgayThangNamSinh": {"NgayThangNam": time.strftime("%Y%m%d")},
    }
    child = registry.change(mother, "KHAI_SINH", birth)["SoDinhDanh"]
    async with both_workers(gateway_up) as clients:
        deadline = time.monotonic() + GENEROUS_SECONDS
        for client in clients:
            while await version(client, child) != 1:
                assert time.monotonic() < deadline


async def test_many_who_ask_for_one_citizen_at_once_cost_few_questions(
    gateway_up: GatewayUp, registry: Registry
) -> None:
    """A citizen in the news must not become a flood at the national database, nor just after a change."""
    number = a_citizen()
    async with both_workers(gateway_up) as clients:
        for expected in (1, 2):
            await asyncio.sleep(0.2)
            registry.reset()
            answers = await asyncio.gather(*(version(clients[i % 2], number) for i in range(200)))
            assert set(answers) == {expected}
            asked = registry.asked()
            assert 1 <= asked <= 2, asked
            if expected == 1:
                registry.move(number)


async def test_control_that_died_is_followed_by_one_that_misses_nothing(
    gateway_up: GatewayUp, registry: Registry
) -> None:
    """A change while nobody follows is told by the next control process; copies that did not change stay."""
    changed, untouched = a_citizen(), a_citizen()
    async with both_workers(gateway_up) as clients:
        for client in clients:
            await version(client, changed)
            await version(client, untouched)
        (control,) = [pid for pid, command in children_of(gateway_up.process.pid).items() if CONTROL in command]
        os.kill(control, signal.SIGKILL)
        registry.move(changed)
        assert await version(clients[0], changed) == 1
        deadline = time.monotonic() + 25
        while {await version(client, changed) for client in clients} != {2}:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        answer = await clients[0].lookup_citizen(personal_number=untouched, procedure="1.1")
        assert answer.provenance.source == common_pb2.Provenance.SOURCE_CACHE


async def test_metrics_show_how_far_the_feed_is_behind(gateway_up: GatewayUp) -> None:
    """An operator sees copies grow old before a citizen does."""
    with urllib.request.urlopen(f"{gateway_up.http_url}/metrics") as answer:  # noqa: ASYNC210, S310
        lines = answer.read().decode().splitlines()
    (lag,) = [line for line in lines if line.startswith("dancu_change_feed_lag_seconds ")]
    assert float(lag.split()[1]) < 5
