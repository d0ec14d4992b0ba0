"""One step of one person's lane: readings in, the record after them out. No clock, no store, no socket.

Charges are re-derived from all events whenever an event arrives; nothing is accumulated. Running a step twice, or its
readings in another order, gives the same charges and holds while nothing has been sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from adapters.charges import Assembly, assemble, deleted_context, derive, within_bounds
from adapters.charges.lines import Bench
from adapters.charges.prices import PriceList
from adapters.charges.visits_told import Habits
from adapters.claims import EXPIRED, LATE, SIDES, FilingClock, Patient, drafts
from adapters.context import PersonContexts, authorizations, coverages, demographics, diagnoses_known
from adapters.context.benefits import accidents
from adapters.context.eligibility import eligibilities
from adapters.edits import nobody, screen
from adapters.model.charge import Hold, Outcomes, Skip
from adapters.model.claim import ClaimOnFile, ClaimState
from adapters.model.decision import KIND
from adapters.model.episode import Episode
from adapters.model.event import Event
from adapters.model.merging import LANE, waiting
from adapters.model.people import Identifier
from adapters.model.record import (
    OMITTED,
    Due,
    Part,
    PersonRecord,
    Reading,
    Tick,
)
from adapters.model.site import Site, options_on
from adapters.model.tables import Tables
from adapters.model.union import added, settled
from adapters.model.work import WorkItem
from adapters.pipeline.accounted import incomplete, left_out, of_context, yielded
from adapters.pipeline.afterwards import OF_SENT, after_sending, questions, remarks, reordered, to_bill, with_accounts
from adapters.pipeline.drafting import DROPPED, deadline_by, remarks_on, with_drafts, with_reviews
from adapters.pipeline.expecting import falls_due, with_expected
from adapters.pipeline.filing import on_file
from adapters.pipeline.going_live import kept_back, rows_of
from adapters.pipeline.life import with_news
from adapters.pipeline.payments import with_payment
from adapters.pipeline.sending import with_sending
from adapters.pipeline.stated import assembled, decided_lines, effective, goes_out, let_go, stated
from adapters.pipeline.statuses import with_statuses
from adapters.rules import Ruleset
from adapters.tables.held import HeldTables
from adapters.work import REVIEW, Standing, decided, of_deletions, of_holds, of_merges, settle, standing

OF_CLAIMS: Final = LATE | {DROPPED, SIDES} | OF_SENT
"""Kinds of findings that come of claims and the clock, not of events: they are said anew at every step."""
UNITE: Final = "unite"
"""What falls due when lanes are to be put together or apart."""
_AT_FIRST: Final = timedelta(minutes=1)
"""It is done right after the step that learns of it; this is for a crash between the two."""
_LATER: Final = timedelta(hours=1)
NO_TABLES: Final[Tables] = HeldTables(())
"""Nothing is loaded."""
UNDECIDED: Final = Standing()
"""Nobody has decided anything."""


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

    With `again` everything is derived anew, whatever the readings bring: other tables are in force. A share of another
    lane's record is stepped with the whole of it, and never alone.
    """
    if record.root:
        if readings:
            raise LookupError("what concerns a lane of a person is stepped in the root")
        return record
    events = record.events
    for reading in readings:
        if reading.captured is not None:
            record = _with_captured(record, reading, house)
            if reading.captured.payment is not None:
                record = with_payment(record, reading.captured.payment, house.rules, tick)
    if again or record.events != events:
        record = _derived(record, house, tick)
    elif any(reading.captured is not None for reading in readings):
        record = _noted(record, house, tick)
    if falls_due(record, tick):
        record = _day_over(record, house, tick)
    for reading in readings:
        if reading.news is not None:
            record = with_news(record, reading.news, house.rules, house.site, tick)
    return settled(_with_union_due(_claimed(_decided(record, tick), house, tick), tick))


def rederived(record: PersonRecord, house: House, tick: Tick) -> PersonRecord:
    """The record with everything derived anew, for other rules or settings."""
    if record.root:
        return record
    return settled(_claimed(_decided(_derived(record, house, tick), tick), house, tick))


def identities(record: PersonRecord) -> tuple[Identifier, ...]:
    """All by which the person may be named: identifiers, and lanes as such."""
    return (*record.identifiers, *(Identifier(LANE, lane) for lane in record.lanes))


