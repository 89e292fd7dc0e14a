"""The frame around a record."""

from __future__ import annotations

import hashlib
import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.journal.errors import RecordTooLargeError
from adapters.journal.frames import MAX_RECORD_BYTES, Flaw, check_size, count, encode, payloads, scan

records = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


def test_the_bytes_of_a_frame_are_as_documented() -> None:
    """An outsider reads the file with the document in hand, not with this code."""
    body = struct.pack("<I", 3) + b"abc"
    assert encode([b"abc"], 7).data == struct.pack("<I", crc32(body, 7)) + b"\x03\x00\x00\x00" + b"abc"


def test_the_leaf_hash_is_that_of_rfc_9162() -> None:
    """Other people's verifiers compute SHA-256(0x00 || record)."""
    encoded = encode([b"abc"], 0)
    leaves: list[bytes] = []
    scan(memoryview(encoded.data), 0, 0, leaves)
    assert leaves == encoded.leaf_hashes == [hashlib.sha256(b"\x00abc").digest()]


@given(records, st.integers(0, 2**32 - 1))
def test_what_was_framed_is_read_back(given_records: list[bytes], chain: int) -> None:
    """Nothing is lost or changed on the way through the file."""
    encoded = encode(given_records, chain)
    view = memoryview(encoded.data)
    scanned = scan(view, 0, chain)
    assert (scanned.end, scanned.chain, scanned.flaw) == (len(view), encoded.chain, None)
    assert [bytes(payload) for payload in payloads(view, 0, scanned.end)] == given_records
    assert count(view, 0, scanned.end) == len(given_records)


@given(records.filter(bool), st.data())
def test_any_changed_byte_stops_the_scan_at_its_frame(given_records: list[bytes], data: st.DataObject) -> None:
    """Reading on past damage would invent records."""
    encoded = encode(given_records, 0)
    at = data.draw(st.integers(0, len(encoded.data) - 1))
    changed = bytearray(encoded.data)
    changed[at] ^= data.draw(st.integers(1, 255))
    scanned = scan(memoryview(changed), 0, 0)
    assert scanned.flaw is not None
    assert scanned.end <= at


@given(records.filter(lambda given_records: len(given_records) > 1), st.data())
def test_frames_do_not_fit_in_another_order(given_records: list[bytes], data: st.DataObject) -> None:
    """Swapped, dropped and doubled frames must not pass for records, even if each is whole."""
    chain, frames = 0, []
    for record in given_records:
        encoded = encode([record], chain)
        frames.append(encoded.data)
        chain = encoded.chain
    first = data.draw(st.integers(0, len(frames) - 2))
    mangled = data.draw(
        st.sampled_from(
            [
                [*frames[:first], *frames[first + 1 :]],
                [*frames[: first + 1], *frames[first:]],
                [*frames[:first], frames[first + 1], frames[first], *frames[first + 2 :]],
            ]
        )
    )
    assert scan(memoryview(b"".join(mangled)), 0, 0).flaw is Flaw.CHECKSUM


def test_zeros_are_not_records() -> None:
    """File systems leave zeros where a power cut took unsynced bytes."""
    assert scan(memoryview(bytes(64)), 0, 0).flaw is Flaw.LENGTH


@pytest.mark.parametrize("cut", [1, 7, 8, 10])
def test_a_cut_frame_is_torn(cut: int) -> None:
    """A torn tail is the normal trace of a crash and must be told from damage."""
    frame = encode([b"abc"], 0).data
    assert scan(memoryview(frame[:cut]), 0, 0).flaw is Flaw.TORN


@pytest.mark.parametrize("size", [0, MAX_RECORD_BYTES + 1])
def test_records_the_format_cannot_hold_are_refused(size: int) -> None:
    """An impossible length on disk must always mean damage."""
    with pytest.raises(RecordTooLargeError):
        check_size(bytes(size))
