"""Signed notes as C2SP `signed-note` v1 defines them, with Ed25519.

```
<text, one or more lines>
<empty line>
— <key name> <base64(4 bytes key id || 64 bytes signature)>      one or more
```
Owns the envelope; what the text means is the affair of others. A key is named by its name and its id,
`SHA-256(name || 0x0A || 0x01 || public key)[:4]`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_NOTE_BYTES = 1 << 20
MAX_SIGNATURES = 100

_ED25519 = b"\x01"
_DASH = "\N{EM DASH} "
_PRIVATE_PREFIX = "PRIVATE+KEY+"
_KEY_BYTES = 32
_ID_BYTES = 4
_SIGNATURE_BYTES = 64


class NoteError(ValueError):
    """The text is not a note, or no known key vouches for it."""


class KeyFormatError(ValueError):
    """The text is not a key."""


@lru_cache(maxsize=64)
def key_id(name: str, public_key: bytes) -> bytes:
    """The 4 bytes that tell keys of one name apart."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:_ID_BYTES]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """What an outsider needs to check signatures: text form `name+hex(id)+base64(0x01 || public key)`."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        """Refuse a name or key no note could carry."""
        check_key_name(self.name)
        if len(self.public_key) != _KEY_BYTES:
            raise KeyFormatError("an Ed25519 public key has 32 bytes")

    @property
    def id(self) -> bytes:
        """The key id."""
        return key_id(self.name, self.public_key)

    def __str__(self) -> str:
        """Text form."""
        key = base64.b64encode(_ED25519 + self.public_key).decode()
        return f"{self.name}+{self.id.hex()}+{key}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form; raises `KeyFormatError`."""
        name, public_key = _parse_key(text)
        key = cls(name, public_key)
        if str(key) != text:
            raise KeyFormatError("the key id does not belong to the key")
        return key

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether this key made the signature."""
        try:
            _public_key(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class SignerKey:
    """A private key. Its repr shows the name only."""

    def __init__(self, name: str, seed: bytes) -> None:
        """`seed`: the 32 bytes of RFC 8032's private key."""
        check_key_name(name)
        if len(seed) != _KEY_BYTES:
            raise KeyFormatError("an Ed25519 private key has 32 bytes")
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, self._key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SignerKey({self.verifier.name!r}, ****)"

    @property
    def name(self) -> str:
        """The key's name."""
        return self.verifier.name

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(message)

    def reveal(self) -> str:
        """Text form with the secret in it, for the key's file: `PRIVATE+KEY+name+hex(id)+base64(0x01 || seed)`."""
        key = base64.b64encode(_ED25519 + self._seed).decode()
        return f"{_PRIVATE_PREFIX}{self.name}+{self.verifier.id.hex()}+{key}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form; raises `KeyFormatError`, whose message holds nothing of the key."""
        if not text.startswith(_PRIVATE_PREFIX):
            raise KeyFormatError("not a private key")
        name, seed = _parse_key(text[len(_PRIVATE_PREFIX) :])
        key = cls(name, seed)
        if key.reveal() != text:
            raise KeyFormatError("the key id does not belong to the key")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart; nothing is verified yet."""

    text: str
    """With its final newline: these bytes are signed."""
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, note: str) -> Self:
        """Take a note apart; raises `NoteError` for anything that is not one."""
        if len(note.encode()) > MAX_NOTE_BYTES:
            raise NoteError("the note is too long")
        _check_characters(note)
        text, separator, lines = note.rpartition("\n\n")
        if not separator or not lines.endswith("\n"):
            raise NoteError("a note is text, an empty line, and signature lines")
        signatures = tuple(_parse_signature(line) for line in lines[:-1].split("\n"))
        if len(signatures) > MAX_SIGNATURES:
            raise NoteError("the note has too many signatures")
        return cls(text + "\n", signatures)

    def verified_by(self, keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
        """The known keys that signed, in the order of the lines.

        Signatures of unknown keys are passed over, as the specification demands. Raises `NoteError` where a known key's
        signature does not fit, or no known key signed.
        """
        known = {(key.name, key.id): key for key in keys}
        message = self.text.encode()
        found: list[VerifierKey] = []
        for line in self.signatures:
            key = known.get((line.name, line.key_id))
            if key is None:
                continue
            if not key.verifies(message, line.signature):
                raise NoteError(f"the signature of {key.name}+{key.id.hex()} does not fit the text")
            found.append(key)
        if not found:
            raise NoteError("no known key signed the note")
        return tuple(found)


def sign_note(text: str, signers: Sequence[SignerKey]) -> str:
    """The note over `text`, which MUST end in a newline and hold no other control characters; at least one signer."""
    if not text.endswith("\n") or not signers:
        raise NoteError("a note has text that ends in a newline, and a signer")
    _check_characters(text)
    lines = []
    for signer in signers:
        blob = base64.b64encode(signer.verifier.id + signer.sign(text.encode())).decode()
        lines.append(f"{_DASH}{signer.name} {blob}\n")
    return f"{text}\n{''.join(lines)}"


def check_key_name(name: str) -> None:
    """Raise `KeyFormatError` for a name the specification does not allow: empty, or with spaces or a plus."""
    if not name or "+" in name or any(character.isspace() for character in name):
        raise KeyFormatError("a key name holds neither spaces nor plus signs")
    if any(ord(character) < ord(" ") for character in name):
        raise KeyFormatError("a key name holds no control characters")


@lru_cache(maxsize=64)
def _public_key(raw: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw)


def _check_characters(text: str) -> None:
    if any(character < " " and character != "\n" for character in text):
        raise NoteError("a note holds no control characters but newlines")


def _parse_key(text: str) -> tuple[str, bytes]:
    name, _, rest = text.partition("+")
    _, _, blob = rest.partition("+")
    try:
        key = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyFormatError("the key is not base64") from error
    if key[:1] != _ED25519:
        raise KeyFormatError("not an Ed25519 key")
    return name, key[1:]


def _parse_signature(line: str) -> Signature:
    name, _, blob = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not name or not blob:
        raise NoteError("not a signature line")
    try:
        decoded = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("a signature is not base64") from error
    if len(decoded) <= _ID_BYTES or base64.b64encode(decoded).decode() != blob:
        raise NoteError("a signature is too short, or not in its one form")
    return Signature(name, decoded[:_ID_BYTES], decoded[_ID_BYTES:])
