"""A visit for drugs as a person wants to see it: what ran when at which access site, and what is billed for which minutes.

The minutes are reckoned again from the events by the very functions that derive the charges; where a line stands is read
from the record, never reckoned. So a picture cannot say of a line what is not on file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from adapters.charges.administered import begun, parts_of
from adapters.charges.administration_lines import FAMILY, Portion, derives
from adapters.charges.infusion_visit import INTRAVENOUS, AccessSite, Reckoned, access_sites
from adapters.charges.lines import Bench
from adapters.charges.minutes import Span, common, union
from adapters.model.episode import Episode, Occurrence
from adapters.model.event import DOSE
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.model.visit import Stretch, VisitCode, VisitRow, VisitSite, VisitView
from adapters.model.why import Fact, Why
from adapters.pipeline.stated import assembled
from adapters.pipeline.step import House, family_by, person_contexts
from adapters.rules import Ruleset
from adapters.work.standing import about_hold

VISIT: Final = "infusion"
"""The kind of an episode that is a visit for drugs."""
_LEAST: Final = timedelta(minutes=1)
_DONE: Final = {
    "office-visit": "physician's visit",
    "port-flush": "port flush",
    "pump-disconnect": "pump disconnected",
    "pump-refill": "pump refilled",
    "pump-start": "pump started",
}


def visit_view(record: PersonRecord, episode_id: str, house: House) -> VisitView | None:
    """The visit of that id; None where the person has none, or nothing happened in it."""
    assembly = assembled(record.person, record.events, family_by(house))
    episode = next((e for e in assembly.episodes if e.id == episode_id and e.kind == VISIT), None)
    if episode is None or not any(one.happened for one in episode.occurrences):
        return None
    others = tuple(other for other in assembly.episodes if other is not episode)
    bench = Bench(episode, person_contexts(assembly, house), house.rules, house.prices, others=others)
    return _Reader(bench, _OnFile.of(record, episode, house.rules)).view()


def visit_of_line(record: PersonRecord, id: str) -> str:
    """The id of the episode that a charge on file, or a hold, is of; empty where no line bears the id.

    A hold goes by its slot and code, as `explain` names it.
    """
    charges = (one.charge.slot.episode for one in record.charges if one.id == id)
    holds = (hold.slot.episode for hold in record.holds if f"{about_hold(hold)}|{hold.code}" == id)
    return next(chain(charges, holds), "")


@dataclass(slots=True)
class _OnFile:
    """Where the lines of a visit stand."""

    rules: Ruleset
    by_key: dict[tuple[str, str], list[VisitCode]] = field(default_factory=dict)
    """By service and key of the slot: of one slot a line may be due and a better one held."""
    of_report: dict[Fact, list[tuple[str, VisitCode]]] = field(default_factory=dict)
    """(service, line) by the place of a report on which it rests."""
    waits: dict[str, str] = field(default_factory=dict)
    """Why an administration as a whole waits, by its event."""
    idle: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, record: PersonRecord, episode: Episode, rules: Ruleset) -> _OnFile:
        """All lines of the episode that are on file."""
        found = cls(rules)
        for on_file in record.charges:
            charge = on_file.charge
            if charge.slot.episode == episode.id and on_file.status is not ChargeStatus.VOID:
                code = VisitCode(charge.code, charge.modifiers, charge.units, on_file.status.value, id=on_file.id)
                found._add(charge.slot.service, charge.slot.key, charge.why, code)
        for hold in record.holds:
            if hold.slot.episode != episode.id:
                continue
            if (line := hold.would) is not None:
                code = VisitCode(line.code, line.modifiers, line.units, hold.code, held=True)
                found._add(hold.slot.service, hold.slot.key, hold.why, code)
            elif hold.slot.service == FAMILY:
                found.waits[hold.about] = hold.detail or rules.hold(hold.code).words
            else:
                code = VisitCode(hold.slot.service, (), 0, hold.code, held=True)
                found._add(hold.slot.service, hold.slot.key, hold.why, code)
        reports = {report.id for one in episode.occurrences for report in one.reports}
        found.idle = {s.event: rules.skip_words(s.reason) for s in record.skips if s.event in reports}
        return found

    def _add(self, service: str, key: str, why: Why, code: VisitCode) -> None:
        self.by_key.setdefault((service, key), []).append(code)
        for fact in dict.fromkeys(fact for fact in why.facts if fact.name == "event"):
            self.of_report.setdefault(fact, []).append((service, code))

    def beside(self, one: Occurrence, timed: bool) -> tuple[VisitCode, ...]:
        """The lines that rest on what was done and are not told by its minutes."""
        lines = (line for fact in one.told for line in self.of_report.get(fact, ()))
        return tuple(dict.fromkeys(code for service, code in lines if not (timed and service == FAMILY)))


@dataclass(frozen=True, slots=True)
class _Reader:
    bench: Bench
    lines: _OnFile

    def view(self) -> VisitView:
        """The whole visit."""
        episode = self.bench.episode
        reckoned = access_sites(self.bench)
        seen = {id(one) for site in reckoned for one in _of_site(site)}
        left: dict[str, list[Occurrence]] = {}
        for one in episode.of(*INTRAVENOUS):
            if id(one) not in seen:
                left.setdefault(one.value("site").strip(), []).append(one)
        sites = [self._site(site) for site in reckoned]
        sites += [VisitSite(name, False, self._rows(ones, {})) for name, ones in left.items()]
        beside = [one for one in episode.occurrences if one.happened and one.kind not in INTRAVENOUS]
        rows = tuple(self._row(one, ()) for one in sorted(beside, key=begun))
        view = (*(row for site in sites for row in site.rows), *rows)
        ends = [end for row in view for _, end in row.spans]
        start = min(row.at for row in view)
        last = max([*ends, *(row.at for row in view)])
        zone = self.bench.contexts.site.zone
        return VisitView(episode.id, zone, start, max(last, start + _LEAST), tuple(sites), rows)

    def _site(self, site: AccessSite) -> VisitSite:
        by_key: dict[int, list[Reckoned]] = {}
        for one in site.services:
            by_key.setdefault(id(one.given.occurrence), []).append(one)
        return VisitSite(site.name, site.separate, self._rows(_of_site(site), by_key))

    def _rows(self, ones: Iterable[Occurrence], services: dict[int, list[Reckoned]]) -> tuple[VisitRow, ...]:
        return tuple(self._row(one, services.get(id(one), ())) for one in sorted(ones, key=begun))

    def _row(self, one: Occurrence, services: Sequence[Reckoned]) -> VisitRow:
        timed = one.kind in INTRAVENOUS
        what = services[0].given if services else None
        reports = [report.id for report in one.reports]
        waits = next((words for id in reports if (words := self.lines.waits.get(id, ""))), "")
        idle = next((words for id in reports[:1] if (words := self.lines.idle.get(id, ""))), "")
        if timed and not services and not waits and not derives(self.bench, one, FAMILY):
            idle = idle or self.lines.rules.skip_words("billed-elsewhere")
        return VisitRow(
            name=_name(one),
            kind="injection" if one.kind == DOSE else one.kind,
            at=begun(one),
            spans=_ran(one) if what is None else _without_instants(what.spans),
            stretches=tuple(stretch for each in _timed(services) for stretch in self._stretches(*each)),
            codes=self.lines.beside(one, timed),
            assumed=bool(what and what.assumed),
            held=waits,
            idle="" if waits else idle,
        )

    def _stretches(self, first: Reckoned, more: Reckoned | None) -> Iterator[Stretch]:
        service = first.service
        if not service.role:
            return
        whole = service.spans or _without_instants(first.given.spans) or first.given.spans
        further = more.service.units if more else ()
        end = whole[-1][1]
        until = further[0] if further else end
        counted = bool(service.spans)
        spans = common(whole, ((whole[0][0], until),)) if further else whole
        yield Stretch(service.role, tuple(spans), self._codes(first), service.units, counted)
        if more and further:
            rest = tuple(common(whole, ((until, end),)))
            yield Stretch(more.service.role, rest, self._codes(more), further)

    def _codes(self, reckoned: Reckoned) -> tuple[VisitCode, ...]:
        """The units of one service by the lines that they are part of: of what is unsure, the line that is held."""
        units: dict[str, list[Portion]] = {}
        for portion in reckoned.portions:
            units.setdefault("/".join((portion.day.isoformat(), portion.code, *portion.modifiers)), []).append(portion)
        found: list[VisitCode] = []
        for key, members in units.items():
            lines = self.lines.by_key.get((FAMILY, key), ())
            fitting = (line for line in lines if line.held == reckoned.unsure)
            line = next(fitting, lines[0] if lines else None)
            if line is None:
                found.append(VisitCode(members[0].code, members[0].modifiers, len(members), ""))
            else:
                found.append(VisitCode(line.code, line.modifiers, len(members), line.state, line.held, line.id))
        return tuple(found)


def _timed(services: Sequence[Reckoned]) -> Iterator[tuple[Reckoned, Reckoned | None]]:
    """Each service with the further hours of it, which follow it."""
    for i, one in enumerate(services):
        if one.service.role != "additional":
            following = services[i + 1] if i + 1 < len(services) else None
            yield one, following if following and following.service.role == "additional" else None


def _of_site(site: AccessSite) -> list[Occurrence]:
    ones = {id(each.given.occurrence): each.given.occurrence for each in site.services}
    return [*ones.values(), *site.waiting]


def _name(one: Occurrence) -> str:
    said = one.value("drug.name") or one.value("drug") or one.value("code")
    return said or _DONE.get(one.kind, one.kind.replace("-", " "))


def _ran(one: Occurrence) -> tuple[Span, ...]:
    """When it ran as recorded; empty where a part has no end after its start."""
    parts = [(part.start, part.end) for part in parts_of(one)]
    return union((start, end) for start, end in parts if end is not None and start < end)


def _without_instants(spans: Iterable[tuple[datetime, datetime]]) -> tuple[Span, ...]:
    return tuple(span for span in spans if span[0] < span[1])
