"""`make bench`: measures the bars of the design and prints them.

    python -m bench [--quick] [--transport aio|lean] [--citizens N] [--json FILE]

Ten to fifteen minutes; `--quick`, with fewer and shorter rounds, under two, for seeing that it runs. Exit code 1
where a bar is missed, 2 where something could not be measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.bars import judge
from bench.proc import MeasurementError
from bench.report import report
from bench.run import FULL, QUICK, measure

_RESULT = Path("build/bench.json")


def main() -> int:
    """Measure, print, and write the figures to a file."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="under two minutes; too short to judge by")
    parser.add_argument("--citizens", type=int, help="distinct citizens for the memory of a worker")
    parser.add_argument("--json", type=Path, default=_RESULT, help=f"where the figures go; default: {_RESULT}")
    parser.add_argument("--calls", type=int, help="calls after them, for the same (the bar speaks of 10 million)")
    parser.add_argument("--transport", choices=("aio", "lean"), default="aio", help="grpc.transport of the gateways")
    given = parser.parse_args()
    effort = replace(QUICK if given.quick else FULL, transport=given.transport)
    if given.citizens:
        effort = replace(effort, citizens=given.citizens)
    if given.calls:
        effort = replace(effort, calls=given.calls)
    at = datetime.now(UTC)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            result = measure(Path(folder), effort, lambda line: print(line, file=sys.stderr, flush=True))
    except MeasurementError as error:
        sys.stderr.write(f"make bench: {error}\n")
        return 2
    figures = result.figures()
    given.json.parent.mkdir(parents=True, exist_ok=True)
    told = {"at": at.isoformat(), "quick": given.quick, "effort": asdict(effort)}
    told |= asdict(result) | {"figures": {name: asdict(spread) for name, spread in figures.items()}}
    given.json.write_text(json.dumps(told, indent=1))
    judged = judge(figures)
    print(report(result, judged, at=at, quick=given.quick))
    return int(any(each.verdict == "NOT MET" for each in judged))


if __name__ == "__main__":
    sys.exit(main())
