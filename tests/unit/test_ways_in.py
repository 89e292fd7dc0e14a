"""Who is let in by what: keys, certificates and tokens on the whole pipeline, and what failing costs."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.accounts.model import AccountStatus, Binding
from gateway.accounts.tokens import TokenRules, VerifiedTokens
from gateway.calls.credentials import TokenDesk
from gateway.errors import Reason
from gateway.model import Call, ClientCertificate
from gateway.ports import TokenKeysUnavailableError, TokenRejectedError
from tests.fakes.gateway import LOOKUP, SECRET, FakeGateway, lookup_request, policy, refused
from tests.fakes.national_db import AN

FINGERPRINT = "ab" * 32
URI = "spiffe://example.vn/mot-cua"
KEY = f"Bearer dck_testkey_{SECRET}"
PEER = "192.0.2.7"


class ScriptedVerifier:
    """`gateway.ports.TokenVerifier`: a token whose signature part is `good` holds."""

    def __init__(self) -> None:
        self.generation = 1
        self.asked = 0
        self.gone = False

    async def verify(self, token: str) -> Mapping[str, Any]:
        self.asked += 1
        if self.gone:
            raise TokenKeysUnavailableError("gone", retry_after_seconds=1.0)
        _, payload, signature = token.split(".")
        if signature != "good":
            raise TokenRejectedError("forged")
        claims: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
        return claims


class Door:
    """A gateway with one account `01/test`, and whoever knocks."""

    def __init__(self, **parts: Any) -> None:
        self.verifier = ScriptedVerifier()
        rules = TokenRules(issuer="iss", audience="aud", scope_prefix="dancu.", leeway_seconds=0)
        self.gateway = FakeGateway(tokens=TokenDesk(self.verifier, rules, VerifiedTokens()), **parts)

    def bind(self, name: str, *, not_after: float | None = None, account: str = "01/test") -> None:
        held = replace(self.gateway.account, name=account)
        self.gateway.bindings[name] = Binding(name, held, not_after)

    def certificate(self, **changes: Any) -> ClientCertificate:
        whole = ClientCertificate(FINGERPRINT, (URI,), ("mot-cua.example.vn",), self.gateway.clock.now() + 60)
        return replace(whole, **changes)

    def token(self, signature: str = "good", **claims: Any) -> str:
        stated = {"iss": "iss", "aud": "aud", "sub": "s1", "exp": self.gateway.clock.now() + 60, "scope": "dancu.*"}
        payload = base64.urlsafe_b64encode(json.dumps(stated | claims).encode()).decode().rstrip("=")
        return f"eyJhbGciOiJ4In0.{payload}.{signature}"

    async def knock(
        self, authorization: str | None = None, certificate: ClientCertificate | None = None, *, peer: str = PEER
    ) -> None:
        metadata = {} if authorization is None else {"authorization": authorization}
        request = lookup_request(AN.personal_number).SerializeToString()
        await self.gateway.pipeline(Call(LOOKUP, request, metadata, peer, None, certificate))

    def reasons(self) -> list[str]:
        return [one["reason"] for one in self.gateway.observed.finished]


@pytest.mark.parametrize("name", [f"fingerprint:{FINGERPRINT}", f"uri:{URI}", "dns:mot-cua.example.vn"])
async def test_a_bound_certificate_alone_is_enough_and_stands_in_the_record(name: str) -> None:
    """After an authority was broken into, one must find what each of its certificates asked."""
    door = Door()
    door.bind(name)
    await door.knock(None, door.certificate())
    (record,) = door.gateway.records
    assert (record.account, record.credential_id) == ("01/test", f"{name}#{FINGERPRINT[:16]}")
    assert name in door.gateway.key_used_at


async def test_an_unknown_certificate_is_refused_even_beside_a_good_key() -> None:
    """A stolen key must not be worth more on the stricter port."""
    door = Door()
    for authorization in (None, KEY):
        with refused("UNAUTHENTICATED", Reason.CERTIFICATE_UNKNOWN):
            await door.knock(authorization, door.certificate())


async def test_a_certificate_and_a_key_must_open_the_same_account() -> None:
    """Neither a stolen key nor a stolen certificate opens another's account."""
    door = Door()
    door.bind(f"uri:{URI}", account="01/other")
    with refused("UNAUTHENTICATED", Reason.CERTIFICATE_MISMATCH):
        await door.knock(KEY, door.certificate())
    door.bind(f"uri:{URI}")
    await door.knock(KEY, door.certificate())
    assert door.gateway.records[-1].credential_id == "testkey"


async def test_the_most_specific_binding_decides_and_names_of_two_accounts_open_neither() -> None:
    """Which account is charged and recorded must never be a matter of order."""
    door = Door()
    door.bind("uri:urn:a")
    door.bind("uri:urn:b", account="01/other")
    door.bind("dns:mot-cua.example.vn", account="01/other")
    with refused("UNAUTHENTICATED", Reason.CERTIFICATE_MISMATCH):
        await door.knock(None, door.certificate(uris=("urn:a", "urn:b")))
    door.bind(f"fingerprint:{FINGERPRINT}")
    await door.knock(None, door.certificate(uris=("urn:b",)))
    assert door.gateway.records[-1].credential_id.startswith("fingerprint:")


