"""The whole gateway as `dancu up` starts it: real sockets, real Valkey, real files, a worker killed with SIGKILL."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
import urllib.request

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from adapters.journal.reader import JournalReader, journals_in
from adapters.redis_lane import RedisLane
from dancu.audit.v1.audit_record_pb2 import AuditRecord
from dancu.client import AsyncClient, Refused
from mock_national_db import sample
from tests.fakes.supervised import children_of
from tests.integration.conftest import GatewayUp

SERVICE = "dancu.citizen.v1.CitizenService"
CALLERS = 200
SECONDS = float(os.environ.get("LOAD_SECONDS") or 6)


def client(gateway: GatewayUp, key: str = "DANCU_BENCH_KEY", **options: object) -> AsyncClient:
    return AsyncClient(target=gateway.target, key=gateway.demo[key], **options)  # type: ignore[arg-type]


def numbers(count: int) -> list[str]:
    return [person.personal_number for person in sample(count, population=1_000_000)]


def workers_of(gateway: GatewayUp) -> list[int]:
    return [pid for pid, command in children_of(gateway.process.pid).items() if "adapters.processes.worker" in command]


def journalled(gateway: GatewayUp) -> list[AuditRecord]:
    return [
        AuditRecord.FromString(stored.data)
        for journal in journals_in(gateway.data_dir / "journal")
        for stored in JournalReader(journal)
    ]


def test_a_stock_client_with_reflection_gets_the_same_answer_and_the_same_errors(gateway_up: GatewayUp) -> None:
    """Integrators come with grpcurl, not with our library."""
    (number,) = numbers(1)
    with grpc.insecure_channel(gateway_up.target) as channel:
        pool = reflected(channel, SERVICE)
        method = pool.FindServiceByName(SERVICE).methods_by_name["LookupCitizen"]
        request_type, response_type = (
            message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type)
        )
        call = channel.unary_unary(
            f"/{SERVICE}/LookupCitizen",
            request_serializer=request_type.SerializeToString,
            response_deserializer=response_type.FromString,
        )
        key = (("authorization", f"Bearer {gateway_up.demo['DANCU_API_KEY']}"),)
        request = request_type()
        json_format.ParseDict({"personalNumber": number, "purpose": {"procedureCode": "1.004222"}}, request)
        answer, under_way = call.with_call(request, metadata=key)
        assert answer.citizen.personal_number == number
        trailing = {name for name, _ in under_way.trailing_metadata()}
        assert {"dancu-request-id", "dancu-receipt", "ratelimit", "ratelimit-policy"} <= trailing

        request = json_format.ParseDict({"personalNumber": "1", "readMask": "nothing", "purpose": {}}, request_type())
        with pytest.raises(grpc.RpcError) as refused:
            call(request, metadata=key)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    (details,) = (pair.value for pair in refused.value.trailing_metadata() if pair.key == "grpc-status-details-bin")
    status = status_pb2.Status.FromString(details)
    info, bad_request, localized = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.LocalizedMessage(),
    )
    for wanted in (info, bad_request, localized):
        assert any(detail.Unpack(wanted) for detail in status.details)
    assert (info.reason, info.domain) == ("INVALID_REQUEST", "dancu")
    assert {violation.field for violation in bad_request.field_violations} == {
        "personal_number",
        "read_mask.paths[0]",
        "purpose.procedure_code",
    }
    assert (localized.locale, localized.message.isascii()) == ("vi", False)


def reflected(channel: grpc.Channel, service: str) -> descriptor_pool.DescriptorPool:
    """A descriptor pool filled by reflection alone."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    pool = descriptor_pool.DescriptorPool()
    ask = reflection_pb2.ServerReflectionRequest
    (answer,) = stub.ServerReflectionInfo(iter([ask(file_containing_symbol=service)]))
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    waiting = [answer]
    while waiting:
        for data in waiting.pop().file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            files[file.name] = file
            for name in file.dependency:
                if name not in files:
                    waiting += stub.ServerReflectionInfo(iter([ask(file_by_filename=name)]))

    def add(name: str, done: set[str]) -> None:
        if name not in done:
            done.add(name)
            for dependency in files[name].dependency:
                add(dependency, done)
            pool.Add(files[name])

    done: set[str] = set()
    for name in files:
        add(name, done)
    return pool


async def test_two_hundred_callers_see_no_error_and_every_answer_is_on_record_after_a_kill(
    gateway_up: GatewayUp,
) -> None:
    """P1 under SIGKILL: no record, no answer, whatever dies."""
    people = itertools.cycle(numbers(500))
    receipts: list[str] = []
    before = workers_of(gateway_up)
    end = time.monotonic() + SECONDS
    async with client(gateway_up, channels=8) as calling:

        async def caller() -> None:
            while time.monotonic() < end:
                found = await calling.lookup_citizen(personal_number=next(people), procedure="1.1", timeout_seconds=20)
                receipts.append(found.receipt)

        async def killer() -> None:
            await asyncio.sleep(SECONDS / 2)
            os.kill(before[0], signal.SIGKILL)

        await asyncio.gather(killer(), *(caller() for _ in range(CALLERS)))
    assert len(receipts) > CALLERS
    assert len(set(receipts)) == len(receipts)
    stored = {
        (journal.name, record.index) for journal in journals_in(gateway_up.data_dir / "journal")
        for record in JournalReader(journal)
    }  # fmt: skip
    told = {(origin, int(index)) for origin, index, _ in (receipt.split(":") for receipt in receipts)}
    assert told <= stored
    assert len(workers_of(gateway_up)) == len(before)
    assert before[0] not in workers_of(gateway_up)


