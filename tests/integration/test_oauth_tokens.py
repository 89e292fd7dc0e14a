"""Signatures of access tokens against the keys of a real issuer's server: what holds, and every way it must not."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc.jwk import OctKey

from adapters.jwks import LARGEST_BYTES, FileJwks, HttpJwks, JwksSource
from adapters.oauth_tokens import JoserfcTokenVerifier
from gateway.ports import TokenKeysUnavailableError, TokenRejectedError
from tests.fakes import issuer
from tests.fakes.clock import FakeClock

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
RSA, EC, OKP = issuer.rsa(), issuer.ec(), issuer.okp()


class Desk:
    """A verifier with the hands of its clock."""

    def __init__(self, source: JwksSource, algorithms: tuple[str, ...]) -> None:
        self.clock = FakeClock()
        self.states: list[bool] = []
        self.verifier = JoserfcTokenVerifier(
            source=source,
            algorithms=algorithms,
            refresh_seconds=300,
            refetch_seconds=10,
            max_stale_seconds=3600,
            clock=self.clock,
            on_state=self.states.append,
        )


@asynccontextmanager
async def desk(source: JwksSource, *, algorithms: tuple[str, ...] = ALGORITHMS) -> AsyncIterator[Desk]:
    made = Desk(source, algorithms)
    await made.verifier.start()
    yield made
    await made.verifier.close()


@pytest.fixture
async def published() -> AsyncIterator[issuer.Published]:
    async with issuer.publishing(RSA, EC, OKP) as server:
        yield server


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (OKP, "EdDSA"), (OKP, "Ed25519")]
)
async def test_a_token_of_the_issuer_holds(published: issuer.Published, key: issuer.Key, algorithm: str) -> None:
    """The algorithms that issuers use, by name or, where only one key fits, without."""
    async with desk(HttpJwks(published.url)) as made:
        assert await made.verifier.verify(issuer.sign(key, algorithm, {"sub": "s1"})) == {"sub": "s1"}
        assert await made.verifier.verify(issuer.sign(key, algorithm, {"sub": "s2"}, kid=None)) == {"sub": "s2"}
    assert published.asked == 1


def _confused() -> str:
    """The public key of the issuer as the secret of an HMAC (CVE-2015-9235)."""
    signed = f"{issuer.b64({'alg': 'HS256', 'kid': 'rsa'})}.{issuer.b64({'sub': 's'})}"
    return f"{signed}.{issuer.b64(hmac.digest(RSA.as_pem(private=False), signed.encode(), 'sha256'))}"


def _unsigned(algorithm: str) -> str:
    return f"{issuer.b64({'alg': algorithm, 'kid': 'rsa'})}.{issuer.b64({'sub': 's'})}."


def _swapped() -> str:
    """The payload of one token under the signature of another."""
    head, _, signature = issuer.sign(RSA, "RS256", {"sub": "mine"}).split(".")
    return f"{head}.{issuer.b64({'sub': 'theirs'})}.{signature}"


def _critical() -> str:
    """A header that must be understood (RFC 7515, 4.1.11), under a signature that holds."""
    header = {"alg": "RS256", "kid": "rsa", "crit": ["x"], "x": 1}
    signed = f"{issuer.b64(header)}.{issuer.b64({'sub': 's'})}"
    key = RSA.private_key
    assert key is not None
    return f"{signed}.{issuer.b64(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


_FOREIGN = issuer.rsa()
_FOREIGN_EC = issuer.ec()

FORGED: dict[str, str] = {
    "of a stranger under the issuer's name": issuer.sign(_FOREIGN, "RS256"),
    "of a stranger's curve": issuer.sign(_FOREIGN_EC, "ES256"),
    "public key as a secret": _confused(),
    "alg none": _unsigned("none"),
    "alg None": _unsigned("None"),
    "alg empty": _unsigned(""),
    "alg missing": f"{issuer.b64({'kid': 'rsa'})}.{issuer.b64({'sub': 's'})}.AAAA",
    "alg a list": f"{issuer.b64({'alg': ['RS256'], 'kid': 'rsa'})}.{issuer.b64({'sub': 's'})}.AAAA",
    "payload swapped": _swapped(),
    "signature cut": issuer.sign(RSA, "RS256")[:-4],
    "signature missing": issuer.sign(RSA, "RS256").rpartition(".")[0] + ".",
    "algorithm of another key type": f"{issuer.b64({'alg': 'ES256', 'kid': 'rsa'})}.{issuer.b64({'sub': 's'})}.{'A' * 86}",
    "brings its own key": issuer.sign(_FOREIGN, "RS256", jwk=_FOREIGN.as_dict(private=False)),
    "points to its own keys": issuer.sign(_FOREIGN, "RS256", jku="https://example.org/jwks"),
    "critical header unknown": _critical(),
    "of another type": issuer.sign(RSA, "RS256", typ="logout+jwt"),
    "not base64": "e!.e30.AAAA",
    "not JSON": f"{issuer.b64(b'{')}.e30.AAAA",
    "not an object": f"{issuer.b64([1])}.e30.AAAA",
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
async def test_a_forged_token_does_not_hold(published: issuer.Published, token: str) -> None:
    """OWASP API2:2023, RFC 8725: every known confusion of algorithms and keys."""
    async with desk(HttpJwks(published.url)) as made:
        with pytest.raises(TokenRejectedError):
            await made.verifier.verify(token)


async def test_an_algorithm_that_was_not_allowed_does_not_hold(published: issuer.Published) -> None:
    """An operator who allows one means one."""
    async with desk(HttpJwks(published.url), algorithms=("ES256",)) as made:
        await made.verifier.verify(issuer.sign(EC, "ES256"))
        with pytest.raises(TokenRejectedError, match="not allowed"):
            await made.verifier.verify(issuer.sign(RSA, "RS256"))


@pytest.mark.parametrize(
    ("changed", "algorithm"),
    [({"alg": "PS256"}, "RS256"), ({"use": "enc"}, "RS256"), ({"kid": "ec"}, "RS256")],
    ids=["meant for another algorithm", "meant for encryption", "of another name"],
)
async def test_a_key_is_used_for_what_it_is_meant_for(changed: dict[str, Any], algorithm: str) -> None:
    """RFC 7517: `use` and `alg` of a key are no decoration."""
    async with issuer.publishing(EC) as published:
        other = issuer.rsa("other").as_dict(private=False)
        published.document = json.dumps({"keys": [RSA.as_dict(private=False) | changed, other]}).encode()
        async with desk(HttpJwks(published.url)) as made:
            with pytest.raises(TokenRejectedError):
                await made.verifier.verify(issuer.sign(RSA, algorithm))


async def test_a_key_for_encryption_does_not_make_the_one_for_signatures_ambiguous() -> None:
    """Many issuers publish both, and some name no key in their tokens."""
    async with issuer.publishing(RSA) as published:
        other = issuer.rsa("enc").as_dict(private=False) | {"use": "enc"}
        published.document = json.dumps({"keys": [RSA.as_dict(private=False), other]}).encode()
        async with desk(HttpJwks(published.url)) as made:
            await made.verifier.verify(issuer.sign(RSA, "RS256", kid=None))


async def test_keys_that_are_symmetric_short_or_broken_are_passed_over() -> None:
    """One strange key must neither open the door nor close it for the others."""
    secret = OctKey.import_key(b"s" * 32, {"kid": "oct"})
    short = issuer.rsa("short", 1024)
    async with issuer.publishing(EC) as published:
        keys: list[Any] = [secret.as_dict(private=True), short.as_dict(private=False), {"kty": "new"}, 7, {"kty": "EC"}]
        published.document = json.dumps({"keys": [*keys, EC.as_dict(private=False)]}).encode()
        async with desk(HttpJwks(published.url)) as made:
            await made.verifier.verify(issuer.sign(EC, "ES256"))
            for token in (issuer.sign(secret, "HS256"), issuer.sign(short, "RS256")):
                with pytest.raises(TokenRejectedError):
                    await made.verifier.verify(token)


async def test_a_new_key_is_fetched_when_a_token_names_it_and_at_a_bounded_rate(published: issuer.Published) -> None:
    """Rotation needs no restart, and strangers cannot have us hammer the issuer."""
    new = issuer.ec("new")
    async with desk(HttpJwks(published.url)) as made:
        generation = made.verifier.generation
        published.document = issuer.jwks(EC, new)
        for _ in range(20):
            with pytest.raises(TokenRejectedError):
                await made.verifier.verify(issuer.sign(new, "ES256"))
        assert published.asked == 1
        made.clock.advance(10)
        tokens = [issuer.sign(new, "ES256") for _ in range(20)]
        assert await asyncio.gather(*map(made.verifier.verify, tokens)) == [{"sub": "s"}] * 20
        assert published.asked == 2
        assert made.verifier.generation == generation + 1
        with pytest.raises(TokenRejectedError):
            await made.verifier.verify(issuer.sign(RSA, "RS256"))


async def test_one_who_hangs_up_takes_the_keys_from_nobody(published: issuer.Published) -> None:
    """The fetch is shared; a cancelled caller must not cancel it."""
    made = Desk(HttpJwks(published.url), ALGORITHMS)
    gone, stays = (asyncio.create_task(made.verifier.verify(issuer.sign(EC, "ES256"))) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == {"sub": "s"}
    assert gone.cancelled() or gone.done()
    assert published.asked == 1
    await made.verifier.close()


async def test_without_the_issuer_last_known_keys_go_on_for_a_bounded_time(published: issuer.Published) -> None:
    """An outage of the issuer is not ours, but a withdrawn key must not live for ever behind it."""
    async with desk(HttpJwks(published.url)) as made:
        published.status = 500
        made.clock.advance(3600)
        await made.verifier.verify(issuer.sign(EC, "ES256"))
        with pytest.raises(TokenKeysUnavailableError):  # a new key, perhaps: nobody can tell
            await made.verifier.verify(issuer.sign(issuer.ec("new"), "ES256"))
        generation = made.verifier.generation
        made.clock.advance(1)
        with pytest.raises(TokenKeysUnavailableError) as unavailable:
            await made.verifier.verify(issuer.sign(EC, "ES256"))
        assert unavailable.value.retry_after_seconds > 0
        assert made.verifier.generation > generation
        published.status = 200
        made.clock.advance(10)
        await made.verifier.verify(issuer.sign(EC, "ES256"))
        assert made.states[0] is made.states[-1] is True
        assert False in made.states


@pytest.mark.parametrize("document", [b"", b"[]", b'{"keys": {}}', b'{"keys": []}', b" " * (LARGEST_BYTES + 1)])
async def test_a_document_that_holds_no_keys_takes_none_away(published: issuer.Published, document: bytes) -> None:
    """A proxy's error page with status 200 must not lock everybody out."""
    async with desk(HttpJwks(published.url)) as made:
        published.document = document
        made.clock.advance(10)
        with pytest.raises(TokenKeysUnavailableError):
            await made.verifier.verify(issuer.sign(issuer.ec("new"), "ES256"))
        await made.verifier.verify(issuer.sign(EC, "ES256"))


async def test_a_redirect_is_not_followed(published: issuer.Published) -> None:
    """OWASP API7:2023: the address was checked when it was set, and nobody else may choose another."""
    published.status = 302
    async with desk(HttpJwks(published.url)) as made:
        assert made.states == [False]
    assert published.asked == 1


async def test_keys_in_a_file_are_read_again(tmp_path: Path) -> None:
    """Where the issuer is not reachable, its keys come by other means."""
    path = tmp_path / "jwks.json"
    async with desk(FileJwks(path)) as made:
        with pytest.raises(TokenKeysUnavailableError):
            await made.verifier.verify(issuer.sign(EC, "ES256"))
        path.write_bytes(issuer.jwks(EC))
        made.clock.advance(10)
        await made.verifier.verify(issuer.sign(EC, "ES256"))
