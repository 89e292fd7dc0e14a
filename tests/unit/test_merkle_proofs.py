"""Proof files: checked with the public key alone, and good for nothing else."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from gateway.audit.checkpoints import Checkpoint, sign_checkpoint
from gateway.audit.merkle import (
    CompactRange,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
)
from gateway.audit.notes import SignerKey
from gateway.audit.proofs import ConsistencyProof, InclusionProof, MalformedProofError
from gateway.audit.receipt import Receipt

SIGNER = SignerKey("dancu.example", bytes(32))
STRANGER = SignerKey("dancu.example", bytes(range(32)))
RECORDS = [b"record %d" % index for index in range(11)]
LEAVES = [leaf_hash(record) for record in RECORDS]


def node(level: int, index: int) -> bytes:
    return root_of(LEAVES[index << level : (index + 1) << level])


def note(size: int, signer: SignerKey = SIGNER, origin: str = "w0") -> str:
    tree = CompactRange()
    tree.extend(LEAVES[:size])
    return sign_checkpoint(Checkpoint(origin, size, tree.root()), [signer])


def inclusion() -> InclusionProof:
    return InclusionProof("w0", 4, 11, RECORDS[4], tuple(inclusion_proof(4, 11, node)), note(11))


def consistency() -> ConsistencyProof:
    return ConsistencyProof("w0", note(6), note(11), tuple(consistency_proof(6, 11, node)))


def test_an_inclusion_proof_survives_a_file_and_verifies_with_the_key_alone() -> None:
    """An outsider has the file and the key, and needs nothing else."""
    proof = InclusionProof.from_json(json.loads(json.dumps(inclusion().to_json())))
    assert proof == inclusion()
    checkpoint = proof.verify([SIGNER.verifier], receipt=Receipt("w0", 4, LEAVES[4]))
    assert checkpoint.size == 11


def test_a_consistency_proof_survives_a_file_and_verifies_with_the_key_alone() -> None:
    """An auditor who kept an old checkpoint proves that nothing was rewritten since."""
    proof = ConsistencyProof.from_json(json.loads(json.dumps(consistency().to_json())))
    assert proof == consistency()
    first, second = proof.verify([SIGNER.verifier])
    assert (first.size, second.size) == (6, 11)


@pytest.mark.parametrize(
    "lie",
    [
        {"record": b"another"},
        {"index": 5},
        {"size": 10},
        {"origin": "w1"},
        {"path": ()},
        {"checkpoint": note(10)},
        {"checkpoint": note(11, STRANGER)},
        {"checkpoint": note(11, SIGNER, "w1")},
        {"checkpoint": "hello"},
    ],
)
def test_an_inclusion_proof_with_any_part_changed_fails(lie: dict[str, Any]) -> None:
    """Each part is there because without it something could be forged."""
    with pytest.raises(ProofError):
        dataclasses.replace(inclusion(), **lie).verify([SIGNER.verifier])


@pytest.mark.parametrize(
    "receipt", [Receipt("w1", 4, LEAVES[4]), Receipt("w0", 5, LEAVES[4]), Receipt("w0", 4, LEAVES[5])]
)
def test_a_proof_of_another_record_than_the_receipt_fails(receipt: Receipt) -> None:
    """A gateway that replaced the record could prove the replacement; the receipt binds the bytes."""
    with pytest.raises(ProofError, match="receipt"):
        inclusion().verify([SIGNER.verifier], receipt=receipt)


@pytest.mark.parametrize(
    "lie",
    [
        {"first": note(5)},
        {"first": note(6, STRANGER)},
        {"second": note(10)},
        {"second": note(11, SIGNER, "w1")},
        {"first": note(11), "second": note(6)},
        {"path": ()},
        {"origin": "w1"},
    ],
)
def test_a_consistency_proof_with_any_part_changed_fails(lie: dict[str, Any]) -> None:
    """Each part is there because without it something could be forged."""
    with pytest.raises(ProofError):
        dataclasses.replace(consistency(), **lie).verify([SIGNER.verifier])


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "dancu-consistency-proof/1"},
        {"index": "4"},
        {"index": True},
        {"size": None},
        {"record": 5},
        {"record": "!"},
        {"record": "Ä"},
        {"path": "abc"},
        {"path": [5]},
        {"path": ["!"]},
        {"checkpoint": []},
    ],
)
def test_json_that_is_no_proof_is_refused(change: dict[str, Any]) -> None:
    """Files come from anywhere."""
    with pytest.raises(MalformedProofError):
        InclusionProof.from_json(inclusion().to_json() | change)
    with pytest.raises(MalformedProofError):
        ConsistencyProof.from_json(inclusion().to_json())
