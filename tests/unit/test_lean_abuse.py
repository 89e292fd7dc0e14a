"""The lean transport and peers that break the rules: the right code, no exception, nothing left behind."""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.transport.lean import frames
from gateway.transport.lean.header_blocks import HeaderReader, field
from gateway.transport.lean.limits import MAX_STREAMS
from tests.fakes.lean_peer import HEADERS, Side

START = frames.PREFACE + frames.frame(frames.SETTINGS, 0, 0)
BLOCK = b"".join(field(name, value) for name, value in HEADERS)
OPEN = frames.END_HEADERS
WHOLE = frames.END_HEADERS | frames.END_STREAM


def last_code(written: bytes, kind: int) -> int | None:
    """The code of the last frame of a kind that we wrote (GOAWAY, RST_STREAM)."""
    at, found = 0, None
    while at + 9 <= len(written):
        word, _, _ = frames.HEAD.unpack_from(written, at)
        payload = written[at + 9 : at + 9 + (word >> 8)]
        if word & 0xFF == kind:
            found = struct.unpack(">I", payload[4:8] if kind == frames.GOAWAY else payload[:4])[0]
        at += 9 + (word >> 8)
    return found


FATAL = {
    "http/1": (b"GET / HTTP/1.1\r\n\r\n", 1),
    "no settings first": (frames.PREFACE + frames.frame(frames.PING, 0, 0, b"12345678"), 1),
    "frame too large": (START + frames.HEAD.pack(16_385 << 8, 0, 1), 6),
    "even stream": (START + frames.frame(frames.HEADERS, WHOLE, 2, BLOCK), 1),
    "data on idle": (START + frames.frame(frames.DATA, 0, 1, b"x"), 1),
    "reset of idle": (START + frames.word_frame(frames.RST_STREAM, 1, 8), 1),
    "window of idle": (START + frames.word_frame(frames.WINDOW_UPDATE, 1, 8), 1),
    "window of nothing": (START + frames.word_frame(frames.WINDOW_UPDATE, 0, 0), 1),
    "window too wide": (START + frames.word_frame(frames.WINDOW_UPDATE, 0, 2**31 - 1), 3),
    "settings of 5": (START + frames.frame(frames.SETTINGS, 0, 0, b"12345"), 6),
    "settings of a stream": (START + frames.frame(frames.SETTINGS, 0, 1), 1),
    "ack with payload": (START + frames.frame(frames.SETTINGS, 1, 0, b"123456"), 6),
    "initial window": (START + frames.settings_frame([(4, 2**31)]), 3),
    "max frame": (START + frames.settings_frame([(5, 100)]), 1),
    "push": (START + frames.settings_frame([(2, 2)]), 1),
    "push promise": (START + frames.frame(frames.PUSH_PROMISE, 4, 1, b"1234"), 1),
    "ping of 7": (START + frames.frame(frames.PING, 0, 0, b"1234567"), 6),
    "continuation of nothing": (START + frames.frame(frames.CONTINUATION, 4, 1, BLOCK), 1),
    "interrupted block": (START + frames.frame(frames.HEADERS, 0, 1, BLOCK) + frames.frame(frames.PING, 0, 0, b"8" * 8), 1),
    "padding": (START + frames.frame(frames.HEADERS, WHOLE | 8, 1, b"\x05abc"), 1),
    "hpack index": (START + frames.frame(frames.HEADERS, WHOLE, 1, b"\xff\xff\xff\x7f"), 9),
    "hpack cut": (START + frames.frame(frames.HEADERS, WHOLE, 1, b"\x40\x0aab"), 9),
    "continuation flood": (START + frames.frame(frames.HEADERS, 0, 1) + frames.frame(frames.CONTINUATION, 0, 1) * 40, 11),
    "large block": (START + frames.frame(frames.HEADERS, 0, 1) + frames.frame(frames.CONTINUATION, 0, 1, b"\0" * 16_000) * 5, 11),
    "hpack bomb": (START + frames.frame(frames.HEADERS, WHOLE, 1, b"\x40\x01a\x7f\xa1\x1e" + b"v" * 4_000 + b"\xbe" * 300), 11),
    "ping flood": (START + frames.frame(frames.PING, 0, 0, b"12345678") * 1_100, 11),
    "settings flood": (START + frames.frame(frames.SETTINGS, 0, 0) * 1_100, 11),
    "empty data flood": (START + frames.frame(frames.HEADERS, OPEN, 1, BLOCK) + frames.frame(frames.DATA, 0, 1) * 1_100, 11),
    "priority flood": (START + frames.frame(frames.PRIORITY, 0, 1, b"12345") * 1_100, 11),
    "rapid reset": (
        START + b"".join(frames.frame(frames.HEADERS, OPEN, n, BLOCK) + frames.word_frame(frames.RST_STREAM, n, 8) for n in range(1, 2_300, 2)),
        11,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FATAL)
async def test_a_broken_rule_of_the_connection_ends_it_with_its_code(name: str) -> None:
    """Strangers reach this port."""
    sent, code = FATAL[name]
    side = Side()
    side.give(sent)
    assert last_code(bytes(side.network.written), frames.GOAWAY) == code
    assert side.network.closed
    assert not side.connection.streams
    side.end()


async def test_more_streams_than_announced_are_refused_and_those_there_are_go_on() -> None:
    """REFUSED_STREAM tells a client that it may safely ask again."""
    side = Side()
    side.give(START)
    for number in range(1, 2 * MAX_STREAMS, 2):
        side.give(frames.frame(frames.HEADERS, OPEN, number, BLOCK))
    side.give(frames.frame(frames.HEADERS, OPEN, 2 * MAX_STREAMS + 1, BLOCK))
    await asyncio.sleep(0)
    assert last_code(bytes(side.network.written), frames.RST_STREAM) == frames.ErrorCode.REFUSED_STREAM
    assert len(side.connection.streams) == MAX_STREAMS
    side.end()


async def test_requests_that_never_end_fill_no_memory() -> None:
    """A thousand requests of almost the largest size are the cheapest way to fill a worker."""
    side = Side()
    side.give(START)
    part = frames.frame(frames.DATA, 0, 1, b"\0\0\1\x80\0" + b"x" * 16_000)
    for number in range(1, 101, 2):
        side.give(frames.frame(frames.HEADERS, OPEN, number, BLOCK))
        for _ in range(5):
            side.give(part[:5] + struct.pack(">I", number) + part[9:])
        await asyncio.sleep(0)
    assert sum(len(stream._parts or b"") for stream in side.connection.streams.values()) <= 400_000
    side.end()
    assert side.connection._held == 0


async def test_padding_and_priorities_are_read_over() -> None:
    """Both are lawful, whoever sends them."""
    side = Side()
    padded = b"\x03" + b"\0\0\0\x05\x07" + BLOCK + b"\0\0\0"
    side.give(START + frames.frame(frames.HEADERS, OPEN | frames.PADDED | frames.WITH_PRIORITY, 1, padded))
    side.give(frames.frame(frames.DATA, frames.END_STREAM | frames.PADDED, 1, b"\x02\0\0\0\0\1a\0\0"))
    for _ in range(4):
        await asyncio.sleep(0)
    assert [call.request for call in side.calls] == [b"a"]
    side.end()


FRAME = st.builds(
    frames.frame,
    st.integers(0, 10), st.integers(0, 255), st.integers(0, 9),
    st.one_of(st.binary(max_size=40), st.just(BLOCK), st.just(b"\0\0\0\0\1a"), st.just(b"\0\0\0\0")),
)  # fmt: skip


@given(parts=st.lists(st.one_of(FRAME, st.binary(max_size=30)), max_size=25), cut=st.integers(1, 50))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_bytes_raise_and_none_leave_a_task(parts: list[bytes], cut: int) -> None:
    """One peer must not take the worker with it, nor leave something running in it."""

    async def drive() -> None:
        side = Side()
        defects: list[object] = []
        side.loop.set_exception_handler(lambda _, context: defects.append(context))
        sent = START + b"".join(parts)
        for at in range(0, len(sent), cut):
            side.give(sent[at : at + cut])
        await asyncio.sleep(0)
        side.end()
        for _ in range(5):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not defects
        assert side.connection._held == side.connection.output.pending == side.connection.ghosts == 0

    asyncio.run(drive())


FIELD = st.tuples(st.sampled_from(["a", "b", "x-c"]), st.text("xyz", max_size=3), st.booleans())


@given(blocks=st.lists(st.lists(FIELD, max_size=4), max_size=12))
@settings(max_examples=100, deadline=None)
def test_a_remembered_block_says_what_decoding_it_again_would(blocks: list[list[tuple[str, str, bool]]]) -> None:
    """Metadata of another call would be another caller's key."""
    from hpack import Decoder, Encoder

    encoder, reader, plain = Encoder(), HeaderReader(), Decoder()
    for told in blocks:
        for _ in range(3):
            block = encoder.encode([*HEADERS, *told])
            once = {n.decode(): v.decode() for n, v in plain.decode(block, raw=True)}
            metadata = {name: value for name, value in once.items() if name in {"a", "b", "x-c"}}
            assert reader.read(block).metadata == metadata


def test_the_same_bytes_mean_something_else_once_the_table_changed() -> None:
    """`0xbe` is the newest entry of the table: remembered for too long it would be the key of the caller before."""
    reader = HeaderReader()
    newest = BLOCK + b"\xbe"
    for key in ("one", "two", "three"):
        reader.read(BLOCK + b"\x40\x03key" + bytes((len(key),)) + key.encode())
        assert [reader.read(newest).metadata for _ in range(2)] == [{"key": key}] * 2
