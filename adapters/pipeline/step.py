"""One step of one person's lane: readings in, the record after them out. No clock, no store, no socket.

Charges are re-derived from all events whenever an event arrives; nothing is accumulated. Running a step twice, or its
readings in another order, gives the same charges and holds while nothing has been sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from itertools import count
from typing import Final
from zoneinfo import ZoneInfo

from adapters.charges import Assembly, assemble, derive, difference, within_bounds
from adapters.charges.lines import PriceList
from adapters.claims import Patient, corrections, drafts
from adapters.context import PersonContexts, authorizations, coverages, demographics, diagnoses_known
from adapters.edits import screen
from adapters.hl7v2.elements import NEEDS_A_PERSON, REASONS
from adapters.model.charge import Charge, Outcomes, Skip
from adapters.model.claim import ClaimOnFile, ClaimState
from adapters.model.event import UNCHARGED, Event, Omission, Status, mends
from adapters.model.people import Identifier
from adapters.model.record import (
    ChargeOnFile,
    ChargeStatus,
    Due,
    PersonRecord,
    Reading,
    Tick,
)
from adapters.model.site import Site
from adapters.model.tables import Tables
from adapters.model.why import Fact, Why
from adapters.model.work import WorkItem, open_item
from adapters.pipeline.drafting import with_drafts
from adapters.pipeline.life import with_news
from adapters.pipeline.sending import with_sending
from adapters.pipeline.statuses import with_statuses
from adapters.rules import Decision, Ruleset
from adapters.tables.held import HeldTables
from adapters.work import of_holds, of_merges, settle

NAMESPACE: Final = uuid.UUID("3d8c1b52-0a5e-5a3f-8f0c-5f1f4f0c2b9a")
NO_TABLES: Final[Tables] = HeldTables(())
"""Nothing is loaded."""
OMITTED: Final = "omitted:"
"""Prefix of the event field of a skip that names a part of a message which gave no event."""


@dataclass(frozen=True, slots=True)
class House:
    """The rules, settings and tables in force, by which a record is stepped."""

    rules: Ruleset
    """They ask the tables first."""
    site: Site
    prices: PriceList
    tables: Tables = NO_TABLES
    """The editions in force."""

    @classmethod
    def of(cls, rules: Ruleset, site: Site, tables: Tables = NO_TABLES) -> House:
        """The house of these rules and this site, over the editions in force."""
        return cls(rules.with_tables(tables if tables.editions else None), site, PriceList(site.prices), tables)


def step(
    record: PersonRecord, readings: Sequence[Reading], house: House, tick: Tick, *, again: bool = False
) -> PersonRecord:
    """The record after the readings, with its claims as they are due at the tick.

    With `again` everything is derived anew, whatever the readings bring: other tables are in force.
    """
    events = record.events
    for reading in readings:
        if reading.captured is not None:
            record = _with_captured(record, reading, house)
    if again or record.events != events:
        record = _derived(record, house, tick)
    elif any(reading.captured is not None for reading in readings):
        record = _noted(record, house, tick)
    for reading in readings:
        if reading.news is not None:
            record = with_news(record, reading.news, house.rules, house.site, tick)
    return _claimed(record, house, tick)


def rederived(record: PersonRecord, house: House, tick: Tick) -> PersonRecord:
    """The record with everything derived anew, for other rules or settings."""
    return _claimed(_derived(record, house, tick), house, tick)


def to_send(record: PersonRecord) -> tuple[ClaimOnFile, ...]:
    """Claims that are ready to leave, in the order in which they were built; nothing whose fate is unknown."""
    return tuple(claim for claim in record.claims if claim.state is ClaimState.READY)


def _with_captured(record: PersonRecord, reading: Reading, house: House) -> PersonRecord:
    captured = reading.captured
    if captured is None:
        return record
    known = {event.id for event in record.events}
    events = (*record.events, *(event for event in captured.events if event.id not in known))
    identifiers = tuple(dict.fromkeys((*record.identifiers, *captured.person.identifiers)))
    told = {skip.event for skip in record.skips}
    omitted = {skip.event: skip for o in captured.omissions for skip in (_omitted(o, reading, house.rules),)}
    skips = (*record.skips, *(skip for event, skip in omitted.items() if event not in told))
    return replace(record, events=events, identifiers=identifiers, skips=skips)


def _omitted(omission: Omission, reading: Reading, rules: Ruleset) -> Skip:
    facts = [Fact("event", omission.detail or omission.reason, omission.source)]
    if omission.line and omission.said is not None:
        facts += [Fact(name, value, omission.source) for name, value in _stated(omission.line, omission.said)]
    decision = rules.decide("assembly", reading.at.date(), {"reason": omission.reason})
    rule = rules.rule("assembly")
    ref = decision.ref if isinstance(decision, Decision) else (rule.on(reading.at.date()) or rule.versions[-1]).ref
    return Skip(f"{OMITTED}{omission.source.message}#{omission.source.at}", omission.reason, Why(ref, tuple(facts)))


def _stated(line: str, said: datetime) -> tuple[tuple[str, str], ...]:
    """What must be remembered of an omission so that a later report of its line can be seen to mend it."""
    return ("line", line), ("said", said.isoformat())


def person_contexts(assembly: Assembly, house: House) -> PersonContexts:
    """What holds for the person on each day, from the current context events."""
    return PersonContexts(
        house.site,
        house.rules,
        coverages(assembly.context, house.site),
        diagnoses_known(assembly.context),
        authorizations(assembly.context, house.site),
    )


def outcomes_of(assembly: Assembly, contexts: PersonContexts, house: House) -> Outcomes:
    """Everything that the person's episodes owe, screened: due charges with their coverage, and what is held."""
    outcomes = Outcomes()
    for episode in assembly.episodes:
        coded = assembly.coded.get(episode.id, ())
        others = tuple(other for other in assembly.episodes if other is not episode)
        outcomes += derive(episode, coded, contexts, house.rules, house.prices, others)
    outcomes = within_bounds(outcomes, house.rules).outcomes
    screened = screen(outcomes.charges, contexts, house.rules)
    skips = (*outcomes.skips, *_context_skips(assembly, house.rules))
    findings = (*outcomes.findings, *screened.findings)
    return Outcomes(screened.charges, (*outcomes.holds, *screened.holds), skips, findings)


