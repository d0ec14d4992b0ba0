"""The payer's fee schedule and the days on which codes are valid, both its own and both invented or re-typed.

`fees.csv` holds invented amounts an unit; the file is the stub's, so that a wrong fee schedule in the program
under test cannot hide itself in the answers.
"""

import csv
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.resources import files
from typing import Self

# Codes gone on 2026-01-01 and codes born on that day: the radiation code set of the Medicare physician fee
# schedule changed with the calendar year 2026 (the 2026 file lacks the first and has the second).
_GONE_2026 = frozenset({"77385", "77386", "77014", *(f"G{number}" for number in range(6001, 6018))})
_NEW_2026 = frozenset({"77436", "77437", "77438", "77439"})
_YEAR_2026 = date(2026, 1, 1)


@dataclass(frozen=True, slots=True)
class Fee:
    """Allowed US dollars for one unit of a code with a modifier ('' for none), on days from..to inclusive."""

    code: str
    modifier: str
    allowed: Decimal
    start: date
    end: date | None


@dataclass(frozen=True, slots=True)
class Fees:
    """A fee schedule."""

    rows: tuple[Fee, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read CSV (code,modifier,allowed,from,to); raises ValueError naming the first bad line."""
        rows = []
        for number, row in enumerate(csv.DictReader(text.splitlines()), start=2):
            try:
                end = date.fromisoformat(row["to"]) if row["to"] else None
                start = date.fromisoformat(row["from"])
                rows.append(Fee(row["code"], row["modifier"], Decimal(row["allowed"]), start, end))
            except (KeyError, TypeError, ValueError, ArithmeticError) as error:
                raise ValueError(f"fee schedule, line {number}: {error}") from error
        return cls(tuple(rows))

    @classmethod
    def shipped(cls) -> Self:
        """The file that comes with the stub."""
        return cls.parse(files("fhir_server_stub").joinpath("fees.csv").read_text(encoding="utf-8"))

    def allowed(self, code: str, modifiers: tuple[str, ...], day: date) -> Decimal | None:
        """Dollars for one unit, or None where the schedule is silent; 26 and TC choose the component."""
        component = next((modifier for modifier in modifiers if modifier in {"26", "TC"}), "")
        for fee in self.rows:
            in_force = fee.start <= day and (fee.end is None or day <= fee.end)
            if in_force and (fee.code, fee.modifier) == (code, component):
                return fee.allowed
        return None


def valid_on(code: str, day: date) -> bool:
    """False for a code that was deleted before, or comes into being after, the date of service."""
    if code in _GONE_2026:
        return day < _YEAR_2026
    return code not in _NEW_2026 or day >= _YEAR_2026
