"""`dancu audit verify`: is the evidence what was written? On files alone, of a running or a stopped installation.

Owns what is said of a verification; the verification itself is `adapters.journal.verify`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dancu.cli.audit_source import InstallationOption
from dancu.cli.evidence_files import installation, journals_of, ledger_of, public_keys_of
from dancu.cli.output import JsonOption, LangOption, Language, clean, complain, print_json
from dancu.cli.progress import progress
from dancu.cli.report_tables import number

if TYPE_CHECKING:
    from adapters.journal.findings import Finding, JournalTotals, Progress, Verification

_MEBIBYTE = 1 << 20


def verify(
    *,
    data_dir: InstallationOption = None,
    witness: Annotated[
        Path | None,
        typer.Option(
            "--witness",
            metavar="DIR",
            help="Copies of signed checkpoints kept elsewhere (audit.witness_dir); finds a journal rolled back.",
        ),
    ] = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Verify every journal: recompute its tree, compare every signed checkpoint, name what does not fit.

    Exits with 1 on any finding. A journal that the ledger or the witness knows and that is gone is one; who removes
    journal and ledger together is found by the witness only. Public keys are taken from the witness where it has some,
    since whoever could rewrite the journals could also replace the keys beside them.
    """
    folder = installation(data_dir)
    journals = journals_of(folder)
    try:
        outcome = _verified(folder, journals, witness, language)
    except OSError as error:
        complain(f"{error.filename or journals}: {error.strerror or error}")
        raise typer.Exit(1) from None
    if not outcome.journals and not outcome.findings:
        complain(language.of(f"{journals}: no journal is there", f"{journals}: không có nhật ký nào"))
        raise typer.Exit(1)
    if as_json:
        _print_json(outcome)
    else:
        _print(outcome, language)
    if not outcome.sound:
        raise typer.Exit(1)


def _verified(folder: Path, journals: Path, witness: Path | None, language: Language) -> Verification:
    from adapters.journal.verify import known_verifiers
    from adapters.journal.verify import verify as verify_journals
    from adapters.ledger.ingested import ingested_of
    from gateway.audit.notes import KeyFormatError

    try:
        verifiers = known_verifiers(public_keys_of(folder), witness)
    except KeyFormatError as error:
        complain(language.of(f"a public key is damaged: {error}", f"một khóa công khai bị hỏng: {error}"))
        raise typer.Exit(1) from None
    # Before the journals are read: what it holds is among what is read then.
    ingested = ingested_of(ledger_of(folder))
    with progress("MiB", total=_bytes_in(journals) // _MEBIBYTE) as tick:
        before, origin, of_origin = 0, "", 0

        def show(done: Progress) -> None:
            nonlocal before, origin, of_origin
            if done.origin != origin:
                before, origin, of_origin = before + of_origin, done.origin, done.bytes_total
            tick((before + done.bytes_done) // _MEBIBYTE)

        return verify_journals(journals, verifiers=verifiers, witness=witness, ingested=ingested, progress=show)


def _bytes_in(journals: Path) -> int:
    return sum(path.stat().st_size for path in journals.glob("*/*.segment*"))


def _print(outcome: Verification, language: Language) -> None:
    of = language.of
    for journal in outcome.journals:
        records, signed = number(journal.records, language), number(journal.signed_records, language)
        checkpoints, segments = number(journal.checkpoints, language), number(journal.segments, language)
        typer.echo(
            of(
                f"{journal.origin}: {records} records in {segments} segments; {checkpoints} signed checkpoints "
                f"compared, the last for {signed} records",
                f"{journal.origin}: {records} bản ghi trong {segments} tệp; đã đối chiếu {checkpoints} điểm kiểm tra "
                f"đã ký, điểm cuối cho {signed} bản ghi",
            )
        )
    for finding in outcome.findings:
        where = [finding.origin]
        if finding.file is not None:
            where.append(finding.file)
        if finding.index is not None:
            where.append(of(f"record {finding.index}", f"bản ghi {finding.index}"))
        typer.echo(clean(f"{of('FINDING', 'PHÁT HIỆN')} {finding.kind.value}: {', '.join(where)}: {finding.message}"))
    unsigned = [journal.origin for journal in outcome.journals if journal.records and not journal.checkpoints]
    if unsigned:
        names = ", ".join(unsigned)
        typer.echo(
            of(
                f"No signed checkpoint covers {names} yet: there only damage would be found, not rewriting.",
                f"Chưa có điểm kiểm tra đã ký cho {names}: tại đó chỉ phát hiện được hư hỏng, không phát hiện ghi lại.",
            )
        )
    if outcome.sound:
        typer.echo(
            of("Nothing found: the evidence is as it was written.", "Không phát hiện gì: bằng chứng nguyên vẹn.")
        )
    else:
        count = number(len(outcome.findings), language)
        typer.echo(
            of(
                f"{count} findings: the evidence is not to be trusted as it lies there.",
                f"{count} phát hiện: không thể tin cậy bằng chứng như hiện có.",
            )
        )


def _print_json(outcome: Verification) -> None:
    """One object for each journal; what concerns a journal that is not there gets an object of its own."""
    origins = {journal.origin for journal in outcome.journals}
    for journal in outcome.journals:
        found = [finding for finding in outcome.findings if finding.origin == journal.origin]
        print_json({**_totals(journal), "sound": not found, "findings": [_finding(one) for one in found]})
    for finding in outcome.findings:
        if finding.origin not in origins:
            print_json({"origin": finding.origin, "records": 0, "sound": False, "findings": [_finding(finding)]})


def _totals(journal: JournalTotals) -> dict[str, Any]:
    return {
        "origin": journal.origin,
        "first_index": journal.first_index,
        "records": journal.records,
        "size": journal.first_index + journal.records,
        "signed_records": journal.signed_records,
        "segments": journal.segments,
        "checkpoints": journal.checkpoints,
        "unsettled_bytes": journal.unsettled_bytes,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind.value,
        "index": finding.index,
        "file": finding.file,
        "message": finding.message,
    }
