"""Options of `python -m mock_national_db`.

Owns what may be asked of the process and what is said of a mistake. Refuses to know servers, so that a mistake is told
before anything heavy is loaded.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from mock_national_db.numbering import NumberingScheme
from mock_national_db.people import DEFAULT_POPULATION, DEFAULT_SEED

_SHORTEST_TOKEN: Final = 16


class StartError(Exception):
    """The mock cannot start; the message is one line for the operator."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    host: str
    port: int
    unix_socket: Path | None
    """Listen here instead of on host and port."""
    population: int
    seed: int
    numbering: NumberingScheme
    data_dir: Path | None
    token: str
    control_token: str | None
    uvloop: bool


def parse(arguments: Sequence[str] | None) -> Options:
    """Return the options in `arguments`, those of the process by default.

    Raises StartError.
    """
    read = _parser().parse_args(arguments)
    return Options(
        host=read.host,
        port=read.port,
        unix_socket=read.unix_socket,
        population=read.population,
        seed=read.seed,
        numbering=NumberingScheme(read.numbering),
        data_dir=read.data_dir,
        token=_token(read.token_file),
        control_token=None if read.control_token_file is None else _token(read.control_token_file),
        uvloop=not read.no_uvloop,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise StartError(message)


def _parser() -> _Parser:
    parser = _Parser(prog="mock_national_db", description="The mock national population database.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=_port, default=8090, help="port to listen on, 0 for any (default %(default)s)")
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


def _port(text: str) -> int:
    # Checked here because one of the event loops takes 70000 for 4464 without a word.
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("must be from 0 to 65535")
    return port


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
