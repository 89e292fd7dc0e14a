"""`dancu account export` and `apply`: the whole tree in one file, the difference shown before anything changes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dancu.cli.account_access import ask
from dancu.cli.administration import AdminKeyOption, AdminTargetOption, administration
from dancu.cli.gateway import DataDirOption
from dancu.cli.output import JsonOption, LangOption, Language, clean, complain, print_json


def export(
    *,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    language: LangOption = Language.EN,
) -> None:
    """Print all organisations, accounts and officers as TOML; holds no secret."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=False) as client:
        from dancu.cli.account_toml import to_toml

        sys.stdout.write(to_toml(ask(client, "ExportTree").tree))


def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The tree as `export` prints it.", dir_okay=False)],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Change without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
    suspend_missing: Annotated[
        bool, typer.Option("--suspend-missing", help="Suspend what the file does not name; nothing is ever deleted.")
    ] = False,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Bring organisations, accounts and officers to what the file states; shows the difference first."""
    tree = _read(file)
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        wanted = {"tree": tree, "suspend_missing": suspend_missing}
        proposed = ask(client, "ApplyTree", validate_only=True, **wanted)
        _show(proposed, as_json=as_json and (dry_run or not proposed.changes))
        if dry_run or not proposed.changes:
            return
        if not yes:
            question = language.of(
                f"Make {len(proposed.changes)} changes?", f"Thực hiện {len(proposed.changes)} thay đổi?"
            )
            typer.confirm(question, abort=True, err=True)
        # The version shows that nobody changed anything since the difference was shown.
        done = ask(client, "ApplyTree", expected_version=proposed.version, **wanted)
        if as_json:
            _show(done, as_json=True)
        else:
            sys.stdout.write(language.of("done\n", "xong\n"))


def _read(file: Path) -> Any:
    from dancu.cli.account_toml import TreeFileError, from_toml  # loads protobuf

    try:
        return from_toml(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        complain(f"{file}: {error.strerror if isinstance(error, OSError) else 'not text'}")
    except TreeFileError as error:
        complain(f"{file} states no tree of accounts", details=error.mistakes)
    raise typer.Exit(1)


def _show(told: Any, *, as_json: bool) -> None:
    if as_json:
        changes = [{"subject": one.subject, "action": one.action, "details": list(one.details)} for one in told.changes]
        print_json({"changes": changes, "version": told.version})
        return
    out = sys.stderr if not sys.stdout.isatty() else sys.stdout
    for one in told.changes:
        out.write(clean(f"{one.action:<8}{one.subject}") + "\n")
        for detail in one.details:
            out.write(clean(f"          {detail}") + "\n")
    if not told.changes:
        sys.stdout.write("no change\n")
