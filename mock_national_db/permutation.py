"""A keyed permutation of 0 … n-1, computed both ways from four small tables.

Owns the arithmetic. Refuses to know what is permuted. It scatters, it does not protect: anyone with the seed can
undo it, and nothing in the mock needs more.
"""

import sys
from array import array
from hashlib import blake2b, shake_128


class Permutation:
    """An alternating Feistel network over pairs (left, right), so that n = left * right needs no cycle walking.

    Round functions are looked up in tables of random words, since the same hash computed in Python costs three
    times as much. A `tweak` shifts the tables, which gives each class of numbers a permutation of its own.
    """

    __slots__ = ("_key", "_left", "_right", "_tables", "_twists", "size")

    def __init__(self, *, key: bytes, left: int, right: int) -> None:
        """Permute 0 … `left * right` - 1; both factors should be near each other. `key`: at most 64 bytes."""
        self._key = key
        self._left = left
        self._right = right
        self._tables = tuple(_random_words(key + bytes((step,)), right if step % 2 == 0 else left) for step in range(4))
        self._twists: dict[int, tuple[int, int, int, int]] = {}
        self.size = left * right

    def forward(self, value: int, tweak: int = 0) -> int:
        """Return where `value` (0 … size-1) goes."""
        a, b, c, d = self._twists.get(tweak) or self._twist(tweak)
        n, m = self._left, self._right
        f0, f1, f2, f3 = self._tables
        left, right = divmod(value, m)
        left = (left + f0[(right + a) % m]) % n
        right = (right + f1[(left + b) % n]) % m
        left = (left + f2[(right + c) % m]) % n
        right = (right + f3[(left + d) % n]) % m
        return left * m + right

    def backward(self, value: int, tweak: int = 0) -> int:
        """Return what goes to `value` (0 … size-1)."""
        a, b, c, d = self._twists.get(tweak) or self._twist(tweak)
        n, m = self._left, self._right
        f0, f1, f2, f3 = self._tables
        left, right = divmod(value, m)
        right = (right - f3[(left + d) % n]) % m
        left = (left - f2[(right + c) % m]) % n
        right = (right - f1[(left + b) % n]) % m
        left = (left - f0[(right + a) % m]) % n
        return left * m + right

    def _twist(self, tweak: int) -> tuple[int, int, int, int]:
        digest = blake2b(tweak.to_bytes(8, "little"), key=self._key, digest_size=16).digest()
        a, b, c, d = (int.from_bytes(digest[i : i + 4], "little") for i in (0, 4, 8, 12))
        self._twists[tweak] = (a, b, c, d)
        return a, b, c, d


def _random_words(key: bytes, count: int) -> "array[int]":
    words = array("I")
    words.frombytes(shake_128(key).digest(count * words.itemsize))
    if sys.byteorder == "big":
        words.byteswap()
    return words
