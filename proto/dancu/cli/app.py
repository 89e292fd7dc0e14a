"""The list of commands. Owns their names and order; a further group is one import and its lines here."""

from __future__ import annotations

from typing import Annotated

import typer

from dancu.cli import configuration, lookup, processes, sample

app = typer.Typer(
    name="dancu",
    help="Gateway to the national population database: lookups over gRPC, each one authenticated, limited and recorded.",
    no_args_is_help=True,
    add_completion=False,
    # Plain help and plain mistakes: the same on a terminal, in a log and in a pipe, and without loading rich.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(wanted: bool) -> None:  # noqa: FBT001  typer calls it so
    if wanted:
        from importlib.metadata import version  # reads files; only who asks pays

        typer.echo(f"dancu {version('dancu')}")
        raise typer.Exit


@app.callback()
def _dancu(
    *,
    version: Annotated[  # noqa: ARG001  its callback does the work
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Exit codes: 0 done, 1 refused or failed, 2 usage."""


app.command("up")(processes.up)
app.command("lookup")(lookup.lookup)
app.command("sample")(sample.sample)
app.command("check-config")(configuration.check_config)
app.command("worker")(processes.worker)
app.command("control")(processes.control)
app.command("mock")(processes.mock)
