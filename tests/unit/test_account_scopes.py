"""Rules on methods speak of scopes that exist, wherever a policy is written."""

from __future__ import annotations

from typing import Any

import pytest

from dancu.account.v1 import account_pb2 as pb
from gateway.errors import Reason, Violation
from tests.fakes.accounts import PUBLIC_SERVICE, FakeAdministration
from tests.fakes.gateway import refused

RULES = ["citizen.lookup", "citizn.lookup", "foo.bar", "!foo.*", "citizen.lookups", "!citizen.*", "registry.civil_stat"]
UNKNOWN = (1, 2, 3, 4, 6)


def account(*rules: str) -> pb.Account:
    return pb.Account(name="01/mot-cua", policy=pb.Policy(methods=rules, fields=["*"], procedures=["*"]))


async def test_a_rule_that_matches_no_scope_is_refused_by_its_position_wherever_it_is_written() -> None:
    """A mistyped grant would grant nothing, a mistyped prohibition forbid nothing, and nobody would be told."""
    office = FakeAdministration()
    await office.ask("CreateAccount", account=account("citizen.lookup"))
    wrong = account(*RULES)
    for rpc, prefix, fields in (
        ("CreateAccount", "account", {"account": wrong}),
        ("UpdateAccount", "account", {"account": wrong}),
        ("ApplyTree", "tree.accounts[0]", {"tree": pb.AccountTree(accounts=[wrong])}),
    ):
        with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
            await office.ask(rpc, **fields)
        assert refusal[0].violations == tuple(
            Violation(f"{prefix}.policy.methods[{at}]", "is not valid here", "không hợp lệ ở đây") for at in UNKNOWN
        )
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await office.ask(
            "RequestAccount",
            by="01/quan-tri",
            service=PUBLIC_SERVICE,
            name="moi",
            policy=wrong.policy,
            justification="Tiếp nhận hồ sơ",
        )
    assert [one.field for one in refusal[0].violations] == [f"policy.methods[{at}]" for at in UNKNOWN]


@pytest.mark.parametrize(
    "rule",
    ["*", "!*", "citizen.*", "citizen*", "!citizen.verify", "registry.*", "registry.civil_status", "account.request"],
)
async def test_a_rule_that_matches_a_scope_is_written(rule: str) -> None:
    """What is granted today must still be granted; `account.request` is a scope like those of lookups."""
    office = FakeAdministration()
    made = (await office.ask("CreateAccount", account=account(rule))).account
    assert list(made.policy.methods) == [rule]


async def test_nothing_is_explained_of_what_does_not_exist() -> None:
    """A verdict about a mistyped scope or field is believed, and the fault is sought elsewhere."""
    office = FakeAdministration()
    await office.ask("CreateAccount", account=account("*"), issue_key=True)
    fields = ["full_name", "ful_name", "*", "social_insurance.book_number", "social_insurance.bok"]
    for method in ("citizn.lookup", "account.manage", "dancu.citizen.v1.CitizenService/Lookup"):
        with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
            await office.ask("ExplainAccess", account="01/mot-cua", method=method, fields=fields)
        assert [one.field for one in refusal[0].violations] == ["method", "fields[1]", "fields[4]"]
    for method in ("citizen.lookup", "dancu.citizen.v1.CitizenService/LookupCitizen"):
        assert (await office.ask("ExplainAccess", account="01/mot-cua", method=method, fields=fields[:1])).allowed


async def test_an_account_that_nothing_opens_is_not_explained_as_allowed() -> None:
    """The rules would let the call pass, but no caller ever gets as far as the rules."""
    office = FakeAdministration()
    await office.ask("CreateAccount", account=account("*"))

    async def explained() -> tuple[bool, str]:
        told = await office.ask("ExplainAccess", account="01/mot-cua", method="citizen.lookup")
        assert told.verdicts[0].subject == "key"
        return told.allowed, told.verdicts[0].reason

    assert await explained() == (False, "KEY_MISSING")
    await office.ask("IssueKey", account="01/mot-cua")
    assert await explained() == (True, "")
    await office.ask("RevokeKey", account="01/mot-cua")
    assert await explained() == (False, "KEY_EXPIRED")
    bound: dict[str, Any] = {"kind": pb.BINDING_KIND_URI, "value": "spiffe://example.vn/mot-cua"}
    await office.ask("AddBinding", binding=pb.Binding(account="01/mot-cua", **bound))
    assert await explained() == (True, "")
    await office.ask("RemoveBinding", **bound)
    assert await explained() == (False, "KEY_EXPIRED")
