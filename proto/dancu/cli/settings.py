"""The settings of the gateway as the command line meets them.

Owns two things: flags become variables of the environment, so that there is one mechanism which child processes
inherit, and mistakes become lines on standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.settings import Settings

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings file; default: $DANCU_CONFIG or dancu.toml.")
]


def put_in_force(variables: Mapping[str, object | None]) -> None:
    """Set the variables of the environment whose value is not None."""
    for name, value in variables.items():
        if value is not None:
            os.environ[name] = str(value)


def settings_in_force(config: Path | None = None) -> Settings:
    """What file and environment say together; where they are wrong, tells every mistake and exits with 1."""
    # pydantic takes a third of a second to import, which commands without settings need not wait for.
    from gateway.settings import SettingsError, load_settings

    try:
        return load_settings(config)
    except SettingsError as error:
        for mistake in error.mistakes:
            sys.stderr.write(f"dancu: {mistake}\n")
        raise typer.Exit(1) from None
