"""The registry of social insurance: its JSON into `SocialInsurance`. Texts stay as the registry has them."""

from __future__ import annotations

from adapters.registries import wire as read
from adapters.registries.wire import Json
from dancu.citizen.v1 import citizen_pb2
from dancu.registry.v1 import social_insurance_pb2 as pb

_SEX = {0: citizen_pb2.SEX_UNSPECIFIED, 1: citizen_pb2.SEX_MALE, 2: citizen_pb2.SEX_FEMALE}
_STATUS = {
    1: pb.SOCIAL_INSURANCE_STATUS_CONTRIBUTING,
    2: pb.SOCIAL_INSURANCE_STATUS_PAUSED,
    3: pb.SOCIAL_INSURANCE_STATUS_PENSIONER,
    4: pb.SOCIAL_INSURANCE_STATUS_CLOSED,
}
_CONTRIBUTION = {1: pb.CONTRIBUTION_KIND_COMPULSORY, 2: pb.CONTRIBUTION_KIND_VOLUNTARY}
_BENEFIT = {
    1: pb.BENEFIT_KIND_SICKNESS,
    2: pb.BENEFIT_KIND_MATERNITY,
    3: pb.BENEFIT_KIND_UNEMPLOYMENT,
    4: pb.BENEFIT_KIND_PENSION,
    5: pb.BENEFIT_KIND_LUMP_SUM,
    6: pb.BENEFIT_KIND_FUNERAL,
}


def record_from_wire(wire: Json) -> pb.SocialInsurance:
    """The record behind a `BanGhi` object."""
    return pb.SocialInsurance(
        personal_number=read.personal_number(wire),
        book_number=read.digits(wire, "SoSoBHXH", 10),
        full_name=read.text(wire, "HoTen"),
        birth_date=read.birth_date(wire),
        sex=read.coded(wire, "GioiTinh", _SEX),
        legacy_number=read.optional_digits(wire, "SoCMND", 9),
        address=read.text(wire, "DiaChi"),
        status=read.coded(wire, "TrangThai", _STATUS),
        contributed_months=read.whole(wire, "TongSoThang", most=2000),
        health_card=read.optional(wire, "TheBHYT", _card),
        contributions=read.items(wire, "QuaTrinh", _contribution),
        benefits=read.items(wire, "CheDo", _benefit),
        updated_at=read.updated_at(wire),
    )


def _card(wire: Json) -> pb.HealthInsuranceCard:
    return pb.HealthInsuranceCard(
        card_number=read.text(wire, "SoThe"),
        group_code=read.text(wire, "MaDoiTuong"),
        benefit_level=read.whole(wire, "MucHuong", most=9),
        valid_from=read.day(wire, "TuNgay"),
        valid_to=read.optional_day(wire, "DenNgay"),
        clinic_name=read.text(wire, "NoiDangKyKCB"),
    )


def _contribution(wire: Json) -> pb.Contribution:
    return pb.Contribution(
        kind=read.coded(wire, "Loai", _CONTRIBUTION),
        from_month=read.month(wire, "TuThang"),
        to_month=read.optional_month(wire, "DenThang"),
        employer_name=read.text(wire, "DonVi"),
        enterprise_code=read.optional_digits(wire, "MaSoDoanhNghiep", 10),
        monthly_base_dong=read.whole(wire, "MucDong"),
    )


def _benefit(wire: Json) -> pb.Benefit:
    return pb.Benefit(
        kind=read.coded(wire, "Loai", _BENEFIT),
        from_date=read.day(wire, "TuNgay"),
        to_date=read.optional_day(wire, "DenNgay"),
        amount_dong=read.whole(wire, "SoTien"),
    )
