"""How a citizen is named in evidence and in caches: by a keyed hash of the number, never by the number."""

from __future__ import annotations

import hashlib
import hmac

from gateway.model import CitizenNumber, VersionedSecret


class Tokens:
    """Makes tokens under one key. Personal and legacy numbers differ in length, so their tokens never meet."""

    def __init__(self, key: VersionedSecret) -> None:
        """`key`: 32 random bytes; whoever holds it can find a citizen's records, so it never leaves the machine."""
        self.version = key.version
        self._key = key.secret

    def of(self, number: CitizenNumber) -> bytes:
        """HMAC-SHA256 of the digits, 32 bytes."""
        return hmac.digest(self._key.reveal(), number.digits.encode(), hashlib.sha256)
