"""Which refusals are worth another attempt, and when."""

from __future__ import annotations

from datetime import timedelta

import grpc
import pytest

from dancu.client import LimitExceeded, NotFound, Refused, RetryPolicy, Unavailable, Unreachable
from dancu.client.retries import RetryBudget


def unavailable(after: float | None = None) -> Unavailable:
    return Unavailable(
        code=grpc.StatusCode.UNAVAILABLE,
        reason="OVERLOADED",
        retry_after=None if after is None else timedelta(seconds=after),
    )


def limited(after: float | None) -> LimitExceeded:
    return LimitExceeded(reason="RATE_LIMITED", retry_after=None if after is None else timedelta(seconds=after))


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("asked", [0.0, 0.01, 0.3, 1.9, 1.999])
def test_a_pause_is_never_shorter_than_asked_nor_beyond_the_deadline(asked: float, chance: float) -> None:
    """Early feeds the overload; late is of no use to the caller."""
    pause = RetryPolicy().pause(unavailable(asked), attempt=1, remaining_seconds=2.0, chance=chance)
    assert pause is not None
    assert asked <= pause < 2.0


def test_callers_refused_together_do_not_return_together() -> None:
    """Without spread the overload comes back at the appointed second."""
    pauses = {
        RetryPolicy().pause(unavailable(1.0), attempt=1, remaining_seconds=60, chance=chance / 10)
        for chance in range(10)
    }
    assert len(pauses) == 10


@pytest.mark.parametrize(
    ("refused", "remaining"),
    [
        (unavailable(2.0), 2.0),
        (unavailable(None), 0.01),
        (unavailable(None), -1.0),
        (NotFound(reason="CITIZEN_NOT_FOUND"), 60.0),
        (limited(0.1), 60.0),
        (Refused(code=grpc.StatusCode.UNKNOWN), 60.0),
    ],
    ids=["beyond the deadline", "no time", "deadline passed", "no cure", "limit", "unknown"],
)
def test_no_attempt_follows_where_none_can_help(refused: Refused, remaining: float) -> None:
    """Each attempt costs the gateway work and the caller time."""
    assert RetryPolicy().pause(refused, attempt=1, remaining_seconds=remaining, chance=0.5) is None


def test_limits_are_waited_out_only_by_choice_and_only_with_a_time() -> None:
    """A limit is not a failure: the caller decides whether waiting is better."""
    patient = RetryPolicy(wait_for_limits=True)
    assert patient.pause(limited(0.1), attempt=1, remaining_seconds=2, chance=0) == pytest.approx(0.1)
    assert patient.pause(limited(None), attempt=1, remaining_seconds=2, chance=0) is None
    assert patient.pause(limited(3), attempt=1, remaining_seconds=2, chance=0) is None


def test_pauses_double_up_to_the_longest_where_the_gateway_names_none() -> None:
    """A gateway that is gone cannot say when it returns."""
    policy = RetryPolicy(max_attempts=10, first_pause_seconds=0.1, longest_pause_seconds=0.5)
    refused = Unreachable(reason="UNREACHABLE")
    pauses = [
        policy.pause(refused, attempt=attempt, remaining_seconds=60, chance=1.0 - 1e-9) for attempt in range(1, 6)
    ]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5])
    assert policy.pause(refused, attempt=1, remaining_seconds=60, chance=0) == pytest.approx(0.05)


def test_attempts_are_counted() -> None:
    """A deadline of minutes must not become thousands of attempts."""
    policy = RetryPolicy(max_attempts=3)
    pauses = [policy.pause(unavailable(0), attempt=attempt, remaining_seconds=60, chance=0) for attempt in (1, 2, 3)]
    assert [pause is None for pause in pauses] == [False, False, True]


def test_a_client_whose_calls_all_fail_stops_doubling_the_load_and_recovers_with_answers() -> None:
    """Retries of every caller at once keep an overloaded gateway down (gRFC A6)."""
    budget = RetryBudget(capacity=10, earned=0.5)
    assert [budget.may_retry() for _ in range(8)] == [True] * 4 + [False] * 4
    for _ in range(7):
        budget.answered()
    assert not budget.may_retry()
    for _ in range(100):
        budget.answered()
    assert [budget.may_retry() for _ in range(5)] == [True] * 4 + [False]
