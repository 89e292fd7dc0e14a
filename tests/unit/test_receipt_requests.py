"""ReceiptService and `GetConsistencyProof`: who may have which proof, and when."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.accounts.model import Limits
from gateway.audit.methods import RECEIPT_SERVICE
from gateway.audit.proof_requests import ProofRequests
from gateway.audit.receipt import Receipt
from gateway.calls.inquiry import AuditClass
from gateway.errors import Reason
from tests.fakes.audit_desk import ORIGIN, FakeAudit
from tests.fakes.gateway import refused
from tests.fakes.ledger import audit_record

OWN, OTHER = "01/mot-cua", "79/mot-cua"


@pytest.fixture
def audit() -> FakeAudit:
    audit = FakeAudit()
    audit.let_in(OWN)
    audit.let_in(OTHER)
    return audit


async def prove(audit: FakeAudit, receipt: Receipt | str, *, by: str = OWN) -> Any:
    return await audit.ask("GetInclusionProof", service=RECEIPT_SERVICE, by=by, receipt=str(receipt))


async def test_a_caller_gets_the_proof_of_its_own_record(audit: FakeAudit) -> None:
    """No right has to be granted for it: the account of this test may do nothing else."""
    (receipt, _) = audit.hold([audit_record(account=OWN), audit_record(account=OTHER)])
    audit.proofs.signed = 2
    proof = await prove(audit, receipt)
    assert (proof.record, proof.leaf_index, proof.tree_size) == (audit.proofs.records[0], 0, 2)
    assert (list(proof.path), proof.checkpoint) == ([b"p" * 32], "note")
    assert audit.records[0].method == "dancu.receipt.v1.ReceiptService/GetInclusionProof"


async def test_anothers_record_and_one_that_never_was_look_the_same(audit: FakeAudit) -> None:
    """Else receipts could be tried out to learn who asks how often."""
    (own, anothers) = audit.hold([audit_record(account=OWN), audit_record(account=OTHER)])
    audit.proofs.signed = 2
    told = []
    wanted = [
        anothers,
        Receipt(ORIGIN, 0, anothers.leaf_hash),
        Receipt(ORIGIN, 7, own.leaf_hash),
        Receipt("m-w9", 0, own.leaf_hash),
    ]
    for receipt in wanted:
        with refused("NOT_FOUND", Reason.RECEIPT_NOT_FOUND) as refusal:
            await prove(audit, receipt)
        told.append((refusal[0].metadata, refusal[0].retry_after_seconds, refusal[0].violations))
    assert told == [({}, None, ())] * len(wanted)


async def test_administrators_prove_no_callers_lookups(audit: FakeAudit) -> None:
    """A proof holds the record itself; operators have lists for that, which are on record."""
    (receipt,) = audit.hold([audit_record(account=OWN)])
    audit.proofs.signed = 1
    with refused("NOT_FOUND", Reason.RECEIPT_NOT_FOUND):
        await prove(audit, receipt, by="BCA/administrator")


async def test_before_a_checkpoint_its_own_record_is_pending_and_anothers_is_not_there(audit: FakeAudit) -> None:
    """The seconds before a checkpoint must not tell more than the time after it."""
    (own, anothers) = audit.hold([audit_record(account=OWN), audit_record(account=OTHER)])
    with refused("UNAVAILABLE", Reason.CHECKPOINT_PENDING) as refusal:
        await prove(audit, own)
    assert refusal[0].retry_after_seconds
    for receipt in (anothers, Receipt(ORIGIN, 0, b"x" * 32)):
        with refused("NOT_FOUND", Reason.RECEIPT_NOT_FOUND):
            await prove(audit, receipt)


async def test_a_record_the_ledger_has_not_taken_in_yet_is_waited_for(audit: FakeAudit) -> None:
    """The ledger is a moment behind; whose record it is can be said a moment later."""
    (anothers,) = audit.hold([audit_record(account=OTHER)])
    held, audit.ledger.held = audit.ledger.held, []
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            audit.ledger.held = held

    requests = ProofRequests(ledger=audit.ledger, proofs=audit.proofs, sleep=sleep)
    assert await requests._is_anothers(anothers, OWN)
    assert len(waited) == 3
    audit.ledger.held = []
    assert not await requests._is_anothers(anothers, OWN)
    assert sum(waited) < 3
    audit.ledger.gone = True
    assert not await requests._is_anothers(anothers, OWN)


@pytest.mark.parametrize("text", ["", "m-w0", "m-w0:1", "m-w0:1:short", "../x:1:" + "A" * 43, "m-w0:-1:" + "A" * 43])
async def test_what_is_no_receipt_is_invalid(audit: FakeAudit, text: str) -> None:
    """An origin becomes a folder's name: nothing else may get that far."""
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await prove(audit, text)
    assert [one.field for one in refusal[0].violations] == ["receipt"]


