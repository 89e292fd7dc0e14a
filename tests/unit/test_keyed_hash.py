"""Keyed hashes prepared once."""

from __future__ import annotations

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from gateway.keyed_hash import KeyedHash
from gateway.model import Secret


@given(st.binary(max_size=200), st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_it_is_hmac_sha256_for_every_key_and_message(key: bytes, messages: list[bytes]) -> None:
    """Stored keys and tokens of earlier versions must go on being found, and one message must not colour the next."""
    keyed = KeyedHash(Secret(key))
    for message in messages:
        assert keyed.of(message) == hmac.digest(key, message, hashlib.sha256)
