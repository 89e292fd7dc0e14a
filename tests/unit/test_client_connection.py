"""Which target, key and TLS a client ends up with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dancu.client import AsyncClient, Client, ConfigurationError
from dancu.client.connection import VARIABLES, Connection, Tls, connection, is_this_machine


def resolved(environment: dict[str, str] | None = None, **arguments: Any) -> Connection:
    everything: dict[str, Any] = dict.fromkeys(("target", "key", "tls", "tls_ca", "tls_cert", "tls_key"))
    return connection(**{**everything, **arguments}, environment=environment or {})


def test_nothing_said_means_this_machine_without_a_key() -> None:
    """`dancu up` and a first call need no settings."""
    assert resolved() == Connection(target="127.0.0.1:50051", key="", tls=None)


def test_arguments_win_over_the_environment() -> None:
    """The nearer instruction is the one meant."""
    environment = {"DANCU_TARGET": "127.0.0.1:1", "DANCU_API_KEY": "dck_env_s"}
    assert resolved(environment) == Connection(target="127.0.0.1:1", key="dck_env_s")
    assert resolved(environment, target="127.0.0.1:2", key="dck_arg_s") == Connection(
        target="127.0.0.1:2", key="dck_arg_s"
    )


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:50051",
        "127.3.2.1:1",
        "localhost:50051",
        "LOCALHOST",
        "[::1]:50051",
        "::1",
        "unix:/run/dancu.sock",
        "unix:///run/dancu.sock",
        "unix-abstract:dancu",
        "dns:///localhost:50051",
        "ipv4:127.0.0.1:50051",
        "ipv6:[::1]:50051",
    ],
)
def test_what_stays_on_this_machine_needs_no_tls(target: str) -> None:
    """Nobody listens in on loopback; certificates for it are a burden."""
    assert is_this_machine(target)
    assert resolved(target=target).tls is None


@pytest.mark.parametrize(
    "target",
    [
        "gateway.example.vn:443",
        "gateway",
        "10.0.0.7:50051",
        "[2001:db8::1]:50051",
        "dns:///gateway.example.vn:443",
        "dns://127.0.0.1/gateway.example.vn:443",
        "ipv4:10.0.0.7:50051,127.0.0.1:50051",
        "localhost.example.vn:1",
        "xds:///gateway",
    ],
)
def test_a_key_does_not_cross_a_network_in_clear_unless_told_to(target: str) -> None:
    """An oversight must cost a connection, not the key."""
    assert not is_this_machine(target)
    assert resolved(target=target).tls == Tls()
    assert resolved({"DANCU_TLS": "off"}, target=target).tls is None
    assert resolved({"DANCU_TLS": "on"}, target=target, tls=False).tls is None


def test_files_for_tls_switch_it_on() -> None:
    """Who names an authority wants it checked, on loopback too."""
    environment = {"DANCU_TLS_CA": "ca.pem", "DANCU_TLS_CERT": "c.pem", "DANCU_TLS_KEY": "k.pem"}
    assert resolved(environment).tls == Tls(ca=Path("ca.pem"), cert=Path("c.pem"), key=Path("k.pem"))
    assert resolved(environment, tls_ca="other.pem").tls == Tls(
        ca=Path("other.pem"), cert=Path("c.pem"), key=Path("k.pem")
    )


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"DANCU_TLS": "perhaps"}, "DANCU_TLS: on or off"),
        ({"DANCU_TLS": "off", "DANCU_TLS_CA": "ca.pem"}, "DANCU_TLS is off"),
        ({"DANCU_TLS_CERT": "c.pem"}, "belong together"),
        ({"DANCU_TLS_KEY": "k.pem"}, "belong together"),
        ({"DANCU_API_KEY": "dck_k1_secret\x00"}, "printable"),
        ({"DANCU_API_KEY": "dck_k1_secrèt"}, "printable"),
        ({"DANCU_API_KEY": "two keys"}, "printable"),
        ({"DANCU_TOKEN": "secr et"}, "DANCU_TOKEN: .*printable"),
        ({"DANCU_TOKEN": "secret", "DANCU_API_KEY": "dck_k1_secret"}, "exclude each other"),
    ],
)
def test_a_mistake_is_named_without_repeating_the_key(environment: dict[str, str], complaint: str) -> None:
    """The message lands in logs and on screens."""
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        resolved(environment)
    assert "secr" not in str(caught.value)


def test_a_key_read_from_a_file_may_end_in_a_newline() -> None:
    """`$(cat key)` and secret mounts differ in that; both must work."""
    assert resolved({"DANCU_API_KEY": "dck_k1_s1\n"}).metadata() == (("authorization", "Bearer dck_k1_s1"),)


def test_a_key_is_not_shown_by_a_repr() -> None:
    """Objects end up in logs."""
    assert "s3cret" not in repr(resolved(key="dck_k1_s3cret"))
    assert "s3cret" not in repr(resolved(token="s3cret"))


def test_a_token_stands_in_for_a_key() -> None:
    """Where an issuer knows the callers, nobody keeps a key."""
    told = resolved({"DANCU_TOKEN": "a.b.c\n"})
    assert (told.metadata(), told.shows_something) == ((("authorization", "Bearer a.b.c"),), True)
    assert resolved({"DANCU_TOKEN": "env"}, token="arg").metadata() == (("authorization", "Bearer arg"),)


def test_a_token_that_is_a_function_is_asked_for_each_call() -> None:
    """Tokens end sooner than clients do."""
    tokens = iter(("first", "second"))
    told = resolved(token=lambda: next(tokens))
    assert [told.metadata()[0][1] for _ in range(2)] == ["Bearer first", "Bearer second"]


def test_an_argument_sets_the_other_secret_of_the_environment_aside() -> None:
    """The nearer instruction is the one meant, whichever kind it is of."""
    environment = {"DANCU_API_KEY": "dck_env_s", "DANCU_TOKEN": "env"}
    assert resolved(environment, key="dck_arg_s").metadata() == (("authorization", "Bearer dck_arg_s"),)
    assert resolved(environment, token="arg").metadata() == (("authorization", "Bearer arg"),)


def test_a_certificate_is_enough_to_be_known_by() -> None:
    """On the port for certificates a caller needs neither key nor token."""
    told = resolved({"DANCU_TLS_CERT": "c.pem", "DANCU_TLS_KEY": "k.pem"})
    assert (told.metadata(), told.shows_something, resolved().shows_something) == ((), True, False)


def test_no_other_variable_is_read() -> None:
    """The settings' check of unknown variables relies on this list."""

    class Recording(dict[str, str]):
        asked: set[str]

        def get(self, name: str, default: Any = None) -> Any:
            self.asked.add(name)
            return super().get(name, default)

    environment = Recording(HOME="/")
    environment.asked = set()
    resolved(environment)
    assert environment.asked == VARIABLES


