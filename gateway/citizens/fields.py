"""Which fields of a record a caller sees: rights and masks become one copier, compiled once.

Pure. `google.protobuf.FieldMask` utilities walk the mask on every use, which costs more than the rest of a cached
lookup; here a mask is walked once for each (rights, mask) pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Generic, TypeAlias, TypeVar, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from dancu.citizen.v1 import citizen_pb2
from gateway.accounts.model import EVERYTHING

Tree: TypeAlias = "dict[str, Tree | None]"
"""Fields by name; None means the field with all below it."""

Copier: TypeAlias = Callable[[Message, Message], None]

MAX_PATHS = 64


R = TypeVar("R", bound=Message)


class Selection(Generic[R]):
    """The fields of one message type that one caller sees, with the copier for them."""

    __slots__ = ("_copier", "_prototype", "paths")

    def __init__(self, prototype: type[R], paths: tuple[str, ...]) -> None:
        """`paths` are valid paths of `prototype`, or `*` alone; they stand in the audit record as they are."""
        self.paths = paths
        self._prototype = prototype
        self._copier = (
            None if paths == (EVERYTHING,) else _compile(cast("Descriptor", prototype.DESCRIPTOR), tree_of(paths))
        )

    def narrow(self, record: R) -> R:
        """A message with the selected fields of `record`; the record itself when everything is selected."""
        if self._copier is None:
            return record
        narrowed = self._prototype()
        self._copier(record, narrowed)
        return narrowed


def is_path(descriptor: Descriptor, path: str) -> bool:
    """Whether `path` names a field of the message type."""
    at: Descriptor | None = descriptor
    for name in path.split("."):
        field = at.fields_by_name.get(name) if at is not None else None
        if field is None:
            return False
        at = field.message_type
    return True


def first_path_not_granted(granted: frozenset[str], asked: Iterable[str]) -> str | None:
    """The first asked path that no granted path covers; a granted path covers itself and all below it."""
    if EVERYTHING in granted:
        return None
    return next((path for path in asked if not _covered(path, granted)), None)


def is_granted(path: str, granted: frozenset[str]) -> bool:
    """Whether a granted path covers this one."""
    return EVERYTHING in granted or _covered(path, granted)


def selection(prototype: type[R], granted: frozenset[str], asked: tuple[str, ...]) -> Selection[R]:
    """The selection of a message for asked paths that are known to be granted; nothing asked means all granted."""
    paths = asked if asked and EVERYTHING not in asked else tuple(sorted(granted))
    return Selection(prototype, (EVERYTHING,) if EVERYTHING in paths else paths)


@lru_cache(maxsize=4096)
def citizen_selection(granted: frozenset[str], asked: tuple[str, ...]) -> Selection[citizen_pb2.Citizen]:
    """The selection of `Citizen`. Rights on the fields of registries are no business of it."""
    descriptor = citizen_pb2.Citizen.DESCRIPTOR
    own = frozenset(path for path in granted if path == EVERYTHING or is_path(descriptor, path))
    return selection(citizen_pb2.Citizen, own, asked)


def tree_of(paths: Iterable[str]) -> Tree:
    """The union of paths as a tree: `a` swallows `a.b`."""
    tree: Tree = {}
    for path in paths:
        names = path.split(".")
        branch = tree
        for name in names[:-1]:
            below = branch.setdefault(name, {})
            if below is None:  # the whole of it is selected already
                break
            branch = below
        else:
            branch[names[-1]] = None
    return tree


def _covered(path: str, granted: frozenset[str]) -> bool:
    while path:
        if path in granted:
            return True
        path = path.rpartition(".")[0]
    return False


def _compile(descriptor: Descriptor, tree: Tree) -> Copier:
    steps = [_compile_field(descriptor.fields_by_name[name], below) for name, below in tree.items()]

    def copy(source: Message, target: Message) -> None:
        for step in steps:
            step(source, target)

    return copy


def _compile_field(field: FieldDescriptor, below: Tree | None) -> Copier:
    name = field.name
    if field.is_repeated:
        return _compile_list(field, below)
    if field.message_type is None:

        def copy_scalar(source: Message, target: Message) -> None:
            setattr(target, name, getattr(source, name))

        return copy_scalar
    inner = _compile(field.message_type, below) if below is not None else None

    def copy_message(source: Message, target: Message) -> None:
        if source.HasField(name):
            if inner is None:
                getattr(target, name).CopyFrom(getattr(source, name))
            else:
                getattr(target, name).SetInParent()
                inner(getattr(source, name), getattr(target, name))

    return copy_message


def _compile_list(field: FieldDescriptor, below: Tree | None) -> Copier:
    name = field.name
    inner = _compile(cast("Descriptor", field.message_type), below) if below is not None else None

    def copy_list(source: Message, target: Message) -> None:
        into = getattr(target, name)
        if inner is None:
            into.extend(getattr(source, name))
            return
        for one in getattr(source, name):
            inner(one, into.add())

    return copy_list
