"""How long to wait, as commands and log lines tell it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dancu.cli.output import Language, wait_text
from dancu.client import Refused


@pytest.mark.parametrize(
    ("seconds", "english", "vietnamese"),
    [
        (0, "0 s", "0 giây"),
        (0.000001, "0.1 s", "0.1 giây"),
        (1.5, "1.5 s", "1.5 giây"),
        (9.96, "10 s", "10 giây"),
        (60, "60 s", "60 giây"),
        (119.2, "120 s", "120 giây"),
        (120, "2 min", "2 phút"),
        (121, "3 min", "3 phút"),
        (3599, "1 h", "1 giờ"),
        (3661, "1 h 2 min", "1 giờ 2 phút"),
        (85_700, "23 h 49 min", "23 giờ 49 phút"),
        (86_400, "24 h", "24 giờ"),
        (2_592_000, "720 h", "720 giờ"),
    ],
)
def test_a_wait_is_told_as_a_person_reads_it_and_never_too_short(seconds: float, english: str, vietnamese: str) -> None:
    """Nobody reads 8.57e+04 s, and who comes back a minute early is refused again."""
    wait = timedelta(seconds=seconds)
    assert (wait_text(wait, Language.EN), wait_text(wait, Language.VI)) == (english, vietnamese)


@pytest.mark.parametrize(("seconds", "told"), [(1.5, "1.5 s"), (0.000001, "0 s"), (2_592_000, "2592000 s")])
def test_a_refusal_tells_its_wait_in_plain_seconds(seconds: float, told: str) -> None:
    """A log line is searched and summed by programs, which need one unit and no exponent."""
    refused = Refused(reason="RATE_LIMITED", message="Too many.", retry_after=timedelta(seconds=seconds))
    assert str(refused) == f"RATE_LIMITED: Too many.; retry after {told}"
