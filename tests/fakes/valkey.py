"""A real Valkey on a unix socket, started as the supervisor starts it and stopped by its id."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.processes import valkey


class RunningValkey:
    """One server; it can be killed and started again on the same socket, empty."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.socket_path = directory / "valkey.sock"
        self.url = valkey.url_of(self.socket_path)
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        arguments = valkey.arguments(
            binary=valkey.server_binary(),
            socket_path=self.socket_path,
            directory=self._directory,
            max_memory_megabytes=64,
        )
        self.process = subprocess.Popen(  # noqa: ASYNC220  starting takes no time; readiness is awaited below
            arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(400):
            if await valkey.answers(self.socket_path):
                return
            await asyncio.sleep(0.025)
        raise AssertionError("Valkey did not answer within 10 s")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """Hang: accept and never answer."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def running_valkey() -> AsyncIterator[RunningValkey]:
    """A server in a folder of its own; short, because a socket's path fits 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="dancu-") as directory:
        server = RunningValkey(Path(directory))
        await server.start()
        try:
            yield server
        finally:
            server.kill()
