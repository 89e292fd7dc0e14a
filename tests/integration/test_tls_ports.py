"""The gRPC ports with TLS: real handshakes, certificates that change while the port is open, and who is let in."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from structlog.testing import capture_logs

from adapters.processes.control_health import DependencyGoneError, WorkersCheck
from adapters.tls_files import TlsFiles, TlsFilesError, server_credentials
from dancu.client import AsyncClient, Refused, RetryPolicy, Unreachable
from gateway.accounts.model import Binding
from gateway.transport.grpc_aio import PipelineHandler, server
from tests.fakes.certificates import Authority, Identity
from tests.fakes.gateway import SECRET, FakeGateway
from tests.fakes.national_db import AN

URI = "spiffe://example.vn/mot-cua"
ONCE = RetryPolicy(max_attempts=1)
KEY = f"dck_testkey_{SECRET}"


@dataclass(frozen=True)
class Port:
    """A gateway on fakes behind a real port."""

    target: str
    gateway: FakeGateway
    files: TlsFiles

    def bind(self, name: str) -> None:
        self.gateway.bindings[name] = Binding(name, self.gateway.account)

    async def ask(self, *, ca: Authority, caller: Identity | None = None, key: str = "") -> str:
        """The reason of a refusal; `UNREACHABLE` where the handshake failed; empty for an answer."""
        named: dict[str, Any] = {} if caller is None else {"tls_cert": caller.certificate, "tls_key": caller.key}
        async with AsyncClient(
            target=self.target, key=key, tls_ca=ca.certificate, timeout_seconds=5, retry=ONCE, environment={}, **named
        ) as client:
            try:
                await client.lookup_citizen(personal_number=AN.personal_number, procedure="1.004222")
            except Unreachable:
                return "UNREACHABLE"
            except Refused as refused:
                return refused.reason
            return ""


@asynccontextmanager
async def port(identity: Identity, *, client_ca: Path | None = None) -> AsyncIterator[Port]:
    gateway = FakeGateway()
    # Certificates are of this day and deadlines of this machine, whatever time the fakes have.
    gateway.clock._now, gateway.clock._monotonic = time.time(), time.monotonic()
    serving = server(
        handler=PipelineHandler(answer=gateway.pipeline, methods=tuple(gateway.methods), mutual=client_ca is not None),
        max_request_bytes=65536,
        max_connection_age_seconds=600,
    )
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(), serving)
    files = TlsFiles(certificate=identity.certificate, key=identity.key, client_ca=client_ca)
    number = serving.add_secure_port("127.0.0.1:0", server_credentials(files, port="test"))
    await serving.start()
    yield Port(f"127.0.0.1:{number}", gateway, files)
    await serving.stop(0)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "other")


async def test_a_public_port_with_tls_lets_in_by_key(authority: Authority) -> None:
    """Keys and citizens must not cross a network in clear."""
    async with port(authority.issue("gateway")) as public:
        assert await public.ask(ca=authority, key=KEY) == ""
        assert await public.ask(ca=authority) == "KEY_MISSING"
        # A certificate that nobody asked for is not looked at: the port for them is another.
        assert await public.ask(ca=authority, caller=authority.issue("caller", uris=[URI])) == "KEY_MISSING"


async def test_a_certificate_alone_lets_in_by_fingerprint_uri_and_dns_name(authority: Authority) -> None:
    """The client library with nothing but a certificate, through a real handshake."""
    caller = authority.issue("caller", uris=[URI], dns=["Mot-Cua.example.vn"])
    async with port(authority.issue("gateway"), client_ca=authority.certificate) as mutual:
        assert await mutual.ask(ca=authority, caller=caller) == "CERTIFICATE_UNKNOWN"
        for name in (f"fingerprint:{caller.fingerprint}", f"uri:{URI}", "dns:mot-cua.example.vn"):
            mutual.gateway.bindings.clear()
            mutual.bind(name)
            assert await mutual.ask(ca=authority, caller=caller) == ""
        assert await mutual.ask(ca=authority, caller=caller, key=KEY) == ""
        assert await mutual.ask(ca=authority, caller=caller, key=KEY[:-1] + "B") == "KEY_UNKNOWN"


async def test_who_has_no_certificate_of_a_trusted_authority_gets_no_further_than_the_handshake(
    authority: Authority, other: Authority
) -> None:
    """Not one byte of a stranger reaches the gateway's own code."""
    strangers = [
        None,
        other.issue("stranger", uris=[URI]),
        authority.issue("expired", uris=[URI], lifetime=dt.timedelta(seconds=-60)),
    ]
    async with port(authority.issue("gateway"), client_ca=authority.certificate) as mutual:
        mutual.bind(f"uri:{URI}")
        for stranger in strangers:
            assert await mutual.ask(ca=authority, caller=stranger, key=KEY) == "UNREACHABLE"
        assert mutual.gateway.observed.started == 0


