"""The receipt of a record: what a caller keeps to prove its own lookup later.

Owns the text form only; proofs are made elsewhere from the journal the receipt names.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

_TEXT = re.compile(r"(?P<origin>[a-z0-9][a-z0-9.-]{0,62}):(?P<index>0|[1-9][0-9]{0,18}):(?P<leaf>[A-Za-z0-9_-]{43})")


class MalformedReceiptError(ValueError):
    """The text is not a receipt."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Names one durable record: `origin` (which journal), `index` (0-based leaf), `leaf_hash` (RFC 9162 §2.1.1).

    The leaf hash binds the receipt to the record's exact bytes from the moment of the answer, so that even a
    record replaced before the next checkpoint is found out.
    """

    origin: str
    index: int
    leaf_hash: bytes

    def __str__(self) -> str:
        """Text form `origin:index:leaf`, the leaf hash in unpadded base64url (43 characters)."""
        leaf = base64.urlsafe_b64encode(self.leaf_hash).rstrip(b"=").decode()
        return f"{self.origin}:{self.index}:{leaf}"

    @classmethod
    def parse(cls, text: str) -> Receipt:
        """Read the text form; raises `MalformedReceiptError` for anything else."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise MalformedReceiptError("a receipt reads origin:index:leaf-hash")
        try:
            leaf = base64.urlsafe_b64decode(match["leaf"] + "=")
        except binascii.Error as error:
            raise MalformedReceiptError("the leaf hash is not base64url") from error
        return cls(match["origin"], int(match["index"]), leaf)
