"""Step 5: whether there is room for the call now.

Owns the order of the gates: the worker's own room first (it costs nothing), then the account's calls under way, then
rate and quota, which may ask Redis. What a gate took is given back when the call ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.accounts.model import Account, LimitNode
from gateway.errors import LimitExceededError, QuotaViolation, Reason, UnavailableError
from gateway.ports import Admission, Limiter

_RETRY_SOON_SECONDS = 0.25


class InFlight:
    """Calls under way in this worker, in all and by node."""

    def __init__(self, *, ceiling: int) -> None:
        """`ceiling`: calls beyond which the worker is overloaded."""
        self._ceiling = ceiling
        self._total = 0
        self._by_node: Counter[str] = Counter()

    @contextmanager
    def entered(self, account: Account) -> Iterator[None]:
        """Count the call while it is under way.

        Raises `UnavailableError` (OVERLOADED) or `LimitExceededError` (TOO_MANY_IN_FLIGHT).
        """
        if self._total >= self._ceiling:
            raise UnavailableError(Reason.OVERLOADED, retry_after_seconds=_RETRY_SOON_SECONDS)
        capped = [node.name for node in account.nodes if node.limits.in_flight is not None]
        for node in account.nodes:
            limit = node.limits.in_flight
            if limit is not None and self._by_node[node.name] >= limit:
                raise LimitExceededError(
                    Reason.TOO_MANY_IN_FLIGHT,
                    retry_after_seconds=_RETRY_SOON_SECONDS,
                    quota=QuotaViolation(node.name, f"at most {limit} calls under way"),
                )
        self._total += 1
        self._by_node.update(capped)
        try:
            yield
        finally:
            self._total -= 1
            self._by_node.subtract(capped)


async def admit(account: Account, cost: int, *, limiter: Limiter) -> tuple[tuple[str, str], ...]:
    """Take `cost` citizens from the account's limits; returns the RateLimit metadata of the answer.

    Raises `LimitExceededError` with an exact time to come back.
    """
    limited = tuple(node for node in account.nodes if node.limits.rate is not None)
    if not limited:
        return ()
    admission = await limiter.admit(limited, cost)
    if admission.refused_by is not None:
        node = admission.refused_by
        raise LimitExceededError(
            Reason.RATE_LIMITED,
            retry_after_seconds=admission.retry_after_seconds,
            quota=QuotaViolation(node.name, f"at most {node.limits.rate} citizens per second"),
        )
    return rate_limit_metadata(tightest(limited), admission)


def tightest(nodes: tuple[LimitNode, ...]) -> LimitNode:
    """The node with the lowest rate; `nodes` all have one."""
    return min(nodes, key=lambda node: node.limits.rate or 0)


def rate_limit_metadata(node: LimitNode, admission: Admission) -> tuple[tuple[str, str], ...]:
    """The fields of draft-ietf-httpapi-ratelimit-headers for one node: its quota per second and what is left."""
    kind = node.name.partition(":")[0]
    return (
        ("ratelimit", f'"{kind}";r={admission.remaining or 0};t=1'),
        ("ratelimit-policy", f'"{kind}";q={node.limits.rate};w=1'),
    )
