"""Where a listener of this machine is reached."""

from __future__ import annotations


def reachable(host: str, port: int) -> str:
    """`host:port` as a client on this machine reaches a listener; a wildcard is reached by loopback."""
    if host in {"", "0.0.0.0"}:  # noqa: S104
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
