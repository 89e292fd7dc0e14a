"""The registry of digital identities: its JSON into `DigitalIdentity`."""

from __future__ import annotations

from adapters.registries import wire as read
from adapters.registries.wire import Json
from dancu.registry.v1 import digital_identity_pb2 as pb

_LEVEL = {1: pb.IDENTITY_LEVEL_ONE, 2: pb.IDENTITY_LEVEL_TWO}
_STATUS = {
    1: pb.DIGITAL_IDENTITY_STATUS_NOT_ACTIVATED,
    2: pb.DIGITAL_IDENTITY_STATUS_ACTIVE,
    3: pb.DIGITAL_IDENTITY_STATUS_LOCKED,
}


def record_from_wire(wire: Json) -> pb.DigitalIdentity:
    """The record behind a `BanGhi` object."""
    return pb.DigitalIdentity(
        personal_number=read.personal_number(wire),
        level=read.coded(wire, "MucDo", _LEVEL),
        status=read.coded(wire, "TrangThai", _STATUS),
        issued_on=read.day(wire, "NgayCap"),
        activated_on=read.optional_day(wire, "NgayKichHoat"),
        issued_in=read.place(read.inner(wire, "NoiCap")),
        updated_at=read.updated_at(wire),
    )
