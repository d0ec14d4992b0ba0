"""One claim from its charges: lines in order of service, diagnoses once each, four pointers a line."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from adapters.model.claim import Claim, ClaimLine, ClaimType, Party
from adapters.model.coverage import Coverage
from adapters.model.people import Demographics
from adapters.model.record import ChargeOnFile
from adapters.model.site import BillingEntity, Facility, Payer

NAMESPACE: Final = uuid.UUID("5f0c5a52-3d0b-5f0e-9d6e-2c7a0c1f7a11")
"""Namespace of our claim ids; fixed, so that a rebuild gives every claim its id again."""

LINES: Final = {ClaimType.PROFESSIONAL: 50, ClaimType.INSTITUTIONAL: 999}
"""Service lines a claim may have (837P/I of 5010, medical-oncology-and-revenue-cycle.md 4.1)."""
DIAGNOSES: Final = {ClaimType.PROFESSIONAL: 12, ClaimType.INSTITUTIONAL: 25}
POINTERS: Final = 4


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


def claim_id(*parts: str) -> str:
    """A claim's id from what makes it one: the same charges of the same cycle always get the same id."""
    return str(uuid.uuid5(NAMESPACE, "|".join(parts)))


def in_order(charges: Iterable[ChargeOnFile]) -> list[ChargeOnFile]:
    """Charges in the order of their lines: by date, then service, then what tells them apart."""
    return sorted(charges, key=lambda c: (c.charge.start, c.charge.code, c.charge.slot, c.id))


def portions(charges: Sequence[ChargeOnFile], form: ClaimType) -> Iterator[list[ChargeOnFile]]:
    """The charges in portions that fit one claim: neither too many lines nor too many diagnoses."""
    portion: list[ChargeOnFile] = []
    diagnoses: set[str] = set()
    for charge in in_order(charges):
        more = diagnoses | set(charge.charge.diagnoses[:POINTERS])
        if portion and (len(portion) == LINES[form] or len(more) > DIAGNOSES[form]):
            yield portion
            portion, more = [], set(charge.charge.diagnoses[:POINTERS])
        portion.append(charge)
        diagnoses = more
    if portion:
        yield portion


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
    diagnoses = tuple(dict.fromkeys(d for c in ordered for d in c.charge.diagnoses[:POINTERS]))
    person = patient.demographics
    return Claim(
        id=id,
        type=billing.entity.claim_type,
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
        place=billing.facility.place_of_service if professional else "",
        ndc=charge.ndc,
    )
