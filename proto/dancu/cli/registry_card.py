"""What a registry holds, as labelled rows for people to read, in English or Vietnamese.

Owns the words. A field that this version does not know yet is shown by its name rather than hidden. Lists become one
heading for each entry.
"""

from __future__ import annotations

import unicodedata
from datetime import date
from typing import TYPE_CHECKING, Any

from dancu.cli.citizen_card import LABELS as CITIZEN_LABELS
from dancu.cli.citizen_card import WORDS as CITIZEN_WORDS
from dancu.cli.citizen_card import Rows, date_text, moment_text, named
from dancu.cli.output import Language

if TYPE_CHECKING:
    from google.protobuf.message import Message

LABELS = CITIZEN_LABELS | {
    "book_number": ("Insurance book", "Số sổ BHXH"),
    "address": ("Address", "Địa chỉ"),
    "status": ("Status", "Trạng thái"),
    "contributed_months": ("Months contributed", "Tổng số tháng đóng"),
    "health_card": ("Health insurance card", "Thẻ BHYT"),
    "card_number": ("Card number", "Số thẻ"),
    "group_code": ("Group", "Mã đối tượng"),
    "benefit_level": ("Level of cover", "Mức hưởng"),
    "valid_from": ("Valid from", "Giá trị từ ngày"),
    "valid_to": ("Valid to", "Giá trị đến ngày"),
    "clinic_name": ("First clinic", "Nơi đăng ký KCB ban đầu"),
    "contributions": ("Contributions", "Quá trình đóng"),
    "kind": ("Kind", "Loại"),
    "from_month": ("From", "Từ tháng"),
    "to_month": ("To", "Đến tháng"),
    "employer_name": ("Employer", "Đơn vị"),
    "enterprise_code": ("Enterprise code", "Mã số doanh nghiệp"),
    "monthly_base_dong": ("Monthly base", "Mức đóng hằng tháng"),
    "benefits": ("Benefit", "Chế độ hưởng"),
    "from_date": ("From", "Từ ngày"),
    "to_date": ("To", "Đến ngày"),
    "amount_dong": ("Amount", "Số tiền"),
    "birth": ("Birth", "Khai sinh"),
    "marriages": ("Marriage", "Kết hôn"),
    "death": ("Death", "Khai tử"),
    "certificate_number": ("Number", "Số"),
    "registered_on": ("Registered on", "Ngày đăng ký"),
    "registered_at": ("Registered at", "Nơi đăng ký"),
    "ended_on": ("Ended on", "Ngày chấm dứt"),
    "judgment_number": ("Judgment", "Số bản án, quyết định"),
    "licences": ("Licence", "Giấy phép lái xe"),
    "licence_number": ("Number", "Số"),
    "licence_class": ("Class", "Hạng"),
    "issued_on": ("Issued on", "Ngày cấp"),
    "expires_on": ("Expires on", "Ngày hết hạn"),
    "issued_in": ("Issued in", "Nơi cấp"),
    "points": ("Points", "Số điểm còn lại"),
    "entries": ("Enterprise", "Doanh nghiệp"),
    "name": ("Name", "Tên doanh nghiệp"),
    "legal_type": ("Legal type", "Loại hình"),
    "established_on": ("Established on", "Ngày thành lập"),
    "business_line_code": ("Main line of business", "Ngành nghề chính"),
    "charter_capital_dong": ("Charter capital", "Vốn điều lệ"),
    "head_office": ("Head office", "Địa chỉ trụ sở"),
    "owner": ("Owner", "Chủ sở hữu"),
    "representative": ("Representative", "Người đại diện theo pháp luật"),
    "level": ("Level", "Mức độ"),
    "activated_on": ("Activated on", "Ngày kích hoạt"),
}

WORDS = CITIZEN_WORDS | {
    "contributing": "đang đóng",
    "paused": "tạm dừng đóng",
    "pensioner": "đang hưởng lương hưu",
    "closed": "đã đóng sổ",
    "compulsory": "bắt buộc",
    "voluntary": "tự nguyện",
    "sickness": "ốm đau",
    "maternity": "thai sản",
    "unemployment": "thất nghiệp",
    "pension": "hưu trí",
    "lump_sum": "BHXH một lần",
    "funeral": "mai táng phí",
    "in_force": "còn hiệu lực",
    "ended_by_death": "chấm dứt do một bên mất",
    "suspended": "tạm ngừng",
    "revoked": "bị thu hồi",
    "private": "doanh nghiệp tư nhân",
    "one_member_limited": "TNHH một thành viên",
    "members_limited": "TNHH hai thành viên trở lên",
    "joint_stock": "công ty cổ phần",
    "partnership": "công ty hợp danh",
    "active": "đang hoạt động",
    "dissolving": "đang giải thể",
    "dissolved": "đã giải thể",
    "not_at_address": "không hoạt động tại địa chỉ đăng ký",
    "one": "1",
    "two": "2",
    "not_activated": "chưa kích hoạt",
    "locked": "đã khóa",
}
"""The enum values in Vietnamese; classes of licences read alike everywhere."""

_INDENT = "  "


def record_rows(record: Message, language: Language, *, today: date | None = None) -> Rows:
    """One labelled row for each value, in the order of the contract; entries of lists under a heading of their own.

    `today` tells which dates of expiry have passed; that of this machine by default.
    """
    yield from _rows(record, language, "", today or date.today())  # noqa: DTZ011  a calendar day where the reader is


def _rows(message: Message, language: Language, indent: str, today: date) -> Rows:
    for field, value in message.ListFields():
        label = indent + language.of(*LABELS.get(field.name, (field.name, field.name)))
        if field.message_type is None:
            yield label, _scalar(field, value, language)
        elif field.is_repeated:
            for at, one in enumerate(value, start=1):
                yield f"{label} {at}", ""
                yield from _rows(one, language, indent + _INDENT, today)
        elif (text := _leaf(field, value, language, today)) is not None:
            yield label, text
        else:
            yield label, ""
            yield from _rows(value, language, indent + _INDENT, today)


def _leaf(field: Any, value: Any, language: Language, today: date) -> str | None:
    """The text of messages that read as one value; None for the others."""
    match value.DESCRIPTOR.name:
        case "BirthDate":
            text = date_text(value, language)
            if field.name == "expires_on" and date(value.year, value.month, value.day) < today:
                text += language.of(" (expired)", " (đã hết hạn)")
            return text
        case "Timestamp":
            return moment_text(value)
        case "RegisteredPlace":
            place = named(value.province_name, value.province_code)
            return ", ".join(part for part in (value.detail, value.commune_name, place) if part)
        case "RegisteredPerson":
            return named(value.full_name, value.personal_number)
    return None


def _scalar(field: Any, value: Any, language: Language) -> str:
    from dancu.client.message_json import enum_text

    if field.enum_type is not None:
        word = enum_text(field.enum_type, value)
        if field.name == "licence_class":
            return word.upper()
        return language.of(word.replace("_", " "), WORDS.get(word, ""))
    if field.name.endswith("_dong"):
        return f"{value:,} đ".replace(",", "." if language is Language.VI else ",")
    return unicodedata.normalize("NFC", str(value))
