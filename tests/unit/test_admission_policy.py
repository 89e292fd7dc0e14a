"""The pure rules of admission, as tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.gcra import Counted, take
from gateway.accounts.leases import LAST_FEW, granted_ahead, lease_seconds, smoothed_demand, wanted_ahead
from gateway.accounts.limit_nodes import limit_nodes, shown
from gateway.accounts.misses import after_misses, seconds_blocked
from gateway.accounts.model import Account, AccountStatus, LimitNode, Limits, Officer, Policy
from gateway.accounts.overload import Priority, priority_of
from gateway.accounts.quota import day_of, moment_of, seconds_to_midnight
from gateway.accounts.shares import share_of, share_of_rest
from gateway.calls.rate_limit_fields import rate_limit_fields
from gateway.errors import Reason
from gateway.ports import Admission


@pytest.mark.parametrize(
    ("demand", "ahead"),
    [(0, 0), (0.5, 0), (1, 1), (3, 4), (6, 9), (30, 9), (40, 10), (200, 50), (4000, 1000)],
)
def test_a_lease_is_as_large_as_the_caller_is_steady(demand: float, ahead: int) -> None:
    """Rare callers are counted one by one; from three a second on, one journey serves five calls or more."""
    assert wanted_ahead(demand) == ahead
    assert demand < 3 or wanted_ahead(demand) + 1 >= 5


@pytest.mark.parametrize(
    ("wanted", "left", "workers", "granted"),
    [(9, 199, 4, 9), (50, 199, 4, 37), (9, 30, 4, 4), (9, LAST_FEW, 1, 0), (9, 0, 4, 0), (9, 3, 2, 0), (0, 99, 1, 0)],
)
def test_a_lease_leaves_the_other_workers_their_part(wanted: int, left: int, workers: int, granted: int) -> None:
    """One worker must not starve the others, and the last few are taken one by one."""
    assert granted_ahead(wanted, left=left, workers=workers) == granted


@pytest.mark.parametrize(
    ("tokens", "demand", "seconds"), [(9, 0, 0.5), (9, 6, 3.0), (9, 3, 3.0), (50, 200, 0.5), (20, 20, 2.0)]
)
def test_a_lease_ends_soon_after_it_should_be_used(tokens: int, demand: float, seconds: float) -> None:
    """A caller who stops must not keep what others could use."""
    assert lease_seconds(tokens, demand=demand) == pytest.approx(seconds)


def test_demand_follows_the_caller_within_seconds_and_is_not_fooled_by_two_calls_at_once() -> None:
    """Leases follow from it."""
    assert smoothed_demand(0, used=2, elapsed_seconds=0.001) < 5
    demand = 0.0
    for _ in range(100):
        demand = smoothed_demand(demand, used=1, elapsed_seconds=0.02)
    assert demand == pytest.approx(50, rel=0.05)
    assert smoothed_demand(demand, used=1, elapsed_seconds=30) < 1
    assert smoothed_demand(7.0, used=3, elapsed_seconds=0) == 7.0


@given(
    rate=st.integers(1, 1000),
    burst=st.integers(1, 1000),
    gaps=st.lists(st.floats(0, 0.5), min_size=1, max_size=60),
    cost=st.integers(1, 20),
)
def test_no_pattern_of_calls_gets_more_than_the_rate_and_the_burst(
    rate: int, burst: int, gaps: list[float], cost: int
) -> None:
    """P4 over every window from rest; only a call larger than the burst may go over it, and waits for that after."""
    node = LimitNode("a", "01", Limits(rate=rate, burst=burst))
    counts: dict[str, Counted] = {}
    now, admitted = 1000.0, 0
    for gap in gaps:
        now += gap
        taken = take([node], cost, counts=counts, now=now, seconds_to_midnight=9)
        counts |= taken.counts
        admitted += cost if taken.refused_by is None else 0
        if taken.refused_by is not None:
            later = now + taken.retry_after_seconds + 1e-6
            assert take([node], cost, counts=counts, now=later, seconds_to_midnight=9).refused_by is None
        assert admitted <= max(burst, cost) + rate * (now - 1000.0) + 1e-3


@pytest.mark.parametrize(
    ("utc", "day", "left"),
    [
        ("2026-11-22T16:59:59", "2026-11-22", 1),
        ("2026-11-22T17:00:00", "2026-11-23", 86_400),
        ("2026-11-22T00:00:00", "2026-11-22", 17 * 3600),
    ],
)
def test_a_quotas_day_ends_at_midnight_in_vietnam(utc: str, day: str, left: float) -> None:
    """17:00 UTC."""
    now = datetime.fromisoformat(utc).replace(tzinfo=UTC).timestamp()
    assert datetime.fromtimestamp(day_of(now) * 86_400, UTC).date().isoformat() == day
    assert seconds_to_midnight(now) == left
    assert moment_of(day_of(now)) <= now < moment_of(day_of(now) + 1)


@pytest.mark.parametrize(("limit", "workers", "share"), [(10, 1, 10), (10, 4, 2), (3, 4, 1), (1, 8, 1)])
def test_a_cap_is_shared_evenly_but_never_to_nothing(limit: int, workers: int, share: int) -> None:
    """A share of nothing would shut the account out."""
    assert share_of(limit, workers) == share


@pytest.mark.parametrize(("used", "workers", "share"), [(0, 4, 25), (98, 4, 0), (100, 1, 0), (140, 2, 0), (60, 2, 20)])
def test_the_rest_of_a_quota_is_shared_and_never_overdrawn(used: int, workers: int, share: int) -> None:
    """A quota of the day has no second chance to be paid back."""
    assert share_of_rest(100, used, workers) == share


def account(officer_limits: Limits, **officers: Limits) -> Account:
    everything = frozenset("*")
    policy = Policy(1, everything, everything, everything, officer_limits=officer_limits)
    nodes = (LimitNode("organisation:01", "01", Limits()), LimitNode("account:01/a", "01", Limits()))
    known = {name: Officer(name, AccountStatus.ACTIVE, limits) for name, limits in officers.items()}
    return Account("01/a", "01", AccountStatus.ACTIVE, policy, nodes, officers=known)


@pytest.mark.parametrize(
    ("common", "own", "expected"),
    [
        (Limits(), Limits(), None),
        (Limits(rate=5), Limits(), Limits(rate=5)),
        (Limits(), Limits(rate=2), Limits(rate=2)),
        (Limits(rate=5, burst=9, daily=100), Limits(rate=2), Limits(rate=2, daily=100)),
        (Limits(rate=5, burst=9), Limits(daily=7), Limits(rate=5, burst=9, daily=7)),
    ],
)
def test_an_officers_limits_are_its_own_and_else_the_common_ones(
    common: Limits, own: Limits, expected: Limits | None
) -> None:
    """Decree 70/2024: the account is the agency's, and its people are told apart."""
    nodes = limit_nodes(account(common, officer=own), "officer")
    assert [node.limits for node in nodes[2:]] == ([] if expected is None else [expected])
    assert len(limit_nodes(account(common, officer=own), "")) == 2


