"""The adapter of the national database against the real mock on a real socket, with its faults switched on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web

from gateway.citizens.numbers import personal
from gateway.ports import NationalDatabaseUnavailableError
from gateway.upstream.breaker import PROBES
from gateway.upstream.policy import BreakerPolicy
from mock_national_db import wire
from tests.fakes.mock_upstream import ABSENT, PEOPLE, MockUpstream, mock_upstream, serving

pytestmark = pytest.mark.usefixtures("no_socket_left_behind")
AN = PEOPLE[0].personal_number
FAST = BreakerPolicy(min_requests=5, open_seconds=0.2)


@pytest.fixture
async def upstream() -> AsyncIterator[MockUpstream]:
    async with mock_upstream(timeout_seconds=0.4, attempts=1) as made:
        yield made


@pytest.fixture
async def persistent() -> AsyncIterator[MockUpstream]:
    """With the attempts of the settings' defaults."""
    async with mock_upstream(timeout_seconds=2.0) as made:
        yield made


async def test_a_person_arrives_with_every_field_the_exchange_carries(upstream: MockUpstream) -> None:
    """A field lost here is lost to every ministry."""
    for person in PEOPLE[:50]:
        citizen = (await upstream.find(person.personal_number)).citizen
        assert citizen is not None
        assert (citizen.personal_number, citizen.full_name) == (person.personal_number, person.full_name)
        assert citizen.permanent_residence.province_name
        assert citizen.birth_registration.province_code.startswith("0")
        assert citizen.HasField("updated_at")
    assert set(upstream.watched.outcomes) == {"answered"}


async def test_misses_of_the_same_moment_are_few_requests(upstream: MockUpstream) -> None:
    """A hundred callers at once are one request to a system the whole country needs."""
    people = [person.personal_number for person in PEOPLE[:250]]
    records = await asyncio.gather(*(upstream.find(digits) for digits in people))
    assert [record.citizen.personal_number for record in records if record.citizen] == people
    assert [questions for _, questions in upstream.watched.ended] == [100, 100, 50]


@pytest.mark.parametrize(
    ("faults", "outcome"),
    [
        ({"invalid_json_rate": 1}, "unusable"),
        ({"oversize_rate": 1, "oversize_bytes": 4_000_000}, "unusable"),
        ({"truncate_rate": 1}, "unreachable"),
        ({"reset_rate": 1}, "unreachable"),
        ({"error_rate": 1, "error_status": 500}, "unwell"),
        ({"error_rate": 1, "error_status": 429}, "unwell"),
        ({"error_rate": 1, "error_status": 403}, "rejected"),
        ({"outage": True}, "unwell"),
        ({"hang_rate": 1}, "timeout"),
        ({"drip_rate": 1, "drip_bytes_per_second": 50}, "timeout"),
    ],
    ids=["json", "oversize", "truncated", "reset", "500", "429", "403", "outage", "hang", "drip"],
)
async def test_every_fault_harms_all_of_its_request_equally_and_passes(
    upstream: MockUpstream, faults: dict[str, object], outcome: str
) -> None:
    """P3: half a record, or bytes that only look like one, must never pass for an answer."""
    await upstream.faults(**faults)
    people = [person.personal_number for person in PEOPLE[:5]]
    began = upstream.clock.monotonic()
    refusals = await asyncio.gather(*(upstream.find(digits) for digits in people), return_exceptions=True)
    assert upstream.clock.monotonic() - began < 1.0, "the time-out of a request is 0.4 s"
    for refusal in refusals:
        assert isinstance(refusal, NationalDatabaseUnavailableError)
        assert not any(digits in refusal.cause for digits in people)
    assert upstream.watched.ended == [(outcome, 5)]
    await upstream.faults()
    assert (await upstream.find(AN)).citizen is not None


async def test_another_citizens_record_is_refused(upstream: MockUpstream) -> None:
    """P3, where everything else about the answer is right."""
    await upstream.faults(wrong_citizen_rate=1)
    with pytest.raises(NationalDatabaseUnavailableError, match="about another citizen"):
        await upstream.find(AN)


@pytest.mark.parametrize("faults", [{"reset_rate": 0.5}, {"truncate_rate": 0.5}, {"error_rate": 0.5}])
async def test_a_hiccup_of_the_connection_is_nobodys_business(
    persistent: MockUpstream, faults: dict[str, object]
) -> None:
    """A lookup changes nothing, so asking once more is safe."""
    # The draws of seed 3 spoil the first request and not the second.
    await persistent.faults(**faults, seed=3)
    assert (await persistent.find(AN)).citizen is not None
    assert persistent.watched.outcomes[-1] == "answered"
    assert persistent.watched.retries >= 1


