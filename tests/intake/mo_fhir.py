"""Events of a medical-oncology case as FHIR Bundles of the example dialect `example-doses`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from adapters.cases.case import Case, Happening
from adapters.cases.document import items, text, tree
from adapters.cases.feed import amended
from adapters.cases.place import ZONE
from adapters.model.codes import ICD10CM, NPI, SNOMED
from tests.intake.mo_v2 import CLASSES, DOSES, first_part, order_of

_PLACE: Final = ZoneInfo(ZONE)
Json = dict[str, Any]
SERVICES: Final = {
    "visit": "VISIT",
    "pump-refill": "REFILL",
    "pump-disconnect": "DISCONNECT",
    "port-flush": "FLUSH",
}
_ROUTES: Final = {"iv": "47625008", "sc": "34206005", "im": "78421000"}
_METHODS: Final = {"infusion": "infusion", "hydration": "infusion", "push": "push"}
_SUBJECT: Final = {"reference": "Patient/person"}


def unsaid(event: Happening) -> str:
    """Why FHIR of this dialect cannot say the event; empty where it can."""
    coded = event.kind in ("charge", "charge-transaction")
    return "a ChargeItem of R4 has no modifiers and is no credit" if coded else ""


def told(case: Case, event: Happening, at: datetime) -> bytes:
    """A transaction of the patient and the dose, or of what was done beside doses."""
    said = amended(case, event)
    one = _dose(case, event, said) if said.kind in DOSES else _service(case, event, said)
    patient: Json = {
        "resourceType": "Patient",
        "id": "person",
        "identifier": [{"system": "urn:clinic:mrn", "value": text(case.patient["id"])}],
        "name": [{"family": "Case", "given": [case.id]}],
    }
    stamp = at.astimezone(_PLACE).isoformat()
    entries = [
        {
            "fullUrl": f"urn:clinic:{resource['resourceType']}/{resource['id']}",
            "resource": {**resource, "meta": {"lastUpdated": stamp}},
            "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
        }
        for resource in (patient, one)
    ]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "timestamp": stamp, "entry": entries}).encode()


def _root(case: Case, event: Happening) -> str:
    while event.kind == "amendment":
        event = next(other for other in case.events if other.id == event.text("replaces"))
    return event.id


def _dose(case: Case, event: Happening, said: Happening) -> Json:
    drug = tree(said.get("drug"))
    given, wasted, pump = tree(drug.get("administered")), tree(drug.get("wasted")), tree(said.get("pump"))
    codes = [{"system": "urn:clinic:drug", "code": text(drug.get("name")), "display": text(drug.get("name"))}]
    if drug.get("hcpcs"):
        codes.append({"system": "urn:oid:hcpcs", "code": text(drug["hcpcs"])})
    dosage: Json = {"route": {"coding": [{"system": SNOMED, "code": _ROUTES.get(said.text("route"), "")}]}}
    if not said.text("route"):
        del dosage["route"]
    if given:
        dosage["dose"] = _quantity(given)
    if rate := tree(said.get("rate")):
        dosage["rateQuantity"] = _quantity(rate)
    if method := _METHODS.get(said.kind):
        dosage["method"] = {"text": method}
    own: list[Json] = [
        {"url": "vial", "valueString": "|".join((*(text(c.get(k)) for k in _VIAL), _volume(c)))}
        for c in map(tree, items(drug.get("containers")))
    ]
    own += [{"url": name, "valueQuantity": _quantity(q)} for name, q in (("waste", wasted),) if q]
    own += [{"url": "volume", "valueQuantity": _quantity(q)} for q in (tree(said.get("volume")),) if q]
    for name, value in (
        ("occurrence", said.get("occurrence")),
        ("access", said.get("site")),
        ("primary-reason", said.get("primary_reason")),
        ("second-site-reason", said.get("second_site_reason")),
        ("planned-minutes", said.get("planned_duration_min")),
        ("acquired", text(drug.get("acquired")) or None),
        ("pump-started", True if said.kind == "pump-start" else None),
        ("pump-owner", pump.get("owner")),
        ("pump-goes-home", pump.get("goes_home")),
        ("pump-hours", pump.get("planned_hours")),
    ):
        if value is not None:
            kind = "Boolean" if isinstance(value, bool) else "Integer" if isinstance(value, int) else "String"
            own.append({"url": name, f"value{kind}": value})
    one: Json = {
        "resourceType": "MedicationAdministration",
        "id": _root(case, event),
        "extension": [{**extension, "url": f"urn:clinic:{extension['url']}"} for extension in own],
        "status": "completed",
        "category": {"coding": [{"code": CLASSES[said.text("category")]}]} if said.text("category") else {},
        "medicationCodeableConcept": {"coding": codes, "text": text(drug.get("name"))},
        "subject": _SUBJECT,
        "context": _context(case, said),
        "effectivePeriod": {"start": _instant(said.at)},
        "request": {"identifier": {"value": order_of(case, event)}},
        "reasonCode": [{"coding": [{"system": ICD10CM, "code": code}]} for _, code in case.diagnoses],
        "dosage": dosage,
    }
    if said.text("end"):
        one["effectivePeriod"]["end"] = _instant(datetime.fromisoformat(said.text("end")))
    if said.kind in ("push", "injection", "pump-start"):
        del one["effectivePeriod"]
        one["effectiveDateTime"] = _instant(said.at)
    if (first := first_part(case, said)) and first != event.id:
        one["partOf"] = [{"reference": f"MedicationAdministration/{first}"}]
    return {key: value for key, value in one.items() if value not in ({}, [])}


_VIAL: Final = ("count", "strength", "unit", "type", "ndc")


def _volume(container: Any) -> str:
    volume = tree(container.get("volume"))
    return f"{text(volume['value'])}|{text(volume['unit'])}" if volume else ""


def _service(case: Case, event: Happening, said: Happening) -> Json:
    own: list[Json] = []
    if said.kind == "visit":
        own.append({"url": "urn:clinic:visit-level", "valueString": said.text("code")})
        if said.get("significant_separate") is not None:
            own.append({"url": "urn:clinic:separate", "valueBoolean": said.get("significant_separate")})
    one: Json = {
        "resourceType": "Procedure",
        "id": event.id,
        "extension": own,
        "status": "completed",
        "code": {"coding": [{"system": "urn:clinic:service", "code": SERVICES[said.kind]}]},
        "subject": _SUBJECT,
        "encounter": _context(case, said),
        "performedDateTime": _instant(said.at),
        "reasonCode": [{"coding": [{"system": ICD10CM, "code": code}]} for _, code in case.diagnoses],
    }
    if by := said.text("provider"):
        npi = text(case.providers[by]["npi"])
        one["performer"] = [{"actor": {"identifier": {"system": NPI, "value": npi}}}]
    return {key: value for key, value in one.items() if value != []}


def _context(case: Case, said: Happening) -> Json:
    return {"identifier": {"value": f"{case.id}-{said.text('encounter') or 'visit'}"}}


def _quantity(said: Any) -> Json:
    value = text(said.get("value"))
    return {"value": float(value) if "." in value else int(value), "unit": text(said.get("unit"))}


def _instant(at: datetime) -> str:
    return at.replace(tzinfo=_PLACE).isoformat()
