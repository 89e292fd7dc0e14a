"""`gateway.accounts.ports.AccountStore` in memory, and a whole administration on it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dancu.account.v1 import account_request_service_pb2, account_service_pb2
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from gateway.accounts.entries import (
    KINDS,
    AccountEntry,
    BindingEntry,
    KeyEntry,
    OfficerEntry,
    OrganisationEntry,
    OrganisationKind,
)
from gateway.accounts.failed_logins import FailedLogins
from gateway.accounts.keys import KeyMaker
from gateway.accounts.methods import account_methods, account_request_methods
from gateway.accounts.model import Account, AccountStatus, ApiKey, Binding, Limits, Policy
from gateway.accounts.ports import AccountsUnavailableError, FirstAnswer
from gateway.accounts.snapshot import account_of
from gateway.audit.tokens import Tokens
from gateway.calls.authenticate import Authenticator
from gateway.calls.call_log import CallLog
from gateway.calls.methods import LOOKUP_SCOPES
from gateway.calls.pipeline import Pipeline
from gateway.calls.record import Recorder
from gateway.model import Call, Secret, VersionedSecret
from tests.fakes.clock import FakeClock
from tests.fakes.gateway import Observed
from tests.fakes.journal import MemoryJournal
from tests.fakes.limiters import memory_gate

NOTHING = Policy(version=1, methods=frozenset(), fields=frozenset(), procedures=frozenset())
SERVICE = "dancu.account.v1.AccountService"
PUBLIC_SERVICE = "dancu.account.v1.AccountRequestService"


class MemoryAccountStore:
    """Entries in dictionaries; one change at a time, all of it or nothing."""

    def __init__(self, *, clock: FakeClock) -> None:
        self.clock = clock
        self.entries: dict[type, dict[tuple[str, ...], Any]] = {kind: {} for kind in KINDS}
        self.answers: dict[tuple[str, str], tuple[FirstAnswer, float]] = {}
        self.version_now = 1
        self.gone = False
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[MemoryTransaction]:
        if self.gone:
            raise AccountsUnavailableError("gone")
        yield MemoryTransaction(self)

    @asynccontextmanager
    async def change(self) -> AsyncIterator[MemoryTransaction]:
        if self.gone:
            raise AccountsUnavailableError("gone")
        async with self._one_at_a_time:
            before = copy.deepcopy((self.entries, self.answers, self.version_now))
            try:
                yield MemoryTransaction(self)
            except BaseException:
                self.entries, self.answers, self.version_now = before
                raise


class MemoryTransaction:
    def __init__(self, store: MemoryAccountStore) -> None:
        self._store = store
        self._moved = False
        self.changes = False

    async def get(self, kind: Any, *key: str) -> Any:
        return self._store.entries[kind].get(key)

    async def page(self, kind: Any, *, after: tuple[str, ...] = (), limit: int = 100_000, **equal: str) -> list[Any]:
        held = sorted(self._store.entries[kind].items())
        found = [
            entry
            for key, entry in held
            if key > after and all(_plain(getattr(entry, name)) == value for name, value in equal.items())
        ]
        return found[:limit]

    async def version(self) -> int:
        return self._store.version_now

    async def put(self, entry: Any) -> None:
        self.changes = True
        self._store.entries[type(entry)][entry.key] = entry

    async def moved(self) -> int:
        self._store.version_now += not self._moved
        self._moved = True
        return self._store.version_now

    async def first_answer(self, asker: str, request_id: str) -> FirstAnswer | None:
        kept = self._store.answers.get((asker, request_id))
        if kept is None:
            return None
        first, until = kept
        shown = first.secret_answer if self._store.clock.now() < until else None
        return FirstAnswer(first.digest, first.answer, shown)

    async def keep_answer(self, asker: str, request_id: str, first: FirstAnswer, *, secret_until: float) -> None:
        self._store.answers[asker, request_id] = (first, secret_until)


def _plain(value: Any) -> Any:
    return getattr(value, "value", value)


class FakeAdministration:
    """Both services on one pipeline; accounts called `<organisation>/<role>` are those who ask."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryAccountStore(clock=self.clock)
        self.journal = MemoryJournal(origin="test-control")
        self.keys = KeyMaker(Secret(b"p" * 32))
        self._whole: dict[str, str] = {}
        self.put(OrganisationEntry("01", "Hà Nội", OrganisationKind.PROVINCE, AccountStatus.ACTIVE, Limits()))
        self.put(OrganisationEntry("BCA", "Bộ Công an", OrganisationKind.MINISTRY, AccountStatus.ACTIVE, Limits()))
        for role in ("viewer", "operator", "administrator"):
            self.let_in(AccountEntry(f"BCA/{role}", AccountStatus.ACTIVE, NOTHING, Limits(), admin_role=role))
        asking = Policy(1, frozenset({"account.request"}), frozenset(), frozenset())
        self.let_in(AccountEntry("01/quan-tri", AccountStatus.ACTIVE, asking, Limits()))
        self.let_in(AccountEntry("01/quan-tri-2", AccountStatus.ACTIVE, asking, Limits()))
        self.let_in(AccountEntry("BCA/quan-tri", AccountStatus.ACTIVE, asking, Limits()))
        recorder = Recorder(
            journal=self.journal, tokens=Tokens(VersionedSecret(1, Secret(b"t" * 32))), clock=self.clock
        )
        parts: Any = {"store": self.store, "keys": self.keys, "intents": recorder, "clock": self.clock}
        requests = account_request_methods(**parts, scopes=frozenset(LOOKUP_SCOPES.values()))
        scopes = LOOKUP_SCOPES | {name: method.scope for name, method in requests.items()}
        self.methods = requests | account_methods(**parts, scopes=scopes, default_misses_per_hour=1000)
        self.pipeline = Pipeline(
            methods=self.methods,
            authenticate=Authenticator(
                directory=self, pepper=self.keys.pepper, failures=FailedLogins(burst=20, per_minute=20)
            ),
            gate=memory_gate(clock=self.clock, observer=Observed()),
            recorder=recorder,
            observer=Observed(),
            log=CallLog(clock=self.clock),
            clock=self.clock,
            new_id=lambda: "made-1",
        )

    def put(self, entry: Any) -> None:
        self.store.entries[type(entry)][entry.key] = entry

    def let_in(self, entry: AccountEntry) -> None:
        key, self._whole[entry.name] = self.keys.make(entry.name, now=self.clock.now())
        self.put(entry)
        self.put(key)

    def whole(self, name: str) -> str:
        """The whole key of one of those who ask."""
        return self._whole[name]

    def key(self, key_id: str) -> ApiKey | None:
        entries = self.store.entries
        key = entries[KeyEntry].get((key_id,))
        if key is None:
            return None
        return ApiKey(key.key_id, key.secret_hash, self._opened(key.account), key.not_after)

    def _opened(self, name: str) -> Account:
        entries = self.store.entries
        account = entries[AccountEntry][name,]
        officers = [one for one in entries[OfficerEntry].values() if one.account == account.name]
        return account_of(entries[OrganisationEntry][account.organisation,], account, officers)

    def binding(self, name: str) -> Binding | None:
        entry = self.store.entries[BindingEntry].get(tuple(name.split(":", 1)))
        if entry is None or entry.status is not AccountStatus.ACTIVE:
            return None
        return Binding(name, self._opened(entry.account), entry.not_after)

    def used(self, credential_id: str, *, at: float) -> None:
        pass

    @property
    def records(self) -> list[AuditRecord]:
        return [AuditRecord.FromString(payload) for payload in self.journal.payloads]

    async def ask(self, rpc: str, *, by: str = "BCA/administrator", service: str = SERVICE, **fields: Any) -> Any:
        """The answer of an RPC to an account, `by` name, or with a whole key."""
        stubs: Any = account_service_pb2 if service == SERVICE else account_request_service_pb2
        request = getattr(stubs, f"{rpc}Request")(**fields).SerializeToString()
        headers = {"authorization": f"Bearer {self._whole.get(by, by)}"}
        reply = await self.pipeline(Call(f"{service}/{rpc}", request, headers, "192.0.2.7", None))
        return getattr(stubs, f"{rpc}Response").FromString(reply.response)
