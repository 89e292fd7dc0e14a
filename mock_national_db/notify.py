"""Tells a supervisor that the process is ready, in the manner of systemd (sd_notify(3)).

Owns one datagram. Refuses to know who listens.
"""

import socket
from collections.abc import Mapping


def notify_ready(environment: Mapping[str, str]) -> bool:
    """Send READY=1 to `NOTIFY_SOCKET`; return whether there was such a socket and it took the message.

    A supervisor that went away is no reason not to serve.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as outgoing:
        try:
            outgoing.sendto(b"READY=1", address)
        except OSError:
            return False
    return True
