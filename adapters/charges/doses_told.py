"""Which reports of doses are of one dose, and what each dose was.

A dose is told by a record of administrations (RAS, MedicationAdministration), by a charging system's activity (FT1) or
by both. It is known by its order and the occurrence of it, or by its order and the minute it began; what it was
follows from its form, route, method and times, and where these do not tell, nobody guesses. What a report leaves
unsaid of its drug its order may say, and what the pharmacy handed out says which vials were opened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from adapters.charges.administered import parts_of
from adapters.charges.doses import amount
from adapters.model.episode import Occurrence
from adapters.model.event import DISPENSED, DOSE, Event, Status
from adapters.model.why import Fact

DOSES: Final = frozenset({DOSE, "infusion", "push", "injection", "hydration"})
"""Kinds of which two may be reports of one dose."""

_VEIN: Final = "iv"
_ROUTES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("iv", "intravenous", "intravenous route", "47625008"), _VEIN),
    **dict.fromkeys(("sc", "sq", "subcut", "subcutaneous", "34206005"), "sc"),
    **dict.fromkeys(("im", "intramuscular", "78421000"), "im"),
    **dict.fromkeys(("on-body", "on-body injector"), "on-body"),
    **dict.fromkeys(("po", "oral", "26643006", "sl", "ng", "pr", "tp", "topical", "td", "op", "ot", "ns"), "no-needle"),
}
"""Ways of giving, by HL7 table 0162, SNOMED CT and their words; a dialect's `values` translate others."""
_INJECTED: Final = frozenset({"sc", "im", "on-body"})
_METHODS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ivp", "push", "iv push", "bolus"), "push"),
    **dict.fromkeys(("ivpb", "piggyback", "infusion", "drip"), "infusion"),
}
"""How it went into the vein: RXR-4 (HL7 table 0165) or Dosage.method, by code or word."""
_OF_THE_ORDER: Final = ("code", "class", "route", "method", "form", "acquired", "primary_reason", "second_site_reason")
"""What an order may say for a dose that does not: never a time, an amount or a rate."""
_EACH: Final = frozenset({"vial", "vials", "{vial}", "[vial]", "ea", "each", "{ea}", "un"})
"""Units in which vials are counted."""
NO_NEEDLE: Final = "no-needle"
"""Canonical route of what is swallowed, applied or inhaled."""


def route_of(said: str) -> str:
    """A route in our word (`iv`, `sc`, `im`, `on-body`, `no-needle`); any other as it was said, in lower case."""
    word = said.strip().casefold()
    return _ROUTES.get(word, word)


# ---------------------------------------------------------------- one dose, several reports


def same_doses(events: Sequence[Event]) -> Iterator[tuple[int, int]]:
    """Pairs of positions of reports that are of one dose.

    They share an order number and the minute it began, or, told by two feeds, the occurrence of the order, where each of
    the feeds counts its doses. Reports of one message are never of one dose, nor are two that name different drugs;
    of one feed they must name the same one.
    """
    by_order: dict[str, list[int]] = defaultdict(list)
    for i, event in enumerate(events):
        for number in orders_of(event):
            by_order[number].append(i)
    for members in by_order.values():
        counting = _counting(events, members)
        for position, i in enumerate(members):
            for j in members[position + 1 :]:
                if _alike(events[i], events[j]) and _same_time(events[i], events[j], counting):
                    yield i, j


def orders_of(event: Event) -> tuple[str, ...]:
    """The numbers of its order; what is the placer's to one system may be the filler's to another."""
    return tuple(dict.fromkeys(fact.value for fact in event.facts if fact.name in ("placer", "filler_order")))


def _counting(events: Sequence[Event], members: Iterable[int]) -> frozenset[str]:
    """The feeds that number the doses of an order: each of their reports has a number, none twice on a day."""
    seen: set[tuple[str, str, date]] = set()
    feeds: dict[str, bool] = {}
    for i in members:
        event = events[i]
        sign = (event.feed, event.value("counter"), event.day)
        counts = bool(sign[1]) and sign not in seen
        seen.add(sign)
        feeds[event.feed] = feeds.get(event.feed, True) and counts
    return frozenset(feed for feed, counts in feeds.items() if counts)


