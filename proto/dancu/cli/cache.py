"""`dancu cache`: what an operator does to the copies of citizens. So far: rotate the key that seals them."""

from __future__ import annotations

import typer

from dancu.cli.audit_source import InstallationOption
from dancu.cli.evidence_files import installation
from dancu.cli.output import LangOption, Language, complain

group = typer.Typer(
    no_args_is_help=False,
    invoke_without_command=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@group.callback()
def _cache(context: typer.Context) -> None:
    """Look after the copies of citizens in Redis."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


@group.command("rotate", short_help="Seal copies under a new key from now on.")
def rotate(*, data_dir: InstallationOption = None, language: LangOption = Language.EN) -> None:
    """Add a key under which copies are sealed; what is sealed under earlier ones stays readable.

    Running processes take it up within a minute. Other machines need a copy of the new file: until they have it, they
    fetch anew what was sealed under it.
    """
    from adapters.secret_files import CACHE_SEAL, SecretMissingError, key_ring

    folder = installation(data_dir)
    try:
        key = key_ring(folder, CACHE_SEAL).rotate()
    except (SecretMissingError, OSError) as error:
        complain(language.of(f"{folder}: no key was added: {error}", f"{folder}: chưa thêm khóa: {error}"))
        raise typer.Exit(1) from None
    path = folder / "secrets" / CACHE_SEAL / f"{key.version}.key"
    typer.echo(
        language.of(
            f"Copies are sealed under version {key.version} within a minute: {path}",
            f"Trong vòng một phút, bản sao sẽ được niêm phong bằng khóa phiên bản {key.version}: {path}",
        )
    )
