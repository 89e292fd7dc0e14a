"""The ports of `dancu up`: found free before anything starts, and the shared one held for life.

Owns the probing and the holding. Knows nothing of who will listen.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_REASONS = {
    errno.EADDRINUSE: "is taken by another process",
    errno.EACCES: "may not be opened by this user",
    errno.EADDRNOTAVAIL: "cannot be opened: the address is not one of this machine",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A port that a process will listen on; `setting` is its name for the operator, such as `grpc`."""

    setting: str
    host: str
    port: int
    """0 takes a free one."""
    shared: bool = False
    """Several processes will listen on it with SO_REUSEPORT, and it stays reserved until `release`."""


class PortsUnavailableError(Exception):
    """One or more ports cannot be had; `lines` names each with its setting."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = tuple(lines)


class Reservation:
    """The ports found, by setting; holds those that are shared."""

    def __init__(self, *, ports: Mapping[str, int], held: ExitStack) -> None:
        self.ports = dict(ports)
        self._held = held

    def release(self) -> None:
        """Give the held ports back."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def reserve(wanted: Sequence[Wanted]) -> Reservation:
    """Check that every port is free and hold the shared ones.

    A held socket is bound and never listens, so it takes no connection: it only keeps others from taking the port
    while workers come and go. Raises `PortsUnavailableError` with every port that cannot be had.
    """
    ports = _free_ports(wanted)
    held = ExitStack()
    try:
        for one in wanted:
            if one.shared:
                _hold(one, ports[one.setting], held)
    except BaseException:
        held.close()
        raise
    return Reservation(ports=ports, held=held)


def _free_ports(wanted: Sequence[Wanted]) -> dict[str, int]:
    mistakes: list[str] = []
    ports: dict[str, int] = {}
    with ExitStack() as probes:
        for one in wanted:
            try:
                ports[one.setting] = _probe(one, probes)
            except OSError as error:
                mistakes.append(_told(one, error, ports))
    if mistakes:
        raise PortsUnavailableError(mistakes)
    return ports


def _probe(one: Wanted, probes: ExitStack) -> int:
    """Bind as a stranger would. All probes stay open until the last, so that no port is found free twice.

    SO_REUSEADDR overlooks connections of an earlier run in TIME_WAIT but no listener, which is why the probe listens:
    so it is seen by the next probe. Without SO_REUSEPORT a listener that has it is seen too.
    """
    probe, address = _socket_for(one, one.port)
    probes.enter_context(probe)
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(address)
    probe.listen(1)
    port: int = probe.getsockname()[1]
    return port


def _hold(one: Wanted, port: int, held: ExitStack) -> None:
    holder, address = _socket_for(one, port)
    held.enter_context(holder)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        holder.bind(address)
    except OSError as error:
        raise PortsUnavailableError([_told(one, error, {})]) from error


def _socket_for(one: Wanted, port: int) -> tuple[socket.socket, tuple[object, ...]]:
    family, kind, protocol, _, address = socket.getaddrinfo(
        one.host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return socket.socket(family, kind, protocol), address


def _told(one: Wanted, error: OSError, found: Mapping[str, int]) -> str:
    name = f"port {one.port} on {one.host} ({one.setting}.port)"
    if isinstance(error, socket.gaierror):
        return f"address {one.host} ({one.setting}.host) cannot be resolved: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        for setting, port in found.items():
            if port == one.port:
                return f"{name} is also {setting}.port: each needs its own"
    reason = _REASONS.get(error.errno or 0, f"cannot be opened: {os.strerror(error.errno or 0)}")
    return f"{name} {reason}"