def _alike(one: Event, other: Event) -> bool:
    """Whether nothing of drug, message and outcome tells two reports apart."""
    if one.source.message == other.source.message or (one.status is Status.DONE) != (other.status is Status.DONE):
        return False
    if one.feed == other.feed:
        return _drug(one) == _drug(other)
    return len({event.value("code") for event in (one, other)} - {""}) < 2


def _drug(event: Event) -> str:
    return (event.value("code") or event.value("drug") or event.value("drug.name")).casefold()


def _same_time(one: Event, other: Event, counting: frozenset[str]) -> bool:
    if one.start.replace(second=0, microsecond=0) == other.start.replace(second=0, microsecond=0):
        return True
    if one.feed == other.feed or one.day != other.day or not {one.feed, other.feed} <= counting:
        return False
    return one.value("counter") == other.value("counter")


def differing(one: Event, other: Event) -> tuple[str, ...]:
    """What two reports of one dose both say and do not say alike: drug, dose, waste, stop."""
    found = ["code"] if len({event.value("code") for event in (one, other)} - {""}) > 1 else []
    for name in ("dose", "waste"):
        said = [(event.value(name), event.value(f"{name}.unit")) for event in (one, other)]
        if all(value for value, _ in said) and said[0] != said[1]:
            known = [amount(*quantity) for quantity in said]
            found += [] if known[0] is not None and known[0] == known[1] else [name]
    ends = [event.end.replace(second=0, microsecond=0) for event in (one, other) if event.end is not None]
    return (*found, *(("stop",) if len(set(ends)) > 1 else ()))


def amended(latest: Sequence[Event], superseded: Iterable[tuple[Event, Event]]) -> Iterator[tuple[Event, Event | None]]:
    """(amendment, the dose whose start it changes): of a sender that names a dose by its start, an amended start is a new
    name. None where several doses could be meant. (RXA-21 U and D; an amendment that came alone is the dose itself.)
    """
    known = {newer.id for _, newer in superseded}
    doses: dict[tuple[str, str, date, str], list[Event]] = defaultdict(list)
    for event in latest:
        if event.kind == DOSE and event.status is Status.DONE:
            for number in orders_of(event):
                doses[event.feed, number, event.day, _drug(event)].append(event)
    for event in latest:
        if event.kind != DOSE or event.id in known or event.value("action") not in ("update", "delete"):
            continue
        meant = {
            other.id: other
            for number in orders_of(event)
            for other in doses[event.feed, number, event.day, _drug(event)]
            if other.line != event.line and other.said < event.said and other.value("action") in ("", "add")
        }
        if meant:
            yield event, next(iter(meant.values())) if len(meant) == 1 else None


# ---------------------------------------------------------------- what a dose was


@dataclass(slots=True)
class Pharmacy:
    """What orders and dispenses say of doses: by the numbers of the order."""

    orders: dict[str, Event] = field(default_factory=dict)
    dispensed: dict[tuple[str, date], list[Event]] = field(default_factory=lambda: defaultdict(list))
    doses: dict[tuple[str, date], int] = field(default_factory=lambda: defaultdict(int))
    """How many doses of an order were given on a day: vials of several are nobody's in particular."""

    @classmethod
    def of(cls, context: Iterable[Event], doses: Iterable[Occurrence]) -> Pharmacy:
        """Of the current context events and all doses of a person."""
        found = cls()
        for event in context:
            for number in orders_of(event):
                if event.kind == "order":
                    found.orders.setdefault(number, event)
                elif event.kind == DISPENSED and event.status is Status.DONE:
                    found.dispensed[number, event.day].append(event)
        for one in doses:
            if one.happened and one.kind in DOSES:
                for number in {number for report in one.reports for number in orders_of(report)}:
                    found.doses[number, one.day] += 1
        return found


