"""The client library against a real gRPC server that answers what each test scripts."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from datetime import timedelta
from pathlib import Path

import pytest

from dancu.citizen.v1.citizen_service_pb2 import LookupCitizenRequest, LookupCitizenResponse
from dancu.client import (
    AsyncClient,
    BirthDate,
    Claims,
    Client,
    Purpose,
    Refused,
)
from tests.fakes.scripted_gateway import PERSON, RECEIPT, ScriptedGateway, found, running, serving

AN = PERSON.personal_number


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
