"""The EHR's FHIR R4 transaction Bundles: patient, coverage, session, course, phase and treated fraction.

Shapes and codes follow CodeX Radiation Therapy 2.0.0 and mCODE 4.0.0 (Procedure for course, phase and
fraction, Encounter for the session).  The guide has no element for isocenters and none that says whether
motion management was documented; two extensions of the clinic's own (`urn:clinic:...`) stand in for them,
as a vendor would do it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from fhir_server_stub.course import PHYSICIAN, Person, Policy, Session
from fhir_server_stub.wire import Json

SNOMED = "http://snomed.info/sct"
CODEX = "http://hl7.org/fhir/us/codex-radiation-therapy/StructureDefinition/codexrt-"
MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-"
NPI = "http://hl7.org/fhir/sid/us-npi"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
MRN = "urn:clinic:mrn"
VISIT = "urn:clinic:visit"
FACILITY = "urn:clinic:facility"
PAYER = "urn:clinic:payer"
ISOCENTERS = "urn:clinic:isocenters"
MOTION_DOCUMENTED = "urn:clinic:motion-documented"
VARIAN = "http://varian.com/fhir/identifier/"

TECHNIQUES = {"imrt": "441799006", "3d": "1162782007"}
GUIDANCE = {"cbct": "717193008", "ultrasound": "16310003", "stereo-xray": "168537006"}
PHOTONS = "1156506007"
NO_MOTION = "721031000124102"


@dataclass(frozen=True, slots=True)
class Setting:
    """What every Bundle of a course has in common."""

    person: Person
    diagnosis: str
    facility: str
    course: str
    phase: str
    course_uid: str
    phase_uid: str


def transaction(at: datetime, resources: list[Json]) -> Json:
    """A transaction Bundle: each resource is put by its identifier, created where it is not known."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "timestamp": at.isoformat(),
        "entry": [
            {
                "fullUrl": _url(resource),
                "resource": resource,
                "request": {
                    "method": "PUT",
                    "url": f"{resource['resourceType']}?identifier={_key(resource)}",
                },
            }
            for resource in resources
        ],
    }


def patient(person: Person) -> Json:
    """The patient with the clinic's record number."""
    return {
        "resourceType": "Patient",
        "identifier": [
            {
                "use": "usual",
                "type": _coded("http://terminology.hl7.org/CodeSystem/v2-0203", "MR"),
                "system": MRN,
                "value": person.mrn,
            }
        ],
        "name": [{"use": "official", "family": person.family, "given": [person.given]}],
        "gender": {"F": "female", "M": "male"}[person.sex],
        "birthDate": person.born.isoformat(),
    }


def coverage(person: Person, policy: Policy) -> Json:
    """One coverage; the payer is named by identifier and display, the order says first or second payer."""
    period = {"start": policy.start.isoformat()}
    if policy.end:
        period["end"] = policy.end.isoformat()
    return {
        "resourceType": "Coverage",
        "identifier": [
            {
                "type": _coded("http://terminology.hl7.org/CodeSystem/v2-0203", "MB"),
                "system": f"{PAYER}:{policy.payer_id}",
                "value": policy.member,
            }
        ],
        "status": "active",
        "subscriberId": policy.member,
        "beneficiary": _patient_reference(person),
        "relationship": _coded("http://terminology.hl7.org/CodeSystem/subscriber-relationship", "self"),
        "period": period,
        "payor": [{"identifier": {"system": PAYER, "value": policy.payer_id}, "display": policy.payer_name}],
        "class": [
            {
                "type": _coded("http://terminology.hl7.org/CodeSystem/coverage-class", "plan"),
                "value": policy.plan_id,
                "name": policy.plan_name,
            }
        ],
        "order": policy.order,
    }


def session_encounter(setting: Setting, session: Session, visit: str, *, void: bool) -> Json:
    """The treatment session of a fraction (CodeX treatment-session: serviceType 1287742003).

    `void`: it never took place, status entered-in-error.
    """
    return {
        "resourceType": "Encounter",
        "meta": {"profile": [f"{CODEX}radiotherapy-treatment-session"]},
        "extension": [
            {"url": f"{CODEX}radiotherapy-session-number", "valuePositiveInt": session.number},
        ],
        **_encounter(setting, visit, session.start, session.end),
        "status": "entered-in-error" if void else "finished",
        "type": [_coded(SNOMED, "308335008")],
        "serviceType": _coded(SNOMED, "1287742003"),
    }


