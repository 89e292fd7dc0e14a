"""The results of a bulk run beside its input: JSON lines, and what is needed to go on after an interruption.

Owns two files: `<input>.results.jsonl`, one line for each row in the order of the input, and `<input>.bulk-run` while a
run is unfinished, which says what was asked, so that a file is never finished with other questions than it began with.
A line that was half written when the run ended is written again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self


class RunConflictError(Exception):
    """The files of another run stand in the way; the text says which and what to do."""


class ResultsFile:
    """The results of one run, open for writing at their end."""

    def __init__(self, *, results: Path, run: Path, done: int) -> None:
        """`done`: rows whose results stand already."""
        self.path = results
        self.done = done
        self._run = run
        self._file = results.open("ab")

    @classmethod
    def open(cls, source: Path, *, asked: Mapping[str, Any], restart: bool) -> Self:
        """Begin a run, or go on with the one that was interrupted. Raises `RunConflictError`, OSError."""
        results = source.with_name(source.name + ".results.jsonl")
        run = source.with_name(source.name + ".bulk-run")
        mark = _mark(source, asked)
        if restart:
            results.unlink(missing_ok=True)
            run.unlink(missing_ok=True)
        if run.exists():
            if run.read_text(encoding="utf-8") != mark:
                raise RunConflictError(
                    f"{run}: an unfinished run asked something else, or the input has changed; "
                    "ask the same again, or begin anew with --restart"
                )
            return cls(results=results, run=run, done=_keep_whole_lines(results))
        if results.exists():
            raise RunConflictError(f"{results}: the results of a finished run; --restart replaces them")
        # What it says of citizens is for whoever asked: nobody else reads it.
        for path, text in ((run, mark), (results, "")):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
        return cls(results=results, run=run, done=0)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write results; they stand when this returns."""
        lines = [json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows]
        self._file.write(b"".join(lines))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.done += len(lines)

    def finish(self) -> None:
        """The run is over: nothing is left to go on with."""
        self._run.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; an unfinished run can go on later."""
        self._file.close()


def _mark(source: Path, asked: Mapping[str, Any]) -> str:
    """What a run is about: the question, and enough of the input to know it again."""
    with source.open("rb") as file:
        start = hashlib.sha256(file.read(1 << 20)).hexdigest()
    return json.dumps({"asked": asked, "bytes": source.stat().st_size, "start": start}, sort_keys=True)


def _keep_whole_lines(results: Path) -> int:
    """Cut a line that was half written; returns how many whole ones there are."""
    if not results.exists():
        results.touch(mode=0o600)
    whole = lines = at = 0
    with results.open("rb+") as file:
        for line in file:
            at += len(line)
            if line.endswith(b"\n"):
                lines, whole = lines + 1, at
        file.truncate(whole)
    return lines
