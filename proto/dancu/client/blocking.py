"""The client for programs without an event loop. Owns how a call travels over blocking grpc, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self, Unpack, cast

import grpc
from google.protobuf.message import Message

from dancu.citizen.v1.citizen_service_pb2 import LookupCitizenResponse
from dancu.client.base import ClientBase
from dancu.client.calls import LOOKUP_CITIZEN, Answer, LookupArguments, LookupResult, Response, answered, lookup_request
from dancu.client.refusals import refusal


class Client(ClientBase):
    """Asks the gateway and waits for the answer. Use it as a context manager, or `close` it.

    May be shared between threads; not between processes (make it after a fork).
    """

    _channels: tuple[grpc.Channel, ...] = ()

    def lookup_citizen(self, *, timeout_seconds: float | None = None, **asked: Unpack[LookupArguments]) -> LookupResult:
        """Look up one citizen; `LookupArguments` says what may be asked. Raises `Refused`."""
        request = lookup_request(asked)
        return LookupResult.of(
            self.call(LOOKUP_CITIZEN, request, LookupCitizenResponse, timeout_seconds=timeout_seconds)
        )

    def call(
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
                answer = self._send(method, request, response_type, attempts.next_timeout(), metadata)
            except grpc.RpcError as error:
                ended = cast("grpc.Call", error)  # which is what a blocking call raises
                refused = refusal(ended.code(), ended.details() or "", ended.trailing_metadata() or ())
            else:
                attempts.answered()
                return answer
            time.sleep(attempts.pause_after(refused))

    def _send(
        self,
        method: str,
        request: Message,
        response_type: type[Response],
        timeout_seconds: float,
        metadata: Sequence[tuple[str, str]],
    ) -> Answer[Response]:
        send = self._turn(self._opened()).unary_unary(
            f"/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response_type.FromString,
        )
        message, ended = send.with_call(
            request, timeout=timeout_seconds, metadata=(*self._connection.metadata(), *metadata)
        )
        return answered(message, ended.trailing_metadata())

    def _opened(self) -> tuple[grpc.Channel, ...]:
        with self._opening:
            if not self._channels:
                self._channels = tuple(self._open(index) for index in range(self._channel_count))
            return self._channels

    def _open(self, index: int) -> grpc.Channel:
        options = self._connection.channel_options(index)
        if self._credentials is None:
            return grpc.insecure_channel(self.target, options=options)
        return grpc.secure_channel(self.target, self._credentials, options=options)

    def close(self) -> None:
        """Close the connections; calls under way are cancelled. Closing twice does nothing."""
        self._closed = True
        with self._opening:
            channels, self._channels = self._channels, ()
        for channel in channels:
            channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
