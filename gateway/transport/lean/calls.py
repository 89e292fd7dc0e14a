"""One call on one stream: its request put together, its task, its deadline, its answer.

Owns the messages of gRPC (five bytes before each) and the states of a stream. Refuses to know the network and what
the answer says. A method with one message each way is a coroutine from `Call` to `Reply`; any other gets a
`Conversation`, which receives and sends as many as it likes.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from gateway.errors import DeadlineError, GatewayError, InternalError, Reason
from gateway.model import Call, ClientCertificate, Reply
from gateway.transport.lean import header_blocks
from gateway.transport.lean.frames import ErrorCode, StreamFaultError
from gateway.transport.lean.output import Lane
from gateway.transport.lean.request_head import RequestHead
from gateway.transport.statuses import status_of

PREFIX = struct.Struct(">BI")
"""Whether the message is compressed, and its length."""


class StatusError(Exception):
    """A refusal by the transport itself: a bare status, as gRPC's own servers give it."""

    def __init__(self, code: int, message: str, *, pairs: tuple[tuple[str, str], ...] = ()) -> None:
        """`code`: of google.rpc.Code; `message`: static; `pairs`: further trailers."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.pairs = pairs

    def trailers(self) -> bytes:
        """The header block that says so."""
        return header_blocks.refusal(self.code, self.message, pairs=self.pairs)


INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 3, 5, 8, 12, 13


def refusal_trailers(refusal: GatewayError) -> bytes:
    """The header block of a refusal by the gateway."""
    status = status_of(refusal)
    return header_blocks.refusal(
        status.code, status.message, pairs=refusal.trailing, details=status.SerializeToString()
    )


class Conversation(Protocol):
    """The messages of a call that has more than one each way."""

    call: Call
    """Its `request` is empty: messages come by `receive`."""

    async def receive(self) -> bytes | None:
        """The next message; None once the caller has sent its last. Raises `StatusError` for one that is none."""

    async def send(self, message: bytes) -> None:
        """Send one; returns when it no longer waits for the caller."""


Answerer: TypeAlias = Callable[[Call], Awaitable[Reply]]
Converser: TypeAlias = Callable[[Conversation], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Method:
    """What stands behind a path: exactly one of the two."""

    name: str
    """Without the leading slash."""
    answer: Answerer | None = None
    converse: Converser | None = None


class Line(Protocol):
    """What a stream asks of its connection."""

    loop: asyncio.AbstractEventLoop
    peer: str
    certificate: ClientCertificate | None
    max_request_bytes: int

    def hold(self, size: int) -> bool:
        """Keep so many bytes of a request; False where the connection holds too many."""

    def release(self, size: int) -> None:
        """They are no longer kept."""

    def reopen(self, stream: Stream, size: int) -> None:
        """The caller may send so many more bytes on the stream."""

    def begin(self, stream: Stream) -> None:
        """The request is there: call `stream.run` as soon as the connection bears another."""

    def answer(self, stream: Stream, message: bytes, trailers: bytes) -> None:
        """The only message and the end."""

    def say(self, stream: Stream, message: bytes) -> None:
        """A message, others may follow."""

    def end(self, stream: Stream, trailers: bytes) -> None:
        """The end."""

    def cut(self, stream: Stream, trailers: bytes) -> None:
        """The end, whatever its task is at: the task is cancelled."""

    def done(self, stream: Stream) -> None:
        """The last byte of it is on its way."""

    def defect(self, error: Exception) -> None:
        """Something happened that must not."""


class Stream:
    """One call. It is its own `Conversation`."""

    __slots__ = (
        "_held", "_inbox", "_line", "_parts", "_waiter", "call", "deadline", "ended", "head", "headers_sent", "id",
        "lane", "method", "over", "quota", "task", "timer",
    )  # fmt: skip

    def __init__(self, line: Line, stream: int, head: RequestHead, method: Method, *, window: int, quota: int) -> None:
        """`window`: what the peer lets us send; `quota`: what we let it send."""
        self.id = stream
        self.head = head
        self.method = method
        self.lane = Lane(stream, window, self._drained)
        self.quota = quota
        self.ended = False
        """The caller has sent everything."""
        self.over = False
        """Everything is said, by us or by a reset."""
        self.headers_sent = False
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.deadline: float | None = None
        self.call: Call
        self._line = line
        self._parts: bytearray | None = None
        self._held = 0
        self._inbox: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None

    # What comes in

    def data(self, payload: bytes, *, last: bool) -> None:
        """DATA, without padding. Raises `StatusError`, `StreamFaultError`."""
        if self.ended:
            raise StreamFaultError(ErrorCode.STREAM_CLOSED, "DATA after the end")
        self.ended = last
        if self.method.converse is not None:
            self._take(payload)
            self._wake()
            return
        if last and self._parts is None:
            self._begin(payload)
            return
        if self._parts is None:
            self._parts = bytearray()
        self._keep(len(payload))
        self._parts += payload
        if len(self._parts) >= PREFIX.size:
            self._check(self._parts)
        if last:
            whole = bytes(self._parts)
            self.release()
            self._begin(whole)

    def end_without_data(self) -> None:
        """The caller sent its last with the headers."""
        self.ended = True
        if self.method.converse is None:
            raise StatusError(INTERNAL, "A request message is missing.")
        self._wake()

    def _begin(self, framed: bytes) -> None:
        length = self._check(framed) if len(framed) >= PREFIX.size else -1
        if length != len(framed) - PREFIX.size:
            raise StatusError(INTERNAL, "The request is not exactly one whole message.")
        self._parts = None
        self.open(framed[PREFIX.size :])
        self._line.begin(self)

    def open(self, request: bytes) -> None:
        """Make the `Call`."""
        self.call = Call(
            method=self.method.name,
            request=request,
            metadata=self.head.metadata,
            peer=self._line.peer,
            deadline=self.deadline,
            certificate=self._line.certificate,
        )

    def _check(self, framed: bytes | bytearray) -> int:
        compressed, length = PREFIX.unpack_from(framed)
        if compressed:
            raise StatusError(
                UNIMPLEMENTED, "Compressed messages are not supported.", pairs=header_blocks.ACCEPTED_ENCODINGS
            )
        if length > self._line.max_request_bytes:
            raise StatusError(RESOURCE_EXHAUSTED, "The request message is larger than allowed.")
        return int(length)

    def _keep(self, size: int) -> None:
        if not self._line.hold(size):
            raise StatusError(RESOURCE_EXHAUSTED, "Too many unfinished requests on one connection.")
        self._held += size

    def release(self) -> None:
        """Nothing of the request is kept any more."""
        if self._held:
            self._line.release(self._held)
            self._held = 0
        self._parts = None
        self._inbox.clear()

    # Conversations

    def _take(self, payload: bytes) -> None:
        self._keep(len(payload))
        parts = self._parts if self._parts is not None else bytearray()
        parts += payload
        while len(parts) >= PREFIX.size:
            size = PREFIX.size + self._check(parts)
            if len(parts) < size:
                break
            self._inbox.append(bytes(parts[PREFIX.size : size]))
            del parts[:size]
        self._parts = parts

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _until_woken(self) -> None:
        self._waiter = self._line.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def receive(self) -> bytes | None:
        """See `Conversation`."""
        while not self._inbox:
            if self.ended:
                if self._parts:
                    raise StatusError(INTERNAL, "The last message is not whole.")
                return None
            await self._until_woken()
        message = self._inbox.popleft()
        size = len(message) + PREFIX.size
        self._held -= size
        self._line.release(size)
        if not self.ended:
            self._line.reopen(self, size)
        return message

    async def send(self, message: bytes) -> None:
        """See `Conversation`."""
        self._line.say(self, PREFIX.pack(0, len(message)) + message)
        while self.lane.body:
            await self._until_woken()

    def _drained(self) -> None:
        if self.over:
            self._line.done(self)
        self._wake()

    # The task

    def run(self) -> None:
        """Start the call's task."""
        self.task = self._line.loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            if self.method.answer is not None:
                reply = await self.method.answer(self.call)
                message, last = reply.response, header_blocks.trailers(reply.trailing)
                if not self.over:
                    self._line.answer(self, PREFIX.pack(0, len(message)) + message, last)
                return
            assert self.method.converse is not None
            await self.method.converse(self)
            last = header_blocks.trailers(())
        except GatewayError as refusal:
            last = refusal_trailers(refusal)
        except StatusError as refusal:
            last = refusal.trailers()
        except Exception as defect:  # noqa: BLE001  the caller is told, and so is the log
            self._line.defect(defect)
            last = refusal_trailers(InternalError(Reason.INTERNAL))
        if not self.over:
            self._line.end(self, last)

    def expire(self) -> None:
        """The deadline passed: say so, and stop the work."""
        self.timer = None
        if self.over:
            return
        self._line.cut(self, refusal_trailers(DeadlineError(Reason.DEADLINE_EXCEEDED)))
