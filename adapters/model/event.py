"""What a feed says happened, said in our words: one `Event` is one report of one thing.

An event carries its facts as `Fact`s, each with the message and field it was read from, so that whatever is later
derived from it can be explained. Its kind comes from `KINDS`, its fact names and their types from `FACTS`; a capture
that produces anything else is refused by `problems_of`, and so is a case or a hand-entered file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from adapters.model.why import Fact, Source, Told


class Status(StrEnum):
    """What the sender says became of the thing."""

    DONE = "done"
    NOT_DONE = "not-done"
    """Planned, but not performed (FHIR `not-done`, a refused administration): no service."""
    WITHDRAWN = "withdrawn"
    """Reported and taken back (FHIR `entered-in-error`, FT1-6 credit of the same transaction)."""


class Role(StrEnum):
    """What a kind of event is for."""

    SERVICE = "service"
    """Something delivered, which must end in an outcome of its own."""
    EVIDENCE = "evidence"
    """Something that supports, closes or gates services (an exam, an image review, the end of a course)."""
    CODED = "coded"
    """A charge line that another system has coded."""
    CONTEXT = "context"
    """Who, where, insured by whom, part of what."""


KINDS: Final[dict[str, Role]] = {
    "consult": Role.SERVICE,
    "planning": Role.SERVICE,
    "simulation": Role.SERVICE,
    "motion-simulation": Role.SERVICE,
    "imrt-plan": Role.SERVICE,
    "3d-plan": Role.SERVICE,
    "isodose-plan": Role.SERVICE,
    "brachy-plan": Role.SERVICE,
    "special-port-plan": Role.SERVICE,
    "brachy-application": Role.SERVICE,
    "hyperthermia": Role.SERVICE,
    "surface-planning": Role.SERVICE,
    "source-handling": Role.SERVICE,
    "special-dosimetry": Role.SERVICE,
    "dosimetry-calc": Role.SERVICE,
    "device": Role.SERVICE,
    "fraction": Role.SERVICE,
    "physics-consult": Role.SERVICE,
    "special-procedure": Role.SERVICE,
    "port-image": Role.SERVICE,
    "follow-up": Role.SERVICE,
    "infusion": Role.SERVICE,
    "push": Role.SERVICE,
    "injection": Role.SERVICE,
    "hydration": Role.SERVICE,
    "pump-start": Role.SERVICE,
    "pump-refill": Role.SERVICE,
    "pump-disconnect": Role.SERVICE,
    "port-flush": Role.SERVICE,
    "office-visit": Role.SERVICE,
    "igrt-review": Role.EVIDENCE,
    "on-treatment-visit": Role.EVIDENCE,
    "physics-check": Role.EVIDENCE,
    "course-end": Role.EVIDENCE,
    "coded-charge": Role.CODED,
    "patient": Role.CONTEXT,
    "coverage": Role.CONTEXT,
    "encounter": Role.CONTEXT,
    "course": Role.CONTEXT,
    "phase": Role.CONTEXT,
    "course-summary": Role.CONTEXT,
    "guarantor": Role.CONTEXT,
    "authorization": Role.CONTEXT,
    "appointment": Role.CONTEXT,
    "order": Role.CONTEXT,
    "document": Role.CONTEXT,
    "administration": Role.CONTEXT,
    "drug-dispense": Role.CONTEXT,
    "merge": Role.CONTEXT,
}
"""Every kind of event there is. Course kinds carry a course; the others belong to the person as a whole.

`appointment` and `order` say what is expected, `document` what was written and signed, `course-summary` what a course
came to; `administration` is a dose of a drug given or refused, `drug-dispense` one handed out. `merge` names the
identity that became part of this person (HL7 v2 A18, A34, A40 and their kin): see `model.merging`.
"""

BEDSIDE: Final = frozenset(
    {
        "infusion",
        "push",
        "injection",
        "hydration",
        "pump-start",
        "pump-refill",
        "pump-disconnect",
        "port-flush",
        "office-visit",
    }
)
"""Kinds of a visit for drugs: they belong to an encounter, never to a radiation course."""

UNCHARGED: Final = frozenset({"administration", "drug-dispense"})
"""Kinds of context that will owe something once a rule charges them; until then their skip says so by name."""

COUNTED: Final = "counted"
"""Scheme of the key of a session that is known by the count of its summary only: the rest is the summary's line."""

_TEXT: Final = re.compile(r".{1,500}", re.DOTALL)
_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_FLAG: Final = re.compile(r"true|false")
_VIAL: Final = re.compile(
    r"[1-9][0-9]{0,3}\|[0-9]{1,9}(\.[0-9]{1,6})?\|[^|]{1,20}\|(single-dose|multi-dose)\|[0-9-]*\|([0-9]{1,9}(\.[0-9]{1,6})?\|[^|]{1,20})?"
)
"""Vials of one kind: count, strength of one, its unit, how often it may be drawn from, NDC, volume of one and its unit."""
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})")


