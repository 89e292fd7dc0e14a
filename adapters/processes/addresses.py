"""How addresses of this machine are written for gRPC and in URLs."""

from __future__ import annotations


def reachable(host: str, port: int) -> str:
    """`host:port` as a client on this machine reaches a listener; a wildcard is reached by loopback."""
    if host in {"", "0.0.0.0"}:  # noqa: S104
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return listening(host, port)


def listening(host: str, port: int) -> str:
    """`host:port` as a listener is given it; an IPv6 address goes into brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
