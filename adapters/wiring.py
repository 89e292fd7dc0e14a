"""The composition root: builds a worker out of ports and adapters, and takes it apart in order.

The only module that knows both sides.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.admission import open_gate
from adapters.citizen_cache import cache_tokens, open_cache
from adapters.clock import SystemClock
from adapters.directory_snapshot import SnapshotFile
from adapters.journal.writer import FileJournal
from adapters.ledger.file_proofs import FileProofSource
from adapters.ledger.keys import EverySubjectToken, page_tokens, verifier_keys_folder
from adapters.ledger.queries import SqlLedger
from adapters.metrics import PrometheusObserver
from adapters.national_db_http import HttpNationalDatabase
from adapters.oauth import open_token_desk
from adapters.random_ids import RandomIds
from adapters.redis_bell import RedisBell
from adapters.redis_claims import RedisFetchClaims
from adapters.redis_lane import RedisLane
from adapters.registry_wiring import open_registries
from adapters.secret_files import ACCOUNT_SEAL, API_KEY_PEPPER, SUBJECT_TOKEN, key_ring
from adapters.sql.account_store import SqlAccountStore
from adapters.sql.directory import SqlDirectory
from adapters.sql.engine import open_engine
from adapters.sql.migrate import require_schema
from adapters.upstream_metrics import UpstreamMetrics
from gateway.accounts.failed_logins import FailedLogins
from gateway.accounts.keys import KeyMaker
from gateway.accounts.methods import account_methods, account_request_methods
from gateway.audit.methods import audit_methods, receipt_methods
from gateway.audit.stamp import stamp_index
from gateway.audit.tokens import Tokens
from gateway.calls.admit import Gate
from gateway.calls.authenticate import Authenticator
from gateway.calls.call_log import CallLog
from gateway.calls.credentials import TokenDesk
from gateway.calls.inquiry import Method
from gateway.calls.methods import LOOKUP_SCOPES, public_methods
from gateway.calls.pipeline import Pipeline
from gateway.calls.record import Recorder
from gateway.citizens.records import Records
from gateway.model import Secret
from gateway.ports import Journal
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Answering:
    """A process that answers calls, without its transport."""

    pipeline: Pipeline
    methods: tuple[str, ...]
    journal: Journal


@dataclass(frozen=True, slots=True)
class _Core:
    """What every process that answers calls stands on."""

    journal: FileJournal
    engine: AsyncEngine
    directory: SqlDirectory
    recorder: Recorder
    clock: SystemClock
    accounts: SqlAccountStore
    keys: KeyMaker


def origin_of(settings: Settings, slot: int) -> str:
    """The name of a worker slot's journal."""
    return f"{settings.node}-w{slot}"


def control_origin_of(settings: Settings) -> str:
    """The name of the control process's journal."""
    return f"{settings.node}-control"


@asynccontextmanager
async def open_worker(settings: Settings, *, slot: int, observer: PrometheusObserver) -> AsyncIterator[Answering]:
    """The public port's side, closed in reverse order: callers first, the journal last.

    Raises what makes a start impossible: `SchemaError`, `SecretMissingError`, `JournalError`,
    `DirectoryUnavailableError`, `OSError`.
    """
    async with AsyncExitStack() as stack:
        lane = _open_lane(stack, settings, observer=observer)
        core = await _open_core(stack, settings, origin=origin_of(settings, slot), lane=lane, observer=observer)
        upstreams = UpstreamMetrics(degraded=observer.degraded)
        national_db = HttpNationalDatabase.open(
            base_url=settings.national_db.url,
            token=national_db_token(settings),
            policy=settings.national_db.policy,
            clock=core.clock,
            draw=random.random,
            observer=upstreams,
        )
        stack.push_async_callback(national_db.close)
        records = Records(
            cache=open_cache(stack, settings, lane=lane, clock=core.clock, observer=observer),
            national_db=national_db,
            clock=core.clock,
            timeout_seconds=settings.national_db.timeout_seconds,
            claims=RedisFetchClaims(lane, tokens=cache_tokens(settings)),
        )
        stack.push_async_callback(records.close)
        methods = public_methods(
            records=records,
            households=national_db.households(),
            clock=core.clock,
            timeout_seconds=settings.national_db.timeout_seconds,
            allow_test_numbers=settings.numbers.allow_test,
        )
        methods |= open_registries(stack, settings, people=records, clock=core.clock, observer=upstreams)
        methods |= _other_public_methods(core, settings)
        gate = open_gate(stack, settings, lane=lane, engine=core.engine, clock=core.clock, observer=observer)
        tokens = await open_token_desk(stack, settings.oauth, clock=core.clock, observer=observer)
        yield _answering(core, settings, methods=methods, gate=gate, tokens=tokens, observer=observer)