def _one_of(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, words)))


FACTS: Final[dict[str, re.Pattern[str]]] = {
    # of a treatment session
    "n": _WHOLE,
    "uid": _TEXT,
    "phase": _TEXT,
    "plan": _TEXT,
    "modality": _one_of("photon", "electron", "mixed", "proton", "neutron", "kv"),
    "technique": _one_of("2d", "3d", "imrt", "electron", "mixed", "total-skin-electron"),
    "isocenters": _WHOLE,
    "motion.active": _FLAG,
    "motion.documented": _FLAG,
    "motion.method": _TEXT,
    "guidance": _one_of("none", "cbct", "ultrasound", "stereo-xray"),
    "guidance.reviewed_at": _INSTANT,
    "imrt.complexity": _one_of("simple", "complex"),
    "proton.level": _one_of("simple", "simple-with-compensation", "intermediate", "complex"),
    "regime": _one_of("sbrt", "srs", "hdr", "surface", "iort"),  # absent: external beam by the day
    "platform": _one_of("linac", "cobalt", "robotic"),  # of radiosurgery
    "channels": _WHOLE,  # of an HDR session or a brachytherapy plan
    "kv": _DECIMAL,  # tube voltage of surface therapy
    "record.closed": _FLAG,  # the treatment record of the session is closed, or still open
    "target": _TEXT,
    "lesion": _TEXT,
    "lesions": _WHOLE,
    "planned_fractions": _WHOLE,
    # of planning, devices, calculations
    "complexity": _one_of("simple", "intermediate", "complex"),
    "approach": _one_of("interstitial", "surface", "intracavitary", "solution"),  # of an LDR application
    "heating": _one_of("superficial", "deep", "interstitial", "interstitial-many", "intracavitary"),
    "device_type": _one_of("beam-aperture", "immobilization", "imrt-mlc"),
    "count": _WHOLE,
    "images": _WHOLE,
    "tumour": _TEXT,
    "reason": _TEXT,
    "request": _FLAG,
    "report": _FLAG,
    # of visits
    "em_code": _TEXT,
    "separately_identifiable": _FLAG,
    "new_patient": _FLAG,
    # of any event
    "diagnosis": _TEXT,
    "by": _TEXT,
    "by.role": _one_of("radiation-oncologist", "nurse-practitioner", "medical-physicist", "physician", "other"),
    "ordered_by": _TEXT,
    "facility": _TEXT,
    "visit": _TEXT,
    "about": _TEXT,
    "activity": _TEXT,
    "status": _TEXT,
    # of a coded charge
    "code": _TEXT,
    "local_code": _TEXT,
    "modifier": _TEXT,
    "units": _DECIMAL,
    "amount": _DECIMAL,
    "type": _TEXT,
    "ndc": _TEXT,
    "revenue": _TEXT,
    "authorization": _TEXT,
    "department": _TEXT,
    "ndc.quantity": _DECIMAL,
    "ndc.unit": _TEXT,
    "unit_amount": _DECIMAL,
    "posted": _DATE,  # FT1-5: when the sender posted it; late charges show by it
    "batch": _TEXT,  # FT1-3, the sender's export batch
    "abn": _TEXT,  # FT1-27, table 0339
    "duplicate_reason": _TEXT,  # FT1-28, table 0370
    "payment_reference": _TEXT,
    "transaction_reference": _TEXT,
    "special": _TEXT,
    "clinic": _TEXT,
    "referral": _TEXT,
    "taxonomy": _TEXT,
    "prescription": _TEXT,
    "filler_order": _TEXT,
    # of a drug ordered, given or dispensed
    "drug": _TEXT,  # its code as sent
    "drug.system": _TEXT,
    "drug.name": _TEXT,
    "dose": _DECIMAL,
    "dose.unit": _TEXT,
    "strength": _DECIMAL,
    "strength.unit": _TEXT,
    "volume": _DECIMAL,
    "volume.unit": _TEXT,
    "rate": _DECIMAL,
    "rate.unit": _TEXT,
    "rate.per": _TEXT,
    "route": _TEXT,
    "site": _TEXT,
    "lot": _TEXT,
    "expires": _DATE,
    "waste": _DECIMAL,
    "waste.unit": _TEXT,
    "completion": _one_of("complete", "partial", "refused", "not-given"),
    "action": _one_of("add", "update", "delete"),
    "counter": _WHOLE,
    # of a drug administered in a visit
    "class": _one_of("chemo", "hormonal", "therapeutic", "hydration"),
    "primary_reason": _FLAG,  # what the visit was for, as documented
    "second_site_reason": _TEXT,  # why a further access site was needed
    "planned_minutes": _WHOLE,  # never a time that something took
    "acquired": _TEXT,  # `340b`, or any other word
    "vial": _VIAL,
    "pump.owner": _TEXT,
    "pump.goes_home": _FLAG,
    "pump.type": _one_of("portable", "implantable"),
    "pump.hours": _WHOLE,
    # of what is expected: appointments and orders
    "appointment": _TEXT,
    "state": _one_of(
        "booked",
        "rescheduled",
        "modified",
        "cancelled",
        "discontinued",
        "deleted",
        "no-show",
        "arrived",
        "complete",
        "new",
        "held",
        "scheduled",
        "in-progress",
    ),
    "minutes": _WHOLE,
    "machine": _TEXT,
    "expects": _one_of(*KINDS),  # the kind of event that an appointment or order leads to
    "placer": _TEXT,
    "priority": _TEXT,
    "control": _TEXT,  # ORC-1, table 0119
    "scheduled": _INSTANT,
    # of a document
    "document": _TEXT,
    "document.type": _TEXT,
    "document.status": _TEXT,  # TXA-17, table 0271
    "availability": _TEXT,  # TXA-19, table 0273
    "signed": _FLAG,
    "signed_by": _TEXT,
    "signed_at": _INSTANT,
    # of the summary of a course
    "fractions": _WHOLE,
    "delivered_dose": _DECIMAL,
    "delivered_dose.unit": _TEXT,
    "first": _DATE,
    "last": _DATE,
    # of a merge
    "scope": _one_of("person", "account", "visit", "move", "link", "unlink"),
    "merged.system": _TEXT,
    "merged.value": _TEXT,
    "survivor.system": _TEXT,
    "survivor.value": _TEXT,
    "trigger": _TEXT,
    # of context
    "label": _TEXT,
    "reference": _TEXT,
    "part_of": _TEXT,
    "payer": _TEXT,
    "payer.name": _TEXT,
    "member": _TEXT,
    "relationship": _TEXT,
    "group": _TEXT,
    "order": _WHOLE,
    "from": _DATE,
    "to": _DATE,
    "family": _TEXT,
    "given": _TEXT,
    "birth_date": _DATE,
    "sex": _one_of("female", "male", "other", "unknown"),
    "address.line": _TEXT,
    "address.city": _TEXT,
    "address.state": _TEXT,
    "address.postal_code": _TEXT,
}
"""Every fact name and the canonical form of its value. A name outside this table does not enter."""


