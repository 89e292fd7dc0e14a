"""OWASP API Security Top 10 (2023) on a whole `dancu up` and on a worker as production runs it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from adapters.installation import prepare
from dancu.account.v1 import account_service_pb2
from dancu.audit.v1 import audit_service_pb2
from dancu.client import AsyncClient, Client, Refused
from gateway.settings import Settings
from mock_national_db import sample
from tests.fakes.supervised import Supervised, wait_for
from tests.integration.conftest import GatewayUp
from tests.integration.test_account_live import BOUND_SECONDS, create, dancu
from tests.integration.test_control_process import free_port

ADMIN_SERVICES = {
    "dancu.account.v1.AccountService": account_service_pb2.DESCRIPTOR,
    "dancu.audit.v1.AuditService": audit_service_pb2.DESCRIPTOR,
}
LOOKUP = "/dancu.citizen.v1.CitizenService/LookupCitizen"


def admin_rpcs() -> list[str]:
    return [
        f"{service}/{method.name}"
        for service, file in ADMIN_SERVICES.items()
        for method in file.services_by_name[service.rpartition(".")[2]].methods
    ]


def raw(channel: grpc.Channel, rpc: str, key: str, **metadata: str) -> grpc.RpcError:
    """The refusal of a call that is made of bytes."""
    call = channel.unary_unary(f"/{rpc.lstrip('/')}", request_serializer=None, response_deserializer=None)
    headers = (("authorization", f"Bearer {key}"), *metadata.items())
    with pytest.raises(grpc.RpcError) as refused:
        call(b"", metadata=headers, timeout=20)
    return refused.value


def test_api2_and_api5_keys_open_only_their_own_port(gateway_up: GatewayUp) -> None:
    """API2, API5: every administrative method with a lookup key, and every port with the other's key."""
    rpcs = admin_rpcs()
    assert len(rpcs) >= 30
    lookup_key, admin_key = gateway_up.demo["DANCU_API_KEY"], gateway_up.demo["DANCU_ADMIN_KEY"]
    with grpc.insecure_channel(gateway_up.target) as public, grpc.insecure_channel(gateway_up.admin_target) as admin:
        for rpc in rpcs:
            for key in (lookup_key, admin_key):
                assert raw(public, rpc, key).code() is grpc.StatusCode.UNIMPLEMENTED, rpc
            told = raw(admin, rpc, lookup_key)
            # What is unreadable is told before rights are looked at: neither changes or shows anything.
            kinds = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT}
            assert told.code() in kinds, rpc
            # After a score of guesses nothing is checked any more, which opens no more than before.
            stranger = raw(admin, rpc, f"dck_nobody00_{'x' * 44}")
            assert stranger.code() in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED}, rpc
        assert raw(admin, LOOKUP, lookup_key).code() is grpc.StatusCode.UNIMPLEMENTED
    (person,) = sample(1, population=1_000_000)
    with Client(target=gateway_up.target, key=admin_key) as operator, pytest.raises(Refused) as refused:
        operator.lookup_citizen(personal_number=person.personal_number, procedure="1.1")
    assert refused.value.reason == "METHOD_NOT_GRANTED"


def test_api4_metadata_beyond_its_limit_is_refused_and_the_next_call_is_served(gateway_up: GatewayUp) -> None:
    """API4: headers are read before anybody is known, so they must be small."""
    key = gateway_up.demo["DANCU_API_KEY"]
    with grpc.insecure_channel(gateway_up.target) as channel:
        told = raw(channel, LOOKUP, key, **{"x-request-id": "a" * 40_000})
        assert told.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert raw(channel, LOOKUP, key).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_api6_a_guesser_is_stopped_by_the_default_budget(gateway_up: GatewayUp) -> None:
    """API6: nobody set a limit for this account, and still it cannot try numbers all night."""
    _, key = create(gateway_up)
    reasons: list[str] = []
    async with AsyncClient(target=gateway_up.target, key=key, channels=2) as guessing:

        async def guess(first: int) -> None:
            for number in range(first, 1400, 20):
                try:
                    await guessing.lookup_citizen(personal_number=f"0991990{number:05d}", procedure="1.1")
                except Refused as refused:
                    reasons.append(refused.reason)

        await asyncio.sleep(BOUND_SECONDS)  # by then every worker knows the account
        await asyncio.gather(*(guess(first) for first in range(20)))
    assert set(reasons) == {"CITIZEN_NOT_FOUND", "ENUMERATION_SUSPECTED"}
    # Two workers may pass the budget by the calls under way when it was used up.
    assert 995 <= reasons.count("CITIZEN_NOT_FOUND") <= 1000 + 20 + 5


def services_told(target: str) -> set[str] | None:
    """The services that reflection tells; None where it does not answer."""
    with grpc.insecure_channel(target) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        try:
            (answer,) = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            return None
        return {one.name for one in answer.list_services_response.service}


