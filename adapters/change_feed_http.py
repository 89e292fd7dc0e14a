"""The national database's change feed over HTTP: `gateway.citizens.ports.ChangeFeed` by long polling.

Owns the connection, time-outs and the checks on every page. Knows nothing of what becomes of a change.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, Self

import aiohttp
import orjson

from adapters.national_db_wire import WireError, moment
from gateway.citizens.changes import Change
from gateway.citizens.numbers import personal
from gateway.citizens.ports import ChangeFeedUnavailableError, ChangePage, ChangesMissedError, UnusablePageError
from gateway.model import Secret

MAX_ANSWER_BYTES = 1_048_576
PAGE_CHANGES = 1000
_PATH = "/v1/changes/read"
_TRIP_SECONDS = 3.0
"""What an answer may take beyond the wait it was asked for."""
_LOST = {"CON_TRO_QUA_CU", "CON_TRO_KHONG_BIET"}
_MAX_CURSOR = 256
_OURS = {400, 410, 422}


class HttpChangeFeed:
    """Reads pages; one at a time."""

    def __init__(self, session: aiohttp.ClientSession, *, base_url: str) -> None:
        """`session` carries the bearer token; see `open`."""
        self._session = session
        self._url = base_url.rstrip("/") + _PATH

    @classmethod
    def open(cls, *, base_url: str, token: Secret) -> Self:
        """Connect lazily. `token` authenticates the gateway."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=2, keepalive_timeout=60),
            headers={
                "Authorization": f"Bearer {token.reveal().decode()}",
                "Content-Type": "application/json",
                "User-Agent": "dancu",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return cls(session, base_url=base_url)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def now(self) -> str:
        """The cursor of this moment."""
        return (await self._ask({}, wait_seconds=0)).cursor

    async def read(self, cursor: str, *, wait_seconds: float) -> ChangePage:
        """The changes after a cursor."""
        body = {"ConTro": cursor, "GioiHan": PAGE_CHANGES, "ChoToiDaMs": int(wait_seconds * 1000)}
        return await self._ask(body, wait_seconds=wait_seconds)

    async def _ask(self, body: dict[str, Any], *, wait_seconds: float) -> ChangePage:
        try:
            answer = await self._post(orjson.dumps({"MaYeuCau": uuid.uuid4().hex, **body}), wait_seconds)
            return _page(answer)
        except TimeoutError as error:
            raise ChangeFeedUnavailableError("no answer in time") from error
        except aiohttp.ClientError as error:
            raise ChangeFeedUnavailableError(type(error).__name__) from error
        except (WireError, orjson.JSONDecodeError) as error:
            text = str(error) if isinstance(error, WireError) else "not JSON"
            raise UnusablePageError(f"unusable page: {text}") from error

    async def _post(self, body: bytes, wait_seconds: float) -> Any:
        async with (
            asyncio.timeout(wait_seconds + _TRIP_SECONDS),
            self._session.post(self._url, data=body, allow_redirects=False) as response,
        ):
            if response.status in _OURS:
                # Not a failure that passes: the cursor is not one of this feed's, for instance.
                raise UnusablePageError(f"status {response.status}")
            if response.status != 200:
                raise ChangeFeedUnavailableError(f"status {response.status}")
            chunks, size = [], 0
            async for chunk in response.content.iter_any():
                size += len(chunk)
                if size > MAX_ANSWER_BYTES:
                    raise WireError("larger than the limit")
                chunks.append(chunk)
            return orjson.loads(b"".join(chunks))


def _page(answer: Any) -> ChangePage:
    if not isinstance(answer, dict):
        raise WireError("not an object")
    cursor = answer.get("ConTro")
    if not isinstance(cursor, str) or not 0 < len(cursor) <= _MAX_CURSOR:
        raise WireError("ConTro is not a cursor")
    result = answer.get("KetQua")
    if result in _LOST:
        raise ChangesMissedError(cursor)
    if result != "CO_THAY_DOI":
        raise WireError("KetQua is not a known code")
    changes, more = answer.get("ThayDoi"), answer.get("ConNua")
    if not isinstance(changes, list) or not isinstance(more, bool):
        raise WireError("ThayDoi or ConNua is not of its form")
    return ChangePage([_change(one) for one in changes], cursor, more)


def _change(wire: Any) -> Change:
    if not isinstance(wire, dict):
        raise WireError("a change is not an object")
    digits, version, withdrawn = wire.get("SoDinhDanh"), wire.get("PhienBan"), wire.get("DaHuy")
    if not isinstance(digits, str) or len(digits) != 12 or not (digits.isascii() and digits.isdigit()):
        raise WireError("SoDinhDanh is not of its form")
    if type(version) is not int or not 1 <= version < 2**53:
        raise WireError("PhienBan is not a positive integer")
    if not isinstance(withdrawn, bool):
        raise WireError("DaHuy is not of its form")
    return Change(personal(digits), version, withdrawn, moment(wire, "ThoiDiem").timestamp())
