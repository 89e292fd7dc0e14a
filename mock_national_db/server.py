"""The mock national database over HTTP.

Owns endpoints, authentication, counters and the carrying out of faults. Refuses to know how people come about
(`people`), what a question means (`lookups`, `registries`) and what a change does (`changes`).
"""

import asyncio
import hmac
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import orjson
import structlog
from aiohttp import web

from mock_national_db import change_requests, replies, requests
from mock_national_db.changes import Changes, KeyReusedError
from mock_national_db.faults import ENDPOINTS, Fault, Faults
from mock_national_db.live import LiveNation
from mock_national_db.lookups import Answer, Lookups
from mock_national_db.numbering import NumberingScheme
from mock_national_db.people import DEFAULT_POPULATION, DEFAULT_SEED, GENERATION, Nation
from mock_national_db.person import VIETNAM_TIME
from mock_national_db.registries import registers
from mock_national_db.registries.registers import Registers
from mock_national_db.requests import InvalidRequestError
from mock_national_db.store import FEED_LIMIT, Store

MAX_BODY_BYTES: Final = 256 * 1024
_DISCONNECT_POLL_SECONDS: Final = 0.25
_CODES: Final = {404: "KHONG_CO_DUONG_DAN", 405: "SAI_PHUONG_THUC", 413: "QUA_LON"}
_READY: Final = orjson.dumps({"TrangThai": "SAN_SANG"})

_log = structlog.get_logger("mock_national_db")


class RefusedError(Exception):
    """A request that is refused with an HTTP status."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass(slots=True)
class Tally:
    """What one endpoint did since start or reset."""

    requests: int = 0
    citizens: int = 0
    faults: Counter[str] = field(default_factory=Counter)


class Asked(NamedTuple):
    """A request as it reaches whoever answers it."""

    body: bytes
    wrong: bool
    """Answer with somebody else's record."""


Act = Callable[[Asked], Awaitable[Answer]]


def create_app(
    *,
    token: str,
    control_token: str | None = None,
    population: int = DEFAULT_POPULATION,
    seed: int = DEFAULT_SEED,
    numbering: NumberingScheme = NumberingScheme.TEST,
    data_dir: Path | None = None,
    feed_limit: int = FEED_LIMIT,
    clock: Callable[[], datetime] = lambda: datetime.now(VIETNAM_TIME),
) -> web.Application:
    """Return the application, ready to be run.

    `token` opens the exchange, `control_token` (the same by default) the controls. Changes are kept in `data_dir`, or
    in memory until the application ends; `feed_limit` is how many of them the feed remembers.
    Raises ValueError (CapacityError, StoreError) for a nation that cannot be and a folder that cannot be used.
    """
    nation = Nation(population=population, seed=seed, numbering=numbering)
    identity = {
        "generation": str(GENERATION),
        "seed": str(seed),
        "population": str(population),
        "numbering": numbering.value,
    }
    store = Store(data_dir=data_dir, nation=identity, feed_limit=feed_limit)
    live = LiveNation(nation=nation, store=store)
    exchange = _Exchange(
        lookups=Lookups(register=live),
        changes=Changes(live=live, store=store, clock=clock),
        registers=Registers(live),
        token=token,
        control_token=control_token or token,
    )
    app = exchange.app()

    async def close(_app: web.Application) -> None:
        store.close()

    app.on_cleanup.append(close)
    return app


