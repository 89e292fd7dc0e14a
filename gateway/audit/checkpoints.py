"""Checkpoints as C2SP `tlog-checkpoint` v1 defines them: what is signed about a journal's tree.

```
<origin>
<size, decimal>
<root hash, base64>
[extension lines]
```
inside a signed note. Each checkpoint promises that the tree continues every earlier one of its origin.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from gateway.audit.merkle import HASH_BYTES, CompactRange
from gateway.audit.notes import Note, NoteError, SignerKey, VerifierKey, sign_note

_PRUNED = "dancu journal pruned"
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class CheckpointError(ValueError):
    """The text is not a checkpoint."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    """Further lines, opaque and not empty. None are written; those of others are kept."""

    def __post_init__(self) -> None:
        """Refuse what would read back as something else."""
        lines = (self.origin, *self.extensions)
        if any(not line or "\n" in line for line in lines):
            raise CheckpointError("the lines of a checkpoint are not empty and hold no newline")
        if self.size < 0 or len(self.root) != HASH_BYTES:
            raise CheckpointError("a checkpoint has a size and a root of 32 bytes")

    def text(self) -> str:
        """The signed text."""
        root = base64.b64encode(self.root).decode()
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the signed text; raises `CheckpointError` for anything that would not be written the same way."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() != "":  # three lines and what follows the last newline
            raise CheckpointError("a checkpoint has an origin, a size and a root")
        origin, size, root, *extensions = lines
        if _SIZE.fullmatch(size) is None:
            raise CheckpointError("the size of a checkpoint is a decimal number")
        try:
            decoded = base64.b64decode(root, validate=True)
        except (binascii.Error, ValueError) as error:
            raise CheckpointError("the root of a checkpoint is base64") from error
        checkpoint = cls(origin, int(size), decoded, tuple(extensions))
        if checkpoint.text() != text:
            raise CheckpointError("the checkpoint is not in its one form")
        return checkpoint


@dataclass(frozen=True, slots=True)
class PrunedHead:
    """What is signed when retention removes the first records of a journal, so that the rest stays provable.

    ```
    dancu journal pruned
    <origin>
    <size>                  index of the first record that is kept
    <root hash, base64>     of the tree of the removed records
    <hash, base64>          one line for each complete subtree of it, the largest first
    ```
    """

    origin: str
    tree: CompactRange

    def text(self) -> str:
        """The signed text. Its first line is none a checkpoint has: an origin holds no spaces."""
        hashes = [base64.b64encode(one).decode() for one in (self.tree.root(), *self.tree.hashes)]
        return "".join(f"{line}\n" for line in (_PRUNED, self.origin, str(self.tree.size), *hashes))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the signed text; raises `CheckpointError` for anything that would not be written the same way."""
        lines = text.split("\n")
        if len(lines) < 5 or lines[0] != _PRUNED or _SIZE.fullmatch(lines[2]) is None:
            raise CheckpointError("not the head of a pruned journal")
        try:
            hashes = [base64.b64decode(line, validate=True) for line in lines[4:-1]]
            head = cls(lines[1], CompactRange(int(lines[2]), hashes))
        except (binascii.Error, ValueError) as error:
            raise CheckpointError("the head of a pruned journal is not a tree") from error
        if head.text() != text:
            raise CheckpointError("the head of a pruned journal is not in its one form")
        return head


def sign_pruned_head(head: PrunedHead, signers: Sequence[SignerKey]) -> str:
    """The head as a signed note."""
    return sign_note(head.text(), signers)


def verify_pruned_head(note: str, keys: Iterable[VerifierKey]) -> PrunedHead:
    """The head in a note that a known key signed; raises `NoteError` or `CheckpointError`."""
    parsed = Note.parse(note)
    parsed.verified_by(keys)
    return PrunedHead.parse(parsed.text)


def sign_checkpoint(checkpoint: Checkpoint, signers: Sequence[SignerKey]) -> str:
    """The checkpoint as a signed note."""
    return sign_note(checkpoint.text(), signers)


def read_checkpoint(note: str) -> Checkpoint:
    """The checkpoint in a note whose signatures are NOT looked at; raises `CheckpointError`."""
    try:
        return Checkpoint.parse(Note.parse(note).text)
    except NoteError as error:
        raise CheckpointError(str(error)) from error


def verify_checkpoint(note: str, keys: Iterable[VerifierKey]) -> Checkpoint:
    """The checkpoint in a note that a known key signed; raises `NoteError` or `CheckpointError`."""
    parsed = Note.parse(note)
    parsed.verified_by(keys)
    return Checkpoint.parse(parsed.text)
