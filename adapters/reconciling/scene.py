"""What detectors look at: an episode as it was done, and the lines that one side charges for it.

`ours` is what goes out, whoever coded it; `theirs` what the EHR coded of the families that the site file has in mode
compare. In mode accept what goes out is theirs, and what is found of it bears their side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from adapters.charges import Assembly
from adapters.charges.coded_lines import coded_line
from adapters.charges.netting import netted
from adapters.charges.radiation import is_closed
from adapters.charges.special import STEREOTACTIC
from adapters.model.charge import Charge, Component, Hold, Release
from adapters.model.episode import Episode, Occurrence
from adapters.model.money import Cents
from adapters.model.reconciliation import Detection, Side
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.model.site import Facility, Mode
from adapters.model.why import Fact
from adapters.reconciling.desk import Desk
from adapters.rules import Decision

GIVEN: Final = ("infusion", "push", "injection", "hydration", "pump-start")
"""Kinds of doses."""
CODED_ELSEWHERE: Final = "coded-elsewhere"
_OF_THE_THING: Final = frozenset({"billed-elsewhere", "included-in-pump", "included-in-administration"})
"""Reasons for which no side charges a thing."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line as a side charges it."""

    id: str
    """Id of the charge on file, `slot|code` of a held one, id of the event of a coded one."""
    charge: Charge
    role: str
    held: bool = False
    """It is kept back: it stands for its service, and nothing is charged too much by it."""

    @property
    def code(self) -> str:
        """Its code."""
        return self.charge.code

    @property
    def service(self) -> str:
        """Its service family."""
        return self.charge.slot.service

    @property
    def day(self) -> date:
        """Its date of service."""
        return self.charge.start

    @property
    def units(self) -> int:
        """Its units."""
        return self.charge.units

    @property
    def amount(self) -> Cents:
        """What it is charged at; 0 where no price is known."""
        return self.charge.amount if self.charge.price is not None else 0

    @property
    def technical(self) -> bool:
        """Whether it is the technical part alone."""
        return self.charge.component is Component.TECHNICAL


@dataclass(slots=True)
class Scene:
    """One episode and one side."""

    desk: Desk
    episode: Episode
    side: Side
    lines: tuple[Line, ...]
    """In order of their dates."""
    today: date
    person: str = ""
    told: Counter[tuple[str, date, bool]] = field(default_factory=Counter)
    """(service, day, technical): what is held without a line that goes out, so that no charge of it is missed."""
    idle: frozenset[str] = frozenset()
    """Ids of events that owe nothing by themselves, for a reason that is told."""
    beside: tuple[Line, ...] = ()
    """Lines of the same side of the person's other episodes."""
    given: frozenset[tuple[str, date]] = frozenset()
    """(code, day) of every dose of the person."""

    def covers(self, service: str, day: date, place: Facility) -> bool:
        """Whether the side charges such services at all, so that a line that is not there says something."""
        return self.side is Side.OURS or self.desk.mode(service, day, place) is Mode.COMPARE

    def late(self, day: date, place: Facility) -> bool:
        """Whether the charge of a service of that day should be there by now."""
        return (self.today - day).days > self.desk.days("reconcile.grace_days", day, place)

    def of(self, *services: str) -> list[Line]:
        """The lines of these families."""
        return [line for line in self.lines if line.service in services]

    def with_role(self, *roles: str) -> list[Line]:
        """The lines whose codes have one of these roles."""
        return [line for line in self.lines if line.role in roles]

    def units_told(self, service: str, day: date, *, technical: bool = True) -> int:
        """How many services of the family are kept back on the day without a line that goes out."""
        return self.told[service, day, False] + (self.told[service, day, True] if technical else 0)

    @property
    def sessions(self) -> tuple[Occurrence, ...]:
        """The sessions delivered, in order of time."""
        return self.episode.of("fraction")

    @property
    def daily(self) -> list[Occurrence]:
        """Sessions of external beam by the day: those that weekly management counts."""
        return [session for session in self.sessions if not session.value("regime")]

    @property
    def beam(self) -> list[Occurrence]:
        """Sessions of external beam, stereotactic ones among them."""
        return [session for session in self.sessions if session.value("regime") in ("", *STEREOTACTIC)]

    @property
    def closed(self) -> bool:
        """Whether the course has ended."""
        return is_closed(self.episode, self.sessions)

    def found(
        self,
        detector: str,
        about: Occurrence | Line,
        amount: Cents,
        detail: str,
        service: str = "",
        facts: tuple[Fact, ...] = (),
    ) -> Detection:
        """What a detector says: about a thing done, or a line."""
        if isinstance(about, Line):
            place, id, day = self.desk.place_of(about.charge.entity), about.id, about.day
            facts, service = (*facts, *about.charge.why.facts[:1]), about.service
        else:
            place, id, day = self.desk.place(about), about.primary.id, about.day
            facts = (*facts, about.named)
        accepted = self.desk.mode(service, day, place) is Mode.ACCEPT if service else False
        return Detection(
            detector,
            Side.THEIRS if accepted else self.side,
            self.person,
            self.episode.id,
            day,
            amount,
            detail,
            id,
            facts=facts,
            clinic=place.id,
            course=self.episode.label,
        )

    def supports(self, session: Occurrence) -> str:
        """The code that the record of an external beam session supports by the table of levels; empty for none."""
        desk, words = self.desk, {fact.name: fact.value for fact in reversed(session.facts)}
        active, documented = session.flag("motion.active"), session.flag("motion.documented")
        words["motion"] = "none" if not active else "documented" if documented else "undocumented"
        if "isocenters" not in words:
            plans = (p for p in self.episode.of("imrt-plan", "3d-plan") if p.fact("isocenters"))
            named = session.value("plan")
            told = next((p for p in plans if not named or p.value("plan") in ("", named)), None)
            if told is not None:
                words["isocenters"] = told.value("isocenters")
        context = desk.on(session.day, desk.place(session))
        said = desk.rules.decide("delivery", session.day, {**context.words, **words})
        return said.values.get("code", "") if isinstance(said, Decision) else ""


