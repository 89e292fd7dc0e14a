"""Where audit commands read: the admin port of a running installation, or the ledger of a stopped one.

Owns that choice, and how a list is read page by page. `--data-dir` names an installation. While its `dancu up` runs,
its demo.env says where the admin port is and which key opens it; once it has stopped, its ledger is opened read-only,
which asks for no key: whoever may read those files may read the records. `--target` always means a running gateway.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, Unpack

import typer

from dancu.cli.administration import administration
from dancu.cli.evidence_files import installation
from dancu.cli.output import Language
from dancu.cli.report_organisations import all_provinces, organisation

if TYPE_CHECKING:
    from dancu.audit.v1.audit_service_pb2 import (
        GetStatisticsResponse,
        ListAuditRecordsResponse,
        ListDisclosuresResponse,
        ListedRecord,
    )
    from dancu.cli.report_numbers import Organisation
    from dancu.client import Client
    from dancu.client.audit_calls import CountFilter, DisclosureFilter, RecordFilter

PAGE_RECORDS = 1000
_ORGANISATIONS_PER_PAGE = 500
_LIST_ORGANISATIONS = "dancu.account.v1.AccountService/ListOrganisations"
# Of `dancu up`, and of a control process on its own.
_LOCKS = ("dancu.lock", "control.lock")

InstallationOption = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Installation of `dancu up`, running or stopped; default: data."),
]


class AuditSource(Protocol):
    """What answers. Raises `dancu.client.Refused` where it does not."""

    def list_audit_records(self, **asked: Unpack[RecordFilter]) -> ListAuditRecordsResponse:
        """One page of records, the latest first."""

    def list_disclosures(self, personal_number: str, **asked: Unpack[DisclosureFilter]) -> ListDisclosuresResponse:
        """One page of disclosures, the latest first."""

    def get_statistics(self, **asked: Unpack[CountFilter]) -> GetStatisticsResponse:
        """Counts by period and dimension."""

    def organisations(self) -> Sequence[Organisation]:
        """Who may be connected, as far as is known."""


class RunningGateway:
    """The admin port of a running gateway."""

    def __init__(self, client: Client) -> None:
        """`client` speaks to the admin port with an administrator's key."""
        self._client = client

    def list_audit_records(self, **asked: Unpack[RecordFilter]) -> ListAuditRecordsResponse:
        """See `AuditSource`."""
        return self._client.list_audit_records(**asked)

    def list_disclosures(self, personal_number: str, **asked: Unpack[DisclosureFilter]) -> ListDisclosuresResponse:
        """See `AuditSource`."""
        return self._client.list_disclosures(personal_number, **asked)

    def get_statistics(self, **asked: Unpack[CountFilter]) -> GetStatisticsResponse:
        """See `AuditSource`."""
        return self._client.get_statistics(**asked)

    def organisations(self) -> Sequence[Organisation]:
        """See `AuditSource`; where accounts are not listed to this key, the provinces alone."""
        import grpc

        from dancu.account.v1.account_pb2 import OrganisationKind
        from dancu.account.v1.account_service_pb2 import ListOrganisationsRequest, ListOrganisationsResponse
        from dancu.client import Refused
        from dancu.client.message_json import enum_text

        found: list[Organisation] = []
        request = ListOrganisationsRequest(page_size=_ORGANISATIONS_PER_PAGE)
        while True:
            try:
                page = self._client.call(_LIST_ORGANISATIONS, request, ListOrganisationsResponse).message
            except Refused as refused:
                if refused.code in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED}:
                    return all_provinces()
                raise
            kinds = OrganisationKind.DESCRIPTOR
            found += [organisation(one.code, one.name, enum_text(kinds, one.kind)) for one in page.organisations]
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token


@contextmanager
def audit_source(
    *,
    target: str | None,
    key: str | None,
    data_dir: Path | None,
    timeout_seconds: float,
    language: Language,
    as_json: bool,
) -> Iterator[AuditSource]:
    """A source for the block; a refusal in it is told in the chosen way and ends the command with 1."""
    folder = installation(data_dir)
    if target is None and (data_dir is not None or "DANCU_ADMIN_TARGET" not in os.environ) and is_stopped(folder):
        from dancu.cli.audit_offline import stopped_ledger

        with stopped_ledger(folder, language=language) as ledger:
            yield ledger
        return
    with administration(
        target=target,
        key=key,
        data_dir=data_dir,
        timeout_seconds=timeout_seconds,
        language=language,
        as_json=as_json,
    ) as client:
        yield RunningGateway(client)


def is_stopped(data_dir: Path) -> bool:
    """Whether an installation worked in the directory and does so no more: locks are there, and nobody holds one."""
    held = [_is_held(path) for path in (data_dir / name for name in _LOCKS) if os.access(path, os.R_OK)]
    return bool(held) and not any(held)


def _is_held(path: Path) -> bool:
    lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def record_pages(source: AuditSource, asked: RecordFilter, *, limit: int | None) -> Iterator[Sequence[ListedRecord]]:
    """The matching records page by page, the latest first; at most `limit` of them, None meaning all."""

    def fetch(size: int, token: str) -> tuple[Sequence[ListedRecord], str]:
        page: RecordFilter = {**asked, "page_size": size, "page_token": token}
        answer = source.list_audit_records(**page)
        return answer.records, answer.next_page_token

    return _pages(fetch, limit)


def disclosure_pages(
    source: AuditSource, personal_number: str, asked: DisclosureFilter, *, limit: int | None
) -> Iterator[Sequence[ListedRecord]]:
    """The disclosures page by page, the latest first; at most `limit` of them, None meaning all."""

    def fetch(size: int, token: str) -> tuple[Sequence[ListedRecord], str]:
        page: DisclosureFilter = {**asked, "page_size": size, "page_token": token}
        answer = source.list_disclosures(personal_number, **page)
        return answer.disclosures, answer.next_page_token

    return _pages(fetch, limit)


def _pages(
    fetch: Callable[[int, str], tuple[Sequence[ListedRecord], str]], limit: int | None
) -> Iterator[Sequence[ListedRecord]]:
    left, token = limit, ""
    while True:
        size = PAGE_RECORDS if left is None else min(left, PAGE_RECORDS)
        found, token = fetch(size, token)
        if found:
            yield found
        if left is not None:
            left -= len(found)
        if not token or left == 0:
            return
