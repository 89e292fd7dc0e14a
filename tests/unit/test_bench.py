"""The bench's arithmetic and its readings: a figure that is wrong is worse than none."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.bars import BARS, Bar, judge
from bench.h2load import parse
from bench.proc import MeasurementError
from bench.spread import Spread, quantile, ratio
from bench.steps import REST, TRANSPORT, with_transport
from bench.table import bars_table, table
from bench.wire import UNKNOWN_STATUS, Connection, Headers, frame, prefixed, status_in

H2LOAD = """
finished in 4.14s, 4448.45 req/s, 3.05MB/s
requests: 18420 total, 18420 started, 18420 done, 18410 succeeded, 10 failed, 0 errored, 0 timeout
status codes: 18410 2xx, 0 3xx, 0 4xx, 10 5xx
"""
ROOT = Path(__file__).resolve().parents[2]


def test_contestants_are_compared_round_by_round() -> None:
    """Neighbours in time shared the machine's mood; medians of all rounds did not."""
    assert ratio([100, 10, 30], [200, 20, 20]) == Spread(0.5, 0.5, 1.5)
    with pytest.raises(ValueError, match="zip"):
        ratio([1, 2], [1])


def test_quantiles_stay_inside_what_was_measured() -> None:
    """The p99 of five calls is the slowest of them, not an error."""
    assert [quantile([1, 2, 3, 4, 5], at) for at in (0, 0.5, 0.99, 1)] == [1, 3, 5, 5]


def test_a_bar_is_judged_by_the_median_in_its_own_direction() -> None:
    """Less is better for latency, memory and start; one lucky round meets nothing."""
    more, less = Bar("a", "a", 0.7, 2), Bar("b", "b", 0.8, 0.4, at_most=True)
    assert [more.met(value, more.now) for value in (0.69, 0.7, 2)] == [False, True, True]
    assert [less.met(value, less.now) for value in (0.81, 0.8, 0.1)] == [False, True, True]
    verdicts = {
        each.bar.figure: each.verdict
        for each in judge({
            "cached/echo": Spread(0.1, 0.6, 9),
            "cached/textbook": Spread(5, 5, 5),
            "start": Spread(1, 1.5, 9),
        })
    }  # fmt: skip
    assert verdicts["cached/echo"] == "NOT MET"
    assert verdicts["cached/textbook"] == "met"
    assert verdicts["start"] == "goal"
    assert verdicts["bulk/echo"] == "not measured"


def test_every_bar_has_a_line_in_the_table_with_its_figure_and_its_levels() -> None:
    """A bar that is not shown is a bar that is not kept."""
    lines = bars_table(judge({"added latency": Spread(0.5, 0.625, 1)})).splitlines()
    assert len(lines) == len(BARS) + 2
    assert len({line.count("|") for line in lines}) == 1
    (line,) = [line for line in lines if "one caller" in line]
    assert [cell.strip() for cell in line.split("|")[2:7]] == ["0.62", "0.50 to 1", "≤ 0.8", "≤ 0.4", "met"]


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """People read it in a terminal."""
    assert table(["a", "calls"], [["echo", "7"]]).splitlines() == [
        "| a    | calls |",
        "| ---- | ----: |",
        "| echo |     7 |",
    ]


def test_what_h2load_prints_is_read_and_anything_else_is_refused() -> None:
    """A failed run must not count as a slow one."""
    found = parse(H2LOAD)
    assert (found.seconds, found.rate, found.asked, found.succeeded) == (4.14, 4448.45, 18420, 18410)
    assert parse(H2LOAD.replace("4.14s", "980.5ms")).seconds == pytest.approx(0.9805)
    with pytest.raises(MeasurementError, match="connection refused"):
        parse("connection refused")


@pytest.mark.parametrize(
    ("trailers", "status"),
    [
        (b"\x00\x0bgrpc-status\x010", 0),
        (b"\x40\x0bgrpc-status\x010\x00\x01a\x01b", 0),
        (b"\x00\x0bgrpc-status\x0214", 14),
        (b"\x00\x88" + bytes.fromhex("9acac8b21234da8f") + b"\x81\x07", 0),
        (b"\x00\x88" + bytes.fromhex("9acac8b21234da8f") + b"\x0216", 16),
        (b"\x00\x0bgrpc-status\x0299", UNKNOWN_STATUS),
        (b"\x00\x0bgrpc-status", UNKNOWN_STATUS),
        (b"\x88", UNKNOWN_STATUS),
    ],
)
def test_the_status_of_a_reply_is_found_however_it_is_spelt(trailers: bytes, status: int) -> None:
    """A refusal counted as an answer would flatter whoever refuses fastest."""
    assert status_in(trailers) == status


def test_a_reply_split_anywhere_is_the_same_reply() -> None:
    """TCP keeps no message boundaries."""
    stream = 1
    received = (
        frame(4, 0, 0, b"")
        + frame(1, 0x4, stream, b"\x88")
        + frame(0, 0, stream, prefixed(b"who"))
        + frame(1, 0x5, stream, b"\x00\x0bgrpc-status\x010")
    )
    for cut in range(len(received)):
        connection = Connection(Headers("/a/B", ()))
        assert connection.call(prefixed(b"x")) == stream
        replies = connection.feed(received[:cut]) + connection.feed(received[cut:])
        assert [(reply.stream, reply.status, reply.data) for reply in replies] == [(stream, 0, prefixed(b"who"))]


def test_calls_beyond_what_the_server_allows_wait_their_turn() -> None:
    """A caller that breaks the protocol is cut off, and measures nothing."""
    connection = Connection(Headers("/a/B", ()))
    connection.feed(frame(4, 0, 0, (3).to_bytes(2, "big") + (1).to_bytes(4, "big")))
    first, second = connection.call(b"first-body"), connection.call(b"second-body")
    assert b"first-body" in connection.outgoing
    assert b"second-body" not in connection.outgoing
    connection.feed(frame(1, 0x5, first, b"\x00\x0bgrpc-status\x010"))
    assert connection.outgoing.endswith(frame(0, 1, second, b"second-body"))


def test_the_dearest_steps_come_first_and_the_transport_is_not_counted_twice() -> None:
    """Who makes it fast starts at the top of that list."""
    alone = {"3 parse": 5.0, "7 record: journal, with its thread": 6.0, "whole pipeline": 12.0}
    shares = with_transport(alone, floor=100, silent=120, worker=140)
    assert list(shares.items()) == [
        (TRANSPORT, 100),
        ("7 record: journal, with its thread", 20),
        (REST, 15),
        ("3 parse", 5),
    ]


def test_the_bars_are_those_of_the_readme_of_the_bench() -> None:
    """A bar lowered in code alone would be met unseen."""
    text = (ROOT / "bench" / "README.md").read_text()
    for bar in BARS:
        sign = "≤" if bar.at_most else "≥"
        assert f"{sign} {bar.now:g}{bar.unit}" in text
        assert bar.says in text
