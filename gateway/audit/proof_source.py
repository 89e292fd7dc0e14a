"""Where proofs come from, as a port: the trees and signed checkpoints of this machine's journals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.audit.proofs import InclusionProof


class ProofNotFoundError(Exception):
    """This machine has no such journal, or the record was never made or is past its retention."""


class CheckpointPendingError(Exception):
    """The record is durable, and no signed checkpoint covers it yet; one will within seconds."""


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """The latest checkpoint of a journal."""

    size: int
    """Records it covers."""
    note: str
    """A C2SP signed note."""
    verifier_keys: tuple[str, ...]
    """All public keys that may have signed it, the current one last."""


class ProofSource(Protocol):
    """Proofs over the journals of this machine; those of other machines count as not there.

    Every method raises `ProofNotFoundError` and `CheckpointPendingError`.
    """

    async def inclusion(self, origin: str, index: int) -> InclusionProof:
        """The stored bytes of a record with the path to the latest checkpoint.

        MUST have been checked: what is returned leads to the checkpoint's root.
        """

    async def consistency(self, origin: str, first_size: int, second_size: int) -> Sequence[bytes]:
        """The path from the tree of `first_size` to that of `second_size`, 1 ≤ first ≤ second."""

    async def checkpoint(self, origin: str) -> SignedCheckpoint:
        """The latest checkpoint."""
