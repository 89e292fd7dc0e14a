"""One JSON request to an upstream over HTTP: POST, numbers in the body only, every answer measured before it is read.

Owns connections, the time-out of a request and the meaning of statuses and broken connections. Refuses to know what
is asked; each upstream's adapter reads the JSON. When to ask, and whether again, is `gateway.upstream`'s matter.
"""

from __future__ import annotations

import asyncio
from typing import Any, Self

import aiohttp
import orjson

from gateway.model import Secret
from gateway.upstream.failures import ExchangeError, Failure

_LONGEST_RETRY_AFTER_SECONDS = 60.0
_TOO_MANY_REQUESTS = 429


class HttpExchange:
    """POSTs JSON and returns JSON. One of them per upstream, with connections of its own."""

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
                # What is compressed cannot be measured before it is unpacked.
                "Accept-Encoding": "identity",
            },
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return cls(session=session, base_url=base_url)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def post(self, path: str, question: Any, *, timeout_seconds: float, max_bytes: int) -> Any:
        """The JSON answer to a JSON question.

        Raises `ExchangeError`: its text holds no byte of the answer, which may be about anybody.
        """
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                self._session.post(
                    self._base_url + path, data=orjson.dumps(question), allow_redirects=False
                ) as response,
            ):
                if response.status != 200:
                    raise _refused(response)
                return orjson.loads(await _whole(response, max_bytes))
        except TimeoutError as error:
            raise ExchangeError(Failure.TIMEOUT, "no answer in time") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise ExchangeError(Failure.UNREACHABLE, type(error).__name__) from error
        except aiohttp.ClientError as error:
            raise ExchangeError(Failure.UNUSABLE, type(error).__name__) from error
        except orjson.JSONDecodeError as error:
            raise unusable("not JSON") from error


def unusable(what: str) -> ExchangeError:
    """The failure of an answer that is not as documented; `what` names a field and never a value."""
    return ExchangeError(Failure.UNUSABLE, f"unusable answer: {what}")


async def _whole(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    # The reader gives what has arrived, so the whole is gathered up to the limit and not beyond.
    if (response.content_length or 0) > max_bytes:
        response.close()
        raise unusable("larger than the limit")
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            response.close()
            raise unusable("larger than the limit")
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _refused(response: aiohttp.ClientResponse) -> ExchangeError:
    status = response.status
    failure = Failure.UNWELL if status >= 500 or status == _TOO_MANY_REQUESTS else Failure.REJECTED
    retry_after = response.headers.get("Retry-After", "")
    # The other form of the field, a date, would need clocks that agree; it is rare and only a wish.
    seconds = min(float(retry_after), _LONGEST_RETRY_AFTER_SECONDS) if retry_after.isdecimal() else None
    return ExchangeError(failure, f"status {status}", retry_after_seconds=seconds)
