"""Where the loaded editions and the facts we typed disagree on a day, and which editions have run out. Data only.

A loaded edition goes before our facts, so a disagreement changes bills from the moment the edition is in force.
`oncoclaims rules check` prints what is found here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from adapters.model.tables import Edition, TableKind, Tables
from adapters.rules.answers import Attributes
from adapters.rules.loaded import NOT_TAKEN, row_on
from adapters.rules.ruleset import Ruleset

SCOPES: Final = ("practitioner", "hospital")


@dataclass(frozen=True, slots=True, order=True)
class Disagreement:
    """One fact that our tables and a loaded edition state differently. An empty value: nothing is stated."""

    code: str
    """The code, or both codes of a pair: `77301 77290`."""
    column: str
    """As our table heads it: `pctc`, `status`, `in force`, `addon_of`, `mue`, `mue_hospital`, `mai`, `pair practitioner`."""
    ours: str
    theirs: str
    edition: str
    """Name of the edition: `mue.practitioner 2026Q4`."""

    def __str__(self) -> str:
        ours, theirs = self.ours or "nothing", self.theirs or "nothing"
        return f"{self.code} {self.column}: ours {ours}, {self.edition} says {theirs}"


def disagreements(rules: Ruleset, tables: Tables, day: date) -> tuple[Disagreement, ...]:
    """Every disagreement between our typed codes and pairs and the editions that answer for the day, sorted.

    Where no edition of a kind answers, or none of the kind has the code on any day, that kind is silent.
    """
    over = rules.with_tables(tables)
    typed = {code: row_on(rows, day) for code, rows in rules.codes.items()}
    found = [one for code, ours in typed.items() for one in _of_code(over, tables, code, ours, day)]
    for table in SCOPES:
        found += _of_pairs(rules, over, tables, day, table)
    return tuple(sorted(found))


def _of_code(over: Ruleset, tables: Tables, code: str, ours: Attributes | None, day: date) -> Iterator[Disagreement]:
    theirs = over.attributes(code, day)
    schedule, level2 = tables.edition(TableKind.PFS, day), tables.edition(TableKind.HCPCS, day)
    if (ours is None) != (theirs is None):
        name = (level2 if level2 and tables.code(code, day) else schedule) or level2
        words = {True: "no", False: "yes"}
        if name is not None:
            yield Disagreement(code, "in force", words[ours is None], words[theirs is None], name.name)
    if ours is None or theirs is None:
        return
    if schedule is not None and tables.schedule(code, day):
        yield from _if_other(code, "status", ours.status, theirs.status, schedule)
        if theirs.status != NOT_TAKEN:
            yield from _if_other(code, "pctc", ours.pctc, theirs.pctc, schedule)
            bundled = ("yes" if ours.tc_bundled else "no", "yes" if theirs.tc_bundled else "no")
            yield from _if_other(code, "tc_bundled", *bundled, schedule)
    addons = tables.edition(TableKind.AOC, day)
    if addons is not None:
        yield from _if_other(code, "addon_of", " ".join(sorted(ours.addon_of)), " ".join(theirs.addon_of), addons)
    for table, column, units in (("practitioner", "mue", ours.mue), ("hospital", "mue_hospital", ours.mue_hospital)):
        edition = tables.edition(TableKind.MUE, day, table)
        if edition is None:
            continue
        row = tables.limit(code, day, table)
        yield from _if_other(
            code, column, "" if units is None else str(units), "" if row is None else str(row.units), edition
        )
        if row is not None and units is not None:
            yield from _if_other(code, "mai", ours.mai, row.mai, edition)


def _of_pairs(rules: Ruleset, over: Ruleset, tables: Tables, day: date, table: str) -> Iterator[Disagreement]:
    """Pairs between codes that we have typed: those that one side lacks, and those of another direction or indicator."""
    edition = tables.edition(TableKind.NCCI, day, table)
    if edition is None:
        return
    codes = tuple(sorted(rules.codes))
    ours, theirs = (
        {(p.column1, p.column2): p.indicator for p in one.with_tables(t).pairs_among(codes, day, table)}
        for one, t in ((rules, None), (over, tables))
    )
    for pair in sorted({*ours, *theirs}):
        yield from _if_other(" ".join(pair), f"pair {table}", ours.get(pair, ""), theirs.get(pair, ""), edition)


def _if_other(code: str, column: str, ours: str, theirs: str, edition: Edition) -> Iterator[Disagreement]:
    if ours != theirs:
        yield Disagreement(code, column, ours, theirs, edition.name)


def ended(tables: Tables, day: date) -> tuple[Edition, ...]:
    """The editions that answer for the day although they had ended before it: a later release is to be loaded."""
    kinds = dict.fromkeys((edition.kind, edition.scope) for edition in tables.editions)
    answering = (tables.edition(kind, day, scope) for kind, scope in kinds)
    return tuple(e for e in answering if e is not None and e.end is not None and e.end < day)
