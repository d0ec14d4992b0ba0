"""What is derived and yet not claimed: lines of before the site went live, billed elsewhere, or taken as history.

All of them are derived and screened with the others first, so that counts, windows and edits across lines are right; then
each is kept back under a hold that nobody works and nobody can let go. A line is ruled by the date of service that its
claim would bear: a management unit whose sessions lie on both sides of the day stands whole on the side of its date.
What has been sent stays what it is, whatever is decided or loaded later: it is never taken back from a payer by this.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import product
from typing import TYPE_CHECKING, Final

from adapters.charges import difference
from adapters.context import PersonContexts
from adapters.edits import facility_of
from adapters.model.charge import Charge, Component, Finding, Hold, Outcomes, Release, Slot
from adapters.model.event import HISTORIC, Event
from adapters.model.live import Live, Stage, decided_over, governing
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.model.tables import OpeningRow, TableKind
from adapters.model.why import Fact, Source, Why
from adapters.pipeline.stated import let_go
from adapters.rules import Decision
from adapters.work import standing

if TYPE_CHECKING:
    from adapters.pipeline.step import House

SHADOW: Final = "shadow"
BEFORE: Final = "before-shadow"
ELSEWHERE: Final = "billed-elsewhere"
KEPT_BACK: Final = frozenset({SHADOW, BEFORE, ELSEWHERE, HISTORIC})
"""Holds of lines that are derived and not claimed."""
_BY_DAY: Final = frozenset({"delivery", "guidance", "management", "physics", "planning"})
"""Service families that owe one line a session, unit or course: a line of the day takes the slot whatever its code."""
_OTHERS: Final = {"26": Component.TECHNICAL, "TC": Component.PROFESSIONAL}
"""Modifiers that say a part of a service, and of whose component a line with one never is."""
_NEAR: Final = timedelta(days=7)
"""How far the date of another system's line may lie from the sessions of the unit whose number it names."""
_COURSE: Final = timedelta(days=120)
"""How far a line that names no course may lie from one of a service that a course owes once."""

Line = Charge | Hold


def rows_of(house: House) -> tuple[Live, ...]:
    """From when on what is claimed: the site file's rows, and what was decided over them."""
    edition = house.tables.edition(TableKind.LIVE, date.max)
    if edition is None:
        return house.site.live
    return decided_over(house.site.live, (replace(row, place=edition.name) for row in house.tables.live()))


def kept_back(outcomes: Outcomes, record: PersonRecord, contexts: PersonContexts, house: House) -> Outcomes:
    """The outcomes with the lines held that are not ours to claim; of holds those that wait for a person."""
    opening = _opening(record, house)
    rows = rows_of(house)
    if not (opening or rows or any(event.historic for event in record.events)):
        return outcomes
    desk = _Desk(record, contexts, house, rows, _History.of(record.events))
    sent = desk.sent(outcomes.charges)
    lines: list[Line] = [*outcomes.charges, *(hold for hold in outcomes.holds if desk.works(hold))]
    taken = _taken([line for line in lines if _charge(line) is not None], opening, desk)
    findings: list[Finding] = []
    held: dict[int, Hold] = {}
    left: dict[int, Charge] = {}
    for line in lines:
        spent = taken.get(id(line))
        if id(line) in sent:
            if spent is not None:
                told = _told(spent.row, house)
                findings.append(Finding("billed-elsewhere-too", "", _why(line, (told,)), spent.row.code, line.slot))
                rest = _elsewhere(line, spent, desk).would
                if rest is not None and rest.price is not None and rest.units == sent[id(line)].units:
                    # Somebody has let go what was left, and just this was sent.
                    left[id(line)] = replace(rest, why=line.why)
        elif spent is not None:
            held[id(line)] = _elsewhere(line, spent, desk)
        elif (hold := desk.historic(line) or desk.shadowed(line)) is not None:
            held[id(line)] = hold
    if not held and not findings:
        return outcomes
    charges = tuple(left.get(id(charge), charge) for charge in outcomes.charges if id(charge) not in held)
    of_charges = (held[id(charge)] for charge in outcomes.charges if id(charge) in held)
    slots = {hold.slot for hold in held.values()}
    holds = (*(held.get(id(hold)) or _better(hold, slots) for hold in outcomes.holds), *of_charges)
    found = replace(outcomes, charges=charges, holds=holds, findings=(*outcomes.findings, *findings))
    return let_go(found, standing(record.events))


