"""The command line: `dancu`.

One file for each group of commands; `app` lists them. What is heavy is imported by the command that needs it, so that
`dancu --help` is quick and `dancu up` starts without what only readers of tables need.

Exit codes: 0 done, 1 refused or failed, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

# A citizen's number may have been typed in groups.
_DIGITS = re.compile(r"\d{3,}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. `arguments` None: those of the process."""
    # Imported here, so that an interrupt during the imports is met like any other.
    try:
        import typer
        from typer.main import get_command

        from dancu.cli.app import app

        _prepare_streams()
        try:
            code = get_command(app).main(args=arguments, prog_name="dancu", standalone_mode=False)
        except typer.TyperException as mistake:
            return _usage(mistake)
        except typer.Abort:
            return 130
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.errno not in {errno.EPIPE, errno.ENOSPC}:
            raise
        _let_go_of_stdout()
        if error.errno == errno.ENOSPC:
            sys.stderr.write(f"dancu: {error.strerror}\n")
        return 1
    return code if isinstance(code, int) else 0


def _usage(mistake: Exception) -> int:
    """Tell a mistake in the arguments, without repeating what may be a citizen's number."""
    context = getattr(mistake, "ctx", None)
    text = mistake.format_message() if hasattr(mistake, "format_message") else str(mistake)
    sys.stderr.write(f"dancu: {_DIGITS.sub('****', text)}\n" if text else "")
    if context is not None:
        sys.stderr.write(f"Try '{context.command_path} --help'.\n")
    code = getattr(mistake, "exit_code", 2)
    return code if isinstance(code, int) else 2


def _prepare_streams() -> None:
    """Names have diacritics whatever the locale; a terminal that cannot show one shows a mark instead.

    A stream that was closed before the start (`>&-`) takes what is written and keeps nothing.
    """
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  lives as long as we do
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  the same
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            if stream.isatty():
                reconfigure(errors="replace")
            else:
                reconfigure(encoding="utf-8", errors="backslashreplace")


def _let_go_of_stdout() -> None:
    """The reader is gone (`| head`); what is still buffered must not fail once more when the interpreter ends."""
    void = os.open(os.devnull, os.O_WRONLY)
    os.dup2(void, sys.stdout.fileno())
    os.close(void)