def test_an_officer_is_not_named_in_keys_or_messages() -> None:
    """An officer may be called by a citizen number."""
    node = limit_nodes(account(Limits(rate=1)), "097090000001")[-1]
    assert "097090000001" not in node.name + repr(node) + shown(node)
    assert shown(node) == "officer:01/a"
    assert node.name != limit_nodes(account(Limits(rate=1)), "097090000002")[-1].name


@pytest.mark.parametrize(
    ("cost", "is_bulk", "priority"),
    [(1, False, Priority.INTERACTIVE), (9, False, Priority.INTERACTIVE), (10, False, Priority.BULK),
     (1, True, Priority.BULK)],
)  # fmt: skip
def test_what_is_bulk_is_told_by_method_or_size(cost: int, is_bulk: bool, priority: Priority) -> None:  # noqa: FBT001
    """A bulk call of one is a program's call all the same."""
    assert priority_of(cost, is_bulk=is_bulk) is priority


def test_a_budget_of_misses_blocks_when_it_is_used_up_and_forgives_evenly() -> None:
    """Trying numbers must stop paying after a few, and an honest office must get on in time."""
    limits = Limits(misses_per_hour=4)
    ahead = 0.0
    for _ in range(4):
        assert seconds_blocked(limits, ahead_seconds=ahead) == 0
        ahead = after_misses(limits, 1, ahead_seconds=ahead)
    assert seconds_blocked(limits, ahead_seconds=ahead) == 900
    assert seconds_blocked(limits, ahead_seconds=ahead - 900) == 0
    assert seconds_blocked(limits, ahead_seconds=after_misses(limits, 500, ahead_seconds=0)) <= 3600 + 900


NODES = (
    LimitNode("organisation:01", "01", Limits(daily=5000)),
    LimitNode("account:01/a", "01", Limits(rate=200, daily=900)),
    LimitNode("officer:01/a/f00", "01", Limits(rate=5), "x"),
)
POLICY = '"organisation-day";q=5000;w=86400, "account";q=200;w=1, "account-day";q=900;w=86400, "officer";q=5;w=1'


@pytest.mark.parametrize(
    ("nodes", "admission", "told", "policy"),
    [
        (NODES, Admission(None, 0, 3), '"officer";r=3;t=1', POLICY),
        (NODES, Admission(NODES[1], 0.2, 0, Reason.RATE_LIMITED), '"account";r=0;t=1', POLICY),
        (NODES, Admission(NODES[0], 7200.5, 0, Reason.DAILY_QUOTA_EXHAUSTED), '"organisation-day";r=0;t=7201', POLICY),
        (NODES[:1], Admission(None, 0, 12), '"organisation-day";r=12;t=86400', '"organisation-day";q=5000;w=86400'),
    ],
)
def test_the_ratelimit_fields_name_every_policy_and_the_tightest_of_them(
    nodes: tuple[LimitNode, ...], admission: Admission, told: str, policy: str
) -> None:
    """draft-ietf-httpapi-ratelimit-headers; callers pace themselves by it."""
    assert rate_limit_fields(nodes, admission) == (("ratelimit", told), ("ratelimit-policy", policy))