def _charge(line: Line) -> Charge | None:
    return line if isinstance(line, Charge) else line.would


def _why(line: Line, facts: Iterable[Fact]) -> Why:
    return Why(line.why.rule, (*line.why.facts, *facts))


def _kept(line: Line, code: str, facts: Iterable[Fact], detail: str = "") -> Hold:
    """The line under a hold of this code; what held it before is said in the detail."""
    if isinstance(line, Charge):
        return Hold(line.slot, code, Release.NEVER, line, _why(line, facts), detail=detail)
    also = f"held too: {line.code}" + (f" ({line.detail})" if line.detail else "")
    said = "; ".join(word for word in (detail, also) if word)
    return replace(line, code=code, release=Release.NEVER, why=_why(line, facts), detail=said)


def _better(hold: Hold, kept: Collection[Slot]) -> Hold:
    """A better line that waits beside a lesser one: where that is kept back, nobody works it either."""
    return replace(hold, release=Release.NEVER) if hold.instead_of and hold.slot in kept else hold


@dataclass(frozen=True, slots=True)
class _History:
    """What was taken as history, by the lines of its reports: a later report of one is of the same old thing."""

    lines: frozenset[tuple[str, str]]
    places: dict[tuple[str, str], frozenset[tuple[str, str]]]
    """(message, place in it) → the reports there."""
    days: dict[str, date]
    """Event id → its date of service."""

    @classmethod
    def of(cls, events: Sequence[Event]) -> _History:
        """The history among a person's events."""
        lines = frozenset((event.kind, event.line) for event in events if event.historic)
        places: dict[tuple[str, str], frozenset[tuple[str, str]]] = {}
        for event in events if lines else ():
            at = (event.source.message, event.source.at)
            places[at] = places.get(at, frozenset()) | {(event.kind, event.line)}
        return cls(lines, places, {event.id: event.day for event in events})


@dataclass(frozen=True, slots=True)
class _Desk:
    """What a line is judged by."""

    record: PersonRecord
    contexts: PersonContexts
    house: House
    rows: tuple[Live, ...]
    history: _History

    def works(self, hold: Hold) -> bool:
        """Whether a hold may still become a charge, so that it is looked at."""
        return hold.release is not Release.NEVER and not hold.instead_of

    def sent(self, charges: Sequence[Charge]) -> dict[int, Charge]:
        """The charges that are on file and were sent, by the identity of these very values, each as it was sent."""
        gone_out = (ChargeStatus.SENT, ChargeStatus.SETTLED)
        on_file = [charge for charge in self.record.charges if charge.status in gone_out]
        if not on_file:
            return {}
        found = difference(on_file, charges)
        return {id(pair.due): pair.on_file.charge for pair in (*found.same, *found.moved, *found.changed)}

    def historic(self, line: Line) -> Hold | None:
        """The line held as history, where every report that it rests on was taken as such."""
        if not self.history.lines:
            return None
        cited = [fact for fact in line.why.facts if fact.name == "event"]
        known = [self.history.places.get((fact.source.message, fact.source.at), frozenset()) for fact in cited]
        if not cited or not all(reports & self.history.lines for reports in known):
            return None
        return _kept(line, HISTORIC, ())

    def shadowed(self, line: Line) -> Hold | None:
        """The line held where its date of service lies before the site goes live with it."""
        day = self.day(line)
        if not self.rows or day is None:
            return None
        entity = line.slot.part.partition(":")[0]
        row = governing(self.rows, entity, self.payer(line, day, entity), line.slot.service)
        if row is None or (stage := row.stage(day)) is Stage.LIVE:
            return None
        first = row.shadow_from if stage is Stage.BEFORE else row.live_from
        what = "compared" if stage is Stage.BEFORE else "claimed"
        words = f"{what} from {first.isoformat()} on" if first else "not claimed yet"
        said_there = row in self.house.site.live
        facts = (
            Fact("date of service", day.isoformat(), Source("site", "going live")),
            Fact("going live", f"{row.words}: {words}", Source("site" if said_there else "rules", row.place)),
        )
        return _kept(line, BEFORE if stage is Stage.BEFORE else SHADOW, facts)

    def day(self, line: Line) -> date | None:
        """The date of service; of a hold that does not say its line, that of the report it is about."""
        charge = _charge(line)
        if charge is not None:
            return charge.start
        return self.history.days.get(line.about) if isinstance(line, Hold) else None

    def payer(self, line: Line, day: date, entity: str) -> str:
        """The payer that the line is billed to, empty where nobody is known."""
        charge = _charge(line)
        assigned = charge.coverage if charge is not None else ""
        named = next((c.payer for c in self.contexts.coverages if c.id == assigned), "") if assigned else ""
        context = None if named else self.contexts.of(day, facility_of(self.house.site, entity))
        billed = self.house.site.payer(named) if named else context.payer if context else None
        return billed.id if billed else named

    def once(self, charge: Charge) -> tuple[str, str] | None:
        """What a course owes once and this line is of: (service, code), the code empty where any code spends it."""
        if charge.slot.key == "course":
            return charge.slot.service, ""
        context = self.contexts.of(charge.start, facility_of(self.house.site, charge.entity))
        words = {**context.words, "service": charge.slot.service, "code": charge.code}
        found = self.house.rules.decide("course-limits", charge.start, words)
        if isinstance(found, Decision) and found.values.get("limit") == "1":
            return charge.slot.service, charge.code if "code" in found.used else ""
        return None


