"""The charges of a medical-oncology case, its events sent as messages: received, read and stepped as real ones are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from adapters.cases.case import Case, Happening
from adapters.cases.compare import differences
from adapters.cases.document import Tree
from adapters.cases.feed import CLAIM_KINDS, Letters, arrivals
from adapters.cases.place import ZONE, house_of
from adapters.cases.printed import printed
from adapters.cases.story import Story
from adapters.model.journal import JournalEntry
from adapters.model.record import PersonRecord, Reading, Tick
from adapters.model.site import Feed, Site
from adapters.pipeline import House, step
from adapters.pipeline.read import read
from adapters.pipeline.receive import Intake, receive_fhir, receive_v2
from adapters.rules import Ruleset
from adapters.store.journal import entry_id
from tests.intake import mo_fhir, mo_v2
from tests.intake.sent import FHIR, V2, Sent

_PERSONS: Final = "urn:clinic:mrn"
_PINNED: Final = {"hl7v2": V2, "fhir": FHIR}
_LOST: Final = frozenset(
    {"ill-formed", "unknown-value", "unmapped", "local-segment", "not-used-yet", "other-procedure"}
)
_OF_CHARGES: Final = ("charges", "exact", "absent", "holds", "findings", "no_charge")


@dataclass(slots=True)
class MoSent(Sent):
    """What came of a case that was sent."""

    messages: int = 0


def of_charges(case: Case) -> Case:
    """The case without what it says of claims: those have channels of their own."""
    expect: Tree = {key: value for key, value in (case.expect or {}).items() if key in _OF_CHARGES}
    events = tuple(event for event in case.events if event.kind not in CLAIM_KINDS)
    return replace(case, expect=expect, events=events)


def sent(case: Case, rules: Ruleset, preferred: str, order: Sequence[int] = ()) -> MoSent:
    """The case received, read and stepped, message by message; `order`: they arrive in this order of their positions."""
    made, problems = house_of(case, rules)
    assert not problems, problems
    house = House.of(made.rules, with_feeds(made.site))
    letters = Letters(case)
    found = MoSent({}, [])
    record = PersonRecord("person")
    known: set[str] = set()
    messages = list(_messages(case, preferred, found))
    found.messages = len(messages)
    clock = messages[0][0]
    for position in order or range(len(messages)):
        at, channel, body, event = messages[position]
        clock = max(clock, at)
        receipt = received(channel, body, house.site, clock).receipt
        assert receipt is not None
        id = entry_id(receipt.kind, receipt.channel, receipt.sender, receipt.digest)
        if id in known:  # the same bytes again are the same entry
            continue
        known.add(id)
        letters.events.setdefault(id, event or "registration")
        entry = JournalEntry(
            len(known), id, receipt.kind, clock, receipt.actor, receipt.media, receipt.control, receipt.digest, body
        )
        said = read(entry, house.rules, house.site)
        if said.parked is not None:
            found.parked.append(f"{said.parked.reason} {said.parked.detail}")
        readings = [Reading(id, clock, captured=captured) for captured in said.captured]
        record = step(record, readings, house, Tick(clock, clock.astimezone(ZoneInfo(ZONE)).date()))
    found.lost = [f"{skip.reason} {skip.why.facts[0].source.at}" for skip in record.skips if skip.reason in _LOST]
    found.printed = printed(Story(case, letters, house, record))
    found.differences = differences(case, found.printed)
    return found


def _messages(case: Case, preferred: str, found: Sent) -> Iterator[tuple[datetime, str, bytes, str]]:
    """(arrival, channel, bytes, event of the case)."""
    first = arrivals(case)
    before = min(at for _, at in first) - timedelta(days=1)
    yield before, V2, mo_v2.registration(case, before), ""
    if case.authorizations:
        yield before, V2, mo_v2.authorized(case, before), ""
    for event, at in first:
        channel, why = _channel(event, preferred)
        found.channels[channel] = found.channels.get(channel, 0) + 1
        if why:
            found.elsewhere[event.id] = why
        bodies: Iterable[bytes] = mo_v2.told(case, event, at) if channel == V2 else [mo_fhir.told(case, event, at)]
        for body in bodies:
            yield at, channel, body, event.id


def _channel(event: Happening, preferred: str) -> tuple[str, str]:
    if pinned := _PINNED.get(event.text("channel")):
        return pinned, ""
    why = mo_fhir.unsaid(event) if preferred == FHIR else ""
    return (V2, why) if why else (preferred, "")


def received(channel: str, body: bytes, site: Site, at: datetime) -> Intake:
    """What the door makes of a message."""
    if channel == V2:
        return receive_v2(body, listener="infusion", peer="", site=site, now=at, ack_id="A1")
    return receive_fhir(body, feed="ehr", path_type="Bundle", method="POST", now=at)


def with_feeds(site: Site) -> Site:
    """The site of the case with the feeds of a real one: one of HL7 v2, one of FHIR, both of the same record numbers."""
    (place,) = site.facilities
    aliases = {"CLINIC": _PERSONS, _PERSONS: _PERSONS}
    feeds = (
        Feed("infusion", "hl7v2", "example-ras", ZONE, place.id, person_system=_PERSONS, person_aliases=aliases),
        Feed("ehr", "fhir", "example-doses", ZONE, place.id, person_system=_PERSONS, person_aliases=aliases),
    )
    return replace(site, feeds=feeds)
