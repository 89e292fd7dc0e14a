"""The Merkle tree of RFC 9162 §2.1: roots, an incremental builder, proofs, and their verification.

Pure: knows hashes and numbers, not where they are kept. A node is named by its level (0 for leaves) and its index in
that level; node (l, i) covers the leaves from i * 2^l up to (i + 1) * 2^l. Only complete nodes are ever asked for, so
a store never has to change what it has written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves (RFC 9162 §2.1.1)."""

_LEAF = b"\x00"
_NODE = b"\x01"

TILE_HEIGHT = 8
"""Levels between the hashes a store keeps: 256 of one level make one of the next."""

NodeSource = Callable[[int, int], bytes]
"""Gives the hash of the complete node (level, index)."""
Tile = Callable[[int, bytes], None]
"""Takes the level and hash of a subtree that has become complete."""


class ProofError(ValueError):
    """A proof does not show what it was to show."""


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data)."""
    return hashlib.sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(_NODE + left + right).digest()


@dataclass(slots=True)
class CompactRange:
    """A tree of which only the roots of its complete subtrees are kept: O(log n) state, any size.

    `hashes` go from the largest subtree on the left to the smallest on the right, one for each 1 in the binary form
    of `size`.
    """

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse a state no tree can have."""
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"{len(self.hashes)} hashes cannot be a tree of {self.size} leaves")
        if any(len(one) != HASH_BYTES for one in self.hashes):
            raise ValueError("a hash has 32 bytes")

    def copy(self) -> Self:
        """A range that goes its own way."""
        return type(self)(self.size, list(self.hashes))

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        self.extend((leaf,))

    def extend(self, leaves: Sequence[bytes], tile: Tile | None = None) -> None:
        """Add leaf hashes in order.

        `tile` is told of every complete subtree of 256, 256^2, ... leaves, in the order in which they become complete.
        Aligned blocks are hashed level by level, about twice as fast as leaf by leaf.
        """
        at, total = 0, len(leaves)
        while at < total:
            # The largest complete subtree that may begin at this size and still fits, up to one tile.
            height = min((total - at).bit_length() - 1, TILE_HEIGHT)
            if self.size:
                height = min(height, (self.size & -self.size).bit_length() - 1)
            level = leaves[at : at + (1 << height)]
            for _ in range(height):
                level = pair_up(level)
            self._append_subtree(height, level[0], tile)
            at += 1 << height

    def root(self) -> bytes:
        """The tree's root hash."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def _append_subtree(self, height: int, subtree: bytes, tile: Tile | None) -> None:
        hashes, size = self.hashes, self.size >> height
        self.size += 1 << height
        while True:
            if tile is not None and height and height % TILE_HEIGHT == 0:
                tile(height, subtree)
            if not size & 1:
                break
            subtree = node_hash(hashes.pop(), subtree)
            size >>= 1
            height += 1
        hashes.append(subtree)


def pair_up(level: Sequence[bytes]) -> list[bytes]:
    """The parents of an even number of neighbouring nodes."""
    sha256 = hashlib.sha256
    return [sha256(_NODE + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=True)]


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    tree = CompactRange()
    tree.extend(list(leaves))
    return tree.root()


def compact_range(size: int, node: NodeSource) -> CompactRange:
    """The state of the tree at `size`, from its complete nodes."""
    return CompactRange(size, [node(level, index) for level, index in complete_nodes(0, size)])


def inclusion_proof(index: int, size: int, node: NodeSource) -> list[bytes]:
    """The path of RFC 9162 §2.1.3.1 for leaf `index` in the tree of `size` leaves, deepest node first."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_subtree(middle, end, node))
            end = middle
        else:
            path.append(_subtree(start, middle, node))
            start = middle
    path.reverse()
    return path


def consistency_proof(first: int, second: int, node: NodeSource) -> list[bytes]:
    """The proof of RFC 9162 §2.1.4.1 that the tree of `second` leaves continues that of `first`, deepest node first.

    Empty where the sizes are equal or `first` is 0.
    """
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {second} leaves cannot continue one of {first}")
    if first in (0, second):
        return []
    path: list[bytes] = []
    start, end, whole = 0, second, True
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(_subtree(middle, end, node))
            end = middle
        else:
            path.append(_subtree(start, middle, node))
            start, whole = middle, False
    if not whole:
        path.append(_subtree(start, end, node))
    path.reverse()
    return path


def verify_inclusion(*, index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> None:
    """Check an inclusion proof as RFC 9162 §2.1.3.2 does; raises `ProofError` where it fails."""
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    fn, sn, result = index, size - 1, leaf
    for sibling in path:
        if sn == 0:
            raise ProofError("the inclusion path is too long")
        if fn & 1 or fn == sn:
            result = node_hash(sibling, result)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node_hash(result, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofError("the inclusion path is too short")
    if result != root:
        raise ProofError("the record is not in the tree of this root")


def verify_consistency(
    *, first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]
) -> None:
    """Check a consistency proof as RFC 9162 §2.1.4.2 does; raises `ProofError` where it fails.

    Every tree continues the empty one: for `first` 0 only the path and the empty root are checked.
    """
    if not 0 <= first <= second:
        raise ProofError(f"a tree of {second} leaves cannot continue one of {first}")
    if first in (0, second):
        expected = second_root if first else EMPTY_ROOT
        if path or first_root != expected:
            raise ProofError("the two trees are not consistent")
        return
    if not path:
        raise ProofError("the consistency path is empty")
    # A first tree that is one complete subtree is itself the deepest node.
    nodes = path if first & (first - 1) else [first_root, *path]
    if _both_roots(first, second, nodes) != (first_root, second_root):
        raise ProofError("the two trees are not consistent")


def _both_roots(first: int, second: int, nodes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Steps 4 to 6 of RFC 9162 §2.1.4.2: the roots of both trees as the proof has them."""
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = nodes[0]
    for node in nodes[1:]:
        if sn == 0:
            raise ProofError("the consistency path is too long")
        if fn & 1 or fn == sn:
            old, new = node_hash(node, old), node_hash(node, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, node)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofError("the consistency path is too short")
    return old, new


def _split(size: int) -> int:
    """The largest power of two below `size` (the k of RFC 9162 §2.1.1)."""
    return 1 << ((size - 1).bit_length() - 1)


def complete_nodes(start: int, end: int) -> list[tuple[int, int]]:
    """The largest complete nodes that cover the leaves `start..end`, where `start` is a subtree's first leaf."""
    nodes: list[tuple[int, int]] = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def _subtree(start: int, end: int, node: NodeSource) -> bytes:
    """The hash over the leaves `start..end` of a subtree as RFC 9162 splits it."""
    nodes = [node(level, index) for level, index in complete_nodes(start, end)]
    result = nodes.pop()
    while nodes:
        result = node_hash(nodes.pop(), result)
    return result
