"""Where the keys of an issuer of tokens come from: a JWKS (RFC 7517) by HTTP or in a file.

Owns fetching, and its bounds. What the keys are is `adapters.oauth_tokens`' matter.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

import aiohttp

LARGEST_BYTES = 1_048_576
TIMEOUT_SECONDS = 5.0


class JwksUnavailableError(Exception):
    """The keys could not be had; the text is for the log."""


class JwksSource(Protocol):
    """A place with the keys of an issuer."""

    async def fetch(self) -> bytes:
        """The document as it is now. Raises `JwksUnavailableError` within some seconds."""

    async def close(self) -> None:
        """Let go of connections."""


class HttpJwks:
    """`jwks_uri` of an issuer. Follows no redirect and no proxy of the environment."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self) -> bytes:
        """GET."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=False)
        try:
            async with self._session.get(self._url, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise JwksUnavailableError(f"HTTP {answer.status}")
                body = await answer.content.read(LARGEST_BYTES + 1)
                while len(body) <= LARGEST_BYTES and not answer.content.at_eof():
                    body += await answer.content.read(LARGEST_BYTES + 1 - len(body))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise JwksUnavailableError(type(error).__name__) from error
        return _bounded(body)

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()


class FileJwks:
    """A file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def fetch(self) -> bytes:
        """Read it."""
        try:
            return _bounded(await asyncio.to_thread(self._read))
        except OSError as error:
            raise JwksUnavailableError(type(error).__name__) from error

    async def close(self) -> None:
        """Nothing is kept open."""

    def _read(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(LARGEST_BYTES + 1)


def _bounded(body: bytes) -> bytes:
    if len(body) > LARGEST_BYTES:
        raise JwksUnavailableError("too large")
    return body
