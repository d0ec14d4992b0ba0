"""The conditions of a row: which texts of a fact it takes. Each is a container, so that a test is one `in`.

Forms: `"imrt"` that text · `["3d", "imrt"]` one of them · `">=2"`, `"<=150"`, `">1"`, `"<5"` a number ·
`"!none"` any other text · `"present"` any text · `"absent"` no such fact, an empty one, or one that says "absent"
itself (also inside a list). A missing fact is taken by `absent` alone.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

Taken = Container[str | None]
Test = tuple[str, Taken]

ABSENT: Final[frozenset[str | None]] = frozenset({None, "", "absent"})
_NUMBER: Final = re.compile(r"(>=|<=|>|<)(-?[0-9]+(?:\.[0-9]+)?)")
_COMPARE: Final[dict[str, Callable[[Decimal, Decimal], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Unlike:
    """Any text but these."""

    refused: frozenset[str | None]

    def __contains__(self, value: object) -> bool:
        return value not in self.refused


@dataclass(frozen=True, slots=True)
class Beyond:
    """A number on one side of a bound; a text that is no number is not taken."""

    sign: str
    bound: Decimal

    def __contains__(self, value: object) -> bool:
        try:
            return isinstance(value, str) and _COMPARE[self.sign](Decimal(value), self.bound)
        except InvalidOperation:
            return False


def taken_by(form: object) -> Taken | str:
    """The texts that the form takes, or what is wrong with the form."""
    match form:
        case "":
            return 'an empty text matches nothing: write "absent"'
        case "absent":
            return ABSENT
        case "present":
            return Unlike(ABSENT)
        case str() if form[0] in "<>":
            number = _NUMBER.fullmatch(form)
            return Beyond(number.group(1), Decimal(number.group(2))) if number else f"{form!r} is no comparison"
        case str() if form[0] == "!":
            return Unlike(ABSENT | {form[1:]}) if form[1:] else '"!" without a text'
        case str() if form[0] == "=":
            return "a condition takes no value from elsewhere"
        case str():
            return frozenset({form})
        case list() if form and all(isinstance(item, str) and item and item[0] not in "<>!=" for item in form):
            plain: set[str | None] = {item for item in form if item != "absent"}
            return frozenset(plain | ABSENT) if "absent" in form else frozenset(plain)
        case _:
            return "a condition is a text or a list of plain texts"
