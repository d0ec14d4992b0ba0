"""Which charges make which claim, and when it is time.

A claim holds the charges of one billing entity, one coverage and one billing cycle (`cycles`), as many as there is room
for, under one prior authorization unless its payer takes several. A cycle closes after its last day and the payer's
`wait_days`; charges are on file at once, claims wait. Drafts are made anew at every step: an unsent claim whose
charges have changed is abandoned and built again, a sent one is never touched here (see `correct`). A line that would
reach its payer too late is held (`timely`), its neighbours go out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from adapters.claims.build import Billing, Patient, build, cited, claim_id, in_order, portions
from adapters.claims.cycles import last_day, name_of
from adapters.claims.late import Filing, Late, Lets, in_time, nobody
from adapters.claims.timely import FilingClock
from adapters.errors import NotOfSite
from adapters.model.charge import Charge, Finding, Hold, Release
from adapters.model.claim import Claim, ClaimLine, ClaimOnFile, ClaimState, ClaimType
from adapters.model.context import Context, Contexts
from adapters.model.coverage import Coverage
from adapters.model.record import ChargeOnFile, ChargeStatus
from adapters.model.site import BillingEntity, Facility, Payer

UNSENT = frozenset({ClaimState.BUILT, ClaimState.HELD, ClaimState.READY})
"""States of a claim that has not left: it may be abandoned and built again."""
_OVER = frozenset({ClaimState.ABANDONED, ClaimState.REPLACED, ClaimState.VOIDED})


@dataclass(frozen=True, slots=True)
class Draft:
    """A claim that is due now, and the reason to hold it if there is one."""

    claim: Claim
    hold: str = ""


@dataclass(frozen=True, slots=True)
class Grouping:
    """The claims due now, and the days on which further cycles close."""

    drafts: tuple[Draft, ...]
    opens: tuple[tuple[str, date], ...]
    """(cycle key, first day on which its claim may be built); and when a line that is held comes near its last day."""
    holds: tuple[Hold, ...] = ()
    """Lines that would reach their payer too late."""
    findings: tuple[Finding, ...] = ()
    """What is remarkable about filing in time, of lines and of claims."""


def entity_of(facilities: Iterable[Facility], id: str) -> tuple[Facility, BillingEntity]:
    """The billing entity of that id, with the facility where it bills."""
    for facility in facilities:
        for entity in facility.entities:
            if entity.id == id:
                return facility, entity
    raise NotOfSite("a charge or claim names a billing entity that the site does not have")


def drafts(
    patient: Patient,
    charges: Sequence[ChargeOnFile],
    holds: Sequence[Hold],
    claims: Sequence[ClaimOnFile],
    coverages: Sequence[Coverage],
    contexts: Contexts,
    today: date,
    clock: FilingClock | None = None,
    lets: Lets = nobody,
) -> Grouping:
    """Claims for all charges that are on no sent claim, cycle by cycle.

    With a clock, lines that would come too late are held, unless a person lets them go.
    """
    known = {coverage.id: coverage for coverage in coverages}
    sent = _spoken_for(patient, charges, claims, known)
    groups: dict[tuple[str, str, str], list[ChargeOnFile]] = defaultdict(list)
    payers: dict[tuple[str, str, str], Payer] = {}
    for charge in charges:
        if charge.status is ChargeStatus.VOID or charge.id in sent or charge.charge.coverage not in known:
            continue
        payer = contexts.site.payer(known[charge.charge.coverage].payer)
        if payer is None:
            continue
        key = (charge.charge.entity, charge.charge.coverage, name_of(charge.charge, payer.cycle))
        groups[key].append(charge)
        payers[key] = payer
    late = Late() if clock is None else in_time(groups, claims, charges, holds, contexts, Filing(clock, lets))
    made: list[Draft] = []
    opens: list[tuple[str, date]] = []
    for key, members in sorted(groups.items()):
        payer = payers[key]
        closes = last_day((m.charge for m in members), payer.cycle) + timedelta(days=1 + payer.wait_days)
        if closes > today:
            opens.append(("|".join(key), closes))
            continue
        filed = [member for member in members if member.id not in late.charges]
        made.extend(_of_cycle(patient, key, filed, (*holds, *late.holds), claims, known, contexts, today))
    if late.look_again is not None:
        opens.append(("timely filing", late.look_again))
    return Grouping(tuple(made), tuple(opens), late.holds, late.findings)


def _spoken_for(
    patient: Patient,
    charges: Sequence[ChargeOnFile],
    claims: Sequence[ClaimOnFile],
    known: Mapping[str, Coverage],
) -> frozenset[str]:
    """Charges that a sent claim stands for. A refused claim stands only for lines that would be sent the same again."""
    now = {charge.id: charge.charge for charge in charges}
    found: set[str] = set()
    for on_file in claims:
        claim = on_file.claim
        if on_file.state in UNSENT or on_file.state in _OVER or claim.frequency == "8":
            continue
        refused = on_file.state in (ClaimState.REFUSED, ClaimState.ERROR)
        if refused and not _names(claim, patient, known.get(claim.coverage)):
            continue
        for line in claim.lines:
            for id in line.charges:
                if not refused or (id in now and _same_line(claim, line, now[id])):
                    found.add(id)
    return frozenset(found)


def _names(claim: Claim, patient: Patient, coverage: Coverage | None) -> bool:
    """Whether the claim names person and insurance as they are known now."""
    person = patient.demographics
    said = (claim.family, claim.given, claim.birth_date, claim.sex, claim.patient_identifier)
    return (
        coverage is not None
        and (claim.member, claim.relationship) == (coverage.member, coverage.relationship)
        and said == (person.family, person.given, person.birth_date, person.sex, patient.identifier)
    )


def _same_line(claim: Claim, line: ClaimLine, charge: Charge) -> bool:
    """Whether everything that a refused line said is still so, its diagnoses, performer and insurance included."""
    return (
        says(line, charge)
        and line.rendering == charge.rendering
        and claim.coverage == charge.coverage
        and tuple(claim.diagnoses[i - 1] for i in line.diagnoses) == charge.diagnoses[:4]
        and line.ordering == charge.ordering
    )


def _of_cycle(
    patient: Patient,
    key: tuple[str, str, str],
    members: Sequence[ChargeOnFile],
    holds: Sequence[Hold],
    claims: Sequence[ClaimOnFile],
    known: Mapping[str, Coverage],
    contexts: Contexts,
    today: date,
) -> Iterable[Draft]:
    entity_id, coverage_id, cycle = key
    facility, entity = entity_of(contexts.site.facilities, entity_id)
    payer = contexts.site.payer(known[coverage_id].payer)
    if payer is None:
        raise NotOfSite("charges were grouped by a payer that the site does not have")
    if not members:
        return
    context = contexts.of(members[0].charge.start, facility)
    billing = Billing(
        entity, facility, payer, known[coverage_id], cycle, ranked(members, entity.claim_type, context, contexts)
    )
    waiting = _held_in(key, holds, payer, facility, contexts)
    used = [c for c in claims if (c.claim.entity.id, c.claim.coverage, c.claim.cycle) == key]
    one = context.option("claim.authorizations") == "one"
    for lot, hold in _lots(members, waiting, context.option("claim.completeness")):
        for portion in portions(lot, entity.claim_type, one_authorization=one):
            id = claim_id(patient.person, *key, *(charge.id for charge in portion), *_amounts(portion))
            number = sum(c.claim.id == id or c.claim.id.startswith(f"{id}.") for c in claims)
            drawn = build(f"{id}.{number}" if number else id, patient, billing, portion, today)
            # One drawn up under a number that was merged since does not leave under it.
            mine = (c.claim for c in used if c.state in UNSENT and c.claim.person == patient.person)
            standing = next((claim for claim in mine if _same_bill(claim, drawn)), None)
            yield Draft(standing or drawn, hold)


def ranked(members: Sequence[ChargeOnFile], form: ClaimType, context: Context, contexts: Contexts) -> tuple[str, ...]:
    """Diagnoses that every claim of the cycle bears as far as there is room, by the payer's options; none as a rule."""
    known = contexts.diagnoses if context.option("claim.diagnoses") == "all" else ()
    if context.option("claim.split_diagnoses") == "repeat":
        known = (*known, *(code for member in in_order(members) for code in cited(member.charge, form)))
    return tuple(dict.fromkeys(known))


