"""What one worker has in hand and knows of each limit node. No I/O; bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from adapters.limit_counts import Ask
from gateway.accounts.model import LimitNode, Limits
from gateway.errors import Reason

_KEEP_SECONDS = 60.0
_SWEEP_ABOVE = 10_000


class Hold:
    """One node's tokens and knowledge. Times are of the worker's monotonic clock."""

    __slots__ = (
        *("node", "limits", "tokens", "expires", "demand", "spent", "counted_at", "left", "tat", "is_filling"),
        *("used", "day", "owed", "refused_until", "refused_need", "refused_for", "retry_at"),
        *("alone", "debt", "touched_at", "question", "waiting"),
    )

    def __init__(self, node: LimitNode, now: float) -> None:
        """Nothing in hand, nothing known."""
        self.node = node
        self.limits: Limits = node.limits
        self.tokens = 0
        """Citizens taken and not spent, good until `expires`."""
        self.expires = 0.0
        self.demand = 0.0
        self.spent = 0
        """Citizens spent since `counted_at`, from which `demand` is estimated."""
        self.counted_at = now
        self.left = 0
        self.tat = 0.0
        """The latest TAT seen: the true one is not earlier."""
        self.is_filling = False
        self.used = 0
        self.day = -1
        self.owed = 0
        """Citizens of today's quota to be counted at the next question, or given back (below 0)."""
        self.refused_until = 0.0
        """Until when a need of `refused_need` or more is refused for certain, and asking again would be in vain."""
        self.refused_need = 0
        self.refused_for: Reason | None = None
        self.retry_at = 0.0
        """When it will not be."""
        self.question: asyncio.Future[None] | None = None
        """The question under way for calls that end at this node."""
        self.waiting = 0
        """Citizens that such calls wait for meanwhile."""
        self.alone = 0
        """Citizens admitted since Redis is gone."""
        self.debt = 0
        """Citizens admitted alone when others may have counted together again."""
        self.touched_at = now

    def is_refused(self, cost: int, now: float) -> bool:
        """Whether `cost` is refused for certain."""
        return now < self.refused_until and cost - self.tokens >= self.refused_need

    def begin(self, day: int) -> None:
        """What is known and owed of a quota ends with its day."""
        if self.day != day:
            self.day, self.used, self.owed = day, 0, 0

    def lapse(self) -> None:
        """Let the tokens go: lost to the rate, given back to the quota."""
        if self.tokens and self.limits.daily is not None:
            self.owed -= self.tokens
            self.used -= self.tokens
        self.tokens = 0
        self.expires = 0.0

    def reserve(self, cost: int) -> int:
        """Take up to `cost` tokens out of the hand; returns how many."""
        own = min(self.tokens, cost)
        self.tokens -= own
        return own

    def release(self, own: int, ask: Ask, *, is_certain: bool) -> None:
        """Undo a question that took nothing; where that is not certain, nothing is given back a second time."""
        self.tokens += own
        self.owed += ask.owed if is_certain else max(0, ask.owed)
        self.debt += ask.debt
        if ask.ahead:
            self.is_filling = False

    def refuse(self, *, need: int, reason: Reason, known_until: float, retry_at: float) -> None:
        """Remember a refusal."""
        self.refused_need, self.refused_for = need, reason
        self.refused_until, self.retry_at = known_until, retry_at


def spend(holds: Sequence[Hold], cost: int) -> int | None:
    """Spend `cost` of every hold's tokens, or of none; what the tightest has left then, None where not all have it."""
    remaining = None
    for hold in holds:
        if hold.tokens < cost:
            return None
        rest = hold.tokens + hold.left - cost
        if remaining is None or rest < remaining:
            remaining = rest
    for hold in holds:
        hold.tokens -= cost
        hold.spent += cost
    return remaining


class Holds:
    """The holds by node name; those at rest are forgotten."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}
        self._sweep_above = _SWEEP_ABOVE

    def of(self, node: LimitNode, now: float) -> Hold:
        """The node's hold, its tokens gone if their time is up or the limits have changed since."""
        hold = self._holds.get(node.name)
        if hold is None:
            if len(self._holds) >= self._sweep_above:
                self._forget(now)
            hold = self._holds[node.name] = Hold(node, now)
        elif hold.limits is not node.limits and hold.limits != node.limits:
            hold.lapse()
            hold.node, hold.limits, hold.refused_until = node, node.limits, 0.0
        elif hold.tokens and now >= hold.expires:
            hold.lapse()
        hold.touched_at = now
        return hold

    def all(self) -> Iterable[Hold]:
        """Every hold."""
        return self._holds.values()

    def lapse(self, now: float) -> bool:
        """Let go what has expired; tells whether tokens of a quota are still in hand."""
        waiting = False
        for hold in self._holds.values():
            if hold.tokens and now >= hold.expires:
                hold.lapse()
            waiting = waiting or (hold.tokens > 0 and hold.limits.daily is not None)
        return waiting

    def _forget(self, now: float) -> None:
        idle = now - _KEEP_SECONDS
        self._holds = {
            name: hold
            for name, hold in self._holds.items()
            if hold.touched_at > idle or hold.tat > now or hold.owed or hold.tokens or hold.is_filling
        }
        self._sweep_above = max(_SWEEP_ABOVE, 2 * len(self._holds))
