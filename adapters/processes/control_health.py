"""What a caller of this machine needs, checked from here: workers, Redis, the national database.

Owns the checks and what `ready` means. Knows nothing of HTTP pages, and looks only: nothing of what it finds changes
how a lookup is answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp
import grpc.aio
import redis.asyncio
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from adapters.tls_files import TlsFilesError, pinned

TIMEOUT_SECONDS = 2.0
"""A dependency that takes longer counts as gone."""
MAX_AGE_SECONDS = 1.0
"""A report is kept this long, so that asking often costs the dependencies nothing."""

_ATTEMPTS_PER_WORKER = 8
_MAX_WORKER_ATTEMPTS = 32


class DependencyGoneError(Exception):
    """A check failed; `told` is one static sentence without addresses, `cause` is for the log."""

    def __init__(self, told: str, *, cause: object = "") -> None:
        super().__init__(told)
        self.told = told
        self.cause = str(cause)


class Check(Protocol):
    """One dependency."""

    @property
    def name(self) -> str:
        """A short word."""

    @property
    def required(self) -> bool:
        """Whether callers are turned away without it; else its loss is only told."""

    async def look(self) -> str:
        """How it is, in a few words. Raises `DependencyGoneError`."""

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    required: bool
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """What all checks found."""

    findings: tuple[Finding, ...]

    @property
    def ready(self) -> bool:
        """Whether callers are served."""
        return all(finding.ok for finding in self.findings if finding.required)

    @property
    def degraded(self) -> tuple[str, ...]:
        """Names of what is gone."""
        return tuple(finding.name for finding in self.findings if not finding.ok)


class Readiness:
    """Runs the checks side by side, at most once a second however many ask."""

    def __init__(
        self,
        *,
        checks: Sequence[Check],
        timeout_seconds: float = TIMEOUT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = tuple(checks)
        self._timeout_seconds = timeout_seconds
        self._monotonic = monotonic
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.readiness")
        self._asking = asyncio.Lock()
        self._report = Report(())
        self._looked_at = float("-inf")
        self._gone: set[str] = set()

    async def report(self) -> Report:
        """How things are, at most a second old. Never raises."""
        async with self._asking:
            if self._monotonic() - self._looked_at >= MAX_AGE_SECONDS:
                self._report = Report(tuple(await asyncio.gather(*map(self._look, self._checks))))
                self._looked_at = self._monotonic()
            return self._report

    async def close(self) -> None:
        """Close every check."""
        for check in self._checks:
            await check.close()

    async def _look(self, check: Check) -> Finding:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                detail = await check.look()
        except TimeoutError:
            told, cause = "no answer in time", ""
        except DependencyGoneError as gone:
            told, cause = gone.told, gone.cause
        except Exception as defect:  # noqa: BLE001  a check must not take the others down
            told, cause = "the check itself failed", repr(defect)
        else:
            if check.name in self._gone:
                self._gone.remove(check.name)
                self._log.info("dependency_back", dependency=check.name)
            return Finding(check.name, check.required, ok=True, detail=detail)
        if check.name not in self._gone:
            self._gone.add(check.name)
            self._log.warning("dependency_gone", dependency=check.name, told=told, cause=cause)
        return Finding(check.name, check.required, ok=False, detail=told)


class WorkersCheck:
    """At least one worker serves, by grpc.health.v1 on the public port."""

    name = "workers"
    required = True

    def __init__(self, *, target: str, workers: int, certificate: Path | None = None) -> None:
        """`target` is `host:port`; `workers` share it, and the kernel chooses one for each new connection.

        `certificate` is the server's own where the port has TLS.
        """
        self._target = target
        self._certificate = certificate
        self._attempts = min(_ATTEMPTS_PER_WORKER * workers, _MAX_WORKER_ATTEMPTS)

    async def look(self) -> str:
        """Ask over new connections until one worker serves."""
        told = "no worker listens"
        cause: object = ""
        for _ in range(self._attempts):
            # A pool of its own: a shared one would lead to the same worker again.
            options: list[tuple[str, str | int]] = [
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.enable_http_proxy", 0),
            ]
            async with self._channel(options) as channel:
                try:
                    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
                except grpc.aio.AioRpcError as error:
                    cause = error.details()
                    continue
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return "serving"
            told = "no worker serves"
        raise DependencyGoneError(told, cause=cause)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _channel(self, options: list[tuple[str, str | int]]) -> grpc.aio.Channel:
        if self._certificate is None:
            return grpc.aio.insecure_channel(self._target, options=options)
        try:
            credentials, name = pinned(self._certificate)
        except TlsFilesError as error:
            raise DependencyGoneError("the gateway's certificate cannot be used", cause=error) from error
        named = ("grpc.ssl_target_name_override", name)
        return grpc.aio.secure_channel(self._target, credentials, options=[*options, named])


class RedisCheck:
    """Redis answers PING."""

    name = "redis"
    required = True

    def __init__(self, *, url: str) -> None:
        self._client = redis.asyncio.Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            # The client's own retries would report a dead server late.
            retry=Retry(NoBackoff(), 0),
        )

    async def look(self) -> str:
        """PING."""
        try:
            await self._client.ping()
        except (redis.asyncio.RedisError, OSError) as error:
            raise DependencyGoneError("no answer to PING", cause=error) from error
        return "answers"

    async def close(self) -> None:
        """Close the connection."""
        with suppress(redis.asyncio.RedisError, OSError):
            await self._client.aclose()


class NationalDatabaseCheck:
    """The national database is reachable: it answers HTTP, whatever it says to a question without a token."""

    name = "national_db"
    required = False

    def __init__(self, *, url: str) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(trust_env=False)

    async def look(self) -> str:
        """Ask for the start page."""
        try:
            async with self._session.get(self._url, allow_redirects=False) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError) as error:
            raise DependencyGoneError("not reachable", cause=type(error).__name__) from error
        if status >= 500:
            raise DependencyGoneError("answers with an error", cause=status)
        return "reachable"

    async def close(self) -> None:
        """Close connections."""
        await self._session.close()
