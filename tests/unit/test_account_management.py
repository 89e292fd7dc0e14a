"""`AccountService` and `AccountRequestService` through the pipeline, on a store in memory."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from dancu.account.v1 import account_pb2 as pb
from gateway.accounts.changes import READERS
from gateway.errors import Reason
from tests.fakes.accounts import PUBLIC_SERVICE, FakeAdministration
from tests.fakes.gateway import refused

POLICY = pb.Policy(methods=["citizen.*"], fields=["*"], procedures=["1.*"])


def new_account(name: str = "01/mot-cua", **fields: Any) -> pb.Account:
    values: dict[str, Any] = {"name": name, "policy": POLICY} | fields
    return pb.Account(**values)


async def test_a_new_account_opens_with_the_key_it_was_shown() -> None:
    """From `create` to a call that knows who asks."""
    office = FakeAdministration()
    made = await office.ask("CreateAccount", account=new_account(), issue_key=True, by="BCA/operator")
    assert made.account.status == pb.STATUS_ACTIVE
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):  # known, and may not
        await office.ask("ListAccounts", by=made.secret_key)
    keys = (await office.ask("ListKeys", account="01/mot-cua")).keys
    assert [key.key_id for key in keys] == [made.key.key_id]


async def test_every_call_is_journalled_with_what_it_concerned() -> None:
    """Who may ask about citizens is decided here, so these decisions are evidence too."""
    office = FakeAdministration()
    await office.ask("CreateAccount", account=new_account(), request_id="r-1")
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
        await office.ask("SuspendAccount", name="01/mot-cua", by="BCA/viewer")
    intent, made, kept_out = office.records
    assert intent.intent
    assert (made.account, made.request_id, made.target) == ("BCA/administrator", "r-1", "account 01/mot-cua")
    assert (kept_out.account, kept_out.outcome) == ("BCA/viewer", Reason.METHOD_NOT_GRANTED.value)


async def test_the_same_request_gets_the_first_answer_and_another_body_is_refused() -> None:
    """An answer lost on the way must not make a second account, nor lose the key of the first."""
    office = FakeAdministration()
    asked: dict[str, Any] = {"account": new_account(), "issue_key": True, "request_id": "r-1"}
    first = await office.ask("CreateAccount", **asked)
    assert await office.ask("CreateAccount", **asked) == first
    with refused("ALREADY_EXISTS", Reason.REQUEST_ID_REUSED):
        await office.ask("CreateAccount", account=new_account("01/other"), request_id="r-1")
    with refused("ALREADY_EXISTS", Reason.REQUEST_ID_REUSED):
        await office.ask("SuspendAccount", name="01/mot-cua", request_id="r-1")
    office.clock.advance(600)
    later = await office.ask("CreateAccount", **asked)
    assert (later.secret_key, later.key) == ("", first.key)
    assert len((await office.ask("ListKeys", account="01/mot-cua")).keys) == 1


@pytest.mark.parametrize("rpc", ["CreateAccount", "ListAccounts", "ExportTree"])
async def test_an_account_without_a_role_manages_nothing(rpc: str) -> None:
    """OWASP API5:2023: no scope of the public port opens a method of the admin port."""
    office = FakeAdministration()
    fields: dict[str, Any] = {"account": new_account()} if rpc == "CreateAccount" else {}
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
        await office.ask(rpc, by="01/quan-tri", **fields)


def test_a_viewer_may_call_exactly_what_reads() -> None:
    """A role that reads must not change by a slip in a table."""
    methods = FakeAdministration().methods.values()
    reading = {method.name.rpartition("/")[2] for method in methods if method.admin_roles == READERS}
    assert {name for name in reading if not name.startswith(("Get", "List"))} == {"ExplainAccess", "ExportTree"}
    assert all(method.admin_roles <= READERS for method in methods)


async def test_an_operator_makes_no_administrator_and_no_key_of_one() -> None:
    """OWASP API1:2023: otherwise every operator is an administrator."""
    office = FakeAdministration()
    attempts: list[tuple[str, dict[str, Any]]] = [
        ("CreateAccount", {"account": new_account("BCA/me", admin_role="administrator")}),
        ("RotateKey", {"account": "BCA/administrator"}),
        ("IssueKey", {"account": "BCA/administrator"}),
        ("SuspendAccount", {"name": "BCA/administrator"}),
        ("SuspendOrganisation", {"code": "BCA"}),
        ("ApplyTree", {"tree": pb.AccountTree(accounts=[new_account("BCA/me", admin_role="viewer")])}),
    ]
    for rpc, fields in attempts:
        with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
            await office.ask(rpc, by="BCA/operator", **fields)


async def test_nobody_locks_himself_out() -> None:
    """An administrator who suspends himself could not take it back."""
    office = FakeAdministration()
    attempts = (("SuspendAccount", {"name": "BCA/administrator"}), ("SuspendOrganisation", {"code": "BCA"}))
    for rpc, fields in attempts:
        with refused("FAILED_PRECONDITION", Reason.STATE_CONFLICT):
            await office.ask(rpc, **fields)


async def test_an_update_changes_no_status_and_counts_policies() -> None:
    """A file of yesterday must not resume an account that was suspended today."""
    office = FakeAdministration()
    await office.ask("CreateAccount", account=new_account())
    await office.ask("SuspendAccount", name="01/mot-cua")
    changed = new_account(status=pb.STATUS_ACTIVE, limits=pb.Limits(rate=5))
    after = (await office.ask("UpdateAccount", account=changed)).account
    assert (after.status, after.limits.rate, after.policy_version) == (pb.STATUS_SUSPENDED, 5, 1)
    changed.policy.methods.append("registry.*")
    assert (await office.ask("UpdateAccount", account=changed)).account.policy_version == 2


async def test_an_expired_account_is_told_so() -> None:
    """Access for a project ends with the project."""
    office = FakeAdministration()
    ends = Timestamp(seconds=int(office.clock.now()) + 60)
    made = await office.ask("CreateAccount", account=new_account(not_after=ends), issue_key=True)
    office.clock.advance(60)
    with refused("PERMISSION_DENIED", Reason.ACCOUNT_EXPIRED):
        await office.ask("ListAccounts", by=made.secret_key)


async def test_what_is_not_there_and_what_is_taken_are_told() -> None:
    """A typing mistake must not make an entry."""
    office = FakeAdministration()
    with refused("NOT_FOUND", Reason.RESOURCE_NOT_FOUND) as refusal:
        await office.ask("CreateAccount", account=new_account("99/x"))
    assert refusal[0].metadata == {"kind": "organisation"}
    with refused("ALREADY_EXISTS", Reason.RESOURCE_EXISTS):
        await office.ask("CreateAccount", account=new_account("BCA/viewer"))
    with refused("NOT_FOUND", Reason.RESOURCE_NOT_FOUND):
        await office.ask("RevokeKey", account="BCA/viewer", key_id="nobody")


async def test_every_mistake_of_an_account_is_told_at_once() -> None:
    """A form is corrected in one go."""
    office = FakeAdministration()
    wrong = new_account("01/Một cửa", admin_role="root", limits=pb.Limits(burst=1, daily=0))
    wrong.policy.fields.append("!religon")
    wrong.policy.networks.append("10.0.0.1/8")
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await office.ask("CreateAccount", account=wrong)
    assert {violation.field for violation in refusal[0].violations} == {
        "account.name",
        "account.admin_role",
        "account.policy.fields[1]",
        "account.policy.networks[0]",
        "account.limits.daily",
        "account.limits.burst",
    }


async def test_rotation_keeps_two_live_keys_at_most() -> None:
    """Two, so that a caller can change over; not three, so that nobody forgets one."""
    office = FakeAdministration()
    first = await office.ask("CreateAccount", account=new_account(), issue_key=True)
    office.clock.advance(1)
    second = await office.ask("RotateKey", account="01/mot-cua", grace=Duration(seconds=100))
    assert [key.key_id for key in second.ending] == [first.key.key_id]
    with refused("FAILED_PRECONDITION", Reason.STATE_CONFLICT):
        await office.ask("IssueKey", account="01/mot-cua")
    office.clock.advance(1)
    await office.ask("RotateKey", account="01/mot-cua", grace=Duration(seconds=100))
    with refused("UNAUTHENTICATED", Reason.KEY_EXPIRED):
        await office.ask("ListKeys", by=first.secret_key)
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
        await office.ask("ListKeys", by=second.secret_key)
    office.clock.advance(100)
    with refused("UNAUTHENTICATED", Reason.KEY_EXPIRED):
        await office.ask("ListKeys", by=second.secret_key)


async def test_lists_are_paged_without_loss() -> None:
    """An account that no page shows is one that nobody reviews."""
    office = FakeAdministration()
    for number in range(5):
        await office.ask("CreateAccount", account=new_account(f"01/a{number}"))
    names, token = [], ""
    while True:
        page = await office.ask("ListAccounts", organisation="01", page_size=2, page_token=token)
        names += [account.name for account in page.accounts]
        token = page.next_page_token
        if not token:
            break
    assert names == [*(f"01/a{number}" for number in range(5)), "01/quan-tri", "01/quan-tri-2"]
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST):
        await office.ask("ListAccounts", page_token="!")


async def test_a_dead_store_is_unavailable_and_not_a_defect() -> None:
    """What a retry can cure says so."""
    office = FakeAdministration()
    office.store.gone = True
    with refused("UNAVAILABLE", Reason.ACCOUNTS_UNAVAILABLE) as refusal:
        await office.ask("ListAccounts")
    assert refusal[0].retry_after_seconds


async def asked(office: FakeAdministration, **fields: Any) -> Any:
    wanted = {"name": "mot-cua", "policy": POLICY, "justification": "Tiếp nhận hồ sơ"} | fields
    return await office.ask("RequestAccount", by="01/quan-tri", service=PUBLIC_SERVICE, **wanted)


async def test_a_request_is_decided_once_and_its_key_shown_once_to_the_asker() -> None:
    """The localities' wish: more accounts, without a key ever passing through a third hand."""
    office = FakeAdministration()
    request_id = (await asked(office)).request.id

    async def look(by: str) -> Any:
        return await office.ask("GetAccountRequest", by=by, service=PUBLIC_SERVICE, id=request_id)

    assert (await look("01/quan-tri")).secret_key == ""
    await office.ask("ApproveRequest", id=request_id, by="BCA/operator")
    with refused("FAILED_PRECONDITION", Reason.STATE_CONFLICT):
        await office.ask("RejectRequest", id=request_id, decision="không")
    assert (await look("01/quan-tri-2")).secret_key == ""
    with refused("NOT_FOUND", Reason.RESOURCE_NOT_FOUND):
        await look("BCA/quan-tri")
    shown = (await look("01/quan-tri")).secret_key
    assert shown.startswith("dck_")
    assert (await look("01/quan-tri")).secret_key == ""
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
        await office.ask("ListAccounts", by=shown)


async def test_a_rejected_request_says_why_and_makes_no_account() -> None:
    """The asker must know what to change."""
    office = FakeAdministration()
    request_id = (await asked(office)).request.id
    with refused("ALREADY_EXISTS", Reason.RESOURCE_EXISTS):
        await asked(office)
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST):
        await office.ask("RejectRequest", id=request_id)
    await office.ask("RejectRequest", id=request_id, decision="thiếu văn bản")
    (request,) = (await office.ask("ListAccountRequests", by="01/quan-tri-2", service=PUBLIC_SERVICE)).requests
    assert (request.state, request.decision) == (pb.ACCOUNT_REQUEST_STATE_REJECTED, "thiếu văn bản")
    with refused("NOT_FOUND", Reason.RESOURCE_NOT_FOUND):
        await office.ask("GetAccount", name="01/mot-cua")


async def test_only_an_organisations_administrator_asks() -> None:
    """The scope `account.request` is what makes it one."""
    office = FakeAdministration()
    made = await office.ask("CreateAccount", account=new_account(), issue_key=True)
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
        await office.ask("ListAccountRequests", by=made.secret_key, service=PUBLIC_SERVICE)
