"""The bench on which a resource becomes an event: facts that hold their form stay, the others are told as omissions."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from adapters.fhir.bundle import Message, Resource, named
from adapters.fhir.times import Moment, moment
from adapters.fhir.tree import Node, identifier_value
from adapters.model.event import REFERENCE, Event, Omission, Status, problems_of
from adapters.model.facts import FACTS
from adapters.model.site import Feed
from adapters.model.why import Fact, Source
from adapters.rules.dialect import Activity, ElementRule

_EVENTS: Final = uuid.UUID("6f0d2a5e-3f0b-5c38-9d0e-7d1b8a5c4e21")
"""Namespace of the ids of events read from FHIR: uuid5 of message, place and kind."""

FINISHED: Final[dict[str, Status]] = {
    "completed": Status.DONE,
    "finished": Status.DONE,
    "stopped": Status.DONE,
    "not-done": Status.NOT_DONE,
    "cancelled": Status.NOT_DONE,
    "unknown": Status.NOT_DONE,
    "entered-in-error": Status.WITHDRAWN,
}
"""Procedure.status and Encounter.status that say how it ended; `stopped` was delivered in part and is billed.

What its sender no longer knows about (`unknown`) is not billed, and a charge for it is taken back.
"""

_DATES: Final = frozenset({"birth_date", "from", "to"})


class FhirDialect(Protocol):
    """What a feed's mapping says about its FHIR (`adapters.rules.dialect.Dialect`)."""

    @property
    def encounter_types(self) -> Mapping[str, str]:
        """`system|code` of Encounter.type → kind of event."""
        ...

    @property
    def activities(self) -> Mapping[str, Activity]:
        """`system|code`, or the code alone, of a service of the clinic → what it stands for."""
        ...

    @property
    def extensions(self) -> Mapping[str, str]:
        """Extension URL of the sender's own → fact name."""
        ...

    @property
    def elements(self) -> tuple[ElementRule, ...]:
        """Where facts stand beside the profile."""
        ...

    @property
    def sessions_from(self) -> str:
        """What tells of a session: `fraction`, or the summary of a `phase` or `plan`."""
        ...

    @property
    def coded(self) -> frozenset[str]:
        """Types whose HCPCS code is a coded charge."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """All that the reading of one message rests on."""

    feed: Feed
    dialect: FhirDialect
    message: str
    received: datetime
    zone: ZoneInfo
    content: Message
    extensions: Mapping[str, str]
    """Extension URL of the sender's own → fact name (the dialect's, where it has any)."""

    def said(self, resource: Resource) -> datetime:
        """When the sender last said it: meta.lastUpdated, else Bundle.timestamp, else when we received it. UTC."""
        for place in (resource.node["meta"]["lastUpdated"], resource.sent):
            told = moment(place.text, self.zone) if place else None
            if told:
                return told.instant
        return self.received.astimezone(UTC)

    def source(self, at: str) -> Source:
        """A place in this message."""
        return Source(self.message, at)

    def omission(self, reason: str, resource: Resource, detail: str = "") -> Omission:
        """The whole resource gives no event, for this reason."""
        return Omission(reason, self.source(resource.place), detail)

    def key(self, resource: Resource) -> str:
        """`feed|Type/id`, or empty where the sender's id does not last."""
        return f"{self.feed.name}|{resource.reference}" if resource.reference else ""

    def line(self, resource: Resource, *, use: str = "official") -> str:
        """Identity of the statement: the identifier of that use, else `Type/id`, any identifier, the place."""
        official = self._identifier(resource, use) if use else ""
        return official or self.key(resource) or self._identifier(resource, "") or f"{self.message}|{resource.place}"

    def _identifier(self, resource: Resource, use: str) -> str:
        for identifier in resource.node.each("identifier"):
            if identifier["value"].text and use in ("", identifier["use"].text):
                return f"{self.feed.name}|{identifier['system'].text}|{identifier['value'].text}"
        return ""


