"""Refusals, retries and deadlines of the client library, against a real gRPC server that refuses as scripted."""

from __future__ import annotations

import asyncio
import pickle
import socket
import time
from datetime import timedelta

import grpc
import pytest

from dancu.citizen.v1.citizen_service_pb2 import LookupCitizenRequest, LookupCitizenResponse
from dancu.client import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    InvalidRequest,
    LimitExceeded,
    PermissionDenied,
    Refused,
    RetryPolicy,
    Unavailable,
    Unreachable,
    Violation,
)
from tests.fakes.scripted_gateway import PERSON, RECEIPT, Refusal, ScriptedGateway, found, running, serving

AN = PERSON.personal_number
OVERLOADED = Refusal(
    code=grpc.StatusCode.UNAVAILABLE,
    reason="OVERLOADED",
    message="The gateway is overloaded.",
    retry_after_seconds=0.05,
)
LIMITED = Refusal(
    code=grpc.StatusCode.RESOURCE_EXHAUSTED,
    reason="RATE_LIMITED",
    message="More calls than the limit allows.",
    retry_after_seconds=0.05,
    quota_subject="account:ha-noi.mot-cua",
)
NOT_FOUND = Refusal(
    code=grpc.StatusCode.NOT_FOUND,
    reason="CITIZEN_NOT_FOUND",
    message="Nobody holds this number.",
    message_vi="Không có công dân nào mang số này.",
)


GARBLED = b"\x1a\x2f\x0a\x28type.googleapis.com/google.rpc.ErrorInfo\x12\x03\xff\xff\xff"
"""A google.rpc.Status whose one detail says that it is an ErrorInfo and is not."""


async def hang_for_a_minute() -> LookupCitizenResponse:
    await asyncio.sleep(60)
    return found()


def client(target: str, **more: object) -> Client:
    return Client(target=target, key="dck_k1_s1", environment={}, **more)  # type: ignore[arg-type]


def async_client(target: str, **more: object) -> AsyncClient:
    return AsyncClient(target=target, key="dck_k1_s1", environment={}, **more)  # type: ignore[arg-type]


async def test_a_refusal_tells_everything_the_gateway_said() -> None:
    """Callers branch on the reason and show people the rest."""
    gateway = ScriptedGateway(
        Refusal(
            code=grpc.StatusCode.INVALID_ARGUMENT,
            reason="INVALID_REQUEST",
            message="The request is not valid.",
            message_vi="Yêu cầu không hợp lệ.",
            violations=(("personal_number", "must be 12 digits", "phải gồm 12 chữ số"), ("purpose", "required", "")),
            metadata={"limit": "64"},
            trailing=(("dancu-request-id", "r-9"), ("dancu-receipt", RECEIPT)),
        )
    )
    async with serving(gateway) as target, async_client(target) as dancu:
        with pytest.raises(InvalidRequest) as caught:
            await dancu.lookup_citizen(personal_number="1", procedure="1.001193")
    refused = caught.value
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (refused.reason, refused.message) == ("INVALID_REQUEST", "The request is not valid.")
    assert refused.message_vi == "Yêu cầu không hợp lệ."
    assert refused.violations == (
        Violation("personal_number", "must be 12 digits", "phải gồm 12 chữ số"),
        Violation("purpose", "required"),
    )
    assert (refused.request_id, refused.receipt, refused.metadata) == ("r-9", RECEIPT, {"limit": "64"})
    assert refused.retry_after is None
    assert str(refused) == (
        "INVALID_REQUEST: The request is not valid.; personal_number: must be 12 digits; purpose: required; request r-9"
    )
    assert vars(pickle.loads(pickle.dumps(refused))) == vars(refused)  # noqa: S301  across a process pool
    assert len(gateway.calls) == 1


def test_a_blocking_refusal_is_the_same() -> None:
    """Both clients promise the same thing."""
    gateway = ScriptedGateway(LIMITED)
    with running(gateway) as target, client(target) as dancu, pytest.raises(LimitExceeded) as caught:
        dancu.lookup_citizen(personal_number=AN, procedure="1.001193")
    assert caught.value.reason == "RATE_LIMITED"
    assert caught.value.retry_after == timedelta(seconds=0.05)
    assert caught.value.quota[0].subject == "account:ha-noi.mot-cua"
    assert caught.value.request_id == "r-refused"


@pytest.mark.parametrize("raw", [b"", b"\xff\xff\xff", b"\x1a\x06\x0a\x01x\x12\x01\xff", GARBLED])
async def test_unreadable_details_leave_the_bare_status(raw: bytes) -> None:
    """A proxy may mangle details; the refusal must arrive all the same."""

    async def abort() -> LookupCitizenResponse:
        await contexts[0].abort(grpc.StatusCode.PERMISSION_DENIED, "no", (("grpc-status-details-bin", raw),))
        raise AssertionError("abort raises")

    contexts: list[grpc.aio.ServicerContext[LookupCitizenRequest, LookupCitizenResponse]] = []

    class Mangling(ScriptedGateway):
        async def LookupCitizen(self, request: LookupCitizenRequest, context: object) -> LookupCitizenResponse:  # noqa: N802
            contexts.append(context)  # type: ignore[arg-type]
            return await super().LookupCitizen(request, context)

    async with serving(Mangling(abort)) as target, async_client(target) as dancu:
        with pytest.raises(PermissionDenied) as caught:
            await dancu.lookup_citizen(personal_number=AN, procedure="1.001193")
    assert (caught.value.reason, caught.value.message) == ("PERMISSION_DENIED", "no")


