"""`python -m mock_national_db`: starts the mock and stops it on SIGTERM or SIGINT.

Owns options and the life of the process. Every mistake is one line on standard error and exit status 1.
"""

import argparse
import asyncio
import logging
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import structlog
from aiohttp import web

from mock_national_db.notify import notify_ready
from mock_national_db.numbering import NumberingScheme
from mock_national_db.people import DEFAULT_POPULATION, DEFAULT_SEED
from mock_national_db.server import create_app

_SHUTDOWN_SECONDS: Final = 2.0
_SHORTEST_TOKEN: Final = 16


class StartError(Exception):
    """The mock cannot start; the message is for the operator."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise StartError(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; return the exit status."""
    try:
        options = _parser().parse_args(arguments)
        app = create_app(
            token=_token(options.token_file),
            control_token=None if options.control_token_file is None else _token(options.control_token_file),
            population=options.population,
            seed=options.seed,
            numbering=NumberingScheme(options.numbering),
            data_dir=options.data_dir,
        )
        _quiet_logs()
        _runner(options)(_serve(app, options))
    except (StartError, ValueError) as mistake:
        sys.stderr.write(f"mock_national_db: {mistake}\n")
        return 1
    return 0


def _parser() -> _Parser:
    parser = _Parser(prog="mock_national_db", description="The mock national population database.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=8090, help="port to listen on, 0 for any (default %(default)s)")
    parser.add_argument("--unix-socket", type=Path, metavar="PATH", help="listen here instead of on host and port")
    parser.add_argument("--population", type=int, default=DEFAULT_POPULATION, help="people (default %(default)s)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="another seed, another nation")
    parser.add_argument(
        "--numbering",
        choices=[scheme.value for scheme in NumberingScheme],
        default=NumberingScheme.TEST.value,
        help="prefixes of no province, or real ones (numbers may then be living people's)",
    )
    parser.add_argument("--data-dir", type=Path, help="keep run-time changes here; without it they are refused")
    parser.add_argument("--token-file", type=Path, required=True, help="its first line is the bearer token")
    parser.add_argument("--control-token-file", type=Path, help="the same for /control (default: the bearer token)")
    parser.add_argument("--no-uvloop", action="store_true", help="use the event loop of the standard library")
    return parser


def _token(path: Path) -> str:
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not ASCII"
        raise StartError(f"cannot read the token file {path}: {reason}") from None
    token = lines[0].strip() if lines else ""
    if len(token) < _SHORTEST_TOKEN or not token.isprintable() or " " in token:
        raise StartError(f"the token file {path} must start with a token of at least {_SHORTEST_TOKEN} characters")
    return token


def _runner(options: argparse.Namespace) -> Callable[[Coroutine[Any, Any, None]], None]:
    if options.no_uvloop:
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


async def _serve(app: web.Application, options: argparse.Namespace) -> None:
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
            f" {options.numbering} numbers\n"
        )
        sys.stdout.flush()
        notify_ready(os.environ)
        await stop.wait()
    finally:
        await runner.cleanup()
    _remove_socket(options)


async def _listen(runner: web.AppRunner, options: argparse.Namespace) -> str:
    path: Path | None = options.unix_socket
    try:
        if path is not None:
            _require_free(path)
            await web.UnixSite(runner, str(path)).start()
            os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)  # noqa: PTH101  once, before anything is served
            return f"unix:{path}"
        await web.TCPSite(runner, options.host, options.port).start()
    except (OSError, OverflowError) as error:
        place = path if path is not None else f"{options.host}:{options.port}"
        reason = (os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)).lower()
        raise StartError(f"cannot listen on {place}: {reason}") from None
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"


def _remove_socket(options: argparse.Namespace) -> None:
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


if __name__ == "__main__":
    raise SystemExit(main())
