"""Overload as a caller meets it on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from dancu.citizen.v1.citizen_service_pb2 import BulkLookupCitizensItem, BulkLookupCitizensRequest
from gateway.transport.grpc_aio import PipelineHandler, server
from tests.fakes.gateway import LOOKUP, PURPOSE, SECRET, FakeGateway, lookup_request
from tests.fakes.national_db import AN

BULK = LOOKUP.replace("LookupCitizen", "BulkLookupCitizens")


async def test_under_overload_bulk_is_refused_with_a_time_to_come_back_and_single_questions_are_answered() -> None:
    """A citizen stands at the counter behind a single question; a program can wait."""
    async with AsyncExitStack() as stack:
        gateway = FakeGateway(in_flight=4)
        handler = PipelineHandler(answer=gateway.pipeline, methods=tuple(gateway.methods))
        serving = server(handler=handler, max_request_bytes=1 << 20, max_connection_age_seconds=600)
        port = serving.add_insecure_port("127.0.0.1:0")
        await serving.start()
        stack.push_async_callback(serving.stop, 0)
        gateway.national_db.gate.clear()
        bulk = BulkLookupCitizensRequest(
            items=[BulkLookupCitizensItem(personal_number=AN.personal_number)], purpose=PURPOSE
        )
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:

            def ask(method: str, request: bytes) -> grpc.aio.UnaryUnaryCall[bytes, bytes]:
                metadata = (("authorization", f"Bearer dck_testkey_{SECRET}"),)
                return channel.unary_unary(f"/{method}", request_serializer=bytes, response_deserializer=bytes)(
                    request, metadata=metadata, timeout=5
                )

            single = lookup_request(AN.personal_number).SerializeToString()
            waiting = [asyncio.ensure_future(ask(LOOKUP, single)) for _ in range(2)]
            await under_way(gateway, 2)
            # Refused while the others still wait: it is not queued behind them.
            assert_overloaded(await refusal_of(ask(BULK, bulk.SerializeToString())))
            waiting += [asyncio.ensure_future(ask(LOOKUP, single)) for _ in range(2)]
            await under_way(gateway, 5)
            assert_overloaded(await refusal_of(ask(LOOKUP, single)))
            gateway.national_db.gate.set()
            assert all(await asyncio.gather(*waiting))


async def under_way(gateway: FakeGateway, started: int) -> None:
    for _ in range(5_000):
        if gateway.observed.started >= started:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"{gateway.observed.started} calls reached the pipeline, not {started}")


async def refusal_of(call: grpc.aio.UnaryUnaryCall[bytes, bytes]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value


def assert_overloaded(refused: grpc.aio.AioRpcError) -> None:
    assert refused.code() is grpc.StatusCode.UNAVAILABLE
    trailing = dict(cast("Iterable[tuple[str, Any]]", refused.trailing_metadata()))
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    details = status_pb2.Status.FromString(trailing["grpc-status-details-bin"]).details
    assert any(detail.Unpack(info) for detail in details)
    assert any(detail.Unpack(retry) for detail in details)
    assert info.reason == "OVERLOADED"
    assert 0.5 <= retry.retry_delay.ToTimedelta().total_seconds() <= 7.5