@pytest.fixture(scope="module")
def production_worker() -> Iterator[str]:
    """The address of a worker with nothing set but where things are, as production sets nothing else."""
    with tempfile.TemporaryDirectory(prefix="dancu-") as name:
        folder = Path(name)
        prepare(Settings(data_dir=folder / "data"), grpc_target="127.0.0.1:1", admin_target="127.0.0.1:2")
        port = free_port()
        process = Supervised(
            [sys.executable, "-P", "-m", "dancu", "worker", "--slot", "0"],
            folder=folder,
            environment={
                "DANCU_DATA_DIR": str(folder / "data"),
                "DANCU_GRPC__PORT": str(port),
                "DANCU_REDIS__URL": f"unix://{folder}/none.sock",
                "DANCU_NATIONAL_DB__URL": "http://127.0.0.1:9",
            },
            cwd=folder,
        )
        try:
            wait_for(lambda: "worker_ready" in process.err or process.process.poll() is not None, "the worker")
            yield f"127.0.0.1:{port}"
        finally:
            process.close()


def test_api8_production_settings_tell_strangers_no_methods(production_worker: str, gateway_up: GatewayUp) -> None:
    """API8: reflection is for newcomers with a mock; a worker with the defaults serves health and nothing of the kind."""
    with grpc.insecure_channel(production_worker) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
    assert services_told(production_worker) is None
    assert services_told(gateway_up.target)  # the mock's: what is looked for can be seen


def test_api9_reflection_tells_what_the_contract_holds_and_no_more(gateway_up: GatewayUp) -> None:
    """API9: the inventory that outsiders see is the one in `proto/`."""
    standard = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    public, admin = services_told(gateway_up.target), services_told(gateway_up.admin_target)
    assert public is not None
    assert admin is not None
    assert {name for name in public - standard if not name.startswith("dancu.")} == set()
    assert not public & set(ADMIN_SERVICES)
    assert admin - standard == set(ADMIN_SERVICES)


def secrets_of(gateway: GatewayUp) -> dict[str, bytes]:
    """Everything that opens something, by where it is."""
    held = {f"{path.parent.name}/{path.name}": path.read_bytes().strip()
            for path in (gateway.data_dir / "secrets").rglob("*") if path.is_file()}  # fmt: skip
    held |= {name: value.rpartition("_")[2].encode() for name, value in gateway.demo.items() if name.endswith("_KEY")}
    assert len(held) >= 8
    return {name: value for name, value in held.items() if len(value) >= 20}


def test_api8_no_secret_stands_in_logs_databases_or_what_commands_print(gateway_up: GatewayUp) -> None:
    """API8: a log that is sent to somebody for help must not be a key."""
    name, key = create(gateway_up)
    printed: dict[str, str] = {}
    for command in (
        ["account", "show", name], ["account", "show", name, "--json"], ["account", "list", "--json"],
        ["account", "export"], ["account", "explain", name, "citizen.lookup", "--json"],
        ["account", "suspend", name, "--json"], ["account", "revoke", name, "--json"],
        ["audit", "list", "--json", "--limit", "50"], ["check-config", "--show"], ["check-config", "--json"],
        ["account", "list", "--key", f"dck_nobody00_{'x' * 44}"], ["lookup", "097190000001", "--key", "not-a-key"],
    ):  # fmt: skip
        done = dancu(gateway_up, *command)
        printed[" ".join(command)] = done.stdout + done.stderr
    secrets = secrets_of(gateway_up) | {"the new account's key": key.rpartition("_")[2].encode()}
    public = {"demo.env"} | {path.name for path in (gateway_up.data_dir / "secrets").rglob("*")}
    files = [path for path in gateway_up.data_dir.rglob("*") if path.is_file() and path.name not in public]
    seen = {str(path.relative_to(gateway_up.data_dir)): path.read_bytes() for path in files}
    assert any(where.startswith("logs/") and content for where, content in seen.items())
    assert any("ledger.sqlite" in where for where in seen)
    seen |= {where: text.encode() for where, text in printed.items()}
    seen |= {"dancu up": (gateway_up.process.out + gateway_up.process.err).encode()}
    for where, content in seen.items():
        for what, secret in secrets.items():
            assert secret not in content, f"{what} stands in {where}"


def test_api8_secrets_are_their_owners_alone(gateway_up: GatewayUp) -> None:
    """API8: what others on the machine can read is published."""
    for path in [gateway_up.data_dir / "demo.env", *(gateway_up.data_dir / "secrets").rglob("*.key")]:
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_api8_passwords_in_settings_are_shown_nowhere(tmp_path: Path) -> None:
    """API8: neither where settings are shown, nor in what a start that fails says."""
    password = "correct-horse-battery"
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "DANCU_DATA_DIR": str(tmp_path / "d"),
        "DANCU_DATABASE__URL": f"postgresql+asyncpg://dancu:{password}@127.0.0.1:9/x",
        "DANCU_REDIS__URL": f"redis://:{password}@127.0.0.1:9", "DANCU_NATIONAL_DB__URL": "http://127.0.0.1:9",
        "DANCU_GRPC__PORT": "0",
    }  # fmt: skip
    prepared = Settings(data_dir=tmp_path / "d")
    prepare(prepared, grpc_target="127.0.0.1:1", admin_target="127.0.0.1:2")
    for command in (["check-config", "--show"], ["check-config", "--json"], ["worker", "--slot", "0"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "dancu", *command],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stdout + done.stderr
        assert password not in done.stdout + done.stderr, command
    assert done.returncode == 1  # the worker: no database, no snapshot
