"""The Merkle tree against an independent recursion, published vectors, and every way a proof can lie."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.merkle import (
    EMPTY_ROOT,
    CompactRange,
    ProofError,
    compact_range,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The leaves and roots of the Certificate Transparency reference tests (google/certificate-transparency).
CT_LEAVES = [
    bytes.fromhex(text)
    for text in ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(data: Sequence[bytes]) -> bytes:
    """RFC 9162 §2.1.1, word for word."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = 1
    while k * 2 < len(data):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(data[:k]) + naive_root(data[k:])).digest()


def naive_path(m: int, data: Sequence[bytes]) -> list[bytes]:
    """RFC 9162 §2.1.3.1, word for word."""
    if len(data) == 1:
        return []
    k = 1
    while k * 2 < len(data):
        k *= 2
    if m < k:
        return [*naive_path(m, data[:k]), naive_root(data[k:])]
    return [*naive_path(m - k, data[k:]), naive_root(data[:k])]


def naive_subproof(m: int, data: Sequence[bytes], *, whole: bool) -> list[bytes]:
    """RFC 9162 §2.1.4.1, word for word."""
    if m == len(data):
        return [] if whole else [naive_root(data)]
    k = 1
    while k * 2 < len(data):
        k *= 2
    if m <= k:
        return [*naive_subproof(m, data[:k], whole=whole), naive_root(data[k:])]
    return [*naive_subproof(m - k, data[k:], whole=False), naive_root(data[:k])]


class Nodes:
    """Complete nodes computed from the data."""

    def __init__(self, data: Sequence[bytes]) -> None:
        self.data = data
        self.asked = 0

    def __call__(self, level: int, index: int) -> bytes:
        self.asked += 1
        covered = self.data[index << level : (index + 1) << level]
        assert len(covered) == 1 << level, "only complete nodes may be asked for"
        return naive_root(covered)


def data_of(size: int) -> list[bytes]:
    return [b"record %d" % index for index in range(size)]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_equal_the_published_ones(size: int) -> None:
    """Other people's tools must come to the same root."""
    assert root_of(map(leaf_hash, CT_LEAVES[:size])).hex() == CT_ROOTS[size - 1]


def test_the_published_inclusion_proofs_are_made_and_verified() -> None:
    """Vectors of RFC 6962's reference tests: leaf 5 of 8, and leaf 2 of 3."""
    path = inclusion_proof(5, 8, Nodes(CT_LEAVES))
    assert [one.hex() for one in path] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    path = inclusion_proof(2, 3, Nodes(CT_LEAVES))
    assert [one.hex() for one in path] == ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]


def test_the_published_consistency_proof_is_made() -> None:
    """Vector of RFC 6962's reference tests: from 6 leaves to 8."""
    assert [one.hex() for one in consistency_proof(6, 8, Nodes(CT_LEAVES))] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_the_empty_tree_has_the_root_the_rfc_says() -> None:
    """A journal without records can be signed for too."""
    assert CompactRange().root() == EMPTY_ROOT == naive_root([])


@given(st.integers(0, 300), st.lists(st.integers(1, 70), max_size=12))
def test_any_way_of_appending_gives_the_tree_of_the_rfc(first: int, blocks: list[int]) -> None:
    """Evidence is appended in whatever portions it comes; the root may not depend on them."""
    data = data_of(first + sum(blocks))
    leaves = [leaf_hash(one) for one in data]
    tree = CompactRange()
    for leaf in leaves[:first]:
        tree.append(leaf)
    at = first
    for block in blocks:
        tree.extend(leaves[at : at + block])
        at += block
    assert (tree.size, tree.root()) == (len(data), naive_root(data))
    assert tree.hashes == compact_range(len(data), Nodes(data)).hashes


