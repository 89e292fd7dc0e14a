"""`dancu account certificate` and `dancu account token`: what opens an account besides its keys."""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from dancu.cli.account_access import NameArgument, ask, full_name, pages
from dancu.cli.administration import AdminKeyOption, AdminTargetOption, administration
from dancu.cli.gateway import DataDirOption
from dancu.cli.output import JsonOption, LangOption, Language, complain, print_card, print_json, print_table

CERTIFICATE_KINDS = ("fingerprint", "uri", "dns")
TOKEN_KINDS = ("subject", "client")
_KIND_OF = {
    "--file": "fingerprint",
    "--fingerprint": "fingerprint",
    "--uri": "uri",
    "--dns": "dns",
    "--subject": "subject",
    "--client-id": "client",
}

FileOption = Annotated[
    Path | None, typer.Option("--file", metavar="PEM", help="This certificate, by its fingerprint.", dir_okay=False)
]
FingerprintOption = Annotated[
    str | None, typer.Option("--fingerprint", metavar="SHA256", help="The certificate of this fingerprint.")
]
UriOption = Annotated[str | None, typer.Option("--uri", metavar="URI", help="Certificates with this URI (SAN).")]
DnsOption = Annotated[str | None, typer.Option("--dns", metavar="NAME", help="Certificates with this DNS name (SAN).")]
SubjectOption = Annotated[str | None, typer.Option("--subject", metavar="SUB", help="Tokens of this subject (sub).")]
ClientOption = Annotated[str | None, typer.Option("--client-id", metavar="ID", help="Tokens of this client.")]
LabelOption = Annotated[str, typer.Option("--label", metavar="TEXT", help="A label, such as the machine.")]
UntilOption = Annotated[
    datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="First day on which it opens nothing, UTC.")
]
AccountOption = Annotated[str, typer.Option("--account", metavar="NAME", help="Only those of this account.")]


def add_certificate(
    name: NameArgument,
    *,
    file: FileOption = None,
    fingerprint: FingerprintOption = None,
    uri: UriOption = None,
    dns: DnsOption = None,
    label: LabelOption = "",
    until: UntilOption = None,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Bind a certificate to an account: exactly this one, or all of the trusted authorities' with a name."""
    named = _certificate(file, fingerprint, uri, dns)
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        made = _add(client, name, named, label=label, until=until)
    _show(made, as_json=as_json)


def list_certificates(
    *,
    account: AccountOption = "",
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """List certificates and names of certificates that open accounts."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        found = _listed(client, account, CERTIFICATE_KINDS)
    _show_all(found, as_json=as_json)


def remove_certificate(
    *,
    file: FileOption = None,
    fingerprint: FingerprintOption = None,
    uri: UriOption = None,
    dns: DnsOption = None,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """End a binding at once: within 2 seconds on every worker, on open connections too."""
    named = _certificate(file, fingerprint, uri, dns)
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        removed = ask(client, "RemoveBinding", **_wire(named)).binding
    _show(removed, as_json=as_json)


def add_token(
    name: NameArgument,
    *,
    subject: SubjectOption = None,
    client_id: ClientOption = None,
    label: LabelOption = "",
    until: UntilOption = None,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Bind the access tokens of a subject, or of a client, to an account."""
    named = _one({"--subject": subject, "--client-id": client_id})
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        made = _add(client, name, named, label=label, until=until)
    _show(made, as_json=as_json)


def list_tokens(
    *,
    account: AccountOption = "",
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """List subjects and clients whose access tokens open accounts."""
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        found = _listed(client, account, TOKEN_KINDS)
    _show_all(found, as_json=as_json)


def remove_token(
    *,
    subject: SubjectOption = None,
    client_id: ClientOption = None,
    target: AdminTargetOption = None,
    key: AdminKeyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """End a binding at once: tokens that were issued before open nothing any more."""
    named = _one({"--subject": subject, "--client-id": client_id})
    with administration(target=target, key=key, data_dir=data_dir, language=language, as_json=as_json) as client:
        removed = ask(client, "RemoveBinding", **_wire(named)).binding
    _show(removed, as_json=as_json)


def fingerprint_of(pem: str) -> str:
    """SHA-256 of the first certificate in a PEM text, in lower-case hexadecimal. Raises `ValueError`."""
    found = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", pem, re.DOTALL)
    if found is None:
        raise ValueError("no certificate in it")
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(found[0])).hexdigest()


def _certificate(file: Path | None, fingerprint: str | None, uri: str | None, dns: str | None) -> tuple[str, str]:
    if file is not None:
        try:
            read: str | None = fingerprint_of(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "not a PEM certificate"
            complain(f"{file}: {why}")
            raise typer.Exit(1) from None
    else:
        read = None
    # As `openssl x509 -fingerprint -sha256` writes it.
    written = None if fingerprint is None else fingerprint.replace(":", "").lower()
    options = {"--file": read, "--fingerprint": written, "--uri": uri, "--dns": dns and dns.lower()}
    return _one(options)


def _one(options: Mapping[str, str | None]) -> tuple[str, str]:
    """Kind and value of the one option that was given."""
    given = [(_KIND_OF[option], value) for option, value in options.items() if value]
    if len(given) != 1:
        raise typer.BadParameter(f"exactly one of {', '.join(options)} is needed")
    return given[0]


def _wire(named: tuple[str, str]) -> dict[str, Any]:
    from dancu.cli.account_toml import BINDING_KINDS

    return {"kind": BINDING_KINDS[named[0]], "value": named[1]}


def _add(client: Any, name: str, named: tuple[str, str], *, label: str, until: datetime | None) -> Any:
    from dancu.account.v1.account_pb2 import Binding

    binding = Binding(account=full_name(client, name), label=label, **_wire(named))
    if until is not None:
        binding.not_after.FromDatetime(until.replace(tzinfo=UTC))
    return ask(client, "AddBinding", binding=binding).binding


def _listed(client: Any, account: str, kinds: tuple[str, ...]) -> list[Any]:
    from dancu.cli.account_toml import BINDING_KINDS

    numbers = {BINDING_KINDS[kind] for kind in kinds}
    name = full_name(client, account) if account else ""
    return [one for one in pages(client, "ListBindings", "bindings", account=name) if one.kind in numbers]


def _show(binding: Any, *, as_json: bool) -> None:
    told = _json(binding)
    if as_json:
        print_json({"binding": told})
    else:
        print_card([("account", binding.account), ("binding", told["name"]), ("status", str(told["status"]))])


def _show_all(bindings: list[Any], *, as_json: bool) -> None:
    rows = [_json(one) for one in bindings]
    if as_json:
        for row in rows:
            print_json(row)
        return
    columns = ("account", "name", "label", "created_at", "not_after", "last_used_at")
    print_table(
        [one.replace("_", " ") for one in columns], [[str(row.get(one, "")) for one in columns] for row in rows]
    )


def _json(binding: Any) -> dict[str, Any]:
    from dancu.cli.account_toml import binding_name
    from dancu.client import message_to_json

    return {"name": binding_name(binding), **message_to_json(binding)}