async def test_a_certificate_that_ended_on_an_open_connection_is_refused() -> None:
    """The handshake looked at its dates once; the connection may outlive them."""
    door = Door()
    door.bind(f"uri:{URI}")
    shown = door.certificate()
    await door.knock(None, shown)
    door.gateway.clock.advance(61)
    with refused("UNAUTHENTICATED", Reason.CERTIFICATE_EXPIRED):
        await door.knock(None, shown)


async def test_a_binding_ends_when_it_was_told_to() -> None:
    """A contractor's access ends by itself."""
    door = Door()
    door.bind(f"uri:{URI}", not_after=door.gateway.clock.now() + 10)
    door.bind("subject:s1", not_after=door.gateway.clock.now() + 10)
    await door.knock(None, door.certificate())
    await door.knock(f"Bearer {door.token()}")
    door.gateway.clock.advance(10)
    with refused("UNAUTHENTICATED", Reason.CERTIFICATE_EXPIRED):
        await door.knock(None, door.certificate())
    with refused("UNAUTHENTICATED", Reason.TOKEN_EXPIRED):
        await door.knock(f"Bearer {door.token()}")


async def test_a_token_is_verified_once_and_its_account_looked_up_each_time() -> None:
    """A signature costs fifty hashes; a removed binding must count at once nevertheless."""
    door = Door()
    door.bind("subject:s1")
    token = f"Bearer {door.token()}"
    for _ in range(5):
        await door.knock(token)
    assert door.verifier.asked == 1
    assert door.gateway.records[-1].credential_id.startswith("subject:s1#")
    del door.gateway.bindings["subject:s1"]
    with refused("UNAUTHENTICATED", Reason.TOKEN_UNKNOWN):
        await door.knock(token)
    assert door.verifier.asked == 1


async def test_a_verified_token_ends_with_its_time_and_with_the_keys_that_verified_it() -> None:
    """A cache must not extend what the issuer granted."""
    door = Door()
    door.bind("subject:s1")
    token = f"Bearer {door.token()}"
    await door.knock(token)
    door.verifier.generation = 2
    await door.knock(token)
    assert door.verifier.asked == 2
    door.gateway.clock.advance(60)
    with refused("UNAUTHENTICATED", Reason.TOKEN_EXPIRED):
        await door.knock(token)


async def test_a_forged_token_and_one_of_an_unbound_subject_are_refused() -> None:
    """Being known to the issuer is not being granted anything here."""
    door = Door()
    door.bind("client:portal")
    with refused("UNAUTHENTICATED", Reason.TOKEN_INVALID):
        await door.knock(f"Bearer {door.token('forged', client_id='portal')}")
    with refused("UNAUTHENTICATED", Reason.TOKEN_UNKNOWN):
        await door.knock(f"Bearer {door.token()}")
    await door.knock(f"Bearer {door.token(client_id='portal')}")


async def test_keys_of_the_issuer_that_cannot_be_had_are_ours_to_cure_and_no_failed_login() -> None:
    """An issuer's outage must not count against its callers, and keys must go on."""
    door = Door()
    door.bind("subject:s1")
    door.verifier.gone = True
    for _ in range(50):
        with refused("UNAVAILABLE", Reason.TOKEN_KEYS_UNAVAILABLE) as refusal:
            await door.knock(f"Bearer {door.token()}")
    assert refusal[0].retry_after_seconds == 1.0
    await door.knock(KEY)


async def test_token_scopes_narrow_the_account_and_never_widen_it() -> None:
    """OWASP API5:2023: what the issuer wrote into a token is no grant of ours."""
    door = Door(policy=policy(methods=frozenset({"citizen.lookup"})))
    door.bind("subject:s1")
    await door.knock(f"Bearer {door.token(scope='dancu.citizen.*')}")
    for scope in ("dancu.receipt.read", "openid", "dancu.citizen.bulk"):
        with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED) as refusal:
            await door.knock(f"Bearer {door.token(scope=scope)}")
        assert refusal[0].metadata == {"scope": "citizen.lookup", "by": "token"}
    narrow = Door(policy=policy(methods=frozenset({"citizen.bulk"})))
    narrow.bind("subject:s1")
    with refused("PERMISSION_DENIED", Reason.METHOD_NOT_GRANTED) as refusal:
        await narrow.knock(f"Bearer {narrow.token(scope='dancu.*')}")
    assert refusal[0].metadata == {"scope": "citizen.lookup"}


async def test_a_token_tied_to_a_certificate_is_worth_nothing_without_it() -> None:
    """RFC 8705: the issuer tied it so that a stolen one opens nothing."""
    door = Door()
    door.bind("subject:s1")
    door.bind(f"uri:{URI}")
    digest = base64.urlsafe_b64encode(bytes.fromhex(FINGERPRINT)).decode().rstrip("=")
    token = f"Bearer {door.token(cnf={'x5t#S256': digest})}"
    for shown in (None, door.certificate(fingerprint="cd" * 32)):
        with refused("UNAUTHENTICATED", Reason.TOKEN_INVALID) as refusal:
            await door.knock(token, shown)
        assert refusal[0].metadata == {"claim": "cnf"}
    await door.knock(token, door.certificate())


