"""A change of who may ask is on record before it takes effect (docs/decisions/0020)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dancu.account.v1 import account_pb2 as pb
from gateway.accounts.entries import AccountEntry, KeyEntry
from gateway.errors import Reason
from gateway.model import Call
from tests.fakes.accounts import PUBLIC_SERVICE, SERVICE, FakeAdministration
from tests.fakes.gateway import refused

POLICY = pb.Policy(methods=["citizen.*"], fields=["*"], procedures=["1.*"])
ACCOUNT = pb.Account(name="01/mot-cua", policy=POLICY)
TREE = pb.AccountTree(accounts=[ACCOUNT, pb.Account(name="01/tiep-nhan", policy=POLICY)])
ASKED: dict[str, Any] = {"name": "tiep-nhan", "policy": POLICY, "justification": "Tiếp nhận hồ sơ"}
CHANGES: list[tuple[str, str, str, dict[str, Any]]] = [
    (SERVICE, "BCA/administrator", "CreateAccount", {"account": ACCOUNT, "issue_key": True}),
    (SERVICE, "BCA/administrator", "SuspendAccount", {"name": "01/quan-tri"}),
    (SERVICE, "BCA/administrator", "RotateKey", {"account": "01/quan-tri"}),
    (SERVICE, "BCA/administrator", "RevokeKey", {"account": "01/quan-tri"}),
    (SERVICE, "BCA/administrator", "ApplyTree", {"tree": TREE}),
    (PUBLIC_SERVICE, "01/quan-tri", "RequestAccount", ASKED),
]


def what_stands(office: FakeAdministration) -> Any:
    return {kind: dict(entries) for kind, entries in office.store.entries.items()}


@pytest.mark.parametrize(("service", "by", "rpc", "fields"), CHANGES, ids=[one[2] for one in CHANGES])
async def test_with_a_failing_journal_nothing_changes(service: str, by: str, rpc: str, fields: dict[str, Any]) -> None:
    """P1 for operators: who may ask about citizens must not change without a record of who changed it."""
    office = FakeAdministration()
    before = what_stands(office)
    office.journal.fail()
    with refused("UNAVAILABLE", Reason.AUDIT_UNAVAILABLE):
        await office.ask(rpc, service=service, by=by, request_id="r-1", **fields)
    assert what_stands(office) == before
    assert office.store.answers == {}
    office.journal.heal()
    await office.ask(rpc, service=service, by=by, request_id="r-1", **fields)
    assert what_stands(office) != before


async def test_the_intent_is_on_disk_before_the_change_and_the_outcome_follows() -> None:
    """Whoever reads the journal finds what was wanted, and then what became of it."""
    office = FakeAdministration()
    await office.ask("ApplyTree", tree=TREE, request_id="r-1")
    told = [(one.intent, one.continuation, one.target, one.request_id) for one in office.records]
    targets = ["tree 2 changed", "account 01/mot-cua", "account 01/tiep-nhan"]
    assert told == [
        *((True, True, target, "r-1") for target in targets),
        *((False, target != targets[0], target, "r-1") for target in targets),
    ]


async def test_a_change_waits_for_its_intent() -> None:
    """A slow disk delays a change; it must not let one through."""
    office = FakeAdministration()
    office.journal.hold()
    asking = asyncio.create_task(office.ask("SuspendAccount", name="01/quan-tri"))
    await asyncio.sleep(0.01)
    assert len(office.journal.payloads) == 1
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert office.store.entries[AccountEntry]["01/quan-tri",].status.value == "active"
    office.journal.heal()
    intent, gone = office.records
    assert (intent.intent, gone.intent, gone.outcome) == (True, False, Reason.CALLER_GONE.value)


async def test_an_outcome_that_cannot_be_recorded_leaves_the_intent() -> None:
    """The change stands and its asker is not told so; its record is the intent, and a repetition tells the rest."""
    office = FakeAdministration()
    append = office.journal.append

    def fail_after_the_intent(payloads: Any) -> Any:
        written = append(payloads)
        office.journal.fail()
        return written

    office.journal.append = fail_after_the_intent  # type: ignore[method-assign]
    asked: dict[str, Any] = {"account": "01/quan-tri", "request_id": "r-1"}
    with refused("UNAVAILABLE", Reason.AUDIT_UNAVAILABLE):
        await office.ask("RotateKey", **asked)
    (intent,) = office.records
    assert (intent.intent, intent.target.startswith("key ")) == (True, True)
    office.journal.append = append  # type: ignore[method-assign]
    office.journal.heal()
    again = await office.ask("RotateKey", **asked)
    assert len([key for key in office.store.entries[KeyEntry].values() if key.account == "01/quan-tri"]) == 2
    assert again.secret_key
    assert [one.intent for one in office.records] == [True, False]


@pytest.mark.parametrize(
    ("rpc", "fields"), [("ApplyTree", {"tree": TREE, "validate_only": True}), ("ListAccounts", {}), ("ExportTree", {})]
)
async def test_what_changes_nothing_has_no_intent(rpc: str, fields: dict[str, Any]) -> None:
    """Intents stand for changes; noise would hide them."""
    office = FakeAdministration()
    await office.ask(rpc, **fields)
    assert [one.intent for one in office.records] == [False]


async def test_a_refused_change_has_no_intent() -> None:
    """What an operator may not do was never about to happen."""
    office = FakeAdministration()
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
        await office.ask("SuspendAccount", name="BCA/administrator", by="BCA/operator")
    assert [one.intent for one in office.records] == [False]


async def test_an_unreadable_change_is_no_change() -> None:
    """Whole request bytes that are none leave nothing but the record of a refusal."""
    office = FakeAdministration()
    headers = {"authorization": f"Bearer {office.whole('BCA/administrator')}"}
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST):
        await office.pipeline(Call(f"{SERVICE}/SuspendAccount", b"\xff", headers, "", None))
    assert [one.outcome for one in office.records] == [Reason.INVALID_REQUEST.value]
