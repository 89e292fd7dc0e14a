"""The life of the process: listens, tells that it is ready, serves until SIGTERM or SIGINT.

Owns sockets, signals and the event loop. Refuses to know what is served (`server`).
"""

import asyncio
import logging
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import structlog
from aiohttp import web

from mock_national_db.notify import notify_ready
from mock_national_db.options import Options, StartError
from mock_national_db.server import create_app

_SHUTDOWN_SECONDS: Final = 2.0


def run(options: Options) -> None:
    """Serve until told to stop.

    Raises StartError when nothing can be listened on, and ValueError for a nation or a data folder that cannot be.
    """
    app = create_app(
        token=options.token,
        control_token=options.control_token,
        population=options.population,
        seed=options.seed,
        numbering=options.numbering,
        data_dir=options.data_dir,
    )
    _quiet_logs()
    _runner(options)(_serve(app, options))


def _runner(options: Options) -> Callable[[Coroutine[Any, Any, None]], None]:
    if not options.uvloop:
        return asyncio.run
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run


def _quiet_logs() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # aiohttp reports malformed HTTP with the bytes it met, which may be anybody's number.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)


async def _serve(app: web.Application, options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        address = await _listen(runner, options)
        sys.stdout.write(
            f"mock national database on {address}: population {options.population}, seed {options.seed},"
            f" {options.numbering.value} numbers\n"
        )
        sys.stdout.flush()
        notify_ready(os.environ)
        await stop.wait()
    finally:
        await runner.cleanup()
    _remove_socket(options)


async def _listen(runner: web.AppRunner, options: Options) -> str:
    path: Path | None = options.unix_socket
    try:
        if path is not None:
            _require_free(path)
            await web.UnixSite(runner, str(path)).start()
            os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)  # noqa: PTH101  once, before anything is served
            return f"unix:{path}"
        await web.TCPSite(runner, options.host, options.port).start()
    except OSError as error:
        place = path if path is not None else f"{options.host}:{options.port}"
        reason = (os.strerror(error.errno) if error.errno else str(error)).lower()
        raise StartError(f"cannot listen on {place}: {reason}") from None
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"


def _remove_socket(options: Options) -> None:
    if options.unix_socket is not None:
        options.unix_socket.unlink(missing_ok=True)


def _require_free(path: Path) -> None:
    """Refuse a socket that someone answers on: binding would take it away from them unnoticed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return
    raise StartError(f"cannot listen on {path}: address already in use")