def _opening(record: PersonRecord, house: House) -> tuple[OpeningRow, ...]:
    """What was billed elsewhere for the person, under whichever identifier; each line once, also one listed under two."""
    found: dict[OpeningRow, None] = {}
    for identifier in record.identifiers:
        rows = house.tables.opening(identifier.system, identifier.value)
        found.update(dict.fromkeys(replace(row, system="", identifier="") for row in rows))
    return tuple(sorted(found, key=_place))


def _place(row: OpeningRow) -> tuple[object, ...]:
    # The whole row: which identifier of the person was told first must not say which row comes first.
    return (row.day, row.service, row.key, row.code, row.modifiers, row.claim, row.units, row.entity, row.course)


@dataclass(frozen=True, slots=True)
class _Spent:
    """A row of the opening that takes a line, with how many of its units were left for it."""

    row: OpeningRow
    units: int
    more: tuple[OpeningRow, ...] = ()
    """Rows that had the units that the first one had not."""
    beside: OpeningRow | None = None
    """The row of the other part, where `row` is of one part only of a line that bills both."""

    def half(self, charge: Charge) -> str:
        """The part of a line that bills both which was billed elsewhere, where the other was not; else empty."""
        parts = _parts(self.row.modifiers)
        one = len(parts) == 1 and charge.component is Component.GLOBAL and not _parts(charge.modifiers)
        return next(iter(parts)) if one and self.beside is None else ""

    def takes(self, row: OpeningRow, charge: Charge) -> bool:
        """Whether a row is of what is left of the line: units of the same part, or the other part."""
        if self.beside is None and self.units < charge.units and _parts(row.modifiers) == _parts(self.row.modifiers):
            return True
        half = self.half(charge)
        return bool(half) and _parts(row.modifiers) == _OTHERS.keys() - {half}

    def and_of(self, row: OpeningRow, left: int) -> _Spent:
        """With a row that `takes`, of which so many units are left."""
        if _parts(row.modifiers) == _parts(self.row.modifiers):
            return replace(self, units=self.units + left, more=(*self.more, row))
        return replace(self, units=min(self.units, left), beside=row)


def _taken(lines: Sequence[Line], opening: Sequence[OpeningRow], desk: _Desk) -> dict[int, _Spent]:
    """Which of the lines (by identity) the opening takes, the surest sign first; a row takes as many as it has units."""
    found: dict[int, _Spent] = {}
    left = [row.units for row in opening]
    in_order = sorted(lines, key=lambda line: (_dates(line), line.slot))
    # Of lines that a row may be of, those of the very part of the service that it says come first.
    for sign, same_part in product(_SIGNS, (True, False)):
        for at, row in enumerate(opening):
            for line in in_order:
                charge = _charge(line)
                before = found.get(id(line))
                if charge is None or left[at] <= 0 or not _alike(row, charge):
                    continue
                if before is not None and not before.takes(row, charge):
                    continue
                if same_part and _parts(row.modifiers) != _parts(charge.modifiers):
                    continue
                if sign(_Meeting(row, line, charge, desk)):
                    spent = _Spent(row, left[at]) if before is None else before.and_of(row, left[at])
                    had = before.units if before is not None and spent.beside is None else 0
                    found[id(line)] = spent
                    left[at] -= charge.units - had
    return found


