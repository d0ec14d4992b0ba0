"""One claim from its charges: lines in order of service, diagnoses once each, four pointers a line."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from adapters.model.charge import Charge
from adapters.model.claim import AUTHORIZATIONS, DIAGNOSES, LINES, POINTERS, Claim, ClaimLine, ClaimType, Party
from adapters.model.coverage import Coverage
from adapters.model.people import Demographics
from adapters.model.record import ChargeOnFile
from adapters.model.site import BillingEntity, Facility, Payer

NAMESPACE: Final = uuid.UUID("5f0c5a52-3d0b-5f0e-9d6e-2c7a0c1f7a11")
"""Namespace of our claim ids; fixed, so that a rebuild gives every claim its id again."""


@dataclass(frozen=True, slots=True)
class Patient:
    """What claims say of the person."""

    person: str
    identifier: str
    demographics: Demographics


@dataclass(frozen=True, slots=True)
class Billing:
    """Who bills whom, for what stretch of time."""

    entity: BillingEntity
    facility: Facility
    payer: Payer
    coverage: Coverage
    cycle: str
    diagnoses: tuple[str, ...] = ()
    """Diagnoses in their rank that a claim bears beside those that its lines cite, as far as there is room."""


def claim_id(*parts: str) -> str:
    """A claim's id from what makes it one: the same charges of the same cycle always get the same id."""
    return str(uuid.uuid5(NAMESPACE, "|".join(parts)))


def cited(charge: Charge, form: ClaimType) -> tuple[str, ...]:
    """The diagnoses that a line cites: those it points at; an institutional line has no pointers and cites all for which
    its form has room."""
    return charge.diagnoses[: POINTERS if form is ClaimType.PROFESSIONAL else DIAGNOSES[form]]


def in_order(charges: Iterable[ChargeOnFile]) -> list[ChargeOnFile]:
    """Charges in the order of their lines: by date, then service, then what tells them apart."""
    return sorted(charges, key=lambda c: (c.charge.start, c.charge.code, c.charge.slot, c.id))


def portions(
    charges: Sequence[ChargeOnFile], form: ClaimType, *, one_authorization: bool = True
) -> Iterator[list[ChargeOnFile]]:
    """The charges in portions that fit one claim, each filled before the next, in the order in which they were served.

    None has too many lines or diagnoses, nor, unless several may stand on it, more than one prior authorization; lines
    that need none go with the first.
    """
    served = sorted(charges, key=lambda c: (c.charge.start, c.charge.served, c.charge.code, c.charge.slot, c.id))
    numbers = list(dict.fromkeys(c.charge.authorization for c in served if c.charge.authorization))
    if not one_authorization or len(numbers) < 2:
        lots = [served]
    else:
        lots = [[c for c in served if (c.charge.authorization or numbers[0]) == number] for number in numbers]
    for lot in lots:
        portion: list[ChargeOnFile] = []
        diagnoses: set[str] = set()
        for charge in lot:
            own = cited(charge.charge, form)
            more = diagnoses.union(own)
            if portion and (len(portion) == LINES[form] or len(more) > DIAGNOSES[form]):
                yield portion
                portion, more = [], set(own)
            portion.append(charge)
            diagnoses = more
        if portion:
            yield portion


def listed(own: Sequence[str], ranked: Sequence[str], form: ClaimType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The diagnoses of a claim, and those that had no place: by rank, the cited never dropped, of others the lowest first.

    `own` are those that its lines cite; without any other the order is that of citing.
    """
    found = list(dict.fromkeys((*ranked, *own)))
    dropped: list[str] = []
    for code in reversed(list(found)):
        if len(found) <= DIAGNOSES[form]:
            break
        if code not in own:
            found.remove(code)
            dropped.append(code)
    return tuple(found), tuple(reversed(dropped))


def build(
    id: str,
    patient: Patient,
    billing: Billing,
    charges: Sequence[ChargeOnFile],
    built_on: date,
    *,
    frequency: str = "1",
    replaces: str = "",
    payer_claim_number: str = "",
) -> Claim:
    """The claim of these charges, which must all be priced and belong to one entity and coverage."""
    ordered = in_order(charges)
    form = billing.entity.claim_type
    own = tuple(dict.fromkeys(d for c in ordered for d in cited(c.charge, form)))
    diagnoses, dropped = listed(own, billing.diagnoses, form)
    if form is ClaimType.INSTITUTIONAL:
        dropped = tuple(
            dict.fromkeys((*dropped, *(d for c in ordered for d in c.charge.diagnoses if d not in diagnoses)))
        )
    numbers = dict.fromkeys(c.charge.authorization for c in ordered if c.charge.authorization)
    person = patient.demographics
    return Claim(
        id=id,
        type=form,
        person=patient.person,
        patient_identifier=patient.identifier,
        entity=Party(
            billing.entity.id, billing.entity.name, billing.entity.npi, billing.entity.tin, billing.entity.taxonomy
        ),
        payer=Party(billing.payer.id, billing.payer.name),
        coverage=billing.coverage.id,
        member=billing.coverage.member,
        lines=tuple(_line(number, charge, diagnoses, billing) for number, charge in enumerate(ordered, 1)),
        diagnoses=diagnoses,
        built_on=built_on,
        facility=Party(billing.facility.id, billing.facility.name, billing.facility.npi),
        frequency=frequency,
        replaces=replaces,
        payer_claim_number=payer_claim_number,
        relationship=billing.coverage.relationship,
        authorization=AUTHORIZATIONS.join(numbers),
        dropped=dropped,
        cycle=billing.cycle,
        family=person.family,
        given=person.given,
        birth_date=person.birth_date,
        sex=person.sex,
    )


def _line(number: int, on_file: ChargeOnFile, diagnoses: Sequence[str], billing: Billing) -> ClaimLine:
    charge = on_file.charge
    professional = billing.entity.claim_type is ClaimType.PROFESSIONAL
    return ClaimLine(
        line=number,
        charges=(on_file.id,),
        code=charge.code,
        modifiers=charge.modifiers[:4],
        units=charge.units,
        start=charge.start,
        end=charge.end,
        amount=charge.amount,
        diagnoses=tuple(diagnoses.index(d) + 1 for d in charge.diagnoses[:POINTERS]),
        component=charge.component.value,
        rendering=charge.rendering,
        ordering=charge.ordering,
        place=billing.facility.place_of_service if professional else "",
        revenue="" if professional else charge.revenue,
        ndc=charge.ndc,
        ndc_quantity=charge.ndc_quantity,
        ndc_unit=charge.ndc_unit,
        narrative=charge.narrative,
    )
