"""The results of a bulk run beside its input: JSON lines, and what is needed to go on after an interruption.

Owns two files: `<input>.results.jsonl`, one line for each row, and `<input>.bulk-run` while a run is unfinished, which
says what was asked, so that a file is never finished with other questions than it began with. A row that got no answer
has no line until a later run gives it one; a finished run's lines are in the order of the input. A line that was half
written when the run ended is written again. A run that ends without a single result leaves neither file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

FOUND: Final = "FOUND"
"""The outcome of a row that was answered; that of any other is the reason of its error."""
_LINE: Final = re.compile(rb'\{"line": (\d{1,12})(?:, "error": \{"reason": "([A-Z_]*)")?')
"""How each line begins, as `append` writes it."""


class RunConflictError(Exception):
    """The files of another run stand in the way; the text says which and what to do."""


class ResultsFile:
    """The results of one run, open for writing at their end."""

    def __init__(self, *, results: Path, run: Path) -> None:
        """Take up the results that stand already. Raises `RunConflictError` where they are none of ours."""
        self.path = results
        self.before: Counter[str] = Counter()
        """How many rows ended how in earlier runs."""
        self._run = run
        self._standing = bytearray()  # by line: a set would hold a long file's numbers in memory
        self._last = 0
        self._ordered = True
        self._finished = False
        for line in _whole_lines(results):
            begin = _LINE.match(line)
            if begin is None:
                raise RunConflictError(f"{results}: holds what is no result; begin anew with --restart")
            self._stands(int(begin[1]))
            self.before[(begin[2] or FOUND.encode()).decode()] += 1
        self.done = self.before.total()
        """Rows whose results stand."""
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
            return cls(results=results, run=run)
        if results.exists():
            raise RunConflictError(f"{results}: the results of a finished run; --restart replaces them")
        # What it says of citizens is for whoever asked: nobody else reads it.
        for path, text in ((run, mark), (results, "")):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
        return cls(results=results, run=run)

    def has(self, line: int) -> bool:
        """Whether the result of the row on this line stands."""
        return line < len(self._standing) and self._standing[line] == 1

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write results; they stand when this returns."""
        told = list(rows)
        self._file.write(b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in told))
        self._file.flush()
        os.fsync(self._file.fileno())
        for row in told:
            self._stands(row["line"])
        self.done += len(told)

    def finish(self) -> None:
        """The run is over: nothing is left to go on with."""
        if not self._ordered:
            self._put_in_order()
        self._run.unlink(missing_ok=True)
        self._finished = True

    def close(self) -> None:
        """Close the file; an unfinished run can go on later, unless it has nothing to go on from."""
        self._file.close()
        if not self._finished and not self.done:
            for path in (self.path, self._run):
                path.unlink(missing_ok=True)

    def _stands(self, line: int) -> None:
        if line >= len(self._standing):
            self._standing.extend(bytes(line + 1 - len(self._standing)))
        self._standing[line] = 1
        self._ordered = self._ordered and line > self._last
        self._last = line

    def _put_in_order(self) -> None:
        """Rows that a later run answered go to their places. Ending half-way leaves the results as they were."""
        at = array("q", [-1]) * len(self._standing)
        sorted_path = self.path.with_name(self.path.name + ".sorting")
        with self.path.open("rb") as file:
            offset = 0
            for text in file:
                if begin := _LINE.match(text):
                    at[int(begin[1])] = offset
                offset += len(text)
            sorted_path.unlink(missing_ok=True)
            made = os.open(sorted_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(made, "wb") as ordered:
                for offset in at:
                    if offset >= 0:
                        file.seek(offset)
                        ordered.write(file.readline())
                ordered.flush()
                os.fsync(ordered.fileno())
        sorted_path.replace(self.path)


def _mark(source: Path, asked: Mapping[str, Any]) -> str:
    """What a run is about: the question, and enough of the input to know it again."""
    with source.open("rb") as file:
        start = hashlib.sha256(file.read(1 << 20)).hexdigest()
    return json.dumps({"asked": asked, "bytes": source.stat().st_size, "start": start}, sort_keys=True)


def _whole_lines(results: Path) -> Iterator[bytes]:
    """The lines of the results; one that was half written is cut off."""
    if not results.exists():
        results.touch(mode=0o600)
    whole = 0
    with results.open("rb+") as file:
        for line in file:
            if line.endswith(b"\n"):
                whole += len(line)
                yield line
        file.truncate(whole)
