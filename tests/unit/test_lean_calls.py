"""The lean transport against `h2` as an independent peer: calls, refusals, windows, cancellation, the graceful end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from h2.settings import SettingCodes

from gateway.transport.lean import frames, output
from tests.fakes.lean_peer import HEADERS, TALK, Side, data_in, resets_in, status_in

GOING = frames.goaway_frame(frames.LARGEST_WINDOW, frames.ErrorCode.NO_ERROR)


def headers(**changed: str) -> list[tuple[str, str]]:
    told = {name.replace("_", "-"): value for name, value in changed.items()}
    kept = [(name, told.pop(name.lstrip(":"), value)) for name, value in HEADERS]
    return [*kept, *told.items()]


async def test_a_call_is_answered_with_its_trailers_and_everything_of_a_turn_in_one_write() -> None:
    """Each write is a system call; ten answers of one turn need one."""
    side = Side().start()
    await side.turn()
    side.network.writes = 0
    for number in range(1, 21, 2):
        side.ask(number, b"hello", headers=headers(x_request_id="r7"))
    events = await side.turn()
    assert [status_in(events, number) for number in range(1, 21, 2)] == ["0"] * 10
    assert data_in(events, 1) == b"\0\0\0\0\5hello"
    assert side.network.writes == 1
    assert side.calls[0].metadata == {"x-request-id": "r7"}
    assert side.calls[0].peer == "192.0.2.1"
    side.end()


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"path": "/dancu.x.v1.S/No"}, "12"),
        ({"grpc_encoding": "gzip"}, "12"),
        ({"x_large": "v" * 17_000}, "8"),
    ],
)
async def test_a_request_is_refused_by_its_headers_alone(changed: dict[str, str], status: str) -> None:
    """What cannot be answered costs no task."""
    side = Side().start()
    side.ask(1, b"hello", headers=headers(**changed))
    assert status_in(await side.turn(), 1) == status
    assert not side.calls
    assert not side.connection.streams
    side.end()


@pytest.mark.parametrize("changed", [{"grpc_timeout": "5 s"}, {"te": "gzip"}, {"x_odd": "\x7f"}])
async def test_a_malformed_request_is_reset_and_the_next_one_is_answered(changed: dict[str, str]) -> None:
    """One bad request must not cost the others of a shared connection."""
    side = Side().start()
    side.peer.config.validate_outbound_headers = False
    side.ask(1, b"hello", headers=headers(**changed))
    side.ask(3, b"hello")
    events = await side.turn()
    assert resets_in(events)[1] == 1
    assert status_in(events, 3) == "0"
    side.end()


@pytest.mark.parametrize(
    ("framed", "status"),
    [(b"\1\0\0\0\1x", "12"), (b"\0\xff\0\0\0x", "8"), (b"\0\0\0\0\2x", "13"), (b"\0\0\0\0\1xy", "13"), (b"", "13")],
)
async def test_what_is_not_exactly_one_message_is_refused(framed: bytes, status: str) -> None:
    """Compressed, too large, cut off, two at once, none."""
    side = Side().start()
    side.peer.send_headers(1, HEADERS)
    side.peer.send_data(1, framed, end_stream=True)
    assert status_in(await side.turn(), 1) == status
    assert not side.calls
    side.end()


async def test_a_large_answer_passes_through_small_windows_and_lets_a_small_one_pass() -> None:
    """Five hundred citizens do not fit into 65,535 bytes, and nobody else waits for them."""
    side = Side(settings={SettingCodes.INITIAL_WINDOW_SIZE: 20_000}).start()
    side.ask(1, b"big 700000")
    side.ask(3, b"small")
    events = await side.turn()
    assert status_in(events, 1) is None
    assert status_in(events, 3) == "0"
    received = len(data_in(events, 1))
    assert received <= 20_000
    for _ in range(200):
        side.peer.increment_flow_control_window(10_000)
        side.peer.increment_flow_control_window(10_000, stream_id=1)
        events = await side.turn()
        received += len(data_in(events, 1))
        if status_in(events, 1):
            break
    assert received == 700_005
    assert side.connection.output.pending == 0
    side.end()


async def test_a_window_made_smaller_below_zero_holds_an_answer_until_it_is_positive() -> None:
    """SETTINGS_INITIAL_WINDOW_SIZE may take back what was given (RFC 9113 §6.9.2)."""
    side = Side().start()
    side.ask(1, b"big 100000")
    first = await side.turn()
    side.peer.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
    await side.turn()
    side.peer.increment_flow_control_window(100_000)
    assert data_in(await side.turn(), 1) == b""
    side.peer.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 100_005})
    rest = await side.turn()
    assert len(data_in(first, 1)) + len(data_in(rest, 1)) == 100_005
    assert status_in(rest, 1) == "0"
    side.end()


async def test_a_caller_who_hangs_up_has_its_work_stopped() -> None:
    """The pipeline then records CALLER_GONE; work for nobody is load for nothing."""
    side = Side().start()
    side.ask(1, b"wait")
    await side.turn()
    side.peer.reset_stream(1, 8)
    await side.turn()
    assert side.cancelled == 1
    assert not side.connection.streams
    assert side.connection.ghosts == 0
    side.ask(3, b"wait")
    await side.turn()
    side.end()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert side.cancelled == 2


async def test_a_deadline_that_passes_is_told_and_stops_the_work() -> None:
    """A caller that forgot its own clock still gets its status."""
    side = Side().start()
    side.ask(1, b"wait", headers=headers(grpc_timeout="10m"))
    await side.turn()
    await asyncio.sleep(0.03)
    assert status_in(await side.turn(), 1) == "4"
    assert side.calls[0].deadline is not None
    assert side.cancelled == 1
    side.end()


async def test_a_drain_answers_what_is_under_way_and_then_closes() -> None:
    """A deployment must cost no caller an answer."""
    side = Side().start()
    side.ask(1, b"wait", headers=headers(grpc_timeout="20m"))
    await side.turn()
    side.connection.retire()
    await asyncio.sleep(0)
    # `h2` takes the first GOAWAY for the last word, so the ping behind it is answered by hand.
    assert side.network.written.startswith(GOING)
    side.connection.data_received(b"\0\0\x08\x06\x01\0\0\0\0farewell")
    assert not side.network.closed
    await asyncio.sleep(0.05)
    assert side.network.closed
    assert b"grpc-status\x014" in side.network.written
    side.end()


async def test_a_conversation_goes_on_for_as_long_as_its_caller_likes() -> None:
    """Reflection has many messages each way, cut wherever the network likes."""
    side = Side().start()
    side.peer.send_headers(1, headers(path=TALK))
    for byte in b"\0\0\0\0\2ab\0\0\0\0\1c":
        side.peer.send_data(1, bytes((byte,)))
        side.peer.increment_flow_control_window(1)
    assert data_in(await side.turn(), 1) == b"\0\0\0\0\2ab\0\0\0\0\1c"
    side.peer.end_stream(1)
    assert status_in(await side.turn(), 1) == "0"
    side.end()


async def test_a_peer_that_does_not_read_is_not_read_and_not_kept_for_ever() -> None:
    """Otherwise what it is owed fills the memory of the worker."""
    side = Side().start()
    await side.turn()
    side.connection.pause_writing()
    assert side.network.reading_paused
    side.ask(1, b"hello")
    side.give(side.peer.data_to_send())
    await asyncio.sleep(0)
    assert not side.calls, "nothing is begun for it"
    side.connection.look(side.loop.time() + 50)
    assert not side.network.aborted
    side.connection.resume_writing()
    assert status_in(await side.turn(), 1) == "0"
    side.connection.pause_writing()
    side.connection.look(side.loop.time() + 61)
    assert side.network.aborted
    side.end()


async def test_old_silent_and_half_open_connections_end() -> None:
    """Sockets are finite (slowloris), and SO_REUSEPORT balances only new ones."""
    waiting = Side()
    waiting.connection.data_received(b"PRI * HTTP")
    waiting.connection.look(waiting.loop.time() + 11)
    assert waiting.network.aborted
    side = Side().start()
    await side.turn()
    now = side.loop.time()
    side.connection.look(now + 121)
    side.connection.look(now + 142)
    assert side.network.aborted
    old = Side().start()
    old.connection.limits = replace(old.connection.limits, silence=10_000)
    await old.turn()
    old.connection.look(old.loop.time() + 601)
    await asyncio.sleep(0)
    assert old.network.written.startswith(GOING)
    for each in (waiting, side, old):
        each.end()


async def test_who_is_sent_much_in_small_windows_is_not_taken_for_a_flood() -> None:
    """A client that widens its window by little asks often, and lawfully."""
    side = Side(settings={SettingCodes.INITIAL_WINDOW_SIZE: 10_000}).start()
    for number in range(1, 17, 2):
        side.ask(number, b"big 700000")
        finished = None
        while finished is None:
            finished = status_in(await side.turn(), number)
            if finished is None:
                side.peer.increment_flow_control_window(10_000)
                side.peer.increment_flow_control_window(10_000, stream_id=number)
        assert finished == "0"
    side.end()


async def test_answers_that_nobody_reads_are_kept_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was under way when the peer stopped reading still comes to its end."""
    monkeypatch.setattr(output, "MOST_PENDING_BYTES", 1_000_000)
    side = Side().start()
    for number in range(1, 21, 2):
        side.ask(number, b"big 300000")
    side.give(side.peer.data_to_send())
    side.connection.pause_writing()
    for _ in range(5):
        await asyncio.sleep(0)
    assert side.network.closed
    assert side.connection.output.pending == 0
    side.end()


async def test_the_window_of_the_connection_holds_whatever_its_streams_would_take() -> None:
    """A peer that is sent more ends the connection, and every call on it."""
    side = Side(settings={SettingCodes.INITIAL_WINDOW_SIZE: 1_000_000}).start()
    side.ask(1, b"big 100000")
    assert len(data_in(await side.turn(), 1)) == 65_535
    side.peer.increment_flow_control_window(40_000)
    events = await side.turn()
    assert len(data_in(events, 1)) == 100_005 - 65_535
    assert status_in(events, 1) == "0"
    side.end()
