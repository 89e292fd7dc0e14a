"""The grpc.aio transport: wire calls to `Call`s, `Reply`s and refusals back to the wire.

The only module that imports grpc's server. Handlers take and give bytes: parsing is the pipeline's third step, after
the caller is known.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache, partial
from typing import Any, TypeAlias
from urllib.parse import unquote

import grpc
from grpc.aio import Server, ServicerContext

from gateway.errors import GatewayError, Reason, UnimplementedError
from gateway.model import Call, ClientCertificate, Reply
from gateway.transport.certificates import certificate_of
from gateway.transport.statuses import CODES, status_of

Answerer: TypeAlias = Callable[[Call], Awaitable[Reply]]

_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}
_PREFIX = "dancu."


class PipelineHandler(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # not subscriptable at run time
    """Serves every `dancu.` method; others (health, reflection) are left to their own handlers."""

    def __init__(self, *, answer: Answerer, methods: Sequence[str], mutual: bool = False) -> None:
        """`methods`: full names that `answer` knows; `mutual`: the port asks callers for certificates."""
        shown = _certificate_shown if mutual else None
        self._unary = {f"/{name}": self._handler(partial(_serve, answer, name, shown)) for name in methods}
        self._unknown = self._handler(_refuse_unknown)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The handler of a method path, None for methods of others."""
        path = handler_call_details.method
        handler = self._unary.get(path)
        if handler is None and path.removeprefix("/").startswith(_PREFIX):
            return self._unknown
        return handler

    @staticmethod
    def _handler(behaviour: Callable[[bytes, Any], Awaitable[bytes]]) -> grpc.RpcMethodHandler[bytes, bytes]:
        return grpc.unary_unary_rpc_method_handler(behaviour)


def server(*, handler: PipelineHandler, max_request_bytes: int, max_connection_age_seconds: int) -> Server:
    """A grpc.aio server with the handler in place; the caller adds services and ports, and starts it."""
    return grpc.aio.server(
        handlers=[handler],
        options=[
            ("grpc.so_reuseport", 1),
            ("grpc.max_receive_message_length", max_request_bytes),
            # Metadata beyond this is refused before it reaches us.
            ("grpc.max_metadata_size", 16 * 1024),
            ("grpc.max_connection_age_ms", max_connection_age_seconds * 1000),
            ("grpc.max_connection_age_grace_ms", 60_000),
            ("grpc.keepalive_time_ms", 120_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
            # Calls wait here before we see them, and grpc.aio takes one a turn of the loop. With grpc's own 1000 to
            # 3000 they wait most of a second under overload and every answer comes late. docs/decisions/0045.
            ("grpc.server.max_pending_requests", 200),
            ("grpc.server.max_pending_requests_hard_limit", 400),
        ],
    )


async def _serve(
    answer: Answerer,
    method: str,
    shown: Callable[[ServicerContext[bytes, bytes]], ClientCertificate | None] | None,
    request: bytes,
    context: ServicerContext[bytes, bytes],
) -> bytes:
    remaining = context.time_remaining()
    call = Call(
        method=method,
        request=request,
        # Binary metadata ("-bin") is not part of the contract.
        metadata={key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)},
        peer=address_of(context.peer()),
        deadline=None if remaining is None else time.monotonic() + remaining,
        certificate=None if shown is None else shown(context),
    )
    try:
        reply = await answer(call)
    except GatewayError as refusal:
        await _abort(context, refusal)
        raise AssertionError("abort raises") from refusal
    context.set_trailing_metadata(reply.trailing)
    return reply.response


def _certificate_shown(context: ServicerContext[bytes, bytes]) -> ClientCertificate | None:
    return certificate_of(context.auth_context())


async def _refuse_unknown(_request: bytes, context: ServicerContext[bytes, bytes]) -> bytes:
    await _abort(context, UnimplementedError(Reason.METHOD_UNKNOWN))
    raise AssertionError("abort raises")


async def _abort(context: ServicerContext[bytes, bytes], refusal: GatewayError) -> None:
    status = status_of(refusal)
    await context.abort(
        _STATUS_CODES[CODES[refusal.kind]],
        status.message,
        (*refusal.trailing, ("grpc-status-details-bin", status.SerializeToString())),
    )


@lru_cache(maxsize=4096)
def address_of(peer: str) -> str:
    """The network address in grpc's `ipv4:192.0.2.1:50000`, `ipv6:%5B::1%5D:50000`; empty for a unix socket."""
    scheme, _, rest = peer.partition(":")
    if scheme == "ipv4":
        return rest.rpartition(":")[0]
    if scheme == "ipv6":
        address = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
        # A dual-stack port sees IPv4 callers as ::ffff:192.0.2.1; networks of accounts are written in IPv4.
        return address.removeprefix("::ffff:") if "." in address else address
    return ""
