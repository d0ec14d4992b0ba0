"""An invented clinic for tests: its site, its reports as events, and a record stepped by the pipeline.

Reports are written as a sender would say them: `report("fraction", "2026-02-02T09:00", n=1, technique="3d")`. Times are
local to the clinic; a fact whose name has a point is written with two underscores (`motion__active=True`).
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from adapters.charges import Assembly, assemble, derive
from adapters.charges.prices import PriceList
from adapters.context import PersonContexts
from adapters.model.charge import Charge, Component, Hold, Outcomes
from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState, ClaimType
from adapters.model.event import Event, Status, problems_of
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import Captured, PersonRecord, Reading, SubmissionNews, Tick
from adapters.model.remittance import Adjustment, Decision, Remittance, RemittanceLine
from adapters.model.site import (
    BillingEntity,
    Facility,
    Family,
    Feed,
    Payer,
    PayerEndpoint,
    Price,
    Setting,
    Site,
)
from adapters.model.why import Fact, Source
from adapters.pipeline import House, step
from adapters.pipeline.step import outcomes_of, person_contexts
from adapters.rules import Ruleset
from adapters.settings import rules_of

ZONE = ZoneInfo("America/New_York")
SPACE = uuid.UUID("4b0a3c4e-5f59-5b0e-9d0e-0d3f0a5e7c11")
PHYSICIAN, NURSE, PHYSICIST = "1234567893", "1987654328", "1456123789"
PERSON = "p1"

PRE2026 = {
    "codes.imrt-delivery-pre2026": "G6015",
    "codes.imrt-hospital-pre2026": "77385",
    "codes.imrt-simple-pre2026": "77385",
    "codes.imrt-complex-pre2026": "77386",
    "codes.photon-3d-pre2026": "77412",
    "codes.photon-2d-pre2026": "77402",
    "codes.electron-pre2026": "77412",
    "codes.cbct-pre2026": "77014",
    "codes.commercial-guidance-pre2026": "77387",
}
"""What a site must choose for dates before 2026."""


@functools.cache
def rules() -> Ruleset:
    """The shipped rules, read once."""
    return rules_of()


@functools.cache
def prices() -> tuple[Price, ...]:
    """A price for every code, another one for its professional part."""
    rows: list[Price] = []
    for i, code in enumerate(sorted(rules().codes)):
        rows.append(Price(code, "", "", Decimal(100 + i), date(2015, 1, 1)))
        rows.append(Price(code, "26", "", Decimal(40 + i) + Decimal("0.50"), date(2015, 1, 1)))
    return tuple(rows)


def facility(setting: str) -> Facility:
    """A freestanding centre that bills everything, or a hospital with its physicians."""
    if setting == "freestanding":
        one = BillingEntity("center", "Center", "1999999950", "99", "261Q", Component.GLOBAL, ClaimType.PROFESSIONAL)
        return Facility("CENTER", "Center", "1999999950", Setting.FREESTANDING, "11", (one,))
    house = BillingEntity("hospital", "House", "1999999935", "98", "282N", Component.TECHNICAL, ClaimType.INSTITUTIONAL)
    doctors = BillingEntity(
        "physicians", "Doctors", "1999999943", "97", "2085", Component.PROFESSIONAL, ClaimType.PROFESSIONAL
    )
    return Facility("MAIN", "House", "1999999935", Setting.HOSPITAL, "22", (house, doctors), ("main hall",))


def site(
    setting: str = "hospital",
    *,
    kind: str = "medicare",
    options: Mapping[str, str] = PRE2026,
    payer_options: Mapping[str, str] | None = None,
    families: Sequence[Family] = (),
    cycle: str = "week",
    wait_days: int = 0,
    after_sending: str = "replace",
    fees: Sequence[Price] | None = None,
    crosswalk: Mapping[str, str] | None = None,
    base_url: str = "",
    idempotent: bool = False,
) -> Site:
    """The clinic's settings. `setting` `both` has the hospital first and the centre beside it."""
    places = tuple(facility(s) for s in (("hospital", "freestanding") if setting == "both" else (setting,)))

    def payer(id: str, kind: str, *aliases: str) -> Payer:
        return Payer(
            id,
            id.title(),
            kind,
            aliases,
            payer_options or {},
            PayerEndpoint(base_url=base_url, idempotent=idempotent),
            cycle,
            wait_days,
            365,
            after_sending,
        )

    other = "commercial" if kind == "medicare" else "medicare"
    return Site(
        name="Clinic",
        zone=ZONE.key,
        facilities=places,
        payers=(payer("first", kind, "FIRST HEALTH"), payer("second", other, "SECOND HEALTH")),
        feeds=(
            Feed("rt", "hl7v2", "example-dft-zseg", ZONE.key, places[0].id),
            Feed("ehr", "fhir", "codex-rt", ZONE.key, places[0].id),
        ),
        families=tuple(families),
        prices=tuple(prices() if fees is None else fees),
        crosswalk=crosswalk or {},
        options=options,
        people={PHYSICIAN: "radiation-oncologist", NURSE: "nurse-practitioner", PHYSICIST: "medical-physicist"},
    )


