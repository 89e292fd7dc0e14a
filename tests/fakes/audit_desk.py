"""AuditService and ReceiptService on one pipeline, over a ledger in memory and proofs that a test scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dancu.audit.v1 import audit_service_pb2
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from dancu.receipt.v1 import receipt_service_pb2
from gateway.accounts.failed_logins import FailedLogins
from gateway.accounts.model import Account, AccountStatus, ApiKey, LimitNode, Limits, Policy
from gateway.audit.merkle import leaf_hash
from gateway.audit.methods import AUDIT_SERVICE, RECEIPT_SERVICE, audit_methods, receipt_methods
from gateway.audit.page_tokens import PageTokens
from gateway.audit.proof_source import CheckpointPendingError, ProofNotFoundError, SignedCheckpoint
from gateway.audit.proofs import InclusionProof
from gateway.audit.receipt import Receipt
from gateway.audit.stamp import stamp_index
from gateway.audit.tokens import Tokens
from gateway.calls.authenticate import Authenticator
from gateway.calls.call_log import CallLog
from gateway.calls.credentials import hash_of_secret
from gateway.calls.methods import LOOKUP_SCOPES
from gateway.calls.pipeline import Pipeline
from gateway.calls.record import Recorder
from gateway.citizens.numbers import personal
from gateway.model import Call, CitizenNumber, Reply, Secret, VersionedSecret
from tests.fakes.clock import FakeClock
from tests.fakes.gateway import SECRET, Observed
from tests.fakes.journal import MemoryJournal
from tests.fakes.limiters import memory_gate
from tests.fakes.memory_ledger import MemoryLedger

ORIGIN = "m-w0"
NOTHING = Policy(1, frozenset(), frozenset(), frozenset())
TOKEN_KEYS = [VersionedSecret(version, Secret(bytes([version]) * 32)) for version in (1, 2)]
_STUBS = {AUDIT_SERVICE: audit_service_pb2, RECEIPT_SERVICE: receipt_service_pb2}


@dataclass
class ScriptedProofs:
    """`gateway.audit.proof_source.ProofSource` over records in a list, of which the first `signed` are covered."""

    records: list[bytes] = field(default_factory=list)
    signed: int = 0

    async def inclusion(self, origin: str, index: int) -> InclusionProof:
        self._require(origin, index)
        return InclusionProof(origin, index, self.signed, self.records[index], (b"p" * 32,), "note")

    async def consistency(self, origin: str, first_size: int, second_size: int) -> Sequence[bytes]:
        self._require(origin, second_size - 1)
        return [b"%d" % first_size, b"%d" % second_size]

    async def checkpoint(self, origin: str) -> SignedCheckpoint:
        self._require(origin, 0)
        return SignedCheckpoint(self.signed, "note", ("old", "new"))

    def _require(self, origin: str, index: int) -> None:
        if origin != ORIGIN or index >= len(self.records):
            raise ProofNotFoundError
        if index >= self.signed:
            raise CheckpointPendingError


class FakeAudit:
    """Everything of the two services; accounts are made as they are named."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal = MemoryJournal(origin="test-control")
        self.ledger = MemoryLedger()
        self.proofs = ScriptedProofs()
        self._pepper = Secret(b"p" * 32)
        self._keys: dict[str, ApiKey] = {}
        for role in ("viewer", "operator", "administrator", ""):
            self.let_in(f"BCA/{role or 'nobody'}", admin_role=role)
        page_tokens = PageTokens([VersionedSecret(1, Secret(b"k" * 32))])
        self.methods = audit_methods(
            ledger=self.ledger,
            proofs=self.proofs,
            page_tokens=page_tokens,
            subject_tokens=tokens_of,
            scopes=LOOKUP_SCOPES,
            clock=self.clock,
        ) | receipt_methods(ledger=self.ledger, proofs=self.proofs)
        self.pipeline = Pipeline(
            methods=self.methods,
            authenticate=Authenticator(
                directory=self, pepper=self._pepper, failures=FailedLogins(burst=20, per_minute=20)
            ),
            gate=memory_gate(clock=self.clock, observer=Observed()),
            recorder=Recorder(journal=self.journal, tokens=Tokens(TOKEN_KEYS[-1]), clock=self.clock),
            observer=Observed(),
            log=CallLog(clock=self.clock),
            clock=self.clock,
            new_id=lambda: "made-1",
        )

    def let_in(self, name: str, *, admin_role: str = "", limits: Limits | None = None) -> None:
        organisation = name.partition("/")[0]
        nodes = (LimitNode(f"account:{name}", organisation, limits or Limits()),)
        account = Account(name, organisation, AccountStatus.ACTIVE, NOTHING, nodes, admin_role=admin_role)
        key_id = f"key{len(self._keys)}x"
        self._keys[name] = ApiKey(key_id, hash_of_secret(SECRET, pepper=self._pepper), account)

    def hold(self, records: Sequence[AuditRecord]) -> list[Receipt]:
        """Have these records in journal and ledger; their receipts."""
        first = len(self.proofs.records)
        stored = [stamp_index(one.SerializeToString(), at) for at, one in enumerate(records, first)]
        self.proofs.records += stored
        self.ledger.add(ORIGIN, 1, stored, first_index=first)
        return [Receipt(ORIGIN, at, leaf_hash(data)) for at, data in enumerate(stored, first)]

    def key(self, key_id: str) -> ApiKey | None:
        return next((key for key in self._keys.values() if key.key_id == key_id), None)

    def binding(self, name: str) -> None:  # noqa: ARG002  the port's
        return None

    def used(self, credential_id: str, *, at: float) -> None:
        pass

    @property
    def records(self) -> list[AuditRecord]:
        """What these calls themselves left on record."""
        return [AuditRecord.FromString(payload) for payload in self.journal.payloads]

    async def ask(self, rpc: str, *, by: str = "BCA/viewer", service: str = AUDIT_SERVICE, **fields: Any) -> Any:
        """The answer of an RPC; `since` and `until` in seconds stand for `from` and `to`."""
        stubs: Any = _STUBS[service]
        since, until = fields.pop("since", None), fields.pop("until", None)
        request = getattr(stubs, f"{rpc}Request")(**fields)
        if since is not None:
            getattr(request, "from").FromNanoseconds(int(since * 1e9))
        if until is not None:
            request.to.FromNanoseconds(int(until * 1e9))
        reply = await self.send(rpc, request.SerializeToString(), by=by, service=service)
        return getattr(stubs, f"{rpc}Response").FromString(reply.response)

    async def send(self, rpc: str, request: bytes, *, by: str = "BCA/viewer", service: str = AUDIT_SERVICE) -> Reply:
        headers = {"authorization": f"Bearer dck_{self._keys[by].key_id}_{SECRET}"}
        return await self.pipeline(Call(f"{service}/{rpc}", request, headers, "192.0.2.7", None))


def tokens_of(number: CitizenNumber) -> tuple[bytes, ...]:
    """A citizen's tokens under both versions of the key."""
    return tuple(Tokens(key).of(number) for key in TOKEN_KEYS)


def token_of(digits: str, *, version: int = 2) -> bytes:
    """A citizen's token under one version of the key."""
    return tokens_of(personal(digits))[version - 1]
