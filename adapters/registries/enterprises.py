"""The enterprise register: its JSON into `Enterprises`."""

from __future__ import annotations

from adapters.registries import wire as read
from adapters.registries.wire import Json
from dancu.registry.v1 import enterprises_pb2 as pb

_TYPE = {
    1: pb.ENTERPRISE_LEGAL_TYPE_PRIVATE,
    2: pb.ENTERPRISE_LEGAL_TYPE_ONE_MEMBER_LIMITED,
    3: pb.ENTERPRISE_LEGAL_TYPE_MEMBERS_LIMITED,
    4: pb.ENTERPRISE_LEGAL_TYPE_JOINT_STOCK,
    5: pb.ENTERPRISE_LEGAL_TYPE_PARTNERSHIP,
}
_STATUS = {
    1: pb.ENTERPRISE_STATUS_ACTIVE,
    2: pb.ENTERPRISE_STATUS_SUSPENDED,
    3: pb.ENTERPRISE_STATUS_DISSOLVING,
    4: pb.ENTERPRISE_STATUS_DISSOLVED,
    5: pb.ENTERPRISE_STATUS_NOT_AT_ADDRESS,
}


def record_from_wire(wire: Json) -> pb.Enterprises:
    """The record behind a `BanGhi` object."""
    return pb.Enterprises(
        personal_number=read.optional_digits(wire, "SoDinhDanh", 12),
        entries=read.items(wire, "DoanhNghiep", _enterprise),
        updated_at=read.updated_at(wire),
    )


def _enterprise(wire: Json) -> pb.Enterprise:
    return pb.Enterprise(
        enterprise_code=read.digits(wire, "MaSoDoanhNghiep", 10),
        name=read.text(wire, "TenDoanhNghiep"),
        legal_type=read.coded(wire, "LoaiHinh", _TYPE),
        status=read.coded(wire, "TrangThai", _STATUS),
        established_on=read.day(wire, "NgayThanhLap"),
        business_line_code=read.text(wire, "NganhNgheChinh"),
        charter_capital_dong=read.whole(wire, "VonDieuLe"),
        head_office=read.place(read.inner(wire, "DiaChiTruSo")),
        owner=read.optional(wire, "ChuSoHuu", read.person),
        representative=read.optional(wire, "NguoiDaiDien", read.person),
    )
