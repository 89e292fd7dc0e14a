"""Protection against enumeration is on unless somebody wrote that it shall not be (docs/decisions/0021)."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.demo import KEYED
from adapters.sql.policies import limits_from_json, limits_to_json
from dancu.account.v1 import account_pb2 as pb
from dancu.cli.account_toml import TreeFileError, from_toml, to_toml
from gateway.accounts.entries import AccountEntry, OfficerEntry, OrganisationEntry, OrganisationKind
from gateway.accounts.limit_nodes import limit_nodes
from gateway.accounts.model import AccountStatus, Limits, Policy
from gateway.accounts.snapshot import account_of
from gateway.errors import Reason
from gateway.settings import Settings
from tests.fakes.accounts import FakeAdministration
from tests.fakes.gateway import refused

ACTIVE = AccountStatus.ACTIVE
ORGANISATION = OrganisationEntry("01", "Hà Nội", OrganisationKind.PROVINCE, ACTIVE, Limits())
NOTHING: frozenset[str] = frozenset()
NO_LIMITS = Limits()


def budgets(limits: Limits, *, officers: Limits = NO_LIMITS, officer: Limits | None = None) -> list[int | None]:
    """The budgets of organisation, account and, where there is a node, officer, with a default of 1000."""
    policy = Policy(1, NOTHING, NOTHING, NOTHING, officer_limits=officers)
    entry = AccountEntry("01/a", ACTIVE, policy, limits)
    registered = [] if officer is None else [OfficerEntry("01/a", "cb-1", "", ACTIVE, officer)]
    account = account_of(ORGANISATION, entry, registered, default_misses_per_hour=1000)
    return [node.limits.misses_per_hour for node in limit_nodes(account, "cb-1")]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(), [None, 1000]),
        (Limits(rate=200), [None, 1000]),
        (Limits(misses_per_hour=7), [None, 7]),
        (Limits(misses_per_hour=5000), [None, 5000]),
        (Limits(misses_unlimited=True), [None, None]),
    ],
)
def test_an_account_that_says_nothing_of_misses_has_the_gateways_budget(
    limits: Limits, expected: list[int | None]
) -> None:
    """Whoever forgets the limit must not open the door; whoever means it must be able to."""
    assert budgets(limits) == expected


def test_officers_have_no_default_and_may_be_freed_from_the_common_budget() -> None:
    """The account's budget holds for all of them together; below it, what is written counts."""
    assert budgets(Limits(), officer=Limits(rate=1)) == [None, 1000, None]
    assert budgets(Limits(), officers=Limits(misses_per_hour=9)) == [None, 1000, 9]
    assert budgets(Limits(), officers=Limits(misses_per_hour=9), officer=Limits(rate=1)) == [None, 1000, 9]
    freed = budgets(Limits(), officers=Limits(rate=1, misses_per_hour=9), officer=Limits(misses_unlimited=True))
    assert freed == [None, 1000, None]


def test_the_default_is_on_and_the_bench_account_says_that_it_has_none() -> None:
    """DESIGN §7: `DANCU_BENCH_KEY` is without limits, by a statement and not by an omission."""
    assert Settings().admission.default_misses_per_hour == 1000
    stated = {account.variable: account.limits for account in KEYED}
    assert stated["DANCU_BENCH_KEY"] == Limits(misses_unlimited=True)
    assert stated["DANCU_API_KEY"].misses_per_hour is None
    assert not stated["DANCU_API_KEY"].misses_unlimited


@pytest.mark.parametrize("limits", [Limits(), Limits(misses_unlimited=True), Limits(rate=1, misses_per_hour=1)])
def test_unset_unlimited_and_a_number_stay_apart_on_every_way(limits: Limits) -> None:
    """What an export or a store forgets is changed by nobody's decision."""
    assert limits_from_json(limits_to_json(limits)) == limits
    assert limits_to_json(Limits()) == {}
    stated: dict[str, Any] = {**limits_to_json(limits)}
    tree = pb.AccountTree(accounts=[pb.Account(name="01/a", limits=pb.Limits(**stated))])
    tree.organisations.add(code="01", name="x")
    again = from_toml(to_toml(tree))
    assert again.accounts[0].limits == tree.accounts[0].limits


@pytest.mark.parametrize("stated", ["misses_unlimited = 1", 'misses_unlimited = "yes"', "misses_per_hour = true"])
def test_a_file_that_states_a_budget_wrongly_is_told(stated: str) -> None:
    """A budget that is dropped for its spelling protects nobody."""
    with pytest.raises(TreeFileError) as wrong:
        from_toml(f'[organisation.01]\nname = "x"\nlimits = {{ {stated} }}')
    assert len(wrong.value.mistakes) == 1


async def test_a_budget_and_none_exclude_each_other() -> None:
    """Of two statements that contradict each other neither may win in silence."""
    office = FakeAdministration()
    limits = pb.Limits(misses_per_hour=5, misses_unlimited=True)
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST) as refusal:
        await office.ask("CreateAccount", account=pb.Account(name="01/a", limits=limits))
    assert [one.field for one in refusal[0].violations] == ["account.limits.misses_unlimited"]


async def test_explain_tells_the_limits_in_force_the_gateways_own_included() -> None:
    """An operator who reads "no limit" where one holds would look for the fault in the wrong place."""
    office = FakeAdministration()
    policy = pb.Policy(methods=["*"], shadow=True, officer_limits=pb.Limits(rate=3))
    await office.ask(
        "CreateAccount", account=pb.Account(name="01/a", policy=policy, limits=pb.Limits(rate=50)), issue_key=True
    )
    told: Any = await office.ask("ExplainAccess", account="01/a", method="citizen.lookup", officer_id="cb-1")
    limits = {one.subject: one.rule for one in told.verdicts if one.subject.startswith("limit:")}
    note = " (shadow: counted, refuses nothing)"
    assert limits == {
        "limit:account:01/a": f"rate 50, misses_per_hour 1000{note}",
        "limit:officer:01/a": f"rate 3{note}",
    }
    assert told.allowed
