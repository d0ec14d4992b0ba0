"""What FHIR resources say by reference, taken from whatever is held of the person now (R4 References).

A Procedure names its phase, its Condition, its visit; they may come before it, after it or never, in one message or in
many. So a capture keeps the names (`names.reason`, `part_of`, …), each resource bears its own (`ref:feed|Type/id`), and
what one takes from another is found anew at each derivation: the order of arrival plays no part, and a Condition that
is corrected corrects what was read from it. What the message itself held stands in until the resource is held.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from adapters.model.event import DISPENSED, DOSE, REFERENCE, ROLE_ORDER, Event, Status
from adapters.model.kinds import Role
from adapters.model.why import Fact

_NAMES: Final = "names."
_AWAITS: Final = "awaits"
_TAKING: Final = frozenset({"part_of", _AWAITS})
_DRUG: Final = ("drug", "drug.system", "drug.name", "ndc", "code", "lot", "expires")
_ORDERED: Final = frozenset({DOSE, DISPENSED, "appointment"})
"""Kinds that bear the numbers of the order that they name."""
_SUMMED: Final = frozenset({"course", "phase"})
_PERSONS: Final = ("by", "ordered_by", "signed_by")
_CONTEXT: Final = frozenset({"patient", "coverage", "encounter", "course", "course-summary", "resource"})
"""Kinds that stay when their resource is deleted: a person is asked, because charges rest on them (`deleted_in`)."""
_LONGEST: Final = 20
"""Procedures above one at most: fraction, plan, phase, course, and whatever a sender puts between."""


def joined(latest: Sequence[Event]) -> tuple[Event, ...]:
    """The current statements, each with what it takes from those that it names; who names nothing is as it was."""
    if not any(_takes(event) for event in latest):
        return tuple(latest)
    held = _Held(latest)
    return tuple(held.told(event) for event in latest)


def taken_back(latest: Sequence[Event]) -> tuple[Event, ...]:
    """The current statements; what was reported by a resource that its sender deleted since is withdrawn.

    A resource that is told again after it was deleted holds.
    """
    gone = _deletions(latest)
    if not gone:
        return tuple(latest)
    return tuple(
        replace(event, status=Status.WITHDRAWN) if event.kind not in _CONTEXT and _deleted(event, gone) else event
        for event in latest
    )


def deleted_in(latest: Sequence[Event]) -> tuple[tuple[Event, Event], ...]:
    """(deletion, what it says is gone) of what charges rest on and a deletion takes nothing from."""
    gone = _deletions(latest)
    return tuple(
        (deletion, event)
        for event in latest
        if event.kind in _CONTEXT and (deletion := _deleted(event, gone)) is not None
    )


def _deletions(latest: Sequence[Event]) -> dict[str, Event]:
    return {f"{REFERENCE}:{e.feed}|{e.value('reference')}": e for e in latest if e.kind == "deletion"}


def _deleted(event: Event, gone: Mapping[str, Event]) -> Event | None:
    """The deletion of an event's resource after it was said; None where there is none."""
    found = (gone[key] for key in event.keys if key in gone)
    return next((deletion for deletion in found if event.said <= deletion.said), None)


def _takes(event: Event) -> bool:
    """Whether it names anything. Only what came by FHIR bears references."""
    return any(fact.name in _TAKING or fact.name.startswith(_NAMES) for fact in event.facts) or (
        event.role is Role.CODED and event.fact("about") is not None
    )