@given(st.integers(0, 700), st.lists(st.integers(1, 600), max_size=4))
def test_complete_tiles_are_told_once_and_in_order(first: int, blocks: list[int]) -> None:
    """Stores keep tiles only; one that is missing or wrong would make every later proof wrong."""
    leaves = [leaf_hash(b"%d" % index) for index in range(first + sum(blocks))]
    tree = CompactRange()
    tree.extend(leaves[:first])
    told: list[tuple[int, bytes]] = []
    for block in blocks:
        tree.extend(leaves[tree.size : tree.size + block], lambda level, one: told.append((level, one)))
    tiles = range(first // 256, len(leaves) // 256)
    assert told == [(8, root_of(leaves[tile * 256 : tile * 256 + 256])) for tile in tiles]


def test_tiles_of_tiles_are_told_too() -> None:
    """The second level of tiles keeps proofs short once a journal has 65,536 records."""
    tree = CompactRange()
    told: list[int] = []
    tree.extend([bytes(32)] * 65536, lambda level, _: told.append(level))
    assert told == [8] * 256 + [16]


@given(st.integers(1, 130), st.data())
def test_inclusion_proofs_are_those_of_the_rfc_and_verify(size: int, data: st.DataObject) -> None:
    """A caller proves its own lookup with nothing but this path."""
    index = data.draw(st.integers(0, size - 1))
    records = data_of(size)
    path = inclusion_proof(index, size, Nodes(records))
    assert path == naive_path(index, records)
    verify_inclusion(index=index, size=size, leaf=leaf_hash(records[index]), path=path, root=naive_root(records))


@given(st.integers(1, 130), st.data())
def test_consistency_proofs_are_those_of_the_rfc_and_verify(second: int, data: st.DataObject) -> None:
    """That nothing was rewritten between two checkpoints is shown by this path alone."""
    first = data.draw(st.integers(1, second))
    records = data_of(second)
    path = consistency_proof(first, second, Nodes(records))
    assert path == naive_subproof(first, records, whole=True)
    roots = {"first_root": naive_root(records[:first]), "second_root": naive_root(records)}
    verify_consistency(first=first, second=second, path=path, **roots)


@given(st.integers(2, 130), st.data())
def test_an_inclusion_proof_fails_for_anything_it_was_not_made_for(size: int, data: st.DataObject) -> None:
    """Another record, place, size, root or path must not pass."""
    index = data.draw(st.integers(0, size - 1))
    records = data_of(size)
    path = inclusion_proof(index, size, Nodes(records))
    true: dict[str, Any] = {
        "index": index,
        "size": size,
        "leaf": leaf_hash(records[index]),
        "path": path,
        "root": naive_root(records),
    }
    lies: list[dict[str, Any]] = [
        {"leaf": leaf_hash(b"another")},
        {"root": leaf_hash(b"another")},
        {"index": data.draw(st.integers(0, size - 1).filter(lambda other: other != index))},
        {"index": size},
        {"index": -1},
        {"path": path[1:]},
        {"path": [*path, leaf_hash(b"more")]},
        {"path": [leaf_hash(b"first"), *path[1:]]},
    ]
    for lie in lies:
        with pytest.raises(ProofError):
            verify_inclusion(**(true | lie))


@given(st.integers(2, 130), st.data())
def test_a_consistency_proof_fails_for_anything_it_was_not_made_for(second: int, data: st.DataObject) -> None:
    """A log that rewrote its past must not find a path."""
    first = data.draw(st.integers(1, second - 1))
    records = data_of(second)
    path = consistency_proof(first, second, Nodes(records))
    true: dict[str, Any] = {
        "first": first,
        "second": second,
        "first_root": naive_root(records[:first]),
        "second_root": naive_root(records),
        "path": path,
    }
    lies: list[dict[str, Any]] = [
        {"first_root": leaf_hash(b"another")},
        {"second_root": leaf_hash(b"another")},
        {"first": second + 1},
        {"first": second},
        {"first": 0},
        {"path": path[1:]},
        {"path": []},
        {"path": [*path, leaf_hash(b"more")]},
        {"path": [leaf_hash(b"first"), *path[1:]]},
    ]
    for lie in lies:
        with pytest.raises(ProofError):
            verify_consistency(**(true | lie))


def test_every_tree_continues_the_empty_one_and_itself() -> None:
    """The first checkpoint has nothing before it."""
    root = naive_root(data_of(5))
    verify_consistency(first=0, second=5, first_root=EMPTY_ROOT, second_root=root, path=[])
    verify_consistency(first=5, second=5, first_root=root, second_root=root, path=[])
    assert consistency_proof(0, 5, Nodes(data_of(5))) == consistency_proof(5, 5, Nodes(data_of(5))) == []


def test_a_proof_asks_for_few_nodes() -> None:
    """A proof must stay cheap for a journal of any size."""
    nodes = Nodes(data_of(1000))
    inclusion_proof(123, 1000, nodes)
    assert nodes.asked <= 20


@pytest.mark.parametrize(
    ("size", "hashes"), [(1, []), (3, [bytes(32)]), (1, [bytes(31)]), (-1, [bytes(32)]), (0, [bytes(32)])]
)
def test_a_state_no_tree_can_have_is_refused(size: int, hashes: list[bytes]) -> None:
    """State comes from files; a damaged one must not become a root."""
    with pytest.raises(ValueError, match=r"hash"):
        CompactRange(size, hashes)


@pytest.mark.parametrize("call", [lambda: inclusion_proof(3, 3, Nodes([])), lambda: consistency_proof(4, 3, Nodes([]))])
def test_proofs_of_what_is_not_there_are_refused(call: object) -> None:
    """A proof about a leaf that does not exist can only be a mistake."""
    assert callable(call)
    with pytest.raises(ValueError, match="tree of"):
        call()


def test_a_copy_goes_its_own_way() -> None:
    """A checkpoint's state must not move with the journal."""
    tree = CompactRange()
    tree.append(leaf_hash(b"a"))
    copy = tree.copy()
    tree.append(leaf_hash(b"b"))
    assert copy.root() == leaf_hash(b"a")
    assert tree.root() == node_hash(leaf_hash(b"a"), leaf_hash(b"b"))
