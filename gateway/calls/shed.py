"""Whether the worker sheds a call, before anything else is asked about it.

Owns what is remembered between calls: the loop's delay and the share shed of each priority. The rules are
`gateway.accounts.overload`'s. Refuses to know accounts: overload is about everybody, and holds in shadow mode too.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.accounts.overload import Priority, ceilings, comes_too_late, next_share, seconds_to_stay_away
from gateway.calls.in_flight import InFlight
from gateway.errors import DeadlineError, Reason, UnavailableError


class Shedder:
    """Sheds calls of one worker. Costs a call two comparisons while there is room."""

    def __init__(self, *, in_flight: InFlight, max_in_flight: int, draw: Callable[[], float]) -> None:
        """`draw`: random numbers from 0 to 1.

        `max_in_flight`: calls under way beyond which the worker is overloaded; bulk calls at half of it.
        """
        self._in_flight = in_flight
        self._draw = draw
        # By value: hashing an Enum costs a call of Python.
        self._ceilings = {priority.value: ceiling for priority, ceiling in ceilings(max_in_flight).items()}
        self._shares = dict.fromkeys(self._ceilings, 0.0)
        self._delay = 0.0

    def observe(self, delay_seconds: float) -> None:
        """Take a sample of the loop's standing delay."""
        before, self._delay = self._delay, delay_seconds
        for name, ceiling in self._ceilings.items():
            self._shares[name] = next_share(
                self._shares[name], delay=delay_seconds, before=before, ceiling=ceiling.delay_seconds
            )
        bulk, interactive = Priority.BULK.value, Priority.INTERACTIVE.value
        self._shares[bulk] = max(self._shares[bulk], self._shares[interactive])

    def share_of(self, priority: Priority) -> float:
        """The share of calls shed for the loop's delay, 0 to 1."""
        return self._shares[priority.value]

    def check(self, priority: Priority, *, remaining_seconds: float | None) -> None:
        """Let a call pass, or raise `UnavailableError` (OVERLOADED) or `DeadlineError`.

        `remaining_seconds` of its deadline; None where it has none.
        """
        if remaining_seconds is not None and comes_too_late(remaining_seconds, self._delay):
            if remaining_seconds <= 0:
                raise DeadlineError(Reason.DEADLINE_EXCEEDED)
            raise self._overloaded(priority)
        share = self._shares[priority.value]
        if self._in_flight.total >= self._ceilings[priority.value].in_flight or (share and self._draw() < share):
            raise self._overloaded(priority)

    def _overloaded(self, priority: Priority) -> UnavailableError:
        wait = seconds_to_stay_away(self._shares[priority.value], drawn=self._draw())
        return UnavailableError(Reason.OVERLOADED, retry_after_seconds=wait)
