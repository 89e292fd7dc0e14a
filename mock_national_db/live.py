"""The nation as it is now: the invented one, and on top of it what changed at run time.

Blocks in which nothing changed are answered by `people` alone, at the price of one look into a set. In a changed
block households, heads and relations are worked out anew from who lives, where, and with whom.

Owns how differences and invention combine. Refuses to know which changes are allowed (`changes`) and SQL (`store`).
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final

from gateway.geography.provinces import NEW_TABLE_FROM
from mock_national_db.blocks import BLOCK_SIZE
from mock_national_db.families import REFERENCE_YEAR
from mock_national_db.households import (
    Kin,
    MaritalStatus,
    Sex,
    choose_head,
    relation_to_head,
    representative_of,
)
from mock_national_db.names import Name
from mock_national_db.people import Family, Nation, Traits, compose
from mock_national_db.person import VIETNAM_TIME, BirthDate, Person
from mock_national_db.places import Address
from mock_national_db.store import BlockState, State, Store

_NEWBORN: Final = 1 << 50
_NEWBORNS_PER_BLOCK: Final = 1 << 12
_BLOCKS_IN_MEMORY: Final = 256


def newborn_index(block: int, nth: int) -> int:
    """Return the index of the nth person (from 0) born into `block` at run time."""
    assert nth < _NEWBORNS_PER_BLOCK
    return _NEWBORN + block * _NEWBORNS_PER_BLOCK + nth


def is_newborn(index: int) -> bool:
    """Tell whether a person was born at run time."""
    return index >= _NEWBORN


def block_of(index: int) -> int:
    """Return the block in which a person stands."""
    return (index - _NEWBORN) // _NEWBORNS_PER_BLOCK if index >= _NEWBORN else index // BLOCK_SIZE


class ChangedBlock:
    """One block with its differences: who is in it, and which households they form."""

    def __init__(self, *, nation: Nation, block: int, state: BlockState) -> None:
        """Combine."""
        self.state = state
        first = block * BLOCK_SIZE
        self.people = [
            index
            for index in (*range(first, min(first + BLOCK_SIZE, nation.population)), *filter(is_newborn, state.people))
            if not state.people.get(index, {}).get("withdrawn")
        ]
        """Everyone whose record can be found, the dead among them."""
        self._kin = {index: _kin(nation, index, state.people.get(index, {})) for index in self.people}
        self._household = {
            index: key
            for index in self.people
            if (key := _household_key(nation, index, state.people.get(index, {}))) is not None
        }
        members: dict[int, list[int]] = {}
        for index, key in self._household.items():
            members.setdefault(key, []).append(index)
        self.members = {key: self._head_first(key, together) for key, together in members.items()}
        """Household → its members, the head first."""

    def household_of(self, index: int) -> int | None:
        """Return the key of a person's household; None for the dead."""
        return self._household.get(index)

    def kin(self, index: int) -> Kin:
        """Return a person's ties."""
        return self._kin[index]

    def family(self, index: int) -> Family:
        """Return a person's place among others."""
        kin = self._kin[index]
        key = self._household.get(index)
        if key is None:
            return Family(kin.father, kin.mother, kin.spouse, None, None, None, None)
        head = self._kin[self.members[key][0]]
        representative = representative_of(kin, head, self._kin, year=REFERENCE_YEAR)
        relation = relation_to_head(kin, head, self._kin)
        return Family(kin.father, kin.mother, kin.spouse, representative, head.who, relation, key)

    def _head_first(self, key: int, together: list[int]) -> list[int]:
        # A household's key is the index of its first head, who stays head for as long as they live there.
        head = key if key in together else choose_head((self._kin[m] for m in together), year=REFERENCE_YEAR).who
        return [head, *(member for member in together if member != head)]


