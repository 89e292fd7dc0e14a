"""Who is measured. Each is one declaration: a server, what it is asked, and how one sees that it answered rightly."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import grpc
from redis import Redis

from adapters.processes import valkey
from bench.installation import BULK, LOOKUP, WORKERS, Installation, free_ports
from bench.proc import running, wait_until
from bench.requests import lookup, write_bulks
from bench.servers.textbook import COPY
from dancu.citizen.v1 import citizen_service_pb2

BULK_CALLERS = 4
_TEXTBOOK_KEY = "dck_textbook"
_START_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One server with the calls it gets."""

    name: str
    target: str
    messages: Callable[[int], Path]
    """The requests of a round, which must last for it."""
    workers: Sequence[int]
    """Processes that answer."""
    others: Sequence[int] = ()
    """Processes that work for them."""
    path: str = f"/{LOOKUP}"
    metadata: Sequence[tuple[str, str]] = ()
    answered: Callable[[], Mapping[str, int]] | None = None
    """What the server itself counts as answered with OK, by source; None where it counts nothing."""
    source: str = ""
    """Where all of its answers must come from."""
    by_h2load: bytes | None = None
    """The one request that h2load sends in place of our own load."""
    citizens_per_call: int = 1
    shape: Mapping[str, object] = field(default_factory=dict)
    """Fields of its plan that differ from the others'."""


def of_gateway(name: str, gateway: Installation, messages: Callable[[int], Path], *, source: str) -> Contestant:
    """An installation of the gateway."""
    return Contestant(
        name=name,
        target=gateway.target,
        messages=messages,
        workers=gateway.workers,
        others=gateway.others,
        metadata=gateway.metadata,
        answered=gateway.answered,
        source=source,
    )


def bulk_of(gateway: Installation, folder: Path, numbers: Sequence[str], *, each: int) -> Contestant:
    """The same for many citizens a call. Few callers: bulk is shed early, and one call keeps a worker busy."""
    messages = write_bulks(folder / f"bulk-{each}.requests", numbers, each=each)
    one_by_one = of_gateway(f"bulk of {each}", gateway, lambda _: messages, source="cache")
    return few(replace(one_by_one, path=f"/{BULK}", citizens_per_call=each), one_by_one.name)


def few(contestant: Contestant, name: str) -> Contestant:
    """The same under few callers, for what is compared with bulk: a call costs less CPU among many others."""
    return replace(contestant, name=name, shape={"connections": BULK_CALLERS, "callers": BULK_CALLERS})


@contextmanager
def echo(folder: Path, *, response: bytes, messages: Path, metadata: Sequence[tuple[str, str]]) -> Iterator[Contestant]:
    """The floor: bare grpc.aio servers, sent what the gateway is sent, metadata included."""
    (port,) = free_ports(1)
    file = folder / "echo.response"
    file.write_bytes(response)
    argv = [sys.executable, "-m", "bench.servers.echo", "--port", str(port), "--response", str(file)]
    with _servers("echo", [argv] * WORKERS, folder) as pids:
        yield Contestant(
            name="echo",
            target=f"127.0.0.1:{port}",
            messages=lambda _: messages,
            workers=pids,
            metadata=metadata,
        )


@contextmanager
def textbook(folder: Path, *, response: bytes, numbers: Sequence[str], messages: Path) -> Iterator[Contestant]:
    """The textbook gateway, its Valkey filled with everyone it will be asked for."""
    (port,) = free_ports(1)
    with running_valkey(folder) as (socket_path, valkey_pid):
        _fill(socket_path, response, numbers)
        arguments = ["--port", str(port), "--redis", valkey.url_of(socket_path), "--key", _TEXTBOOK_KEY]
        module = [sys.executable, "-m", "bench.servers.textbook", *arguments]
        argvs = [[*module, "--database", str(folder / f"textbook-{at}.sqlite")] for at in range(WORKERS)]
        with _servers("textbook", argvs, folder) as pids:
            yield Contestant(
                name="textbook",
                target=f"127.0.0.1:{port}",
                messages=lambda _: messages,
                workers=pids,
                others=(valkey_pid,),
                metadata=(("authorization", f"Bearer {_TEXTBOOK_KEY}"),),
            )


def first_answer(gateway: Installation, number: str) -> citizen_service_pb2.LookupCitizenResponse:
    """What the gateway says of someone, seen by grpc's own client: the message that the others send as well."""
    with grpc.insecure_channel(gateway.target) as channel:
        call = channel.unary_unary(
            f"/{LOOKUP}",
            request_serializer=None,
            response_deserializer=citizen_service_pb2.LookupCitizenResponse.FromString,
        )
        answer: citizen_service_pb2.LookupCitizenResponse = call(lookup(number), metadata=gateway.metadata, timeout=10)
    assert answer.citizen.personal_number == number
    return answer


@contextmanager
def _servers(name: str, argvs: Sequence[Sequence[str]], folder: Path) -> Iterator[tuple[int, ...]]:
    """Processes that say `ready` when they answer."""
    with ExitStack() as stack:
        pids = []
        for at, argv in enumerate(argvs):
            log = folder / f"{name}-{at}.log"
            process = stack.enter_context(running(argv, log=log))
            wait_until(partial(_is_ready, log), process=process, log=log, seconds=_START_SECONDS)
            pids.append(process.pid)
        yield tuple(pids)


def _is_ready(log: Path) -> bool:
    return "ready\n" in log.read_text()


@contextmanager
def running_valkey(folder: Path) -> Iterator[tuple[Path, int]]:
    """An empty one; its socket and its pid."""
    socket_path, log = folder / "valkey.sock", folder / "valkey.log"
    argv = valkey.arguments(
        binary=valkey.server_binary(), socket_path=socket_path, directory=folder, max_memory_megabytes=256
    )
    with running(argv, log=log) as process:
        wait_until(lambda: asyncio.run(valkey.answers(socket_path)), process=process, log=log, seconds=_START_SECONDS)
        yield socket_path, process.pid


def _fill(socket_path: Path, response: bytes, numbers: Sequence[str]) -> None:
    message = citizen_service_pb2.LookupCitizenResponse.FromString(response)
    with Redis(unix_socket_path=str(socket_path)) as redis:
        for number in numbers:
            message.citizen.personal_number = number
            redis.set(COPY.format(number), message.SerializeToString())