def house(setting: str = "hospital", **more: object) -> House:
    """Rules, site and prices in force."""
    return House.of(rules(), site(setting, **more))  # type: ignore[arg-type]


# ---------------------------------------------------------------- reports


def instant(text: str) -> datetime:
    """A local time of the clinic as UTC; a date alone is its noon."""
    naive = datetime.fromisoformat(text if "T" in text else f"{text}T12:00")
    return naive.replace(tzinfo=ZONE).astimezone(UTC)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def report(
    kind: str,
    at: str,
    *,
    course: str = "C1",
    line: str = "",
    said: str = "",
    feed: str = "rt",
    message: str = "",
    place: str = "FT1[1]",
    status: Status = Status.DONE,
    keys: Iterable[str] = (),
    end: str = "",
    **facts: object,
) -> Event:
    """One report. Without a line it is a statement of its own, named by what it says."""
    start = instant(at)
    spoken = instant(said) if said else start
    values = {name.replace("__", "."): value for name, value in facts.items()}
    own = line or f"{feed}|{kind}|{at}|{values.get('n', '')}|{values.get('uid', '')}|{values.get('code', '')}|{place}"
    entry = message or str(uuid.uuid5(SPACE, f"{feed}|{own}|{said}|{status}|{sorted(map(str, values.items()))}"))
    source = Source(entry, place)
    told = tuple(
        Fact(name, _word(one), Source(entry, f"{place}-{i}"))
        for i, (name, value) in enumerate(values.items(), 1)
        for one in (value if isinstance(value, tuple) else (value,))
        if one is not None
    )
    uids = (f"uid:{values['uid']}",) if "uid" in values else ()
    event = Event(
        id=str(uuid.uuid5(SPACE, f"{entry}|{place}|{kind}|{own}")),
        kind=kind,
        feed=feed,
        start=start,
        day=start.astimezone(ZONE).date(),
        said=spoken,
        line=own,
        source=source,
        end=instant(end) if end else None,
        status=status,
        course=course,
        keys=(*keys, *uids),
        facts=told,
    )
    assert not list(problems_of(event))
    return event


def fraction(at: str, n: int | None = None, **more: object) -> Event:
    """A session: 3D photons with one isocenter where nothing else is said."""
    facts: dict[str, object] = {"technique": "3d", "modality": "photon", "isocenters": 1}
    if n is not None:
        facts["n"] = n
    facts.update(more)
    return report("fraction", at, **{k: v for k, v in facts.items() if v is not None})  # type: ignore[arg-type]


def workdays(first: str, count: int) -> list[date]:
    """That many dates from Monday to Friday."""
    day, found = date.fromisoformat(first), []
    while len(found) < count:
        if day.weekday() < 5:
            found.append(day)
        day += timedelta(days=1)
    return found


def sessions(first: str, count: int, **more: object) -> list[Event]:
    """Sessions at nine on working days, numbered from one."""
    return [fraction(f"{day}T09:00", n, **more) for n, day in enumerate(workdays(first, count), 1)]


def exam(at: str, by: str = PHYSICIAN, **more: object) -> Event:
    """An examination during treatment."""
    return report("on-treatment-visit", at, by=by, **more)  # type: ignore[arg-type]


def exams(events: Iterable[Event]) -> list[Event]:
    """An examination by a physician an hour after every fifth session, and after the last one."""
    days = [e.day for e in events if e.kind == "fraction"]
    return [exam(f"{day}T10:10") for i, day in enumerate(days, 1) if i % 5 == 0 or i == len(days)]


def ended(day: str | date, **more: object) -> Event:
    """The end of the course, at six in the evening."""
    return report("course-end", f"{day}T18:00", **more)  # type: ignore[arg-type]


def insured(
    payer: str = "first", start: str = "2015-01-01", *, to: str = "", order: int = 1, said: str = "", **more: object
) -> Event:
    """The person's insurance."""
    facts: dict[str, object] = {"payer": payer, "member": "M-1", "from": start, "order": order, **more}
    if to:
        facts["to"] = to
    line = str(facts.pop("line", f"coverage|{payer}|{start}"))
    return report("coverage", "2015-01-01", course="", line=line, said=said, **facts)  # type: ignore[arg-type]


def diagnosed(code: str = "C50.412") -> Event:
    """The visit that states the diagnosis."""
    return report("encounter", "2015-01-01", course="", line="encounter|1", diagnosis=code)


def patient() -> Event:
    """The person."""
    return report(
        "patient", "2015-01-01", course="", line="patient|1", family="Quill", given="Ada", birth_date="1950-02-03"
    )


