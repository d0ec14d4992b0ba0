"""Both codings of a person's services: what we derive of what was delivered, and what another system coded.

Ours is derived anew as if nothing had been coded and every family were ours to code, screened like any line and before
anything is kept back because the site is not live: so a family that is billed as it was coded can be compared as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from adapters.charges import Assembly
from adapters.charges.coded import pairs_of, read_coded
from adapters.charges.coded_lines import OTHER, Coded
from adapters.charges.lines import Bench
from adapters.context import PersonContexts
from adapters.edits import facility_of
from adapters.model.charge import Charge, Hold, Slot
from adapters.model.comparison import Coding, Pair
from adapters.model.episode import Episode
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.pipeline.stated import assembled
from adapters.pipeline.step import House, family_by, outcomes_of, person_contexts
from adapters.work import standing
from adapters.work.standing import about_hold

_Line = Charge | Hold


def sides_of(record: PersonRecord, house: House) -> tuple[Pair, ...]:
    """Every service of the person that either side has a line for, episode by episode; nothing of a share."""
    if record.root or not record.events:
        return ()
    ours_alone = replace(house, site=replace(house.site, families=()))
    assembly = assembled(record.person, record.events, family_by(house))
    contexts = person_contexts(assembly, ours_alone)
    outcomes = outcomes_of(replace(assembly, coded={}), contexts, ours_alone, standing(record.events))
    lines: dict[tuple[str, str], list[_Line]] = defaultdict(list)
    due = {charge.slot for charge in outcomes.charges}
    for charge in outcomes.charges:
        lines[charge.slot.episode, charge.slot.service].append(charge)
    for hold in outcomes.holds:
        if not hold.instead_of and hold.would is not None and hold.slot not in due:
            lines[hold.slot.episode, hold.slot.service].append(hold)
    desk = _Desk(record, house, assembly, contexts, _ids(record))
    return tuple(pair for episode in assembly.episodes for pair in desk.of(episode, lines))


def _ids(record: PersonRecord) -> Mapping[Slot, str]:
    """What `explain` takes for the line of each slot: the charge on file, else the held line."""
    found = {hold.slot: f"{about_hold(hold)}|{hold.code}" for hold in record.holds if not hold.instead_of}
    found |= {one.charge.slot: one.id for one in record.charges if one.status is not ChargeStatus.VOID}
    return found


@dataclass(frozen=True, slots=True)
class _Desk:
    record: PersonRecord
    house: House
    assembly: Assembly
    contexts: PersonContexts
    ids: Mapping[Slot, str]

    def of(self, episode: Episode, lines: Mapping[tuple[str, str], Sequence[_Line]]) -> Iterator[Pair]:
        """The pairs of an episode, service by service."""
        others = tuple(other for other in self.assembly.episodes if other is not episode)
        bench = Bench(episode, self.contexts, self.house.rules, self.house.prices, others=others)
        theirs: dict[str, list[Coded]] = defaultdict(list)
        for one in read_coded(bench, self.assembly.coded.get(episode.id, ())):
            theirs[one.line.slot.service].append(one)
        services = {service for of, service in lines if of == episode.id} | set(theirs)
        for service in sorted(services - {OTHER}):
            for mine, other in pairs_of(bench, lines.get((episode.id, service), ()), theirs[service]):
                yield self._pair(episode, service, mine, other)

    def _pair(self, episode: Episode, service: str, mine: _Line | None, other: Coded | None) -> Pair:
        line = mine.would if isinstance(mine, Hold) else mine
        line = line or (other.line if other else None)
        if line is None:
            raise ValueError("a pair of nothing")
        place = facility_of(self.house.site, line.entity)
        payer = self.contexts.of(line.start, place).payer
        return Pair(
            self.record.person,
            service,
            line.entity,
            place.id,
            payer.id if payer else "",
            None if mine is None else self._ours(mine),
            None if other is None else _theirs(other),
            self._evidence(episode, line.start, mine, other),
        )

    def _ours(self, mine: _Line) -> Coding:
        charge = mine.would if isinstance(mine, Hold) else mine
        if charge is None:
            raise ValueError("a held line that says no line is compared with nothing")
        why, held = f"rule {mine.why.rule.id} ({mine.why.rule.cite})", ""
        if isinstance(mine, Hold):
            spec = self.house.rules.hold(mine.code)
            held, why = mine.code, f"{mine.code}, {mine.detail or spec.words} By {why}"
        id = self.ids.get(mine.slot, "")
        return Coding(
            charge.code,
            charge.modifiers,
            charge.units,
            charge.start,
            0 if charge.price is None else charge.amount,
            charge.diagnoses,
            held,
            id,
            why,
        )

    def _evidence(self, episode: Episode, day: date, mine: _Line | None, other: Coded | None) -> str:
        """What is on file of a line that only one side has."""
        if mine is not None and other is not None:
            return ""
        of_day = [one for one in episode.occurrences if one.day == day]
        said = ", ".join(sorted({f"{one.kind} {'done' if one.happened else one.status.value}" for one in of_day}))
        if mine is not None:
            return f"on file of that day: {said}" if said else "it is counted over several days"
        return f"on file of that day: {said}" if said else "nothing is on file that was done on that day"


def _theirs(other: Coded) -> Coding:
    line = other.line
    return Coding(
        line.code,
        line.modifiers,
        line.units,
        other.event.day,
        0 if line.price is None else line.amount,
        tuple(dict.fromkeys(other.event.values("diagnosis"))),
        id=other.event.source.message,
        why=other.event.source.at,
    )
