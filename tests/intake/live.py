"""A clinic of one feed by HL7 v2 and one by FHIR, its messages received, read and stepped as real ones are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.model.journal import JournalEntry
from adapters.model.record import PersonRecord, Reading, Tick
from adapters.model.site import Feed
from adapters.pipeline import House, step
from adapters.pipeline.read import read
from adapters.store.journal import entry_id
from tests.intake.mo_sent import received
from tests.intake.sent import FHIR, V2
from tests.model.clinic import ZONE
from tests.model.clinic import house as clinic_house
from tests.model.visits import OPTIONS

SYSTEM = "urn:clinic:mrn"


def live(setting: str = "freestanding", kind: str = "medicare", **options: str) -> House:
    """A clinic with two feeds of the same record numbers; `kind` of its first payer, `__` in an option for a point."""
    said = {**OPTIONS, **{name.replace("__", "."): word for name, word in options.items()}}
    made = clinic_house(setting, kind=kind, options=said)
    (somewhere,) = made.site.facilities
    aliases = {"CLINIC": SYSTEM, SYSTEM: SYSTEM}
    feeds = tuple(
        Feed(name, media, dialect, ZONE.key, somewhere.id, person_system=SYSTEM, person_aliases=aliases)
        for name, media, dialect in (("infusion", "hl7v2", "example-ras"), ("ehr", "fhir", "example-doses"))
    )
    return House.of(made.rules, replace(made.site, feeds=feeds))


def v2(kind: str, id: str, at: str, *segments: str) -> bytes:
    """A message of the person R-1, said at a local minute."""
    head = f"MSH|^~\\&|INF|CLINIC|ONCOCLAIMS|BILL|{at}00-0400||{kind}|{id}|P|2.5.1"
    return "".join(f"{line}\r" for line in (head, "PID|1||R-1^^^CLINIC^MR||Rail^Ada", *segments)).encode()


def tick(year: int, month: int, day: int, hour: int = 20) -> Tick:
    """An hour at the clinic."""
    local = datetime(year, month, day, hour, tzinfo=ZONE)
    return Tick(local.astimezone(UTC), local.date())


def told(record: PersonRecord, house: House, at: Tick, *bodies: bytes) -> PersonRecord:
    """The record after the messages."""
    for body in bodies:
        receipt = received(FHIR if body.startswith(b"{") else V2, body, house.site, at.now).receipt
        assert receipt is not None
        id = entry_id(receipt.kind, receipt.channel, receipt.sender, receipt.digest)
        entry = JournalEntry(
            1, id, receipt.kind, at.now, receipt.actor, receipt.media, receipt.control, receipt.digest, body
        )
        said = read(entry, house.rules, house.site)
        assert said.parked is None, said.parked
        record = step(record, [Reading(id, at.now, captured=one) for one in said.captured], house, at)
    return step(record, [], house, at)
