"""Every RPC on evidence, ready for a pipeline: those of the admin port, and those of the public one."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.audit.get_statistics import GetStatistics
from gateway.audit.ledger import Ledger
from gateway.audit.page_tokens import PageTokens
from gateway.audit.proof_requests import ProofRequests
from gateway.audit.proof_source import ProofSource
from gateway.audit.record_lists import RecordLists, SubjectTokens
from gateway.calls.inquiry import AuditClass, Method, Question
from gateway.ports import Clock

AUDIT_SCOPE = "admin.audit"
RECEIPT_SCOPE = "receipt.read"
"""Every account has it: see `gateway.calls.authorise.EVERYBODYS_SCOPES`."""
AUDIT_SERVICE = "dancu.audit.v1.AuditService"
RECEIPT_SERVICE = "dancu.receipt.v1.ReceiptService"
AUDIT_ROLES = frozenset({"viewer", "operator", "administrator"})

_AUDIT_RPCS = ("ListAuditRecords", "ListDisclosures", "GetStatistics", "GetConsistencyProof")


def audit_methods(
    *,
    ledger: Ledger,
    proofs: ProofSource,
    page_tokens: PageTokens,
    subject_tokens: SubjectTokens,
    scopes: Mapping[str, str],
    clock: Clock,
) -> dict[str, Method]:
    """`AuditService`, for the admin port. `scopes`: of all other methods, by full name, for lists by scope."""
    own = {f"{AUDIT_SERVICE}/{name}": AUDIT_SCOPE for name in _AUDIT_RPCS}
    lists = RecordLists(
        ledger=ledger,
        page_tokens=page_tokens,
        subject_tokens=subject_tokens,
        scopes={**scopes, **own},
        clock=clock,
    )
    statistics = GetStatistics(ledger=ledger)
    requests = ProofRequests(ledger=ledger, proofs=proofs)
    handled = (
        (lists.parse_records, lists.records),
        (lists.parse_disclosures, lists.disclosures),
        (statistics.parse, statistics.handle),
        (requests.parse_consistency, requests.consistency),
    )
    methods = [
        Method(
            name=name,
            scope=AUDIT_SCOPE,
            cost=_one,
            audit=AuditClass.PER_CALL,
            parse=parse,
            handle=handle,
            admin_roles=AUDIT_ROLES,
        )
        for name, (parse, handle) in zip(own, handled, strict=True)
    ]
    return {method.name: method for method in methods}


def receipt_methods(*, ledger: Ledger, proofs: ProofSource) -> dict[str, Method]:
    """`ReceiptService`, for the public port."""
    requests = ProofRequests(ledger=ledger, proofs=proofs)
    handled = {
        "GetInclusionProof": (requests.parse_inclusion, requests.inclusion),
        "GetCheckpoint": (requests.parse_checkpoint, requests.checkpoint),
    }
    methods = [
        Method(
            name=f"{RECEIPT_SERVICE}/{name}",
            scope=RECEIPT_SCOPE,
            cost=_one,
            audit=AuditClass.PER_CALL,
            parse=parse,
            handle=handle,
        )
        for name, (parse, handle) in handled.items()
    ]
    return {method.name: method for method in methods}


def _one(_question: Question) -> int:
    return 1
