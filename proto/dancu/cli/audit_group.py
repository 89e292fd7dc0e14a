"""`dancu audit`: the list of its commands."""

from __future__ import annotations

import typer

from dancu.cli import audit, audit_export, audit_proof, audit_rebuild, audit_verify

group = typer.Typer(
    no_args_is_help=False,
    invoke_without_command=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@group.callback()
def _audit(context: typer.Context) -> None:
    """Read, prove and verify the evidence of every lookup.

    `list`, `disclosures` and `export` read the ledger; `verify` reads the journals; `proof` needs a public key only.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


group.command("verify", short_help="Verify every journal; 1 on any finding.")(audit_verify.verify)
group.command("list", short_help="List audit records.")(audit.list_records)
group.command("disclosures", short_help="List who was told something of a citizen.")(audit.disclosures)
group.command("proof", short_help="Prove that a receipt's record is in its journal.")(audit_proof.proof)
group.command("export", short_help="Write records to a CSV or Parquet file.")(audit_export.export)
group.command("rebuild", short_help="Fold the ledger from the journals again.")(audit_rebuild.rebuild)
