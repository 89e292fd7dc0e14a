"""A sixth registry, added at run time the way docs/adding-a-registry.md says: a contract, a reader, a declaration."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from adapters.metrics import PrometheusObserver
from adapters.registries import reader_of
from adapters.registries import wire as read
from adapters.registry_wiring import open_registries
from gateway.accounts.rules import compiled
from gateway.citizens.records import Records
from gateway.errors import Reason
from gateway.registries.kinds import REGISTRIES, RegistryKind
from gateway.settings import Settings
from tests.fakes.gateway import PURPOSE, FakeGateway, policy, refused
from tests.fakes.national_db import AN

PACKAGE = "dancu.toy.v1"
TEXT, MESSAGE = 9, 11


def contract() -> dict[str, type[Message]]:
    """The proto of the toy: residents' bicycles."""
    file = descriptor_pb2.FileDescriptorProto(name="dancu/toy/v1/bicycles.proto", package=PACKAGE, syntax="proto3")
    file.dependency.extend(
        ["dancu/citizen/v1/citizen.proto", "dancu/common/v1/common.proto", "google/protobuf/field_mask.proto",
         "google/protobuf/duration.proto"]
    )  # fmt: skip
    common, google = ".dancu.common.v1", ".google.protobuf"
    fields = {
        "Bicycles": [("personal_number", TEXT, ""), ("frame_number", TEXT, ""), ("colour", TEXT, "")],
        "LookupBicyclesRequest": [
            ("personal_number", TEXT, ""), ("claims", MESSAGE, ".dancu.citizen.v1.Claims"),
            ("read_mask", MESSAGE, f"{google}.FieldMask"), ("purpose", MESSAGE, f"{common}.Purpose"),
            ("max_staleness", MESSAGE, f"{google}.Duration"), ("request_id", TEXT, ""),
        ],
        "LookupBicyclesResponse": [
            ("bicycles", MESSAGE, f".{PACKAGE}.Bicycles"), ("provenance", MESSAGE, f"{common}.Provenance"),
        ],
    }  # fmt: skip
    for name, members in fields.items():
        message = file.message_type.add(name=name)
        for number, (field, kind, type_name) in enumerate(members, start=1):
            message.field.add(name=field, number=number, type=kind, type_name=type_name or None, label=1)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in fields}


MESSAGES = contract()
BICYCLES = RegistryKind(
    "bicycles",
    f"{PACKAGE}.BicycleService/LookupBicycles",
    MESSAGES["LookupBicyclesRequest"],
    MESSAGES["LookupBicyclesResponse"],
    MESSAGES["Bicycles"],
)
KINDS = (*REGISTRIES, BICYCLES)


def bicycles_from_wire(wire: dict[str, Any]) -> Message:
    """The adapter of the toy."""
    return MESSAGES["Bicycles"](
        personal_number=read.personal_number(wire),
        frame_number=read.text(wire, "SoKhung"),
        colour=read.text(wire, "Mau"),
    )


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    """The pipeline with all registries opened from settings; only the sixth has a server."""

    async def answer(request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        if asked["SoDinhDanh"] != AN.personal_number:
            return web.json_response({"KetQua": "KHONG_TIM_THAY"})
        record = {"SoDinhDanh": asked["SoDinhDanh"], "SoKhung": "VN-77", "Mau": "xanh", "PhienBan": 3}
        return web.json_response({"KetQua": "TIM_THAY", "BanGhi": record})

    app = web.Application()
    app.router.add_post("/v1/registries/bicycles/lookup", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    made = FakeGateway()
    people = Records(cache=made.cache, national_db=made.national_db, clock=made.clock, timeout_seconds=3)
    settings = Settings.model_validate(
        {"registries": {"url": f"http://{host}:{port}"}, "numbers": {"allow_test": True}}
    )
    async with AsyncExitStack() as stack:
        made.methods |= open_registries(
            stack,
            settings,
            people=people,
            clock=made.clock,
            observer=PrometheusObserver(version="test"),
            kinds=KINDS,
            reader_of=lambda kind: bicycles_from_wire if kind is BICYCLES else reader_of(kind),
        )
        yield made
    await runner.cleanup()


async def ask(gateway: FakeGateway, number: str, *, mask: tuple[str, ...] = ()) -> Any:
    request: Any = BICYCLES.request(personal_number=number, purpose=PURPOSE)
    request.read_mask.paths.extend(mask)
    reply = await gateway.call(request.SerializeToString(), method=BICYCLES.method)
    return BICYCLES.response.FromString(reply.response)


async def test_a_sixth_registry_is_served_with_rights_records_cache_and_refusals_of_its_own(
    gateway: FakeGateway,
) -> None:
    """What five registries share is written once, so that a sixth costs a declaration."""
    answer = await ask(gateway, AN.personal_number)
    assert (answer.bicycles.frame_number, answer.provenance.record_version) == ("VN-77", 3)
    assert list(gateway.records[0].fields) == ["bicycles"]
    answer = await ask(gateway, AN.personal_number, mask=("colour",))
    assert (answer.bicycles.colour, answer.bicycles.frame_number) == ("xanh", "")
    assert answer.provenance.source == 2
    with refused("NOT_FOUND", Reason.REGISTRY_RECORD_NOT_FOUND) as caught:
        await ask(gateway, "099190000003")
    assert caught[0].metadata == {"registry": "bicycles"}
    with refused("INVALID_ARGUMENT", Reason.INVALID_REQUEST):
        await ask(gateway, AN.personal_number, mask=("book_number",))

    gateway.allow(policy=policy(methods=frozenset({"registry.bicycles"}), fields=frozenset({"bicycles.colour"})))
    assert (await ask(gateway, AN.personal_number)).bicycles.frame_number == ""
    with refused("PERMISSION_DENIED", Reason.FIELD_NOT_GRANTED):
        await ask(gateway, AN.personal_number, mask=("frame_number",))
    everything_but = compiled(policy(fields=frozenset({"*", "!bicycles.frame_number"})), KINDS)
    gateway.allow(policy=everything_but)
    answer = await ask(gateway, AN.personal_number)
    assert (answer.bicycles.colour, answer.bicycles.frame_number) == ("xanh", "")


async def test_the_other_registries_of_the_same_installation_fail_for_themselves(gateway: FakeGateway) -> None:
    """Their server answers 404: unavailable, and the sixth goes on."""
    licences = next(kind for kind in REGISTRIES if kind.name == "driving_licences")
    request = licences.request(personal_number=AN.personal_number, purpose=PURPOSE)
    with refused("UNAVAILABLE", Reason.REGISTRY_UNAVAILABLE):
        await gateway.call(request.SerializeToString(), method=licences.method)
    assert (await ask(gateway, AN.personal_number)).bicycles.frame_number == "VN-77"


async def test_a_registry_that_no_setting_connects_is_not_served() -> None:
    """A method that can never answer would look like an outage."""
    made = FakeGateway()
    people = Records(cache=made.cache, national_db=made.national_db, clock=made.clock, timeout_seconds=3)
    settings = Settings.model_validate({"registries": {"each": {"civil_status": {"url": "http://127.0.0.1:9"}}}})
    async with AsyncExitStack() as stack:
        observer = PrometheusObserver(version="test")
        methods = open_registries(stack, settings, people=people, clock=made.clock, observer=observer)
    assert list(methods) == ["dancu.registry.v1.RegistryService/LookupCivilStatus"]


def test_every_declared_registry_has_its_reader() -> None:
    """A declaration without an adapter would fail at the customer's start."""
    for kind in REGISTRIES:
        assert callable(reader_of(kind))
