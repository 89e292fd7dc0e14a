"""The client for asyncio programs. Owns how a call travels over grpc.aio, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self, Unpack, cast

import grpc
from google.protobuf.message import Message

from dancu.citizen.v1.citizen_service_pb2 import LookupCitizenResponse
from dancu.client.base import ClientBase
from dancu.client.calls import LOOKUP_CITIZEN, Answer, LookupArguments, LookupResult, Response, answered, lookup_request
from dancu.client.refusals import refusal


class AsyncClient(ClientBase):
    """Asks the gateway from one event loop. Use it as an async context manager, or `close` it.

    Calls may run concurrently. A cancelled call is cancelled at the gateway as well.
    """

    _channels: tuple[grpc.aio.Channel, ...] = ()

    async def lookup_citizen(
        self, *, timeout_seconds: float | None = None, **asked: Unpack[LookupArguments]
    ) -> LookupResult:
        """Look up one citizen; `LookupArguments` says what may be asked. Raises `Refused`."""
        request = lookup_request(asked)
        return LookupResult.of(
            await self.call(LOOKUP_CITIZEN, request, LookupCitizenResponse, timeout_seconds=timeout_seconds)
        )

    async def call(
        self,
        method: str,
        request: Message,
        response_type: type[Response],
        *,
        timeout_seconds: float | None = None,
        metadata: Sequence[tuple[str, str]] = (),
    ) -> Answer[Response]:
        """Call any unary method, `package.Service/Method`; `metadata` joins the key. Raises `Refused`.

        A broken connection may hide that an attempt took effect, so requests that change state need a
        `request_id`: the gateway answers its repetition with the first answer.
        """
        attempts = self._attempts(timeout_seconds)
        while True:
            try:
                answer = await self._send(method, request, response_type, attempts.next_timeout(), metadata)
            except grpc.aio.AioRpcError as error:
                # The stubs take the pairs of this metadata for objects.
                trailing = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata())
                refused = refusal(error.code(), error.details() or "", trailing)
            else:
                attempts.answered()
                return answer
            await asyncio.sleep(attempts.pause_after(refused))

    async def _send(
        self,
        method: str,
        request: Message,
        response_type: type[Response],
        timeout_seconds: float,
        metadata: Sequence[tuple[str, str]],
    ) -> Answer[Response]:
        if not self._channels:
            self._channels = tuple(self._open(index) for index in range(self._channel_count))
        send = self._turn(self._channels).unary_unary(
            f"/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response_type.FromString,
        )
        under_way = send(request, timeout=timeout_seconds, metadata=(*self._connection.metadata(), *metadata))
        return answered(await under_way, await under_way.trailing_metadata())

    def _open(self, index: int) -> grpc.aio.Channel:
        options = self._connection.channel_options(index)
        if self._credentials is None:
            return grpc.aio.insecure_channel(self.target, options=options)
        return grpc.aio.secure_channel(self.target, self._credentials, options=options)

    async def close(self) -> None:
        """Close the connections; calls under way are cancelled. Closing twice does nothing."""
        self._closed = True
        channels, self._channels = self._channels, ()
        for channel in channels:
            await channel.close(grace=None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