def _with_union_due(record: PersonRecord, tick: Tick) -> PersonRecord:
    """The record with the next look at a merge that is not carried out: a crash came between, or it waits for a person."""
    if not any(event.kind in ("merge", "decision") for event in record.events):
        return record
    open_ = {merge.event for merge in waiting(record.events, identities(record))}
    standing = {due.about: due for due in record.due if due.what == UNITE and due.about in open_}
    due = [d for d in record.due if d.what != UNITE]
    for event in sorted(open_):
        known = standing.get(event)
        if known is None:
            known = Due(UNITE, event, tick.now + _AT_FIRST)
        elif known.not_before <= tick.now:
            known = replace(known, not_before=tick.now + _LATER)
        due.append(known)
    return replace(record, due=tuple(due))


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
    omitted = {skip.event: skip for o in captured.omissions for skip in (left_out(o, reading, house.rules),)}
    skips = (*record.skips, *(skip for event, skip in omitted.items() if event not in told))
    told_here = Part("", captured.person.identifiers, tuple(event.id for event in captured.events), tuple(omitted))
    return added(
        replace(record, events=events, identifiers=identifiers, skips=skips), reading.lane or record.person, told_here
    )


def person_contexts(assembly: Assembly, house: House) -> PersonContexts:
    """What holds for the person on each day, from the current context events."""
    return PersonContexts(
        house.site,
        house.rules,
        coverages(assembly.context, house.site),
        diagnoses_known(assembly.context),
        authorizations(assembly.context, house.site),
        eligibilities(assembly.context, house.site),
        demographics(assembly.context).birth_date,
        accidents(assembly.context, house.site),
    )


def family_by(house: House) -> Habits:
    """The service family and code of a coded charge by the house's codes, crosswalk and charge master, empty where none
    has it; and after how many quiet hours a visit is over."""

    def family(event: Event) -> tuple[str, str]:
        local = event.value("local_code")
        code = event.value("code")
        if not code and local:
            listed = next(iter(house.tables.local(local, event.day)), None)
            code = listed.code if listed else house.site.crosswalk.get(local, "")
        return house.rules.service_of(code) if code else "", code

    def quiet(day: date) -> int:
        site = house.site
        said = house.rules.option("infusion.visit_quiet_hours", options_on(site.options, site.dated_options, day))
        return 0 if said == "off" else int(said)

    return Habits(family, quiet)


def outcomes_of(assembly: Assembly, contexts: PersonContexts, house: House, stands: Standing = UNDECIDED) -> Outcomes:
    """Everything that the person's episodes owe, screened: due charges with their coverage, and what is held.

    `stands` is what persons have decided about it.
    """
    outcomes = Outcomes()
    for episode in assembly.episodes:
        coded = assembly.coded.get(episode.id, ())
        others = tuple(other for other in assembly.episodes if other is not episode)
        outcomes += derive(episode, coded, contexts, house.rules, house.prices, others)
    if assembly.episodes:
        bench = Bench(assembly.episodes[0], contexts, house.rules, house.prices)
        outcomes = let_go(decided_lines(outcomes, stands, bench), stands)
    outcomes = let_go(within_bounds(outcomes, house.rules).outcomes, stands)
    screened = screen(outcomes.charges, contexts, house.rules, partial(goes_out, stands) if stands.sayings else nobody)
    skips = (*outcomes.skips, *of_context(assembly, house.rules))
    findings = (*outcomes.findings, *screened.findings)
    return Outcomes(screened.charges, (*outcomes.holds, *screened.holds), skips, findings)


def _derived(record: PersonRecord, house: House, tick: Tick) -> PersonRecord:
    stands = standing(record.events)
    events = effective(record.events, stands)
    said = stated(assemble(record.person, events, family_by(house)), events, stands)
    assembly = said.assembly
    contexts = person_contexts(assembly, house)
    outcomes = kept_back(outcomes_of(assembly, contexts, house, stands), record, contexts, house)
    outcomes += yielded(said.yielded, house.rules) + Outcomes(findings=reordered(outcomes.charges, contexts))
    omitted = tuple(skip for skip in record.skips if skip.event.startswith(OMITTED))
    charges = on_file(record, outcomes.charges)
    # Lines that came too late stay held until the claims are looked at: else their work would close and open again.
    holds = (*outcomes.holds, *(hold for hold in record.holds if hold.code == EXPIRED))
    asked = questions(replace(record, charges=charges), outcomes.charges, contexts, tick)
    wanted = (*of_holds(holds, house.rules, record.person, tick.now), *_told(record, omitted, tick), *asked)
    record = replace(
        record,
        charges=charges,
        holds=holds,
        skips=(*omitted, *outcomes.skips),
        findings=outcomes.findings,
        work=settle(record.work, wanted, tick.now),
    )
    return _expecting(record, assembly, contexts, house, tick)


