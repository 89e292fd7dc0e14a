"""`dancu audit rebuild`: drop the ledger's copy of the records and fold it from the journals again.

Owns what is told of it; how it is done, beside a running control process or without one, is `adapters.ledger.rebuild`.
"""

from __future__ import annotations

import logging

import typer

from dancu.cli.audit_source import InstallationOption
from dancu.cli.evidence_files import installation
from dancu.cli.output import LangOption, Language, complain
from dancu.cli.progress import progress
from dancu.cli.report_tables import number
from dancu.cli.settings import ConfigOption, put_in_force, settings_in_force


def rebuild(
    *, data_dir: InstallationOption = None, config: ConfigOption = None, language: LangOption = Language.EN
) -> None:
    """Count everything anew: empty the ledger and take all journals in again.

    Until it ends, lists and statistics show a part only. The journals are not touched, and nothing is dropped where
    they do not hold everything that the ledger has.
    """
    folder = installation(data_dir)
    put_in_force({"DANCU_DATA_DIR": folder, "DANCU_CONFIG": config})
    settings = settings_in_force()
    if not folder.is_dir():
        complain(language.of(f"{folder}: no installation is there", f"{folder}: không có cài đặt nào"))
        raise typer.Exit(1)
    import structlog

    from adapters.ledger import rebuild as ledger
    from adapters.ledger.store import LedgerStoreError

    # What the ingest would log is told here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        with progress(language.of("records", "bản ghi")) as tick:
            records = ledger.rebuild(settings, progress=lambda done, _total: tick(done))
    except ledger.RebuildRefusedError as error:
        complain(
            language.of(
                f"nothing was dropped: {error}; see `dancu audit verify`",
                f"chưa xóa gì: {error}; xem `dancu audit verify`",
            )
        )
        raise typer.Exit(1) from None
    except (LedgerStoreError, OSError) as error:
        complain(f"{folder}: {error}")
        raise typer.Exit(1) from None
    taken = number(records, language)
    typer.echo(language.of(f"{taken} records were taken in anew.", f"Đã nạp lại {taken} bản ghi."))
