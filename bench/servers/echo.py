"""The floor: a grpc.aio server that parses a LookupCitizenRequest and sends a ready LookupCitizenResponse.

python -m bench.servers.echo --port P --response FILE
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench.servers.common import run, serve
from dancu.citizen.v1 import citizen_service_pb2


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--response", type=Path, required=True, help="a serialised LookupCitizenResponse")
    given = parser.parse_args()
    response = citizen_service_pb2.LookupCitizenResponse.FromString(given.response.read_bytes())

    async def lookup(
        _request: citizen_service_pb2.LookupCitizenRequest, _context: Any
    ) -> citizen_service_pb2.LookupCitizenResponse:
        return response

    run(lambda: serve(given.port, lookup))


if __name__ == "__main__":
    main()
