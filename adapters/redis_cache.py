"""Copies of records in Redis, shared by all workers, readable to none but us.

The key is a keyed hash of the number; the value is AES-256-GCM under a key that Redis never sees, bound to its key,
with the number inside, which is compared on every read. Losing Redis costs time, never correctness.

    value = version (8 bytes, big-endian) ‖ key version (1) ‖ nonce (12) ‖ AES-256-GCM(body)
    body  = number length (1) ‖ number ‖ held (1) ‖ data as of, fetched at (8 + 8, µs) ‖ serialised Citizen

The version stands outside the cipher, so that a script can refuse an older record without knowing any.
"""

from __future__ import annotations

import os
import struct

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from redis.exceptions import ResponseError

from adapters.redis_lane import RedisLane, RedisUnavailableError, Script
from dancu.citizen.v1 import citizen_pb2
from gateway.audit.tokens import Tokens
from gateway.model import CitizenNumber, CitizenRecord, VersionedSecret

_HEAD = struct.Struct(">QB12s")
_TIMES = struct.Struct(">BQQ")

# KEYS: the copy. ARGV: value, lifetime in ms. Keeps a copy of a higher version.
_PUT = """
local held = redis.call('GETRANGE', KEYS[1], 0, 7)
if #held == 8 and held > string.sub(ARGV[1], 1, 8) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""


class RedisIdentityCache:
    """`gateway.ports.IdentityCache` on Redis."""

    def __init__(
        self, lane: RedisLane, *, tokens: Tokens, key: VersionedSecret, ttl_seconds: float, negative_ttl_seconds: float
    ) -> None:
        """`tokens` name the copies, `key` (32 bytes) seals them."""
        self._lane = lane
        self._tokens = tokens
        self._cipher = AESGCM(key.secret.reveal())
        self._key_version = key.version
        self._ttl_seconds = ttl_seconds
        self._negative_ttl_seconds = negative_ttl_seconds
        self._put = Script(lane, _PUT)
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.cache")

    def near(self, number: CitizenNumber, *, now: float, not_before: float) -> CitizenRecord | None:  # noqa: ARG002
        """Nothing: Redis is never at hand without waiting."""
        return None

    async def get(self, number: CitizenNumber, *, not_before: float) -> CitizenRecord | None:  # noqa: ARG002
        """The copy, of any age within its time to live; None as well for what cannot be opened."""
        key = self._key_of(number)
        try:
            value = await self._lane.execute("GET", key)
        except (RedisUnavailableError, ResponseError):
            return None
        if value is None:
            return None
        try:
            return self._open(key, value, number)
        except (InvalidTag, struct.error, DecodeError, ValueError) as error:
            # Another key version, or a foreign hand in Redis: treated as no copy, and told.
            self._log.warning("cache_entry_unreadable", error=type(error).__name__)
            return None

    async def put(self, record: CitizenRecord) -> None:
        """Keep a copy, unless one of a higher version is kept already."""
        ttl = self._negative_ttl_seconds if record.citizen is None else self._ttl_seconds
        if ttl <= 0:
            return
        key = self._key_of(record.number)
        try:
            await self._put.run([key], self._seal(key, record), int(ttl * 1000))
        except (RedisUnavailableError, ResponseError) as error:
            self._log.debug("cache_put_failed", error=type(error).__name__)

    def _key_of(self, number: CitizenNumber) -> bytes:
        return b"dancu:citizen:" + self._tokens.of(number).hex().encode()

    def _seal(self, key: bytes, record: CitizenRecord) -> bytes:
        digits = record.number.digits.encode()
        times = _TIMES.pack(record.citizen is not None, int(record.data_as_of * 1e6), int(record.fetched_at * 1e6))
        citizen = b"" if record.citizen is None else record.citizen.SerializeToString()
        head = _HEAD.pack(record.version, self._key_version, os.urandom(12))
        body = bytes([len(digits)]) + digits + times + citizen
        return head + self._cipher.encrypt(head[9:], body, head[:9] + key)

    def _open(self, key: bytes, value: bytes, number: CitizenNumber) -> CitizenRecord:
        version, key_version, nonce = _HEAD.unpack_from(value)
        if key_version != self._key_version:
            raise ValueError("another key version")
        body = self._cipher.decrypt(nonce, value[_HEAD.size :], value[:9] + key)
        end = 1 + body[0]
        if body[1:end] != number.digits.encode():
            raise ValueError("another number")
        held, data_as_of, fetched_at = _TIMES.unpack_from(body, end)
        citizen = citizen_pb2.Citizen.FromString(body[end + _TIMES.size :]) if held else None
        return CitizenRecord(number, citizen, version, data_as_of / 1e6, fetched_at / 1e6)