class _Held:
    """All that is held of a person, by the names that it goes by."""

    def __init__(self, latest: Sequence[Event]) -> None:
        self._by_name: dict[str, list[Event]] = defaultdict(list)
        for event in latest:
            for key in event.keys:
                if key.startswith(f"{REFERENCE}:"):
                    self._by_name[key].append(event)
        self._told: dict[str, Event] = {}
        self._open: set[str] = set()

    def told(self, event: Event) -> Event:
        """The event with what it takes from others."""
        if not _takes(event):
            return event
        known = self._told.get(event.id)
        if known is None and event.id not in self._open:
            self._open.add(event.id)  # two that name each other
            known = self._told[event.id] = self._joined(event)
        return known or event

    def _joined(self, event: Event) -> Event:
        taking = _Taking(event)
        above = list(self._above(event)) if event.fact("part_of") else []
        if event.role in (Role.SERVICE, Role.EVIDENCE) and event.kind != "course-end":
            self._part_of(taking, above)
            self._diagnoses(taking, [event, *above])
        else:
            self._diagnoses(taking, [event])
        named = {fact.name for fact in event.facts if _is_name(fact)}
        if "names.visit" in named:
            self._visit(taking)
        if "names.place" in named:  # what names its own place is there, wherever its visit was
            self._place(taking)
        if "names.order" in named:
            self._order(taking)
        if "names.drug" in named:
            self._drug(taking)
        if "names.payer" in named:
            self._payer(taking)
        for role in _PERSONS:
            if f"{_NAMES}{role}" in named:
                self._person(taking, role)
        if _AWAITS in named:
            self._awaited(taking, above)
        course = next((label for one in above if one.kind == "course" and (label := one.value("label"))), "")
        if event.role is Role.CODED:
            course = self._charged_for(taking) or course
        return taking.done(course)

    def _named(self, event: Event, name: str) -> list[Event]:
        """What is held of the one resource that this event calls so; nothing where that could be several.

        An id is one resource for ever. Any other name (an identifier, a `urn:` of one Bundle) may mean another one in
        another message; then the one beside it counts.
        """
        found = self._by_name.get(f"{REFERENCE}:{event.feed}|{name}", [])
        lines = {one.line for one in found}
        if len(lines) > 1:
            if _by_id(name):
                lines = {max(found, key=_rank).line}
            else:
                lines = {one.line for one in found if one.source.message == event.source.message}
        return [one for one in found if one.line in lines] if len(lines) == 1 else []

    def _of(self, event: Event, role: str) -> Iterator[list[Event]]:
        """What is held of each that the event names for this role, in order."""
        for name in event.values(f"{_NAMES}{role}"):
            if found := self._named(event, name):
                yield found

    def _above(self, event: Event) -> Iterator[Event]:
        """The courses, phases and plans that it is part of, the nearest first."""
        seen = {event.line}
        waiting = [event]
        while waiting and len(seen) < _LONGEST:
            current = waiting.pop(0)
            for name in current.values("part_of"):
                found = [one for one in self._named(current, name) if one.line not in seen]
                if found:
                    seen.add(found[0].line)
                    waiting.append(next((one for one in found if one.fact("part_of")), found[0]))
                    yield from (one for one in found if one.kind in _SUMMED)

    def _part_of(self, taking: _Taking, above: Sequence[Event]) -> None:
        for what in ("phase", "plan"):
            labels = [
                Fact(what, label.value, label.source)
                for one in above
                if one.kind == "phase" and (one.fact("plan") is not None) == (what == "plan")
                if (label := one.fact("label")) is not None
            ]
            if labels and not taking.own(what):
                taking.put(what, labels)

    def _diagnoses(self, taking: _Taking, chain: Sequence[Event]) -> None:
        """The codes of the first that states any: itself, with the Conditions that it names; else what is above it."""
        for event in chain:
            own = [fact for fact in event.facts if fact.name == "diagnosis" and _is_own(fact, event)]
            found = own + [fact for those in self._of(event, "reason") for fact in _diagnosed(those)]
            if not found:
                found = next((facts for those in self._of(event, "diagnosis") if (facts := _diagnosed(those))), [])
            if found:
                taking.put("diagnosis", found)
                return
        if any(self._of(taking.event, "reason")):  # refuted since: what was read from it then is no diagnosis now
            taking.put("diagnosis", ())

    def _visit(self, taking: _Taking) -> None:
        for found in self._of(taking.event, "visit"):
            told = [self.told(one) for one in found]
            if number := _lent(told, "visit"):
                taking.put("visit", number[:1])
            place = _lent(told, "facility")
            if place and not taking.own("facility"):
                taking.put("facility", place[:1])
            return

    def _place(self, taking: _Taking) -> None:
        for found in self._of(taking.event, "place"):
            if place := _lent(found, "facility"):
                taking.put("facility", place[:1])
                return

    def _person(self, taking: _Taking, role: str) -> None:
        """Who it was: the number of the first that is named and has one, and the role that counts."""
        itself = taking.event.kind == "resource"  # a role, which names its person
        for found in self._of(taking.event, role):
            told = [self.told(one) for one in found]
            npi = (taking.own("by") if itself else []) or _lent(told, "by")
            if not npi:
                continue
            taking.put(role, [Fact(role, npi[0].value, npi[0].source)])
            if role == "by":
                roles = [*(taking.own("by.role") if itself else ()), *_lent(told, "by.role")]
                taking.put("by.role", sorted(roles, key=_importance)[:1])
            return

    def _order(self, taking: _Taking) -> None:
        orders = list(self._of(taking.event, "order"))
        kind = taking.event.kind
        if kind in _SUMMED and not taking.own("planned_fractions"):
            planned = next((facts for one in orders if (facts := _lent(one, "planned_fractions"))), [])
            if planned:
                taking.put("planned_fractions", planned[:1])
        if kind not in _ORDERED or not orders:
            return
        for name, scheme in (("placer", "placer"), ("filler_order", "order")):
            if taking.own(name):
                continue
            number = next((facts for one in orders if (facts := _lent(one, name))), [])
            if not number and name == "placer":
                number = next((facts for one in orders if (facts := _lent(one, "label"))), [])
            if number:
                taking.put(name, [Fact(name, number[0].value, number[0].source)])
                taking.key(f"{scheme}:{number[0].value}")

    def _drug(self, taking: _Taking) -> None:
        for found in self._of(taking.event, "drug"):
            facts = {name: told for name in _DRUG if (told := _lent(found, name))}
            for name in _DRUG if "drug" in facts else ():
                taking.put(name, facts.get(name) or taking.own(name))
            return

    def _payer(self, taking: _Taking) -> None:
        for found in self._of(taking.event, "payer"):
            if payer := _lent(found, "payer"):
                taking.put("payer", payer[:1])
            name = _lent(found, "payer.name")
            if name and not taking.own("payer.name"):
                taking.put("payer.name", name[:1])
            return

    def _awaited(self, taking: _Taking, above: Sequence[Event]) -> None:
        """Facts that the dialect reads in what is named before it takes the event's own word."""
        event, found = taking.event, set()
        for awaited in event.values(_AWAITS):
            name, _, base = awaited.partition(":")
            if name not in found and (facts := self._lent_by(event, above, base, name)):
                found.add(name)
                taking.put(name, facts)

    def _lent_by(self, event: Event, above: Sequence[Event], base: str, name: str) -> list[Fact]:
        if base in ("plan", "phase", "course"):
            those = [self._named(one, one.value("reference")) for one in above if _base(one) == base]
        else:
            those = list(self._of(event, {"encounter": "visit", "request": "order", "medication": "drug"}[base]))
        lenders = ([one for one in found if one.kind == "resource"] for found in those)
        return next((facts for found in lenders if (facts := _lent(found, name))), [])

    def _charged_for(self, taking: _Taking) -> str:
        """Course of what a coded charge is for; and the session's UID, by which it meets it."""
        course = ""
        for name in taking.event.values("about"):
            for one in self._named(taking.event, name):
                if one.kind == "fraction" and one.role is Role.SERVICE and (uid := one.value("uid")):
                    taking.key(f"uid:{uid}")
                if one.role in (Role.SERVICE, Role.EVIDENCE) or one.kind in _SUMMED:
                    course = course or self.told(one).course or (one.value("label") if one.kind == "course" else "")
        return course


