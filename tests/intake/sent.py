"""A case sent as messages: received, stored and worked as real ones are, and read back from the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Final

from adapters.cases.case import Case, Happening
from adapters.cases.compare import differences
from adapters.cases.feed import Letters, arrivals
from adapters.cases.place import ZONE, house_of, person_of
from adapters.cases.printed import Printed, printed
from adapters.cases.story import Story
from adapters.model.site import Feed, Site
from adapters.model.tables import TableKind, Tables
from adapters.payers import PayerClient
from adapters.pipeline import House
from adapters.pipeline.receive import Intake, receive_fhir, receive_v2
from adapters.rules import Ruleset
from adapters.serve.lanes import Lanes
from adapters.store import KeyRing, open_store
from adapters.tables.held import HeldTables
from tests.intake import in_fhir, in_v2

V2, FHIR = "hl7v2", "fhir"
CHANNELS: Final = (V2, FHIR)
_PERSONS: Final = "urn:clinic:mrn"
_PINNED: Final = {"hl7": V2, "hl7-dft": V2, "fhir": FHIR}
_LOST: Final = frozenset(
    {"ill-formed", "unknown-value", "unmapped", "local-segment", "not-used-yet", "other-procedure"}
)
"""Reasons of omissions by which a fact that the renderer wrote would not have been read."""
_UNSAID: Final = {V2: in_v2.unsaid, FHIR: in_fhir.unsaid}


@dataclass(slots=True)
class Sent:
    """What came of a case that was sent."""

    printed: Printed
    differences: list[str]
    channels: dict[str, int] = field(default_factory=dict)
    """Channel → how many events went by it."""
    elsewhere: dict[str, str] = field(default_factory=dict)
    """Event that the preferred channel cannot say → why not."""
    parked: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """What a message said and no reader understood; empty where everything sent was read."""


class Clock:
    """A clock that stands where the last message arrived."""

    def __init__(self) -> None:
        self.at = datetime(2000, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


def _by_number(tables: Tables, case: Case) -> Tables:
    """The tables of a case, its person by the number that the feeds know."""
    known = person_of(case)
    edition = tables.edition(TableKind.OPENING, date.max)
    rows = tables.opening(known.system, known.value)
    return HeldTables([(edition, [replace(row, system=_PERSONS) for row in rows])]) if edition else tables


def channel_of(event: Happening, preferred: str) -> tuple[str, str]:
    """By which channel an event is sent, and why not by the preferred one.

    The case may pin it. Else it is the preferred one, or the other where that cannot say the event.
    """
    if pinned := _PINNED.get(event.text("source")):
        return pinned, ""
    why = _UNSAID[preferred](event)
    if not why:
        return preferred, ""
    other = FHIR if preferred == V2 else V2
    if beside := _UNSAID[other](event):
        raise ValueError(f"{event.kind} can be said by no channel: {why}; {beside}")
    return other, why


def sent(
    case: Case,
    rules: Ruleset,
    preferred: str,
    url: str = "sqlite://",
    *,
    step_each: bool = False,
    chance: Random | None = None,
    split: bool = False,
) -> Sent:
    """The case sent to a new store at the URL, in memory if not said.

    `step_each`: the lanes work after each message; else once, when all have come. `chance` delivers the messages in an
    order of its own, the registration among them; what each says, and when it was said, is the same. `split` sends each
    resource of a Bundle by itself.
    """
    clock = Clock()
    made, problems = house_of(case, rules)
    assert not problems, problems
    house = House.of(made.rules, _with_feeds(made.site), _by_number(made.tables, case))
    store = open_store(url, KeyRing.ephemeral("cases"), clock, create=True)
    payers = PayerClient(now=clock.now)
    letters = Letters(case)
    found = Sent({}, [])
    try:
        lanes = Lanes(store, house, payers, clock)
        arriving = list(_intakes(case, house.site, preferred, found, _apart if split else _whole))
        clock.at = max(at for at, _, _ in arriving)
        if chance:
            chance.shuffle(arriving)
        for at, intake, event in arriving:
            clock.at = clock.at if chance else at
            assert intake.receipt is not None, intake.answer
            received = store.receive(intake.receipt)
            if event:
                letters.events.setdefault(received.entry, event)
            if step_each:
                lanes.work()
        lanes.work()
        found.parked = [f"{parked.reason} {parked.detail}" for parked in store.parked()]
        (person,) = store.lanes()
        record = store.load(person)
        found.lost = [f"{skip.reason} {skip.why.facts[0].source.at}" for skip in record.skips if skip.reason in _LOST]
        story = Story(case, letters, house, record)
        found.printed = printed(story)
        found.differences = differences(case, found.printed)
    finally:
        payers.close()
        store.close()
    return found


def _whole(body: bytes) -> Iterator[bytes]:
    yield body


def _apart(body: bytes) -> Iterator[bytes]:
    """The resources of a Bundle, each by itself; a practitioner, who concerns no person, with the one that names him.

    What reports the event comes first.
    """
    entries = json.loads(body)["entry"]
    nobodys = [entry for entry in entries if entry["resource"]["resourceType"] == "Practitioner"]
    for entry in reversed(entries):
        resource = entry["resource"]
        if "performer" in resource or "participant" in resource:
            yield json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [entry, *nobodys]}).encode()
        elif entry not in nobodys:
            yield json.dumps(resource).encode()


def _intakes(
    case: Case, site: Site, preferred: str, found: Sent, parts: Callable[[bytes], Iterator[bytes]] = _whole
) -> Iterator[tuple[datetime, Intake, str]]:
    """(arrival, what the door makes of the message, event of the case)."""
    first = arrivals(case)
    before = min(at for _, at in first) - timedelta(days=1)
    bodies: dict[str, tuple[str, bytes]] = {}
    register = in_v2.registration if preferred == V2 else in_fhir.registration
    for body in parts(register(case, before)) if preferred == FHIR else (register(case, before),):
        yield before, _received(preferred, body, site, before), ""
    if case.authorizations:
        yield before, _received(V2, in_v2.authorized(case, before), site, before), ""
    for event, at in first:
        channel, why = channel_of(event, preferred)
        found.channels[channel] = found.channels.get(channel, 0) + 1
        if why:
            found.elsewhere[event.id] = why
        known = event.text("message_id") or event.id
        if known not in bodies:  # sent again are the same bytes
            write = in_v2.told if channel == V2 else in_fhir.told
            bodies[known] = channel, write(case, event, at)
        channel, whole = bodies[known]
        told = event.id
        for body in parts(whole) if channel == FHIR else (whole,):
            yield at, _received(channel, body, site, at), told
            told = ""  # what is beside it reports nothing of its own


def _received(channel: str, body: bytes, site: Site, at: datetime) -> Intake:
    if channel == V2:
        return receive_v2(body, listener="rt", peer="", site=site, now=at, ack_id="A1")
    return receive_fhir(body, feed="ehr", path_type="", method="POST", now=at)


def _with_feeds(site: Site) -> Site:
    """The site of the case with the feeds of a real one: one of HL7 v2, one of FHIR, both of the same record numbers."""
    (place,) = site.facilities
    aliases = {"CLINIC": _PERSONS, _PERSONS: _PERSONS}
    feeds = (
        Feed("rt", "hl7v2", "example-dft-zseg", ZONE, place.id, person_system=_PERSONS, person_aliases=aliases),
        Feed("ehr", "fhir", "codex-rt", ZONE, place.id, person_system=_PERSONS, person_aliases=aliases),
    )
    return replace(site, feeds=feeds)
