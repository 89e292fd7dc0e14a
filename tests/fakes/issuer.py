"""An issuer of access tokens: keys that change, and a server that publishes them."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from aiohttp import web
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

Key: TypeAlias = RSAKey | ECKey | OKPKey | OctKey


def rsa(kid: str = "rsa", bits: int = 2048) -> RSAKey:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        return RSAKey.generate_key(bits, {"kid": kid})


def ec(kid: str = "ec") -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid})


def okp(kid: str = "okp") -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": kid})


def jwks(*keys: Key) -> bytes:
    return json.dumps(KeySet(list(keys)).as_dict(private=False)).encode()


def sign(key: Key, algorithm: str, claims: dict[str, Any] | None = None, **header: Any) -> str:
    protected = {"alg": algorithm, "kid": key.kid, "typ": "at+jwt"} | header
    protected = {name: value for name, value in protected.items() if value is not None}
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        return jws.serialize_compact(protected, json.dumps(claims or {"sub": "s"}).encode(), key, registry=registry)


def b64(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


class Published:
    """What the issuer's server answers, and how often it was asked."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self.status = 200
        self.asked = 0
        self.url = ""

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        headers = {"Location": "/jwks"} if self.status == 302 else {}
        return web.Response(body=self.document, status=self.status, headers=headers, content_type="application/json")


@asynccontextmanager
async def publishing(*keys: Key) -> AsyncIterator[Published]:
    published = Published(jwks(*keys))
    app = web.Application()
    app.router.add_get("/jwks", published.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    published.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
    yield published
    await runner.cleanup()