def visit_encounter(setting: Setting, visit: str, start: datetime, end: datetime) -> Json:
    """An on-treatment visit: the clinic's own encounter type OTV, the physician as attender."""
    attender = {
        "type": [_coded("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "ATND")],
        "individual": {
            "type": "Practitioner",
            "identifier": {"system": NPI, "value": PHYSICIAN.npi},
            "display": f"{PHYSICIAN.given} {PHYSICIAN.family} MD",
        },
    }
    return {
        "resourceType": "Encounter",
        **_encounter(setting, visit, start, end),
        "type": [_coded("urn:clinic:encounter-type", "OTV")],
        "participant": [attender],
    }


def course_summary(
    setting: Setting, *, started: datetime, ended: datetime | None, delivered: int, version: int, at: datetime
) -> Json:
    """The course summary, updated in place: same identifier, higher version, completed when it ended."""
    return {
        "resourceType": "Procedure",
        "meta": _meta("radiotherapy-course-summary", version, at),
        "identifier": _identifiers("radiotherapyCourseId", setting.course, setting.course_uid),
        "extension": [
            {"url": f"{MCODE}radiotherapy-sessions", "valueUnsignedInt": delivered},
        ],
        **_procedure(setting, "1217123003", "completed" if ended else "in-progress"),
        "performedPeriod": _period(started, ended),
    }


def treated_phase(setting: Setting, *, started: datetime, delivered: int, version: int, at: datetime) -> Json:
    """The treated phase, part of the course, with the number of fractions delivered so far."""
    return {
        "resourceType": "Procedure",
        "meta": _meta("radiotherapy-treated-phase", version, at),
        "identifier": _identifiers("radiotherapyPhaseId", setting.phase, setting.phase_uid),
        "extension": [
            {"url": f"{CODEX}radiotherapy-fractions-delivered", "valueUnsignedInt": delivered},
        ],
        **_procedure(setting, "1222565005", "in-progress"),
        "partOf": [_procedure_reference(setting.course_uid)],
        "performedPeriod": _period(started, None),
    }


def treated_fraction(
    setting: Setting, session: Session, *, uid: str, visit: str, status: str, version: int, at: datetime
) -> Json:
    """One treated fraction; `session` holds what this version says, which a later version may correct."""
    return {
        "resourceType": "Procedure",
        "meta": _meta("radiotherapy-treated-fraction", version, at),
        "identifier": _identifiers("radiotherapyFractionId", str(session.number), uid),
        "extension": _fraction_facts(session),
        **_procedure(setting, "1297069006", status),
        "partOf": [_procedure_reference(setting.phase_uid)],
        "encounter": {"reference": _urn("Encounter", VISIT, visit)},
        "performedPeriod": _period(session.start, session.end),
    }


def _fraction_facts(session: Session) -> list[Json]:
    facts: list[Json] = [
        {
            "url": f"{MCODE}radiotherapy-modality-and-technique",
            "extension": [
                {
                    "url": f"{MCODE}radiotherapy-modality",
                    "valueCodeableConcept": _coded(SNOMED, PHOTONS),
                },
                {
                    "url": f"{MCODE}radiotherapy-technique",
                    "valueCodeableConcept": _coded(SNOMED, TECHNIQUES[session.technique]),
                },
            ],
        }
    ]
    if session.guidance != "none":
        modality = _coded(SNOMED, GUIDANCE[session.guidance])
        facts.append(
            {
                "url": f"{CODEX}image-guided-radiotherapy-modality",
                "extension": [{"url": "modality", "valueCodeableConcept": modality}],
            }
        )
    facts.append(
        {
            "url": f"{CODEX}radiotherapy-respiratory-motion-management",
            "valueCodeableConcept": _motion() if session.motion else _coded(SNOMED, NO_MOTION),
        }
    )
    if session.motion:
        facts.append({"url": MOTION_DOCUMENTED, "valueBoolean": session.motion_documented})
    facts.append({"url": ISOCENTERS, "valuePositiveInt": session.isocenters})
    facts.append({"url": f"{CODEX}radiotherapy-fraction-number-in-phase", "valuePositiveInt": session.number})
    facts.append({"url": f"{CODEX}radiotherapy-fraction-number-in-plan", "valuePositiveInt": session.number})
    return facts


def _motion() -> Json:
    # SNOMED CT codes for gating are not in the guide's examples; the null flavour with words is.
    return {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNC"}],
        "text": "Deep inspiration breath hold with beam gating",
    }


def _encounter(setting: Setting, visit: str, start: datetime, end: datetime) -> Json:
    return {
        "identifier": [{"system": VISIT, "value": visit}],
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": _patient_reference(setting.person),
        "period": _period(start, end),
        "reasonCode": [_coded(ICD10, setting.diagnosis)],
        "serviceProvider": {"identifier": {"system": FACILITY, "value": setting.facility}},
    }


def _procedure(setting: Setting, code: str, status: str) -> Json:
    return {
        "status": status,
        "category": _coded(SNOMED, "1287742003"),
        "code": _coded(SNOMED, code),
        "subject": _patient_reference(setting.person),
        "reasonCode": [_coded(ICD10, setting.diagnosis)],
    }


def _identifiers(kind: str, shown: str, uid: str) -> list[Json]:
    # The shown one is not unique ("C1", "2"); the official one is (CodeX, Identifiers rule set).
    return [
        {"use": "official", "system": "urn:dicom:uid", "value": f"urn:oid:{uid}"},
        {"use": "usual", "system": f"{VARIAN}{kind}", "value": shown},
    ]


def _meta(profile: str, version: int, at: datetime) -> Json:
    return {"versionId": str(version), "lastUpdated": at.isoformat(), "profile": [f"{CODEX}{profile}"]}


def _period(start: datetime, end: datetime | None) -> Json:
    return {"start": start.isoformat()} | ({"end": end.isoformat()} if end else {})


def _coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def _key(resource: Json) -> str:
    first = resource["identifier"][0]
    return f"{first['system']}|{first['value']}"


def _url(resource: Json) -> str:
    first = resource["identifier"][0]
    return _urn(str(resource["resourceType"]), str(first["system"]), str(first["value"]))


def _urn(kind: str, system: str, value: str) -> str:
    return uuid5(NAMESPACE_URL, f"{kind}/{system}/{value}").urn


def _patient_reference(person: Person) -> Json:
    return {"reference": _urn("Patient", MRN, person.mrn)}


def _procedure_reference(uid: str) -> Json:
    return {"reference": _urn("Procedure", "urn:dicom:uid", f"urn:oid:{uid}")}