@pytest.mark.parametrize("arguments", [{"channels": 0}, {"timeout_seconds": 0}, {"timeout_seconds": float("nan")}])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_that_could_not_call_is_not_made(kind: type[Client | AsyncClient], arguments: dict[str, Any]) -> None:
    """Found when the program starts, not at the first citizen."""
    with pytest.raises(ValueError, match=next(iter(arguments))):
        kind(environment={}, **arguments)


def test_each_channel_has_a_connection_of_its_own_and_loopback_uses_no_web_proxy() -> None:
    """Channels that look alike share a connection in gRPC; a web proxy cannot reach this machine's loopback."""
    here, away = resolved(), resolved(target="gateway.example.vn:443")
    assert here.channel_options(0) != here.channel_options(1)
    assert ("grpc.enable_http_proxy", 0) in here.channel_options(0)
    assert ("grpc.enable_http_proxy", 0) not in away.channel_options(0)


def test_the_library_stands_alone() -> None:
    """Whoever calls the gateway installs gRPC and protobuf, not the gateway's own dependencies."""
    program = (
        "import sys, dancu.client\n"
        "foreign = {'gateway', 'adapters', 'mock_national_db', 'typer', 'rich', 'pydantic', 'aiohttp', 'redis'}\n"
        "print(sorted(foreign & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "[]\n"