async def test_any_account_may_have_a_checkpoint(audit: FakeAudit) -> None:
    """It holds nothing of anybody, and the more hold it the harder it is to forge history."""
    audit.hold([audit_record()])
    with refused("UNAVAILABLE", Reason.CHECKPOINT_PENDING):
        await audit.ask("GetCheckpoint", service=RECEIPT_SERVICE, by=OTHER, origin=ORIGIN)
    audit.proofs.signed = 1
    answer = await audit.ask("GetCheckpoint", service=RECEIPT_SERVICE, by=OTHER, origin=ORIGIN)
    assert (answer.checkpoint, list(answer.verifier_keys)) == ("note", ["old", "new"])
    with refused("NOT_FOUND", Reason.RECEIPT_NOT_FOUND):
        await audit.ask("GetCheckpoint", service=RECEIPT_SERVICE, by=OTHER, origin="m-w9")
    for origin in ("", "../secrets", "M-w0", "m-w0\n"):
        with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST):
            await audit.ask("GetCheckpoint", service=RECEIPT_SERVICE, by=OTHER, origin=origin)


async def test_consistency_is_proved_up_to_the_latest_checkpoint(audit: FakeAudit) -> None:
    """An auditor keeps a checkpoint and asks for the way from there to now."""
    audit.hold([audit_record()] * 9)
    audit.proofs.signed = 7
    answer = await audit.ask("GetConsistencyProof", origin=ORIGIN, first_size=3)
    assert (list(answer.path), answer.second_size, answer.checkpoint) == ([b"3", b"7"], 7, "note")
    answer = await audit.ask("GetConsistencyProof", origin=ORIGIN, first_size=3, second_size=5)
    assert (list(answer.path), answer.second_size) == ([b"3", b"5"], 5)
    wanted: list[dict[str, Any]] = [{"first_size": 8}, {"first_size": 1, "second_size": 8}]
    for sizes in wanted:
        with refused("UNAVAILABLE", Reason.CHECKPOINT_PENDING):
            await audit.ask("GetConsistencyProof", origin=ORIGIN, **sizes)
    with refused("NOT_FOUND", Reason.RECEIPT_NOT_FOUND):
        await audit.ask("GetConsistencyProof", origin="m-w9", first_size=1)
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await audit.ask("GetConsistencyProof", first_size=0)
    assert {one.field for one in refusal[0].violations} == {"origin", "first_size"}
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST):
        await audit.ask("GetConsistencyProof", origin=ORIGIN, first_size=4, second_size=3)


async def test_proofs_count_against_the_rate_like_a_lookup(audit: FakeAudit) -> None:
    """A free method would be the one an attacker hammers."""
    audit.let_in("01/slow", limits=Limits(rate=1))
    (receipt,) = audit.hold([audit_record(account="01/slow")])
    audit.proofs.signed = 1
    await prove(audit, receipt, by="01/slow")
    with refused("RESOURCE_EXHAUSTED", Reason.RATE_LIMITED):
        await prove(audit, receipt, by="01/slow")


def test_the_methods_are_declared_as_they_are_meant() -> None:
    """Admin methods need a role, receipts none; each leaves one record."""
    audit = FakeAudit()
    for name, method in audit.methods.items():
        assert method.audit is AuditClass.PER_CALL
        admin = name.startswith("dancu.audit.")
        assert method.admin_roles == (frozenset({"viewer", "operator", "administrator"}) if admin else frozenset())
        assert method.scope == ("admin.audit" if admin else "receipt.read")
