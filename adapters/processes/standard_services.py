"""Health and reflection for the lean transport: gRPC's own servicers, their context played by a conversation.

Owns which of their methods are served and how their messages are read. Refuses to know what they answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection, reflection_pb2

# grpc_reflection chooses by what `grpc.aio` offers and does not export the choice.
from grpc_reflection.v1alpha._async import ReflectionServicer

from gateway.transport.lean.calls import INVALID_ARGUMENT, Conversation, Converser, StatusError

HEALTH = "grpc.health.v1.Health"


class _Context:
    """As much of a ServicerContext as these servicers use."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    async def write(self, message: Any) -> None:
        await self._conversation.send(message.SerializeToString())

    async def abort(self, code: grpc.StatusCode, details: str = "") -> NoReturn:
        raise StatusError(code.value[0], details)


def health_handlers(healthy: HealthServicer) -> Mapping[str, Converser]:
    """`grpc.health.v1`."""

    async def check(conversation: Conversation) -> None:
        request = await _only(conversation, health_pb2.HealthCheckRequest)
        context = _Context(conversation)
        await context.write(await healthy.Check(request, context))

    async def watch(conversation: Conversation) -> None:
        await healthy.Watch(await _only(conversation, health_pb2.HealthCheckRequest), _Context(conversation))

    return {f"{HEALTH}/Check": check, f"{HEALTH}/Watch": watch}


def reflection_handlers(services: Sequence[str]) -> Mapping[str, Converser]:
    """`grpc.reflection.v1alpha`, showing these services and itself."""
    servicer = ReflectionServicer((*services, reflection.SERVICE_NAME))

    async def info(conversation: Conversation) -> None:
        async for response in servicer.ServerReflectionInfo(_requests(conversation), None):
            await conversation.send(response.SerializeToString())

    return {f"{reflection.SERVICE_NAME}/ServerReflectionInfo": info}


async def _requests(conversation: Conversation) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    while (message := await conversation.receive()) is not None:
        yield _parsed(reflection_pb2.ServerReflectionRequest, message)


async def _only(conversation: Conversation, kind: Any) -> Any:
    message = await conversation.receive()
    if message is None:
        raise StatusError(INVALID_ARGUMENT, "A request message is missing.")
    return _parsed(kind, message)


def _parsed(kind: Any, message: bytes) -> Any:
    try:
        return kind.FromString(message)
    except DecodeError as error:
        raise StatusError(INVALID_ARGUMENT, "The request message cannot be read.") from error
