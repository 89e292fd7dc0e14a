"""The list of commands. Owns their names and order; a further group is one import and its lines here."""

from __future__ import annotations

from typing import Annotated

import typer

from dancu.cli import (
    account_group,
    audit_group,
    bulk,
    cache,
    configuration,
    household,
    lookup,
    processes,
    registry,
    report,
    sample,
    verify,
)

app = typer.Typer(
    name="dancu",
    invoke_without_command=True,
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
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001  its callback does the work
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Gateway to the national population database: every lookup authenticated, limited and recorded.

    Exit codes: 0 done, 1 refused or failed, 2 usage.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


app.command("up", short_help="Run everything on this machine.")(processes.up)
app.command("lookup", short_help="Look up one citizen.")(lookup.lookup)
app.command("verify", short_help="Have claims about one citizen compared.")(verify.verify)
app.command("household", short_help="Look up the household of one citizen.")(household.household)
app.command("bulk", short_help="Look up the citizens of a file.")(bulk.bulk)
app.command("registry", short_help="Look up what a specialised registry holds.")(registry.registry)
app.command("sample", short_help="Print people of the mock national database.")(sample.sample)
app.command("check-config", short_help="Check the settings, or print them.")(configuration.check_config)
app.command("worker", short_help="Run one worker process.")(processes.worker)
app.command("control", short_help="Run the control process of this machine.")(processes.control)
app.command("mock", short_help="Run the mock national database alone.")(processes.mock)
app.add_typer(audit_group.group, name="audit", short_help="Read, prove and verify the evidence.")
app.command("report", short_help="Print the national report.")(report.report)
app.add_typer(account_group.group, name="account", short_help="Manage who may ask what.")
app.add_typer(cache.group, name="cache", short_help="Look after the copies of citizens.")
