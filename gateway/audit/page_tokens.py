"""Page tokens: where a list goes on, in a form that only this installation can make.

A token is the position of the last record shown, with a keyed hash over it and over the question it belongs to. One
that was changed, made elsewhere, or taken from another question is refused: a position alone would let a caller walk
around its filters. Tokens hold nothing that the page itself has not shown.

```
1 byte   0x01
2 bytes  version of the key
8 bytes  time, 4 bytes journal, 8 bytes index       all big endian
16 bytes HMAC-SHA256 of question and position, cut
```
in unpadded base64url, 52 characters.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
from collections.abc import Sequence

from gateway.audit.ledger import Position
from gateway.model import VersionedSecret

_TEXT = re.compile(r"[A-Za-z0-9_-]{52}")
_FIELDS = struct.Struct(">BHqIQ")
_FORMAT = 1
_TAG_BYTES = 16


class PageTokenError(ValueError):
    """The text is no token of ours for this question."""


class PageTokens:
    """Makes and reads page tokens."""

    def __init__(self, keys: Sequence[VersionedSecret]) -> None:
        """`keys`: all versions of the key, the current one last; it makes tokens, the others still read theirs."""
        self._keys = {key.version: key for key in keys}
        self._current = keys[-1].version

    def make(self, position: Position, *, question: bytes) -> str:
        """The token for what follows `position`. `question` MUST differ where method or filters do."""
        fields = _FIELDS.pack(_FORMAT, self._current, position.time_ns, position.journal, position.index)
        return base64.urlsafe_b64encode(fields + self._tag(self._current, fields, question)).decode()

    def read(self, token: str, *, question: bytes) -> Position:
        """The position in a token. Raises `PageTokenError`."""
        if _TEXT.fullmatch(token) is None:
            raise PageTokenError("not a page token")
        data = base64.urlsafe_b64decode(token)
        fields, tag = data[: _FIELDS.size], data[_FIELDS.size :]
        form, version, time_ns, journal, index = _FIELDS.unpack(fields)
        known = form == _FORMAT and version in self._keys
        expected = self._tag(version if known else self._current, fields, question)
        if not hmac.compare_digest(tag, expected) or not known:
            raise PageTokenError("not a page token of this installation and question")
        return Position(time_ns, journal, index)

    def _tag(self, version: int, fields: bytes, question: bytes) -> bytes:
        key = self._keys[version].secret.reveal()
        return hmac.digest(key, fields + question, hashlib.sha256)[:_TAG_BYTES]
