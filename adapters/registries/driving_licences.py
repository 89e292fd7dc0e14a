"""The registry of driving licences: its JSON into `DrivingLicences`."""

from __future__ import annotations

from adapters.registries import wire as read
from adapters.registries.wire import Json
from dancu.registry.v1 import driving_licences_pb2 as pb

_CLASS = {
    name.removeprefix("LICENCE_CLASS_"): number
    for name, number in pb.LicenceClass.items()
    if number != pb.LICENCE_CLASS_UNSPECIFIED
}
_STATUS = {1: pb.LICENCE_STATUS_IN_FORCE, 2: pb.LICENCE_STATUS_SUSPENDED, 3: pb.LICENCE_STATUS_REVOKED}


def record_from_wire(wire: Json) -> pb.DrivingLicences:
    """The record behind a `BanGhi` object."""
    return pb.DrivingLicences(
        personal_number=read.personal_number(wire),
        licences=read.items(wire, "GiayPhep", _licence),
        updated_at=read.updated_at(wire),
    )


def _licence(wire: Json) -> pb.DrivingLicence:
    return pb.DrivingLicence(
        licence_number=read.digits(wire, "SoGiayPhep", 12),
        licence_class=read.coded(wire, "Hang", _CLASS),
        issued_on=read.day(wire, "NgayCap"),
        expires_on=read.optional_day(wire, "NgayHetHan"),
        issued_in=read.place(read.inner(wire, "NoiCap")),
        status=read.coded(wire, "TrangThai", _STATUS),
        points=read.whole(wire, "Diem", most=12),
    )
