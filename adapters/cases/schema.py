"""The shape of a case, dialect by dialect: which keys there are and what they hold (cases/*/README of the formats).

Options have no shape here but their own table (`adapters.cases.options`): it knows which of them are built.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from adapters.cases.document import (
    CODE,
    DAY,
    FLAG,
    INSTANT,
    MONEY,
    NPI,
    TEXT,
    WHOLE,
    Anything,
    Fields,
    Items,
    Shape,
    Table,
    one_of,
    words,
)

ANY: Final = Anything()


class Dialect(StrEnum):
    """Which format a case is written in; the keys of its `patient` tell."""

    RADIATION = "radiation oncology"
    MEDICAL = "medical oncology"


PATIENT: Final[Mapping[Dialect, Fields]] = {
    Dialect.RADIATION: Fields(
        {"mrn": TEXT, "birth_date": DAY, "sex": one_of("female", "male", "other", "unknown")}, frozenset({"mrn"})
    ),
    Dialect.MEDICAL: Fields({"id": TEXT, "birth": DAY, "sex": one_of("F", "M", "O", "U")}, frozenset({"id"})),
}

_COMPONENT: Final = one_of("professional", "technical", "global")
_ORDINARY: Final[Mapping[str, Shape]] = {"id": TEXT, "at": INSTANT, "kind": TEXT}
_NEEDED: Final = frozenset({"id", "at", "kind"})

_RADIATION_EVENT: Final = Fields(
    {
        **_ORDINARY,
        "course": TEXT,
        "n": WHOLE,
        "phase": TEXT,
        "technique": one_of("2d", "3d", "imrt", "electron", "mixed", "total-skin-electron"),
        "isocenters": WHOLE,
        "motion_management": Fields({"active": FLAG, "documented": FLAG, "method": TEXT}),
        "guidance": one_of("none", "cbct", "ultrasound", "stereo-xray"),
        "guidance_reviewed_at": INSTANT,
        "imrt_complexity": one_of("simple", "complex"),
        "proton_level": one_of("simple", "simple-with-compensation", "intermediate", "complex"),
        "kv": WHOLE,
        "channels": WHOLE,
        "platform": TEXT,
        "target": TEXT,
        "lesion": TEXT,
        "lesions": WHOLE,
        "planned_fractions": WHOLE,
        "fields": WHOLE,
        "plan": TEXT,
        "tumour": TEXT,
        "complexity": one_of("simple", "intermediate", "complex"),
        "device_type": one_of("beam-aperture", "immobilization", "imrt-mlc"),
        "count": WHOLE,
        "images": WHOLE,
        "request": TEXT,
        "report": TEXT,
        "reason": TEXT,
        "em_code": CODE,
        "new_patient": FLAG,
        "approach": one_of("interstitial", "surface", "intracavitary", "solution"),
        "heating": one_of("superficial", "deep", "interstitial", "interstitial-many", "intracavitary"),
        "beam": one_of("photon", "electron", "kv"),
        "record_closed": FLAG,
        "separately_identifiable": FLAG,
        "code": CODE,
        "modifiers": Items(TEXT),
        "units": WHOLE,
        "by": TEXT,
        "about": TEXT,
        "part": WHOLE,
        "continues": TEXT,
        "status": one_of("completed", "entered-in-error", "not-done"),
        "amends": TEXT,
        "deliver_order": WHOLE,
        "source": one_of("hl7", "hl7-dft", "fhir"),
        "message_id": TEXT,
        "resource_id": TEXT,
        "session_uid": TEXT,
    },
    _NEEDED | {"course"},
    with_line=True,
)

_ADJUSTMENTS: Final = Items(Fields({"group": one_of("CO", "PR", "OA", "PI"), "carc": TEXT, "amount": MONEY}))
_ANSWERED: Final = Items(Fields({"line": WHOLE, "charge": MONEY, "paid": MONEY, "adjustments": _ADJUSTMENTS}))
_ADMINISTRATION: Final = words(
    "end route site category primary_reason second_site_reason continues reason volume rate planned_duration_min "
    "planned_by order occurrence channel pump drug significant_separate replaces changes coverage for_date start filed "
    "ft1_type message evidence remittance claims plb trace from_payer forwarded_to payer ordering billing"
)

_MEDICAL_EVENT: Final = Fields(
    {
        **_ORDINARY,
        **dict.fromkeys(_ADMINISTRATION, ANY),
        "arrived": INSTANT,
        "code": CODE,
        "modifiers": Items(TEXT),
        "units": WHOLE,
        "amount": MONEY,
        "date": DAY,
        "provider": TEXT,
        "dx": Items(TEXT),
        "component": _COMPONENT,
        "encounter": TEXT,
        "account": TEXT,
        "series": TEXT,
        "cycle": TEXT,
        "claim": TEXT,
        "received": TEXT,
        "key": TEXT,
        "patient_control": TEXT,
        "result": one_of("accepted", "returned"),
        "icn": TEXT,
        "response": TEXT,
        "status": TEXT,
        "outcome": one_of("queued", "complete", "partial", "error"),
        "charge": MONEY,
        "paid": MONEY,
        "bpr": MONEY,
        "lines": _ANSWERED,
        "claim_adjustments": _ADJUSTMENTS,
        "note": TEXT,
        "redelivery_of": TEXT,
        "defect": TEXT,
    },
    _NEEDED,
    with_line=True,
)

EVENT: Final[Mapping[Dialect, Fields]] = {Dialect.RADIATION: _RADIATION_EVENT, Dialect.MEDICAL: _MEDICAL_EVENT}

_COVERAGE: Final = Fields(
    {
        "id": TEXT,
        "payer": TEXT,
        "member": TEXT,
        "from": DAY,
        "to": DAY,
        "order": WHOLE,
        "group": Fields({"size": WHOLE, "basis": TEXT, "holder": TEXT}),
        "known_from": TEXT,
        "known_to": TEXT,
        "note": TEXT,
    },
    frozenset({"id", "payer"}),
)
_AUTHORIZATION: Final = Fields(
    {
        "id": TEXT,
        "coverage": TEXT,
        "number": TEXT,
        "payer": TEXT,
        "units": WHOLE,
        "from": DAY,
        "to": DAY,
        "codes": Items(CODE),
        "group": TEXT,
    },
    frozenset({"number"}),
)
_PROVIDER: Final = Fields(
    {
        "npi": NPI,
        "role": TEXT,
        "taxonomy": TEXT,
        "npi_valid": FLAG,
        "enrollments": Items(Fields({"payer": TEXT, "from": DAY, "to": DAY})),
    },
    frozenset({"npi", "role"}),
)

_CHARGE: Final = Fields(
    {
        "code": CODE,
        "modifiers": Items(TEXT),
        "units": WHOLE,
        "date": DAY,
        "component": _COMPONENT,
        "from": Items(TEXT),
        "ndc": Fields({"code": TEXT, "unit": TEXT, "quantity": MONEY}),
        "why": TEXT,
    },
    frozenset({"code", "units", "date"}),
)
_CLAIM_LINE: Final = Fields(
    {
        "line": WHOLE,
        "code": CODE,
        "modifiers": Items(TEXT),
        "units": WHOLE,
        "date": DAY,
        "charge": MONEY,
        "from": Items(TEXT),
        "dx": Items(TEXT),
        "auth": TEXT,
    },
    frozenset({"line", "code"}),
)
_CLAIM: Final = Fields(
    {
        "id": TEXT,
        "type": one_of("professional", "institutional"),
        "payer": TEXT,
        "sequence": TEXT,
        "frequency": TEXT,
        "total": MONEY,
        "lines": Items(_CLAIM_LINE),
        "not_before": TEXT,
        "line_count": WHOLE,
        "diagnoses": Items(TEXT),
        "replaces": TEXT,
        "icn": TEXT,
        "condition_codes": Items(TEXT),
        "cob": Fields({"payer": TEXT, "paid": MONEY, "lines": _ANSWERED}),
    },
    frozenset({"id"}),
)
_POSTING: Final = Fields(
    {"event": TEXT, "claim": TEXT, "payer": TEXT, "account": TEXT, "amount": MONEY, "line": WHOLE},
    frozenset({"event", "account", "amount"}),
)
_WORK: Final = Fields(
    {
        "kind": TEXT,
        "about": TEXT,
        "action": TEXT,
        "carc": TEXT,
        "category": TEXT,
        "line": WHOLE,
        "amount": MONEY,
        "due": DAY,
        "appealable": FLAG,
        "state": one_of("open", "closed"),
    },
    frozenset({"kind"}),
)

_EXPECT: Final = Fields(
    {
        "charges": Items(_CHARGE),
        "exact": FLAG,
        "totals": Table(WHOLE),
        "absent": Items(Fields({"code": CODE, "modifiers": Items(TEXT), "date": DAY}, frozenset({"code"}))),
        "no_charge": Items(TEXT),
        "holds": Items(Fields({"code": TEXT, "about": TEXT, "why": TEXT}, frozenset({"code", "about"}))),
        "findings": Items(
            Fields(
                {"kind": TEXT, "about": TEXT, "value": TEXT, "line": WHOLE, "why": TEXT}, frozenset({"kind", "about"})
            )
        ),
        "claims": Items(_CLAIM),
        "claim_state": TEXT,
        "claim_states": Table(TEXT),
        "postings": Items(_POSTING),
        "worklist": Items(_WORK),
        "statements": Items(Fields({"event": TEXT, "amount": MONEY})),
        "payer_claim_count": WHOLE,
    }
)


def shape(dialect: Dialect, options: Shape) -> Fields:
    """The whole case; `options` is the shape that the table of options gives."""
    diagnosis: Shape = (
        TEXT if dialect is Dialect.RADIATION else Fields({"id": TEXT, "code": TEXT}, frozenset({"id", "code"}))
    )
    return Fields(
        {
            "id": TEXT,
            "title": TEXT,
            "rules": Items(TEXT),
            "confidence": one_of("confirmed", "derived", "secondary"),
            "source": Items(TEXT),
            "code_year_note": TEXT,
            "setting": one_of("freestanding", "hospital-outpatient", "professional-in-hospital"),
            "payer": Fields({"kind": one_of("medicare", "commercial"), "name": TEXT}, frozenset({"kind", "name"})),
            "options": options,
            "patient": PATIENT[dialect],
            "diagnoses": Items(diagnosis),
            "coverages": Items(_COVERAGE),
            "authorizations": Items(_AUTHORIZATION),
            "providers": Table(_PROVIDER),
            "events": Items(EVENT[dialect]),
            "expect": _EXPECT,
            "why": TEXT,
        },
        frozenset({"id", "setting", "payer", "patient", "coverages", "events"}),
    )
