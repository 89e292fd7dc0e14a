"""What an access token must say, as a table, and what is remembered of those that hold."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from gateway.accounts.tokens import TokenRules, VerifiedToken, VerifiedTokens, claimed_names, judged
from gateway.errors import Reason, UnauthenticatedError

RULES = TokenRules(issuer="https://id.example.vn", audience="dancu", scope_prefix="dancu.", leeway_seconds=30)
NOW = 1_790_000_000.0
CLAIMS: dict[str, Any] = {
    "iss": "https://id.example.vn",
    "aud": "dancu",
    "sub": "one-stop",
    "client_id": "portal",
    "exp": NOW + 300,
    "iat": NOW,
    "scope": "openid dancu.citizen.lookup",
}


def changed(**claims: Any) -> dict[str, Any]:
    return {name: value for name, value in (CLAIMS | claims).items() if value is not ...}


def test_a_whole_token_names_whom_it_opens_for_how_long_and_what() -> None:
    """The subject is more specific than its client."""
    assert judged(CLAIMS, rules=RULES, now=NOW) == VerifiedToken(
        ("subject:one-stop", "client:portal"), frozenset({"citizen.lookup"}), NOW + 300
    )


@pytest.mark.parametrize(
    ("claims", "at_fault"),
    [
        ({"iss": "https://id.example.vn/"}, "iss"),
        ({"iss": ...}, "iss"),
        ({"aud": "other"}, "aud"),
        ({"aud": ["other", "another"]}, "aud"),
        ({"aud": ...}, "aud"),
        ({"aud": [["dancu"]]}, "aud"),
        ({"exp": ...}, "exp"),
        ({"exp": "soon"}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": -1}, "exp"),
        ({"exp": 1e300}, "exp"),
        ({"nbf": NOW + 31}, "nbf"),
        ({"nbf": {}}, "nbf"),
        ({"iat": NOW + 31}, "iat"),
        ({"sub": ..., "client_id": ...}, "sub"),
        ({"sub": "", "client_id": 7}, "sub"),
        ({"cnf": {"jkt": "A" * 43}}, "cnf"),
        ({"cnf": {"x5t#S256": "short"}}, "cnf"),
        ({"cnf": {"x5t#S256": "A" * 43, "jkt": "A" * 43}}, "cnf"),
        ({"cnf": "x5t#S256"}, "cnf"),
    ],
)
def test_a_claim_at_fault_is_named(claims: dict[str, Any], at_fault: str) -> None:
    """An integrator must learn which one, once the signature shows that the issuer is the trusted one."""
    with pytest.raises(UnauthenticatedError) as refused:
        judged(changed(**claims), rules=RULES, now=NOW)
    assert (refused.value.reason, refused.value.metadata) == (Reason.TOKEN_INVALID, {"claim": at_fault})


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["other", "dancu"]},
        {"nbf": NOW + 29},
        {"iat": NOW + 29},
        {"iat": ...},
        {"exp": NOW - 29},
        {"exp": NOW + 0.5},
    ],
)
def test_what_differs_between_issuers_and_clocks_is_accepted(claims: dict[str, Any]) -> None:
    """Clocks of two institutions are never the same."""
    judged(changed(**claims), rules=RULES, now=NOW)


def test_an_expired_token_is_told_apart() -> None:
    """A client renews on this reason and on no other."""
    with pytest.raises(UnauthenticatedError) as refused:
        judged(changed(exp=NOW - 31), rules=RULES, now=NOW)
    assert refused.value.reason is Reason.TOKEN_EXPIRED


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "dancu.citizen.* dancu.receipt.read other.citizen.bulk"}, {"citizen.*", "receipt.read"}),
        ({"scope": ..., "scp": ["dancu.*"]}, {"*"}),
        ({"scope": "dancu.!citizen.lookup dancu.Citizen dancu. citizen.lookup"}, set()),
        ({"scope": 7}, set()),
        ({"scope": ["dancu.citizen.lookup", 7]}, {"citizen.lookup"}),
        ({"scope": ...}, set()),
    ],
)
def test_scopes_of_others_are_passed_over(claims: dict[str, Any], scopes: set[str]) -> None:
    """A token without a scope of ours opens nothing."""
    assert judged(changed(**claims), rules=RULES, now=NOW).scopes == scopes


@pytest.mark.parametrize("payload", [b"{", b"[1]", b"\xff", b"[" * 5000])
def test_claims_that_cannot_be_read_claim_nothing(payload: bytes) -> None:
    """They are read before anything is proven: whatever a stranger sends must do no harm."""
    assert claimed_names(f"h.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.s") == ()


def test_claims_are_read_before_they_are_proven() -> None:
    """Failures are counted for whom a token claims to be."""
    payload = base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).decode().rstrip("=")
    assert claimed_names(f"h.{payload}.s") == ("subject:one-stop", "client:portal")


def test_verified_tokens_are_bounded_and_end_with_the_keys_that_verified_them() -> None:
    """A key that the issuer withdrew must take its tokens with it."""
    held = VerifiedTokens(most=2)
    token = judged(CLAIMS, rules=RULES, now=NOW)
    held.put(b"a", token, generation=1)
    held.put(b"b", token, generation=1)
    assert held.get(b"a", generation=1) is token
    held.put(b"c", token, generation=1)
    assert [held.get(one, generation=1) is not None for one in (b"a", b"b", b"c")] == [True, False, True]
    assert held.get(b"a", generation=2) is None
    held.put(b"d", token, generation=2)
    held.put(b"e", token, generation=1)
    assert held.get(b"e", generation=2) is None
    assert held.get(b"a", generation=1) is None
