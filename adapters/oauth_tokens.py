"""`gateway.ports.TokenVerifier` by joserfc: signatures of access tokens against an issuer's published keys.

Keys are fetched at the start, every few minutes, and when a token names one not seen before, at a bounded rate and
once for all who wait. The last known keys outlive an issuer that does not answer, for a bounded time. A token's own
`jwk`, `jku` and `x5c` headers are never looked at.
"""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import structlog
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from adapters.jwks import JwksSource, JwksUnavailableError
from gateway.ports import Clock, TokenKeysUnavailableError, TokenRejectedError

_Key: TypeAlias = RSAKey | ECKey | OKPKey
_LEAST_RSA_BITS = 2048
_RETRY_SECONDS = 1.0
# RFC 8725, 3.11: what says that it is something else (a logout token, a DPoP proof) is no access token.
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_KEY_TYPES = {"RS": RSAKey, "PS": RSAKey, "ES": ECKey, "Ed": OKPKey}


class JoserfcTokenVerifier:
    """Checks signatures. Call `start` first; `follow` keeps the keys fresh."""

    def __init__(
        self,
        *,
        source: JwksSource,
        algorithms: Sequence[str],
        refresh_seconds: float,
        refetch_seconds: float,
        max_stale_seconds: float,
        clock: Clock,
        on_state: Callable[[bool], None],
    ) -> None:
        """`refetch_seconds` lie at least between two fetches; `on_state` is told after each whether it succeeded."""
        self._source = source
        self._algorithms = frozenset(algorithms)
        self._registry = jws.JWSRegistry(algorithms=list(algorithms), strict_check_header=False)
        self._refresh_seconds = refresh_seconds
        self._refetch_seconds = refetch_seconds
        self._max_stale_seconds = max_stale_seconds
        self._clock = clock
        self._on_state = on_state
        self._keys: list[_Key] = []
        self._document = b""
        self._generation = 0
        self._fetched_at = float("-inf")
        self._is_cut_off = True
        """Whether the issuer did not answer when it was last asked."""
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.oauth")

    @property
    def generation(self) -> int:
        """Grows when the keys change, and when they became too old to be believed."""
        self._forget_what_is_too_old()
        return self._generation

    async def start(self) -> None:
        """Fetch once; an issuer that does not answer keeps nobody else out."""
        await self._ask()

    async def follow(self) -> None:
        """Fetch for ever; cancel to stop."""
        while True:
            await asyncio.sleep(self._refresh_seconds)
            await self._ask()

    async def close(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
        await self._source.close()

    async def verify(self, token: str) -> Mapping[str, Any]:
        """The claims of a token that the issuer signed; see `gateway.ports.TokenVerifier`."""
        self._forget_what_is_too_old()
        header = _header(token)
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise TokenRejectedError("its algorithm is not allowed")
        if str(header.get("typ", "jwt")).lower() not in _TYPES:
            raise TokenRejectedError("it is a token of another type")
        key = self._key(algorithm, header.get("kid"))
        if key is None and await self._ask_again():
            key = self._key(algorithm, header.get("kid"))
        if key is None:
            if self._is_cut_off:
                raise TokenKeysUnavailableError("the issuer does not answer", retry_after_seconds=_RETRY_SECONDS)
            raise TokenRejectedError("no key of the issuer fits")
        try:
            with _quiet():
                signed = jws.deserialize_compact(token, key, registry=self._registry)
        except (JoseError, ValueError, TypeError) as error:
            raise TokenRejectedError(f"its signature does not hold: {type(error).__name__}") from error
        return _object(signed.payload)

    def _key(self, algorithm: str, kid: object) -> _Key | None:
        """The key that the token names, or the only one that fits where it names none."""
        fitting = [
            key
            for key in self._keys
            if isinstance(key, _KEY_TYPES[algorithm[:2]])
            and key.get("alg") in {None, algorithm}
            and (kid is None or key.get("kid") == kid)
        ]
        return fitting[0] if len(fitting) == 1 else None

    def _forget_what_is_too_old(self) -> None:
        if not self._keys or self._clock.monotonic() - self._fetched_at <= self._max_stale_seconds:
            return
        self._keys, self._document = [], b""
        self._generation += 1
        self._log.error("token_keys_too_old")

    async def _ask_again(self) -> bool:
        """Ask the issuer, unless it was asked just now; tells whether the keys may be others than before."""
        recent = self._clock.monotonic() - self._asked_at < self._refetch_seconds
        if recent and self._asking is None:
            return False
        await self._ask()
        return True

    async def _ask(self) -> None:
        """Fetch, once for all who ask at the same time. One who hangs up takes nothing from the others."""
        if self._asking is None:
            self._asked_at = self._clock.monotonic()
            self._asking = asyncio.create_task(self._fetch())
            self._asking.add_done_callback(self._asked)
        await asyncio.shield(self._asking)

    def _asked(self, _done: asyncio.Task[None]) -> None:
        self._asking = None

    async def _fetch(self) -> None:
        try:
            document = await self._source.fetch()
            keys = self._keys if document == self._document else _keys_in(document)
        except (JwksUnavailableError, TokenRejectedError) as error:
            self._is_cut_off = True
            self._on_state(False)
            self._log.warning("token_keys_not_fetched", cause=str(error))
            return
        self._fetched_at = self._clock.monotonic()
        self._is_cut_off = False
        self._on_state(True)
        if document != self._document:
            self._keys, self._document = keys, document
            self._generation += 1
            self._log.info("token_keys_loaded", keys=len(keys))


@contextmanager
def _quiet() -> Iterator[None]:
    """The library warns of short keys, which are passed over, and of the name `EdDSA`, which issuers go on using."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        yield


def _keys_in(document: bytes) -> list[_Key]:
    """The public keys for signatures in a JWKS. Others (symmetric, short, for encryption) are passed over."""
    found: list[_Key] = []
    stated = _object(document).get("keys")
    for one in stated if isinstance(stated, list) else ():
        if not isinstance(one, dict) or one.get("use", "sig") != "sig":
            continue
        try:
            with _quiet():
                (key,) = KeySet.import_key_set({"keys": [one]}).keys
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, RSAKey) and key.public_key.key_size < _LEAST_RSA_BITS:
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey):
            found.append(key)
    if not found:
        raise TokenRejectedError("the document holds no public key for signatures")
    return found


def _header(token: str) -> Mapping[str, Any]:
    try:
        header = jws.extract_compact(token.encode()).protected
    except (JoseError, ValueError, TypeError) as error:
        raise TokenRejectedError("not a token") from error
    return header if isinstance(header, dict) else {}


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TokenRejectedError("not JSON") from error
    if not isinstance(value, dict):
        raise TokenRejectedError("not a JSON object")
    return value
