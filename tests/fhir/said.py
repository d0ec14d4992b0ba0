"""Resources as an EHR would send them, of made-up people, and what is captured from them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from adapters.fhir import codex
from adapters.fhir.capture import REASONS, capture
from adapters.fhir.problem import Refused
from adapters.model.event import Event, Omission, problems_of
from adapters.model.record import Captured
from adapters.model.site import Feed
from adapters.rules.dialect import Dialect

CODEX = "http://hl7.org/fhir/us/codex-radiation-therapy/StructureDefinition/codexrt-"
SCT = "http://snomed.info/sct"
NPI = "http://hl7.org/fhir/sid/us-npi"
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
RECEIVED = datetime(2026, 1, 10, 12, tzinfo=UTC)
CHICAGO = ZoneInfo("America/Chicago")
FEED = Feed(
    "ehr", "fhir", "codex-rt", "America/Chicago", "main",
    person_system="CLINIC", person_aliases={"urn:lake:mrn": "LAKE"},
)  # fmt: skip
Json = dict[str, Any]


DIALECT = Dialect(
    "codex-rt", "fhir", "a clinic", "made up",
    encounter_types={"urn:clinic:visit-type|OTV": "on-treatment-visit"},
    extensions={"urn:clinic:isocenters": "isocenters"},
)  # fmt: skip


def read(body: Json | bytes, **changes: Any) -> tuple[Captured, ...]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    told: dict[str, Any] = {
        "feed": FEED,
        "dialect": DIALECT,
        "message": "m1",
        "received": RECEIVED,
        "zone": CHICAGO,
    } | changes
    found = capture(data, **told)
    assert not isinstance(found, Refused)
    for captured in found:
        assert all(not list(problems_of(event)) for event in captured.events)
        assert all(omission.reason in REASONS for omission in captured.omissions)
    return found


def events(body: Json, **changes: Any) -> list[Event]:
    return [event for captured in read(body, **changes) for event in captured.events]


def event(body: Json, kind: str, **changes: Any) -> Event:
    (found,) = [e for e in events(body, **changes) if e.kind == kind]
    return found


def omissions(body: Json, **changes: Any) -> list[Omission]:
    return [omission for captured in read(body, **changes) for omission in captured.omissions]


def facts(found: Event) -> dict[str, str]:
    """What it says, by name; what it names besides is the matter of `test_references`."""
    return {f.name: f.value for f in found.facts if f.name != "awaits" and not f.name.startswith("names.")}


def concept(code: str, system: str = SCT) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def bundle(*resources: Json, kind: str = "collection") -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": r} for r in resources]}


def patient(**changes: Any) -> Json:
    return {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"type": concept("MR", V2_0203), "system": "urn:lake:mrn", "value": "77120"}],
        "name": [{"use": "maiden", "family": "Elm"}, {"use": "official", "family": "Sorrel", "given": ["Ida", "May"]}],
        "gender": "female",
        "birthDate": "1958-03-02",
        "address": [
            {"use": "home", "line": ["4 Mill Lane", "Flat 2"], "city": "Elgin", "state": "IL", "postalCode": "60120"}
        ],
    } | changes


def identifiers(label: str, uid: str) -> list[Json]:
    return [
        {"use": "usual", "system": "http://varian.com/fhir/identifier/x", "value": label},
        {"use": "official", "system": "urn:dicom:uid", "value": f"urn:oid:{uid}"},
    ]


def treated(modality: str = "1156506007", *techniques: str) -> Json:
    inner = [{"url": codex.MODALITY, "valueCodeableConcept": concept(modality)}]
    inner += [{"url": codex.TECHNIQUE, "valueCodeableConcept": concept(code)} for code in techniques]
    return {"extension": inner, "url": codex.MODALITY_AND_TECHNIQUE}


def guided(*codes: str) -> list[Json]:
    return [
        {"url": codex.IMAGE_GUIDANCE, "extension": [{"valueCodeableConcept": concept(c), "url": "modality"}]}
        for c in codes
    ]


def procedure(code: str, id: str, label: str, uid: str, **changes: Any) -> Json:
    return {
        "resourceType": "Procedure",
        "id": id,
        "meta": {"lastUpdated": "2026-01-05T15:00:00-06:00"},
        "identifier": identifiers(label, uid),
        "status": "completed",
        "code": concept(code),
        "subject": {"reference": "Patient/p1"},
        "performedPeriod": {"start": "2026-01-05T09:00:00-06:00", "end": "2026-01-05T09:12:00-06:00"},
    } | changes


def fraction(**changes: Any) -> Json:
    return procedure(
        "1297069006", "f4", "4", "1.2.3.4",
        extension=[
            treated("1156506007", "1156530009"),
            *guided("717193008"),
            {"url": codex.RESPIRATORY_MOTION, "valueCodeableConcept": concept("721031000124102")},
            {"url": codex.NUMBER_IN_PLAN, "valuePositiveInt": 4},
            {"url": codex.NUMBER_IN_PHASE, "valuePositiveInt": 9},
            {"url": "urn:clinic:isocenters", "valuePositiveInt": 1},
        ],
        partOf=[{"reference": "Procedure/ph1"}],
        reasonCode=[concept("C50412", "http://hl7.org/fhir/sid/icd-10-cm")],
        encounter={"reference": "Encounter/e4"},
        performer=[{"actor": {"reference": "Practitioner/dr1"}}],
    ) | changes  # fmt: skip


def course(**changes: Any) -> Json:
    return procedure(
        "1217123003", "c1", "C1", "1.2.1",
        performedPeriod={"start": "2025-12-29T09:00:00-06:00", "end": "2026-01-08T09:00:00-06:00"},
        reasonCode=[concept("C50.412", "http://hl7.org/fhir/sid/icd-10-cm")],
    ) | changes  # fmt: skip


def phase(**changes: Any) -> Json:
    return procedure(
        "1222565005", "ph1", "Tangents", "1.2.2",
        status="in-progress",
        partOf=[{"reference": "Procedure/c1"}],
        extension=[{"url": codex.PLANNED, "valuePositiveInt": 16}],
    ) | changes  # fmt: skip


def session(**changes: Any) -> Json:
    return {
        "resourceType": "Encounter",
        "id": "e4",
        "identifier": [{"system": "urn:clinic:visit", "value": "V9004"}],
        "status": "finished",
        "class": {"code": "AMB"},
        "serviceType": concept("1287742003"),
        "subject": {"reference": "Patient/p1"},
        "period": {"start": "2026-01-05T08:55:00-06:00", "end": "2026-01-05T09:20:00-06:00"},
        "serviceProvider": {"identifier": {"value": "NORTH"}},
    } | changes


def doctor(**changes: Any) -> Json:
    return {
        "resourceType": "Practitioner",
        "id": "dr1",
        "identifier": [{"system": NPI, "value": "1999999984"}],
    } | changes


def visit(**changes: Any) -> Json:
    return (
        session(
            id="v1",
            identifier=[{"system": "urn:clinic:visit", "value": "V9100"}],
            type=[concept("OTV", "urn:clinic:visit-type")],
            serviceType=None,
            participant=[
                {"type": [concept("REF", "x")], "individual": {"identifier": {"system": NPI, "value": "1888888885"}}},
                {"type": [concept("ATND", "x")], "individual": {"reference": "Practitioner/dr1"}},
            ],
        )
        | changes
    )


def coverage(**changes: Any) -> Json:
    return {
        "resourceType": "Coverage",
        "id": "cov1",
        "status": "active",
        "identifier": [{"type": concept("MB", V2_0203), "value": "M-1"}],
        "beneficiary": {"reference": "Patient/p1"},
        "relationship": concept("spouse", "http://terminology.hl7.org/CodeSystem/subscriber-relationship"),
        "period": {"start": "2025", "end": "2026-06"},
        "payor": [{"reference": "Organization/o1"}],
        "class": [{"type": concept("plan"), "value": "P"}, {"type": concept("group"), "value": "G-7"}],
        "order": 2,
    } | changes


PAYER: Json = {"resourceType": "Organization", "id": "o1", "identifier": [{"value": "60054"}], "name": "Oak Mutual"}
