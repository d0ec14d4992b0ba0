"""The kinds of event that there are, and what part each plays in a derivation."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


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
    "eligibility": Role.CONTEXT,
    "appointment": Role.CONTEXT,
    "order": Role.CONTEXT,
    "document": Role.CONTEXT,
    "administration": Role.SERVICE,
    "drug-dispense": Role.CONTEXT,
    "merge": Role.CONTEXT,
    "decision": Role.CONTEXT,
    "patient-payment": Role.CONTEXT,
    "resource": Role.CONTEXT,
    "deletion": Role.CONTEXT,
}
"""Every kind of event there is. Course kinds carry a course; the others belong to the person as a whole.

`appointment` and `order` say what is expected, `document` what was written and signed, `course-summary` what a course
came to; `administration` is a dose of a drug given or refused, of which its route and times tell what it was
(`charges.doses_told`), `drug-dispense` one handed out; `eligibility` is what a payer answered about an insurance and a
day. `merge` names the identity that became part of this person
(HL7 v2 A18, A34, A40 and their kin): see `model.merging`. `decision` is what a person decided or knows: see
`model.decision`. `resource` is what a FHIR resource says for others that name it (a Condition, a Practitioner, a place);
`deletion` says that its sender deleted one: see `charges.references`.
"""