class _Taking:
    """An event while it takes."""

    def __init__(self, event: Event) -> None:
        self.event = event
        message = event.source.message
        self._stated = {fact.name for fact in event.facts if fact.source.message != message}
        self._put: dict[str, list[Fact]] = {}
        self._keys: list[str] = []

    def own(self, name: str) -> list[Fact]:
        """The facts of this name that stand in the resource itself."""
        return [fact for fact in self.event.facts if fact.name == name and _is_own(fact, self.event)]

    def put(self, name: str, facts: Iterable[Fact]) -> None:
        """These in place of the event's own of that name, each value once; what a person has stated stays."""
        if name in self._stated:
            return
        once: dict[str, Fact] = {}
        for fact in facts:
            once.setdefault(fact.value, fact)
        self._put[name] = list(once.values())

    def key(self, key: str) -> None:
        """An identity of the thing."""
        if key not in self.event.keys:
            self._keys.append(key)

    def done(self, course: str) -> Event:
        """The event, without the names: they have done their work."""
        kept = [f for f in self.event.facts if f.name not in self._put and not _is_name(f)]
        facts = (*kept, *(fact for name in sorted(self._put) for fact in self._put[name]))
        keys = (*self.event.keys, *self._keys)
        return replace(self.event, facts=facts, keys=keys, course=self.event.course or course)


def _lent(found: Iterable[Event], name: str) -> list[Fact]:
    """The facts of this name that a resource lends."""
    return [fact for one in found for fact in one.facts if fact.name == name]


def _diagnosed(found: Iterable[Event]) -> list[Fact]:
    """The codes of a Condition; one that was refuted, or never was, lends none."""
    return _lent((one for one in found if one.status is not Status.WITHDRAWN), "diagnosis")


def _is_own(fact: Fact, event: Event) -> bool:
    """Whether a fact stands in the event's own resource, and not in one that its message held beside it."""
    place = event.source.at.partition(" (")[0]
    at = fact.source.at
    return fact.source.message == event.source.message and (at.startswith((f"{place}.", "assumed")) or at == place)


def _is_name(fact: Fact) -> bool:
    return fact.name == _AWAITS or fact.name.startswith(_NAMES)


def _by_id(name: str) -> bool:
    return not name.startswith("urn:") and "?" not in name


def _base(event: Event) -> str:
    return "course" if event.kind == "course" else "plan" if event.fact("plan") is not None else "phase"


def _importance(role: Fact) -> int:
    return ROLE_ORDER.index(role.value) if role.value in ROLE_ORDER else len(ROLE_ORDER)


def _rank(event: Event) -> tuple[object, ...]:
    return (event.said, event.source.message, event.source.at, event.id)