async def test_a_renewed_server_certificate_is_shown_to_the_next_connection(
    authority: Authority, other: Authority
) -> None:
    """Certificates live 90 days, gateways run for years."""
    identity = authority.issue("gateway")
    async with port(identity) as public:
        assert await public.ask(ca=authority, key=KEY) == ""
        with capture_logs() as logs:
            identity.become(other.issue("renewed"))
            assert await public.ask(ca=other, key=KEY) == ""
            assert await public.ask(ca=authority, key=KEY) == "UNREACHABLE"
        assert [line["event"] for line in logs if line["event"].startswith("tls_")] == ["tls_files_reloaded"]


async def test_an_authority_that_joins_or_leaves_counts_from_the_next_connection(
    authority: Authority, other: Authority
) -> None:
    """An authority that was broken into is shut out by editing a file."""
    trusted = authority.certificate.with_name("trusted.pem")
    trusted.write_bytes(authority.certificate.read_bytes())
    old, new = authority.issue("old", uris=[URI]), other.issue("new", uris=[URI])
    async with port(authority.issue("gateway"), client_ca=trusted) as mutual:
        mutual.bind(f"uri:{URI}")
        assert [await mutual.ask(ca=authority, caller=one) for one in (old, new)] == ["", "UNREACHABLE"]
        trusted.write_bytes(authority.certificate.read_bytes() + other.certificate.read_bytes())
        assert [await mutual.ask(ca=authority, caller=one) for one in (old, new)] == ["", ""]
        trusted.write_bytes(other.certificate.read_bytes())
        assert [await mutual.ask(ca=authority, caller=one) for one in (old, new)] == ["UNREACHABLE", ""]


async def test_files_that_do_not_fit_together_are_passed_over_until_they_do(
    authority: Authority, other: Authority
) -> None:
    """A renewal replaces one file after the other; in between callers must notice nothing."""
    identity, renewed = authority.issue("gateway"), other.issue("renewed")
    async with port(identity) as public:
        with capture_logs() as logs:
            identity.certificate.write_bytes(renewed.certificate.read_bytes())
            for _ in range(3):
                assert await public.ask(ca=authority, key=KEY) == ""
            identity.key.unlink()
            assert await public.ask(ca=authority, key=KEY) == ""
            identity.key.write_bytes(renewed.key.read_bytes())
            assert await public.ask(ca=other, key=KEY) == ""
    told = [line["cause"] for line in logs if line["event"] == "tls_files_unusable"]
    assert len(told) == 2
    assert "not the key of" in told[0]
    assert "No such file" in told[1]


@pytest.mark.parametrize("broken", ["certificate", "key", "client_ca"])
@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "No such file"), (b"text", "PEM"), (b"-----BEGIN CERTIFICATE-----\n", "PEM")]
)
def test_a_port_is_not_opened_with_files_that_cannot_work(
    authority: Authority, broken: str, content: bytes | None, complaint: str
) -> None:
    """Found at the start and by name, not by the first caller."""
    identity = authority.issue("gateway")
    paths = {"certificate": identity.certificate, "key": identity.key, "client_ca": authority.certificate}
    paths[broken] = authority.certificate.with_name("broken")
    if content is not None:
        paths[broken].write_bytes(content)
    with pytest.raises(TlsFilesError, match=f"broken: .*{complaint}"):
        server_credentials(TlsFiles(**paths), port="test")


async def test_health_is_asked_through_tls_by_the_certificate_itself(authority: Authority) -> None:
    """A private authority is no reason for the control process to think that no worker serves."""
    async with port(authority.issue("gateway", dns=["*.example.vn"])) as public:
        check = WorkersCheck(target=public.target, workers=1, certificate=public.files.certificate)
        assert await check.look() == "serving"
        blind = WorkersCheck(target=public.target, workers=1, certificate=authority.issue("other").certificate)
        with pytest.raises(DependencyGoneError):
            await blind.look()
