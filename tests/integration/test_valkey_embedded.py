"""The embedded Valkey, as the supervisor starts it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio

from adapters.processes import valkey
from tests.fakes.valkey import RunningValkey, running_valkey


@pytest.fixture
async def server() -> AsyncIterator[RunningValkey]:
    async with running_valkey() as running:
        yield running


@pytest.fixture
async def client(server: RunningValkey) -> AsyncIterator[redis.asyncio.Redis]:
    connected = redis.asyncio.Redis.from_url(server.url, decode_responses=True)
    yield connected
    await connected.aclose()


async def test_limits_are_never_evicted_and_nothing_is_written_to_disk(client: redis.asyncio.Redis) -> None:
    """A limit evicted with the cache is a limit not kept; a dump is one more place with citizens' data."""
    told = await client.config_get("maxmemory-policy", "save", "appendonly", "maxmemory", "databases", "port")
    assert told == {
        "maxmemory-policy": "volatile-lru",
        "save": "",
        "appendonly": "no",
        "maxmemory": str(64 * 1_048_576),
        "databases": "1",
        "port": "0",
    }


async def test_a_full_cache_gives_way_and_keys_without_an_end_stay(client: redis.asyncio.Redis) -> None:
    """The policy as it acts, not as it is named."""
    await client.config_set("maxmemory", (await client.info("memory"))["used_memory"] + 4 * 1_048_576)
    await client.set("limit", "kept")
    copies = 40
    for number in range(copies):
        await client.set(f"copy:{number}", "x" * 262_144, ex=3600)
    assert await client.get("limit") == "kept"
    assert 1 <= await client.dbsize() < copies


async def test_it_is_reached_by_its_owners_socket_only(server: RunningValkey) -> None:
    """It has no password: a TCP port would be open to every user of the machine."""
    assert server.socket_path.stat().st_mode & 0o777 == 0o700
    assert server.process is not None
    assert tcp_listeners(server.process.pid) == set()


async def test_readiness_is_an_answer_and_not_a_file(server: RunningValkey, tmp_path: Path) -> None:
    """A killed server leaves its socket behind; a frozen one accepts connections."""
    assert await valkey.answers(server.socket_path)
    assert not await valkey.answers(tmp_path / "nobody.sock")
    server.pause()
    try:
        assert not await valkey.answers(server.socket_path)
    finally:
        server.resume()


async def test_a_path_with_odd_characters_reaches_the_same_server(tmp_path: Path) -> None:
    """Clients take `%`, `#`, `?` and spaces of an address for something else."""
    directory = tmp_path / "dữ liệu #1?a=b%20"
    directory.mkdir()
    running = RunningValkey(directory)
    await running.start()
    try:
        client = redis.asyncio.Redis.from_url(running.url)
        async with asyncio.timeout(10):
            assert await client.ping()
        await client.aclose()
    finally:
        running.kill()


def tcp_listeners(pid: int) -> set[str]:
    """Inodes of TCP sockets in LISTEN that the process holds."""
    held = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    listening = "0A"
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == listening and f"socket:[{fields[9]}]" in held:
                found.add(fields[1])
    return found
