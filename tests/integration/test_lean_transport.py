"""The lean transport on a real port, with gRPC's own clients: everything they do is done by a foreign implementation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from adapters.processes.standard_services import health_handlers, reflection_handlers
from dancu.client import AsyncClient, Refused, RetryPolicy
from gateway.errors import Reason
from gateway.model import Call, Reply
from gateway.transport.lean.server import LeanServer
from tests.fakes.gateway import SECRET, FakeGateway
from tests.fakes.national_db import AN

KEY = f"dck_testkey_{SECRET}"
ECHO = "dancu.x.v1.S/Do"


@dataclass(frozen=True)
class Port:
    """A gateway on fakes behind a real port; `ECHO` answers what it is asked, `wait` hangs, a number is a size."""

    target: str
    gateway: FakeGateway
    server: LeanServer
    healthy: HealthServicer
    cancelled: list[Call]


@asynccontextmanager
async def port(*, age: float = 600) -> AsyncIterator[Port]:
    gateway, healthy, cancelled = FakeGateway(), HealthServicer(), list[Call]()

    async def answer(call: Call) -> Reply:
        if call.method != ECHO:
            return await gateway.pipeline(call)
        if call.request == b"wait":
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(call)
                raise
        if call.request == b"soon":
            await asyncio.sleep(0.2)
        return Reply(b"x" * int(call.request) if call.request.isdigit() else call.request, ())

    server = LeanServer(
        answer=answer,
        methods=[*gateway.methods, ECHO],
        max_request_bytes=1 << 20,
        max_connection_age_seconds=age,
        draw=lambda: 0.5,
    )
    server.add(health_handlers(healthy))
    server.add(reflection_handlers(["dancu.citizen.v1.CitizenService"]))
    bound = await server.listen("127.0.0.1", 0)
    try:
        yield Port(f"127.0.0.1:{bound}", gateway, server, healthy, cancelled)
    finally:
        await server.stop(1)


async def test_the_client_library_is_answered_and_refused_as_by_grpcs_own_server() -> None:
    """Answers, trailers and rich refusals are what callers build on."""
    async with port() as up, client(up, KEY) as known, client(up, f"dck_testkey_{'B' * 43}") as stranger:
        found = await known.lookup_citizen(personal_number=AN.personal_number, procedure="1.004222")
        assert found.citizen.personal_number == AN.personal_number
        with pytest.raises(Refused) as refused:
            await stranger.lookup_citizen(personal_number=AN.personal_number, procedure="1.004222")
        assert refused.value.reason == Reason.KEY_UNKNOWN.name


def client(up: Port, key: str) -> AsyncClient:
    return AsyncClient(target=up.target, key=key, timeout_seconds=5, retry=RetryPolicy(max_attempts=1), environment={})


async def test_the_blocking_client_sends_and_receives_what_is_larger_than_a_window() -> None:
    """Five hundred citizens are more than 65,535 bytes, both ways, and many at a time."""
    async with port() as up:

        def ask() -> list[int]:
            with grpc.insecure_channel(up.target) as channel:
                do = channel.unary_unary(f"/{ECHO}", None, None)
                futures = [do.future(b"700000") for _ in range(20)]
                return [len(do(b"z" * 1_000_000)), *(len(future.result()) for future in futures)]

        assert await asyncio.to_thread(ask) == [1_000_000, *[700_000] * 20]


async def test_a_deadline_and_a_cancelled_call_stop_the_work() -> None:
    """Work for nobody is load for nothing."""
    async with port() as up, grpc.aio.insecure_channel(up.target) as channel:
        do = channel.unary_unary(f"/{ECHO}", None, None)
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await do(b"wait", timeout=0.1)
        assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        call = do(b"wait")
        await asyncio.sleep(0.1)
        call.cancel()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if len(up.cancelled) == 2:
                break
        assert [call.deadline is None for call in up.cancelled] == [False, True]


async def test_calls_under_way_are_answered_when_the_server_stops() -> None:
    """A deployment must cost no caller an answer."""
    async with port() as up, grpc.aio.insecure_channel(up.target) as channel:
        under_way = [asyncio.ensure_future(channel.unary_unary(f"/{ECHO}", None, None)(b"soon")) for _ in range(10)]
        await asyncio.sleep(0.1)
        await up.server.stop(5)
        assert await asyncio.gather(*under_way) == [b"soon"] * 10


async def test_an_old_connection_is_renewed_without_a_failed_call() -> None:
    """SO_REUSEPORT balances connections: they have to end, and nobody may notice."""
    async with port(age=0.1) as up, grpc.aio.insecure_channel(up.target) as channel:
        do = channel.unary_unary(f"/{ECHO}", None, None)
        for _ in range(150):
            assert await do(b"hello", timeout=5) == b"hello"
            await asyncio.sleep(0.01)
        assert len(up.server._connections) <= 2


async def test_health_is_asked_and_watched() -> None:
    """Load balancers and Kubernetes decide by it."""
    async with port() as up, grpc.aio.insecure_channel(up.target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        assert (await stub.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await stub.Check(health_pb2.HealthCheckRequest(service="no.such"))
        assert unknown.value.code() == grpc.StatusCode.NOT_FOUND
        watching = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
        await up.healthy.enter_graceful_shutdown()
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watching.cancel()


async def test_reflection_shows_the_contract() -> None:
    """Grpcurl and its kin need it; it has many messages each way."""
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="dancu.citizen.v1.CitizenService"),
    ]
    async with port() as up, grpc.aio.insecure_channel(up.target) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        listed, described = [response async for response in stub.ServerReflectionInfo(iter(asked))]
    names = [service.name for service in listed.list_services_response.service]
    assert "dancu.citizen.v1.CitizenService" in names
    assert len(described.file_descriptor_response.file_descriptor_proto) > 1


async def test_a_request_larger_than_allowed_and_a_compressed_one_are_refused() -> None:
    """The client must learn which of the two it was."""
    async with port() as up, grpc.aio.insecure_channel(up.target) as channel:
        do = channel.unary_unary(f"/{ECHO}", None, None)
        with pytest.raises(grpc.aio.AioRpcError) as large:
            await do(b"z" * (2 << 20))
        assert large.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        with pytest.raises(grpc.aio.AioRpcError) as packed:
            await do(b"z" * 5_000, compression=grpc.Compression.Gzip)
        assert packed.value.code() == grpc.StatusCode.UNIMPLEMENTED
