"""The events of a case as the model's events: the case reader is one more feed.

Each event of the case is one message of its own with a journal id made from its name, arrives once, and says one
thing. What the model has no word for is named as not built.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from adapters.cases.administered import said_of
from adapters.cases.case import Case, Happening
from adapters.cases.document import LINE, Tree, items, text, texts, tree, words
from adapters.cases.place import FEED, ZONE
from adapters.cases.schema import Dialect
from adapters.model.event import BEDSIDE, Event, Status, problems_of
from adapters.model.kinds import KINDS, Role
from adapters.model.why import Fact, Source
from adapters.posting.patient import PAYMENT

NAMESPACE: Final = uuid.UUID("a7f3d6a2-6c1e-5e0b-9a35-3f2c9a8d4b10")
_PLACE: Final = ZoneInfo(ZONE)
_KINDS: Final = {
    "reported-charge": "coded-charge",
    "charge": "coded-charge",
    "charge-transaction": "coded-charge",
    "visit": "office-visit",
    "proton-fraction": "fraction",
    "sbrt-fraction": "fraction",
    "srs-session": "fraction",
    "hdr-fraction": "fraction",
    "surface-fraction": "fraction",
    "iort-session": "fraction",
    "neutron-fraction": "fraction",
}
"""Kinds of a case whose name in the model is another one."""
_SAYS: Final = {
    "proton-fraction": ("modality", "proton"),
    "sbrt-fraction": ("regime", "sbrt"),
    "srs-session": ("regime", "srs"),
    "hdr-fraction": ("regime", "hdr"),
    "surface-fraction": ("regime", "surface"),
    "iort-session": ("regime", "iort"),
    "neutron-fraction": ("modality", "neutron"),
}
"""What such a kind says that is a fact in the model."""
_STATUS: Final = {"entered-in-error": Status.WITHDRAWN, "not-done": Status.NOT_DONE}
_FACTS: Final = {
    "n": "n",
    "phase": "phase",
    "plan": "plan",
    "technique": "technique",
    "isocenters": "isocenters",
    "guidance": "guidance",
    "imrt_complexity": "imrt.complexity",
    "proton_level": "proton.level",
    "planned_fractions": "planned_fractions",
    "channels": "channels",
    "kv": "kv",
    "platform": "platform",
    "target": "target",
    "lesion": "lesion",
    "lesions": "lesions",
    "complexity": "complexity",
    "device_type": "device_type",
    "count": "count",
    "images": "images",
    "tumour": "tumour",
    "reason": "reason",
    "em_code": "em_code",
    "new_patient": "new_patient",
    "approach": "approach",
    "heating": "heating",
    "beam": "modality",
    "record_closed": "record.closed",
    "separately_identifiable": "separately_identifiable",
    "session_uid": "uid",
    "code": "code",
    "units": "units",
    "account": "visit",
    "category": "class",
    "primary_reason": "primary_reason",
    "second_site_reason": "second_site_reason",
    "route": "route",
    "site": "site",
    "planned_duration_min": "planned_minutes",
    "significant_separate": "separately_identifiable",
}
"""Field of an event → the model's fact of the same meaning."""
_HANDLED: Final = words(
    "id at kind course motion_management guidance_reviewed_at by provider modifiers request report about part continues status "
    "amends deliver_order source message_id resource_id dx date amount component encounter series cycle note "
    "claim arrived end volume rate planned_by order occurrence channel message pump drug replaces changes ft1_type "
    "coverage for_date ordering billing"
) | {LINE}
"""Fields that say something else than a fact, or are remarks for people."""


@dataclass(slots=True)
class Letters:
    """The messages of a case: which event of the case each journal id stands for."""

    case: Case
    events: dict[str, str] = field(default_factory=dict)
    """Journal id of a message → id of the case's event."""

    def message(self, event: str) -> str:
        """The journal id of the message that brings the event."""
        id = str(uuid.uuid5(NAMESPACE, f"{self.case.id}|{event}"))
        self.events[id] = event
        return id


def not_built(case: Case) -> Iterator[str]:
    """What the case's events say that the model has no word for."""
    for event in (amended(case, event) for event in case.events):
        kind = _KINDS.get(event.kind, event.kind)
        if KINDS.get(kind, Role.CONTEXT) is Role.CONTEXT and event.kind not in {*CLAIM_KINDS, PAYMENT, "eligibility"}:
            yield f"not built: event kind {event.kind}"
        elif event.kind not in CLAIM_KINDS:
            for name in event.said:
                if name not in _FACTS and name not in _HANDLED:
                    yield f"not built: field {name} of {event.kind}"


CLAIM_KINDS: Final = frozenset(
    {
        "enrollment-approved",
        "claim-ready",
        "submit",
        "ack",
        "no-answer",
        "response",
        "remittance",
        "statement-run",
        "identified",
    }
)
"""Kinds that are no report of a clinical thing but a step in the life of a claim."""


