"""`python -m mock_national_db`: starts the mock and stops it on SIGTERM or SIGINT.

Owns the exit status: every mistake is one line on standard error and status 1.
"""

import sys
from collections.abc import Sequence

from mock_national_db.options import StartError, parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; return the exit status."""
    try:
        options = parse(arguments)
        from mock_national_db.process import run

        run(options)
    except (StartError, ValueError) as mistake:
        sys.stderr.write(f"mock_national_db: {mistake}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
