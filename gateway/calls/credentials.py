"""What a caller can show, one class for each kind: whom it claims to be, and the proof.

A key reads `dck_<key id>_<secret>`. Secrets carry 256 random bits, so a keyed hash is enough to store them: there is
nothing to guess that a slow hash would protect. A certificate is proven by the transport; here only its binding to an
account counts. An access token is proven by its issuer's signature; whom it opens is a binding again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import NamedTuple, Protocol

from gateway.accounts.model import Account, Binding, BindingKind, binding_name
from gateway.accounts.tokens import TokenRules, VerifiedToken, VerifiedTokens, check_tie, claimed_names, judged
from gateway.errors import Reason, UnauthenticatedError, UnavailableError
from gateway.keyed_hash import KeyedHash
from gateway.model import ClientCertificate, Secret
from gateway.ports import Directory, TokenKeysUnavailableError, TokenRejectedError, TokenVerifier

_BEARER_KEY = re.compile(r"[Bb]earer +dck_([a-z0-9]{4,32})_([A-Za-z0-9]{20,86})")
# RFC 7515 compact form; what is larger than a header may hold is nobody's token.
_BEARER_TOKEN = re.compile(r"[Bb]earer +([A-Za-z0-9_-]{8,2048}\.[A-Za-z0-9_-]{8,12288}\.[A-Za-z0-9_-]{0,2048})")
_NOBODY = bytes(32)
_SHORT = 16

key_in = _BEARER_KEY.fullmatch
"""The key in an `authorization` header as groups 1 (identifier) and 2 (secret), or None."""


class Caller(NamedTuple):
    """Who asks, proven."""

    account: Account
    credential_id: str
    """The key's identifier, or the binding's name."""
    detail: str = ""
    """For the record: which of the certificates or tokens that the binding fits, as `#` and part of its SHA-256."""
    token_scopes: frozenset[str] | None = None
    """Rules on scopes that narrow the account's; None where nothing does."""


class Credential(Protocol):
    """One thing that a caller shows."""

    def claim(self) -> str:
        """The key or binding it names, if that is known; empty for a stranger's. Costs look-ups, no cryptography."""

    async def prove(self, *, now: float) -> Caller:
        """The caller behind it. Raises `UnauthenticatedError` and `UnavailableError`."""


def hash_of_secret(secret: str, *, pepper: Secret) -> bytes:
    """What is stored of a key: HMAC-SHA256 of its secret part."""
    return KeyedHash(pepper).of(secret.encode())


def token_in(authorization: str) -> str | None:
    """The access token in an `authorization` header, or None."""
    header = _BEARER_TOKEN.fullmatch(authorization)
    return None if header is None else header[1]


class KeyCredential:
    """An API key."""

    __slots__ = ("_hash", "_key", "_secret")

    def __init__(self, key_id: str, secret: str, directory: Directory, hash_of_secrets: KeyedHash) -> None:
        self._key = directory.key(key_id)
        self._secret = secret
        self._hash = hash_of_secrets

    def claim(self) -> str:
        """The key's identifier."""
        return "" if self._key is None else self._key.key_id

    async def prove(self, *, now: float) -> Caller:
        """Compare the hash: KEY_UNKNOWN equally (in text and in time) for an unknown identifier and for a wrong secret.

        KEY_EXPIRED is told only to who knows the secret.
        """
        key = self._key
        hashed = self._hash.of(self._secret.encode())
        if not hmac.compare_digest(hashed, _NOBODY if key is None else key.secret_hash) or key is None:
            raise UnauthenticatedError(Reason.KEY_UNKNOWN)
        if key.not_after is not None and now >= key.not_after:
            raise UnauthenticatedError(Reason.KEY_EXPIRED)
        return Caller(key.account, key.key_id)


