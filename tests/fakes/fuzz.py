"""Random messages of a contract, valid and not, and what must be true of whatever becomes of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.errors import GatewayError, Reason
from gateway.model import Reply
from gateway.transport.statuses import status_of
from tests.fakes.national_db import AN

NUMBERS = (AN.personal_number, AN.legacy_number)
"""Citizens' numbers that fuzzed messages put wherever text fits; they must come back nowhere but in answers."""

_PLAIN = st.sampled_from(
    [
        *("", "*", "!", "!*", ".", "..", "citizen.*", "citizen.lookup", "full_name", "permanent_residence.detail"),
        *("1.004222", "01", "01/quan-tri", "BCA/viewer", "01/nobody", "cb-17", "r-1", "administrator", "10.0.0.0/8"),
        *("\x00", "\n", "%s%n", "{0}", "../../x", "'; --", "\u202eabc", "\U0001f600", "9" * 5000, "a/b/c", "::1%eth0"),
    ]
)
_NUMBER = st.sampled_from(NUMBERS)
TEXTS = st.one_of(_PLAIN, _NUMBER, st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
DIGITS = st.one_of(
    _NUMBER,
    st.from_regex(r"\A0[0-9]{11}\Z"),
    st.text("0123456789", max_size=14),
    st.text(
        "0\u0660\u0966\uff11123456789 -", min_size=9, max_size=12
    ),  # digits that are not ASCII's look right to isdigit
)


def messages(descriptor: Descriptor, *, depth: int = 3) -> st.SearchStrategy[Any]:
    """Messages of a type, each field set or not."""
    made = GetMessageClass(descriptor)
    fields = {field.name: _values(field, depth) for field in descriptor.fields if depth or field.message_type is None}
    return st.fixed_dictionaries({}, optional=fields).map(lambda stated: made(**stated))


def requests(descriptor: Descriptor) -> st.SearchStrategy[bytes]:
    """Bytes of requests: of the type, of the type and damaged, and of no type at all."""
    whole = messages(descriptor).map(lambda message: message.SerializeToString())
    return st.one_of(
        whole, whole, st.builds(_damage, whole, st.integers(0, 200), st.binary(max_size=3)), st.binary(max_size=60)
    )


async def must_be_told(call: Callable[[], Awaitable[Reply]], *, numbers: tuple[str, ...] = NUMBERS) -> Reply | None:
    """Make the call: it is answered, or refused by a `GatewayError` that is no defect and repeats no citizen's number.

    No log line repeats one either. Any other exception passes through and fails the test.
    """
    with capture_logs() as lines:
        try:
            reply, told = await call(), ""
        except GatewayError as refusal:
            assert refusal.reason is not Reason.INTERNAL, lines  # noqa: PT017
            status = status_of(refusal)
            assert status.IsInitialized()
            reply, told = None, repr((str(refusal), status.SerializeToString(), refusal.trailing, refusal.metadata))
    trailing = () if reply is None else reply.trailing
    for number in numbers:
        assert number not in told
        assert number not in repr(trailing)
        assert number not in repr(lines)
    return reply


def _damage(data: bytes, at: int, put: bytes) -> bytes:
    at = min(at, len(data))
    return data[:at] + put + data[at + 1 :]


def _values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    one = _value(field, depth)
    return st.lists(one, max_size=3) if field.is_repeated else one


def _value(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        assert field.message_type is not None
        return messages(field.message_type, depth=depth - 1)
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return st.binary(max_size=8)
        return DIGITS | TEXTS if "number" in field.name else TEXTS
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return st.integers(0, 6)
    signed = kind in {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64}
    bits = 32 if kind in {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32} else 64
    most = 2 ** (bits - signed) - 1
    least = -most - 1 if signed else 0
    return st.sampled_from([least, 0, 1, most]) | st.integers(least, most)
