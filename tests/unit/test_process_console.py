"""The operator's two streams, and their loss."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

from adapters.processes.console import Console


def test_lines_go_out_at_once() -> None:
    """Scripts wait for `ready`; a buffer would keep it from them for ever."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8")
    Console(out=out).say("sẵn sàng")
    assert raw.getvalue().decode() == "sẵn sàng\n"


def test_what_the_terminal_cannot_show_is_escaped() -> None:
    """A Vietnamese directory name on an ASCII terminal must not end the installation."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    Console(out=out).say("dữ liệu")
    assert raw.getvalue() == b"d\\u1eef li\\u1ec7u\n"


def test_a_broken_output_changes_neither_the_run_nor_the_exit_status() -> None:
    """The interpreter flushes once more at its end and would exit with 120."""
    code = "from adapters.processes.console import Console; c = Console(); c.say('a'); c.say('b'); c.warn('alive')"
    # Unbuffered output would leave nothing to flush at the end.
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, env=buffered, timeout=60, check=False
        )
    assert ended.returncode == 0
    assert ended.stderr == b"alive\n"
