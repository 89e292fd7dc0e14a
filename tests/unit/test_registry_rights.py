"""How rights on registries' fields are spelled in policies, and what they come to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dancu.account.v1 import account_pb2
from dancu.registry.v1 import social_insurance_pb2
from gateway.accounts.checks import check_policy
from gateway.accounts.explain import explain
from gateway.accounts.model import Account, AccountStatus
from gateway.accounts.rules import compiled
from gateway.citizens.fields import Selection, citizen_selection, first_path_not_granted, selection
from gateway.registries.kinds import REGISTRIES
from gateway.registries.rights import granted_within, is_field, qualified
from tests.fakes.gateway import policy
from tests.fakes.registries import AN_INSURANCE

INSURANCE = next(kind for kind in REGISTRIES if kind.name == "social_insurance")


@pytest.mark.parametrize(
    ("rule", "known"),
    [
        ("full_name", True),
        ("household.head.full_name", True),
        ("social_insurance", True),
        ("social_insurance.book_number", True),
        ("social_insurance.contributions.employer_name", True),
        ("enterprises.entries.owner.personal_number", True),
        ("book_number", False),
        ("social_insurance.*", False),
        ("social_insurance.entries", False),
        ("civil_status.book_number", False),
        ("unknown_registry", False),
        ("social_insurance.", False),
        ("", False),
    ],
)
def test_a_rule_names_a_field_of_citizen_a_registry_or_a_field_of_one(rule: str, known: bool) -> None:  # noqa: FBT001
    """A mistyped rule grants or forbids nothing, and must not go unnoticed."""
    assert is_field(rule) == known
    message = account_pb2.Policy(methods=["*"], fields=[rule], procedures=["*"])
    assert bool(check_policy(message, scopes={"citizen.lookup"}, at="policy")) == (not known)


@pytest.mark.parametrize(
    ("fields", "within"),
    [
        ({"*"}, {"*"}),
        ({"social_insurance"}, {"*"}),
        ({"social_insurance.book_number", "full_name"}, {"book_number"}),
        ({"social_insurance.health_card.group_code"}, {"health_card.group_code"}),
        ({"full_name", "civil_status"}, set()),
        ({"social_insurance_2.book_number"}, set()),
        (set(), set()),
    ],
)
def test_rights_within_a_registry_are_those_that_bear_its_name(fields: set[str], within: set[str]) -> None:
    """Everything means everything; a right on another registry means nothing here."""
    assert granted_within(INSURANCE, frozenset(fields)) == frozenset(within)


def test_a_prohibition_takes_a_part_out_of_everything_and_leaves_the_other_registries_whole() -> None:
    """`*` with one `!` must not lose five registries on the way."""
    rules = frozenset({"*", "!social_insurance.benefits", "!father", "!civil_status"})
    fields = compiled(policy(fields=rules)).fields
    assert {
        "full_name",
        "enterprises",
        "digital_identity",
        "driving_licences",
        "social_insurance.book_number",
    } <= fields
    assert not fields & {"father", "civil_status", "social_insurance", "social_insurance.benefits"}
    assert first_path_not_granted(fields, ["social_insurance.benefits.kind"]) == "social_insurance.benefits.kind"
    assert granted_within(INSURANCE, fields) == {
        field.name for field in INSURANCE.descriptor.fields if field.name != "benefits"
    }


def test_explain_tells_which_rule_decides_on_a_registrys_field() -> None:
    """An operator finds the rule without reading code."""
    granted = compiled(policy(fields=frozenset({"social_insurance", "!social_insurance.benefits"})))
    account = Account("01/x", "01", AccountStatus.ACTIVE, granted, ())
    asked = ["social_insurance.book_number", "social_insurance.benefits", "civil_status"]
    verdicts = explain(account, "registry.social_insurance", fields=asked, procedure="", officer_id="", peer="", now=0)
    assert [(one.reason is None, one.rule) for one in verdicts[-3:]] == [
        (True, "social_insurance"), (False, "!social_insurance.benefits"), (False, ""),
    ]  # fmt: skip


def test_rights_on_registries_are_no_fields_of_a_citizen() -> None:
    """An account with both kinds of rights looks citizens up as before."""
    granted = frozenset({"full_name", "social_insurance", "enterprises.entries.name"})
    assert citizen_selection(granted, ()).paths == ("full_name",)


def test_paths_are_qualified_as_policies_spell_them() -> None:
    """One spelling in policies, refusals and the journal."""
    assert qualified(INSURANCE, ["book_number", "*"]) == ("social_insurance.book_number", "social_insurance")


PATHS = sorted(
    {field.name for field in INSURANCE.descriptor.fields}
    | {"contributions.kind", "contributions.monthly_base_dong", "health_card.group_code", "benefits.kind"}
)


@given(st.sets(st.sampled_from(PATHS), min_size=1))
def test_narrowing_leaves_exactly_the_selected_paths(paths: set[str]) -> None:
    """Nothing beside what was selected leaves, in lists too."""
    narrowed = Selection(social_insurance_pb2.SocialInsurance, tuple(sorted(paths))).narrow(AN_INSURANCE)
    for field, _ in narrowed.ListFields():
        assert field.name in {path.partition(".")[0] for path in paths}
    wages = [one.monthly_base_dong for one in AN_INSURANCE.contributions]
    shown = [one.monthly_base_dong for one in narrowed.contributions]
    if paths & {"contributions", "contributions.monthly_base_dong"}:
        assert shown == wages
    else:
        assert not any(shown)
    for name in paths & {field.name for field in INSURANCE.descriptor.fields}:
        assert getattr(narrowed, name) == getattr(AN_INSURANCE, name)
    assert narrowed is not AN_INSURANCE
    again = selection(social_insurance_pb2.SocialInsurance, frozenset({"*"}), ())
    assert again.narrow(AN_INSURANCE) is AN_INSURANCE
