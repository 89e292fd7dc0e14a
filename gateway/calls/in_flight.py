"""Calls under way in this worker, in all and by limit node."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from gateway.accounts.model import LimitNode
from gateway.accounts.shares import share_of


class InFlight:
    """Counts calls while they are under way.

    A node's cap is counted in each worker apart, and each keeps to an even share of it (`share_of`): the workers
    together then stay under it without asking each other. What a caller gets depends on how its connections are spread.
    """

    def __init__(self, *, workers: int = 1) -> None:
        """`workers`: of all machines together."""
        self._workers = workers
        self._by_node: dict[str, int] = {}
        self.total = 0
        """Calls under way."""

    def full(self, nodes: Sequence[LimitNode]) -> LimitNode | None:
        """The first node that has no room for one more call."""
        for node in nodes:
            cap = node.limits.in_flight
            if cap is not None and self._by_node.get(node.name, 0) >= share_of(cap, self._workers):
                return node
        return None

    def enter(self, nodes: Sequence[LimitNode]) -> Entered:
        """Count a call, until the block ends. Whether there is room is asked before."""
        capped = [node.name for node in nodes if node.limits.in_flight is not None]
        self.total += 1
        for name in capped:
            self._by_node[name] = self._by_node.get(name, 0) + 1
        return Entered(self, capped)

    def leave(self, capped: Sequence[str]) -> None:
        """Count a call no longer. Nodes without calls are forgotten: officers come and go."""
        self.total -= 1
        for name in capped:
            rest = self._by_node[name] - 1
            if rest:
                self._by_node[name] = rest
            else:
                del self._by_node[name]


class Entered:
    """One call that is under way, as a block."""

    __slots__ = ("_capped", "_in_flight")

    def __init__(self, in_flight: InFlight, capped: Sequence[str]) -> None:
        self._in_flight = in_flight
        self._capped = capped

    def __enter__(self) -> None:
        """Already counted."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """The call ended, one way or another."""
        self._in_flight.leave(self._capped)
