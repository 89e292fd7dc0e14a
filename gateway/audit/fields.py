"""Single fields of a message in their serialised form, to be put after what is serialised already.

Protocol Buffers merge what stands one after the other and need no order, so a message can be completed without being
parsed. Worth it only where the same message is completed for every citizen or record; everything else uses protobuf.
"""

from __future__ import annotations

_VARINT, _BYTES = 0, 2


def varint_field(number: int, value: int) -> bytes:
    """Field `number` (1 to 2047) of an unsigned integer type; `value` is not negative."""
    if value <= 0x7F and number < 16:
        return bytes((number << 3 | _VARINT, value))
    return _varint(number << 3 | _VARINT) + _varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """Field `number` (1 to 2047) of type bytes."""
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    if value <= 0x7F:
        return bytes((value,))
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
