"""How a command reaches a gateway, and how it tells that it was refused.

Owns the order in which target and key are found: flags, then the `demo.env` of an installation that was named, then
the environment, then the `demo.env` of the installation in `data`. Every command that asks a gateway uses it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dancu.cli.output import Language, complain, print_json, wait_text

if TYPE_CHECKING:
    from dancu.client import Client, Refused

DEFAULT_DATA_DIR = Path("data")
_ENV_FILE = "demo.env"

_WAYS_IN = (
    frozenset({"DANCU_API_KEY", "DANCU_TOKEN", "DANCU_TLS_CERT", "DANCU_TLS_KEY"}),
    frozenset({"DANCU_ADMIN_KEY", "DANCU_ADMIN_TLS_CERT", "DANCU_ADMIN_TLS_KEY"}),
)

TargetOption = Annotated[
    str | None,
    typer.Option("--target", metavar="HOST:PORT", help="Gateway; default: $DANCU_TARGET or 127.0.0.1:50051."),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key", metavar="KEY", help="Key of the account; better in $DANCU_API_KEY, where no other user sees it."
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="DIR", help="Installation of `dancu up` whose demo.env says where and who; default: data."
    ),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.001, max=3600, help="Longest wait for the answer.")
]


def environment(data_dir: Path | None, process: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment together with `demo.env`.

    A directory that was named wins over the environment, since it is the nearer instruction; the one that merely
    lies here fills in what the environment leaves open. A certificate, which no such file names, sets its keys aside.
    Where the named file cannot be read, says so and exits with 1.
    """
    told = {name: value for name, value in (os.environ if process is None else process).items() if value}
    if data_dir is not None:
        return _over(told, _without_keys_beside_certificates(_read_named(data_dir), told))
    default = Path(told.get("DANCU_DATA_DIR", DEFAULT_DATA_DIR)) / _ENV_FILE
    return _over(read_env_file(default) if os.access(default, os.R_OK) else {}, told)


def _over(lower: dict[str, str], upper: dict[str, str]) -> dict[str, str]:
    """`upper` laid over `lower`. Who names one way of being known means it alone, not one more beside it."""
    for ways in _WAYS_IN:
        if not ways.isdisjoint(upper):
            lower = {name: value for name, value in lower.items() if name not in ways}
    return lower | upper


def _without_keys_beside_certificates(named: dict[str, str], told: Mapping[str, str]) -> dict[str, str]:
    for ways in _WAYS_IN:
        if any(name in told for name in ways if name.endswith("_TLS_CERT")):
            named = {name: value for name, value in named.items() if name not in ways}
    return named


