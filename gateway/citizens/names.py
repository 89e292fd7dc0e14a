"""When two names are one name written twice, and which habits of writing lie between them.

Pure. Owns the habits of Vietnamese registers: capitals, Unicode forms, spaces, tone marks on the other vowel, đ typed
as d, names without any diacritics, another order of the words. Refuses to know whose names they are and what follows.

    Nguyễn Văn Hòa   NGUYỄN VĂN HÒA   case              a fold of letters that keeps all marks
                     Nguyễn  Văn Hòa  spaces
                     Nguyễn Văn Hoà   tone placement    the tone belongs to the syllable; two spelling rules place it
                     Nguyen Van Hoa   diacritics        only where one of the two has none at all: Hòa is not Hoá
                     Hòa Nguyễn Văn   word order
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Final


class NameHabit(Enum):
    """A difference of writing that leaves the name the same, from the most telling to the least."""

    WORD_ORDER = "word order"
    DIACRITICS = "diacritics"
    D_STROKE = "đ as d"
    TONE_PLACEMENT = "tone placement"
    SPACES = "spaces"
    CASE = "case"
    UNICODE_FORM = "Unicode form"


TYPING: Final = frozenset({NameHabit.CASE, NameHabit.UNICODE_FORM, NameHabit.SPACES, NameHabit.TONE_PLACEMENT})
"""Habits that lose nothing of the name: whoever knows the name knows it however it is typed."""

_TONES: Final = frozenset("\u0300\u0301\u0303\u0309\u0323")
"""Grave, acute, tilde, hook above, dot below. Breve, circumflex and horn make other letters and are no tones."""
_LOOKALIKES: Final = str.maketrans("ðÐɖƉ", "đĐđĐ")
"""Letters of other alphabets that are drawn as đ is, and that older encodings put in its place."""
_STROKES: Final = str.maketrans("đĐ", "dD")
_WITHOUT_WIDTH: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")


def habits_between(one: str, other: str) -> frozenset[NameHabit] | None:
    """The fewest habits that make two names equal; None where they are two names, or where one of them is empty.

    Symmetric. Empty for names that are the same characters.
    """
    if one == other:
        return frozenset() if _spaced(one) else None
    habits: AbstractSet[NameHabit] = frozenset(NameHabit)
    if not _equal(one, other, habits):
        return None
    # The most telling first: what turns out not to be needed is not held against the caller.
    for habit in NameHabit:
        if _equal(one, other, habits - {habit}):
            habits -= {habit}
    return frozenset(habits)


def same_when_typed(one: str, other: str) -> bool:
    """Whether nothing but `TYPING` lies between two names. An empty name equals nothing."""
    one = _written(one, TYPING)
    return one == _written(other, TYPING) and bool(one)


def _equal(one: str, other: str, habits: AbstractSet[NameHabit]) -> bool:
    one, other = _written(one, habits), _written(other, habits)
    if NameHabit.D_STROKE in habits:
        one, other = one.translate(_LOOKALIKES), other.translate(_LOOKALIKES)
        # Whoever writes đ writes it wherever it belongs: beside Đặng, Đung is not Dung.
        if not (_stroked(one) and _stroked(other)):
            one, other = one.translate(_STROKES), other.translate(_STROKES)
    # Likewise whoever writes diacritics: Hòa is not Hoá, and beside Nguyễn, Hoa is not Hòa.
    if NameHabit.DIACRITICS in habits and not (_marked(one) and _marked(other)):
        one, other = _without_marks(one), _without_marks(other)
    if NameHabit.WORD_ORDER in habits:
        one, other = _in_order(one), _in_order(other)
    return one == other and bool(_spaced(one))


def _written(name: str, habits: AbstractSet[NameHabit]) -> str:
    """The name without those of `TYPING`."""
    for habit, step in _TYPING_STEPS:
        if habit in habits:
            name = step(name)
    return name


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _spaced(name: str) -> str:
    return " ".join(_WITHOUT_WIDTH.sub("", name).split())


def _tones_last(name: str) -> str:
    """Each word with its tone after its letters, wherever it stood."""
    return " ".join(_tone_last(word) for word in name.split(" "))


def _tone_last(word: str) -> str:
    if word.isascii():
        return word
    parts = unicodedata.normalize("NFD", word)
    tones = "".join(sorted(part for part in parts if part in _TONES))
    return unicodedata.normalize("NFC", "".join(part for part in parts if part not in _TONES)) + tones


def _without_marks(name: str) -> str:
    return unicodedata.normalize(
        "NFC", "".join(part for part in unicodedata.normalize("NFD", name) if not unicodedata.combining(part))
    )


def _in_order(name: str) -> str:
    return " ".join(sorted(name.split(" ")))


def _stroked(name: str) -> bool:
    return "đ" in name or "Đ" in name


def _marked(name: str) -> bool:
    return any(unicodedata.combining(part) for part in unicodedata.normalize("NFD", name))


_TYPING_STEPS: Final = (
    (NameHabit.UNICODE_FORM, _composed),
    (NameHabit.CASE, str.casefold),
    (NameHabit.SPACES, _spaced),
    (NameHabit.TONE_PLACEMENT, _tones_last),
)
