"""The retry budget and the pauses."""

from __future__ import annotations

import pytest

from gateway.upstream.retries import LONGEST_SECONDS, RESERVE, RetryBudget, pause_seconds


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.2])
def test_retries_are_a_share_of_the_requests(share: float) -> None:
    """An outage must not double or treble the load on the system that is down."""
    budget = RetryBudget(share)
    granted = 0
    for _ in range(1_000):
        budget.requested()
        granted += budget.take()
        granted += budget.take()
    assert granted <= 1_000 * share + RESERVE
    assert granted >= 1_000 * share - 1


def test_a_quiet_upstream_may_retry_at_once() -> None:
    """One hiccup at night is cured without traffic to earn it."""
    budget = RetryBudget(0.1)
    assert [budget.take() for _ in range(4)] == [True, True, True, False]
    for _ in range(10):
        budget.requested()
    assert [budget.take() for _ in range(2)] == [True, False]


def test_quiet_hours_save_up_no_storm() -> None:
    """A day of good requests must not allow a thousand retries in a bad minute."""
    budget = RetryBudget(0.2)
    for _ in range(100_000):
        budget.requested()
    assert sum(budget.take() for _ in range(100)) == RESERVE


@pytest.mark.parametrize(
    ("attempt", "draw", "pause"),
    [(2, 0.0, 0.0), (2, 1.0, 0.05), (2, 0.5, 0.025), (3, 1.0, 0.1), (4, 1.0, 0.2), (12, 1.0, LONGEST_SECONDS)],
)
def test_pauses_double_are_drawn_whole_and_bounded(attempt: int, draw: float, pause: float) -> None:
    """Full jitter: callers that failed together must not come back together."""
    assert pause_seconds(attempt, draw=draw) == pytest.approx(pause)
