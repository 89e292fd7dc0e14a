"""A real cluster of three Valkey primaries on loopback, started from the same binary, stopped by their ids."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import redis.asyncio

from adapters.processes import valkey

SLOTS = 16_384
NODES = 3


class RunningCluster:
    """The nodes, by position."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.ports[0]}"

    def signal(self, node: int, number: signal.Signals) -> None:
        self.processes[node].send_signal(number)

    async def ask(self, node: int, *command: str) -> object:
        async with redis.asyncio.Redis(host="127.0.0.1", port=self.ports[node]) as client:
            answer: object = await client.execute_command(*command)  # type: ignore[no-untyped-call]
            return answer


@asynccontextmanager
async def running_cluster() -> AsyncIterator[RunningCluster]:
    """Up, and agreed on who holds which slot."""
    cluster = RunningCluster()
    with tempfile.TemporaryDirectory(prefix="dancu-") as directory, ExitStack() as stack:
        ports = free_ports(2 * NODES)
        for node in range(NODES):
            folder = Path(directory, str(node))
            process = stack.enter_context(start(folder, port=ports[node], bus=ports[NODES + node]))
            stack.callback(end, process)
            cluster.processes.append(process)
            cluster.ports.append(ports[node])
        for node in range(NODES):
            await up(cluster, node)
            first, last = node * SLOTS // NODES, (node + 1) * SLOTS // NODES - 1
            await cluster.ask(node, "CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
            await cluster.ask(node, "CLUSTER", "SET-CONFIG-EPOCH", str(node + 1))
        for node in range(1, NODES):
            where = ("127.0.0.1", str(ports[node]), str(ports[NODES + node]))
            await cluster.ask(0, "CLUSTER", "MEET", *where)
        await agreed(cluster)
        yield cluster


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def start(folder: Path, *, port: int, bus: int) -> subprocess.Popen[bytes]:
    folder.mkdir()
    arguments = (
        *(str(valkey.server_binary()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)),
        *("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "2000"),
        *("--save", "", "--appendonly", "no", "--maxmemory", "64mb", "--maxmemory-policy", "volatile-lru"),
    )
    return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGCONT)
    process.kill()


async def up(cluster: RunningCluster, node: int) -> None:
    for _ in range(400):
        try:
            await cluster.ask(node, "PING")
        except redis.asyncio.ConnectionError:
            await asyncio.sleep(0.025)
        else:
            return
    raise AssertionError("Valkey did not answer within 10 s")


async def agreed(cluster: RunningCluster) -> None:
    for _ in range(400):
        states = [str(await cluster.ask(node, "CLUSTER", "INFO")) for node in range(NODES)]
        known = [str(await cluster.ask(node, "CLUSTER", "NODES")).count("connected") for node in range(NODES)]
        is_ok = all("cluster_state:ok" in state or "'cluster_state': 'ok'" in state for state in states)
        if is_ok and known == [NODES] * NODES:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the cluster did not agree within 20 s")
