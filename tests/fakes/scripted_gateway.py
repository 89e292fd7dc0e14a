"""A gateway that answers what a test scripts, over real sockets: for the client library and the command line.

Owns one grpc.aio server of CitizenService in a thread of its own, or in the loop of the test.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from dancu.citizen.v1.citizen_pb2 import MARITAL_STATUS_MARRIED, SEX_FEMALE, Citizen
from dancu.citizen.v1.citizen_service_pb2 import (
    BulkLookupCitizensRequest,
    BulkLookupCitizensResponse,
    LookupCitizenRequest,
    LookupCitizenResponse,
    LookupHouseholdRequest,
    LookupHouseholdResponse,
    VerifyCitizenRequest,
    VerifyCitizenResponse,
)
from dancu.citizen.v1.citizen_service_pb2_grpc import CitizenServiceServicer, add_CitizenServiceServicer_to_server
from dancu.common.v1.common_pb2 import BirthDate, Provenance

PERSON = Citizen(
    personal_number="098190000017",
    full_name="Nguyễn Thị Hoa",
    birth_date=BirthDate(year=1990, month=2, day=14),
    sex=SEX_FEMALE,
    marital_status=MARITAL_STATUS_MARRIED,
)
RECEIPT = "test-0:7:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One scripted refusal with its google.rpc details."""

    code: grpc.StatusCode
    reason: str = ""
    message: str = ""
    message_vi: str = ""
    violations: tuple[tuple[str, str, str], ...] = ()
    retry_after_seconds: float | None = None
    quota_subject: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    trailing: tuple[tuple[str, str | bytes], ...] = (("dancu-request-id", "r-refused"),)

    def details(self) -> list[Message]:
        told: list[Message] = []
        if self.reason:
            told.append(error_details_pb2.ErrorInfo(reason=self.reason, domain="dancu", metadata=self.metadata))
        if self.violations:
            bad = error_details_pb2.BadRequest()
            for path, text, text_vi in self.violations:
                bad.field_violations.add(
                    field=path,
                    description=text,
                    localized_message=error_details_pb2.LocalizedMessage(locale="vi", message=text_vi),
                )
            told.append(bad)
        if self.retry_after_seconds is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromNanoseconds(round(self.retry_after_seconds * 1e9))
            told.append(retry)
        if self.quota_subject:
            quota = error_details_pb2.QuotaFailure()
            quota.violations.add(subject=self.quota_subject, description="200 citizens per second")
            told.append(quota)
        if self.message_vi:
            told.append(error_details_pb2.LocalizedMessage(locale="vi", message=self.message_vi))
        return told


Step: TypeAlias = Refusal | Message | Callable[[], Awaitable[Message]]


@dataclass(frozen=True)
class SeenCall:
    """One call as it arrived."""

    request: Any
    metadata: dict[str, str]
    peer: str
    seconds_left: float


def found(citizen: Citizen = PERSON) -> LookupCitizenResponse:
    answer = LookupCitizenResponse(
        citizen=citizen, provenance=Provenance(source=Provenance.SOURCE_CACHE, record_version=3)
    )
    answer.provenance.data_as_of.FromJsonString("2026-01-05T01:15:00Z")
    answer.provenance.fetched_at.FromJsonString("2026-01-05T02:00:00Z")
    return answer


class ScriptedGateway(CitizenServiceServicer):
    """Answers call after call with the next step; the last step answers all further ones."""

    def __init__(self, *script: Step) -> None:
        self.script = list(script or (found(),))
        self.calls: list[SeenCall] = []

    async def LookupCitizen(self, request: LookupCitizenRequest, context: Any) -> LookupCitizenResponse:  # noqa: N802
        return await self._next(request, context)  # type: ignore[return-value]

    async def VerifyCitizen(self, request: VerifyCitizenRequest, context: Any) -> VerifyCitizenResponse:  # noqa: N802
        return await self._next(request, context)  # type: ignore[return-value]

    async def LookupHousehold(  # noqa: N802
        self, request: LookupHouseholdRequest, context: Any
    ) -> LookupHouseholdResponse:
        return await self._next(request, context)  # type: ignore[return-value]

    async def BulkLookupCitizens(  # noqa: N802
        self, request: BulkLookupCitizensRequest, context: Any
    ) -> BulkLookupCitizensResponse:
        return await self._next(request, context)  # type: ignore[return-value]

    async def _next(self, request: Any, context: Any) -> Message:
        metadata = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
        self.calls.append(SeenCall(request, metadata, context.peer(), context.time_remaining()))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Refusal):
            details = (("grpc-status-details-bin", _status(step).SerializeToString()),) if step.reason else ()
            await context.abort(step.code, step.message, (*step.trailing, *details))
            raise AssertionError("abort raises")  # noqa: TRY004  not about the type of the step
        if not isinstance(step, Message):
            step = await step()
        context.set_trailing_metadata(
            (
                ("dancu-request-id", request.request_id or "r-1"),
                ("dancu-receipt", RECEIPT),
                ("ratelimit", '"account";r=199;t=1, "organisation";r=4000;t=1'),
                ("ratelimit-policy", '"account";q=200;w=1, "organisation";q=5000;w=1'),
            )
        )
        return step


def _status(step: Refusal) -> status_pb2.Status:
    status = status_pb2.Status(code=step.code.value[0], message=step.message)
    for detail in step.details():
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


@asynccontextmanager
async def serving(
    gateway: ScriptedGateway, *, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[str]:
    """Serve in this event loop until the block ends; gives the target."""
    server = grpc.aio.server()
    add_CitizenServiceServicer_to_server(gateway, server)
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    try:
        yield address if address.startswith("unix:") else f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=0)


@contextmanager
def running(
    gateway: ScriptedGateway, *, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> Iterator[str]:
    """The same for a test that blocks: serves in a thread of its own."""
    started: Future[str] = Future()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with serving(gateway, address=address, credentials=credentials) as target:
            started.set_result(target)
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield started.result(timeout=10)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=10)
        assert not thread.is_alive()