async def test_an_outage_opens_the_breaker_which_closes_by_itself() -> None:
    """While it is open nobody waits and nobody is asked; afterwards nobody has to do anything."""
    async with mock_upstream(breaker=FAST) as upstream:
        await upstream.faults(outage=True)
        while not upstream.watched.opened[-1]:
            with pytest.raises(NationalDatabaseUnavailableError):
                await upstream.find(AN)
        requests = await upstream.requests()
        with pytest.raises(NationalDatabaseUnavailableError, match="breaker") as refusal:
            await upstream.find(AN)
        assert 0 < refusal.value.retry_after_seconds <= 0.3
        assert await upstream.requests() == requests
        await upstream.faults()
        await asyncio.sleep(refusal.value.retry_after_seconds)
        for _ in range(PROBES):
            assert (await upstream.find(AN)).citizen is not None
        assert upstream.watched.opened == [False, True, False]


async def test_a_hang_ties_up_no_more_requests_than_allowed_and_is_refused_in_time() -> None:
    """Callers must be refused while they are still there, and a hanging system left alone."""
    async with mock_upstream(timeout_seconds=0.2, min_connections=2, max_connections=4, max_waiting=50) as upstream:
        await upstream.faults(hang_rate=1)
        asked = [asyncio.create_task(upstream.find(PEOPLE[nth].personal_number, seconds=0.3)) for nth in range(60)]
        refusals = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 2)
        assert all(isinstance(refusal, NationalDatabaseUnavailableError) for refusal in refusals)
        assert upstream.watched.refusals["full"] == 10
        assert await upstream.requests() <= 4


async def test_a_wrong_token_is_unavailable(upstream: MockUpstream) -> None:
    """Our own lack of rights upstream must not look like "nobody holds this number"."""
    stranger = upstream.open("wrong")
    with pytest.raises(NationalDatabaseUnavailableError):
        await stranger.find(personal(AN), upstream.patience(5))
    await stranger.close()


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def hostile(answer: Handler) -> web.Application:
    app = web.Application()
    app.router.add_post("/{tail:.*}", answer)
    return app


async def test_a_redirect_is_not_followed_and_no_number_is_in_an_address() -> None:
    """Whoever can redirect us could collect citizens' numbers."""
    asked: list[str] = []

    async def redirect(request: web.Request) -> web.StreamResponse:
        asked.append(str(request.url.relative()))
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with serving(hostile(redirect)) as url:
        upstream = MockUpstream(url)
        with pytest.raises(NationalDatabaseUnavailableError):
            await upstream.find(ABSENT)
        assert asked == ["/v1/citizens/batch"]
        await upstream.adapter.close()


def found(digits: str) -> dict[str, Any]:
    person = next(person for person in PEOPLE if person.personal_number == digits)
    return {"KetQua": "TIM_THAY", "CongDan": wire.citizen(person)}