@dataclass(frozen=True, slots=True)
class Event(Told):
    """One report of one thing by one feed."""

    id: str
    """uuid5 of the message and the place in it; the same bytes always give the same id."""
    kind: str
    feed: str
    start: datetime
    """UTC. For a thing known by its date only: local noon, and `day` is what counts."""
    day: date
    """Local date of service, by the offset sent with the time or the feed's zone. A session past midnight counts on its start."""
    said: datetime
    """When the sender said it (MSH-7, meta.lastUpdated), UTC; of two reports of one line the later one holds."""
    line: str
    """Identity of the statement at its sender (FT1-2, official identifier, resource id): a later report restates it."""
    source: Source
    end: datetime | None = None
    status: Status = Status.DONE
    course: str = ""
    """The course's label at the clinic (`C1`), empty when the report does not say."""
    keys: tuple[str, ...] = ()
    """Identities of the thing itself (`uid:…`, `order:…`, `txn:…`): two reports that share one are of the same thing."""
    facts: tuple[Fact, ...] = ()

    @property
    def role(self) -> Role:
        """What this kind of event is for."""
        return KINDS[self.kind]


@dataclass(frozen=True, slots=True)
class Omission:
    """A part of a message that gives no event, with the reason: it is accounted for by a `Skip`, not lost."""

    reason: str
    source: Source
    detail: str = ""
    line: str = ""
    """Line of the statement that the part belongs to, where the sender named it: a later report of the line mends it."""
    said: datetime | None = None
    """When the sender said it, UTC; with `line`."""


def mends(event: Event, line: str, said: datetime, message: str) -> bool:
    """Whether the event is a later report of the line, by another message: what an earlier one left out is then told.

    Later by the sender's clock, strictly: a garbled credit that follows its charge is not mended by the charge.
    """
    same = event.line == line or event.line.startswith(f"{line}|")
    return same and event.said > said and event.source.message != message


def problems_of(event: Event) -> Iterator[str]:
    """What is wrong with an event by the tables above: unknown kind, unknown fact, ill-formed value. Values are not repeated."""
    if event.kind not in KINDS:
        yield f"{event.source.at}: no event kind {event.kind!r}"
    for fact in event.facts:
        form = FACTS.get(fact.name)
        if form is None:
            yield f"{fact.source.at}: no fact is named {fact.name!r}"
        elif not form.fullmatch(fact.value):
            yield f"{fact.source.at}: not a {fact.name}"
    if event.start.tzinfo is None or event.said.tzinfo is None:
        yield f"{event.source.at}: a time without its zone"