class LiveNation:
    """A `Register` and a `Source`: the nation with its changes."""

    def __init__(self, *, nation: Nation, store: Store) -> None:
        """Start from what the store holds."""
        self.nation = nation
        self._store = store
        self._changed = store.blocks()
        self._blocks: OrderedDict[int, ChangedBlock] = OrderedDict()
        self._preview: Mapping[int, ChangedBlock] = {}

    def index_of(self, number: str) -> int | None:
        """Return who holds the personal number; None for nobody, or where the record was withdrawn."""
        index = self.nation.index_of(number)
        if not self._changed:
            return index
        if index is None:
            index = self._store.newborn(number)
        return index if index is not None and self.holds(index) else None

    def indexes_of_legacy(self, number: str) -> tuple[int, ...]:
        """Return everyone who holds the legacy number."""
        return tuple(index for index in self.nation.indexes_of_legacy(number) if self.holds(index))

    def holds(self, index: int) -> bool:
        """Tell whether the record of a person was not withdrawn."""
        block = self.changed_block(block_of(index))
        return block is None or not block.state.people.get(index, {}).get("withdrawn")

    def person(self, index: int) -> Person:
        """Return a record."""
        return compose(index, self if block_of(index) in self._changed or self._preview else self.nation)

    def household_of(self, index: int) -> Sequence[int]:
        """Return the person's household, the head first; empty for the dead."""
        block = self.changed_block(block_of(index))
        if block is None:
            return self.nation.household_of(index)
        key = block.household_of(index)
        return () if key is None else block.members[key]

    def someone_else(self, index: int) -> int:
        """Return another person; the same in a nation of one."""
        other = index
        for _ in range(BLOCK_SIZE + 1):
            other = 0 if is_newborn(other) else self.nation.someone_else(other)
            if self.holds(other):
                return other
        return index

    def number(self, index: int) -> str | None:
        """Return the personal number; None for people whom the nation does not hold (any more)."""
        state = self._state(index)
        if state.get("withdrawn"):
            return None
        return str(state["number"]) if is_newborn(index) else self.nation.number(index)

    def name(self, index: int) -> Name:
        """Return the name."""
        changed = self._state(index).get("name")
        return Name(*changed) if changed is not None else self.nation.name(index)

    def family(self, index: int) -> Family:
        """Return a person's place among others."""
        block = self.changed_block(block_of(index))
        return block.family(index) if block is not None else self.nation.family(index)

    def kin(self, index: int) -> Kin:
        """Return a person's ties."""
        block = self.changed_block(block_of(index))
        return block.kin(index) if block is not None else self.nation.kin(index)

    def household_number(self, key: int) -> str:
        """Return the nine digits of a household."""
        return self.nation.household_number(key)

    def traits(self, index: int) -> Traits:
        """Return what the record says of the person alone."""
        state = self._state(index)
        base = _newborn_traits(state) if is_newborn(index) else self.nation.traits(index)
        home = self._home(index, state)
        if not state and home is None:
            return base
        elsewhere = base.elsewhere
        if "elsewhere" in state:
            elsewhere = None if state["elsewhere"] is None else read_address(state["elsewhere"])
        return base._replace(
            birth_date=BirthDate(*state["birth_date"]) if "birth_date" in state else base.birth_date,
            ethnicity_code=state.get("ethnicity", base.ethnicity_code),
            religion_code=state.get("religion", base.religion_code),
            blood_type=state.get("blood", base.blood_type),
            marital_status=MaritalStatus(state.get("marital", base.marital_status)),
            permanent_residence=home or base.permanent_residence,
            elsewhere=elsewhere,
            death_date=date.fromisoformat(state["death"]) if "death" in state else base.death_date,
            version=state.get("version", base.version),
            updated_at=_read_moment(state["updated_at"]) if "updated_at" in state else base.updated_at,
        )

    @property
    def key(self) -> bytes:
        """Return the seed of every further draw about this nation."""
        return self.nation.key

    @property
    def population(self) -> int:
        """Return how many people there were before any change."""
        return self.nation.population

    def changed_on(self, index: int, field: str) -> date | None:
        """Return the day on which a field of the record last changed; None for never, or longer ago than is kept."""
        moment = self._store.last_change(index, field) if block_of(index) in self._changed else None
        return None if moment is None else date.fromisoformat(moment[:8])

    def everyone(self, block: int) -> list[int]:
        """Return all people of a block whose records can be found."""
        changed = self.changed_block(block)
        if changed is not None:
            return changed.people
        return list(range(block * BLOCK_SIZE, min((block + 1) * BLOCK_SIZE, self.nation.population)))

    def state(self, index: int) -> State:
        """Return a copy of what differs of a person."""
        return dict(self._state(index))

    def addresses(self, block: int) -> dict[int, list[str]]:
        """Return a copy of the addresses of households of a block that differ."""
        changed = self.changed_block(block)
        return dict(changed.state.households) if changed is not None else {}

    def states(self, block: int) -> dict[int, State]:
        """Return a copy of what differs of each person of a block."""
        changed = self.changed_block(block)
        return dict(changed.state.people) if changed is not None else {}

    def preview(self, blocks: Mapping[int, BlockState]) -> None:
        """Answer as if these blocks were in this state; an empty mapping ends it."""
        self._preview = {
            block: ChangedBlock(nation=self.nation, block=block, state=state) for block, state in blocks.items()
        }

    def forget(self, blocks: Iterable[int]) -> None:
        """Read these blocks again: the store has new states of them."""
        for block in blocks:
            self._blocks.pop(block, None)
            self._changed.add(block)

    def changed_block(self, block: int) -> ChangedBlock | None:
        """Return a block with its differences; None where there are none."""
        if self._preview and block in self._preview:
            return self._preview[block]
        if block not in self._changed:
            return None
        found = self._blocks.get(block)
        if found is None:
            found = ChangedBlock(nation=self.nation, block=block, state=self._store.block(block))
            self._blocks[block] = found
            if len(self._blocks) > _BLOCKS_IN_MEMORY:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(block)
        return found

    def _state(self, index: int) -> State:
        block = self.changed_block(block_of(index))
        return block.state.people.get(index, {}) if block is not None else {}

    def _home(self, index: int, state: State) -> Address | None:
        """Return the permanent residence; None where it is as invented."""
        if "last_home" in state:
            return read_address(state["last_home"])
        block = self.changed_block(block_of(index))
        key = block.household_of(index) if block is not None else None
        if block is None or key is None:
            return None
        address = block.state.households.get(key)
        return read_address(address) if address is not None else self.nation.home(key)


