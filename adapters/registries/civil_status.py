"""The civil status register: its JSON into `CivilStatus`."""

from __future__ import annotations

from adapters.registries import wire as read
from adapters.registries.wire import Json
from dancu.registry.v1 import civil_status_pb2 as pb

_MARRIAGE = {
    1: pb.MARRIAGE_STATUS_IN_FORCE,
    2: pb.MARRIAGE_STATUS_ENDED_BY_DEATH,
    3: pb.MARRIAGE_STATUS_DIVORCED,
}


def record_from_wire(wire: Json) -> pb.CivilStatus:
    """The record behind a `BanGhi` object."""
    return pb.CivilStatus(
        personal_number=read.personal_number(wire),
        birth=read.optional(wire, "KhaiSinh", _birth),
        marriages=read.items(wire, "KetHon", _marriage),
        death=read.optional(wire, "KhaiTu", _death),
        updated_at=read.updated_at(wire),
    )


def _birth(wire: Json) -> pb.BirthEntry:
    return pb.BirthEntry(
        certificate_number=read.text(wire, "So"),
        registered_on=read.day(wire, "NgayDangKy"),
        registered_at=read.place(read.inner(wire, "NoiDangKy")),
        father=read.optional(wire, "Cha", read.person),
        mother=read.optional(wire, "Me", read.person),
    )


def _marriage(wire: Json) -> pb.MarriageEntry:
    return pb.MarriageEntry(
        certificate_number=read.text(wire, "So"),
        registered_on=read.day(wire, "NgayDangKy"),
        registered_at=read.place(read.inner(wire, "NoiDangKy")),
        spouse=read.person(read.inner(wire, "VoChong")),
        status=read.coded(wire, "TrangThai", _MARRIAGE),
        ended_on=read.optional_day(wire, "NgayChamDut"),
        judgment_number=read.text(wire, "SoBanAn"),
    )


def _death(wire: Json) -> pb.DeathEntry:
    return pb.DeathEntry(
        certificate_number=read.text(wire, "So"),
        registered_on=read.day(wire, "NgayDangKy"),
        registered_at=read.place(read.inner(wire, "NoiDangKy")),
        death_date=read.day(wire, "NgayMat"),
    )
