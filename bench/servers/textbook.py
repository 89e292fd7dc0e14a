"""The gateway of a textbook: Redis INCR for the limit, Redis GET for the copy, one SQLite commit for the audit trail.

    python -m bench.servers.textbook --port P --redis URL --database FILE --key KEY

Each on the library a textbook would take (redis.asyncio, aiosqlite) and set up kindly: a connection pool that waits,
hiredis, WAL, a database of its own for each process so that no two wait for one lock. A commit is durable
(`synchronous=FULL`), as the gateway's record is. It knows one key, no fields, no purposes.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any

import aiosqlite
import grpc
from redis.asyncio import BlockingConnectionPool, Redis

from bench.servers.common import run, serve
from dancu.citizen.v1 import citizen_service_pb2

COPY = "citizen:{}"
"""The Redis key of a copy, which the bench fills."""

_LIMIT_PER_SECOND = 1_000_000
_SCHEMA = "CREATE TABLE IF NOT EXISTS audit (at REAL, account TEXT, subject TEXT, procedure TEXT, outcome TEXT)"


async def _main(given: argparse.Namespace) -> None:
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(given.redis, max_connections=64)
    redis = Redis(connection_pool=pool)
    writing = asyncio.Lock()
    async with aiosqlite.connect(given.database) as audit:
        await audit.execute("PRAGMA journal_mode=WAL")
        await audit.execute("PRAGMA synchronous=FULL")
        await audit.execute(_SCHEMA)
        await audit.commit()

        async def lookup(
            request: citizen_service_pb2.LookupCitizenRequest, context: Any
        ) -> citizen_service_pb2.LookupCitizenResponse:
            metadata = dict(context.invocation_metadata())
            if metadata.get("authorization") != f"Bearer {given.key}":
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "unknown key")
            second = f"calls:bench:{int(time.time())}"
            if await redis.incr(second) > _LIMIT_PER_SECOND:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls")
            copy = await redis.get(COPY.format(request.personal_number))
            if copy is None:
                await context.abort(grpc.StatusCode.NOT_FOUND, "unknown number")
            row = (time.time(), "bench", request.personal_number, request.purpose.procedure_code, "OK")
            async with writing:
                await audit.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", row)
                await audit.commit()
            assert isinstance(copy, bytes)
            return citizen_service_pb2.LookupCitizenResponse.FromString(copy)

        await serve(given.port, lookup)
    await redis.aclose()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--redis", required=True)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--key", required=True)
    given = parser.parse_args()
    run(lambda: _main(given))


if __name__ == "__main__":
    main()
