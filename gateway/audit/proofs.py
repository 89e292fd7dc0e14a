"""Self-contained proofs: files an outsider checks with nothing but the installation's public key.

Owns their JSON form and their verification. `kind` tells the two apart:

```
{"kind": "dancu-inclusion-proof/1", "origin", "index", "size", "record": base64, "path": [base64…], "checkpoint": note}
{"kind": "dancu-consistency-proof/1", "origin", "first": note, "second": note, "path": [base64…]}
```
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from gateway.audit.checkpoints import Checkpoint, CheckpointError, verify_checkpoint
from gateway.audit.merkle import ProofError, leaf_hash, verify_consistency, verify_inclusion
from gateway.audit.notes import NoteError, VerifierKey
from gateway.audit.receipt import Receipt

INCLUSION_KIND = "dancu-inclusion-proof/1"
CONSISTENCY_KIND = "dancu-consistency-proof/1"


class MalformedProofError(ValueError):
    """The JSON is not a proof."""


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That one record is in the journal a checkpoint was signed for."""

    origin: str
    index: int
    size: int
    """Of the tree the path leads up to; the checkpoint's."""
    record: bytes
    """The stored bytes."""
    path: tuple[bytes, ...]
    checkpoint: str
    """The signed note."""

    def to_json(self) -> dict[str, object]:
        """JSON-able form."""
        return {
            "kind": INCLUSION_KIND,
            "origin": self.origin,
            "index": self.index,
            "size": self.size,
            "record": base64.b64encode(self.record).decode(),
            "path": _encode_path(self.path),
            "checkpoint": self.checkpoint,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Self:
        """Read the JSON form; raises `MalformedProofError`."""
        _check_kind(value, INCLUSION_KIND)
        return cls(
            origin=_text(value, "origin"),
            index=_number(value, "index"),
            size=_number(value, "size"),
            record=_decode(_text(value, "record")),
            path=_decode_path(value),
            checkpoint=_text(value, "checkpoint"),
        )

    def verify(self, keys: Iterable[VerifierKey], *, receipt: Receipt | None = None) -> Checkpoint:
        """Check everything; returns the verified checkpoint.

        Where the caller's `receipt` is given, the proof must also be about that very record. Raises `ProofError`.
        """
        checkpoint = _verified(self.checkpoint, keys, self.origin)
        leaf = leaf_hash(self.record)
        if receipt is not None and receipt != Receipt(self.origin, self.index, leaf):
            raise ProofError("the proof is about another record than the receipt")
        if checkpoint.size != self.size:
            raise ProofError("the checkpoint is for a tree of another size")
        verify_inclusion(index=self.index, size=self.size, leaf=leaf, path=self.path, root=checkpoint.root)
        return checkpoint


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That the journal of a later checkpoint continues that of an earlier one."""

    origin: str
    first: str
    """Signed note of the smaller tree."""
    second: str
    """Signed note of the larger tree."""
    path: tuple[bytes, ...]

    def to_json(self) -> dict[str, object]:
        """JSON-able form."""
        return {
            "kind": CONSISTENCY_KIND,
            "origin": self.origin,
            "first": self.first,
            "second": self.second,
            "path": _encode_path(self.path),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Self:
        """Read the JSON form; raises `MalformedProofError`."""
        _check_kind(value, CONSISTENCY_KIND)
        return cls(_text(value, "origin"), _text(value, "first"), _text(value, "second"), _decode_path(value))

    def verify(self, keys: Iterable[VerifierKey]) -> tuple[Checkpoint, Checkpoint]:
        """Check everything; returns both verified checkpoints. Raises `ProofError`."""
        known = tuple(keys)
        first = _verified(self.first, known, self.origin)
        second = _verified(self.second, known, self.origin)
        verify_consistency(
            first=first.size, second=second.size, first_root=first.root, second_root=second.root, path=self.path
        )
        return first, second


def _verified(note: str, keys: Iterable[VerifierKey], origin: str) -> Checkpoint:
    try:
        checkpoint = verify_checkpoint(note, keys)
    except (NoteError, CheckpointError) as error:
        raise ProofError(f"the checkpoint does not stand: {error}") from error
    if checkpoint.origin != origin:
        raise ProofError("the checkpoint is of another journal")
    return checkpoint


def _check_kind(value: Mapping[str, object], kind: str) -> None:
    if value.get("kind") != kind:
        raise MalformedProofError(f"not a {kind}")


def _text(value: Mapping[str, object], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str):
        raise MalformedProofError(f"{key} is not text")
    return text


def _number(value: Mapping[str, object], key: str) -> int:
    number = value.get(key)
    if not isinstance(number, int) or isinstance(number, bool):
        raise MalformedProofError(f"{key} is not a number")
    return number


def _encode_path(path: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(one).decode() for one in path]


def _decode_path(value: Mapping[str, object]) -> tuple[bytes, ...]:
    path = value.get("path")
    if not isinstance(path, list) or not all(isinstance(one, str) for one in path):
        raise MalformedProofError("path is not a list of text")
    return tuple(_decode(one) for one in path)


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedProofError("not base64") from error
