"""Loaded editions in the words of the rules: what a published table says of a code, with the edition that says it.

Every answer bears a `RuleRef` of its edition: id `ncci.practitioner`, file the edition's name, digest the edition's.
What depends on a code and a day is remembered, because a clinic asks the same few codes for the same days again and
again; the memory is bounded and may be dropped at any time, asking stays pure.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final, TypeVar

from adapters.model.codes import HCPCS, system_of
from adapters.model.tables import CodeRow, Edition, ScheduleRow, TableKind, Tables
from adapters.model.why import RuleRef
from adapters.rules.answers import AddOn, Attributes, Limit, Pair

BOUND: Final = 20_000
"""Most answers of one sort that are remembered; then all of that sort are forgotten."""
PUBLISHED: Final = {
    TableKind.NCCI: "CMS NCCI procedure-to-procedure edits",
    TableKind.MUE: "CMS NCCI medically unlikely edits",
    TableKind.AOC: "CMS NCCI add-on code edits",
    TableKind.PFS: "CMS physician fee schedule, relative value file",
    TableKind.HCPCS: "CMS HCPCS Level II file",
    TableKind.CDM: "the site's charge description master",
    TableKind.FEES: "the site's fee table",
}
"""Publisher and title of a table, as outcomes cite it; other kinds are cited by their name."""
NOT_TAKEN: Final = "I"
"""Status of a code that the fee schedule does not take: what it prints beside it says nothing of the code's parts."""
_BUNDLED: Final = "B"
_K = TypeVar("_K")
_V = TypeVar("_V")


def ref_of(edition: Edition, since: date) -> RuleRef:
    """What an answer of the edition cites."""
    id = f"{edition.kind}.{edition.scope}" if edition.scope else edition.kind.value
    title = PUBLISHED.get(edition.kind, edition.kind.value)
    scope = f", {edition.scope}" if edition.scope else ""
    return RuleRef(id, edition.name, since, edition.digest, f"{title}{scope}, release {edition.release}")


def row_on(rows: Sequence[Attributes], day: date) -> Attributes | None:
    """Of the rows of a code, the latest first, the one in force on the day."""
    for row in rows:
        if row.start <= day:
            return row if row.end is None or day <= row.end else None
    return None


def _ended(day: date, *editions: Edition | None) -> tuple[str, ...]:
    """The names of those that had ended before the day."""
    return tuple(e.name for e in editions if e is not None and e.end is not None and e.end < day)


