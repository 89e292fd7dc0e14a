"""The tree as a file: what is exported and applied again changes nothing, and every mistake is told."""

from __future__ import annotations

import contextlib
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dancu.account.v1 import account_pb2 as pb
from dancu.cli.account_toml import TreeFileError, from_toml, to_toml
from gateway.accounts.entries import AccountEntry, BindingEntry, OfficerEntry, OrganisationEntry, OrganisationKind
from gateway.accounts.model import AccountStatus, BindingKind, Limits, Policy
from gateway.accounts.tree import Tree, changes_between
from gateway.accounts.whole_tree import tree_from_wire, tree_to_wire
from gateway.accounts.wire import LIMIT_NAMES
from tests.fakes.accounts import FakeAdministration

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/examples/accounts.toml"
UNLIMITED = "misses_unlimited"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.text("abz09_.-", min_size=1, max_size=8)
STATUSES = st.sampled_from(AccountStatus)
TIMES = st.none() | st.integers(1, 253_402_300_799)
NUMBERS = st.dictionaries(st.sampled_from([one for one in LIMIT_NAMES if one != UNLIMITED]), st.integers(1, 10**9))
LIMITS = st.builds(
    lambda held, *, unlimited: replace(Limits(), **held, misses_unlimited=unlimited and "misses_per_hour" not in held),
    NUMBERS,
    unlimited=st.booleans(),
)
RULES = st.frozensets(st.sampled_from(["*", "a.*", "!a.b", "sex"]))
SPANS = st.timedeltas(timedelta(0), timedelta(days=30))
POLICIES = st.builds(
    Policy,
    version=st.just(1),
    methods=RULES,
    fields=RULES,
    procedures=RULES,
    officer_required=st.booleans(),
    identity_check=st.booleans(),
    staleness_ceiling=SPANS,
    stale_if_error=st.none() | SPANS,
    confidential_until=st.none() | st.integers(1, 4_000_000_000).map(float),
    officer_limits=LIMITS,
    shadow=st.booleans(),
)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    codes = draw(st.lists(st.text("AZ01-", min_size=1, max_size=4), unique=True, min_size=1, max_size=3))
    organisations = [
        OrganisationEntry(code, draw(TEXTS), draw(st.sampled_from(OrganisationKind)), draw(STATUSES), draw(LIMITS))
        for code in sorted(codes)
    ]
    names = draw(st.sets(st.tuples(st.sampled_from(codes), NAMES), max_size=4))
    accounts = [
        AccountEntry(f"{code}/{name}", draw(STATUSES), draw(POLICIES), draw(LIMITS), draw(st.booleans()),
                     draw(st.sampled_from(["", "viewer"])), draw(TIMES))
        for code, name in names
    ]  # fmt: skip
    officers = [
        OfficerEntry(account.name, draw(NAMES), draw(TEXTS), draw(STATUSES), draw(LIMITS), draw(TIMES))
        for account in accounts
        if draw(st.booleans())
    ]
    values = st.text("abz09:/.-\"'\\# ", min_size=1, max_size=12)
    bindings = [
        BindingEntry(kind, value, account.name, draw(TEXTS), draw(STATUSES), 0, draw(TIMES))
        for account in accounts
        for kind, value in draw(st.dictionaries(st.sampled_from(BindingKind), values, max_size=2)).items()
    ]
    return Tree(
        organisations,
        sorted(accounts, key=lambda one: one.name),
        sorted(officers, key=lambda one: one.key),
        list({one.key: one for one in bindings}.values()),
    )


@given(tree=trees())
@settings(max_examples=60, deadline=None)
def test_what_is_exported_and_applied_again_changes_nothing(tree: Tree) -> None:
    """A machine that applies the file every hour must not touch anything."""
    again = tree_from_wire(from_toml(to_toml(tree_to_wire(tree))))
    assert changes_between(tree, again, suspend_missing=True) == []


@given(before=trees(), after=trees())
@settings(max_examples=40, deadline=None)
def test_changes_made_leave_nothing_to_change(before: Tree, after: Tree) -> None:
    """Applying twice is applying once."""
    present: dict[str, Any] = {str(entry): entry for entry in before.entries()}
    for change in changes_between(before, after, suspend_missing=True):
        present[str(change.after)] = change.after
    held = Tree([*(entry for entry in present.values() if isinstance(entry, OrganisationEntry))],
                [*(entry for entry in present.values() if isinstance(entry, AccountEntry))],
                [*(entry for entry in present.values() if isinstance(entry, OfficerEntry))],
                [*(entry for entry in present.values() if isinstance(entry, BindingEntry))])  # fmt: skip
    assert changes_between(held, after, suspend_missing=True) == []


