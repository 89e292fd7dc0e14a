"""Sealing under a key ring: written under the current key, read under any that is still there.

    sealed = key version (2 bytes, big-endian) ‖ nonce (12) ‖ AES-256-GCM

Rotation adds a file to the ring while everything runs: a process writes under it within a minute, and looks at the ring
at once when it meets a version that it does not know. Knows nothing of what is sealed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Protocol

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.secret_files import SecretMissingError
from gateway.model import VersionedSecret

RELOAD_SECONDS = 60.0
UNKNOWN_RELOAD_SECONDS = 1.0
_HEAD = struct.Struct(">H12s")


class Ring(Protocol):
    """The versions of one key."""

    def versions(self) -> list[VersionedSecret]:
        """All versions, the current one last. Raises `SecretMissingError`."""


class BrokenSealError(Exception):
    """Not what we sealed for this purpose: another key, another place, or changed."""


class Seals:
    """Seals and opens with 256-bit keys."""

    def __init__(self, ring: Ring, *, monotonic: Callable[[], float]) -> None:
        """Raises `SecretMissingError` where the ring is empty."""
        self._ring = ring
        self._monotonic = monotonic
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.seals")
        self._ciphers: dict[int, AESGCM] = {}
        self._current = 0
        self._take(ring.versions())
        self._loaded_at = monotonic()

    def seal(self, plain: bytes, *, purpose: bytes) -> bytes:
        """Sealed bytes; `purpose` is authenticated and must be given again to open them."""
        self._reload(after=RELOAD_SECONDS)
        head = _HEAD.pack(self._current, os.urandom(12))
        return head + self._ciphers[self._current].encrypt(head[2:], plain, purpose)

    def open(self, sealed: bytes, *, purpose: bytes) -> bytes:
        """What was sealed. Raises `BrokenSealError`."""
        if len(sealed) < _HEAD.size:
            raise BrokenSealError("too short")
        version, nonce = _HEAD.unpack_from(sealed)
        if version not in self._ciphers:
            self._reload(after=UNKNOWN_RELOAD_SECONDS)
        cipher = self._ciphers.get(version)
        if cipher is None:
            raise BrokenSealError("a key version that is not there")
        try:
            return cipher.decrypt(nonce, sealed[_HEAD.size :], purpose)
        except InvalidTag as error:
            raise BrokenSealError("not sealed by us for this place") from error

    def _reload(self, *, after: float) -> None:
        now = self._monotonic()
        if now - self._loaded_at < after:
            return
        self._loaded_at = now
        try:
            self._take(self._ring.versions())
        except SecretMissingError as error:
            self._log.warning("key_ring_unreadable", cause=str(error))

    def _take(self, versions: list[VersionedSecret]) -> None:
        self._ciphers = {key.version: AESGCM(key.secret.reveal()) for key in versions}
        if self._current not in {0, versions[-1].version}:
            self._log.info("key_rotated", version=versions[-1].version)
        self._current = versions[-1].version
