"""Which charges make which claim, and when it is time.

A claim holds the charges of one billing entity, one coverage and one billing cycle. A cycle is a day, a week (Monday
to Sunday) or a month as the payer wants it, and never crosses New Year. It closes after its last day and the payer's
`wait_days`; charges are on file at once, claims wait. Drafts are made anew at every step: an unsent claim whose
charges have changed is abandoned and built again, a sent one is never touched here (see `correct`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from adapters.claims.build import Billing, Patient, build, claim_id, portions
from adapters.model.charge import Charge, Hold, Release
from adapters.model.claim import Claim, ClaimLine, ClaimOnFile, ClaimState
from adapters.model.context import Contexts
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
    """(cycle key, first day on which its claim may be built)."""


def cycle_of(day: date, length: str) -> tuple[str, date]:
    """The billing cycle of a date of service: its name and its last day."""
    if length == "month":
        first_of_next = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        return f"{day:%Y-%m}", first_of_next - timedelta(days=1)
    if length == "week":
        sunday = day + timedelta(days=6 - day.weekday())
        year, week, _ = day.isocalendar()
        return f"{day.year}:{year}-W{week:02}", min(sunday, date(day.year, 12, 31))
    return day.isoformat(), day


def entity_of(facilities: Iterable[Facility], id: str) -> tuple[Facility, BillingEntity]:
    """The billing entity of that id, with the facility where it bills."""
    for facility in facilities:
        for entity in facility.entities:
            if entity.id == id:
                return facility, entity
    raise LookupError("a charge names a billing entity that the site does not have")


def drafts(
    patient: Patient,
    charges: Sequence[ChargeOnFile],
    holds: Sequence[Hold],
    claims: Sequence[ClaimOnFile],
    coverages: Sequence[Coverage],
    contexts: Contexts,
    today: date,
) -> Grouping:
    """Claims for all charges that are on no sent claim, cycle by cycle."""
    known = {coverage.id: coverage for coverage in coverages}
    sent = _spoken_for(patient, charges, claims, known)
    groups: dict[tuple[str, str, str], list[ChargeOnFile]] = defaultdict(list)
    closing: dict[tuple[str, str, str], date] = {}
    for charge in charges:
        if charge.status is ChargeStatus.VOID or charge.id in sent or charge.charge.coverage not in known:
            continue
        payer = contexts.site.payer(known[charge.charge.coverage].payer)
        if payer is None:
            continue
        cycle, last = cycle_of(charge.charge.start, payer.cycle)
        key = (charge.charge.entity, charge.charge.coverage, cycle)
        groups[key].append(charge)
        closing[key] = last + timedelta(days=1 + payer.wait_days)
    made: list[Draft] = []
    opens: list[tuple[str, date]] = []
    for key, members in sorted(groups.items()):
        if closing[key] > today:
            opens.append(("|".join(key), closing[key]))
            continue
        made.extend(_of_cycle(patient, key, members, holds, claims, known, contexts, today))
    return Grouping(tuple(made), tuple(opens))


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
        raise LookupError("charges were grouped by a payer that the site does not have")
    billing = Billing(entity, facility, payer, known[coverage_id], cycle)
    waiting = _held_in(key, holds, payer, facility, contexts)
    whole = contexts.of(members[0].charge.start, facility).option("claim.completeness") == "cycle"
    hold = waiting[0].code if whole and waiting else ""
    used = [c for c in claims if (c.claim.entity.id, c.claim.coverage, c.claim.cycle) == key]
    for portion in portions(members, entity.claim_type):
        standing = next((c for c in used if c.state in UNSENT and _same_bill(c.claim, portion)), None)
        if standing is not None:
            yield Draft(standing.claim, hold)
            continue
        id = claim_id(patient.person, *key, *(charge.id for charge in portion), *_amounts(portion))
        number = sum(c.claim.id == id or c.claim.id.startswith(f"{id}.") for c in claims)
        yield Draft(build(f"{id}.{number}" if number else id, patient, billing, portion, today), hold)


def _amounts(portion: Sequence[ChargeOnFile]) -> list[str]:
    return [f"{c.charge.code}{''.join(c.charge.modifiers)}x{c.charge.units}@{c.charge.amount}" for c in portion]


def _same_bill(claim: Claim, portion: Sequence[ChargeOnFile]) -> bool:
    """Whether the claim's lines still say what these charges say."""
    if len(claim.lines) != len(portion):
        return False
    by_id = {charge.id: charge.charge for charge in portion}
    for line in claim.lines:
        charge = by_id.get(line.charges[0])
        if charge is None or not says(line, charge):
            return False
        if tuple(claim.diagnoses[i - 1] for i in line.diagnoses) != charge.diagnoses[:4]:
            return False
    return True


def says(line: ClaimLine, charge: Charge) -> bool:
    """Whether a claim line bills what the charge says now."""
    return (line.code, line.modifiers, line.units, line.start, line.amount) == (
        charge.code,
        charge.modifiers[:4],
        charge.units,
        charge.start,
        charge.amount,
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
        cycle, _ = cycle_of(hold.would.start, payer.cycle)
        if coverage and (hold.would.entity, coverage.id, cycle) == key:
            found.append(hold)
    return found
