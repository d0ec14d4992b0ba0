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
    "special-dosimetry": Role.SERVICE,
    "dosimetry-calc": Role.SERVICE,
    "device": Role.SERVICE,
    "fraction": Role.SERVICE,
    "physics-consult": Role.SERVICE,
    "special-procedure": Role.SERVICE,
    "port-image": Role.SERVICE,
    "follow-up": Role.SERVICE,
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
}
"""Every kind of event there is. Course kinds carry a course; the others belong to the person as a whole."""

_TEXT: Final = re.compile(r".{1,500}", re.DOTALL)
_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_FLAG: Final = re.compile(r"true|false")
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
    "modality": _one_of("photon", "electron", "mixed", "proton", "kv"),
    "technique": _one_of("2d", "3d", "imrt", "electron", "mixed", "total-skin-electron"),
    "isocenters": _WHOLE,
    "motion.active": _FLAG,
    "motion.documented": _FLAG,
    "motion.method": _TEXT,
    "guidance": _one_of("none", "cbct", "ultrasound", "stereo-xray"),
    "guidance.reviewed_at": _INSTANT,
    "imrt.complexity": _one_of("simple", "complex"),
    "proton.level": _one_of("simple", "simple-with-compensation", "intermediate", "complex"),
    "planned_fractions": _WHOLE,
    # of planning, devices, calculations
    "complexity": _one_of("simple", "intermediate", "complex"),
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
