"""JSON by POST to an upstream system: one request, one bounded answer, or `NationalDatabaseUnavailableError`.

Owns time-outs, the size of answers and what the failures of HTTP mean. Knows no question and no field.
"""

from __future__ import annotations

import asyncio
from typing import Any, Self

import aiohttp
import orjson

from gateway.model import Secret
from gateway.ports import NationalDatabaseUnavailableError

MAX_ANSWER_BYTES = 1_048_576


class JsonExchange:
    """A session with one upstream system."""

    def __init__(self, *, session: aiohttp.ClientSession, base_url: str) -> None:
        """`session` carries the bearer token and the connection limits; see `open`."""
        self._session = session
        self._base_url = base_url.rstrip("/")

    @classmethod
    def open(cls, *, base_url: str, token: Secret, max_connections: int) -> Self:
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
        return cls(session=session, base_url=base_url)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def post(self, path: str, body: object, *, timeout_seconds: float) -> Any:
        """The answer to `body` as parsed JSON. Raises `NationalDatabaseUnavailableError`."""
        try:
            return orjson.loads(await self._answer(path, orjson.dumps(body), timeout_seconds))
        except TimeoutError as error:
            raise NationalDatabaseUnavailableError("no answer in time") from error
        except aiohttp.ClientError as error:
            raise NationalDatabaseUnavailableError(type(error).__name__) from error
        except orjson.JSONDecodeError as error:
            raise NationalDatabaseUnavailableError("unusable answer: not JSON") from error

    async def _answer(self, path: str, body: bytes, timeout_seconds: float) -> bytes:
        async with (
            asyncio.timeout(timeout_seconds),
            self._session.post(self._base_url + path, data=body, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise NationalDatabaseUnavailableError(f"status {response.status}")
            # The reader gives what has arrived, so the whole is gathered up to the limit and not beyond.
            chunks, size = [], 0
            async for chunk in response.content.iter_any():
                size += len(chunk)
                if size > MAX_ANSWER_BYTES:
                    raise NationalDatabaseUnavailableError("unusable answer: larger than the limit")
                chunks.append(chunk)
            return b"".join(chunks)
