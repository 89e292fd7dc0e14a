"""A specialised registry over HTTP: JSON by POST, numbers never in a URL (docs/mock-registries.md).

Owns the connection, time-outs and the checks on every answer: size, shape, and that it is about who was asked for. One
class serves every registry that speaks this protocol; what a record says is read by `adapters.registries`.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any, Self

import aiohttp
import orjson

from adapters.national_db_http import MAX_ANSWER_BYTES, UpstreamObserver
from adapters.national_db_wire import WireError, version_of
from adapters.registries import RecordReader
from gateway.model import CitizenNumber, Secret
from gateway.ports import Clock
from gateway.registries.kinds import RegistryKind
from gateway.registries.model import RegistryRecord, RegistrySubject
from gateway.registries.ports import RegistryUnavailableError

_PATH = "/v1/registries/{}/lookup"


class HttpRegistry:
    """`gateway.registries.ports.Registry` over the exchange of the registries."""

    def __init__(
        self,
        *,
        kind: RegistryKind,
        reader: RecordReader,
        session: aiohttp.ClientSession,
        base_url: str,
        clock: Clock,
        observer: UpstreamObserver,
    ) -> None:
        """`session` carries the bearer token and the connection limits; see `open`."""
        self._kind = kind
        self._reader = reader
        self._session = session
        self._url = base_url.rstrip("/") + _PATH.format(kind.name.replace("_", "-"))
        self._clock = clock
        self._observer = observer

    @classmethod
    def open(
        cls,
        *,
        kind: RegistryKind,
        reader: RecordReader,
        base_url: str,
        token: Secret,
        clock: Clock,
        observer: UpstreamObserver,
    ) -> Self:
        """Connect lazily. `token` authenticates the gateway."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=kind.guards.most_in_flight, keepalive_timeout=60),
            headers={
                "Authorization": f"Bearer {token.reveal().decode()}",
                "Content-Type": "application/json",
                "User-Agent": "dancu",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return cls(kind=kind, reader=reader, session=session, base_url=base_url, clock=clock, observer=observer)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def find(self, subject: RegistrySubject, *, timeout_seconds: float) -> RegistryRecord:
        """What the registry holds under a number, as of now."""
        started = time.perf_counter()
        outcome = "broken"
        try:
            # The moment of asking, not of the answer: the record can be no older than that.
            as_of = self._clock.now()
            answer = await self._post(_question(subject), timeout_seconds)
            record = self._read(answer, subject, as_of)
            outcome = "found" if record.record is not None else "not_found"
        except TimeoutError as error:
            outcome = "timeout"
            raise RegistryUnavailableError("no answer in time") from error
        except aiohttp.ClientError as error:
            outcome = "refused"
            raise RegistryUnavailableError(type(error).__name__) from error
        except (WireError, orjson.JSONDecodeError) as error:
            text = str(error) if isinstance(error, WireError) else "not JSON"
            raise RegistryUnavailableError(f"unusable answer: {text}") from error
        else:
            return record
        finally:
            self._observer.upstream_finished(
                registry=self._kind.name, outcome=outcome, seconds=time.perf_counter() - started
            )

    async def _post(self, body: bytes, timeout_seconds: float) -> Any:
        async with (
            asyncio.timeout(timeout_seconds),
            self._session.post(self._url, data=body, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise RegistryUnavailableError(f"status {response.status}")
            # The reader gives what has arrived, so the whole is gathered up to the limit and not beyond.
            chunks, size = [], 0
            async for chunk in response.content.iter_any():
                size += len(chunk)
                if size > MAX_ANSWER_BYTES:
                    raise WireError("larger than the limit")
                chunks.append(chunk)
            return orjson.loads(b"".join(chunks))

    def _read(self, answer: Any, subject: RegistrySubject, as_of: float) -> RegistryRecord:
        result = answer.get("KetQua") if isinstance(answer, dict) else None
        if result == "KHONG_TIM_THAY":
            return RegistryRecord(self._kind.name, subject, None, 0, as_of, self._clock.now())
        if result != "TIM_THAY":
            raise WireError("KetQua is not a known code")
        wire = answer.get("BanGhi")
        if not isinstance(wire, dict):
            raise WireError("BanGhi is not an object")
        if wire.get(_key_of(subject)) != subject.digits:
            raise WireError("about somebody else")
        record = self._reader(wire)
        return RegistryRecord(self._kind.name, subject, record, version_of(wire), as_of, self._clock.now())


def _key_of(subject: RegistrySubject) -> str:
    return "SoDinhDanh" if isinstance(subject, CitizenNumber) else "MaSoDoanhNghiep"


def _question(subject: RegistrySubject) -> bytes:
    return orjson.dumps({"MaYeuCau": uuid.uuid4().hex, _key_of(subject): subject.digits})
