"""Shedding: the rules as tables, and what they make of three times more calls than a worker can answer."""

from __future__ import annotations

import random

import pytest

from gateway.accounts.overload import Priority, comes_too_late, next_share, seconds_to_stay_away
from gateway.calls.in_flight import InFlight
from gateway.calls.shed import Shedder
from gateway.errors import DeadlineError, GatewayError, Reason, UnavailableError

_STEP_SECONDS = 0.02


@pytest.mark.parametrize(
    ("share", "delay", "before", "grows"),
    [
        (0.0, 0.0, 0.0, False), (0.0, 0.07, 0.07, False), (0.0, 0.09, 0.08, True), (0.3, 0.2, 0.2, True),
        (0.3, 0.07, 0.08, False), (0.3, 0.0, 0.2, False), (0.98, 5.0, 1.0, False),
    ],
)  # fmt: skip
def test_the_share_shed_grows_only_above_the_ceiling(share: float, delay: float, before: float, grows: bool) -> None:  # noqa: FBT001
    """A worker that keeps up refuses nobody, and some always pass to show whether it does."""
    after = next_share(share, delay=delay, before=before, ceiling=0.08)
    assert (after > share) == grows
    assert 0 <= after <= 0.98


def test_shedding_ends_soon_after_the_queue_is_gone() -> None:
    """Refusing without need is an outage of our own making."""
    share, steps = 0.98, 0
    while share:
        share, steps = next_share(share, delay=0.0, before=0.0, ceiling=0.08), steps + 1
    assert steps * _STEP_SECONDS < 1


@pytest.mark.parametrize(
    ("remaining", "delay", "late"),
    [(0.0, 0.0, True), (-1, 0, True), (0.001, 0, False), (0.1, 0.05, True), (1, 0.3, False)],
)
def test_a_call_that_cannot_be_answered_in_time_is_not_begun(remaining: float, delay: float, late: bool) -> None:  # noqa: FBT001
    """Its work would be thrown away."""
    assert comes_too_late(remaining, delay) == late


def test_callers_are_sent_away_for_longer_the_more_are_shed_and_not_in_step() -> None:
    """Those who come back together are the next overload."""
    assert seconds_to_stay_away(0.0, drawn=0.0) == 0.5
    assert seconds_to_stay_away(0.0, drawn=0.0) < seconds_to_stay_away(0.0, drawn=1.0)
    assert seconds_to_stay_away(0.9, drawn=0.5) > 3 * seconds_to_stay_away(0.0, drawn=0.5)


@pytest.mark.parametrize(
    ("in_flight", "interactive", "bulk"), [(0, True, True), (49, True, True), (50, True, False), (100, False, False)]
)
def test_bulk_is_shed_first_when_calls_pile_up(in_flight: int, interactive: bool, bulk: bool) -> None:  # noqa: FBT001
    """Behind a single question sits a citizen at a counter."""
    calls = InFlight()
    for _ in range(in_flight):
        calls.enter([])
    shedder = Shedder(in_flight=calls, max_in_flight=100, draw=lambda: 0.5)
    assert passes(shedder, Priority.INTERACTIVE) == interactive
    assert passes(shedder, Priority.BULK) == bulk


def test_a_delay_that_single_questions_bear_sheds_bulk() -> None:
    """Bulk goes before interactive."""
    shedder = Shedder(in_flight=InFlight(), max_in_flight=100, draw=lambda: 0.5)
    for _ in range(50):
        shedder.observe(0.05)
    assert shedder.share_of(Priority.INTERACTIVE) == 0
    assert shedder.share_of(Priority.BULK) > 0.9
    assert passes(shedder, Priority.INTERACTIVE)
    assert not passes(shedder, Priority.BULK)


def test_who_has_no_time_left_hears_deadline_and_who_has_too_little_hears_overloaded() -> None:
    """Only the second may come back: the first has left."""
    shedder = Shedder(in_flight=InFlight(), max_in_flight=100, draw=lambda: 0.99)
    shedder.observe(0.05)
    with pytest.raises(DeadlineError):
        shedder.check(Priority.INTERACTIVE, remaining_seconds=0.0)
    with pytest.raises(UnavailableError) as refusal:
        shedder.check(Priority.INTERACTIVE, remaining_seconds=0.09)
    assert refusal.value.reason is Reason.OVERLOADED
    assert refusal.value.retry_after_seconds is not None
    shedder.check(Priority.INTERACTIVE, remaining_seconds=1.0)
    shedder.check(Priority.INTERACTIVE, remaining_seconds=None)


@pytest.mark.parametrize("times", [1.5, 3.0])
def test_a_worker_offered_too_much_still_answers_what_it_can_and_in_time(times: float) -> None:
    """Without shedding the queue grows until everybody's answer comes too late."""
    in_time, shed, last_delay = simulate(times)
    assert in_time > 0.8
    assert shed > 0
    assert last_delay < 0.3


def test_a_worker_within_its_capacity_sheds_nobody() -> None:
    """Refusals cost callers more than a moment's wait."""
    in_time, shed, _ = simulate(0.9)
    assert shed == 0
    assert in_time > 0.85


def simulate(times: float, *, refusal_cost: float = 0.05) -> tuple[float, int, float]:
    """One worker of 1000 calls a second: goodput within a second ÷ that, calls shed, the delay in the end."""
    shedder = Shedder(in_flight=InFlight(), max_in_flight=10**6, draw=random.Random(1).random)
    capacity, steps = 1000.0, 500
    queued_seconds, in_time, shed = 0.0, 0, 0
    for _ in range(steps):
        shedder.observe(queued_seconds)
        for _ in range(int(times * capacity * _STEP_SECONDS)):
            if passes(shedder, Priority.INTERACTIVE):
                queued_seconds += 1 / capacity
                in_time += queued_seconds < 1.0
            else:
                queued_seconds += refusal_cost / capacity
                shed += 1
        queued_seconds = max(0.0, queued_seconds - _STEP_SECONDS)
    return in_time / (capacity * steps * _STEP_SECONDS), shed, queued_seconds


def passes(shedder: Shedder, priority: Priority) -> bool:
    try:
        shedder.check(priority, remaining_seconds=None)
    except GatewayError:
        return False
    return True
