"""The settings of the ways in: TLS with and without client certificates, failed logins, access tokens.

Owns what breaks when one of them is wrong; `docs/ways-in.md` says how to set each up.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from gateway.settings_base import ListenSettings, Section, both_or_neither


class MutualTlsSettings(Section):
    """The port for callers with certificates: each of them must show one, and needs no key."""

    port: int | None = Field(default=None, ge=0, le=65535)
    """Off unless set; 0 takes a free one."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    cert_file: Path | None = None
    """PEM file of the server's certificate with its chain."""
    key_file: Path | None = None
    """PEM file of its key, mode 0600."""
    client_ca_file: Path | None = None
    """PEM file of the authorities that callers' certificates must come from, read again when it changes. Any of them
    can make a certificate with any name: bind names only where all are trusted for that, else fingerprints."""

    @model_validator(mode="after")
    def _files_are_named(self) -> Self:
        missing = [name for name in ("cert_file", "key_file", "client_ca_file") if getattr(self, name) is None]
        if self.port is not None and missing:
            raise ValueError(f"the port needs {', '.join(missing)}")
        return self


class AdminSettings(ListenSettings):
    """The administrators' port."""

    tls_cert_file: Path | None = None
    """PEM file of the server's certificate with its chain; needed before `host` is more than loopback."""
    tls_key_file: Path | None = None
    """PEM file of its key, mode 0600."""
    client_ca_file: Path | None = None
    """PEM file of authorities: every administrator must then show a certificate of theirs that is bound to an account,
    and needs no key. Off: administrators have keys."""

    _tls_is_whole = model_validator(mode="after")(both_or_neither("tls_cert_file", "tls_key_file"))

    @model_validator(mode="after")
    def _certificates_need_tls(self) -> Self:
        if self.client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("client_ca_file needs tls_cert_file and tls_key_file")
        return self


class LoginSettings(Section):
    """How often logins may fail at one address before nothing more is checked; in each worker."""

    failures: int = Field(default=20, ge=1, le=10_000)
    """At once, of each key or certificate that is claimed, and of all unknown ones together. Too small locks out who
    mistypes; successful logins never count."""
    failures_per_minute: float = Field(default=20.0, gt=0, le=60_000)
    """In the long run."""


TokenAlgorithm: TypeAlias = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
]


class OauthSettings(Section):
    """OAuth 2.0 access tokens (JWT) as a way in; off unless `issuer` is set."""

    issuer: str = ""
    """What `iss` must be, to the letter."""
    audience: str = ""
    """What `aud` must be or contain: this gateway's name at the issuer. Another service's would let its tokens in."""
    jwks_url: str = ""
    """Where the issuer publishes its keys (`jwks_uri`); https, or http on this machine."""
    jwks_file: Path | None = None
    """A file with them instead, read again as if it were an address."""
    algorithms: tuple[TokenAlgorithm, ...] = Field(
        default=("RS256", "PS256", "ES256", "EdDSA", "Ed25519"), min_length=1
    )
    """Signatures accepted. Symmetric ones and `none` cannot be named."""
    scope_prefix: str = Field(default="dancu.", max_length=64, pattern=r"[\x21-\x7e]*")
    """A scope such as `dancu.citizen.lookup` grants `citizen.lookup`, as far as the account may. A token without any
    opens nothing."""
    leeway_seconds: float = Field(default=30.0, ge=0, le=300)
    """How far the issuer's clock may be off. Too large lets expired tokens in."""
    refresh_seconds: float = Field(default=300.0, ge=1, le=86_400)
    """How often the keys are fetched anew: how long a key that the issuer withdrew is still believed."""
    refetch_seconds: float = Field(default=10.0, ge=0.1, le=3_600)
    """Between two fetches for keys not seen before, whatever tokens ask for them."""
    max_stale_seconds: float = Field(default=86_400.0, ge=1)
    """Keys older than this, because the issuer does not answer, are not believed any more."""

    @property
    def enabled(self) -> bool:
        """Whether tokens are accepted."""
        return bool(self.issuer)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.enabled:
            if self.audience or self.jwks_url or self.jwks_file is not None:
                raise ValueError("issuer is missing")
            return self
        if not self.audience:
            raise ValueError("audience is missing: any token of the issuer would be let in")
        if bool(self.jwks_url) == (self.jwks_file is not None):
            raise ValueError("needs exactly one of jwks_url and jwks_file")
        address = urlsplit(self.jwks_url)
        local = address.hostname in {"localhost", "127.0.0.1", "::1"}
        if self.jwks_url and address.scheme != "https" and not (address.scheme == "http" and local):
            raise ValueError("jwks_url must be https: who can change the keys on the way can be anybody")
        return self
