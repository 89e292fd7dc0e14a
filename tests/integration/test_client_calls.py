"""The client library against a real gRPC server that answers what each test scripts."""

from __future__ import annotations

import asyncio
import gc
import pickle
import socket
import threading
import time
import warnings
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from dancu.citizen.v1.citizen_service_pb2 import LookupCitizenRequest, LookupCitizenResponse
from dancu.client import (
    AsyncClient,
    BirthDate,
    Claims,
    Client,
    DeadlineExceeded,
    InvalidRequest,
    LimitExceeded,
    PermissionDenied,
    Purpose,
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


async def hang_for_a_minute() -> LookupCitizenResponse:
    await asyncio.sleep(60)
    return found()


def sockets_of_this_process() -> set[str]:
    links = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            links.add(str(descriptor.readlink()))
        except FileNotFoundError:
            continue  # the one that lists the others
    return {link for link in links if link.startswith("socket:")}


def client(target: str, **more: object) -> Client:
    return Client(target=target, key="dck_k1_s1", environment={}, **more)  # type: ignore[arg-type]


def async_client(target: str, **more: object) -> AsyncClient:
    return AsyncClient(target=target, key="dck_k1_s1", environment={}, **more)  # type: ignore[arg-type]


async def test_an_answer_carries_the_citizen_and_the_evidence_of_the_question() -> None:
    """The receipt is what a caller proves its lookup with later; losing it would lose the proof."""
    gateway = ScriptedGateway()
    async with serving(gateway) as target, async_client(target) as dancu:
        result = await dancu.lookup_citizen(personal_number=AN, procedure="1.001193", request_id="mine-1")
    assert result.citizen == PERSON
    assert result.provenance.record_version == 3
    assert (result.request_id, result.receipt) == ("mine-1", RECEIPT)
    assert result.rate_limit is not None
    assert (result.rate_limit.name, result.rate_limit.remaining, result.rate_limit.quota) == ("account", 199, 200)
    assert result.rate_limit.window == result.rate_limit.reset == timedelta(seconds=1)


def test_a_blocking_answer_is_the_same() -> None:
    """Both clients promise the same thing."""
    gateway = ScriptedGateway()
    with running(gateway) as target, client(target) as dancu:
        result = dancu.lookup_citizen(personal_number=AN, procedure="1.001193")
    assert result.citizen == PERSON
    assert (result.request_id, result.receipt) == ("r-1", RECEIPT)


async def test_everything_that_is_asked_reaches_the_gateway() -> None:
    """A field dropped on the way would widen the answer or hide the purpose."""
    gateway = ScriptedGateway()
    asked = LookupCitizenRequest(
        legacy_number="512345678",
        claims=Claims(full_name="Nguyễn Thị Hoa", birth_date=BirthDate(year=1990)),
        purpose=Purpose(procedure_code="1.001193", officer_id="cb-17"),
        request_id="mine-1",
    )
    asked.read_mask.paths.extend(["full_name", "permanent_residence.province_code"])
    asked.max_staleness.FromTimedelta(timedelta(0))
    async with serving(gateway) as target, async_client(target) as dancu:
        await dancu.lookup_citizen(
            legacy_number="512345678",
            claims=asked.claims,
            purpose=asked.purpose,
            fields=["full_name", "permanent_residence.province_code"],
            max_staleness=timedelta(0),
            request_id="mine-1",
        )
    (call,) = gateway.calls
    assert call.request == asked
    assert call.request.HasField("max_staleness")
    assert call.metadata["authorization"] == "Bearer dck_k1_s1"
    assert call.metadata["user-agent"].startswith("dancu-client")


async def test_what_is_not_asked_is_absent() -> None:
    """An empty mask or a zero staleness by accident would change the question."""
    gateway = ScriptedGateway()
    async with serving(gateway) as target, AsyncClient(target=target, environment={}) as dancu:
        await dancu.lookup_citizen(personal_number=AN, procedure="1.001193", max_staleness=None)
    (call,) = gateway.calls
    assert not call.request.HasField("max_staleness")
    assert not call.request.HasField("claims")
    assert not call.request.read_mask.paths
    assert "authorization" not in call.metadata


@pytest.mark.parametrize(
    "asked",
    [
        {"procedure": "1.001193"},
        {"procedure": "1.001193", "personal_number": AN, "legacy_number": "512345678"},
        {"personal_number": AN},
        {"personal_number": AN, "procedure": "1.001193", "purpose": Purpose()},
    ],
)
def test_a_question_without_one_number_and_one_purpose_is_a_mistake_of_the_program(asked: dict[str, object]) -> None:
    """Guessing which of two numbers was meant would disclose the wrong person."""
    with client("127.0.0.1:1") as dancu, pytest.raises(TypeError, match="exactly one"):
        dancu.lookup_citizen(**asked)  # type: ignore[arg-type]


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


@pytest.mark.parametrize("raw", [b"", b"\xff\xff\xff", b"\x1a\x06\x0a\x01x\x12\x01\xff"])
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


async def test_a_cancelled_call_is_cancelled_at_the_gateway() -> None:
    """Work nobody waits for should stop."""
    arrived, cancelled = asyncio.Event(), asyncio.Event()

    async def hang() -> LookupCitizenResponse:
        arrived.set()
        try:
            return await hang_for_a_minute()
        finally:
            cancelled.set()

    async with serving(ScriptedGateway(hang)) as target, async_client(target, timeout_seconds=60) as dancu:
        call = asyncio.create_task(dancu.lookup_citizen(personal_number=AN, procedure="1.001193"))
        await asyncio.wait_for(arrived.wait(), 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(cancelled.wait(), 10)


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


async def test_several_channels_are_several_connections_used_in_turn() -> None:
    """One connection reaches one worker; a busy caller needs them all."""
    gateway = ScriptedGateway()
    async with serving(gateway) as target, async_client(target, channels=3) as dancu:
        for _ in range(6):
            await dancu.lookup_citizen(personal_number=AN, procedure="1.001193")
    peers = [call.peer for call in gateway.calls]
    assert len(set(peers)) == 3
    assert peers[:3] == peers[3:]


def test_threads_share_a_blocking_client() -> None:
    """A web application has one client and many threads."""
    gateway = ScriptedGateway()
    results: list[str] = []
    with running(gateway) as target, client(target, channels=2) as dancu:
        threads = [
            threading.Thread(
                target=lambda: results.append(
                    dancu.lookup_citizen(personal_number=AN, procedure="1.001193").citizen.full_name
                )
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [PERSON.full_name] * 8
    assert len({call.peer for call in gateway.calls}) == 2


async def test_any_method_can_be_called_with_metadata_of_its_own() -> None:
    """Later services and trace contexts need no change of the client's core."""
    gateway = ScriptedGateway()
    request = LookupCitizenRequest(personal_number=AN, purpose=Purpose(procedure_code="1.001193"))
    async with serving(gateway) as target, async_client(target) as dancu:
        answer = await dancu.call(
            "dancu.citizen.v1.CitizenService/LookupCitizen",
            request,
            LookupCitizenResponse,
            metadata=[("x-request-id", "trace-1")],
        )
        with pytest.raises(Refused) as caught:
            await dancu.call("dancu.citizen.v1.CitizenService/Nothing", request, LookupCitizenResponse)
    assert answer.message.citizen == PERSON
    assert gateway.calls[0].metadata["x-request-id"] == "trace-1"
    assert gateway.calls[0].metadata["authorization"] == "Bearer dck_k1_s1"
    assert (caught.value.reason, type(caught.value)) == ("UNIMPLEMENTED", Refused)


async def test_a_closed_client_leaves_nothing_behind_and_says_that_it_is_closed() -> None:
    """Leaked sockets and tasks add up in a long-lived program."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with running(ScriptedGateway()) as target:
            before, sockets = asyncio.all_tasks(), sockets_of_this_process()
            dancu = async_client(target, channels=2)
            await asyncio.gather(*(dancu.lookup_citizen(personal_number=AN, procedure="1") for _ in range(4)))
            await dancu.close()
            await dancu.close()
            await asyncio.sleep(0)
            assert asyncio.all_tasks() <= before
            for _ in range(1000):  # gRPC closes them in a thread of its own
                if sockets_of_this_process() <= sockets:
                    break
                await asyncio.sleep(0.01)
            assert sockets_of_this_process() <= sockets
            with pytest.raises(RuntimeError, match="closed"):
                await dancu.lookup_citizen(personal_number=AN, procedure="1")
        del dancu
        gc.collect()
    assert [str(warning.message) for warning in warned] == []


def test_a_closed_blocking_client_says_that_it_is_closed() -> None:
    """Both clients promise the same thing."""
    with running(ScriptedGateway()) as target:
        dancu = client(target)
        dancu.lookup_citizen(personal_number=AN, procedure="1")
        dancu.close()
        dancu.close()
        with pytest.raises(RuntimeError, match="closed"):
            dancu.lookup_citizen(personal_number=AN, procedure="1")


def test_a_unix_socket_serves_as_well(tmp_path: Path) -> None:
    """An agent on the same machine needs no port."""
    with running(ScriptedGateway(), address=f"unix:{tmp_path}/g.sock") as target, client(target) as dancu:
        assert dancu.lookup_citizen(personal_number=AN, procedure="1").citizen == PERSON