def test_the_example_of_the_documentation_is_a_tree() -> None:
    """Whoever starts from the example must not start from a mistake."""
    tree = tree_from_wire(from_toml(EXAMPLE.read_text(encoding="utf-8")))
    assert tree.organisations
    assert tree.accounts
    assert tree.officers
    assert tree.bindings


def test_every_mistake_in_a_file_is_told_with_its_place() -> None:
    """A file of a thousand lines is corrected in one go."""
    text = """
    colour = "red"
    [organisation.01]
    kind = "realm"
    [organisation.01.account.a]
    methods = "citizen.lookup"
    limits = { rate = "many", speed = 1 }
    staleness_ceiling_seconds = 1e300
    not_after = "soon"
    officer = { cb-1 = 7 }
    binding = { "email:a@example.vn" = {}, "uri:urn:a" = { until = 2027-01-01 } }
    """
    with pytest.raises(TreeFileError) as wrong:
        from_toml(text)
    assert {mistake.partition(":")[0] for mistake in wrong.value.mistakes} == {
        "colour",
        "organisation.01.kind",
        "organisation.01.account.a.methods",
        "organisation.01.account.a.limits.rate",
        "organisation.01.account.a.limits.speed",
        "organisation.01.account.a.staleness_ceiling_seconds",
        "organisation.01.account.a.not_after",
        "organisation.01.account.a.officer.cb-1",
        'organisation.01.account.a.binding."email',
        'organisation.01.account.a.binding."uri',
    }


@given(text=st.text(st.sampled_from('[]{}="\n.,#a1-:'), max_size=60))
@settings(deadline=None)
def test_no_text_breaks_the_reader(text: str) -> None:
    """A file that is wrong is told so, never a traceback."""
    with contextlib.suppress(TreeFileError):
        assert isinstance(from_toml(text), pb.AccountTree)


async def test_a_tree_is_applied_whole_or_not_at_all_and_shown_before() -> None:
    """The difference that a person agreed to is the one that is made."""
    office = FakeAdministration()
    exported = await office.ask("ExportTree")
    assert not (await office.ask("ApplyTree", tree=exported.tree, suspend_missing=True)).changes
    tree = exported.tree
    tree.accounts.add(name="01/moi", policy=pb.Policy(methods=["citizen.lookup"]))
    tree.organisations[0].limits.rate = 7
    shown = await office.ask("ApplyTree", tree=tree, validate_only=True)
    assert {(one.subject, one.action, *one.details) for one in shown.changes} == {
        ("organisation 01", "update", "limits.rate: none -> 7"),
        ("account 01/moi", "create"),
    }
    assert (await office.ask("ExportTree")).version == exported.version
    assert (await office.ask("ApplyTree", tree=tree, expected_version=exported.version)).changes == shown.changes
    assert not (await office.ask("ApplyTree", tree=tree)).changes
    tree.accounts.pop()
    (gone,) = (await office.ask("ApplyTree", tree=tree, suspend_missing=True)).changes
    assert (gone.subject, gone.action) == ("account 01/moi", "suspend")


def test_every_limit_and_every_part_of_a_policy_can_be_managed() -> None:
    """What the contract cannot carry would be reset by the next update."""
    assert set(LIMIT_NAMES) == {field.name for field in fields(Limits)}
    carried = set(pb.Policy.DESCRIPTOR.fields_by_name)
    assert {field.name for field in fields(Policy)} - {"version", "field_rules"} == carried


def test_a_change_of_status_alone_is_named_so() -> None:
    """Who reads the difference must see a suspension at once."""
    entry = OrganisationEntry("01", "A", OrganisationKind.OTHER, AccountStatus.ACTIVE, Limits())
    suspended = replace(entry, status=AccountStatus.SUSPENDED)
    (change,) = changes_between(Tree([entry], [], []), Tree([suspended], [], []), suspend_missing=False)
    assert change.action == "suspend"