async def test_no_citizen_number_or_name_stands_anywhere_but_in_answers(gateway_up: GatewayUp) -> None:
    """P8: whoever reads logs, metrics, Redis or the journals learns nobody's number."""
    people = list(sample(40, population=1_000_000))
    absent = "099199000000"
    async with client(gateway_up) as calling:
        for person in people:
            await calling.lookup_citizen(personal_number=person.personal_number, procedure="1.1")
        for wrong in (absent, "097", f"{people[0].personal_number}9", "097 90 000001"):
            with pytest.raises(Refused) as refusal:
                await calling.lookup_citizen(personal_number=wrong, procedure="1.1")
            assert wrong not in str(refusal.value) or len(wrong) == 3
    await asyncio.sleep(0.5)  # metrics are written four times a second
    with urllib.request.urlopen(f"{gateway_up.http_url}/metrics") as answer:  # noqa: ASYNC210, S310
        seen = [answer.read()]
    seen += [path.read_bytes() for path in gateway_up.data_dir.rglob("*") if path.is_file()]
    lane = RedisLane.connect(f"unix://{gateway_up.data_dir / 'run' / 'valkey.sock'}", timeout_seconds=2)
    for key in await lane.execute("KEYS", "*"):
        seen += [key, await value_of(lane, key)]
    await lane.close()
    everything = b"\n".join(seen)
    assert len(everything) > 10_000
    for person in people:
        assert person.personal_number.encode() not in everything
        assert person.full_name.encode() not in everything
    assert absent.encode() not in everything
    assert f"Bearer {gateway_up.demo['DANCU_BENCH_KEY']}".encode() not in everything


async def value_of(lane: RedisLane, key: bytes) -> bytes:
    """Whatever a key of Redis holds."""
    reading = {b"string": ("GET", key), b"hash": ("HVALS", key), b"stream": ("XRANGE", key, "-", "+")}
    kind = await lane.execute("TYPE", key)
    return flat(await lane.execute(*reading[kind])) if kind in reading else b""


def flat(value: object) -> bytes:
    """All bytes of an answer."""
    if isinstance(value, dict):
        return flat([*value, *value.values()])
    if isinstance(value, list | tuple):
        return b"\n".join(map(flat, value))
    return value if isinstance(value, bytes) else b""


async def test_a_message_over_the_limit_is_refused_and_the_worker_unharmed(gateway_up: GatewayUp) -> None:
    """One caller's mistake is not another's outage."""
    (number,) = numbers(1)
    before = workers_of(gateway_up)
    async with grpc.aio.insecure_channel(gateway_up.target) as channel:
        call = channel.unary_unary(f"/{SERVICE}/LookupCitizen", request_serializer=None, response_deserializer=None)
        key = (("authorization", f"Bearer {gateway_up.demo['DANCU_BENCH_KEY']}"),)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(b"\x0a" + b"x" * 1_100_000, metadata=key)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    async with client(gateway_up) as calling:
        assert (await calling.lookup_citizen(personal_number=number, procedure="1.1")).receipt
    assert sorted(workers_of(gateway_up)) == sorted(before)


async def test_a_limited_account_is_held_to_its_rate_across_workers(gateway_up: GatewayUp) -> None:
    """P4: two workers, one limit."""
    (number,) = numbers(1)
    answered = 0
    refusals: list[Refused] = []
    async with client(gateway_up, key="DANCU_API_KEY", channels=8) as calling:

        async def caller() -> None:
            nonlocal answered
            for _ in range(15):
                try:
                    await calling.lookup_citizen(personal_number=number, procedure="1.1")
                except Refused as refusal:
                    refusals.append(refusal)
                else:
                    answered += 1

        started = time.monotonic()
        await asyncio.gather(*(caller() for _ in range(40)))
        seconds = time.monotonic() - started
    assert {refusal.reason for refusal in refusals} == {"RATE_LIMITED"}
    assert all(refusal.retry_after is not None for refusal in refusals)
    assert 200 <= answered <= 200 + 200 * (seconds + 1)
    assert answered < 600


async def test_the_record_of_a_lookup_can_be_found_by_its_request_id(gateway_up: GatewayUp) -> None:
    """Request id in trailer and record alike."""
    (number,) = numbers(1)
    async with client(gateway_up) as calling:
        found = await calling.lookup_citizen(personal_number=number, procedure="1.1", request_id="first-light-1")
    assert found.request_id == "first-light-1"
    (record,) = [record for record in journalled(gateway_up) if record.request_id == "first-light-1"]
    assert (record.account, record.organisation, list(record.fields)) == ("01/bench", "01", ["*"])
