"""Binding certificates and tokens to accounts: who may, what is refused, and that it opens and closes the account."""

from __future__ import annotations

from typing import Any

import pytest

from dancu.account.v1 import account_pb2 as pb
from dancu.account.v1.account_service_pb2 import ListAccountsRequest
from gateway.errors import InvalidRequestError, Reason
from gateway.model import Call, ClientCertificate
from tests.fakes.accounts import SERVICE, FakeAdministration
from tests.fakes.gateway import refused

URI = "spiffe://example.vn/mot-cua"


def binding(account: str = "01/quan-tri", **fields: Any) -> pb.Binding:
    values: dict[str, Any] = {"kind": pb.BINDING_KIND_URI, "value": URI, "account": account} | fields
    return pb.Binding(**values)


async def show(office: FakeAdministration) -> None:
    """Ask with a certificate of that name and nothing else."""
    shown = ClientCertificate("00" * 32, (URI,), (), office.clock.now() + 60)
    request = ListAccountsRequest().SerializeToString()
    await office.pipeline(Call(f"{SERVICE}/ListAccounts", request, {}, "192.0.2.7", None, shown))


async def test_an_administrators_certificate_needs_no_key() -> None:
    """Operators of a ministry have cards, not secrets in files."""
    office = FakeAdministration()
    with refused("UNAUTHENTICATED", Reason.CERTIFICATE_UNKNOWN):
        await show(office)
    await office.ask("AddBinding", binding=binding("BCA/viewer"))
    await show(office)
    assert office.records[-1].account == "BCA/viewer"
    await office.ask("RemoveBinding", kind=pb.BINDING_KIND_URI, value=URI)
    with refused("UNAUTHENTICATED", Reason.CERTIFICATE_UNKNOWN):
        await show(office)


async def test_what_is_bound_is_bound_once_and_can_be_bound_anew_once_removed() -> None:
    """A machine that moves to another account must not open both."""
    office = FakeAdministration()
    made = (await office.ask("AddBinding", binding=binding(label="m1"), request_id="r-1")).binding
    assert (made.label, made.status, made.created_at.seconds) == ("m1", pb.STATUS_ACTIVE, int(office.clock.now()))
    assert (await office.ask("AddBinding", binding=binding(label="m1"), request_id="r-1")).binding == made
    for account in ("01/quan-tri", "01/quan-tri-2"):
        with refused("ALREADY_EXISTS", Reason.RESOURCE_EXISTS):
            await office.ask("AddBinding", binding=binding(account))
    removed = (await office.ask("RemoveBinding", kind=pb.BINDING_KIND_URI, value=URI)).binding
    assert removed.status == pb.STATUS_SUSPENDED
    assert not (await office.ask("ListBindings")).bindings
    await office.ask("RemoveBinding", kind=pb.BINDING_KIND_URI, value=URI)
    await office.ask("AddBinding", binding=binding("01/quan-tri-2"))
    (listed,) = (await office.ask("ListBindings", account="01/quan-tri-2")).bindings
    assert listed.value == URI
    assert office.records[-2].target == f"binding uri:{URI} 01/quan-tri-2"


async def test_a_binding_moves_the_directory_only_when_something_changes() -> None:
    """Workers hear of each change, and of nothing else."""
    office = FakeAdministration()
    version = office.store.version_now
    await office.ask("AddBinding", binding=binding())
    for _ in range(2):
        await office.ask("RemoveBinding", kind=pb.BINDING_KIND_URI, value=URI)
    assert office.store.version_now == version + 2


async def test_an_operator_binds_nothing_to_an_account_with_a_role() -> None:
    """Otherwise an operator's certificate would make him an administrator."""
    office = FakeAdministration()
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
        await office.ask("AddBinding", binding=binding("BCA/administrator"), by="BCA/operator")
    await office.ask("AddBinding", binding=binding("BCA/administrator"))
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
        await office.ask("RemoveBinding", kind=pb.BINDING_KIND_URI, value=URI, by="BCA/operator")
    tree = (await office.ask("ExportTree")).tree
    tree.bindings[0].account = "01/quan-tri"
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED):
        await office.ask("ApplyTree", tree=tree, by="BCA/operator")


