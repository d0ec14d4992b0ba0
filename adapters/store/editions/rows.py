"""How the rows of an edition lie on disk: procedure pairs as five small numbers, all other rows as text under a key.

A release of procedure-to-procedure edits has millions of rows and is asked for every pair of a claim: a code is a number
of base 36 (the order of the numbers is the order of the codes), a date the days since 2000-01-01, indicator and
rationale one number. Every other table has thousands of rows and is asked by one key: its row is the JSON of its
canonical values, with the keys that it is found by beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache
from typing import Any, Final

import msgspec

from adapters.model.tables import PairRow, Row, TableKind
from adapters.store.keys import KeyRing
from adapters.store.refusals import Damaged
from adapters.tables import row_of

Canonical = tuple[str | int | None, ...]
"""A row as `adapters.tables.canonical` gives it."""
Packed = tuple[int, int, int, int | None, int]
"""Column 1, column 2, first day, last day (None: open), number of the note."""

SECRET: Final = frozenset({TableKind.OPENING})
"""Tables that name patients: their keys are blind and their rows sealed, as in the store."""
_ZERO: Final = date(2000, 1, 1).toordinal()
_FURTHEST: Final = 32_767
"""Days before and after 2000-01-01 that fit a column of two bytes."""
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LENGTH: Final = 5


class Unfit(ValueError):
    """A row that cannot be kept: a code that is not of five capitals or digits, or a day out of all bounds."""


def code_number(code: str) -> int | None:
    """The number of a code of five capitals or digits; None for any other text, which no pair can name."""
    if len(code) != _LENGTH or not code.isascii() or not code.isalnum() or code != code.upper():
        return None
    return int(code, 36)


@lru_cache(maxsize=65_536)
def code_of(number: int) -> str:
    """The code of a number."""
    letters = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, 36)
        letters.append(_DIGITS[digit])
    return "".join(reversed(letters))


def day_number(day: date) -> int:
    """Days since 2000-01-01; raises `Unfit` outside 1910 to 2089."""
    number = day.toordinal() - _ZERO
    if abs(number) > _FURTHEST:
        raise Unfit("a day outside 1910 to 2089")
    return number


@lru_cache(maxsize=16_384)
def day_of(number: int) -> date:
    """The day of a number."""
    return date.fromordinal(number + _ZERO)


class Packing:
    """Packs the canonical values of pairs, and numbers their notes as they come."""

    __slots__ = ("_codes", "_days", "_last", "notes", "ordered")

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._days: dict[str, int] = {}
        self._last: tuple[int, int, int] = (-1, -1, -1)
        self.notes: dict[tuple[str, str], int] = {}
        """Indicator and rationale → number."""
        self.ordered = True
        """Whether every row so far came after the one before it by column 1, column 2 and first day."""

    def __call__(self, values: Canonical) -> Packed:
        """The numbers of a row; raises `Unfit` where a code or a day has none."""
        column1, column2, start, end, indicator, rationale = values
        codes, days, notes = self._codes, self._days, self.notes
        # Each text is looked at once; the tables hold some ten thousand codes and a hundred days.
        a = codes[column1] if column1 in codes else self._code(column1)  # type: ignore[arg-type]
        b = codes[column2] if column2 in codes else self._code(column2)  # type: ignore[arg-type]
        since = days[start] if start in days else self._day(start)  # type: ignore[arg-type]
        until = None if end is None else days[end] if end in days else self._day(end)  # type: ignore[arg-type]
        note = notes.get((indicator, rationale))  # type: ignore[arg-type]
        if note is None:
            note = notes[(str(indicator), str(rationale))] = len(notes)
        key = (a, b, since)
        if key <= self._last:
            self.ordered = False
        self._last = key
        return a, b, since, until, note

    def _code(self, code: str) -> int:
        number = code_number(code)
        if number is None:
            raise Unfit("a code that is not of five capitals or digits")
        self._codes[code] = number
        return number

    def _day(self, text: str) -> int:
        number = self._days[text] = day_number(date.fromisoformat(text))
        return number


def unpacked(packed: Iterable[Any], notes: dict[int, tuple[str, str]]) -> Iterator[PairRow]:
    """The rows of packed numbers; raises `Damaged` for a note that is not there."""
    for a, b, since, until, note in packed:
        if note not in notes:
            raise Damaged("edition: a pair names a note that is not there")
        indicator, rationale = notes[note]
        end = None if until is None else day_of(until)
        yield PairRow(code_of(a), code_of(b), day_of(since), end, indicator, rationale)


class Wording:
    """Writes rows as text under their keys, and reads them; sealed and under blind keys where they name patients."""

    __slots__ = ("_keys", "_kind", "_read")

    def __init__(self, kind: TableKind, keys: KeyRing | None) -> None:
        self._kind = kind
        self._keys = keys if kind in SECRET else None
        self._read: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[Any])

    def key(self, key: str) -> str:
        """The key as it stands on disk."""
        return key if self._keys is None else self._keys.blind(f"edition.{self._kind}", key)

    def written(self, values: Canonical, place: int) -> tuple[str, bytes]:
        """The id of the key it is sealed with (empty: plain) and the bytes of a row; `place` is its number."""
        plain = msgspec.json.encode(values)
        if self._keys is None:
            return "", plain
        sealed = self._keys.seal(plain, f"edition.{self._kind}|{place}")
        return sealed.key_id, sealed.data

    def values(self, key_id: str, body: bytes, place: int) -> Canonical:
        """The canonical values of a row on disk; raises `Damaged` where it cannot be read."""
        if key_id:
            if self._keys is None:
                raise Damaged("edition: a sealed row where none is due")
            body = self._keys.open(key_id, body, f"edition.{self._kind}|{place}")
        try:
            return tuple(self._read.decode(body))
        except msgspec.MsgspecError:
            raise Damaged("edition: a row does not read as what it should hold") from None

    def row(self, key_id: str, body: bytes, place: int) -> Row:
        """The row itself; raises `Damaged` where it cannot be read."""
        values = self.values(key_id, body, place)
        try:
            return row_of(self._kind, values)
        except (ValueError, TypeError, ArithmeticError):
            raise Damaged("edition: a row does not read as what it should hold") from None