@dataclass(slots=True, eq=False)
class Loaded:
    """The editions in force, and what they answered before."""

    tables: Tables
    _editions: dict[tuple[TableKind, date, str], Edition | None] = field(default_factory=dict)
    _attributes: dict[tuple[str, date], Attributes | None] = field(default_factory=dict)
    _limits: dict[tuple[str, date, str], Limit | None] = field(default_factory=dict)
    _addons: dict[tuple[str, date], AddOn | None] = field(default_factory=dict)
    _pairs: dict[tuple[frozenset[str], date, str], tuple[Pair, ...]] = field(default_factory=dict)

    def edition(self, kind: TableKind, day: date, scope: str = "") -> Edition | None:
        """The edition that answers for the day, or None."""
        key = (kind, day, scope)
        if key in self._editions:
            return self._editions[key]
        return kept(self._editions, key, self.tables.edition(kind, day, scope))

    def attributes(self, code: str, day: date, ours: Sequence[Attributes]) -> Attributes | None:
        """What holds for the code on the day, the editions over our rows of it (the latest first)."""
        key = (code, day)
        if key in self._attributes:
            return self._attributes[key]
        return kept(self._attributes, key, self._merged(code, day, ours))

    def limit(self, code: str, day: date, table: str) -> Limit | None:
        """The unit limit that the edition of the day has for the code; None also where no edition answers."""
        key = (code, day, table)
        if key in self._limits:
            return self._limits[key]
        edition = self.edition(TableKind.MUE, day, table)
        row = None if edition is None else self.tables.limit(code, day, table)
        found = None
        if edition is not None and row is not None:
            ref = ref_of(edition, edition.start)
            found = Limit(code, table, row.units, row.mai, ref, _ended(day, edition))
        return kept(self._limits, key, found)

    def addon(self, code: str, day: date) -> AddOn | None:
        """What the edition of the day adds the code to; None where it is no add-on, or no edition answers."""
        key = (code, day)
        if key in self._addons:
            return self._addons[key]
        edition = self.edition(TableKind.AOC, day)
        rows = () if edition is None else self.tables.addons(code, day)
        found = None
        if edition is not None and rows:
            # A code with rows of several types is as open as the most open of them.
            primaries = tuple(sorted({row.primary for row in rows if row.primary}))
            ref = ref_of(edition, min(row.start for row in rows))
            found = AddOn(code, primaries, max(row.type for row in rows if row.type), ref, _ended(day, edition))
        return kept(self._addons, key, found)

    def pairs(self, codes: Collection[str], day: date, table: str) -> tuple[Pair, ...]:
        """Every PTP edit of the edition of the day between two of the codes, both directions and all windows."""
        key = (frozenset(codes), day, table)
        if key in self._pairs:
            return self._pairs[key]
        edition = self.edition(TableKind.NCCI, day, table)
        rows = () if edition is None else self.tables.pairs(key[0], day, table)
        found = tuple(
            Pair(
                column1=row.column1,
                column2=row.column2,
                table=table,
                indicator=row.indicator,
                rationale=row.rationale,
                start=row.start,
                end=row.end,
                ref=(ref := ref_of(edition, row.start)),
                cite=ref.cite,
                outdated=_ended(day, edition),
            )
            for row in rows
            if edition is not None
        )
        return kept(self._pairs, key, found)

    def _merged(self, code: str, day: date, ours: Sequence[Attributes]) -> Attributes | None:
        """In force by the HCPCS file (Level II) or the fee schedule, and what the schedule says over what we typed.

        A code that neither has on any day is left to our rows. Unit limits and parents come from their own editions;
        label, service family and what a hospital packages stay ours.
        """
        schedule = self.edition(TableKind.PFS, day)
        level2 = self.edition(TableKind.HCPCS, day) if system_of(code) == HCPCS else None
        rows = () if schedule is None else self.tables.schedule(code, day)
        listed = None if level2 is None else self.tables.code(code, day)
        typed = row_on(ours, day)
        if not rows and listed is None:
            if (schedule is not None or level2 is not None) and self.tables.knows(code):
                return None
            return None if typed is None else self._counted(typed, day)
        if rows and schedule and level2 and not listed and self.tables.code(code, schedule.start) is not None:
            return None  # in the schedule's release still, but ended since: the HCPCS file knew it when that began
        base = typed or (ours[0] if ours else _unknown(code, listed, rows))
        made = replace(base, outdated=_ended(day, schedule if rows else None, level2 if listed else None))
        starts = [] if typed is None else [typed.start]
        ends = [] if typed is None or typed.end is None else [typed.end]
        if listed is not None and level2 is not None:
            starts, ends = [*starts, listed.start], [*ends, *((listed.end,) if listed.end else ())]
            if not ours and not rows:
                ref = ref_of(level2, listed.start)
                made = replace(made, ref=ref, cite=ref.cite)
        if rows and schedule is not None:
            starts.append(schedule.start)
            made = _by_schedule(made, rows, ref_of(schedule, schedule.start), bool(ours))
        return self._counted(replace(made, start=max(starts), end=min(ends, default=None)), day)

    def _counted(self, attributes: Attributes, day: date) -> Attributes:
        """With the limits and parents of the editions that answer for the day."""
        code, mue, hospital, mai = attributes.code, attributes.mue, attributes.mue_hospital, attributes.mai
        if self.edition(TableKind.MUE, day, "hospital") is not None:
            limit = self.limit(code, day, "hospital")
            hospital, mai = (None, mai) if limit is None else (limit.units, limit.mai)
        if self.edition(TableKind.MUE, day, "practitioner") is not None:
            limit = self.limit(code, day, "practitioner")
            mue, mai = (None, mai) if limit is None else (limit.units, limit.mai)
        parents = attributes.addon_of
        if self.edition(TableKind.AOC, day) is not None:
            addon = self.addon(code, day)
            parents = () if addon is None else addon.primaries
        return replace(attributes, mue=mue, mue_hospital=hospital, mai=mai, addon_of=parents)


def _by_schedule(base: Attributes, rows: Sequence[ScheduleRow], ref: RuleRef, typed: bool) -> Attributes:
    """With the schedule's indicators. `typed`: we have facts of our own, which stand where the schedule says nothing."""
    whole = next((row for row in rows if not row.modifier), None)
    if typed and whole is not None and whole.status == NOT_TAKEN:
        return replace(base, status=whole.status)
    pctc, status = (whole.pctc, whole.status) if whole is not None else ("", "")
    technical = next((row for row in rows if row.modifier == "TC"), None)
    reported = next((row for row in rows if row.modifier == "26"), whole)
    return replace(
        base,
        pctc=pctc or base.pctc,
        status=status or base.status,
        tc_bundled=base.tc_bundled if technical is None else technical.status == _BUNDLED,
        facility_na=reported.facility_na if reported is not None else False,
        ref=ref,
        cite=ref.cite,
    )


def _unknown(code: str, listed: CodeRow | None, rows: Sequence[ScheduleRow]) -> Attributes:
    """A code of which we have typed nothing: no family, no split until the schedule gives one."""
    start = listed.start if listed else date.min
    ref = RuleRef("attributes", "", start, "", "")
    label = listed.short if listed else ""
    status = rows[0].status if rows else ""
    return Attributes(code, label, "", start, None, "", False, False, status, (), None, None, "", ref, "")


def kept(memory: dict[_K, _V], key: _K, value: _V) -> _V:
    """The value, remembered; a memory that is full forgets all first."""
    if len(memory) >= BOUND:
        memory.clear()
    memory[key] = value
    return value