def _derived(record: PersonRecord, house: House, tick: Tick) -> PersonRecord:
    assembly = assemble(record.person, record.events)
    contexts = person_contexts(assembly, house)
    outcomes = outcomes_of(assembly, contexts, house)
    omitted = tuple(skip for skip in record.skips if skip.event.startswith(OMITTED))
    charges = _on_file(record, outcomes.charges)
    wanted = (*of_holds(outcomes.holds, house.rules, record.person, tick.now), *_told(record, omitted, tick))
    return replace(
        record,
        charges=charges,
        holds=outcomes.holds,
        skips=(*omitted, *outcomes.skips),
        findings=outcomes.findings,
        work=settle(record.work, wanted, tick.now),
    )


def _noted(record: PersonRecord, house: House, tick: Tick) -> PersonRecord:
    """The record with what messages brought that told no event: a booking, a resend. What is due rests on events alone."""
    omitted = tuple(skip for skip in record.skips if skip.event.startswith(OMITTED))
    derived = tuple(skip for skip in record.skips if not skip.event.startswith(OMITTED))
    wanted = (*of_holds(record.holds, house.rules, record.person, tick.now), *_told(record, omitted, tick))
    return replace(record, skips=(*omitted, *derived), work=settle(record.work, wanted, tick.now))


def _told(record: PersonRecord, omitted: Iterable[Skip], tick: Tick) -> tuple[WorkItem, ...]:
    """Items that follow from what messages said, not from what is due: parts left out, and merges that wait."""
    merges = of_merges(record.events, record.identifiers, record.person, tick.now)
    return (*_incomplete(record, omitted, tick), *merges)


def _mended(record: PersonRecord, skip: Skip) -> bool:
    """Whether a later report of the line has told what this part of a message left out."""
    known = {fact.name: fact for fact in skip.why.facts}
    if "line" not in known:
        return False
    line, said = known["line"], datetime.fromisoformat(known["said"].value)
    return any(mends(event, line.value, said, line.source.message) for event in record.events)


def _incomplete(record: PersonRecord, omitted: Iterable[Skip], tick: Tick) -> Iterable[WorkItem]:
    """An item for each part of a message that could not be read although a charge may hang on it."""
    for skip in omitted:
        if skip.reason in NEEDS_A_PERSON and not _mended(record, skip):
            source = skip.why.facts[0].source
            yield open_item(
                "incomplete-message",
                skip.reason,
                source.message,
                category="capture",
                action="look at the message, have the sender mend and resend it",
                opened=tick.now,
                person=record.person,
                detail=f"{source.at}: {REASONS.get(skip.reason, skip.reason)}",
                which=source.at,
            )