@dataclass(slots=True)
class Draft:
    """One event in the making."""

    reading: Reading
    resource: Resource
    kind: str
    facts: list[Fact] = field(default_factory=list)
    omissions: list[Omission] = field(default_factory=list)

    def add(self, name: str, value: str, at: str) -> None:
        """Take the fact if its value has the canonical form; else tell its place. An empty value is no fact."""
        if not value:
            return
        fact = Fact(name, value, self.reading.source(at))
        if not FACTS[name].fullmatch(value) or (name in _DATES and not _is_date(value)):
            self.ill_formed(at)
        elif fact not in self.facts:
            self.facts.append(fact)

    def take(self, name: str, node: Node) -> None:
        """Take a fact that stands in the message as it is: text, or a whole number."""
        if node.text:
            self.add(name, node.text, node.at)
        elif node.whole is not None:
            self.add(name, str(node.whole), node.at)
        elif node:
            self.ill_formed(node.at)

    def instead(self, name: str, value: str, at: str) -> None:
        """Take the fact in place of what was taken under its name before, if its value has the canonical form."""
        before = self.facts
        self.facts = kept = [fact for fact in before if fact.name != name]
        without = len(kept)
        self.add(name, value, at)
        if len(kept) == without:
            self.facts = before

    def amount(self, name: str, node: Node) -> None:
        """Take a number with the digits sent, without an exponent."""
        if node.number is not None:
            self.add(name, format(node.number, "f"), node.at)
        elif node:
            self.ill_formed(node.at)

    def quantity(self, name: str, unit: str, node: Node) -> None:
        """Take a Quantity: its value, and its unit by code, else by name."""
        self.amount(name, node["value"])
        self.take(unit, node["code"] if node["code"].text else node["unit"])

    def ill_formed(self, at: str) -> None:
        """What stands at this place cannot be read as what it should be."""
        self.omissions.append(Omission("ill-formed", self.reading.source(at)))

    def unmapped(self, node: Node) -> None:
        """What stands at this place has no certain meaning here."""
        self.omissions.append(Omission("unmapped", self.reading.source(node.at)))

    def when(self, *places: Node) -> Moment | None:
        """The first of these places that says a moment; one that is filled and says none is told."""
        for place in places:
            if not place.text:
                continue
            found = moment(place.text, self.reading.zone)
            if found:
                return found
            self.ill_formed(place.at)
        return None

    def as_said(self) -> Moment:
        """The moment of a statement about no moment of its own: when it was said."""
        said = self.reading.said(self.resource)
        return Moment(said, said.astimezone(self.reading.zone).date(), timed=True)

    def done(
        self,
        start: Moment,
        *,
        line: str,
        status: Status = Status.DONE,
        end: Moment | None = None,
        course: str = "",
        keys: tuple[str, ...] = (),
    ) -> Event | None:
        """The event, or None (with an omission) if it breaks the rules of events."""
        reading, place = self.reading, self.resource.place
        if end is not None and (not end.timed or end.instant < start.instant):
            end = None
        event = Event(
            id=str(uuid.uuid5(_EVENTS, f"{reading.message}|{place}|{self.kind}")),
            kind=self.kind,
            feed=reading.feed.name,
            start=start.instant,
            day=start.day,
            said=reading.said(self.resource),
            line=line,
            source=reading.source(place),
            end=end.instant if end else None,
            status=status,
            course=course,
            keys=keys,
            facts=tuple(self.facts),
        )
        if any(problems_of(event)):
            self.ill_formed(place)
            return None
        return event

    def keys(self, *uids: str) -> tuple[str, ...]:
        """The identities of the thing: its DICOM UIDs, and all that this sender's other resources may call it."""
        named_ = (f"{REFERENCE}:{self.reading.feed.name}|{name}" for name in self.resource.names)
        return (*(f"uid:{uid}" for uid in uids if uid), *named_)

    def names(self, role: str, reference: Node, expected: str = "") -> None:
        """Remember what the resource names for this role, so that it is found among all that is held, whenever it comes.

        What it contains itself cannot be said anywhere else. `expected` is the type that a logical reference means.
        """
        if not reference or reference["reference"].text.startswith("#"):
            return
        found = self.reading.content.resolve(reference, self.resource, expected)
        self.add(f"names.{role}", (found.name if found else "") or named(reference, expected), reference.at)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one resource gives."""

    events: tuple[Event, ...] = ()
    omissions: tuple[Omission, ...] = ()


def outcome(draft: Draft, *events: Event | None) -> Outcome:
    """The events that held, and all that was left out."""
    return Outcome(tuple(e for e in events if e), tuple(draft.omissions))


def uid_of(node: Node, system: str) -> Node:
    """The identifier of that system: the official one before any other."""
    return identifier_value(node, system=system, use="official") or identifier_value(node, system=system)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
