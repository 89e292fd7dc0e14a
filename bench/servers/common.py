"""A bare grpc.aio server as the gateway's transport sets it up: same loop, same options, nothing before the handler."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc
import uvloop

from dancu.citizen.v1 import citizen_service_pb2

Lookup: TypeAlias = Callable[
    [citizen_service_pb2.LookupCitizenRequest, Any], Awaitable[citizen_service_pb2.LookupCitizenResponse]
]


async def serve(port: int, lookup: Lookup) -> None:
    """Answer LookupCitizen on a shared port until SIGTERM; says `ready` on standard output."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    handler: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(
        lookup,
        request_deserializer=citizen_service_pb2.LookupCitizenRequest.FromString,
        response_serializer=citizen_service_pb2.LookupCitizenResponse.SerializeToString,
    )
    server = grpc.aio.server(options=[("grpc.so_reuseport", 1)])
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("dancu.citizen.v1.CitizenService", {"LookupCitizen": handler})]
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print("ready", flush=True)
    await stop.wait()
    await server.stop(1)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run on the loop the workers use."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_awaited(main))


async def _awaited(main: Callable[[], Awaitable[None]]) -> None:
    await main()