async def test_what_is_not_there_is_told_so() -> None:
    """A typing error must not look like a success."""
    office = FakeAdministration()
    with refused("NOT_FOUND", Reason.RESOURCE_NOT_FOUND) as refusal:
        await office.ask("AddBinding", binding=binding("01/nobody"))
    assert refusal[0].metadata == {"kind": "account"}
    with refused("NOT_FOUND", Reason.RESOURCE_NOT_FOUND) as refusal:
        await office.ask("RemoveBinding", kind=pb.BINDING_KIND_URI, value=URI)
    assert refusal[0].metadata == {"kind": "binding"}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pb.BINDING_KIND_UNSPECIFIED, "x"),
        (pb.BINDING_KIND_FINGERPRINT, "AB" * 32),
        (pb.BINDING_KIND_FINGERPRINT, "ab:" * 32),
        (pb.BINDING_KIND_URI, "no-scheme"),
        (pb.BINDING_KIND_URI, "urn:a b"),
        (pb.BINDING_KIND_DNS, "Upper.example.vn"),
        (pb.BINDING_KIND_DNS, "a..b"),
        (pb.BINDING_KIND_SUBJECT, ""),
        (pb.BINDING_KIND_SUBJECT, "hai từ"),
        (pb.BINDING_KIND_CLIENT, "x" * 401),
    ],
)
async def test_a_value_that_no_caller_could_show_is_refused(kind: pb.BindingKind.ValueType, value: str) -> None:
    """It would wait for ever, and its owner would wonder why."""
    office = FakeAdministration()
    with pytest.raises(InvalidRequestError) as wrong:
        await office.ask("AddBinding", binding=binding(kind=kind, value=value))
    assert [one.field for one in wrong.value.violations] == ["binding.value" if kind else "binding.kind"]


@pytest.mark.parametrize("value", ["097099000001", "vneid:097099000001", "012345678", "cn=097099000001,ou=x"])
async def test_a_citizens_number_names_no_binding(value: str) -> None:
    """P8: a record names its credential, and an issuer may call its subjects by their numbers."""
    office = FakeAdministration()
    with pytest.raises(InvalidRequestError) as wrong:
        await office.ask("AddBinding", binding=binding(kind=pb.BINDING_KIND_SUBJECT, value=value))
    assert value not in str(wrong.value.violations)


@pytest.mark.parametrize("value", ["0f8fad5b-d9cb-469f-a165-70867728950e", "portal-2024", "a1234567890123"])
async def test_identifiers_with_digits_are_no_numbers(value: str) -> None:
    """Most issuers call their subjects by UUIDs."""
    await FakeAdministration().ask("AddBinding", binding=binding(kind=pb.BINDING_KIND_SUBJECT, value=value))


async def test_the_tree_carries_bindings_that_are_in_force_and_applies_them() -> None:
    """Ways in live in git with the rights they open."""
    office = FakeAdministration()
    await office.ask("AddBinding", binding=binding())
    exported = (await office.ask("ExportTree")).tree
    assert [(one.value, one.HasField("created_at")) for one in exported.bindings] == [(URI, False)]
    assert not (await office.ask("ApplyTree", tree=exported, suspend_missing=True)).changes
    exported.bindings.add(kind=pb.BINDING_KIND_CLIENT, value="portal", account="01/quan-tri-2")
    (added,) = (await office.ask("ApplyTree", tree=exported)).changes
    assert (added.subject, added.action) == ("binding client:portal", "create")
    exported.bindings[0].account = "01/quan-tri-2"
    (moved,) = (await office.ask("ApplyTree", tree=exported)).changes
    assert list(moved.details) == ["account: 01/quan-tri -> 01/quan-tri-2"]
    made = {one.value: one.created_at.seconds for one in (await office.ask("ListBindings")).bindings}
    assert made == {URI: int(office.clock.now()), "portal": int(office.clock.now())}
    del exported.bindings[:]
    assert not (await office.ask("ApplyTree", tree=exported)).changes
    ended = (await office.ask("ApplyTree", tree=exported, suspend_missing=True)).changes
    assert {one.action for one in ended} == {"suspend"}
    assert not (await office.ask("ExportTree")).tree.bindings


async def test_a_tree_with_a_binding_to_nobody_or_twice_is_refused() -> None:
    """Half a tree applied is a tree nobody wrote."""
    office = FakeAdministration()
    tree = pb.AccountTree(bindings=[binding("01/nobody"), binding("01/quan-tri"), binding("01/quan-tri-2")])
    with pytest.raises(InvalidRequestError) as wrong:
        await office.ask("ApplyTree", tree=tree)
    assert {one.field for one in wrong.value.violations} == {f"tree.bindings[{at}]" for at in range(3)}