@asynccontextmanager
async def open_control(settings: Settings, *, observer: PrometheusObserver) -> AsyncIterator[Answering]:
    """The admin port's side, with a journal of its own: operators are on record like everybody else."""
    async with AsyncExitStack() as stack:
        # A control process on its own may have no Redis; workers then hear of changes from the database.
        lane = _open_lane(stack, settings, observer=observer) if settings.redis.url else None
        core = await _open_core(stack, settings, origin=control_origin_of(settings), lane=lane, observer=observer)
        scopes = LOOKUP_SCOPES | _scopes(_other_public_methods(core, settings))
        methods = account_methods(
            store=core.accounts,
            keys=core.keys,
            intents=core.recorder,
            clock=core.clock,
            scopes=scopes,
            default_misses_per_hour=_default_misses(settings),
        )
        methods |= audit_methods(
            ledger=_ledger(core, settings),
            proofs=_proofs(settings),
            page_tokens=page_tokens(settings),
            subject_tokens=EverySubjectToken(settings.data_dir),
            scopes=scopes | _scopes(methods),
            clock=core.clock,
        )
        gate = open_gate(stack, settings, lane=None, engine=core.engine, clock=core.clock, observer=observer)
        # Administrators are few and known to us: keys and certificates, no foreign issuer's tokens.
        yield _answering(core, settings, methods=methods, gate=gate, tokens=None, observer=observer)


def _open_lane(stack: AsyncExitStack, settings: Settings, *, observer: PrometheusObserver) -> RedisLane:
    lane = RedisLane.connect(
        settings.redis.url,
        is_cluster=settings.redis.cluster,
        timeout_seconds=settings.redis.timeout_seconds,
        on_state=lambda up: observer.degraded("redis", is_degraded=not up),
    )
    stack.push_async_callback(lane.close)
    return lane


async def _open_core(
    stack: AsyncExitStack, settings: Settings, *, origin: str, lane: RedisLane | None, observer: PrometheusObserver
) -> _Core:
    clock = SystemClock()
    # First in, last out: whatever still runs above can be recorded until the very end.
    journal = FileJournal.open(
        settings.data_dir / "journal" / origin,
        origin=origin,
        stamp=stamp_index,
        segment_bytes=settings.audit.segment_megabytes << 20,
        gather=timedelta(milliseconds=settings.audit.gather_milliseconds),
        on_commit=observer.journal_committed,
    )
    stack.push_async_callback(journal.close)
    engine = open_engine(settings.database.url, data_dir=settings.data_dir)
    stack.push_async_callback(engine.dispose)
    # Before the secrets: on a bare directory it is the step that is missing first.
    await require_schema(engine)
    pepper = key_ring(settings.data_dir, API_KEY_PEPPER).current().secret
    bell = None if lane is None else RedisBell(lane)
    directory = SqlDirectory(
        engine,
        on_state=lambda up: observer.degraded("database", is_degraded=not up),
        bell=bell,
        file=SnapshotFile(settings.data_dir / "run", slot=origin, pepper=pepper),
        default_misses_per_hour=_default_misses(settings),
    )
    await directory.start()
    stack.push_async_callback(directory.close)
    following = asyncio.create_task(directory.follow())
    stack.callback(following.cancel)
    accounts = SqlAccountStore(
        engine,
        seal=key_ring(settings.data_dir, ACCOUNT_SEAL).current().secret,
        clock=clock,
        on_change=None if bell is None else bell.ring,
    )
    tokens = Tokens(key_ring(settings.data_dir, SUBJECT_TOKEN).current())
    recorder = Recorder(journal=journal, tokens=tokens, clock=clock)
    stack.callback(recorder.flush)
    return _Core(journal, engine, directory, recorder, clock, accounts, KeyMaker(pepper))


def _other_public_methods(core: _Core, settings: Settings) -> dict[str, Method]:
    """The methods of the public port that look nobody up."""
    receipts = receipt_methods(ledger=_ledger(core, settings), proofs=_proofs(settings))
    requests = account_request_methods(
        store=core.accounts,
        keys=core.keys,
        intents=core.recorder,
        clock=core.clock,
        scopes={*LOOKUP_SCOPES.values(), *_scopes(receipts).values()},
    )
    return requests | receipts


def _scopes(methods: Mapping[str, Method]) -> dict[str, str]:
    return {name: method.scope for name, method in methods.items()}


def _ledger(core: _Core, settings: Settings) -> SqlLedger:
    return SqlLedger(core.engine, root=settings.data_dir / "journal")


def _proofs(settings: Settings) -> FileProofSource:
    return FileProofSource(root=settings.data_dir / "journal", verifiers=verifier_keys_folder(settings.data_dir))


def _answering(
    core: _Core,
    settings: Settings,
    *,
    methods: Mapping[str, Method],
    gate: Gate,
    tokens: TokenDesk | None,
    observer: PrometheusObserver,
) -> Answering:
    pipeline = Pipeline(
        methods=methods,
        authenticate=Authenticator(
            directory=core.directory,
            pepper=core.keys.pepper,
            failures=FailedLogins(burst=settings.login.failures, per_minute=settings.login.failures_per_minute),
            tokens=tokens,
        ),
        gate=gate,
        recorder=core.recorder,
        observer=observer,
        log=CallLog(clock=core.clock),
        clock=core.clock,
        new_id=RandomIds(),
    )
    return Answering(pipeline, tuple(methods), core.journal)


def _default_misses(settings: Settings) -> int | None:
    return settings.admission.default_misses_per_hour or None


def national_db_token(settings: Settings) -> Secret:
    """What the gateway shows to the national database."""
    path = settings.national_db.token_file
    return Secret(path.read_bytes().strip() if path is not None else b"")
