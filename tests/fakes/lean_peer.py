"""A connection of the lean transport without a network, and `h2` as the independent peer that talks to it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamReset, TrailersReceived

from gateway.model import Call, Reply
from gateway.transport.lean.calls import PREFIX, Conversation, Method
from gateway.transport.lean.connection import Connection
from gateway.transport.lean.limits import Limits

DO = "/dancu.x.v1.S/Do"
TALK = "/dancu.x.v1.S/Talk"
HEADERS = ((":method", "POST"), (":scheme", "http"), (":path", DO), (":authority", "x"), ("te", "trailers"),
           ("content-type", "application/grpc"))  # fmt: skip


class Network:
    """An `asyncio.Transport` that keeps what is written."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.writes = 0
        self.closed = self.aborted = self.reading_paused = False

    def write(self, data: bytes) -> None:
        self.written += data
        self.writes += 1

    def get_extra_info(self, name: str) -> Any:
        return ("::ffff:192.0.2.1", 5000) if name == "peername" else None

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None:
        self.reading_paused = True

    def resume_reading(self) -> None:
        self.reading_paused = False


class Side:
    """Both ends. `answer` of a request: `wait` hangs, `big N` gives N bytes, anything else comes back."""

    def __init__(self, *, settings: dict[Any, int] | None = None, max_request_bytes: int = 100_000) -> None:
        self.loop = asyncio.get_running_loop()
        self.calls: list[Call] = []
        self.cancelled = 0
        self.network = Network()
        self.gone = False
        self.connection = Connection(
            loop=self.loop,
            methods={DO: Method(DO[1:], answer=self._answer), TALK: Method(TALK[1:], converse=self._talk)},
            limits=Limits(max_request_bytes=max_request_bytes, max_connection_age=600),
            max_age=600,
            opened=lambda _: None,
            closed=lambda _: setattr(self, "gone", True),
        )
        self.peer = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.connection.connection_made(cast("asyncio.Transport", self.network))
        self._settings = settings

    async def _answer(self, call: Call) -> Reply:
        self.calls.append(call)
        if call.request == b"wait":
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        size = int(call.request[4:]) if call.request.startswith(b"big ") else 0
        return Reply(b"x" * size or call.request, (("dancu-request-id", "r"),))

    @staticmethod
    async def _talk(conversation: Conversation) -> None:
        while (message := await conversation.receive()) is not None:
            await conversation.send(message)

    def start(self) -> Side:
        """Exchange prefaces."""
        self.peer.initiate_connection()
        if self._settings is not None:
            self.peer.update_settings(self._settings)
        return self

    async def turn(self) -> list[Event]:
        """Bytes go both ways until neither side has more to say; the peer's events."""
        events: list[Event] = []
        for _ in range(200):
            self.give(self.peer.data_to_send())
            for _ in range(3):
                await asyncio.sleep(0)
            if not self.network.written:
                break
            received = bytes(self.network.written)
            self.network.written.clear()
            events += self.peer.receive_data(received)
        return events

    def give(self, data: bytes) -> None:
        """Bytes of the peer."""
        if data and not self.network.closed:
            self.connection.data_received(data)

    def ask(self, stream: int, message: bytes, *, headers: Sequence[tuple[str, str]] = HEADERS) -> None:
        """A whole request."""
        self.peer.send_headers(stream, headers)
        self.peer.send_data(stream, PREFIX.pack(0, len(message)) + message, end_stream=True)

    def end(self) -> None:
        """The network is gone."""
        self.network.closed = True
        self.connection.connection_lost(None)


def status_in(events: Sequence[Event], stream: int) -> str | None:
    """The grpc-status of a stream."""
    for event in events:
        if isinstance(event, ResponseReceived | TrailersReceived) and event.stream_id == stream:
            told = dict(cast("Any", event.headers)).get("grpc-status")
            if told is not None:
                return str(told)
    return None


def data_in(events: Sequence[Event], stream: int) -> bytes:
    """What came as DATA."""
    return b"".join(e.data or b"" for e in events if isinstance(e, DataReceived) and e.stream_id == stream)


def resets_in(events: Sequence[Event]) -> dict[int, int]:
    """Streams that were reset, and with which code."""
    return {e.stream_id: int(e.error_code or 0) for e in events if isinstance(e, StreamReset) and e.stream_id}
