"""`dancu check-config`: are the settings right, and what do they say? Secrets are never shown."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dancu.cli.settings import settings_in_force

_MASK = "****"
_PASSWORD_IN_URL = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^/@\s]*?:).*(?P<after>@)", re.IGNORECASE)
_SECRET_IN_QUERY = re.compile(r"(?P<before>[?&][^=&]*(?:password|secret|token|key)[^=&]*=)[^&]*", re.IGNORECASE)


def check_config(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Default: $DANCU_CONFIG or dancu.toml.", show_default=False)
    ] = None,
    *,
    show: Annotated[
        bool, typer.Option("--show", help="Print the settings in force as TOML, passwords masked.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as one JSON object.")] = False,
) -> None:
    """Check the settings: prints `ok`, or every mistake and exits with 1.

    The environment (DANCU_SECTION__KEY) counts as well, since it wins over the file.
    """
    told = masked(settings_in_force(file).model_dump(mode="json"))
    if as_json:
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        return
    if show:
        sys.stderr.write("ok\n")  # beside the settings, so that standard output is a file of settings
        sys.stdout.write(toml(told))
    else:
        sys.stdout.write("ok\n")


def masked(value: Any) -> Any:
    """The same value without passwords in addresses."""
    if isinstance(value, dict):
        return {key: masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    if isinstance(value, str):
        return _SECRET_IN_QUERY.sub(rf"\g<before>{_MASK}", _PASSWORD_IN_URL.sub(rf"\g<before>{_MASK}\g<after>", value))
    return value


def toml(table: dict[str, Any], path: str = "") -> str:
    """The table as TOML; what is None is left out, since TOML has no such thing."""
    values = [f"{key} = {_toml_value(value)}" for key, value in table.items() if not _is_left_out(value)]
    text = "".join(f"{line}\n" for line in ([f"[{path}]"] if path and values else []) + values)
    for key, value in table.items():
        if isinstance(value, dict):
            text += "\n" + toml(value, f"{path}.{key}" if path else key)
    return text


def _is_left_out(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _toml_value(value: Any) -> str:
    # A TOML string, number, boolean or array of them reads as JSON writes it.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
