"""OWASP API Security Top 10 (2023) on fakes: who may see and do what. `docs/security-tests.md` lists all."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor

from dancu.account.v1 import account_pb2
from gateway.accounts.entries import AccountEntry
from gateway.accounts.model import AccountStatus, Limits
from gateway.accounts.rules import compiled
from gateway.audit.methods import RECEIPT_SERVICE
from gateway.audit.receipt import Receipt
from gateway.calls.authorise import may_call
from gateway.errors import Reason
from tests.fakes.accounts import PUBLIC_SERVICE, SERVICE, FakeAdministration
from tests.fakes.audit_desk import FakeAudit
from tests.fakes.gateway import FULL, FakeGateway, policy, refused
from tests.fakes.ledger import audit_record
from tests.fakes.national_db import AN

ROOT = Path(__file__).resolve().parents[2]
POLICY = account_pb2.Policy(methods=["citizen.lookup"], fields=["full_name"], procedures=["1.*"])


# API1:2023 Broken object level authorisation


async def test_api1_a_narrower_account_gets_no_more_from_a_copy_that_a_wider_one_filled() -> None:
    """API1: copies are whole records shared by everybody, so the way out is where rights must hold."""
    gateway = FakeGateway()
    assert (await gateway.lookup(AN.personal_number)).citizen == AN
    gateway.allow(policy=policy(fields=frozenset({"full_name"})))
    answer = await gateway.lookup(AN.personal_number)
    assert [field.name for field, _ in answer.citizen.ListFields()] == ["full_name"]
    with refused("PERMISSION_DENIED", Reason.FIELD_NOT_GRANTED):
        await gateway.lookup(AN.personal_number, mask=("full_name", "sex"))
    gateway.allow(policy=policy(methods=frozenset({"citizen.verify"})))
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
        await gateway.lookup(AN.personal_number)
    gateway.allow(policy=policy(procedures=frozenset({"2.*"})))
    with refused("PERMISSION_DENIED", Reason.PURPOSE_NOT_GRANTED):
        await gateway.lookup(AN.personal_number)
    assert len(gateway.national_db.asked) == 1
    gateway.allow()
    assert (await gateway.lookup(AN.personal_number)).citizen == AN  # what was narrowed is not what is kept


async def test_api1_an_identity_check_holds_on_a_copy_too() -> None:
    """API1: a copy that somebody else's question brought must not answer who cannot name the person."""
    gateway = FakeGateway()
    await gateway.lookup(AN.personal_number)
    gateway.allow(policy=policy(identity_check=True))
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST):
        await gateway.lookup(AN.personal_number)


async def test_api1_anothers_receipt_is_as_unknown_as_one_that_never_was() -> None:
    """API1: a record says who asked about whom; its proof is for the one who asked."""
    desk = FakeAudit()
    desk.let_in("01/a")
    desk.let_in("01/b")
    desk.let_in("02/a")
    (receipt,) = desk.hold([audit_record(account="01/a", organisation="01")])
    desk.proofs.signed = 1
    asked: dict[str, Any] = {"service": RECEIPT_SERVICE, "receipt": str(receipt)}
    assert (await desk.ask("GetInclusionProof", by="01/a", **asked)).record
    never = str(Receipt(receipt.origin, 7, hashlib.sha256(b"never").digest()))
    refusals = []
    for by, wanted in (("01/b", str(receipt)), ("02/a", str(receipt)), ("01/a", never)):
        with refused("NOT_FOUND", Reason.RECEIPT_NOT_FOUND) as refusal:
            await desk.ask("GetInclusionProof", by=by, service=RECEIPT_SERVICE, receipt=wanted)
        refusals.append((str(refusal[0]), refusal[0].metadata, refusal[0].violations))
    assert refusals == [refusals[0]] * 3


