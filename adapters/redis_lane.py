"""One way to Redis for everything a worker asks of it: commands of one event-loop tick travel as one pipeline.

One asynchronous command costs 115 to 220 µs of CPU, a pipelined one 26 to 60. Owns time-outs and what counts as gone;
knows no command's meaning.

    up     commands travel; one that is not answered in time takes the lane down
    down   commands fail at once, waiting for nothing; a probe beside them, a few times a second, takes the lane up

A cluster is one lane: it is down while one of its primaries is, until another node took over.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Sequence
from typing import Any

import redis.asyncio
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

_BATCHES_UNDER_WAY = 8
"""While so many travel the rest gathers: each costs a system call and more, and a round trip is soon over."""
_LONGEST_BATCH = 512
_PROBE_SECONDS = (0.25, 0.5)
"""Between two probes, at random: workers that lost Redis together do not come back together."""
_DISCOVERY_SECONDS = 2.0
"""How long learning the nodes of a cluster may take; no command waits for it."""


class RedisUnavailableError(Exception):
    """Redis did not answer in time, or refused the connection."""


class RedisLane:
    """Sends commands and gathers them; one instance per worker."""

    def __init__(
        self,
        client: redis.asyncio.Redis | RedisCluster,
        *,
        timeout_seconds: float,
        on_state: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """`on_state` is told True when Redis answers and False when it does not, on each change."""
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._on_state = on_state
        self._waiting: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._is_up: bool | None = None
        self._probing: asyncio.Task[None] | None = None

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        timeout_seconds: float,
        is_cluster: bool = False,
        on_state: Callable[[bool], None] = lambda _: None,
    ) -> RedisLane:
        """A lane to `url`, any node of it where it is a cluster.

        The driver's own retries are off: they hide a dead Redis and can charge twice.
        """
        options: dict[str, Any] = {
            "socket_timeout": timeout_seconds,
            "socket_connect_timeout": timeout_seconds,
            "retry": Retry(NoBackoff(), 0),
            "max_connections": _BATCHES_UNDER_WAY + 2,
        }
        client = RedisCluster.from_url(url, **options) if is_cluster else redis.asyncio.Redis.from_url(url, **options)
        return cls(client, timeout_seconds=timeout_seconds, on_state=on_state)

    @property
    def is_up(self) -> bool:
        """Whether the last exchange succeeded; True before the first."""
        return self._is_up is not False

    def execute(self, *command: Any) -> asyncio.Future[Any]:
        """The answer of one command. Fails with `RedisUnavailableError`, or `ResponseError` for what Redis refuses."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        if self._is_up is False:
            # Nobody waits out the time-out again: the probe will tell.
            answer.set_exception(RedisUnavailableError("did not answer a moment ago"))
            return answer
        self._waiting.append((command, answer))
        if not self._scheduled and len(self._under_way) < _BATCHES_UNDER_WAY:
            self._scheduled = True
            loop.call_soon(self._flush)
        return answer

    async def close(self) -> None:
        """Wait for what is under way and close the connections."""
        while self._under_way or self._waiting:
            self._flush()
            await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        await self._client.aclose()

    def _flush(self) -> None:
        self._scheduled = False
        if self._waiting and len(self._under_way) < _BATCHES_UNDER_WAY:
            batch, self._waiting = self._waiting[:_LONGEST_BATCH], self._waiting[_LONGEST_BATCH:]
            task = asyncio.create_task(self._send(batch))
            self._under_way.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._flush()

    async def _send(self, batch: Sequence[tuple[tuple[Any, ...], asyncio.Future[Any]]]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for command, _ in batch:
            pipeline.execute_command(*command)
        try:
            async with asyncio.timeout(self._timeout_of_batch()):
                answers = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError, TimeoutError) as error:
            self._go_down()
            _fail(batch, type(error).__name__)
            return
        lost = False
        for (_, future), answer in zip(batch, answers, strict=True):
            is_lost = _is_lost(answer)
            lost = lost or is_lost
            if future.done():  # its caller left
                continue
            if is_lost:
                future.set_exception(RedisUnavailableError(type(answer).__name__))
            elif isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        if lost:
            self._go_down()
        else:
            self._tell(is_up=True)

    def _timeout_of_batch(self) -> float:
        # The first batch to a cluster learns the nodes on its way.
        is_new = self._is_up is None and isinstance(self._client, RedisCluster)
        return _DISCOVERY_SECONDS if is_new else self._timeout_seconds

    def _go_down(self) -> None:
        self._tell(is_up=False)
        waiting, self._waiting = self._waiting, []
        _fail(waiting, "did not answer a moment ago")
        if self._probing is None:
            self._probing = asyncio.create_task(self._probe())
            self._probing.add_done_callback(_retrieve)

    async def _probe(self) -> None:
        try:
            while True:
                await asyncio.sleep(random.uniform(*_PROBE_SECONDS))  # noqa: S311  spreads load, hides nothing
                try:
                    await self._ping()
                except Exception:  # noqa: BLE001, S112  whatever the driver raises: without a probe the lane stays down
                    continue
                break
        finally:
            self._probing = None
        self._tell(is_up=True)

    async def _ping(self) -> None:
        if not isinstance(self._client, RedisCluster):
            async with asyncio.timeout(self._timeout_seconds):
                await self._client.ping()
            return
        # Who is a primary now is learnt anew: another node may have taken over.
        async with asyncio.timeout(_DISCOVERY_SECONDS):
            await self._client.aclose()
            await self._client.initialize()
            await self._client.ping(target_nodes=RedisCluster.PRIMARIES)

    def _tell(self, *, is_up: bool) -> None:
        if self._is_up is not is_up:
            self._is_up = is_up
            self._on_state(is_up)


class Script:
    """A Lua script, sent by its hash and, where Redis does not know it (restarted, flushed), once in full."""

    def __init__(self, lane: RedisLane, text: str) -> None:
        """`text`: the script; the number of its keys is given with each run."""
        self._lane = lane
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, keys: Sequence[str | bytes], *arguments: Any) -> Any:
        """The script's answer. Raises as `RedisLane.execute` does."""
        try:
            return await self._lane.execute("EVALSHA", self._sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self._lane.execute("EVAL", self._text, len(keys), *keys, *arguments)


def _is_lost(answer: object) -> bool:
    """Whether the answer says that nobody there can answer, as opposed to refusing this command."""
    if isinstance(answer, ClusterDownError | MasterDownError | ReadOnlyError):
        return True
    return isinstance(answer, Exception) and not isinstance(answer, ResponseError)


def _fail(batch: Sequence[tuple[tuple[Any, ...], asyncio.Future[Any]]], cause: str) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(RedisUnavailableError(cause))


def _retrieve(probing: asyncio.Task[None]) -> None:
    # Nobody waits for the probe; close cancels it.
    if not probing.cancelled():
        probing.exception()