def as_given(one: Occurrence, pharmacy: Pharmacy) -> Occurrence:
    """The dose under the kind that it was, its counting report completed from the others, its order and the pharmacy.

    It stays an `administration` where it was given without a needle, or nothing tells how it was given.
    """
    if one.kind not in DOSES:
        return one
    reports = one.reports
    if len(reports) > 1 and len(parts_of(one)) == 1:
        reports = (_completed(reports[0], reports[1:]), *reports[1:])
    reports = (_from_pharmacy(reports[0], pharmacy), *reports[1:])
    facts = [*one.facts, *(fact for fact in reports[0].facts if not one.fact(fact.name))]
    facts = [replace(fact, value=route_of(fact.value)) if fact.name == "route" else fact for fact in facts]
    end = one.end or reports[0].end
    made = replace(one, facts=tuple(facts), reports=reports, end=end)
    return replace(made, kind=_kind(made))


def _kind(one: Occurrence) -> str:
    told = next((report.kind for report in one.reports if report.kind != DOSE), "")
    if told or (told := one.value("form")):
        return told
    route = one.value("route")
    if route in _INJECTED:
        return "injection"
    if route == NO_NEEDLE:
        return DOSE
    if method := _METHODS.get(one.value("method").strip().casefold()):
        return method
    if one.value("class") == "hydration":
        return "hydration"
    if not route:
        return DOSE
    # Reported as a point in time: it ended when it began (RXA-4 = RXA-3, v2.5.1 4.14.7.4).
    return "push" if all(part.end == part.start for part in parts_of(one)) else "infusion"


def _completed(first: Event, others: Sequence[Event]) -> Event:
    """The counting report with what only the others say; a quantity and its unit are one thing."""
    facts = list(first.facts)
    for other in others:
        known = {fact.name.partition(".")[0] for fact in facts}
        facts += [fact for fact in other.facts if fact.name.partition(".")[0] not in known]
    end = first.end or next((other.end for other in others if other.end), None)
    return replace(first, facts=tuple(facts), end=end)


def _from_pharmacy(report: Event, pharmacy: Pharmacy) -> Event:
    """The report with what its order says of the drug, and the vials that were handed out for this dose alone."""
    more: list[Fact] = []
    numbers = orders_of(report)
    order = next((pharmacy.orders[number] for number in numbers if number in pharmacy.orders), None)
    if order is not None:
        other_drug = bool(_drug(order) and report.value("drug")) and order.value("drug") != report.value("drug")
        for name in _OF_THE_ORDER:
            fact = order.fact(name)
            if fact is not None and report.fact(name) is None and not (other_drug and name in ("code", "class")):
                more.append(fact)
    if report.fact("vial") is None:
        alone = [number for number in numbers if pharmacy.doses[number, report.day] == 1]
        handed = {e.id: e for number in alone for e in pharmacy.dispensed.get((number, report.day), ())}
        feeds = {event.feed for event in handed.values()}  # two systems tell of one dispense
        feed = report.feed if report.feed in feeds else min(feeds, default="")
        told = sorted((e for e in handed.values() if e.feed == feed), key=lambda e: (e.start, e.id))
        vials = [_vial(event) for event in told]
        more += [fact for fact in vials if fact is not None] if all(vials) else []
    return replace(report, facts=(*report.facts, *more)) if more else report


def _vial(dispense: Event) -> Fact | None:
    """What was handed out as vials (`model.facts.FACTS`); None where count, strength or kind of container is not told."""
    count, strength, container = dispense.fact("dose"), dispense.value("strength"), dispense.value("container")
    counted = dispense.value("dose.unit").strip().casefold() in _EACH
    if count is None or not counted or not count.value.isdigit() or count.value == "0" or not strength or not container:
        return None
    unit, volume = dispense.value("strength.unit"), dispense.value("volume")
    filled = f"{volume}|{dispense.value('volume.unit')}" if volume and dispense.value("volume.unit") else ""
    said = "|".join((count.value, strength, unit, container, dispense.value("ndc"), filled))
    return Fact("vial", said, count.source)
