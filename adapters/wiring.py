"""The composition root: builds a worker out of ports and adapters, and takes it apart in order.

The only module that knows both sides.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from adapters.clock import SystemClock
from adapters.journal.writer import FileJournal
from adapters.layered_cache import LayeredIdentityCache
from adapters.memory_cache import MemoryIdentityCache
from adapters.memory_limiter import MemoryLimiter
from adapters.metrics import PrometheusObserver
from adapters.national_db_http import HttpNationalDatabase
from adapters.redis_cache import RedisIdentityCache
from adapters.redis_lane import RedisLane
from adapters.redis_limiter import RedisLimiter
from adapters.secret_files import API_KEY_PEPPER, CACHE_NAME, CACHE_SEAL, SUBJECT_TOKEN, key_ring
from adapters.sql.directory import SqlDirectory
from adapters.sql.engine import open_engine
from gateway.accounts.shares import share_among
from gateway.audit.stamp import stamp_index
from gateway.audit.tokens import Tokens
from gateway.calls.admit import InFlight
from gateway.calls.call_log import CallLog
from gateway.calls.methods import public_methods
from gateway.calls.pipeline import Pipeline
from gateway.calls.record import Recorder
from gateway.citizens.records import Records
from gateway.model import Secret
from gateway.ports import Journal
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker without its transport."""

    pipeline: Pipeline
    methods: tuple[str, ...]
    journal: Journal


def origin_of(settings: Settings, slot: int) -> str:
    """The name of a worker slot's journal."""
    return f"{settings.node}-w{slot}"


@asynccontextmanager
async def open_worker(settings: Settings, *, slot: int, observer: PrometheusObserver) -> AsyncIterator[Worker]:
    """Everything behind the transport, closed in reverse order: callers first, the journal last.

    Raises what makes a start impossible: `SecretMissingError`, `JournalError`, `SQLAlchemyError`, `OSError`.
    """
    clock = SystemClock()
    secrets = {name: key_ring(settings.data_dir, name).current() for name in _KEY_RINGS}
    async with AsyncExitStack() as stack:
        # First in, last out: whatever still runs below can be recorded until the very end.
        journal = FileJournal.open(
            settings.data_dir / "journal" / origin_of(settings, slot),
            origin=origin_of(settings, slot),
            stamp=stamp_index,
            segment_bytes=settings.audit.segment_megabytes << 20,
            gather=timedelta(milliseconds=settings.audit.gather_milliseconds),
            on_commit=observer.journal_committed,
        )
        stack.push_async_callback(journal.close)

        engine = open_engine(settings.database.url, data_dir=settings.data_dir)
        stack.push_async_callback(engine.dispose)
        directory = SqlDirectory(engine, on_state=lambda up: observer.degraded("database", is_degraded=not up))
        await directory.refresh()
        following = asyncio.create_task(directory.follow())
        stack.callback(following.cancel)

        lane = RedisLane.connect(
            settings.redis.url,
            timeout_seconds=settings.redis.timeout_seconds,
            on_state=lambda up: observer.degraded("redis", is_degraded=not up),
        )
        stack.push_async_callback(lane.close)
        cache = LayeredIdentityCache(
            l1=MemoryIdentityCache(
                clock=clock,
                entries=settings.cache.l1_entries,
                ttl_seconds=settings.cache.ttl_seconds,
                negative_ttl_seconds=settings.cache.negative_ttl_seconds,
            ),
            l2=RedisIdentityCache(
                lane,
                tokens=Tokens(secrets[CACHE_NAME]),
                key=secrets[CACHE_SEAL],
                ttl_seconds=settings.cache.ttl_seconds,
                negative_ttl_seconds=settings.cache.negative_ttl_seconds,
            ),
            observer=observer,
        )
        limiter = RedisLimiter(lane, fallback=MemoryLimiter(clock=clock), share=share_among(settings.workers.count))

        national_db = HttpNationalDatabase.open(
            base_url=settings.national_db.url,
            token=_token(settings),
            max_connections=settings.national_db.max_connections,
            clock=clock,
            observer=observer,
        )
        stack.push_async_callback(national_db.close)
        records = Records(
            cache=cache,
            national_db=national_db,
            clock=clock,
            timeout_seconds=settings.national_db.timeout_seconds,
        )
        methods = public_methods(records=records, clock=clock, allow_test_numbers=settings.numbers.allow_test)
        recorder = Recorder(journal=journal, tokens=Tokens(secrets[SUBJECT_TOKEN]), clock=clock)
        stack.callback(recorder.flush)
        pipeline = Pipeline(
            methods=methods,
            directory=directory,
            pepper=secrets[API_KEY_PEPPER].secret,
            in_flight=InFlight(ceiling=settings.workers.max_in_flight),
            limiter=limiter,
            recorder=recorder,
            observer=observer,
            log=CallLog(clock=clock),
            clock=clock,
            new_id=partial(_new_id, 12),
        )
        yield Worker(pipeline, tuple(methods), journal)


_KEY_RINGS = (API_KEY_PEPPER, SUBJECT_TOKEN, CACHE_NAME, CACHE_SEAL)


def _token(settings: Settings) -> Secret:
    path = settings.national_db.token_file
    return Secret(path.read_bytes().strip() if path is not None else b"")


def _new_id(size: int) -> str:
    return os.urandom(size).hex()