def _lots(
    members: Sequence[ChargeOnFile], waiting: Sequence[Hold], completeness: str
) -> Iterable[tuple[Sequence[ChargeOnFile], str]]:
    """The charges that go together, each with the hold that keeps them: a held line stops itself, its visit or all."""
    if not waiting or completeness == "line":
        return ((members, ""),)
    if completeness == "cycle":
        return ((members, waiting[0].code),)
    held: dict[str, str] = {}
    for hold in waiting:
        if hold.would is not None:
            held.setdefault(name_of(hold.would, "visit"), hold.code)
    free = [member for member in members if name_of(member.charge, "visit") not in held]
    kept = [member for member in members if name_of(member.charge, "visit") in held]
    lots = ((free, ""), (kept, held[name_of(kept[0].charge, "visit")] if kept else ""))
    return tuple(lot for lot in lots if lot[0])


def _amounts(portion: Sequence[ChargeOnFile]) -> list[str]:
    return [f"{c.charge.code}{''.join(c.charge.modifiers)}x{c.charge.units}@{c.charge.amount}" for c in portion]


def _same_bill(claim: Claim, drawn: Claim) -> bool:
    """Whether a claim that has not left still says what would be drawn up now: its lines, diagnoses and authorization."""
    return (
        {replace(line, line=0) for line in claim.lines} == {replace(line, line=0) for line in drawn.lines}
        and (claim.diagnoses, claim.dropped) == (drawn.diagnoses, drawn.dropped)
        and claim.authorization == drawn.authorization
    )


def says(line: ClaimLine, charge: Charge) -> bool:
    """Whether a claim line bills what the charge says now."""
    return (line.code, line.modifiers, line.units, line.start, line.amount, line.narrative) == (
        charge.code,
        charge.modifiers[:4],
        charge.units,
        charge.start,
        charge.amount,
        charge.narrative,
    )


def _held_in(
    key: tuple[str, str, str], holds: Sequence[Hold], payer: Payer, facility: Facility, contexts: Contexts
) -> list[Hold]:
    """Lines of the cycle that wait for a person."""
    found = []
    for hold in holds:
        if hold.release is not Release.PERSON or hold.would is None or hold.instead_of:
            continue
        coverage = contexts.of(hold.would.start, facility).coverage
        if coverage and (hold.would.entity, coverage.id, name_of(hold.would, payer.cycle)) == key:
            found.append(hold)
    return found