def _alike(row: OpeningRow, charge: Charge) -> bool:
    """Whether the row may be of the line at all: family, entity, course, and the part of the service."""
    course = charge.slot.episode.rpartition("/")[2].casefold()
    return (
        row.service == charge.slot.service
        and row.entity in ("", charge.entity)
        and row.course.casefold() in ("", course)
        and not any(_OTHERS.get(part) is charge.component for part in row.modifiers)
        and not (_parts(row.modifiers) and _parts(charge.modifiers) - _parts(row.modifiers))
    )


def _parts(modifiers: Iterable[str]) -> frozenset[str]:
    return frozenset(modifiers) & _OTHERS.keys()


def _dates(line: Line) -> tuple[date, ...]:
    """The dates of service of a line, and of a counted unit those of its sessions."""
    charge = _charge(line)
    days = {charge.start, charge.end} if charge else set()
    for fact in line.why.facts:
        if fact.name == "sessions":
            days |= {date.fromisoformat(day) for day in fact.value.partition(": ")[2].split(", ")}
    return tuple(sorted(days))


@dataclass(frozen=True, slots=True)
class _Meeting:
    """A line of the opening beside a line of ours."""

    row: OpeningRow
    line: Line
    charge: Charge
    desk: _Desk

    @property
    def numbered(self) -> bool:
        """Whether both are units with a number of the course: then the number decides."""
        return bool(self.row.key) and self.charge.slot.key.isdigit()

    def by_number(self) -> bool:
        """The unit of that number, of about those days: what was counted from another beginning is another unit."""
        near = any(abs(day - self.row.day) <= _NEAR for day in _dates(self.line))
        return self.numbered and self.row.key == self.charge.slot.key and near

    def by_code(self) -> bool:
        """The same code on the same date."""
        same_day = self.row.day in (self.charge.start, self.charge.end)
        return not self.numbered and self.row.code == self.charge.code and same_day

    def by_day(self) -> bool:
        """A unit or session of the day, whatever code it was billed under."""
        of_day = self.row.day in _dates(self.line)
        return not self.numbered and self.charge.slot.service in _BY_DAY and of_day

    def by_course(self) -> bool:
        """What a course owes once, billed on another day of it."""
        once = self.desk.once(self.charge)
        near = bool(self.row.course) or abs(self.row.day - self.charge.start) <= _COURSE
        return near and once is not None and once[1] in ("", self.row.code)


_SIGNS: Final[tuple[Callable[[_Meeting], bool], ...]] = (
    _Meeting.by_number,
    _Meeting.by_code,
    _Meeting.by_day,
    _Meeting.by_course,
)


def _told(row: OpeningRow, house: House) -> Fact:
    """The line of the opening as a fact of what it takes."""
    edition = house.tables.edition(TableKind.OPENING, date.max)
    code = "-".join((row.code, *row.modifiers))
    claim = f", claim {row.claim}" if row.claim else ""
    words = f"{code} × {row.units} of {row.day.isoformat()}{claim}"
    return Fact("billed elsewhere", words, Source("rules", edition.name if edition else TableKind.OPENING))


def _elsewhere(line: Line, spent: _Spent, desk: _Desk) -> Hold:
    """The line held: its slot is taken; where less was billed than is due a person has to look, and may let the rest go.

    Of a part of the service, and of a line that something else holds too, no price is said: nobody lets it go as it is.
    """
    charge = _charge(line)
    facts = [_told(row, desk.house) for row in (spent.row, *spent.more, spent.beside) if row is not None]
    half = spent.half(charge) if charge is not None else ""
    if charge is None or (charge.units <= spent.units and not half):
        return _kept(line, ELSEWHERE, facts)
    said, rest = [], charge
    if charge.units > spent.units:
        said.append(f"{spent.units} of {charge.units} units were billed elsewhere before")
        rest = replace(rest, units=charge.units - spent.units)
    if half:
        (other,) = _OTHERS.keys() - {half}
        said.append(f"its part {half} was billed elsewhere before: what is left is to be billed with {other}")
        # Of the units too: what is left of some is a part, and of the others the whole.
        rest = replace(charge, modifiers=(*charge.modifiers, other), price=None)
    elif spent.beside is not None or not isinstance(line, Charge):
        rest = replace(rest, price=None)
    spec = desk.house.rules.hold("review-needed")
    kept = _kept(line, spec.code, facts, "; ".join(said))
    return replace(kept, release=spec.release, would=rest)