class _Exchange:
    def __init__(
        self, *, lookups: Lookups, changes: Changes, registers: Registers, token: str, control_token: str
    ) -> None:
        self._lookups = lookups
        self._changes = changes
        self._registers = registers
        self._token = f"Bearer {token}".encode()
        self._control_token = f"Bearer {control_token}".encode()
        self._faults = Faults()
        self._tallies = {endpoint: Tally() for endpoint in ENDPOINTS}

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_as_json])
        for endpoint, path, act in (
            ("citizens.lookup", "/v1/citizens/lookup", self._citizen),
            ("citizens.batch", "/v1/citizens/batch", self._batch),
            ("households.lookup", "/v1/households/lookup", self._household),
            ("changes.submit", "/v1/changes/submit", self._submit),
            ("changes.read", "/v1/changes/read", self._read),
        ):
            app.router.add_post(path, self._serve(endpoint, act))
        for name in registers.NAMES:
            path, endpoint = f"/v1/registries/{name.replace('_', '-')}", f"registries.{name}"
            app.router.add_post(f"{path}/lookup", self._serve(endpoint, partial(self._registry, name)))
            app.router.add_post(f"{path}/batch", self._serve(endpoint, partial(self._registry_batch, name)))
        app.router.add_get("/healthz", self._health, allow_head=False)
        app.router.add_get("/control/faults", self._get_faults, allow_head=False)
        app.router.add_post("/control/faults", self._set_faults)
        app.router.add_get("/control/stats", self._get_stats, allow_head=False)
        app.router.add_post("/control/stats", self._reset_stats)
        app.router.add_post("/control/registries/rows", self._get_rows)
        app.on_shutdown.append(self._let_go)
        return app

    async def _citizen(self, asked: Asked) -> Answer:
        return self._lookups.citizen(requests.lookup(asked.body), wrong=asked.wrong)

    async def _batch(self, asked: Asked) -> Answer:
        return self._lookups.batch(requests.batch(asked.body), wrong=asked.wrong)

    async def _household(self, asked: Asked) -> Answer:
        return self._lookups.household(requests.household(asked.body), wrong=asked.wrong)

    async def _submit(self, asked: Asked) -> Answer:
        try:
            return self._changes.submit(change_requests.read(asked.body))
        except KeyReusedError:
            raise RefusedError(409, "KHOA_DA_DUNG") from None

    async def _read(self, asked: Asked) -> Answer:
        return await self._changes.read(requests.feed(asked.body))

    async def _registry(self, name: str, asked: Asked) -> Answer:
        return self._registers.lookup(name, asked.body, wrong=asked.wrong)

    async def _registry_batch(self, name: str, asked: Asked) -> Answer:
        return self._registers.batch(name, asked.body, wrong=asked.wrong)

    def _serve(self, endpoint: str, act: Act) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            _require(request, self._token)
            tally = self._tallies[endpoint]
            tally.requests += 1
            verdict = self._faults.draw(endpoint)
            fault = None
            if verdict is not None:
                fault = verdict.fault
                if fault is not None:
                    tally.faults[fault.value] += 1
                if verdict.delay_seconds:
                    await asyncio.sleep(verdict.delay_seconds)
                instead = await self._instead(request, fault)
                if instead is not None:
                    return instead
            answer = await act(Asked(await request.read(), wrong=fault is Fault.WRONG_CITIZEN))
            tally.citizens += answer.citizens
            payload = orjson.dumps(answer.body)
            return replies.whole(payload) if fault is None else await self._spoilt(request, fault, payload)

        return handle

    async def _instead(self, request: web.Request, fault: Fault | None) -> web.StreamResponse | None:
        """Carry out a fault that keeps the request from being carried out."""
        if fault is Fault.OUTAGE:
            return replies.error(503, "TAM_NGUNG")
        if fault is Fault.ERROR:
            return replies.error(self._faults.settings.error_status, "LOI_HE_THONG")
        if fault is Fault.RESET:
            return replies.reset(request)
        if fault is Fault.HANG:
            released = self._faults.changed
            while not released.is_set() and request.transport is not None:
                try:
                    await asyncio.wait_for(released.wait(), _DISCONNECT_POLL_SECONDS)
                except TimeoutError:
                    continue
            return replies.error(503, "TAM_NGUNG")
        return None

    async def _spoilt(self, request: web.Request, fault: Fault, payload: bytes) -> web.StreamResponse:
        """Carry out a fault that spoils the answer on its way out."""
        settings = self._faults.settings
        if fault is Fault.TRUNCATE:
            return await replies.truncated(request, payload)
        if fault is Fault.DRIP:
            return await replies.dripping(request, payload, bytes_per_second=settings.drip_bytes_per_second)
        if fault is Fault.OVERSIZE:
            return await replies.oversized(request, payload, padding=settings.oversize_bytes)
        if fault is Fault.INVALID_JSON:
            return replies.garbled(payload)
        return replies.whole(payload)

    async def _health(self, _request: web.Request) -> web.Response:
        return replies.whole(_READY)

    async def _get_faults(self, request: web.Request) -> web.Response:
        _require(request, self._control_token)
        return replies.whole(orjson.dumps(self._faults.describe()))

    async def _set_faults(self, request: web.Request) -> web.Response:
        _require(request, self._control_token)
        self._faults.replace(await request.read())
        return replies.whole(orjson.dumps(self._faults.describe()))

    async def _get_rows(self, request: web.Request) -> web.Response:
        _require(request, self._control_token)
        return replies.whole(orjson.dumps(self._registers.rows(await request.read()).body))

    async def _get_stats(self, request: web.Request) -> web.Response:
        _require(request, self._control_token)
        return replies.whole(self._stats())

    async def _reset_stats(self, request: web.Request) -> web.Response:
        _require(request, self._control_token)
        before = self._stats()
        self._tallies = {endpoint: Tally() for endpoint in ENDPOINTS}
        return replies.whole(before)

    def _stats(self) -> bytes:
        return orjson.dumps(
            {
                "endpoints": {
                    endpoint: {"requests": tally.requests, "citizens": tally.citizens, "faults": dict(tally.faults)}
                    for endpoint, tally in self._tallies.items()
                }
            }
        )

    async def _let_go(self, _app: web.Application) -> None:
        self._faults.release()
        self._changes.release()


def _require(request: web.Request, expected: bytes) -> None:
    # A header may hold any byte; surrogates carry those through, and every comparison takes the same time.
    given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    if not hmac.compare_digest(given, expected):
        raise RefusedError(401, "CHUA_XAC_THUC")


@web.middleware
async def _as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn every refusal and every accident into the one error body; nothing of the request gets into a log line."""
    try:
        return await handler(request)
    except InvalidRequestError as invalid:
        return replies.error(400, "YEU_CAU_SAI", invalid.violations)
    except RefusedError as refused:
        return replies.error(refused.status, refused.code)
    except web.HTTPException as refused:
        response = replies.error(refused.status, _CODES.get(refused.status, "YEU_CAU_SAI"))
        if "Allow" in refused.headers:
            response.headers["Allow"] = refused.headers["Allow"]
        return response
    except ConnectionResetError:
        raise  # The caller left; aiohttp closes what remains.
    except Exception as accident:  # noqa: BLE001  the last resort of a server
        # The message may quote the request, so only the kind and the place are told.
        trace = accident.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace is not None else ""
        _log.error("request_failed", path=request.path, error=type(accident).__name__, place=place)
        return replies.error(500, "LOI_HE_THONG")