def background() -> list[Event]:
    """Person, insurance and diagnosis: what every bill needs beside its service."""
    return [patient(), insured(), diagnosed()]


# ---------------------------------------------------------------- derivation


def contexts(at: House, events: Iterable[Event]) -> PersonContexts:
    """What holds for the person of these events."""
    return person_contexts(assemble(PERSON, events), at)


def assembled(events: Iterable[Event]) -> Assembly:
    """The events in order."""
    return assemble(PERSON, events)


def derived(events: Iterable[Event], at: House | None = None) -> Outcomes:
    """Everything the episodes of these events owe, before the checks of `edits`."""
    at = at or house()
    events = [*background(), *events]
    assembly = assemble(PERSON, events)
    outcomes = Outcomes()
    for episode in assembly.episodes:
        coded = assembly.coded.get(episode.id, ())
        outcomes += derive(episode, coded, person_contexts(assembly, at), at.rules, PriceList(at.site.prices))
    return outcomes


def screened(events: Iterable[Event], at: House | None = None) -> Outcomes:
    """Everything that is due and held, after the checks."""
    at = at or house()
    assembly = assemble(PERSON, [*background(), *events])
    return outcomes_of(assembly, person_contexts(assembly, at), at)


def told(charges: Iterable[Charge], *codes: str) -> list[tuple[str, str, tuple[str, ...], int]]:
    """(date, code, modifiers, units) of the charges, sorted; of these codes only, where any are named."""
    return sorted((c.start.isoformat(), c.code, c.modifiers, c.units) for c in charges if not codes or c.code in codes)


def held(holds: Iterable[Hold]) -> list[tuple[str, str, str]]:
    """(hold, service, code it keeps back) of the holds, sorted."""
    return sorted((h.code, h.slot.service, h.would.code if h.would else "") for h in holds)


# ---------------------------------------------------------------- the record


def moment(day: str | date, hour: int = 20) -> Tick:
    """An evening at the clinic."""
    local = datetime.combine(date.fromisoformat(str(day)), time(hour), ZONE)
    return Tick(local.astimezone(UTC), local.date())


def reading(*events: Event) -> Reading:
    """One message with these reports."""
    first = events[0]
    hint = PersonHint((Identifier("mrn", "R-1"),))
    return Reading(first.source.message, first.said, captured=Captured(hint, events))


def fed(events: Iterable[Event], at: House, tick: Tick, record: PersonRecord | None = None) -> PersonRecord:
    """The record after the events, each its own message, all in one step."""
    return step(record or PersonRecord(PERSON), [reading(event) for event in events], at, tick)


def happened(record: PersonRecord, at: House, tick: Tick, *news: SubmissionNews) -> PersonRecord:
    """The record after news from payers."""
    return step(record, [Reading(f"news-{i}", tick.now, news=one) for i, one in enumerate(news)], at, tick)


def of_state(record: PersonRecord, *states: ClaimState) -> list[ClaimOnFile]:
    """The claims in these states."""
    return [c for c in record.claims if c.state in states]


def adjudication(
    claim: ClaimOnFile,
    *,
    paid: Mapping[int, int] | None = None,
    adjustments: Mapping[int, Sequence[tuple[str, str, int]]] | None = None,
    id: str = "",
    number: str = "",
) -> Remittance:
    """An answer that pays each line in full, or what is said of it."""
    lines = []
    for line in claim.claim.lines:
        taken = tuple(Adjustment(*one) for one in (adjustments or {}).get(line.line, ()))
        rest = line.amount - sum(one.amount for one in taken)
        lines.append(RemittanceLine(line.line, line.amount, (paid or {}).get(line.line, rest), taken))
    return Remittance(
        id=id or f"era-{claim.claim.id}",
        claim=claim.claim.id,
        decision=Decision.ADJUDICATED,
        payer_claim_number=number or f"ICN-{claim.claim.id[:8]}",
        lines=tuple(lines),
        charge=claim.claim.total,
        paid=sum(line.paid for line in lines),
        message=f"answer-{id or claim.claim.id}",
    )


def sent(record: PersonRecord, at: House, tick: Tick) -> PersonRecord:
    """The record after every ready claim went out and nothing was heard."""
    for claim in of_state(record, ClaimState.READY):
        record = happened(record, at, tick, SubmissionNews(claim.claim.id, ClaimEvent.SEND, "sent"))
    return record


def paid_in_full(record: PersonRecord, at: House, tick: Tick) -> PersonRecord:
    """The record after every ready claim went out and was paid in full."""
    for claim in of_state(record, ClaimState.READY):
        record = happened(
            record,
            at,
            tick,
            SubmissionNews(claim.claim.id, ClaimEvent.SEND, "sent"),
            SubmissionNews(claim.claim.id, ClaimEvent.ADJUDICATE, "200", adjudication(claim)),
        )
    return record
