"""The list of `dancu account` commands."""

from __future__ import annotations

import typer

from dancu.cli import (
    account,
    account_bindings,
    account_file,
    account_officers,
    account_organisations,
    account_requests,
    account_update,
)

group = typer.Typer(no_args_is_help=True, help="Manage organisations, accounts, officers and keys.")
group.command("create", short_help="Create an account and show its key, once.")(account.create)
group.command("update", short_help="Change rights and limits of an account.")(account_update.update)
group.command("list", short_help="List accounts.")(account.list_accounts)
group.command("show", short_help="Show one account with its keys and officers.")(account.show)
group.command("suspend", short_help="Refuse all calls of an account.")(account.suspend)
group.command("resume", short_help="End the suspension of an account.")(account.resume)
group.command("rotate", short_help="Issue the next key; the old one ends after a grace.")(account.rotate)
group.command("revoke", short_help="End the keys of an account at once.")(account.revoke)
group.command("explain", short_help="Say which rule decides about a call.")(account.explain)
group.command("export", short_help="Print the whole tree as TOML.")(account_file.export)
group.command("apply", short_help="Bring the tree to what a file states.")(account_file.apply)

organisations = typer.Typer(no_args_is_help=True, help="Ministries, provinces and others that have accounts.")
organisations.command("list", short_help="List organisations.")(account_organisations.list_organisations)
organisations.command("create", short_help="Create an organisation.")(account_organisations.create)
organisations.command("update", short_help="Change name, kind and limits.")(account_organisations.update)
organisations.command("suspend", short_help="Refuse all calls of its accounts.")(account_organisations.suspend)
organisations.command("resume", short_help="End the suspension.")(account_organisations.resume)
group.add_typer(organisations, name="organisation", short_help="Organisations that have accounts.")

officers = typer.Typer(no_args_is_help=True, help="Officers, who ask in the name of an account.")
officers.command("list", short_help="List officers.")(account_officers.list_officers)
officers.command("add", short_help="Register an officer with an account.")(account_officers.add)
officers.command("update", short_help="Change label, last day and limits.")(account_officers.update)
officers.command("suspend", short_help="Refuse all questions of an officer.")(account_officers.suspend)
officers.command("resume", short_help="End the suspension.")(account_officers.resume)
group.add_typer(officers, name="officer", short_help="Officers of an account.")

certificates = typer.Typer(no_args_is_help=True, help="Certificates that open an account on the mutual-TLS port.")
certificates.command("add", short_help="Bind a certificate, or a name in certificates.")(
    account_bindings.add_certificate
)
certificates.command("list", short_help="List certificates and names bound.")(account_bindings.list_certificates)
certificates.command("remove", short_help="End a binding at once.")(account_bindings.remove_certificate)
group.add_typer(certificates, name="certificate", short_help="Certificates that open an account.")

tokens = typer.Typer(no_args_is_help=True, help="Subjects and clients of access tokens that open an account.")
tokens.command("add", short_help="Bind the subject or client of access tokens.")(account_bindings.add_token)
tokens.command("list", short_help="List subjects and clients bound.")(account_bindings.list_tokens)
tokens.command("remove", short_help="End a binding at once.")(account_bindings.remove_token)
group.add_typer(tokens, name="token", short_help="Access tokens that open an account.")

requests = typer.Typer(no_args_is_help=True, help="Requests of organisations for further accounts.")
requests.command("list", short_help="List requests.")(account_requests.list_requests)
requests.command("approve", short_help="Create the account asked for.")(account_requests.approve)
requests.command("reject", short_help="Reject a request with a reason.")(account_requests.reject)
requests.command("ask", short_help="Ask for an account of your organisation.")(account_requests.ask)
requests.command("show", short_help="Show a request of your organisation.")(account_requests.show)
group.add_typer(requests, name="requests", short_help="Requests for further accounts.")