def scenes(record: PersonRecord, assembly: Assembly, desk: Desk, today: date) -> Iterator[Scene]:
    """Every episode as we charge it, and as the EHR does where the site file compares the two."""
    ours = {one.id: _ours(record, one, desk) for one in assembly.episodes}
    theirs = {one.id: _theirs(one, assembly, desk) for one in assembly.episodes} if _compares(desk) else {}
    idle = frozenset(skip.event for skip in record.skips if skip.reason != CODED_ELSEWHERE)
    nobody = frozenset(skip.event for skip in record.skips if skip.reason in _OF_THE_THING)
    given = frozenset((o.value("code"), o.day) for e in assembly.episodes for o in e.of(*GIVEN))
    held: dict[str, list[Hold]] = {}
    for hold in record.holds:
        held.setdefault(hold.slot.episode, []).append(hold)
    for episode in assembly.episodes:
        beside = _beside(ours, episode.id)
        told = _told(held.get(episode.id, ()), episode)
        lines = ours[episode.id]
        yield Scene(desk, episode, Side.OURS, lines, today, record.person, told, idle, beside, given)
        if episode.id in theirs:
            coded = theirs[episode.id]
            beside = _beside(theirs, episode.id)
            yield Scene(desk, episode, Side.THEIRS, coded, today, record.person, Counter(), nobody, beside, given)


def _beside(lines: Mapping[str, tuple[Line, ...]], episode: str) -> tuple[Line, ...]:
    return tuple(line for id, ones in lines.items() if id != episode for line in ones)


def _compares(desk: Desk) -> bool:
    return any(family.mode is Mode.COMPARE for family in desk.contexts.site.families)


def _line(desk: Desk, id: str, charge: Charge, held: bool = False) -> Line:
    return Line(id, charge, desk.role(charge.code, charge.start), held)


def _ours(record: PersonRecord, episode: Episode, desk: Desk) -> tuple[Line, ...]:
    """What goes out for the episode, and what would but for a hold."""
    found = [
        _line(desk, one.id, one.charge)
        for one in record.charges
        if one.charge.slot.episode == episode.id and one.status is not ChargeStatus.VOID
    ]
    for hold in record.holds:
        if hold.slot.episode != episode.id or hold.would is None:
            continue
        if hold.release is not Release.NEVER and not hold.instead_of:
            slot = hold.slot
            id = f"{slot.episode}|{slot.service}|{slot.key}|{slot.part}|{hold.code}"
            found.append(_line(desk, id, hold.would, held=True))
    return tuple(sorted(found, key=lambda line: (line.day, line.code, line.id)))


def _told(holds: Iterable[Hold], episode: Episode) -> Counter[tuple[str, date, bool]]:
    """What is kept back without a line that would go out."""
    days = {report.id: one.day for one in episode.occurrences for report in one.reports}
    found: Counter[tuple[str, date, bool]] = Counter()
    for hold in holds:
        if hold.would is not None and hold.release is not Release.NEVER:
            continue
        day = hold.would.start if hold.would else days.get(hold.about)
        technical = hold.would is not None and hold.would.component is Component.TECHNICAL
        if day is not None:
            found[hold.slot.service, day, technical] += 1
    return found


def _theirs(episode: Episode, assembly: Assembly, desk: Desk) -> tuple[Line, ...]:
    """What the EHR coded for the episode, of families that are compared; credits have taken their units away."""
    bench = desk.bench(episode)
    coded = sorted(assembly.coded.get(episode.id, ()), key=lambda e: (e.start, e.line, e.id))
    read = netted(bench, [one for event in coded if (one := coded_line(bench, event)) is not None])
    lines = [
        _line(desk, one.event.id, one.line)
        for one in read
        if desk.mode(one.line.slot.service, one.line.start, desk.place_of(one.line.entity)) is Mode.COMPARE
    ]
    return tuple(sorted(lines, key=lambda line: (line.day, line.code, line.id)))


def by_day(occurrences: Sequence[Occurrence]) -> dict[date, list[Occurrence]]:
    """Things done by their dates, in order."""
    found: dict[date, list[Occurrence]] = {}
    for one in occurrences:
        found.setdefault(one.day, []).append(one)
    return found
