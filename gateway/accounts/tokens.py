"""What an access token must say, and what it then opens. Pure: signatures are checked elsewhere, the moment is given.

The profile is RFC 9068 (JWT access tokens), read leniently where issuers differ: `client_id` or `azp`, `scope` as text
or `scp` as a list.
"""

from __future__ import annotations

import base64
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.accounts.model import BindingKind, binding_name
from gateway.errors import Reason, UnauthenticatedError

MOST_VERIFIED = 10_000
"""Tokens remembered at once; beyond that the one used longest ago is forgotten."""

_SCOPE_RULE = re.compile(r"[a-z_]+(\.[a-z_]+)*(\.\*)?|\*")
_END_OF_TIME = 253_402_300_799


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What tokens are measured against."""

    issuer: str
    audience: str
    scope_prefix: str
    """A scope of a token that begins with it is, without it, a rule on the gateway's scopes."""
    leeway_seconds: float
    """How far the issuer's clock may be off."""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What counts of a token whose signature and claims hold."""

    names: tuple[str, ...]
    """Bindings that fit it, the more specific first."""
    scopes: frozenset[str]
    not_after: float
    """Seconds since the epoch."""
    certificate: str = ""
    """Fingerprint of the certificate that must be shown with it (RFC 8705, 3); empty for a mere bearer token."""

    def is_current(self, now: float, *, leeway_seconds: float) -> bool:
        """Whether it has not expired."""
        return now < self.not_after + leeway_seconds


class VerifiedTokens:
    """Tokens that need no second verification, by their hash. Bounded."""

    def __init__(self, *, most: int = MOST_VERIFIED) -> None:
        self._most = most
        self._generation = -1
        self._held: OrderedDict[bytes, VerifiedToken] = OrderedDict()

    def get(self, digest: bytes, *, generation: int) -> VerifiedToken | None:
        """The token of that hash; None where it is unknown, or was verified with other keys than these."""
        if generation != self._generation:
            return None
        held = self._held.get(digest)
        if held is not None:
            self._held.move_to_end(digest)
        return held

    def put(self, digest: bytes, token: VerifiedToken, *, generation: int) -> None:
        """Remember it; tokens of an earlier generation of keys are forgotten."""
        if generation < self._generation:
            return
        if generation > self._generation:
            self._held.clear()
            self._generation = generation
        self._held[digest] = token
        self._held.move_to_end(digest)
        if len(self._held) > self._most:
            self._held.popitem(last=False)


def claimed_names(token: str) -> tuple[str, ...]:
    """The bindings that a token claims to fit, proven by nothing."""
    part = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return ()
    return _names(claims) if isinstance(claims, dict) else ()


def judged(claims: Mapping[str, Any], *, rules: TokenRules, now: float) -> VerifiedToken:
    """What the claims of a token open.

    Raises `UnauthenticatedError`: TOKEN_EXPIRED, or TOKEN_INVALID with the first claim at fault.
    """
    if claims.get("iss") != rules.issuer:
        raise _invalid("iss")
    audience = claims.get("aud")
    if rules.audience not in (audience if isinstance(audience, list) else [audience]):
        raise _invalid("aud")
    expires = _moment(claims, "exp")
    if expires is None:
        raise _invalid("exp")
    for claim in ("nbf", "iat"):
        begins = _moment(claims, claim)
        if begins is not None and now < begins - rules.leeway_seconds:
            raise _invalid(claim)
    names = _names(claims)
    if not names:
        raise _invalid("sub")
    verified = VerifiedToken(names, _scopes(claims, rules.scope_prefix), expires, _certificate(claims))
    if not verified.is_current(now, leeway_seconds=rules.leeway_seconds):
        raise UnauthenticatedError(Reason.TOKEN_EXPIRED)
    return verified


def _names(claims: Mapping[str, Any]) -> tuple[str, ...]:
    stated = (
        (BindingKind.SUBJECT, claims.get("sub")),
        (BindingKind.CLIENT, claims.get("client_id", claims.get("azp"))),
    )
    return tuple(binding_name(kind, value) for kind, value in stated if isinstance(value, str) and value)


def _scopes(claims: Mapping[str, Any], prefix: str) -> frozenset[str]:
    stated = claims.get("scope", claims.get("scp", ""))
    words = stated.split() if isinstance(stated, str) else stated if isinstance(stated, list) else []
    rules = (word.removeprefix(prefix) for word in words if isinstance(word, str) and word.startswith(prefix))
    return frozenset(rule for rule in rules if _SCOPE_RULE.fullmatch(rule))


def _certificate(claims: Mapping[str, Any]) -> str:
    """The certificate that the issuer tied the token to. Ties of other kinds, which are not looked at, refuse it."""
    tie = claims.get("cnf")
    if tie is None:
        return ""
    digest = tie.get("x5t#S256") if isinstance(tie, dict) and len(tie) == 1 else None
    try:
        fingerprint = base64.b64decode(f"{digest}=", altchars=b"-_", validate=True)
    except ValueError:
        fingerprint = b""
    if not isinstance(digest, str) or len(fingerprint) != 32:
        raise _invalid("cnf")
    return fingerprint.hex()


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate, None where there is none."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _END_OF_TIME:
        raise _invalid(name)
    return float(value)


def check_tie(token: VerifiedToken, fingerprint: str | None) -> None:
    """Raise `UnauthenticatedError` where the token is tied to another certificate than the one shown."""
    if token.certificate and token.certificate != fingerprint:
        raise _invalid("cnf")


def _invalid(claim: str) -> UnauthenticatedError:
    return UnauthenticatedError(Reason.TOKEN_INVALID, metadata={"claim": claim}, cause=f"claim {claim}")