def arrivals(case: Case) -> list[tuple[Happening, datetime]]:
    """The events with the instant at which each arrived: never before what arrived before it.

    An event arrives when it happens, or as the case says, or after the one before it in the order of arrival.
    """
    found: list[tuple[Happening, datetime]] = []
    last: datetime | None = None
    for event in case.arriving:
        late = event.text("arrived")
        at = local(datetime.fromisoformat(late) if late else event.at)
        if last is not None and at <= last:
            at = datetime.fromtimestamp(last.timestamp() + 1, UTC)
        found.append((event, at))
        last = at
    return found


def local(at: datetime) -> datetime:
    """A time of the place as UTC."""
    return at.replace(tzinfo=_PLACE).astimezone(UTC)


def background(case: Case) -> tuple[Event, ...]:
    """Insurance and, where no charge names its own, the diagnoses of the person, as on file from the beginning."""
    said = datetime(2000, 1, 1, tzinfo=UTC)
    source = Source(str(uuid.uuid5(NAMESPACE, f"{case.id}|registration")), "the case")
    born = text(case.patient.get("birth") or case.patient.get("birth_date"))
    found = [_event("patient", said, said, "patient", source, [("birth_date", born)])] if born else []
    for coverage in case.coverages:
        facts = {
            "payer": text(coverage["payer"]),
            "member": member_of(coverage),
            "from": text(coverage.get("from")),
            "to": text(coverage.get("to")),
            "order": text(coverage.get("order")) or "1",
            "employer.size": text(tree(coverage.get("group")).get("size")),
            "basis": text(tree(coverage.get("group")).get("basis")),
        }
        found.append(_event("coverage", said, said, f"coverage|{text(coverage['id'])}", source, facts.items()))
    payers = {text(c["id"]): text(c["payer"]) for c in case.coverages}
    for authorization in case.authorizations:
        codes = items(authorization.get("codes")) or items(
            tree(case.options.get("authorization_groups")).get(text(authorization.get("group")))
        )
        stated = [
            ("authorization", text(authorization["number"])),
            ("payer", text(authorization.get("payer")) or payers.get(text(authorization.get("coverage")), "")),
            ("units", text(authorization.get("units"))),
            ("from", text(authorization.get("from"))),
            ("to", text(authorization.get("to"))),
            *(("code", text(code)) for code in codes),
        ]
        line = f"authorization|{text(authorization['number'])}"
        found.append(_event("authorization", said, said, line, source, stated))
    given = any(_KINDS.get(event.kind, event.kind) in BEDSIDE for event in case.events)
    ranked = case.options.get("diagnosis_overflow") is not None
    if (case.dialect is Dialect.RADIATION or given or ranked) and case.diagnoses:
        stated = [("diagnosis", code) for _, code in case.diagnoses]
        found.append(_event("encounter", said, said, "encounter", source, stated))
    return tuple(found)


def coverage_named(case: Case, id: str) -> str:
    """The case's name of the coverage of that id of ours; the id itself where it is none's."""
    ids = {f"{text(c['payer'])}|{member_of(c)}|{text(c.get('from')) or 'open'}": text(c["id"]) for c in case.coverages}
    return ids.get(id, id)


def member_of(coverage: Tree) -> str:
    """The member number; a dialect that has none is given the coverage's own name."""
    return text(coverage.get("member")) or text(coverage["id"])


def reported(case: Case, event: Happening, arrived: datetime, letters: Letters) -> Event:
    """The event in the model's words. Its facts are those the model has; `not_built` has named the others."""
    if event.kind == "amendment":
        return _amendment(case, event, arrived, letters)
    kind = _KINDS.get(event.kind, event.kind)
    source = Source(letters.message(event.id), f"event {event.id}")
    start = event.at
    if kind == "coded-charge" and event.get("date") is not None:
        start = datetime.combine(datetime.fromisoformat(event.text("date")).date(), time(12))
    keys = [f"uid:{uid}"] if (uid := event.text("session_uid")) else []
    continued = any(other.text("continues") == event.id for other in case.events)
    if continued or event.get("part") is not None or event.get("continues") is not None:
        keys.append(f"part:{_first_part(case, event)}")
    if event.get("order") is not None and event.get("occurrence") is not None:
        keys.append(f"dose:{event.text('order')}#{event.text('occurrence')}")
    return _event(
        kind,
        local(start),
        arrived,
        f"case|{_root(case, event)}",
        source,
        _facts(case, event),
        status=_STATUS.get(event.text("status"), Status.DONE),
        course=event.text("course"),
        keys=tuple(keys),
        feed=FEED.get(event.text("source") or event.text("channel"), "hl7"),
        end=local(datetime.fromisoformat(event.text("end"))) if event.text("end") else None,
    )


def amended(case: Case, event: Happening) -> Happening:
    """What an amendment says: the event that it replaces with its changes; any other event as it is."""
    if event.kind != "amendment":
        return event
    before = next(other for other in case.events if other.id == event.text("replaces"))
    said = {**amended(case, before).said, **tree(event.get("changes"))}
    return Happening(event.id, before.kind, datetime.fromisoformat(text(said["at"])), event.rank, said)


