"""A whole gateway on fakes: everything of `gateway`, nothing of `adapters` but what lives in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from adapters.layered_cache import LayeredIdentityCache
from adapters.memory_cache import MemoryIdentityCache
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from dancu.citizen.v1 import citizen_pb2, citizen_service_pb2
from dancu.common.v1 import common_pb2
from gateway.accounts.failed_logins import FailedLogins
from gateway.accounts.model import Account, AccountStatus, ApiKey, Binding, LimitNode, Limits, Officer, Policy
from gateway.audit.tokens import Tokens
from gateway.calls.authenticate import Authenticator
from gateway.calls.call_log import CallLog
from gateway.calls.credentials import TokenDesk, hash_of_secret
from gateway.calls.methods import public_methods
from gateway.calls.pipeline import Pipeline
from gateway.calls.record import Recorder
from gateway.citizens.records import Records
from gateway.errors import GatewayError, Reason
from gateway.model import Call, Reply, Secret, VersionedSecret
from gateway.ports import Clock, NationalDatabase
from gateway.registries.kinds import REGISTRIES, RegistryKind
from gateway.registries.methods import registry_methods
from tests.fakes.clock import FakeClock
from tests.fakes.journal import MemoryJournal
from tests.fakes.limiters import memory_gate
from tests.fakes.national_db import FakeNationalDatabase
from tests.fakes.registries import FakeRegistries

LOOKUP = "dancu.citizen.v1.CitizenService/LookupCitizen"
SECRET = "A" * 43
PURPOSE = common_pb2.Purpose(procedure_code="1.004222", dossier_code="H01-1", officer_id="cb-17")
EVERYTHING = frozenset({"*"})
UNLIMITED = Limits()
FULL = Policy(version=7, methods=EVERYTHING, fields=EVERYTHING, procedures=EVERYTHING)


@dataclass
class Observed:
    """`gateway.ports.CallObserver` that keeps what it was told."""

    finished: list[dict[str, Any]] = field(default_factory=list)
    started: int = 0
    cache: list[tuple[str, str]] = field(default_factory=list)
    shadowed: list[str] = field(default_factory=list)

    def call_started(self) -> None:
        self.started += 1

    def call_finished(self, **told: Any) -> None:
        self.finished.append(told)

    def cache_request(self, *, layer: str, result: str) -> None:
        self.cache.append((layer, result))

    def would_refuse(self, reason: str) -> None:
        self.shadowed.append(reason)

    def degraded(self, dependency: str, *, is_degraded: bool) -> None:
        pass


class FakeGateway:
    """The pipeline with its parts in reach."""

    def __init__(
        self,
        *,
        policy: Policy = FULL,
        limits: Limits = UNLIMITED,
        in_flight: int = 100,
        kinds: tuple[RegistryKind, ...] = REGISTRIES,
        tokens: TokenDesk | None = None,
        clock: Clock | None = None,
        upstream: NationalDatabase | None = None,
    ) -> None:
        """`clock` and `upstream` take the places of the fakes, which then stand idle."""
        self.clock = FakeClock()
        self.journal = MemoryJournal(origin="test-w0")
        self.national_db = FakeNationalDatabase(self.clock)
        self.observed = Observed()
        self.tokens = Tokens(VersionedSecret(3, Secret(b"t" * 32)))
        self._pepper = Secret(b"p" * 32)
        self._keys: dict[str, ApiKey] = {}
        self.bindings: dict[str, Binding] = {}
        self.key_used_at: dict[str, float] = {}
        self.allow(policy=policy, limits=limits)
        self.hears = True
        self.l1 = memory_cache(self.clock)
        self.cache = LayeredIdentityCache(
            l1=self.l1,
            l2=memory_cache(self.clock),
            observer=self.observed,
            unheard_seconds=900,
            hears=lambda: self.hears,
        )
        self.recorder = Recorder(journal=self.journal, tokens=self.tokens, clock=self.clock)
        records = Records(
            cache=self.cache,
            national_db=upstream or self.national_db,
            clock=clock or self.clock,
            timeout_seconds=3,
        )
        ids = itertools.count(1)
        self.registries = FakeRegistries(self.clock)
        self.methods = public_methods(
            records=records,
            households=self.national_db,
            clock=self.clock,
            timeout_seconds=3,
            allow_test_numbers=True,
        )
        self.methods |= registry_methods(
            self.registries.records(kinds), people=records, clock=self.clock, allow_test_numbers=True
        )
        self.pipeline = Pipeline(
            methods=self.methods,
            authenticate=Authenticator(
                directory=self, pepper=self._pepper, failures=FailedLogins(burst=20, per_minute=20), tokens=tokens
            ),
            gate=memory_gate(clock=self.clock, observer=self.observed, max_in_flight=in_flight),
            recorder=self.recorder,
            observer=self.observed,
            log=CallLog(clock=self.clock),
            clock=self.clock,
            new_id=lambda: f"made-{next(ids)}",
        )

    def allow(
        self,
        *,
        policy: Policy = FULL,
        limits: Limits = UNLIMITED,
        status: AccountStatus = AccountStatus.ACTIVE,
        not_after: float | None = None,
    ) -> None:
        """Replace the one account and its key."""
        nodes = (LimitNode("organisation:01", "01", Limits()), LimitNode("account:01/test", "01", limits))
        officers = {"cb-17": Officer("cb-17", AccountStatus.ACTIVE)}
        account = self.account = Account("01/test", "01", status, policy, nodes, officers=officers)
        hashed = hash_of_secret(SECRET, pepper=self._pepper)
        self._keys["testkey"] = ApiKey("testkey", hashed, account, not_after)

    @property
    def records(self) -> list[AuditRecord]:
        """What stands in the journal."""
        return [AuditRecord.FromString(payload) for payload in self.journal.payloads]

    def key(self, key_id: str) -> ApiKey | None:
        return self._keys.get(key_id)

    def binding(self, name: str) -> Binding | None:
        return self.bindings.get(name)

    def used(self, credential_id: str, *, at: float) -> None:
        self.key_used_at[credential_id] = at

    async def call(self, request: bytes, method: str = LOOKUP, deadline: float | None = None, **metadata: str) -> Reply:
        headers = {"authorization": f"Bearer dck_testkey_{SECRET}"} | {
            name.replace("_", "-"): value for name, value in metadata.items()
        }
        return await self.pipeline(Call(method, request, headers, "192.0.2.7", deadline))

    async def lookup(self, number: str, **fields: Any) -> citizen_service_pb2.LookupCitizenResponse:
        reply = await self.call(lookup_request(number, **fields).SerializeToString())
        return citizen_service_pb2.LookupCitizenResponse.FromString(reply.response)


def memory_cache(clock: Clock, *, max_bytes: int = 1_000_000) -> MemoryIdentityCache:
    return MemoryIdentityCache(clock=clock, max_bytes=max_bytes, ttl_seconds=3600, negative_ttl_seconds=60)


def lookup_request(
    number: str, *, mask: tuple[str, ...] = (), staleness: float | None = None, **fields: Any
) -> citizen_service_pb2.LookupCitizenRequest:
    request = citizen_service_pb2.LookupCitizenRequest(**({"purpose": PURPOSE} | fields))
    if len(number) == 9:
        request.legacy_number = number
    else:
        request.personal_number = number
    request.read_mask.paths.extend(mask)
    if staleness is not None:
        request.max_staleness.FromMilliseconds(int(staleness * 1000))
    return request


def policy(**changes: Any) -> Policy:
    return replace(FULL, **changes)


def claims(name: str, year: int, month: int = 0, day: int = 0) -> citizen_pb2.Claims:
    birth_date = common_pb2.BirthDate(year=year)
    if month:
        birth_date.month = month
    if day:
        birth_date.day = day
    return citizen_pb2.Claims(full_name=name, birth_date=birth_date)


@contextmanager
def refused(kind: str, reason: Reason) -> Iterator[list[GatewayError]]:
    """The block is refused with this kind and reason; the list then holds the refusal."""
    caught: list[GatewayError] = []
    with pytest.raises(GatewayError) as raised:
        yield caught
    caught.append(raised.value)
    assert (raised.value.kind, raised.value.reason) == (kind, reason)
