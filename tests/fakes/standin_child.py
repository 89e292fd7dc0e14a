"""A child that does nothing but live and die as told, in place of a worker, the mock or the control process.

Called with its name and a folder. Leaves a line `NAME started` or `NAME stopped` in `folder/events`, and behaves as
the environment variable STANDIN says for its name: `fails` at the start, `hangs` before it is ready, `stubborn`
against SIGTERM, `hasty` in ending as soon as it was ready.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from adapters.processes.notify import notify


def main(name: str, folder: Path) -> int:
    behaviour = json.loads(os.environ.get("STANDIN", "{}")).get(name, "")
    told = []
    signal.signal(signal.SIGTERM, lambda *_: None if behaviour == "stubborn" else told.append("stop"))
    _leave(folder, f"{name} started")
    sys.stderr.write(f"{name} writes to its log\n")
    if behaviour == "fails":
        sys.stderr.write("the reason why\n")
        return 3
    if behaviour == "hangs":
        notify("STATUS=thinking it over")
    else:
        notify("READY=1")
    while not told and behaviour != "hasty":
        time.sleep(0.01)
    _leave(folder, f"{name} stopped")
    return 0


def _leave(folder: Path, event: str) -> None:
    with (folder / "events").open("a") as events:
        events.write(event + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