async def test_api1_account_requests_of_other_organisations_cannot_be_seen_or_listed() -> None:
    """API1: identifiers of requests are guessable times; the organisation is what decides."""
    office = FakeAdministration()
    wanted: dict[str, Any] = {"name": "moi", "policy": POLICY, "justification": "vì"}
    asked = (await office.ask("RequestAccount", by="01/quan-tri", service=PUBLIC_SERVICE, **wanted)).request
    refusals = []
    for request_id in (asked.id, "0000000000-000"):
        with refused("NOT_FOUND", Reason.RESOURCE_NOT_FOUND) as refusal:
            await office.ask("GetAccountRequest", by="BCA/quan-tri", service=PUBLIC_SERVICE, id=request_id)
        refusals.append((str(refusal[0]), refusal[0].metadata))
    assert refusals[0] == refusals[1]
    listed = await office.ask("ListAccountRequests", by="BCA/quan-tri", service=PUBLIC_SERVICE)
    assert list(listed.requests) == []
    own = await office.ask("ListAccountRequests", by="01/quan-tri-2", service=PUBLIC_SERVICE)
    assert [one.id for one in own.requests] == [asked.id]


async def test_api1_a_page_token_of_anothers_list_opens_nothing() -> None:
    """API1: a token is a position, not a right."""
    office = FakeAdministration()
    for number in range(3):
        wanted: dict[str, Any] = {"name": f"m{number}", "policy": POLICY, "justification": "vì"}
        await office.ask("RequestAccount", by="01/quan-tri", service=PUBLIC_SERVICE, **wanted)
    page = await office.ask("ListAccountRequests", by="01/quan-tri", service=PUBLIC_SERVICE, page_size=1)
    stolen = {"page_token": page.next_page_token, "service": PUBLIC_SERVICE}
    assert not (await office.ask("ListAccountRequests", by="BCA/quan-tri", **stolen)).requests


# API3:2023 Broken object property level authorisation


def _paths(descriptor: Descriptor, prefix: str = "") -> Iterator[str]:
    for field in descriptor.fields:
        yield prefix + field.name
        if field.message_type is not None and not field.message_type.full_name.startswith("google."):
            yield from _paths(field.message_type, f"{prefix}{field.name}.")


async def test_api3_every_field_of_a_citizen_alone_is_all_that_a_grant_of_it_shows() -> None:
    """API3: one field that slips through on one path is a disclosure to everybody who has that path."""
    gateway = FakeGateway()
    for path in _paths(AN.DESCRIPTOR):
        gateway.allow(policy=policy(fields=frozenset({path})))
        for mask in ((), (path,), ("*",)):
            told = (await gateway.lookup(AN.personal_number, mask=mask)).citizen
            seen, value = told, AN
            for name in path.split("."):
                assert {field.name for field, _ in seen.ListFields()} <= {name}, path
                seen, value = getattr(seen, name), getattr(value, name)
            assert seen == value, path
        with refused("PERMISSION_DENIED", Reason.FIELD_NOT_GRANTED):
            other = "surname" if path.partition(".")[0] != "surname" else "given_name"
            await gateway.lookup(AN.personal_number, mask=(path, other))


@pytest.mark.parametrize(
    ("mask", "forbidden"),
    [
        (("permanent_residence.detail",), "permanent_residence.detail"),
        (("full_name", "permanent_residence"), "permanent_residence"),
        (("legacy_number",), "legacy_number"),
    ],
)
async def test_api3_an_exclusion_holds_alone_within_its_parent_and_under_a_star(
    mask: tuple[str, ...], forbidden: str
) -> None:
    """API3: "everything but" must be that on every way to ask."""
    excluding = frozenset({"*", "!permanent_residence.detail", "!legacy_number"})
    gateway = FakeGateway(policy=compiled(policy(fields=excluding)))
    with refused("PERMISSION_DENIED", Reason.FIELD_NOT_GRANTED) as refusal:
        await gateway.lookup(AN.personal_number, mask=mask)
    assert refusal[0].metadata == {"field": forbidden}
    for everything in ((), ("*",), ("*", "full_name")):
        told = (await gateway.lookup(AN.personal_number, mask=everything)).citizen
        assert (told.permanent_residence.detail, told.legacy_number) == ("", "")
        assert (told.permanent_residence.province_code, told.full_name) == ("01", AN.full_name)


