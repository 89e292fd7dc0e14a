"""Telling the service manager how a process is doing: the datagram protocol of sd_notify(3).

Owns both ends: what a worker or the control process says, and the socket the supervisor hears it on. The same
messages go to systemd where it starts the process itself (`Type=notify`). Knows nothing of what the messages lead to.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

VARIABLE = "NOTIFY_SOCKET"
"""Environment variable that names the socket; a leading `@` means the abstract namespace."""

_MAX_DATAGRAM_BYTES = 4096


def notify(message: str) -> None:
    """Send `READY=1`, `STOPPING=1` or `STATUS=…` to whoever started this process; nothing where nobody listens.

    Never raises and never blocks: a manager that is gone or slow must not hurt the service.
    """
    address = os.environ.get(VARIABLE, "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.sendto(message.encode()[:_MAX_DATAGRAM_BYTES], address)
        except OSError:
            return


class NotifySocket:
    """The hearing end, one for each child, so that no child can speak for another."""

    def __init__(self, *, path: Path, heard: Callable[[str, str], None]) -> None:
        """Listen at `path` (a stale socket there is replaced); `heard(key, value)` runs on the event loop.

        Raises OSError where the socket cannot be made. Needs a running event loop.
        """
        self.path = path
        self._heard = heard
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._socket.bind(str(path))
        except OSError:
            self._socket.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read)

    def discard(self) -> None:
        """Forget what is still queued: the words of a child that is dead."""
        for _ in self._datagrams():
            pass

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        for datagram in self._datagrams():
            for line in datagram.decode(errors="replace").splitlines():
                key, separator, value = line.partition("=")
                if separator:
                    self._heard(key, value)

    def _datagrams(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self._socket.recv(_MAX_DATAGRAM_BYTES))
            except BlockingIOError:
                return found