def answers_of(change: Callable[[dict[str, Any]], Any]) -> Handler:
    """Right answers, and then changed."""

    async def answer(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        items = [found(item["SoDinhDanh"]) for item in asked["DanhSach"]]
        return web.json_response(change({"MaYeuCau": asked["MaYeuCau"], "DanhSach": items}))

    return answer


async def told_by(answer: Handler, count: int = 3) -> list[str]:
    """What callers who ask together about the first people get: `own`, or the cause of their refusal."""
    async with serving(hostile(answer)) as url:
        upstream = MockUpstream(url)
        people = [person.personal_number for person in PEOPLE[:count]]
        results = await asyncio.gather(*(upstream.find(digits) for digits in people), return_exceptions=True)
        await upstream.adapter.close()
    told = []
    for digits, result in zip(people, results, strict=True):
        if isinstance(result, NationalDatabaseUnavailableError):
            told.append(result.cause)
        else:
            assert not isinstance(result, BaseException), result
            assert result.citizen is not None
            assert result.citizen.personal_number == digits
            told.append("own")
    return told


def with_item(nth: int, item: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(answer: dict[str, Any]) -> dict[str, Any]:
        answer["DanhSach"][nth] = item
        return answer

    return change


@pytest.mark.parametrize(
    ("item", "cause"),
    [
        (found(PEOPLE[7].personal_number), "about another citizen"),
        (found(PEOPLE[2].personal_number), "about another citizen"),
        ({"KetQua": "TIM_THAY"}, "CongDan is not an object"),
        ({"KetQua": "TIM_THAY", "CongDan": found(PEOPLE[1].personal_number)["CongDan"] | {"PhienBan": 0}}, "PhienBan"),
        ({"KetQua": "TIM_THAY", "CongDan": found(PEOPLE[1].personal_number)["CongDan"] | {"GioiTinh": 9}}, "GioiTinh"),
        ({"KetQua": "LA"}, "KetQua is not a known code"),
        ({"KetQua": ["TIM_THAY"]}, "KetQua is not a known code"),
        (None, "KetQua is not a known code"),
        ([], "KetQua is not a known code"),
    ],
    ids=["other", "neighbour", "empty", "version", "code", "result", "list", "null", "array"],
)
async def test_an_unusable_item_harms_only_who_asked_for_it(item: Any, cause: str) -> None:
    """One broken record must not cost ninety-nine others their answer, nor a wrong one reach anybody."""
    own, refused, also_own = await told_by(answers_of(with_item(1, item)))
    assert (own, also_own) == ("own", "own")
    assert cause in refused


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda answer: answer | {"MaYeuCau": "another"}, "MaYeuCau"),
        (lambda answer: {"DanhSach": answer["DanhSach"]}, "MaYeuCau"),
        (lambda answer: answer | {"DanhSach": answer["DanhSach"][1:]}, "as many items"),
        (lambda answer: answer | {"DanhSach": answer["DanhSach"] * 2}, "as many items"),
        (lambda answer: answer | {"DanhSach": {}}, "as many items"),
        (lambda answer: answer["DanhSach"], "not an object"),
        (lambda _answer: None, "not an object"),
    ],
    ids=["other-request", "no-request", "fewer", "more", "no-list", "list", "null"],
)
async def test_an_answer_of_another_shape_is_told_to_nobody(change: Callable[[Any], Any], cause: str) -> None:
    """Shifted by one, every record would be about another citizen."""
    told = await told_by(answers_of(change))
    assert all(cause in one for one in told), told


async def test_records_that_changed_places_are_told_to_nobody() -> None:
    """The order of a batch is the upstream's promise; the number in the record is what counts."""

    def change(answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"DanhSach": answer["DanhSach"][::-1]}

    assert await told_by(answers_of(change), 2) == ["unusable answer: about another citizen"] * 2


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_a_compressed_answer_is_not_unpacked(encoding: str) -> None:
    """A kilobyte can unpack to a gigabyte; we ask for none and accept none."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=b"\x1f\x8b" + bytes(1000), headers={"Content-Encoding": encoding})

    assert set(await told_by(answer)) == {"unusable answer: not JSON"}


async def test_an_endless_answer_is_cut_at_the_limit() -> None:
    """Without a length nobody knows in advance; the worker's memory must not find out."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b" " * 65_536)
        except ConnectionError:
            return response

    assert set(await told_by(answer)) == {"unusable answer: larger than the limit"}


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("86400", 60.0), ("soon", 1.0), ("-1", 1.0), ("", 1.0)])
async def test_the_upstreams_wish_for_patience_is_passed_on(value: str, seconds: float) -> None:
    """It knows best when it will be back; within reason."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=503, headers={"Retry-After": value})

    async with serving(hostile(answer)) as url:
        upstream = MockUpstream(url)
        with pytest.raises(NationalDatabaseUnavailableError) as refusal:
            await upstream.find(AN, seconds=1)
        assert refusal.value.retry_after_seconds == seconds
        await upstream.adapter.close()


async def test_bytes_that_are_not_http_are_refused() -> None:
    """Something else may listen on that port tomorrow."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        upstream = MockUpstream(f"http://{host}:{port}", attempts=1)
        with pytest.raises(NationalDatabaseUnavailableError):
            await upstream.find(AN, seconds=1)
        await upstream.adapter.close()


async def test_nobody_listening_is_unavailable() -> None:
    """The plainest outage."""
    upstream = MockUpstream("http://127.0.0.1:9", attempts=1)
    with pytest.raises(NationalDatabaseUnavailableError) as refusal:
        await upstream.find(AN)
    assert "127.0.0.1" not in refusal.value.cause
    assert upstream.watched.outcomes == ["unreachable"]
    await upstream.adapter.close()


async def test_closing_under_way_leaves_nothing_behind(upstream: MockUpstream) -> None:
    """A worker that drains while the national database hangs must still end."""
    await upstream.faults(hang_rate=1)
    asked = [asyncio.create_task(upstream.find(person.personal_number)) for person in PEOPLE[:20]]
    await asyncio.sleep(0.05)
    await upstream.adapter.close()
    refusals = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(refusal, NationalDatabaseUnavailableError) for refusal in refusals)
    assert orjson.dumps([str(refusal) for refusal in refusals]).count(b"closing") == 20
