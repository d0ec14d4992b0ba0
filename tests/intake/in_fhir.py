"""Events of a radiation-oncology case as FHIR Bundles of the example dialect `codex-rt`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from adapters.cases.case import Case, Happening
from adapters.cases.document import LINE, text, tree, words
from adapters.cases.feed import member_of
from adapters.cases.place import ZONE
from adapters.fhir import codex
from adapters.model.codes import ICD10CM, NPI, SNOMED
from tests.intake.in_v2 import session_uid, statement

_PLACE: Final = ZoneInfo(ZONE)
Json = dict[str, Any]

SERVICES: Final[Mapping[str, str]] = {
    "hdr-fraction": "HDR",
    "surface-fraction": "SURFACE",
    "iort-session": "IORT",
    "neutron-fraction": "NEUTRON",
    "planning": "PLANNING",
    "simulation": "SIM",
    "motion-simulation": "SIM4D",
    "imrt-plan": "IMRT",
    "3d-plan": "PLAN3D",
    "isodose-plan": "ISODOSE",
    "brachy-plan": "BRACHYPLAN",
    "special-port-plan": "PORTPLAN",
    "surface-planning": "SURFACEPLAN",
    "brachy-application": "IMPLANT",
    "source-handling": "SOURCE",
    "hyperthermia": "HEAT",
    "dosimetry-calc": "CALC",
    "special-dosimetry": "DOSIMETER",
    "device": "DEVICE",
    "physics-consult": "PHYSCONSULT",
    "physics-check": "PHYSCHECK",
    "special-procedure": "SPECIAL",
    "port-image": "PORTIMAGE",
    "consult": "CONSULT",
    "follow-up": "FOLLOWUP",
    "on-treatment-visit": "OTV",
}
"""Kind of a case's event → the clinic's code of a Procedure."""
BEAMS: Final = frozenset({"fraction", "sbrt-fraction", "srs-session", "proton-fraction"})
"""Sessions that are CodeX RT's own fraction."""
_REGIMES: Final = {"sbrt-fraction": "sbrt", "srs-session": "srs"}

EXTENSIONS: Final[Mapping[str, str]] = {
    "n": "fraction-number",
    "isocenters": "isocenters",
    "imrt_complexity": "imrt-complexity",
    "proton_level": "proton-level",
    "platform": "platform",
    "lesion": "lesion",
    "target": "target",
    "lesions": "lesions",
    "kv": "tube-voltage",
    "channels": "channels",
    "planned_fractions": "fractions-planned",
    "record_closed": "record-closed",
    "beam": "beam",
    "complexity": "complexity",
    "device_type": "device-type",
    "count": "count",
    "images": "images",
    "tumour": "tumour",
    "reason": "reason",
    "approach": "approach",
    "heating": "heating",
    "em_code": "visit-level",
    "separately_identifiable": "separately-identifiable",
    "new_patient": "new-patient",
}
"""Field of an event → the clinic's extension `urn:clinic:…`."""
_TECHNIQUES: Final = {"2d": "1156526006", "3d": "1162782007", "imrt": "441799006"}
_GUIDANCE: Final = {"cbct": "717193008", "stereo-xray": "168537006", "ultrasound": "16310003"}

BESIDE: Final = words(
    "id at kind course phase plan by technique guidance motion_management guidance_reviewed_at request report status "
    "amends deliver_order source message_id resource_id session_uid"
) | {LINE}


def unsaid(event: Happening) -> str:
    """Why FHIR of this dialect cannot say the event; empty where it can."""
    if event.kind == "reported-charge":
        return (
            "a ChargeItem of R4 has no modifiers"
            if event.get("modifiers")
            else "a ChargeItem names what was done, never a course alone"
        )
    if event.kind == "igrt-review":
        return "no resource of CodeX RT reviews an image: a session says when its images were reviewed"
    if event.kind not in SERVICES and event.kind not in BEAMS and event.kind != "course-end":
        return f"no code for {event.kind}"
    if event.get("part") is not None or event.get("continues") is not None:
        return "two Procedures cannot be told to be one session that was interrupted"
    known = EXTENSIONS.keys() | BESIDE
    missing = [name for name in event.said if name not in known]
    return f"no element for {', '.join(missing)}" if missing else ""


