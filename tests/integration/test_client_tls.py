"""The client library over TLS and mutual TLS, with authorities made for the test."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from dancu.client import Client, ConfigurationError, Unreachable
from tests.fakes.certificates import Authority
from tests.fakes.scripted_gateway import PERSON, ScriptedGateway, running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def _server(authority: Authority, *, mutual: bool) -> grpc.ServerCredentials:
    identity = authority.issue("gateway")
    return grpc.ssl_server_credentials(
        [(identity.key.read_bytes(), identity.certificate.read_bytes())],
        root_certificates=authority.certificate.read_bytes() if mutual else None,
        require_client_auth=mutual,
    )


def test_a_gateway_behind_tls_is_trusted_by_the_named_authority(authority: Authority) -> None:
    """The usual deployment, configured by the environment alone."""
    with running(ScriptedGateway(), credentials=_server(authority, mutual=False)) as target:
        environment = {"DANCU_TARGET": target, "DANCU_TLS_CA": str(authority.certificate)}
        with Client(environment=environment) as dancu:
            assert dancu.lookup_citizen(personal_number=PERSON.personal_number, procedure="1").citizen == PERSON


def test_a_client_certificate_is_shown_where_one_is_named(authority: Authority) -> None:
    """Mutual TLS: the gateway must know who calls before the first byte."""
    caller = authority.issue("caller")
    with running(ScriptedGateway(), credentials=_server(authority, mutual=True)) as target:
        with Client(
            target=target,
            tls_ca=authority.certificate,
            tls_cert=caller.certificate,
            tls_key=caller.key,
            environment={},
        ) as dancu:
            assert dancu.lookup_citizen(personal_number=PERSON.personal_number, procedure="1").citizen == PERSON
        with Client(target=target, tls_ca=authority.certificate, environment={}) as dancu, pytest.raises(Unreachable):
            dancu.lookup_citizen(personal_number=PERSON.personal_number, procedure="1")


def test_a_gateway_of_another_authority_is_not_spoken_to(authority: Authority, tmp_path: Path) -> None:
    """An impostor must not receive the key, let alone the number."""
    gateway = ScriptedGateway()
    stranger = Authority(tmp_path, "stranger")
    with (
        running(gateway, credentials=_server(stranger, mutual=False)) as target,
        Client(target=target, tls_ca=authority.certificate, environment={}) as dancu,
        pytest.raises(Unreachable),
    ):
        dancu.lookup_citizen(personal_number=PERSON.personal_number, procedure="1")
    assert gateway.calls == []


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "No such file"), (b"\x30\x82 not text", "not a PEM file")], ids=["absent", "der"]
)
def test_a_file_that_is_no_certificate_is_named_at_once(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    """GRPC itself would fail later, with a riddle."""
    path = tmp_path / "ca"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"DANCU_TLS_CA: .*{complaint}"):
        Client(tls_ca=path, environment={})
