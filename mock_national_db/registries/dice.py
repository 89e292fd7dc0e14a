"""Repeatable draws: the same nation, purpose and people always throw the same.

Owns how chances become choices. Refuses to know what is drawn. Not `random`, whose methods may change between versions
of Python: the nation must not.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from hashlib import shake_128
from itertools import count
from typing import Final, TypeVar

T = TypeVar("T")

_THROWS_AT_ONCE: Final = 32


class Dice:
    """A row of draws which belongs to one purpose and the people it is about."""

    __slots__ = ("_chunks", "_left", "_prefix")

    def __init__(self, key: bytes, purpose: str, *who: int) -> None:
        """`key` is the nation's; `who` are indexes."""
        people = b"".join(one.to_bytes(8, "little") for one in who)
        self._prefix = key + purpose.encode() + b"\0" + people
        self._chunks = count()
        self._left: list[int] = []

    def below(self, n: int) -> int:
        """Return 0 … n-1; n is far below 2**32."""
        if not self._left:
            chunk = next(self._chunks).to_bytes(2, "little")
            digest = shake_128(self._prefix + chunk).digest(4 * _THROWS_AT_ONCE)
            self._left = [int.from_bytes(digest[at : at + 4], "little") for at in range(0, len(digest), 4)]
        return self._left.pop() * n >> 32

    def chance(self, percent: float) -> bool:
        """Tell whether something of this chance happens."""
        return self.below(100_000) < percent * 1000

    def between(self, low: int, high: int) -> int:
        """Return an integer from low to high, both inclusive."""
        return low + self.below(high - low + 1)

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices, each as likely as another."""
        return choices[self.below(len(choices))]

    def weighted(self, choices: Sequence[tuple[T, int]]) -> T:
        """Return one of the choices, each as often as its weight."""
        at = self.below(sum(weight for _, weight in choices))
        for choice, weight in choices:
            at -= weight
            if at < 0:
                return choice
        raise AssertionError("the draw lies within the weights")

    def day(self, first: date, last: date) -> date:
        """Return a day from first to last, both inclusive; `first` where they lie the wrong way."""
        return first + timedelta(self.below(max(1, (last - first).days + 1)))
