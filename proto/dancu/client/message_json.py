"""Messages of the contract as plain JSON values for people and scripts.

Owns one rule for every message, so that the same citizen looks the same wherever it is printed: names as in the
.proto, absent and empty fields left out, enums in lower case without their prefix ("married"), dates as far as they
are known ("1950", "1950-03", "1950-03-21"), times in RFC 3339. Refuses to know what is done with the result.
"""

from __future__ import annotations

import base64
import re
from datetime import date
from typing import Any, TypeAlias

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from dancu.common.v1.common_pb2 import BirthDate

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json]"

_BIRTH_DATE = re.compile(r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2}))?)?")
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def message_to_json(message: Message) -> dict[str, Json]:
    """The message as a dictionary in the order of its fields' numbers."""
    told: dict[str, Json] = {}
    for field, value in message.ListFields():
        shown = [_value(field, one) for one in value] if field.is_repeated else _value(field, value)
        if shown not in ({}, ""):
            told[field.name] = shown
    return told


def birth_date_text(known: BirthDate) -> str:
    """`YYYY-MM-DD`, or `YYYY-MM` or `YYYY` where day or month is not known."""
    text = f"{known.year:04}"
    if known.HasField("month"):
        text += f"-{known.month:02}"
        if known.HasField("day"):
            text += f"-{known.day:02}"
    return text


def parse_birth_date(text: str) -> BirthDate:
    """The date that `birth_date_text` would print as `text`; raises ValueError for anything else."""
    match = _BIRTH_DATE.fullmatch(text.strip())
    if match is None:
        raise ValueError("a date reads YYYY-MM-DD, YYYY-MM or YYYY")
    year = int(match["year"])
    month, day = (int(part) if part else None for part in match.group("month", "day"))
    date(year, month or 1, day or 1)  # the calendar refuses 31 February
    return BirthDate(year=year, month=month, day=day)


def _value(field: FieldDescriptor, value: Any) -> Json:
    if isinstance(value, BirthDate):
        return birth_date_text(value)
    if isinstance(value, Timestamp | Duration):
        return value.ToJsonString()
    if isinstance(value, Message):
        return message_to_json(value)
    if field.enum_type is not None:
        return enum_text(field.enum_type, value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    assert isinstance(value, str | int | float | bool)
    return value


def enum_text(enum: EnumDescriptor, number: int) -> str:
    """The value's name without the enum's prefix in lower case; a number this version does not know stays one."""
    value = enum.values_by_number.get(number)
    if value is None:
        return str(number)
    prefix = _CAMEL_HUMP.sub("_", enum.name).upper() + "_"
    return value.name.removeprefix(prefix).lower()
