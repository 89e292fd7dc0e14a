"""Step 5: whether there is room for the call now.

Owns the order of the gates: the worker's own room first (it costs nothing), then the account's calls under way, its
budget of misses, and last rate and quota, which may ask Redis. Refuses to know how any of them is counted.

    Overloaded?      OVERLOADED             bulk before interactive; holds for accounts in shadow mode too
                     DEADLINE_EXCEEDED      nobody waits for the answer any more
    In flight        TOO_MANY_IN_FLIGHT     of the organisation, the account, the officer
    Misses           ENUMERATION_SUSPECTED  debited once the answer is known, before it is told
    Rate and quota   RATE_LIMITED, DAILY_QUOTA_EXHAUSTED
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.accounts.limit_nodes import limit_nodes, shown
from gateway.accounts.misses import MISSES
from gateway.accounts.model import LimitNode
from gateway.accounts.overload import priority_of
from gateway.calls.in_flight import Entered, InFlight
from gateway.calls.inquiry import Inquiry
from gateway.calls.rate_limit_fields import rate_limit_fields
from gateway.calls.shed import Shedder
from gateway.errors import LimitExceededError, QuotaViolation, Reason
from gateway.ports import Admission, CallObserver, Clock, Limiter, MissBudget

_RETRY_SOON_SECONDS = 0.25


class Gate:
    """Admits calls into one worker."""

    def __init__(
        self,
        *,
        limiter: Limiter,
        misses: MissBudget,
        in_flight: InFlight,
        shedder: Shedder,
        observer: CallObserver,
        clock: Clock,
    ) -> None:
        """`shedder` and this gate look at the same `in_flight`."""
        self._limiter = limiter
        self._misses = misses
        self._in_flight = in_flight
        self._shedder = shedder
        self._observer = observer
        self._clock = clock

    def enter(self, inquiry: Inquiry, cost: int) -> Entered:
        """Take a place among the calls under way, for as long as the returned block lasts; notes the call's nodes.

        Raises `UnavailableError` (OVERLOADED), `DeadlineError` or `LimitExceededError` (TOO_MANY_IN_FLIGHT).
        """
        assert inquiry.account is not None
        deadline = inquiry.call.deadline
        self._shedder.check(
            priority_of(cost, is_bulk=inquiry.method.is_bulk),
            remaining_seconds=None if deadline is None else deadline - self._clock.monotonic(),
        )
        purpose = inquiry.question.purpose if inquiry.question is not None else None
        nodes = inquiry.limit_nodes = limit_nodes(inquiry.account, "" if purpose is None else purpose.officer_id)
        full = self._in_flight.full(nodes)
        if full is not None:
            self._refuse(
                inquiry,
                LimitExceededError(
                    Reason.TOO_MANY_IN_FLIGHT,
                    retry_after_seconds=_RETRY_SOON_SECONDS,
                    quota=QuotaViolation(shown(full), f"at most {full.limits.in_flight} calls under way"),
                    metadata={"limit": shown(full)},
                ),
            )
        return self._in_flight.enter(nodes)

    async def take(self, inquiry: Inquiry, cost: int) -> None:
        """Take `cost` citizens from every limit, or none; notes the RateLimit fields of the answer or refusal.

        Raises `LimitExceededError` with an exact time to come back.
        """
        budgets = [node for node in inquiry.limit_nodes if node.limits.misses_per_hour is not None]
        blocked = self._misses.blocked(budgets) if budgets else None
        if blocked is not None:
            node, wait = blocked
            self._refuse(
                inquiry,
                LimitExceededError(
                    Reason.ENUMERATION_SUSPECTED,
                    retry_after_seconds=wait,
                    quota=QuotaViolation(shown(node), f"at most {node.limits.misses_per_hour} misses per hour"),
                    metadata={"limit": shown(node)},
                ),
            )
        limited = tuple(
            [node for node in inquiry.limit_nodes if node.limits.rate is not None or node.limits.daily is not None]
        )
        if not limited or not cost:
            return
        admission = await self._limiter.admit(limited, cost)
        inquiry.rate_limit = rate_limit_fields(limited, admission)
        if admission.refused_by is not None:
            self._refuse(inquiry, _exceeded(admission.refused_by, admission))

    async def settle(self, nodes: Sequence[LimitNode], outcomes: Iterable[Reason | None]) -> None:
        """Debit the misses of a call, before its answer is told; `outcomes` of its citizens."""
        missed = len([outcome for outcome in outcomes if outcome is not None and outcome in MISSES])
        budgets = [node for node in nodes if node.limits.misses_per_hour is not None] if missed else ()
        if budgets:
            await self._misses.debit(budgets, missed)

    def _refuse(self, inquiry: Inquiry, refusal: LimitExceededError) -> None:
        assert inquiry.account is not None
        if not inquiry.account.policy.shadow:
            raise refusal
        self._observer.would_refuse(refusal.reason.name)


def _exceeded(node: LimitNode, admission: Admission) -> LimitExceededError:
    metadata = {"limit": shown(node)}
    if admission.reason is Reason.DAILY_QUOTA_EXHAUSTED:
        return LimitExceededError(
            Reason.DAILY_QUOTA_EXHAUSTED,
            retry_after_seconds=admission.retry_after_seconds,
            quota=QuotaViolation(shown(node), f"at most {node.limits.daily} citizens per day"),
            metadata=metadata,
        )
    return LimitExceededError(
        Reason.RATE_LIMITED,
        retry_after_seconds=admission.retry_after_seconds,
        quota=QuotaViolation(shown(node), f"at most {node.limits.rate} citizens per second"),
        metadata=metadata,
    )
