"""How far the ledger knows each journal, read from its file without opening the ledger.

For `dancu audit verify`, which must not wait for a writer nor load what writes: whoever removes a journal leaves this
behind, unless the ledger goes too.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_KNOWN = "SELECT origin, next_index FROM ledger_journals WHERE next_index > 0"


def ingested_of(ledger: Path) -> dict[str, int]:
    """The index after the last record taken in, by origin; empty where there is no ledger.

    Raises `OSError` where there is one that cannot be read.
    """
    if not ledger.is_file():
        return {}
    try:
        with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=5)) as connection:
            return dict(connection.execute(_KNOWN).fetchall())
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return {}
        raise OSError(0, str(error), str(ledger)) from error
    except sqlite3.DatabaseError as error:
        raise OSError(0, str(error), str(ledger)) from error