def _read_named(data_dir: Path) -> dict[str, str]:
    path = data_dir / _ENV_FILE
    try:
        return read_env_file(path)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        complain(f"{path}: {why}; the first `dancu up --data-dir {data_dir}` makes this file")
        raise typer.Exit(1) from None


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=value` lines as a shell would take them: comments, `export` and quotes around a value are understood."""
    values = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or name.startswith("#"):
            continue
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        values[name.strip()] = value
    return values


@contextmanager
def gateway(
    *,
    target: str | None,
    key: str | None,
    data_dir: Path | None,
    timeout_seconds: float,
    language: Language,
    as_json: bool,
    told: Mapping[str, str] | None = None,
    wait_for_limits: bool = False,
) -> Iterator[Client]:
    """A client for the block; a refusal in it is told in the chosen way and ends the command with 1.

    `told` stands for the environment where a command means another than `environment(data_dir)`.
    `wait_for_limits`: whether it waits until a limit admits the call, within the time-out.
    """
    # gRPC takes a fifth of a second to import, and its own log lines are no message to a person.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from dancu.client import Client, ConfigurationError, Refused, RetryPolicy

    # Whoever waits for limits waits as often as the time-out allows.
    retry = RetryPolicy(wait_for_limits=True, max_attempts=1000) if wait_for_limits else None
    try:
        known = environment(data_dir) if told is None else told
        client = Client(target=target, key=key, timeout_seconds=timeout_seconds, retry=retry, environment=known)
    except ConfigurationError as error:
        complain(str(error))
        raise typer.Exit(1) from None
    with client:
        try:
            yield client
        except Refused as refused:
            tell(refused, client=client, language=language, as_json=as_json)
            raise typer.Exit(1) from None


def tell(refused: Refused, *, client: Client, language: Language, as_json: bool) -> None:
    """Tell a refusal: an object on standard output, or lines on standard error that a person can act on."""
    text = message(refused, client=client, language=language)
    if as_json:
        print_json({"error": error_to_json(refused, text)})
        return
    facts = [refused.reason]
    if refused.retry_after is not None:
        wait = wait_text(refused.retry_after, language)
        facts.append(language.of(f"retry in {wait}", f"gọi lại sau {wait}"))
    if refused.request_id:
        facts.append(language.of(f"request {refused.request_id}", f"mã yêu cầu {refused.request_id}"))
    details = [f"{one.field}: {language.of(one.description, one.description_vi)}" for one in refused.violations]
    details += [f"{one.subject}: {one.description}" for one in refused.quota]
    details += [f"{name}: {value}" for name, value in refused.metadata.items()]
    complain(f"{text} ({'; '.join(facts)})", details=details)


def error_to_json(refused: Refused, text: str) -> dict[str, object]:
    """The refusal for scripts."""
    retry_after = refused.retry_after
    return {
        "reason": refused.reason,
        "code": refused.code.name,
        "message": text,
        "violations": [{"field": one.field, "description": one.description} for one in refused.violations],
        "retry_after_seconds": None if retry_after is None else retry_after.total_seconds(),
        "request_id": refused.request_id,
        "metadata": dict(refused.metadata),
    }


def message(refused: Refused, *, client: Client, language: Language) -> str:
    """What happened and what to do: the gateway's own words, or ours where none answered."""
    from dancu.client import DeadlineExceeded, Unreachable

    if isinstance(refused, Unreachable):
        return _unreachable(refused, client=client, language=language)
    if isinstance(refused, DeadlineExceeded) and not refused.message_vi:
        return language.of(
            f"No answer from the gateway at {client.target} in time; try again, or allow more with --timeout.",
            f"Cổng tại {client.target} không trả lời kịp; hãy thử lại hoặc tăng --timeout.",
        )
    text = language.of(refused.message, refused.message_vi) or refused.code.name
    if refused.reason == "KEY_MISSING" and not client.connection.shows_something:
        text = language.of(
            "No key: set DANCU_API_KEY (or DANCU_TOKEN, or DANCU_TLS_CERT and DANCU_TLS_KEY), or name an installation "
            "of `dancu up` with --data-dir.",
            "Chưa có khóa: hãy đặt DANCU_API_KEY (hoặc DANCU_TOKEN, hoặc DANCU_TLS_CERT và DANCU_TLS_KEY), hoặc chỉ ra "
            "thư mục của `dancu up` bằng --data-dir.",
        )
    return text


def _unreachable(refused: Refused, *, client: Client, language: Language) -> str:
    target = client.target
    cause = nearest_cause(refused.message)
    if client.connection.tls is not None:
        return language.of(
            f"Cannot reach the gateway at {target} over TLS ({cause}); check the address and DANCU_TLS_CA, or set "
            "DANCU_TLS=off where the network itself is protected.",
            f"Không kết nối TLS được tới cổng tại {target} ({cause}); hãy kiểm tra địa chỉ và DANCU_TLS_CA, hoặc đặt "
            "DANCU_TLS=off nếu mạng đã được bảo vệ.",
        )
    return language.of(
        f"Cannot reach the gateway at {target} ({cause}); start one with `dancu up`, or name another with --target or "
        "DANCU_TARGET.",
        f"Không kết nối được tới cổng tại {target} ({cause}); hãy khởi động bằng `dancu up`, hoặc chỉ ra cổng khác "
        "bằng --target hay DANCU_TARGET.",
    )


def nearest_cause(details: str) -> str:
    """The last link of gRPC's chain of causes, for example "Connection refused"."""
    return details.rpartition(": ")[2].strip(" .)") or "no details"