@pytest.mark.parametrize("authorization", ["", "Basic dXNlcjpwYXNz", "Bearer x", "Bearer a.b", "Bearer dck_x_y"])
async def test_a_header_that_is_no_credential_is_refused_even_beside_a_certificate(authorization: str) -> None:
    """Who sends something means it; passing over it would hide a mistake."""
    door = Door()
    door.bind(f"uri:{URI}")
    with refused("UNAUTHENTICATED", Reason.KEY_MISSING):
        await door.knock(authorization, door.certificate())


async def test_a_port_without_an_issuer_takes_no_token() -> None:
    """The administrators' port, and every installation that set no issuer."""
    gateway = FakeGateway()
    with refused("UNAUTHENTICATED", Reason.KEY_MISSING):
        await gateway.call(b"", authorization=f"Bearer {Door().token()}")


async def test_after_too_many_failures_nothing_is_checked_any_more() -> None:
    """A flood of forged tokens must not cost a signature check each."""
    door = Door()
    for _ in range(20):
        with refused("UNAUTHENTICATED", Reason.TOKEN_INVALID):
            await door.knock(f"Bearer {door.token('forged')}")
    with refused("RESOURCE_EXHAUSTED", Reason.TOO_MANY_FAILED_LOGINS) as refusal:
        await door.knock(f"Bearer {door.token('forged')}")
    assert door.verifier.asked == 20
    wait = refusal[0].retry_after_seconds
    assert wait
    door.gateway.clock.advance(wait + 0.001)
    with refused("UNAUTHENTICATED", Reason.TOKEN_INVALID):
        await door.knock(f"Bearer {door.token('forged')}")
    assert door.reasons().count("TOO_MANY_FAILED_LOGINS") == 1


async def test_who_is_known_passes_while_a_neighbour_hammers_with_a_wrong_secret() -> None:
    """A province's address: good keys, certificates and tokens go on, fresh tokens too."""
    door = Door()
    door.bind(f"uri:{URI}")
    door.bind("subject:s1")
    for wrong in (f"Bearer dck_otherkey_{SECRET}", f"Bearer {door.token('forged', sub='s9')}"):
        for _ in range(30):
            with pytest.raises(Exception, match=r"KEY_UNKNOWN|TOKEN_INVALID|TOO_MANY_FAILED_LOGINS"):
                await door.knock(wrong)
    with refused("RESOURCE_EXHAUSTED", Reason.TOO_MANY_FAILED_LOGINS):
        await door.knock(f"Bearer dck_otherkey_{SECRET}")
    await door.knock(KEY)
    await door.knock(None, door.certificate())
    await door.knock(f"Bearer {door.token()}")
    await door.knock(f"Bearer {door.token(jti='another')}")


async def test_a_wrong_secret_for_a_known_key_holds_back_that_key_at_that_address_alone() -> None:
    """Guessing secrets is bounded; the rightful holder elsewhere notices nothing."""
    door = Door()
    wrong = f"Bearer dck_testkey_{'B' * 43}"
    for _ in range(20):
        with refused("UNAUTHENTICATED", Reason.KEY_UNKNOWN):
            await door.knock(wrong)
    with refused("RESOURCE_EXHAUSTED", Reason.TOO_MANY_FAILED_LOGINS):
        await door.knock(KEY)
    await door.knock(KEY, peer="198.51.100.1")


async def test_who_holds_what_opens_nothing_any_more_is_told_so_each_time() -> None:
    """There is nothing to guess in a revoked key, and its owner must read why it is refused."""
    door = Door()
    door.gateway.allow(not_after=door.gateway.clock.now())
    token = f"Bearer {door.token()}"
    for _ in range(50):
        with refused("UNAUTHENTICATED", Reason.KEY_EXPIRED):
            await door.knock(KEY)
        with refused("UNAUTHENTICATED", Reason.CERTIFICATE_UNKNOWN):
            await door.knock(None, door.certificate())
        with refused("UNAUTHENTICATED", Reason.TOKEN_UNKNOWN):
            await door.knock(token)
    assert door.verifier.asked == 1


async def test_a_suspended_account_is_refused_whatever_opens_it_and_counts_no_failure() -> None:
    """The caller is known: it may not, which is another matter than being a stranger."""
    door = Door()
    door.gateway.allow(status=AccountStatus.SUSPENDED)
    door.bind(f"uri:{URI}")
    door.bind("subject:s1")
    for _ in range(25):
        with refused("PERMISSION_DENIED", Reason.ACCOUNT_SUSPENDED):
            await door.knock(None, door.certificate())
        with refused("PERMISSION_DENIED", Reason.ACCOUNT_SUSPENDED):
            await door.knock(f"Bearer {door.token()}")
