"""How keys are made: identifier, secret, and what is kept of them."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass

from gateway.accounts.entries import KeyEntry
from gateway.calls.credentials import hash_of_secret
from gateway.model import Secret

_IDENTIFIER = string.ascii_lowercase + string.digits
_SECRET = string.ascii_letters + string.digits


def new_key() -> tuple[str, str]:
    """A key identifier and a secret of 256 bits and more."""
    return (
        "".join(secrets.choice(_IDENTIFIER) for _ in range(12)),
        "".join(secrets.choice(_SECRET) for _ in range(44)),
    )


@dataclass(frozen=True, slots=True)
class KeyMaker:
    """Makes keys; `pepper` is the key of the keyed hash that is stored of a secret."""

    pepper: Secret
    new: Callable[[], tuple[str, str]] = new_key

    def make(self, account: str, *, now: float, not_after: int | None = None) -> tuple[KeyEntry, str]:
        """The entry to store, and the whole key to show once."""
        key_id, secret = self.new()
        entry = KeyEntry(
            key_id=key_id,
            account=account,
            secret_hash=hash_of_secret(secret, pepper=self.pepper),
            created_at=int(now),
            not_after=not_after,
        )
        return entry, f"dck_{key_id}_{secret}"
