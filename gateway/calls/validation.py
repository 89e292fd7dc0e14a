"""Step 3, the parts every request shares: bytes, purpose, mask, staleness and identifiers.

Pure. Each function returns what is wrong, so that all violations of a request are told at once.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta
from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import DecodeError, Message

from dancu.common.v1 import common_pb2
from gateway.accounts.model import EVERYTHING
from gateway.calls.identify import REQUEST_ID
from gateway.citizens.fields import MAX_PATHS, is_path
from gateway.citizens.numbers import reads_as_number
from gateway.errors import InvalidRequestError, Violation

MAX_STALENESS = timedelta(days=30)
_PROCEDURE = re.compile(r"[A-Za-z0-9._-]{1,32}")
_DOSSIER = re.compile(r"[A-Za-z0-9._/-]{1,64}")
_OFFICER = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_MAX_LEGAL_BASIS = 200

M = TypeVar("M", bound=Message)


def decode(request: bytes, message: type[M]) -> M:
    """The message behind the bytes. Raises `InvalidRequestError` when they are not one."""
    try:
        return message.FromString(request)
    except DecodeError as error:
        name = message.DESCRIPTOR.full_name
        raise InvalidRequestError(
            [Violation("", f"the bytes are not a {name}", f"dữ liệu gửi lên không phải là {name}")]
        ) from error


def check_purpose(purpose: common_pb2.Purpose, *, present: bool) -> list[Violation]:
    """What is wrong with a purpose; `present` tells whether there is one at all."""
    if not present:
        return [Violation("purpose", "is required", "là bắt buộc")]
    found = []
    if not purpose.procedure_code:
        found.append(Violation("purpose.procedure_code", "is required", "là bắt buộc"))
    elif not _PROCEDURE.fullmatch(purpose.procedure_code):
        found.append(_charset("purpose.procedure_code", 32, '"." "-" "_"'))
    if purpose.dossier_code and not _DOSSIER.fullmatch(purpose.dossier_code):
        found.append(_charset("purpose.dossier_code", 64, '"." "-" "_" "/"'))
    if purpose.officer_id and not _OFFICER.fullmatch(purpose.officer_id):
        found.append(_charset("purpose.officer_id", 64, '"." "-" "_" "@"'))
    return found + check_text(purpose.legal_basis, field="purpose.legal_basis", longest=_MAX_LEGAL_BASIS)


def check_text(text: str, *, field: str, longest: int) -> list[Violation]:
    """What is wrong with free text: its length in characters, and control characters."""
    found = []
    if len(text) > longest:
        found.append(Violation(field, f"is longer than {longest} characters", f"dài hơn {longest} ký tự"))
    # Nearly all text is printable, which one look at the whole tells.
    if not text.isprintable() and any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        found.append(Violation(field, "has control characters", "chứa ký tự điều khiển"))
    return found


def check_mask(mask: FieldMask, record: type[Message]) -> list[Violation]:
    """What is wrong with a read mask for messages of type `record`."""
    if len(mask.paths) > MAX_PATHS:
        return [Violation("read_mask", f"has more than {MAX_PATHS} paths", f"có quá {MAX_PATHS} trường")]
    descriptor = cast("Descriptor", record.DESCRIPTOR)
    return [
        Violation(
            f"read_mask.paths[{position}]",
            f"is not a field of {descriptor.full_name}",
            f"không phải là trường của {descriptor.full_name}",
        )
        for position, path in enumerate(mask.paths)
        if path != EVERYTHING and not is_path(descriptor, path)
    ]


def check_staleness(asked: Duration, *, present: bool) -> list[Violation]:
    """What is wrong with a `max_staleness`."""
    if not present or (asked.seconds >= 0 and 0 <= asked.nanos < 10**9 and _exact(asked) <= MAX_STALENESS):
        return []
    return [Violation("max_staleness", "must be from 0 to 30 days", "phải từ 0 đến 30 ngày")]


def staleness(asked: Duration, *, present: bool) -> timedelta | None:
    """A checked `max_staleness`; None when the caller set none."""
    return _exact(asked) if present else None


def check_request_id(request_id: str) -> list[Violation]:
    """What is wrong with the caller's identifier of the call."""
    if reads_as_number(request_id):
        # It stands in logs and is told back by every step.
        return [Violation("request_id", "must not be a citizen's number", "không được là số định danh của công dân")]
    if not request_id or REQUEST_ID.fullmatch(request_id):
        return []
    return [_charset("request_id", 64, '"." "-" "_" ":"')]


def _exact(duration: Duration) -> timedelta:
    # Bounded first: a Duration may hold 315,576,000,000 seconds, more than a timedelta does.
    seconds = min(duration.seconds, 2 * int(MAX_STALENESS.total_seconds()))
    return timedelta(seconds=seconds, microseconds=duration.nanos // 1000)


def _charset(field: str, longest: int, signs: str) -> Violation:
    return Violation(
        field,
        f"must be 1 to {longest} characters of letters, digits and {signs}",
        f"phải gồm 1 đến {longest} ký tự chữ, số và {signs}",
    )
