"""Progress of long work, on standard error: a bar on a terminal, plain lines elsewhere.

Standard output is left to the results.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

_LINE_SECONDS = 5.0

Tick: TypeAlias = Callable[[int], None]
"""Takes how much is done by now."""


@contextmanager
def progress(what: str, *, total: int | None = None) -> Iterator[Tick]:
    """Show progress while the block runs; `what` is counted, `total` of it where known.

    Away from a terminal a line is written every few seconds, so short work writes none.
    """
    if sys.stderr.isatty():
        with _bar(what, total) as tick:
            yield tick
        return
    started = told = time.monotonic()

    def line(done: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= _LINE_SECONDS:
            told = now
            of_total = f" of {total:,}" if total is not None else ""
            sys.stderr.write(f"{done:,}{of_total} {what}, {now - started:.0f} s\n")

    yield line


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Tick]:
    # Loaded only where somebody looks.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(separator=" / "), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def tick(done: int) -> None:
            bar.update(task, completed=done)

        yield tick
