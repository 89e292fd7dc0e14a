"""`dancu sample`: people who exist in the mock national database, to try the gateway with.

Asks no server: who lives in the mock follows from its seed. Goes through the same mapping as the gateway, so that what
is printed equals what a lookup answers, as long as nobody changed the record since.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dancu.cli.gateway import environment
from dancu.cli.output import JsonOption, LangOption, Language, complain, print_json, print_table
from dancu.cli.settings import ConfigOption, put_in_force, settings_in_force

if TYPE_CHECKING:
    from dancu.client import Citizen

_COLUMNS = {
    Language.EN: ("PERSONAL NUMBER", "FULL NAME", "BORN", "SEX", "LIFE", "PERMANENT RESIDENCE"),
    Language.VI: ("SỐ ĐỊNH DANH", "HỌ VÀ TÊN", "NGÀY SINH", "GIỚI TÍNH", "CÒN SỐNG", "NƠI THƯỜNG TRÚ"),
}
_SHOWN = ("personal_number", "full_name", "birth_date", "sex", "life_status", "permanent_residence")
_OF_THE_MOCK = "DANCU_MOCK__"


def sample(
    *,
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, max=1_000_000, help="How many.")] = 10,
    as_json: JsonOption = False,
    population: Annotated[
        int | None, typer.Option("--population", metavar="N", min=1, help="People in the mock; default: the settings'.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", min=0, help="Seed of the mock; default: the settings'.")
    ] = None,
    numbering: Annotated[
        Literal["test", "realistic"] | None,
        typer.Option("--numbering", help="Numbers of the mock; default: the settings'."),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", metavar="DIR", help="Installation whose mock is meant; default: data.")
    ] = None,
    config: ConfigOption = None,
    language: LangOption = Language.EN,
) -> None:
    """Print people of the mock national database, the same ones every time."""
    told = {name: value for name, value in environment(data_dir).items() if name.startswith(_OF_THE_MOCK)}
    put_in_force({**told, "DANCU_CONFIG": config})
    put_in_force(
        {
            "DANCU_MOCK__POPULATION": population,
            "DANCU_MOCK__SEED": seed,
            "DANCU_MOCK__NUMBERING": numbering,
        }
    )
    mock = settings_in_force().mock
    from adapters.national_db_wire import citizen_from_wire
    from dancu.client import message_to_json
    from mock_national_db import NumberingScheme, wire
    from mock_national_db import sample as people

    try:
        chosen = people(
            min(count, mock.population),
            population=mock.population,
            seed=mock.seed,
            numbering=NumberingScheme(mock.numbering),
        )
    except ValueError as error:  # a nation larger than its numbers
        complain(str(error))
        raise typer.Exit(1) from None
    citizens = (citizen_from_wire(wire.citizen(person)) for person in chosen)
    if as_json:
        for citizen in citizens:
            print_json(message_to_json(citizen))
        return
    print_table(_COLUMNS[language], [_row(citizen, language) for citizen in citizens])


def _row(citizen: Citizen, language: Language) -> list[str]:
    from dancu.cli.citizen_card import shown_fields

    values = shown_fields(citizen, language)
    return [values.get(name, "") for name in _SHOWN]