def _context_skips(assembly: Assembly, rules: Ruleset) -> Iterable[Skip]:
    """Context, and lines restated later, are accounted for by one skip each."""
    for event in assembly.context:
        yield _skip(event, _why_idle(event), rules)
    for older, _ in assembly.superseded:
        yield _skip(older, "superseded", rules)


def _why_idle(event: Event) -> str:
    """Why a context event owes nothing: what was not done or taken back, what no rule charges yet, else context."""
    if event.kind not in UNCHARGED:
        return "context"
    idle = {Status.NOT_DONE: "not-done", Status.WITHDRAWN: "withdrawn"}
    return idle.get(event.status, "not-charged-yet")


def _skip(event: Event, reason: str, rules: Ruleset) -> Skip:
    decision = rules.decide("assembly", event.day, {"reason": reason})
    rule = rules.rule("assembly")
    ref = decision.ref if isinstance(decision, Decision) else (rule.on(event.day) or rule.versions[-1]).ref
    return Skip(event.id, reason, Why(ref, (Fact("event", event.kind, event.source),)))


def charge_id(charge: Charge, number: int = 0) -> str:
    """Id of a charge from the slot it first had; a charge that moves keeps its id, who has its slot then is numbered."""
    slot = charge.slot
    name = f"{slot.episode}|{slot.service}|{slot.key}|{slot.part}"
    return str(uuid.uuid5(NAMESPACE, f"{name}|{number}" if number else name))


def _on_file(record: PersonRecord, due: Sequence[Charge]) -> tuple[ChargeOnFile, ...]:
    """Charges on file after setting what is due against them. What was once sent keeps its price and diagnoses."""
    change = difference(record.charges, due)
    updated = {
        pair.on_file.id: replace(pair.on_file, charge=_pinned(pair.on_file, pair.due))
        for pair in (*change.same, *change.moved, *change.changed)
    }
    for gone in change.gone:
        updated[gone.id] = replace(gone, status=ChargeStatus.VOID)
    kept = [updated.get(c.id, c) for c in record.charges]
    taken = {c.id: i for i, c in enumerate(kept)}
    for charge in change.new:
        ids = (charge_id(charge, number) for number in count())
        id = next(id for id in ids if id not in taken or kept[taken[id]].status is ChargeStatus.VOID)
        if id in taken:  # it was void: due again under the same slot
            kept[taken[id]] = ChargeOnFile(id, charge)
        else:
            taken[id] = len(kept)
            kept.append(ChargeOnFile(id, charge))
    return tuple(kept)


def _pinned(on_file: ChargeOnFile, due: Charge) -> Charge:
    sent = on_file.status in (ChargeStatus.SENT, ChargeStatus.SETTLED)
    old = on_file.charge
    if not sent or (old.code, old.modifiers, old.entity) != (due.code, due.modifiers, due.entity):
        return due
    return replace(due, price=old.price, diagnoses=old.diagnoses)


def _claimed(record: PersonRecord, house: House, tick: Tick) -> PersonRecord:
    """Drafts and corrections as they are due now, statuses of charges, and when this lane has to be looked at again."""
    assembly = assemble(record.person, [e for e in record.events if e.kind in _CLAIM_CONTEXT])
    contexts = person_contexts(assembly, house)
    record = with_statuses(record)
    patient = Patient(record.person, _mrn(record.identifiers), demographics(assembly.context))
    grouping = drafts(patient, record.charges, record.holds, record.claims, contexts.coverages, contexts, tick.today)
    fixes = corrections(patient, record.charges, record.claims, contexts.coverages, contexts, tick.today)
    record = with_statuses(with_drafts(record, grouping.drafts, fixes, house.site, tick))
    zone = ZoneInfo(house.site.zone)
    opens = tuple(Due("claim", key, datetime.combine(day, time.min, zone)) for key, day in grouping.opens)
    others = tuple(due for due in record.due if due.what != "claim")
    return with_sending(replace(record, due=(*others, *opens)), house.site, tick)


_CLAIM_CONTEXT: Final = frozenset({"patient", "coverage", "encounter", "course", "phase"})


def _mrn(identifiers: Sequence[Identifier]) -> str:
    """The identifier that claims bear as the patient account; the smallest, so that order of arrival plays no part."""
    return min((identifier.value for identifier in identifiers), default="")