def read_address(stored: Sequence[str]) -> Address:
    """Return an address of the new table from what `write_address` made of it."""
    code, province, commune, detail = stored
    return Address(code, province, commune, detail, NEW_TABLE_FROM)


def write_address(address: Address) -> list[str]:
    """Return an address of the new table as JSON keeps it."""
    return [address.province_code, address.province_name, address.commune, address.detail]


def write_moment(moment: datetime) -> str:
    """Return a moment as JSON keeps it, to the second."""
    return moment.astimezone(VIETNAM_TIME).replace(microsecond=0).isoformat()


def _read_moment(stored: str) -> datetime:
    return datetime.fromisoformat(stored).astimezone(VIETNAM_TIME)


def _kin(nation: Nation, index: int, state: State) -> Kin:
    if is_newborn(index):
        kin = Kin(index, state["sex"], state["birth_date"][0], state["father"], state["mother"], None, alive=True)
    else:
        kin = nation.kin(index)
    if "spouse" in state:
        kin = kin._replace(spouse=state["spouse"])
    return kin._replace(alive=False) if "death" in state else kin


def _household_key(nation: Nation, index: int, state: State) -> int | None:
    if "death" in state:
        return None
    if "household" in state:
        return int(state["household"])
    return nation.family(index).household


def _newborn_traits(state: State) -> Traits:
    home = read_address(state["last_home"]) if "last_home" in state else read_address(state["birth_registration"])
    return Traits(
        legacy_number=None,
        birth_date=BirthDate(*state["birth_date"]),
        sex=Sex(state["sex"]),
        ethnicity_code=state["ethnicity"],
        religion_code=state["religion"],
        marital_status=MaritalStatus.SINGLE,
        blood_type="00",
        birth_registration=read_address(state["birth_registration"]),
        home_town=read_address(state["home_town"]),
        permanent_residence=home,
        elsewhere=None,
        outside_father=None,
        outside_mother=None,
        death_date=None,
        version=state["version"],
        updated_at=_read_moment(state["updated_at"]),
    )