async def test_api3_an_account_cannot_write_what_is_not_its_to_write() -> None:
    """API3, mass assignment: status, role and policy version are not set by sending them."""
    office = FakeAdministration()
    wanted = account_pb2.Account(name="01/a", policy=POLICY, policy_version=99)
    made = (await office.ask("CreateAccount", account=wanted, by="BCA/operator")).account
    assert made.policy_version == 1
    await office.ask("SuspendAccount", name="01/a", by="BCA/operator")
    resumed = account_pb2.Account(name="01/a", policy=POLICY, status=account_pb2.STATUS_ACTIVE, policy_version=99)
    changed = (await office.ask("UpdateAccount", account=resumed, by="BCA/operator")).account
    assert (changed.status, changed.policy_version) == (account_pb2.STATUS_SUSPENDED, 1)
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
        promoted = account_pb2.Account(name="01/a", policy=POLICY, admin_role="operator")
        await office.ask("UpdateAccount", account=promoted, by="BCA/operator")


# API5:2023 Broken function level authorisation


async def test_api5_no_public_right_opens_any_method_of_the_admin_port() -> None:
    """API5: every administrative method, asked by an account with every scope there is."""
    office, desk = FakeAdministration(), FakeAudit()
    office.let_in(_with_everything("01/tat-ca"))
    key = office.key(office.whole("01/tat-ca").split("_")[1])
    assert key is not None
    admin = {name: method for name, method in office.methods.items() if name.startswith(SERVICE)}
    admin |= {name: method for name, method in desk.methods.items() if not name.startswith(RECEIPT_SERVICE)}
    assert len(admin) >= 30
    for name, method in admin.items():
        assert method.admin_roles, name
        assert not may_call(key.account, method), name
    for rpc, fields in _REQUESTS.items():
        with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
            await office.ask(rpc, by="01/tat-ca", **fields)


async def test_api5_an_administrator_looks_nobody_up() -> None:
    """API5: a role on the admin port is no right on the public one."""
    gateway = FakeGateway(policy=policy(methods=frozenset(), fields=frozenset(), procedures=frozenset()))
    entry = gateway._keys["testkey"]
    account = dataclasses.replace(entry.account, admin_role="administrator")
    gateway._keys["testkey"] = dataclasses.replace(entry, account=account)
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
        await gateway.lookup(AN.personal_number)


def _with_everything(name: str) -> AccountEntry:
    return AccountEntry(name, AccountStatus.ACTIVE, FULL, Limits())


_ACCOUNT = account_pb2.Account(name="01/a", policy=POLICY)
_ORGANISATION = account_pb2.Organisation(code="09", name="x")
_OFFICER = account_pb2.Officer(account="01/quan-tri", officer_id="cb-1")
_REQUESTS: dict[str, dict[str, Any]] = {
    "CreateOrganisation": {"organisation": _ORGANISATION}, "UpdateOrganisation": {"organisation": _ORGANISATION},
    "GetOrganisation": {"code": "01"}, "SuspendOrganisation": {"code": "01"}, "ListOrganisations": {},
    "CreateAccount": {"account": _ACCOUNT}, "UpdateAccount": {"account": _ACCOUNT}, "ListAccounts": {},
    "GetAccount": {"name": "01/a"}, "SuspendAccount": {"name": "01/a"}, "ResumeAccount": {"name": "01/a"},
    "CreateOfficer": {"officer": _OFFICER}, "UpdateOfficer": {"officer": _OFFICER}, "ListOfficers": {},
    "IssueKey": {"account": "01/a"}, "RotateKey": {"account": "01/a"}, "RevokeKey": {"account": "01/a"}, "ListKeys": {},
    "ApproveRequest": {"id": "x"}, "RejectRequest": {"id": "x", "decision": "x"}, "ListRequests": {},
    "ExplainAccess": {"account": "01/a", "method": "citizen.lookup"}, "ExportTree": {}, "ApplyTree": {},
}  # fmt: skip
"""Valid requests of administrative methods: rights are looked at once a request is readable."""
