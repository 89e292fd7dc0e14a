"""`dancu up`, `worker`, `control`, `mock`: the processes of an installation.

Owns their flags. What the processes do is theirs; each is imported when it is started.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dancu.cli.output import complain
from dancu.cli.settings import ConfigOption, put_in_force, settings_in_force


def up(
    *,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Journals, ledger, secrets and logs; default: data.")
    ] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="Worker processes; default: 2.")] = None,
    population: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="People in the mock; default: 100000000.")
    ] = None,
    no_mock: Annotated[bool, typer.Option("--no-mock", help="Do not run the mock national database.")] = False,
    grpc_port: Annotated[int | None, typer.Option(metavar="P", min=0, max=65535, help="Default: 50051.")] = None,
    admin_port: Annotated[int | None, typer.Option(metavar="P", min=0, max=65535, help="Default: 50052.")] = None,
    http_port: Annotated[int | None, typer.Option(metavar="P", min=0, max=65535, help="Default: 8080.")] = None,
    mock_port: Annotated[int | None, typer.Option(metavar="P", min=0, max=65535, help="Default: 8090.")] = None,
    config: ConfigOption = None,
) -> None:
    """Run everything on this machine: workers, control, cache and, unless told otherwise, the mock.

    The first start makes demo accounts and writes their keys to DIR/demo.env. Port 0 takes a free one. Ctrl-C stops.
    """
    put_in_force(
        {
            "DANCU_DATA_DIR": data_dir,
            "DANCU_WORKERS__COUNT": workers,
            "DANCU_MOCK__POPULATION": population,
            "DANCU_MOCK__ENABLED": "false" if no_mock else None,
            "DANCU_GRPC__PORT": grpc_port,
            "DANCU_ADMIN__PORT": admin_port,
            "DANCU_HTTP__PORT": http_port,
            "DANCU_MOCK__PORT": mock_port,
            "DANCU_CONFIG": config,
        }
    )
    settings = settings_in_force()
    from adapters.processes import supervisor

    raise typer.Exit(supervisor.up(settings))


def worker(
    *,
    slot: Annotated[
        int, typer.Option(metavar="K", min=0, max=255, help="Which worker of this machine: 0, 1, …; names its journal.")
    ],
    config: ConfigOption = None,
) -> None:
    """Run one worker process; `dancu up` or systemd starts it."""
    put_in_force({"DANCU_CONFIG": config})
    settings_in_force()
    from adapters.processes.worker import main

    raise typer.Exit(main(slot))


def control(*, config: ConfigOption = None) -> None:
    """Run the control process of this machine; `dancu up` or systemd starts it."""
    put_in_force({"DANCU_CONFIG": config})
    settings_in_force()
    from adapters.processes.control import main

    raise typer.Exit(main())


def mock(
    *,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Token and run-time changes; default: data.")
    ] = None,
    port: Annotated[int | None, typer.Option(metavar="P", min=0, max=65535, help="Default: 8090.")] = None,
    population: Annotated[int | None, typer.Option(metavar="N", min=1, help="People; default: 100000000.")] = None,
    config: ConfigOption = None,
) -> None:
    """Run the mock national database alone.

    Its bearer token is that of `national_db.token_file`, or one made in DIR/secrets/mock-token.
    """
    put_in_force(
        {
            "DANCU_DATA_DIR": data_dir,
            "DANCU_MOCK__PORT": port,
            "DANCU_MOCK__POPULATION": population,
            "DANCU_CONFIG": config,
        }
    )
    settings = settings_in_force()
    from adapters.installation import ensure_mock_token
    from mock_national_db.__main__ import main

    of_the_mock = settings.mock
    try:
        token_file = settings.national_db.token_file or ensure_mock_token(settings)
        changes = settings.data_dir / "mock"
        changes.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}")
        raise typer.Exit(1) from None
    code = main(
        [
            *("--host", of_the_mock.host),
            *("--port", str(of_the_mock.port)),
            *("--population", str(of_the_mock.population)),
            *("--seed", str(of_the_mock.seed)),
            *("--numbering", of_the_mock.numbering),
            *("--data-dir", str(changes)),
            *("--token-file", str(token_file)),
        ]
    )
    raise typer.Exit(code)
