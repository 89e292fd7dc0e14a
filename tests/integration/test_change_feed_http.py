"""The feed's adapter against the real mock on a real socket, with its faults switched on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.change_feed_http import HttpChangeFeed
from gateway.citizens.ports import ChangeFeedUnavailableError, ChangesMissedError, UnusablePageError
from gateway.model import Secret
from mock_national_db import sample
from mock_national_db.server import create_app

TOKEN = "token-of-the-tests"
POPULATION = 4000
NUMBERS = [one.personal_number for one in sample(40, population=POPULATION) if one.alive]


class Upstream:
    """The running mock with an adapter on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.feed = HttpChangeFeed.open(base_url=url, token=Secret(TOKEN.encode()))
        self._keys = 0

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(self.url + path, json=body) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def change(self, number: str, kind: str, content: dict[str, Any], *, version: int = 1) -> Any:
        self._keys += 1
        body = {"MaYeuCau": "s", "KhoaChongLap": f"k{self._keys}", "LoaiThayDoi": kind, "SoDinhDanh": number}
        answer = await self.post("/v1/changes/submit", body | {"PhienBanGoc": version, "NoiDung": content})
        assert answer["KetQua"] == "DA_AP_DUNG", answer
        return answer


@pytest.fixture
async def upstream(tmp_path: Path) -> AsyncIterator[Upstream]:
    app = create_app(token=TOKEN, population=POPULATION, data_dir=tmp_path, feed_limit=3)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    made = Upstream(f"http://{host}:{port}")
    yield made
    await made.feed.close()
    await runner.cleanup()


async def test_a_change_arrives_with_number_version_and_time(upstream: Upstream) -> None:
    """What an invalidation needs, and nothing is read twice."""
    before = await upstream.feed.now()
    await upstream.change(NUMBERS[0], "CAI_CHINH", {"NhomMau": "04"})
    page = await upstream.feed.read(before, wait_seconds=1)
    (change,) = page.changes
    assert (change.number.digits, change.version, change.withdrawn) == (NUMBERS[0], 2, False)
    assert abs(change.changed_at - time.time()) < 60
    assert not page.more
    assert not (await upstream.feed.read(page.cursor, wait_seconds=0)).changes


async def test_a_withdrawal_arrives_as_a_tombstone(upstream: Upstream) -> None:
    """A number that is nobody's from now on."""
    before = await upstream.feed.now()
    await upstream.change(NUMBERS[1], "HUY_SO", {})
    page = await upstream.feed.read(before, wait_seconds=1)
    assert (NUMBERS[1], True) in {(change.number.digits, change.withdrawn) for change in page.changes}


async def test_a_cursor_of_another_make_is_unusable_and_not_an_outage(upstream: Upstream) -> None:
    """An outage is waited out; a cursor that the feed will never understand must be given up."""
    with pytest.raises(UnusablePageError):
        await upstream.feed.read("of another make", wait_seconds=0)


async def test_waiting_for_a_change_ends_with_it(upstream: Upstream) -> None:
    """Copies go within 100 ms of an event, not of a poll."""
    waiting = asyncio.create_task(upstream.feed.read(await upstream.feed.now(), wait_seconds=20))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await upstream.change(NUMBERS[2], "CAI_CHINH", {"NhomMau": "01"})
    async with asyncio.timeout(2):
        assert len((await waiting).changes) == 1


@pytest.mark.parametrize("cursor", ["0123456789abcdef.1", "0"])
async def test_a_cursor_the_feed_does_not_reach_back_to_is_a_gap(upstream: Upstream, cursor: str) -> None:
    """Restored, replaced, or behind for too long: what changed is not known."""
    for number in NUMBERS[3:10]:
        await upstream.change(number, "CAI_CHINH", {"NhomMau": "02"})
    with pytest.raises(ChangesMissedError) as missed:
        await upstream.feed.read(cursor, wait_seconds=0)
    assert (await upstream.feed.read(missed.value.cursor, wait_seconds=0)).changes == []


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        ({"outage": True}, ChangeFeedUnavailableError),
        ({"error_rate": 1, "error_status": 500}, ChangeFeedUnavailableError),
        ({"reset_rate": 1}, ChangeFeedUnavailableError),
        ({"truncate_rate": 1}, ChangeFeedUnavailableError),
        ({"hang_rate": 1}, ChangeFeedUnavailableError),
        ({"invalid_json_rate": 1}, UnusablePageError),
        ({"oversize_rate": 1, "oversize_bytes": 4_000_000}, UnusablePageError),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value.__name__,
)
async def test_every_fault_of_the_feed_is_told_and_never_taken_for_no_change(
    upstream: Upstream, faults: dict[str, Any], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that was lost is a change that was missed."""
    monkeypatch.setattr("adapters.change_feed_http._TRIP_SECONDS", 0.3)
    cursor = await upstream.feed.now()
    await upstream.post("/control/faults", faults)
    with pytest.raises(error) as raised:
        await upstream.feed.read(cursor, wait_seconds=0)
    assert type(raised.value) is error
    await upstream.post("/control/faults", {})


@pytest.mark.parametrize(
    "broken",
    [
        {"SoDinhDanh": "12345678901"},
        {"SoDinhDanh": "\uff11" * 12},
        {"SoDinhDanh": 97090000001},
        {"PhienBan": 0},
        {"PhienBan": True},
        {"PhienBan": 2**53},
        {"DaHuy": "false"},
        {"ThoiDiem": "2026"},
    ],
)
async def test_a_change_that_is_not_of_its_form_makes_the_page_unusable(broken: dict[str, Any]) -> None:
    """Guessing which record a broken change is about would leave an old copy of another."""
    good = {"SoDinhDanh": "097090000001", "PhienBan": 2, "DaHuy": False, "ThoiDiem": "20260105081500"}

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(
            {"KetQua": "CO_THAY_DOI", "ThayDoi": [good | broken], "ConTro": "a.1", "ConNua": False}
        )

    app = web.Application()
    app.router.add_post("/v1/changes/read", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    feed = HttpChangeFeed.open(base_url=f"http://127.0.0.1:{runner.addresses[0][1]}", token=Secret(b"t"))
    with pytest.raises(UnusablePageError) as raised:
        await feed.read("a.0", wait_seconds=0)
    assert str(good["SoDinhDanh"]) not in str(raised.value)
    await feed.close()
    await runner.cleanup()
