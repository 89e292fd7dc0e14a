"""What every test stands on: a quiet grpc, whose C core would write into pytest's output, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

os.environ.setdefault("GRPC_VERBOSITY", "NONE")

_PATIENCE_SECONDS = 0.5
_DESCRIPTORS = Path("/proc/self/fd")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every async test is checked for tasks it leaves; first in is last out, after all other fixtures."""
    for item in items:
        if isinstance(item, pytest.Function) and asyncio.iscoroutinefunction(item.function):
            item.fixturenames.insert(0, "no_task_left_behind")


@pytest.fixture
async def no_task_left_behind() -> AsyncIterator[None]:
    """Fails an async test that ends with tasks still running: in a worker each such task is a leak."""
    before = asyncio.all_tasks()
    yield
    await _settled(lambda: {task for task in asyncio.all_tasks() if task not in before and not task.done()}, "tasks")


@pytest.fixture
async def no_socket_left_behind() -> AsyncIterator[None]:
    """Fails an async test that ends with more sockets open than it began with: a worker would run out of them."""
    before = _sockets()
    yield
    await _settled(lambda: _sockets() - before, "sockets")


async def _settled(left: Callable[[], set[object]], what: str) -> None:
    """Give what is ending a moment to end."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while remaining := left() - {asyncio.current_task()}:
        if asyncio.get_running_loop().time() > deadline:
            pytest.fail(f"{what} left behind: {remaining}")
        await asyncio.sleep(0.005)


def _sockets() -> set[object]:
    found: set[object] = set()
    for descriptor in _DESCRIPTORS.iterdir() if _DESCRIPTORS.exists() else ():
        try:
            target = descriptor.readlink()
        except OSError:  # the listing's own descriptor is gone by now
            continue
        if str(target).startswith("socket:"):
            found.add(str(target))
    return found
