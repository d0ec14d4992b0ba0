"""Doses of drugs as a second infusion record tells them: FHIR R4 MedicationAdministration with extensions.

R4 has no element for what was thrown away, for the vials that were opened and for the access site: `urn:clinic:waste`,
`urn:clinic:vial` (count, strength, unit, kind, NDC, volume, parted by bars) and `urn:clinic:access` say it.
"""

from datetime import datetime

from fhir_server_stub import bundles
from fhir_server_stub.course import PHYSICIAN, Person
from fhir_server_stub.month_v2 import Dose
from fhir_server_stub.wire import Json

_INTO_A_VEIN = "47625008"


def given(at: datetime, person: Person, dose: Dose, visit: str, diagnosis: str) -> Json:
    """A transaction of the patient and one dose; a push has an instant, a bag its period."""
    told = bundles.transaction(at, [bundles.patient(person), _administration(at, dose, visit, diagnosis)])
    patient, administration = told["entry"]
    administration["resource"]["subject"] = {"reference": patient["fullUrl"]}
    return told


def _administration(at: datetime, dose: Dose, visit: str, diagnosis: str) -> Json:
    drug = [{"system": "urn:clinic:drug", "code": dose.name, "display": dose.name}]
    vials = [f"{count}|{strength}|mg|single-dose||" for count, strength in dose.vials]
    when: Json = {"effectivePeriod": {"start": dose.start.isoformat(), "end": dose.end.isoformat()}}
    return {
        "resourceType": "MedicationAdministration",
        "meta": {"lastUpdated": at.isoformat()},
        "identifier": [{"system": "urn:clinic:dose", "value": dose.order}],
        "extension": [
            *({"url": "urn:clinic:vial", "valueString": vial} for vial in vials),
            {"url": "urn:clinic:waste", "valueQuantity": {"value": int(dose.waste), "unit": "mg"}},
            {"url": "urn:clinic:access", "valueString": "port"},
        ],
        "status": "completed",
        "category": {"coding": [{"code": dose.category}]},
        "medicationCodeableConcept": {
            "coding": [*drug, {"system": "urn:oid:hcpcs", "code": dose.code}],
            "text": dose.name,
        },
        "context": {"identifier": {"value": visit}},
        **({"effectiveDateTime": dose.start.isoformat()} if dose.push else when),
        "performer": [{"actor": {"identifier": {"system": bundles.NPI, "value": PHYSICIAN.npi}}}],
        "request": {"identifier": {"value": dose.order}},
        "reasonCode": [{"coding": [{"system": bundles.ICD10, "code": diagnosis}]}],
        "dosage": {
            "route": {"coding": [{"system": bundles.SNOMED, "code": _INTO_A_VEIN}]},
            "method": {"text": "push" if dose.push else "infusion"},
            "dose": {"value": int(dose.mg), "unit": "mg"},
        },
    }
