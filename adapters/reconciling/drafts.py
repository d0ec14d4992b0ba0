"""Every charge, hold, coded charge and finding of a record at its one place: with the thing delivered that it is of.

What was delivered is one draft each. Units counted over sessions (management, physics) are drafts of their own, and so
is a coded charge that meets nothing delivered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from adapters.charges import Assembly
from adapters.model.charge import Charge, Finding, Hold, Slot
from adapters.model.episode import Episode, Occurrence
from adapters.model.event import Event, Status
from adapters.model.kinds import Role
from adapters.model.record import ChargeOnFile, ChargeStatus, PersonRecord
from adapters.model.why import Why
from adapters.reconciling.desk import Desk
from adapters.work.standing import about_hold

COUNTED: Final = frozenset({"management", "physics"})
"""Services whose lines stand for several sessions."""
CODED: Final = "coded-charge"
_OF_SESSION: Final = frozenset({"delivery", "guidance"})
_OF_VISIT: Final = frozenset({"drug", "administration"})


@dataclass(slots=True)
class Draft:
    """A row in the making."""

    id: str
    episode: str
    course: str
    kind: str
    name: str
    day: date
    clinic: str
    machine: str = ""
    occurrence: Occurrence | None = None
    sessions: tuple[Occurrence, ...] = ()
    """Of a counted unit the things delivered on which it rests."""
    booking: Event | None = None
    """What it is a row of, where nothing was delivered."""
    charges: list[ChargeOnFile] = field(default_factory=list)
    gone: list[ChargeOnFile] = field(default_factory=list)
    """Void charges that were once on a claim."""
    holds: list[Hold] = field(default_factory=list)
    beside: str = ""
    """Id of a charge, or name of a hold, that rests on it and stands in another row: a unit, or doses put together."""
    coded: list[Event] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    @property
    def delivered(self) -> bool:
        """Whether something delivered is behind it."""
        return self.occurrence is not None or bool(self.sessions)


@dataclass(slots=True)
class Drafts:
    """All drafts of one record, and where what is found."""

    record: PersonRecord
    assembly: Assembly
    desk: Desk
    all: dict[str, Draft] = field(default_factory=dict)
    of_charge: dict[str, Draft] = field(default_factory=dict)
    of_event: dict[str, Draft] = field(default_factory=dict)
    _places: dict[tuple[str, str, str], Draft] = field(default_factory=dict)
    """By (message, place, kind) of a report."""
    _sessions: dict[tuple[str, str], Draft] = field(default_factory=dict)
    """By episode and key of a session."""
    _keys: dict[tuple[str, str], list[Draft]] = field(default_factory=dict)
    """By episode and key of what is no session; two kinds may share a key."""
    _given: dict[tuple[str, str, date], Draft] = field(default_factory=dict)
    """Doses by episode, code and day; under an empty code the first of the day."""
    _slots: dict[Slot, Draft] = field(default_factory=dict)
    _days: dict[tuple[str, str, date], Draft] = field(default_factory=dict)
    """By episode, service and day of what is charged or held."""
    _coded: dict[tuple[str, str], Event] = field(default_factory=dict)
    _resting: dict[tuple[str, str], Draft] = field(default_factory=dict)
    """By (message, place) of a coded charge the draft of the line that rests on it."""

    @classmethod
    def of(cls, record: PersonRecord, assembly: Assembly, desk: Desk) -> Drafts:
        """The record taken apart."""
        found = cls(record, assembly, desk)
        for episode in assembly.episodes:
            found._delivered(episode)
        found._coded = {(e.source.message, e.source.at): e for ones in assembly.coded.values() for e in ones}
        found._lines()
        found._coded_charges()
        found._remarks()
        return found

    def _delivered(self, episode: Episode) -> None:
        running = 0
        for one in episode.occurrences:
            if not one.happened or one.primary.role is not Role.SERVICE:
                continue
            running += one.kind == "fraction"
            draft = Draft(
                id=one.primary.id,
                episode=episode.id,
                course=episode.label,
                kind=one.kind,
                name=_name(one, running),
                day=one.day,
                clinic=self.desk.place(one).id,
                machine=one.value("machine"),
                occurrence=one,
                events=[report.id for report in one.reports],
            )
            self.all[draft.id] = draft
            for report in one.reports:
                self._places[report.source.message, report.source.at, report.kind] = draft
                self._places.setdefault((report.source.message, report.source.at, one.kind), draft)
                self.of_event[report.id] = draft
            if one.kind == "fraction":
                self._sessions.setdefault((episode.id, one.key), draft)
            else:
                self._keys.setdefault((episode.id, one.key), []).append(draft)
            if episode.kind == "infusion" and one.kind != "office-visit":
                self._given.setdefault((episode.id, one.value("code"), one.day), draft)
                self._given.setdefault((episode.id, "", one.day), draft)

    def _lines(self) -> None:
        for on_file in self.record.charges:
            if on_file.status is ChargeStatus.VOID and not on_file.claim:
                continue
            charge = on_file.charge
            draft = self._at(charge.slot, charge.why, charge, on_file.id)
            (draft.gone if on_file.status is ChargeStatus.VOID else draft.charges).append(on_file)
            self.of_charge[on_file.id] = draft
        for hold in self.record.holds:
            name = f"{about_hold(hold)}|{hold.code}"
            self._at(hold.slot, hold.why, hold.would, name, hold.about).holds.append(hold)

    def _at(self, slot: Slot, why: Why, charge: Charge | None, name: str, about: str = "") -> Draft:
        """The draft that a line is of; other things on which it rests are told of it by its name."""
        draft = self._known(slot, why, about)
        if draft is None and charge is not None and slot.service in _OF_VISIT:
            code = charge.code if slot.service == "drug" else ""
            draft = self._given.get((slot.episode, code, charge.start))
        if draft is None:
            entity = charge.entity if charge is not None else slot.part.partition(":")[0]
            draft = self._new(slot, why, charge.start if charge is not None else None, entity)
        for place in _told(why):
            other = self._places.get(place)
            if other is not None and other is not draft and not other.beside:
                other.beside = name
        self._slots.setdefault(slot, draft)
        self._days.setdefault((slot.episode, slot.service, charge.start if charge is not None else draft.day), draft)
        return draft

    def _known(self, slot: Slot, why: Why, about: str) -> Draft | None:
        if slot.service in COUNTED:
            return self.all.get(_counted(slot))
        if slot.service in _OF_SESSION and (session := self._sessions.get((slot.episode, slot.key))):
            return session
        for message, at, kind in _told(why):
            draft = self._places.get((message, at, kind))
            if draft is not None:
                return draft
        if about in self.of_event:
            return self.of_event[about]
        for message, at, _ in _told(why):
            if (event := self._coded.get((message, at))) is not None and event.id in self.all:
                return self.all[event.id]
        alike = self._keys.get((slot.episode, slot.key), ())
        return alike[0] if len(alike) == 1 else self._slots.get(slot)

    def _new(self, slot: Slot, why: Why, day: date | None, entity: str) -> Draft:
        """A draft for a counted unit, a coded charge, or what a person alone knows."""
        places = [(message, at, kind) for message, at, kind in _told(why)]
        coded = next((e for m, at, _ in places if (e := self._coded.get((m, at)))), None)
        found = {id(d): d for p in places if (d := self._places.get(p)) and d.occurrence is not None}
        sessions = tuple(d.occurrence for d in found.values() if d.occurrence is not None)
        label = slot.episode.partition("/")[2]
        counted = slot.service in COUNTED
        if coded is not None and not counted:
            id_, kind, name = coded.id, CODED, f"charge {coded.value('code') or coded.value('local_code')}"
        else:
            id_, kind = _counted(slot), slot.service
            name = f"{slot.service.replace('-', ' ')} unit {slot.key}" if slot.key.isdigit() else slot.service
        when = day or (sessions[-1].day if sessions else coded.day if coded else date.min)
        clinic = self.desk.place_of(entity).id if entity not in ("", "-") else ""
        if not clinic and sessions:
            clinic = self.desk.place(sessions[-1]).id
        course = "" if "/visit:" in slot.episode else label
        machine = next((one.value("machine") for one in sessions if one.value("machine")), "")
        draft = Draft(id_, slot.episode, course, kind, name, when, clinic, machine, None, sessions)
        self.all[draft.id] = draft
        if coded is not None and not counted:
            self._take(draft, coded)
        return draft

    def _coded_charges(self) -> None:
        """Each coded charge once: with the line that rests on it, with its session, with what is charged of its day."""
        for episode, events in self.assembly.coded.items():
            for event in events:
                if event.id in self.of_event:
                    continue
                draft = self._resting_on(event) or self._of_its_session(episode, event)
                if draft is None:
                    service = self._service(event)
                    draft = self._days.get((episode, service, event.day)) if service else None
                if draft is None:
                    draft = self._alone(episode, event)
                if draft is not None:
                    self._take(draft, event)

    def _take(self, draft: Draft, event: Event) -> None:
        draft.coded.append(event)
        draft.events.append(event.id)
        self.of_event[event.id] = draft

    def _resting_on(self, event: Event) -> Draft | None:
        if not self._resting and event.role is Role.CODED:
            for draft in self.all.values():
                for why in (*(c.charge.why for c in draft.charges), *(h.why for h in draft.holds)):
                    told = (place for *place, kind in _told(why) if kind == "coded charge")
                    self._resting.update((((message, at), draft) for message, at in told))
        return self._resting.get((event.source.message, event.source.at))

    def _of_its_session(self, episode: str, event: Event) -> Draft | None:
        uids = [key for key in event.keys if key.startswith("uid:")]
        return next((draft for key in uids if (draft := self._sessions.get((episode, key)))), None)

    def _service(self, event: Event) -> str:
        code = event.value("code") or self.desk.contexts.site.crosswalk.get(event.value("local_code"), "")
        return self.desk.rules.service_of(code) if code else ""

    def _alone(self, episode: str, event: Event) -> Draft | None:
        """A coded charge that meets nothing; none for one that was withdrawn."""
        if event.status is not Status.DONE:
            return None
        name = f"charge {event.value('code') or event.value('local_code')}"
        course = "" if "/visit:" in episode else episode.partition("/")[2]
        draft = Draft(event.id, episode, course, CODED, name, event.day, self.desk.place(event).id)
        self.all[draft.id] = draft
        return draft

    def _remarks(self) -> None:
        for finding in self.record.findings:
            draft = self.of_event.get(finding.about)
            if draft is None and finding.slot is not None:
                draft = self._slots.get(finding.slot)
            if draft is not None:
                draft.findings.append(finding)


def _counted(slot: Slot) -> str:
    return f"{slot.episode}|{slot.service}|{slot.key}"


def _told(why: Why) -> Iterable[tuple[str, str, str]]:
    """The reports that an outcome rests on: message, place, and kind of what is told there."""
    return dict.fromkeys(
        (fact.source.message, fact.source.at, fact.value.partition(" on ")[0])
        for fact in why.facts
        if fact.name == "event"
    )


def _name(one: Occurrence, running: int) -> str:
    if one.kind == "fraction":
        return f"session {one.value('n') or running}"
    drug = one.value("code") or one.value("drug.name")
    words = one.kind.replace("-", " ")
    return f"{words} {drug}" if drug else words