def registration(case: Case, at: datetime) -> bytes:
    """Patient and Coverages."""
    covered = []
    for coverage in case.coverages:
        period = {"start": text(coverage.get("from")), "end": text(coverage.get("to"))}
        covered.append(
            {
                "resourceType": "Coverage",
                "id": f"coverage-{text(coverage['id'])}",
                "status": "active",
                "subscriberId": member_of(coverage),
                "beneficiary": _SUBJECT,
                "period": {name: day for name, day in period.items() if day},
                "payor": [{"display": text(coverage["payer"])}],
                "order": int(text(coverage.get("order")) or 1),
            }
        )
    return _bundle(case, at, covered)


def told(case: Case, event: Happening, at: datetime) -> bytes:
    """The Procedure or Encounter, with the course and phase that it is part of."""
    course = _course(case, event)
    if event.kind == "course-end":
        course |= {"status": "completed", "performedPeriod": {"end": _instant(event.at)}}
        return _bundle(case, at, [course])
    one: Json = {"resourceType": "Procedure", "id": f"done-{statement(case, event)}", "subject": _SUBJECT}
    one["status"] = event.text("status") or "completed"
    one["performedPeriod"] = {"start": _instant(event.at)}
    one["reasonCode"] = [{"coding": [{"system": ICD10CM, "code": code} for _, code in case.diagnoses]}]
    above = [course]
    for what, code in (("phase", "1222565005"), ("plan", "1255724003")):
        if label := event.text(what):
            above.append(_part(case, event, what, code, label, above[-1]["id"]))
    one["partOf"] = [{"reference": f"Procedure/{above[-1]['id']}"}]
    if event.kind in BEAMS:
        one["code"] = {"coding": [{"system": SNOMED, "code": "1297069006"}]}
    else:
        one["code"] = {"coding": [{"system": "urn:clinic:service", "code": SERVICES[event.kind]}]}
    if uid := session_uid(case, event):
        one["identifier"] = [{"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}]
    one["extension"] = [*_treated(event), *_own(event)]
    more: list[Json] = []
    if who := event.text("by"):
        one["performer"] = [{"actor": {"reference": f"Practitioner/{who}"}}]
        npi = {"system": NPI, "value": text(case.providers[who]["npi"])}
        more.append({"resourceType": "Practitioner", "id": who, "identifier": [npi]})
    if event.kind == "on-treatment-visit" and len({other.text("course") for other in case.events}) == 1:
        return _bundle(case, at, [_visit(one), *more])
    return _bundle(case, at, [*above, one, *more])


def _visit(one: Json) -> Json:
    """An examination as an Encounter, which names no course: where the patient has but one it can only be of that."""
    return {
        "resourceType": "Encounter",
        "id": one["id"],
        "status": "finished",
        "class": {"code": "AMB"},
        "type": [{"coding": [{"system": "urn:clinic:encounter-type", "code": "OTV"}]}],
        "subject": one["subject"],
        "period": one["performedPeriod"],
        "participant": [{"individual": performer["actor"]} for performer in one.get("performer", ())],
        "reasonCode": one["reasonCode"],
    }


def _course(case: Case, event: Happening) -> Json:
    label = event.text("course")
    return {
        "resourceType": "Procedure",
        "id": f"course-{label}",
        "identifier": [{"use": "usual", "system": "urn:clinic:course", "value": label}],
        "status": "in-progress",
        "code": {"coding": [{"system": SNOMED, "code": "1217123003"}]},
        "subject": _SUBJECT,
        "performedPeriod": {"start": _instant(min(e.at for e in case.events if e.text("course") == label))},
    }


def _part(case: Case, event: Happening, what: str, code: str, label: str, above: str) -> Json:
    return {
        "resourceType": "Procedure",
        "id": f"{what}-{event.text('course')}-{label}",
        "identifier": [{"use": "usual", "system": f"urn:clinic:{what}", "value": label}],
        "status": "in-progress",
        "code": {"coding": [{"system": SNOMED, "code": code}]},
        "subject": _SUBJECT,
        "partOf": [{"reference": f"Procedure/{above}"}],
    }


def _treated(event: Happening) -> list[Json]:
    """What CodeX RT has extensions for."""
    if event.kind not in BEAMS:
        return []
    found, technique = [], event.text("technique")
    modality = "10611004" if event.kind == "proton-fraction" else ""
    if technique in ("electron", "mixed"):
        modality = "45643008"
    parts = [(codex.MODALITY, modality), (codex.TECHNIQUE, _TECHNIQUES.get(technique, ""))]
    if technique == "mixed":
        parts.append((codex.MODALITY, "1156506007"))
    told = [{"url": url, "valueCodeableConcept": _concept(code)} for url, code in parts if code]
    if told:
        found.append({"url": codex.MODALITY_AND_TECHNIQUE, "extension": told})
    if code := _GUIDANCE.get(event.text("guidance"), ""):
        inner = {"url": "modality", "valueCodeableConcept": _concept(code)}
        found.append({"url": codex.IMAGE_GUIDANCE, "extension": [inner]})
    if motion := tree(event.get("motion_management")):
        method = text(motion.get("method"))
        code = "721061000124106" if text(motion.get("active")) == "true" else "721031000124102"
        found.append({"url": codex.RESPIRATORY_MOTION, "valueCodeableConcept": {**_concept(code), "text": method}})
    return found


def _own(event: Happening) -> list[Json]:
    """The clinic's own extensions."""
    said: dict[str, object] = {}
    for name, url in EXTENSIONS.items():
        if event.get(name) is not None:
            said[url] = event.get(name)
    if event.kind in _REGIMES:
        said["regime"] = _REGIMES[event.kind]
    if event.text("technique") == "total-skin-electron" or event.kind not in BEAMS:
        said["technique"] = event.get("technique")
    if event.kind not in BEAMS:
        said["guidance"] = event.get("guidance")
        said["plan"] = event.get("plan")
    for name, url in (("request", "requested"), ("report", "reported")):
        said[url] = True if event.get(name) is not None else None
    documented = tree(event.get("motion_management")).get("documented")
    said["motion-documented"] = None if documented is None else text(documented) == "true"
    if event.get("guidance_reviewed_at") is not None:
        said["images-reviewed"] = datetime.fromisoformat(event.text("guidance_reviewed_at"))
    return [{"url": f"urn:clinic:{url}", **_value(value)} for url, value in said.items() if value is not None]


def _value(value: object) -> Json:
    if isinstance(value, bool):
        return {"valueBoolean": value}
    if isinstance(value, int):
        return {"valueInteger": value}
    if isinstance(value, datetime):
        return {"valueDateTime": _instant(value)}
    return {"valueString": str(value)}


def _concept(code: str) -> Json:
    return {"coding": [{"system": SNOMED, "code": code}]}


_SUBJECT: Final = {"reference": "Patient/person"}


def _instant(at: datetime) -> str:
    return at.replace(tzinfo=_PLACE).isoformat()


def _bundle(case: Case, at: datetime, resources: list[Json]) -> bytes:
    """A transaction said at the instant; every resource bears the time of its last change."""
    patient: Json = {
        "resourceType": "Patient",
        "id": "person",
        "identifier": [{"system": "urn:clinic:mrn", "value": text(case.patient["mrn"])}],
        "name": [{"family": "Case", "given": [case.id]}],
        "gender": text(case.patient.get("sex")) or "unknown",
    }
    said = at.astimezone(_PLACE).isoformat()
    whole = [{**resource, "meta": {"lastUpdated": said}} for resource in (patient, *resources)]
    entries = [
        {"resource": resource, "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}}
        for resource in whole
    ]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "timestamp": said, "entry": entries}).encode()
