"""Ports, connections and their ages; the end of all of them.

Owns listening sockets. The only module a process has to know of this transport, with `calls` for handlers.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from gateway.transport.lean.calls import Answerer, Converser, Method
from gateway.transport.lean.connection import Connection
from gateway.transport.lean.limits import Limits

_BACKLOG = 1_024
_LOOK_SECONDS = 1.0
_AGE_SPREAD = 0.2
"""Ages differ by so much, or all callers of a worker that started would come back in one moment."""


class LeanServer:
    """Answers calls on a port that it shares with other workers (SO_REUSEPORT)."""

    def __init__(
        self,
        *,
        answer: Answerer,
        methods: Sequence[str],
        max_request_bytes: int,
        max_connection_age_seconds: float,
        draw: Callable[[], float],
    ) -> None:
        """`methods`: full names that `answer` knows; `draw`: random numbers in [0, 1)."""
        self._methods: dict[str, Method] = {f"/{name}": Method(name, answer=answer) for name in methods}
        self._limits = Limits(max_request_bytes=max_request_bytes, max_connection_age=max_connection_age_seconds)
        self._draw = draw
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._ports: list[asyncio.Server] = []
        self._looking: asyncio.Task[None] | None = None

    def add(self, handlers: Mapping[str, Converser]) -> None:
        """Further methods, by full name, before the start."""
        self._methods |= {f"/{name}": Method(name, converse=converse) for name, converse in handlers.items()}

    async def listen(self, host: str, port: int) -> int:
        """Take calls; returns the port. Raises `OSError` where it cannot be had."""
        loop = asyncio.get_running_loop()
        bound = 0
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
            listener = _listener(family, address)
            bound = bound or int(listener.getsockname()[1])
            self._ports.append(await loop.create_server(partial(self._connection, loop), sock=listener))
        if self._looking is None:
            self._looking = loop.create_task(self._look())
        return bound

    async def stop(self, grace_seconds: float) -> None:
        """Take no further calls; those under way may take so long to finish."""
        for port in self._ports:
            port.close()
        for connection in list(self._connections):
            connection.retire()
        try:
            async with asyncio.timeout(grace_seconds):
                await self._empty.wait()
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
            await self._empty.wait()
        if self._looking is not None:
            self._looking.cancel()

    def _connection(self, loop: asyncio.AbstractEventLoop) -> Connection:
        return Connection(
            loop=loop,
            methods=self._methods,
            limits=self._limits,
            max_age=self._limits.max_connection_age * (1 + _AGE_SPREAD * (self._draw() - 0.5)),
            opened=self._opened,
            closed=self._closed,
        )

    def _opened(self, connection: Connection) -> None:
        self._connections.add(connection)
        self._empty.clear()

    def _closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = loop.time()
            for connection in list(self._connections):
                connection.look(now)


def _listener(family: int, address: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # `::` takes IPv4 as well, as gRPC's own servers do.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address[0] != "::"))
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
