"""The breaker: when an upstream is not asked, and how it is tried again."""

from __future__ import annotations

import pytest

from gateway.upstream.breaker import BUSY_PROBING_SECONDS, PROBES, Breaker, State
from gateway.upstream.policy import BreakerPolicy

POLICY = BreakerPolicy(window_seconds=10, min_requests=10, failure_ratio=0.5, open_seconds=4)


def breaker(draw: float = 0.5) -> Breaker:
    return Breaker(policy=POLICY, draw=lambda: draw)


def state_of(tested: Breaker) -> State:
    return tested.state


def ask(tested: Breaker, *, well: bool, now: float) -> None:
    assert tested.seconds_closed_to(now) is None
    tested.finished(tested.started(), well=well, now=now)


def opened(draw: float = 0.5) -> Breaker:
    tested = breaker(draw)
    for _ in range(POLICY.min_requests):
        ask(tested, well=False, now=100)
    assert state_of(tested) is State.OPEN
    return tested


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("F" * 9, State.CLOSED),
        ("F" * 10, State.OPEN),
        ("S" * 6 + "F" * 5, State.CLOSED),
        ("S" * 6 + "F" * 6, State.OPEN),
        ("F" * 5 + "S" * 100, State.CLOSED),
        ("F" * 5 + "S" * 5, State.CLOSED),
        ("F" * 5 + "S" * 4 + "F", State.OPEN),
        ("", State.CLOSED),
    ],
)
def test_it_opens_at_the_failure_rate_of_enough_requests(outcomes: str, state: State) -> None:
    """A single hiccup at night must not cut a country off; a real outage must not tie up every officer."""
    tested = breaker()
    for outcome in outcomes:
        ask(tested, well=outcome == "S", now=100)
    assert tested.state is state


def test_only_what_is_recent_counts() -> None:
    """Failures spread over an hour are life, not an outage."""
    tested = breaker()
    for minute in range(60):
        for _ in range(3):
            ask(tested, well=False, now=60.0 * minute)
    assert state_of(tested) is State.CLOSED
    for at in range(7):
        ask(tested, well=False, now=3541 + at)
    assert state_of(tested) is State.OPEN


@pytest.mark.parametrize(("draw", "period"), [(0.0, 2.0), (0.5, 4.0), (1.0, 6.0)])
def test_it_stays_open_for_a_drawn_period_and_says_how_long(draw: float, period: float) -> None:
    """RetryInfo must be true, and the workers of a country must not come back in the same second."""
    tested = opened(draw)
    assert tested.seconds_closed_to(100) == period
    assert tested.seconds_closed_to(101.5) == period - 1.5
    assert tested.seconds_closed_to(100 + period) is None
    assert state_of(tested) is State.PROBING


def test_a_bounded_number_of_probes_finds_out_and_closes_it() -> None:
    """A system that is coming back must not be met by everything that waited."""
    tested = opened()
    probes = []
    while tested.seconds_closed_to(104) is None:
        probes.append(tested.started())
    assert len(probes) == PROBES
    assert tested.seconds_closed_to(104) == BUSY_PROBING_SECONDS
    for probe in probes[:-1]:
        tested.finished(probe, well=True, now=105)
        assert tested.seconds_closed_to(105) == BUSY_PROBING_SECONDS
    tested.finished(probes[-1], well=True, now=105)
    assert state_of(tested) is State.CLOSED
    for _ in range(POLICY.min_requests - 1):
        ask(tested, well=False, now=105)
    assert state_of(tested) is State.CLOSED, "the failures from before must be forgotten"


def test_one_failed_probe_opens_it_again() -> None:
    """Two lucky answers are no recovery."""
    tested = opened()
    ask(tested, well=True, now=104)
    ask(tested, well=True, now=104)
    ask(tested, well=False, now=104.5)
    assert state_of(tested) is State.OPEN
    assert tested.seconds_closed_to(104.5) == 4


@pytest.mark.parametrize("well", [True, False])
def test_requests_from_before_decide_nothing(*, well: bool) -> None:
    """Answers that were under way when it opened arrive late: they are not news of now."""
    tested = breaker()
    old = [tested.started() for _ in range(20)]
    for _ in range(POLICY.min_requests):
        ask(tested, well=False, now=100)
    for era in old[:10]:
        tested.finished(era, well=well, now=101)
    assert tested.seconds_closed_to(101) == 3
    assert tested.seconds_closed_to(104) is None
    for era in old[10:]:
        tested.finished(era, well=well, now=104)
    assert state_of(tested) is State.PROBING


def test_a_probe_without_an_outcome_gives_its_place_back() -> None:
    """Otherwise a cancelled probe would keep the breaker from ever closing."""
    tested = opened()
    assert tested.seconds_closed_to(104) is None
    for _ in range(PROBES * 3):
        tested.abandoned(tested.started())
    for _ in range(PROBES):
        ask(tested, well=True, now=105)
    assert state_of(tested) is State.CLOSED
