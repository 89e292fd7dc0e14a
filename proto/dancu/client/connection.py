"""Where the gateway is and how to speak to it: target, key and TLS, from arguments or the environment.

    DANCU_TARGET      gRPC target such as `gateway.example.vn:443` or `unix:/run/dancu.sock`;
                      default `127.0.0.1:50051`
    DANCU_API_KEY     the account's key, `dck_<key id>_<secret>`
    DANCU_TOKEN       an OAuth 2.0 access token instead of a key
    DANCU_TLS         `on` or `off`. Unset: off for this machine (loopback, unix socket), on for any other,
                      so that no key crosses a network in clear by oversight
    DANCU_TLS_CA      PEM file of the authorities to trust instead of the usual ones; implies TLS
    DANCU_TLS_CERT    PEM files of the client's certificate and of its key, for mutual TLS; they imply TLS, and
    DANCU_TLS_KEY     need neither key nor token beside them

Refuses to know what is asked through the connection.
"""

from __future__ import annotations

import ipaddress
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import grpc

DEFAULT_TARGET = "127.0.0.1:50051"

VARIABLES = frozenset(
    f"DANCU_{name}" for name in ("TARGET", "API_KEY", "TOKEN", "TLS", "TLS_CA", "TLS_CERT", "TLS_KEY")
)
"""Every variable of the environment that this library reads."""

Token: TypeAlias = str | Callable[[], str]
"""An access token, or a function that gives one that is still valid: tokens end sooner than clients do."""

_SECRETS = frozenset({"DANCU_API_KEY", "DANCU_TOKEN"})
_PRINTABLE = frozenset(string.ascii_letters + string.digits + string.punctuation)
_MAX_RESPONSE_BYTES = 64 * 1024 * 1024
_SWITCH = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}


class ConfigurationError(Exception):
    """Target, key or TLS cannot be used as given. Says which one and why; never repeats the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files of a TLS connection; `ca` None trusts what gRPC trusts by default."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A target and how to be let in; `tls` None is plaintext."""

    target: str
    key: str = field(default="", repr=False)
    token: Token = field(default="", repr=False)
    tls: Tls | None = None

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What a call carries; a token that is a function is asked for anew."""
        secret = self.key or (self.token if isinstance(self.token, str) else self.token())
        return (("authorization", f"Bearer {secret}"),) if secret else ()

    @property
    def shows_something(self) -> bool:
        """Whether there is a key, a token or a certificate to be known by."""
        return bool(self.key or self.token or (self.tls is not None and self.tls.cert is not None))

    def credentials(self) -> grpc.ChannelCredentials | None:
        """What a channel is opened with, or None for plaintext. Raises `ConfigurationError` for unreadable files."""
        if self.tls is None:
            return None
        return grpc.ssl_channel_credentials(
            root_certificates=_pem(self.tls.ca, "DANCU_TLS_CA"),
            private_key=_pem(self.tls.key, "DANCU_TLS_KEY"),
            certificate_chain=_pem(self.tls.cert, "DANCU_TLS_CERT"),
        )

    def channel_options(self, index: int) -> Sequence[tuple[str, str | int]]:
        """Options of channel number `index`; each index gets a connection of its own."""
        options: list[tuple[str, str | int]] = [
            ("grpc.primary_user_agent", "dancu-client"),
            ("grpc.max_receive_message_length", _MAX_RESPONSE_BYTES),
            # gRPC shares connections between channels that look alike, which would undo `channels=N`.
            ("grpc.use_local_subchannel_pool", 1),
            ("dancu.channel", index),
            # A second, gRPC's default, is longer than a worker takes to restart.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 5_000),
        ]
        if is_this_machine(self.target):
            # A proxy meant for the web cannot know what loopback means here.
            options.append(("grpc.enable_http_proxy", 0))
        return options


def connection(
    *,
    target: str | None,
    key: str | None,
    token: Token | None = None,
    tls: bool | None,
    tls_ca: Path | str | None,
    tls_cert: Path | str | None,
    tls_key: Path | str | None,
    environment: Mapping[str, str],
) -> Connection:
    """The connection that arguments and environment name together; an argument that is not None wins.

    Key and token exclude each other; an argument for one sets the other's variable aside. Raises `ConfigurationError`
    with the first mistake.
    """
    if key is not None or token is not None:
        environment = {name: value for name, value in environment.items() if name not in _SECRETS}

    def chosen(argument: Path | str | None, variable: str) -> str:
        return str(argument) if argument is not None else environment.get(variable, "").strip()

    where = chosen(target, "DANCU_TARGET") or DEFAULT_TARGET
    secret = chosen(key, "DANCU_API_KEY").strip()
    if not set(secret) <= _PRINTABLE:
        raise ConfigurationError("DANCU_API_KEY: a key holds printable ASCII characters only")
    bearer = token if callable(token) else chosen(token, "DANCU_TOKEN").strip()
    if isinstance(bearer, str) and not set(bearer) <= _PRINTABLE:
        raise ConfigurationError("DANCU_TOKEN: a token holds printable ASCII characters only")
    if secret and bearer:
        raise ConfigurationError("DANCU_API_KEY and DANCU_TOKEN exclude each other; one is enough")
    ca, cert, cert_key = (
        Path(text) if text else None
        for text in (
            chosen(tls_ca, "DANCU_TLS_CA"),
            chosen(tls_cert, "DANCU_TLS_CERT"),
            chosen(tls_key, "DANCU_TLS_KEY"),
        )
    )
    if (cert is None) != (cert_key is None):
        raise ConfigurationError("DANCU_TLS_CERT and DANCU_TLS_KEY belong together; one is missing")
    named = ca is not None or cert is not None
    switch = tls if tls is not None else _switch(environment.get("DANCU_TLS", ""))
    if switch is False and named:
        raise ConfigurationError("DANCU_TLS is off, but files for TLS are named")
    wanted = switch if switch is not None else named or not is_this_machine(where)
    tls_files = Tls(ca=ca, cert=cert, key=cert_key) if wanted else None
    return Connection(target=where, key=secret, token=bearer, tls=tls_files)


def is_this_machine(target: str) -> bool:
    """Whether what is sent to `target` stays on this machine: loopback or a unix socket."""
    scheme, colon, rest = target.partition(":")
    if colon and scheme in {"unix", "unix-abstract"}:
        return True
    if colon and scheme in {"dns", "ipv4", "ipv6"}:
        target = rest.rpartition("/")[2]
    if target.startswith("["):
        host = target[1:].partition("]")[0]
    else:
        host = target.rpartition(":")[0] if target.count(":") == 1 else target
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _switch(text: str) -> bool | None:
    if not text.strip():
        return None
    switch = _SWITCH.get(text.strip().lower())
    if switch is None:
        raise ConfigurationError("DANCU_TLS: on or off")
    return switch


def _pem(path: Path | None, variable: str) -> bytes | None:
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{variable}: {path}: {error.strerror}") from error
    if b"-----BEGIN " not in content:
        raise ConfigurationError(f"{variable}: {path}: not a PEM file")
    return content