async def test_what_a_retry_can_cure_is_tried_again_no_sooner_than_asked() -> None:
    """UNAVAILABLE means come back; coming back early would feed the overload."""
    gateway = ScriptedGateway(OVERLOADED, OVERLOADED, found())
    async with serving(gateway) as target, async_client(target) as dancu:
        began = time.monotonic()
        result = await dancu.lookup_citizen(personal_number=AN, procedure="1.001193")
        took = time.monotonic() - began
    assert result.citizen == PERSON
    assert len(gateway.calls) == 3
    assert took >= 0.1


def test_a_blocking_call_is_tried_again_too() -> None:
    """Both clients promise the same thing."""
    gateway = ScriptedGateway(OVERLOADED, found())
    with running(gateway) as target, client(target) as dancu:
        assert dancu.lookup_citizen(personal_number=AN, procedure="1.001193").citizen == PERSON
    assert len(gateway.calls) == 2


@pytest.mark.parametrize("refusal", [NOT_FOUND, LIMITED])
async def test_what_no_retry_cures_is_asked_once(refusal: Refusal) -> None:
    """A second question costs quota and an audit record and brings the same answer."""
    gateway = ScriptedGateway(refusal)
    async with serving(gateway) as target, async_client(target) as dancu:
        with pytest.raises(Refused) as caught:
            await dancu.lookup_citizen(personal_number=AN, procedure="1.001193")
    assert caught.value.reason == refusal.reason
    assert len(gateway.calls) == 1


async def test_limits_are_waited_out_where_the_caller_chose_so() -> None:
    """A batch program would rather take longer than fail."""
    gateway = ScriptedGateway(LIMITED, found())
    async with serving(gateway) as target, async_client(target, retry=RetryPolicy(wait_for_limits=True)) as dancu:
        assert (await dancu.lookup_citizen(personal_number=AN, procedure="1.001193")).citizen == PERSON
    assert len(gateway.calls) == 2


async def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    """The caller gets its refusal at once instead of a later, emptier one."""
    gateway = ScriptedGateway(
        Refusal(code=grpc.StatusCode.UNAVAILABLE, reason="NATIONAL_DB_UNAVAILABLE", retry_after_seconds=60)
    )
    async with serving(gateway) as target, async_client(target) as dancu:
        began = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            await dancu.lookup_citizen(personal_number=AN, procedure="1.001193", timeout_seconds=30)
        assert time.monotonic() - began < 15
    assert caught.value.reason == "NATIONAL_DB_UNAVAILABLE"
    assert caught.value.retry_after == timedelta(seconds=60)
    assert len(gateway.calls) == 1


async def test_attempts_share_one_deadline() -> None:
    """Each attempt with a deadline of its own would multiply the caller's wait."""
    slow = Refusal(code=grpc.StatusCode.UNAVAILABLE, reason="OVERLOADED", retry_after_seconds=0.8)
    gateway = ScriptedGateway(slow, hang_for_a_minute)
    async with serving(gateway) as target, async_client(target, timeout_seconds=1.6) as dancu:
        with pytest.raises(DeadlineExceeded):
            await dancu.lookup_citizen(personal_number=AN, procedure="1.001193")
    assert len(gateway.calls) == 2
    assert gateway.calls[1].seconds_left < 1.2


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_gateway_that_does_not_answer_ends_at_the_deadline(blocking: bool) -> None:  # noqa: FBT001
    """A hanging gateway must not hang its callers."""
    gateway = ScriptedGateway(hang_for_a_minute)
    async with serving(gateway) as target:
        if blocking:
            with client(target, timeout_seconds=0.2) as dancu, pytest.raises(DeadlineExceeded) as caught:
                await asyncio.to_thread(dancu.lookup_citizen, personal_number=AN, procedure="1.001193")
        else:
            async with async_client(target, timeout_seconds=0.2) as asynchronous:
                with pytest.raises(DeadlineExceeded) as caught:
                    await asynchronous.lookup_citizen(personal_number=AN, procedure="1.001193")
    assert caught.value.reason == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize("blocking", [False, True])
async def test_nobody_listening_is_told_apart_from_a_gateways_refusal(blocking: bool) -> None:  # noqa: FBT001
    """An operator mends a wrong address otherwise than an outage."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{reserved.getsockname()[1]}"
        if blocking:
            with client(target) as dancu, pytest.raises(Unreachable) as caught:
                await asyncio.to_thread(dancu.lookup_citizen, personal_number=AN, procedure="1.001193")
        else:
            async with async_client(target) as asynchronous:
                with pytest.raises(Unreachable) as caught:
                    await asynchronous.lookup_citizen(personal_number=AN, procedure="1.001193")
    assert caught.value.reason == "UNREACHABLE"
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert caught.value.request_id == ""


async def test_a_gateway_that_starts_late_is_reached_within_the_deadline() -> None:
    """A worker restarts in a second; callers should not notice."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        patient = RetryPolicy(max_attempts=1000)
        async with async_client(address, retry=patient, timeout_seconds=30) as dancu:
            call = asyncio.create_task(dancu.lookup_citizen(personal_number=AN, procedure="1.001193"))
            await asyncio.sleep(0.3)
            assert not call.done()
            async with serving(ScriptedGateway(), address=address):
                assert (await call).citizen == PERSON
