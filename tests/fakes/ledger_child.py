"""An ingest as a process of its own, to be killed: `python -m tests.fakes.ledger_child FOLDER`."""

from __future__ import annotations

import sys
import threading
from functools import partial
from pathlib import Path

from adapters.ledger.ingest import Ingest
from adapters.ledger.sqlite_store import SqliteLedgerStore
from tests.fakes.ledger import IngestObserved

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    Ingest(
        root=folder / "journal",
        open_store=partial(SqliteLedgerStore.open, folder / "ledger.sqlite"),
        observer=IngestObserved(),
        batch_records=50,
    ).run(threading.Event())