def _amendment(case: Case, event: Happening, arrived: datetime, letters: Letters) -> Event:
    """The amended event: what it leaves as it was keeps the message that said it first."""
    before = next(other for other in case.events if other.id == event.text("replaces"))
    old = {(f.name, f.value): f for f in reported(case, before, arrived, letters).facts}
    new = reported(case, amended(case, event), arrived, letters)
    return replace(
        new,
        line=f"case|{_root(case, event)}",
        facts=tuple(old.get((fact.name, fact.value), fact) for fact in new.facts),
    )


def _event(
    kind: str,
    start: datetime,
    said: datetime,
    line: str,
    source: Source,
    facts: Iterable[tuple[str, str]],
    *,
    status: Status = Status.DONE,
    course: str = "",
    keys: tuple[str, ...] = (),
    feed: str = "hl7",
    end: datetime | None = None,
) -> Event:
    event = Event(
        id=str(uuid.uuid5(NAMESPACE, f"{source.message}|{kind}|{line}")),
        kind=kind,
        feed=feed,
        start=start,
        day=start.astimezone(_PLACE).date(),
        said=said,
        line=line,
        source=source,
        end=end,
        status=status,
        course=course,
        keys=keys,
        facts=tuple(Fact(name, value, source) for name, value in facts if value),
    )
    if problems := list(problems_of(event)):
        raise ValueError("; ".join(problems))
    return event


def _facts(case: Case, event: Happening) -> Iterator[tuple[str, str]]:
    for name, value in event.said.items():
        if name in _FACTS and value is not None:
            yield "em_code" if (event.kind, name) == ("visit", "code") else _FACTS[name], text(value)
    if _KINDS.get(event.kind, event.kind) in BEDSIDE:
        yield from said_of(event)
    if event.kind in _SAYS:
        yield _SAYS[event.kind]
    yield from _transaction(case, event)
    yield from _booked(case, event)
    if event.kind == PAYMENT:
        yield "amount", event.text("amount")
    if who := event.text("by") or event.text("provider"):
        provider = case.providers[who]
        yield "by", text(provider["npi"])
        yield "by.role", _role(text(provider["role"]))
    if event.get("guidance_reviewed_at") is not None:
        reviewed = datetime.fromisoformat(event.text("guidance_reviewed_at")).replace(tzinfo=_PLACE)
        yield "guidance.reviewed_at", reviewed.isoformat()
    for name, value in tree(event.get("motion_management")).items():
        yield f"motion.{name}", text(value)
    for name in ("request", "report"):
        if event.get(name) is not None:
            yield name, "true"
    for modifier in texts(event.get("modifiers")):
        yield "modifier", modifier
    if event.get("about") is not None:
        about = next(other for other in case.events if other.id == event.text("about"))
        yield "about", f"case|{_root(case, about)}"
    codes = dict(case.diagnoses)
    for one in items(event.get("dx")):
        yield "diagnosis", codes[text(one)]


def _booked(case: Case, event: Happening) -> Iterator[tuple[str, str]]:
    """What a line is gathered under, who ordered it, and what a payer answered about a coverage."""
    if _KINDS.get(event.kind) == "coded-charge":
        yield "visit", event.text("encounter")
        yield "series", event.text("series") or event.text("cycle")
    if event.text("ordering"):
        yield "ordered_by", text(case.providers[event.text("ordering")]["npi"])
    if event.kind == "eligibility":
        for coverage in (c for c in case.coverages if text(c["id"]) == event.text("coverage")):
            yield "payer", text(coverage["payer"])
            yield "member", member_of(coverage)
        yield "from", event.text("for_date")
        yield "active", "true" if event.text("status") == "active" else "false"


def _transaction(case: Case, event: Happening) -> Iterator[tuple[str, str]]:
    """The type of a financial transaction, and whether by the case's own table it is a credit."""
    if event.kind == "charge-transaction":
        yield "type", event.text("ft1_type")
        if text(tree(case.options.get("ft1_types")).get(event.text("ft1_type"))) == "credit":
            yield "credit", "true"


def _role(role: str) -> str:
    return role if role in ("radiation-oncologist", "nurse-practitioner", "medical-physicist") else "other"


def _root(case: Case, event: Happening) -> str:
    """The first statement of the service that this event restates, by `amends` or the same resource."""
    by_id = {other.id: other for other in case.events}
    seen: set[str] = set()
    while (older := event.text("amends") or event.text("replaces")) and older not in seen:
        seen.add(older)
        event = by_id[older]
    if resource := event.text("resource_id"):
        return next(other.id for other in case.arriving if other.text("resource_id") == resource)
    return event.id


def _first_part(case: Case, event: Happening) -> str:
    by_id = {other.id: other for other in case.events}
    seen: set[str] = set()
    while (before := event.text("continues")) and before not in seen:
        seen.add(before)
        event = by_id[before]
    return event.id
