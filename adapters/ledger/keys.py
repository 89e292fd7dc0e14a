"""The keys of the evidence: which ring or folder holds which, and how a citizen is found under all of them."""

from __future__ import annotations

from pathlib import Path

from adapters.journal.signing_keys import SigningKeys
from adapters.secret_files import SUBJECT_TOKEN, key_ring
from gateway.audit.page_tokens import PageTokens
from gateway.audit.tokens import Tokens
from gateway.model import CitizenNumber
from gateway.settings import Settings

PAGE_TOKEN = "page-token"  # noqa: S105  the name of a key ring
_SIGNING = "signing"


def verifier_keys_folder(data_dir: Path) -> Path:
    """Where an installation keeps the public keys of its checkpoints."""
    return data_dir / "secrets" / _SIGNING


def signing_keys(settings: Settings) -> SigningKeys:
    """The keys that sign this machine's checkpoints, named after it."""
    return SigningKeys(verifier_keys_folder(settings.data_dir), name=f"dancu.{settings.node}")


def page_tokens(settings: Settings) -> PageTokens:
    """The maker of page tokens, its first key made now if there is none.

    Machines that share an admin address share `secrets/page-token` too, or each refuses the others' tokens.
    """
    ring = key_ring(settings.data_dir, PAGE_TOKEN)
    ring.ensure()
    return PageTokens(ring.versions())


class EverySubjectToken:
    """A citizen's tokens under every version of the key, so that records made before a rotation are found too."""

    def __init__(self, data_dir: Path) -> None:
        """`data_dir`: the installation. The key ring is read at each call: a rotation needs no restart here."""
        self._ring = key_ring(data_dir, SUBJECT_TOKEN)

    def __call__(self, number: CitizenNumber) -> tuple[bytes, ...]:
        """The tokens, that of the current key last. Raises `SecretMissingError`."""
        return tuple(Tokens(version).of(number) for version in self._ring.versions())
