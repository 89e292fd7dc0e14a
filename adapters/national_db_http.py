"""The national population database over HTTP: JSON by POST, numbers never in a URL.

Owns the connection, time-outs and the checks on every answer: size, shape, and that it is about the one asked for. One
adapter like this per upstream protocol is the extension point.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any, Protocol, Self

import aiohttp
import orjson

from adapters.national_db_wire import WireError, citizen_from_wire, version_of
from gateway.model import CitizenNumber, CitizenRecord, NumberKind, Secret
from gateway.ports import AmbiguousNumberError, Clock, NationalDatabaseUnavailableError

MAX_ANSWER_BYTES = 1_048_576
_LOOKUP = "/v1/citizens/lookup"
_WIRE_NAMES = {NumberKind.PERSONAL: "SoDinhDanh", NumberKind.LEGACY: "SoCMND"}


class UpstreamObserver(Protocol):
    """Told how long each exchange took and how it ended."""

    def upstream_finished(self, *, registry: str, outcome: str, seconds: float) -> None:
        """`outcome`: found, not_found, ambiguous, timeout, refused, broken."""


class HttpNationalDatabase:
    """`gateway.ports.NationalDatabase` over the exchange as practised."""

    def __init__(
        self, *, session: aiohttp.ClientSession, base_url: str, clock: Clock, observer: UpstreamObserver
    ) -> None:
        """`session` carries the bearer token and the connection limits; see `open`."""
        self._session = session
        self._url = base_url.rstrip("/") + _LOOKUP
        self._clock = clock
        self._observer = observer

    @classmethod
    def open(
        cls, *, base_url: str, token: Secret, max_connections: int, clock: Clock, observer: UpstreamObserver
    ) -> Self:
        """Connect lazily. `token` authenticates the gateway."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=max_connections, keepalive_timeout=60),
            headers={
                "Authorization": f"Bearer {token.reveal().decode()}",
                "Content-Type": "application/json",
                "User-Agent": "dancu",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return cls(session=session, base_url=base_url, clock=clock, observer=observer)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def find(self, number: CitizenNumber, *, timeout_seconds: float) -> CitizenRecord:
        """The record behind a number, as of now."""
        started = time.perf_counter()
        outcome = "broken"
        try:
            # The moment of asking, not of the answer: the record can be no older than that.
            as_of = self._clock.now()
            body = {"MaYeuCau": uuid.uuid4().hex, _WIRE_NAMES[number.kind]: number.digits}
            answer = await self._post(orjson.dumps(body), timeout_seconds)
            record = self._read(answer, number, as_of)
            outcome = "found" if record.citizen is not None else "not_found"
        except TimeoutError as error:
            outcome = "timeout"
            raise NationalDatabaseUnavailableError("no answer in time") from error
        except aiohttp.ClientError as error:
            outcome = "refused"
            raise NationalDatabaseUnavailableError(type(error).__name__) from error
        except (WireError, orjson.JSONDecodeError) as error:
            text = str(error) if isinstance(error, WireError) else "not JSON"
            raise NationalDatabaseUnavailableError(f"unusable answer: {text}") from error
        except AmbiguousNumberError:
            outcome = "ambiguous"
            raise
        else:
            return record
        finally:
            self._observer.upstream_finished(
                registry="population", outcome=outcome, seconds=time.perf_counter() - started
            )

    async def _post(self, body: bytes, timeout_seconds: float) -> Any:
        async with (
            asyncio.timeout(timeout_seconds),
            self._session.post(self._url, data=body, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise NationalDatabaseUnavailableError(f"status {response.status}")
            # The reader gives what has arrived, so the whole is gathered up to the limit and not beyond.
            chunks, size = [], 0
            async for chunk in response.content.iter_any():
                size += len(chunk)
                if size > MAX_ANSWER_BYTES:
                    raise WireError("larger than the limit")
                chunks.append(chunk)
            return orjson.loads(b"".join(chunks))

    def _read(self, answer: Any, number: CitizenNumber, as_of: float) -> CitizenRecord:
        result = answer.get("KetQua") if isinstance(answer, dict) else None
        if result == "KHONG_TIM_THAY":
            return CitizenRecord(number, None, 0, as_of, self._clock.now())
        if result == "NHIEU_NGUOI":
            raise AmbiguousNumberError
        if result != "TIM_THAY":
            raise WireError("KetQua is not a known code")
        citizen = citizen_from_wire(answer.get("CongDan"))
        answered = citizen.personal_number if number.kind is NumberKind.PERSONAL else citizen.legacy_number
        if answered != number.digits:
            raise WireError("about another citizen")
        return CitizenRecord(number, citizen, version_of(answer["CongDan"]), as_of, self._clock.now())