class CertificateCredential:
    """A client certificate. The most specific binding decides: fingerprint before URI before DNS name."""

    __slots__ = ("_bindings", "_certificate")

    def __init__(self, certificate: ClientCertificate, directory: Directory) -> None:
        self._certificate = certificate
        named = (
            (BindingKind.FINGERPRINT, (certificate.fingerprint,)),
            (BindingKind.URI, certificate.uris),
            (BindingKind.DNS, certificate.dns_names),
        )
        self._bindings: list[Binding] = []
        for kind, values in named:
            found = (directory.binding(binding_name(kind, value)) for value in values)
            self._bindings = [binding for binding in found if binding is not None]
            if self._bindings:
                break

    def claim(self) -> str:
        """The binding's name."""
        return self._bindings[0].name if self._bindings else ""

    async def prove(self, *, now: float) -> Caller:
        """The transport proved the certificate at the handshake; it may have ended since on a connection that lasts."""
        if not self._bindings:
            raise UnauthenticatedError(Reason.CERTIFICATE_UNKNOWN)
        binding = self._bindings[0]
        if any(other.account.name != binding.account.name for other in self._bindings):
            raise UnauthenticatedError(Reason.CERTIFICATE_MISMATCH)
        if now >= self._certificate.not_after or _is_over(binding, now):
            raise UnauthenticatedError(Reason.CERTIFICATE_EXPIRED)
        return Caller(binding.account, binding.name, f"#{self._certificate.fingerprint[:_SHORT]}")


class TokenDesk(NamedTuple):
    """What access tokens are checked with."""

    verifier: TokenVerifier
    rules: TokenRules
    verified: VerifiedTokens


class TokenCredential:
    """An OAuth 2.0 access token, a JWT (RFC 9068). The binding of its subject goes before its client's."""

    __slots__ = ("_certificate", "_desk", "_digest", "_directory", "_known", "_token")

    def __init__(
        self, token: str, certificate: ClientCertificate | None, directory: Directory, desk: TokenDesk
    ) -> None:
        self._token = token
        self._certificate = certificate
        self._directory = directory
        self._desk = desk
        self._digest = hashlib.sha256(token.encode()).digest()
        self._known = desk.verified.get(self._digest, generation=desk.verifier.generation)

    def claim(self) -> str:
        """The binding of a token verified before, else the one that its unproven claims name."""
        names = claimed_names(self._token) if self._known is None else self._known.names
        binding = self._bound(names)
        return "" if binding is None else binding.name

    async def prove(self, *, now: float) -> Caller:
        """Check signature and claims, unless that was done before, and find the account."""
        verified = self._known
        if verified is None or not verified.is_current(now, leeway_seconds=self._desk.rules.leeway_seconds):
            verified = await self._verify(now)
        check_tie(verified, None if self._certificate is None else self._certificate.fingerprint)
        binding = self._bound(verified.names)
        if binding is None:
            raise UnauthenticatedError(Reason.TOKEN_UNKNOWN)
        if _is_over(binding, now):
            raise UnauthenticatedError(Reason.TOKEN_EXPIRED)
        return Caller(binding.account, binding.name, f"#{self._digest.hex()[:_SHORT]}", verified.scopes)

    async def _verify(self, now: float) -> VerifiedToken:
        desk = self._desk
        generation = desk.verifier.generation
        try:
            claims = await desk.verifier.verify(self._token)
        except TokenRejectedError as error:
            raise UnauthenticatedError(Reason.TOKEN_INVALID, cause=str(error)) from error
        except TokenKeysUnavailableError as error:
            raise UnavailableError(
                Reason.TOKEN_KEYS_UNAVAILABLE, retry_after_seconds=error.retry_after_seconds, cause=str(error)
            ) from error
        verified = judged(claims, rules=desk.rules, now=now)
        # Of the generation before: keys that changed meanwhile have it verified once more.
        desk.verified.put(self._digest, verified, generation=generation)
        return verified

    def _bound(self, names: tuple[str, ...]) -> Binding | None:
        found = (self._directory.binding(name) for name in names)
        return next((binding for binding in found if binding is not None), None)


def _is_over(binding: Binding, now: float) -> bool:
    return binding.not_after is not None and now >= binding.not_after