def _expecting(
    record: PersonRecord, assembly: Assembly, contexts: PersonContexts, house: House, tick: Tick
) -> PersonRecord:
    """The record with what orders and bookings lead one to expect, as it stands on the day."""
    nothing = Episode("expected", record.person, "infusion", "", ())
    bench = Bench(nothing, contexts, house.rules, house.prices)
    return with_expected(record, assembly, bench, tick, rows_of(house))


def _day_over(record: PersonRecord, house: House, tick: Tick) -> PersonRecord:
    """The record after the day of an expected dose: nothing came, and that is what is new."""
    assembly = assembled(record.person, record.events, family_by(house))
    return _expecting(record, assembly, person_contexts(assembly, house), house, tick)


def _decided(record: PersonRecord, tick: Tick) -> PersonRecord:
    """The record with what persons decided about the items of its work list."""
    return replace(record, work=decided(record.work, record.holds, standing(record.events), tick.now))


def _noted(record: PersonRecord, house: House, tick: Tick) -> PersonRecord:
    """The record with what messages brought that told no event: a booking, a resend. What is due rests on events alone."""
    omitted = tuple(skip for skip in record.skips if skip.event.startswith(OMITTED))
    derived = tuple(skip for skip in record.skips if not skip.event.startswith(OMITTED))
    wanted = (*of_holds(record.holds, house.rules, record.person, tick.now), *_told(record, omitted, tick))
    return replace(record, skips=(*omitted, *derived), work=settle(record.work, wanted, tick.now))


def _told(record: PersonRecord, omitted: Iterable[Skip], tick: Tick) -> tuple[WorkItem, ...]:
    """Items that follow from what messages said, not from what is due: parts left out, and merges that wait."""
    events = tuple(event for event in record.events if not event.historic)
    merges = of_merges(events, identities(record), record.person, tick.now)
    gone = of_deletions(deleted_context(events), record.person, tick.now)
    return (*incomplete(record, omitted, tick), *merges, *gone)


def _claimed(record: PersonRecord, house: House, tick: Tick) -> PersonRecord:
    """Drafts and corrections as they are due now, statuses of charges, and when this lane has to be looked at again."""
    events = [e for e in record.events if e.kind in _CLAIM_CONTEXT or e.kind == KIND]
    assembly = assemble(record.person, effective(events, standing(events)))
    contexts = person_contexts(assembly, house)
    record = with_statuses(record)
    patient = Patient(record.person, _mrn(record.goes_by), demographics(assembly.context))
    zone = ZoneInfo(house.site.zone)
    clock = FilingClock(house.rules, tick.now.astimezone(zone))
    stands = standing(record.events)
    lets = partial(goes_out, stands) if stands.sayings else nobody
    derived = tuple(hold for hold in record.holds if hold.code != EXPIRED)
    known = contexts.coverages
    charges, claims = to_bill(record, stands)
    grouping = drafts(patient, charges, derived, claims, known, contexts, tick.today, clock, lets)
    record = _with_late(record, (*derived, *grouping.holds), house, tick)
    record, fixes = after_sending(record, patient, stands, contexts, house.rules, tick)
    record = with_statuses(with_drafts(record, grouping.drafts, fixes, deadline_by(contexts, clock), tick))
    record = with_accounts(record, effective(record.events, stands), stands, contexts, house.rules, tick)
    record = with_reviews(record, house.rules.hold(REVIEW).next_step, tick)
    after = remarks(record.claims, record.charges, contexts, house.rules)
    told = (*grouping.findings, *remarks_on(record, house.rules), *after)
    record = replace(record, findings=(*(f for f in record.findings if f.kind not in OF_CLAIMS), *told))
    opens = tuple(Due("claim", key, datetime.combine(day, time.min, zone)) for key, day in grouping.opens)
    others = tuple(due for due in record.due if due.what != "claim")
    return with_sending(replace(record, due=(*others, *opens)), house.site, tick)


def _with_late(record: PersonRecord, holds: tuple[Hold, ...], house: House, tick: Tick) -> PersonRecord:
    """The record with these holds, and the work that follows where they are others: filing in time goes by the clock."""
    if holds == record.holds:
        return record
    return _decided(_noted(replace(record, holds=holds), house, tick), tick)


_CLAIM_CONTEXT: Final = frozenset({"patient", "coverage", "encounter", "course", "phase", "resource"})


def _mrn(identifiers: Sequence[Identifier]) -> str:
    """The identifier that claims bear as the patient account; the smallest, so that order of arrival plays no part."""
    return min((identifier.value for identifier in identifiers), default="")
