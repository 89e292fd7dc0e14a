"""How a citizen is named in evidence and in caches: by a keyed hash of the number, never by the number."""

from __future__ import annotations

from gateway.keyed_hash import KeyedHash
from gateway.model import CitizenNumber, VersionedSecret


class Tokens:
    """Makes tokens under one key. Personal and legacy numbers differ in length, so their tokens never meet."""

    def __init__(self, key: VersionedSecret) -> None:
        """`key`: 32 random bytes; whoever holds it can find a citizen's records, so it never leaves the machine."""
        self.version = key.version
        self._hash = KeyedHash(key.secret)

    def of(self, number: CitizenNumber) -> bytes:
        """HMAC-SHA256 of the digits, 32 bytes."""
        return self._hash.of(number.digits.encode())
