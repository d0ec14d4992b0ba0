"""What an EHR sends becomes events with their places, or omissions with their reasons; nothing is lost, nothing raises."""

from __future__ import annotations

import copy
import hashlib
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir import codex
from adapters.fhir.bundle import given_id
from adapters.fhir.capture import capture
from adapters.fhir.problem import Refused
from adapters.model.event import Status
from adapters.model.people import Identifier, PersonHint
from tests.fhir.said import (
    CHICAGO,
    CODEX,
    DIALECT,
    FEED,
    NPI,
    PAYER,
    RECEIVED,
    V2_0203,
    Json,
    bundle,
    concept,
    course,
    coverage,
    doctor,
    event,
    events,
    facts,
    fraction,
    guided,
    identifiers,
    omissions,
    patient,
    phase,
    procedure,
    read,
    session,
    treated,
    visit,
)

# --- who ---------------------------------------------------------------------------------------------------


def test_a_patient() -> None:
    (captured,) = read(patient())
    assert captured.person == PersonHint((Identifier("LAKE", "77120"),), "Patient/p1")
    (found,) = captured.events
    assert facts(found) == {
        "family": "Sorrel",
        "given": "Ida May",
        "birth_date": "1958-03-02",
        "sex": "female",
        "address.line": "4 Mill Lane, Flat 2",
        "address.city": "Elgin",
        "address.state": "IL",
        "address.postal_code": "60120",
    }
    assert found.said == RECEIVED
    assert found.line == "ehr|Patient/p1"
    family = found.fact("family")
    assert family is not None
    assert family.source.at == "Patient.name[1].family"


@pytest.mark.parametrize(
    ("sent", "known"),
    [
        ([("MR", "urn:lake:mrn", "1")], [("LAKE", "1")]),
        ([("MR", "urn:other", "1")], [("CLINIC", "1")]),
        ([("MR", "", "1")], [("CLINIC", "1")]),
        # The stand-in is for the number whose authority is not told, not for a second one beside it.
        ([("MR", "urn:lake:mrn", "1"), ("MR", "urn:other", "2")], [("LAKE", "1"), ("urn:other", "2")]),
        ([("MR", "urn:a", "1"), ("MR", "urn:b", "2")], [("CLINIC", "1"), ("urn:b", "2")]),
        ([("SS", "urn:ssn", "9"), ("MR", "urn:lake:mrn", "1")], [("LAKE", "1")]),
        ([("SS", "urn:ssn", "9"), ("", "urn:lake:mrn", "1")], [("LAKE", "1")]),
        ([("SS", "urn:ssn", "9")], []),
    ],
)
def test_record_numbers(sent: list[tuple[str, str, str]], known: list[tuple[str, str]]) -> None:
    numbers = [{"type": concept(t, V2_0203), "system": s, "value": v} for t, s, v in sent]
    (captured,) = read(patient(identifier=numbers))
    assert [(i.system, i.value) for i in captured.person.identifiers] == known


def test_an_old_record_number_is_none() -> None:
    old = {"use": "old", "type": concept("MR", V2_0203), "system": "urn:lake:mrn", "value": "1"}
    (captured,) = read(patient(identifier=[old]))
    assert captured.person == PersonHint((), "Patient/p1")


def test_a_patient_who_cannot_be_known_is_told() -> None:
    (captured,) = read({"resourceType": "Patient", "name": [{"family": "Sorrel"}]})
    assert captured.events == ()
    assert [o.reason for o in captured.omissions] == ["no-person"]


def test_of_a_resource_to_be_created_the_given_id_is_remembered() -> None:
    body = bundle()
    body |= {"type": "transaction"}
    body["entry"] = [
        {"fullUrl": "urn:uuid:1", "resource": patient(), "request": {"method": "POST", "url": "Patient"}},
        {
            "fullUrl": "urn:uuid:2",
            "resource": fraction(subject={"reference": "urn:uuid:1"}),
            "request": {"method": "POST", "url": "Procedure"},
        },
    ]
    (captured,) = read(body)
    given = given_id(hashlib.sha256(json.dumps(body).encode()).hexdigest(), "Bundle.entry[0]")
    assert captured.person == PersonHint((Identifier("LAKE", "77120"),), f"Patient/{given}")
    assert [e.kind for e in captured.events] == ["patient", "fraction"]
    made = given_id(hashlib.sha256(json.dumps(body).encode()).hexdigest(), "Bundle.entry[1]")
    assert captured.events[1].keys[:2] == ("uid:1.2.3.4", f"ref:ehr|Procedure/{made}")


@pytest.mark.parametrize(
    ("subject", "person"),
    [
        ({"reference": "Patient/p9"}, PersonHint(reference="Patient/p9")),
        ({"reference": "https://ehr.example/r4/Patient/p9/_history/3"}, PersonHint(reference="Patient/p9")),
        ({"reference": "urn:uuid:77"}, PersonHint(reference="urn:uuid:77")),
        ({"identifier": {"system": "urn:lake:mrn", "value": "5"}}, PersonHint((Identifier("LAKE", "5"),))),
        ({"type": "Patient", "identifier": {"value": "5"}}, PersonHint((Identifier("CLINIC", "5"),))),
    ],
)
def test_a_subject_that_the_message_does_not_hold(subject: Json, person: PersonHint) -> None:
    (captured,) = read(fraction(subject=subject))
    assert captured.person == person
    assert len(captured.events) == 1


@pytest.mark.parametrize("subject", [None, {}, {"reference": "Group/g1"}, {"display": "Ida Sorrel"}, "Patient/p1"])
def test_a_fraction_of_nobody_is_an_omission(subject: Any) -> None:
    (captured,) = read(fraction(subject=subject))
    assert not captured.person.known
    assert [o.reason for o in captured.omissions] == ["no-person"]


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/p1"},
        {"reference": "http://base/Patient/p1"},
        {"reference": "Patient?identifier=urn:lake:mrn|77120"},
        {"identifier": {"system": "urn:lake:mrn", "value": "77120"}},
    ],
)
def test_all_ways_to_name_the_patient_of_the_message(subject: Json) -> None:
    (captured,) = read(bundle(patient(), fraction(subject=subject)))
    assert [e.kind for e in captured.events] == ["patient", "fraction"]


def test_a_contained_patient() -> None:
    body = fraction(contained=[patient(id="x")], subject={"reference": "#x"})
    (captured,) = read(body)
    assert captured.person == PersonHint((Identifier("LAKE", "77120"),), "")


def test_two_persons_in_one_bundle() -> None:
    other = patient(id="p2", identifier=[{"type": concept("MR", V2_0203), "system": "urn:lake:mrn", "value": "88"}])
    found = read(bundle(patient(), fraction(), other, fraction(id="f8", subject={"reference": "Patient/p2"}), doctor()))
    assert [c.person.reference for c in found] == ["Patient/p1", "Patient/p2"]
    # The practitioner concerns no person: it is with each whose resources name it, and that it was there is told once.
    assert [[e.kind for e in c.events] for c in found] == [["patient", "fraction", "resource"]] * 2
    assert [o.source.at for c in found for o in c.omissions] == ["Bundle.entry[4].resource (Practitioner)"]


# --- coverage ----------------------------------------------------------------------------------------------


def test_a_coverage() -> None:
    found = event(bundle(patient(), PAYER, coverage()), "coverage")
    assert facts(found) == {
        "payer": "60054",
        "payer.name": "Oak Mutual",
        "member": "M-1",
        "from": "2025-01-01",
        "to": "2026-06-30",
        "order": "2",
        "relationship": "spouse",
        "group": "G-7",
    }


@pytest.mark.parametrize(
    ("payor", "payer", "name"),
    [
        ([{"identifier": {"value": "MCRB"}, "display": "Medicare"}], "MCRB", "Medicare"),
        ([{"display": "Medicare"}], "Medicare", "Medicare"),
        ([{"reference": "Organization/gone"}], "Organization/gone", None),
        ([{"reference": "Organization/gone", "display": "Oak"}], "Oak", "Oak"),
        ([{"reference": "Patient/p1"}], "self-pay", None),
        ([], None, None),
    ],
)
def test_who_pays(payor: list[Json], payer: str | None, name: str | None) -> None:
    told = facts(event(coverage(payor=payor), "coverage"))
    assert (told.get("payer"), told.get("payer.name")) == (payer, name)


@pytest.mark.parametrize(
    ("status", "period", "expected"),
    [
        ("active", {}, Status.DONE),
        ("entered-in-error", {"end": "2026-01-01"}, Status.WITHDRAWN),
        ("cancelled", {}, Status.WITHDRAWN),
        ("cancelled", {"end": "2026-01-01"}, Status.DONE),
    ],
)
def test_whether_a_coverage_holds(status: str, period: Json, expected: Status) -> None:
    assert event(coverage(status=status, period=period), "coverage").status is expected
    assert [o.reason for o in omissions(coverage(status="draft"))] == ["in-progress"]


def test_the_same_member_number_in_two_years_is_two_lines() -> None:
    one = event(coverage(id=None, period={"start": "2025"}), "coverage")
    two = event(coverage(id=None, period={"start": "2026"}), "coverage")
    assert one.line != two.line


def test_subscriber_id_before_member_number() -> None:
    assert event(coverage(subscriberId="S-9"), "coverage").value("member") == "S-9"


# --- fractions ---------------------------------------------------------------------------------------------


def test_a_fraction() -> None:
    found = event(bundle(patient(), doctor(), session(), course(), phase(), fraction()), "fraction")
    assert facts(found) == {
        "n": "4",
        "uid": "1.2.3.4",
        "phase": "Tangents",
        "modality": "photon",
        "technique": "imrt",
        "guidance": "cbct",
        "motion.active": "false",
        "isocenters": "1",
        "diagnosis": "C50.412",
        "by": "1999999984",
        "visit": "V9004",
        "facility": "NORTH",
        "part_of": "Procedure/ph1",
    }
    assert found.start == datetime(2026, 1, 5, 15, tzinfo=UTC)
    assert found.end == datetime(2026, 1, 5, 15, 12, tzinfo=UTC)
    assert (found.day, found.course, found.status) == (date(2026, 1, 5), "C1", Status.DONE)
    assert found.said == datetime(2026, 1, 5, 21, tzinfo=UTC)
    assert found.keys[:2] == ("uid:1.2.3.4", "ref:ehr|Procedure/f4")
    assert found.line == "ehr|urn:dicom:uid|urn:oid:1.2.3.4"
    assert found.source.at == "Bundle.entry[5].resource (Procedure)"
    by, technique = found.fact("by"), found.fact("technique")
    assert by is not None
    assert technique is not None
    assert by.source.at == "Bundle.entry[1].resource.identifier[0].value"
    assert technique.source.at == (
        "Bundle.entry[5].resource.extension[0].extension[1].valueCodeableConcept.coding[0].code"
    )


def test_by_profile_without_the_code() -> None:
    body = fraction(code=None, meta={"profile": [f"{CODEX}radiotherapy-treated-fraction|2.0.0"]})
    assert event(body, "fraction").said == RECEIVED


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("completed", Status.DONE),
        ("stopped", Status.DONE),
        ("not-done", Status.NOT_DONE),
        ("unknown", Status.NOT_DONE),
        ("entered-in-error", Status.WITHDRAWN),
    ],
)
def test_status_of_a_fraction(told: str, expected: Status) -> None:
    assert event(fraction(status=told), "fraction").status is expected


@pytest.mark.parametrize("told", ["in-progress", "on-hold", "preparation", "", None, 7])
def test_a_fraction_that_is_not_finished(told: Any) -> None:
    assert events(fraction(status=told)) == []
    assert [o.reason for o in omissions(fraction(status=told))] == ["in-progress"]


def test_a_withdrawal_needs_no_date_but_a_delivery_does() -> None:
    gone = event(fraction(status="entered-in-error", performedPeriod=None), "fraction")
    assert gone.status is Status.WITHDRAWN
    assert gone.start == gone.said
    assert [o.reason for o in omissions(fraction(performedPeriod=None))] == ["no-date"]
    told = omissions(fraction(performedPeriod={"start": "2026-01"}))
    assert [(o.reason, o.source.at) for o in told] == [
        ("ill-formed", "Procedure.performedPeriod.start"),
        ("no-date", "Procedure"),
    ]


def test_a_date_alone_and_the_other_choice_of_performed() -> None:
    found = event(fraction(performedPeriod=None, performedDateTime="2026-01-05"), "fraction")
    assert (found.day, found.start) == (date(2026, 1, 5), datetime(2026, 1, 5, 18, tzinfo=UTC))


def test_the_day_of_a_session_past_midnight_is_that_of_its_start() -> None:
    period = {"start": "2026-01-05T23:50:00-06:00", "end": "2026-01-06T00:20:00-06:00"}
    assert event(fraction(performedPeriod=period), "fraction").day == date(2026, 1, 5)


@pytest.mark.parametrize(
    ("extension", "modality", "technique"),
    [
        ([treated("1156506007", "441799006")], "photon", "imrt"),
        ([treated("1156506007", "1162782007")], "photon", "3d"),
        ([treated("1156506007", "1156526006")], "photon", "2d"),
        ([treated("45643008", "1162782007")], "electron", "electron"),
        ([treated("1156506007", "1162782007"), treated("45643008")], "mixed", "mixed"),
        ([treated("10611004", "1204242009")], "proton", None),
        # IMRT and VMAT are one technique here; IMRT and 3D are two, and none of them is chosen.
        ([treated("1156506007", "441799006", "1156530009")], "photon", "imrt"),
        ([treated("1156506007", "441799006", "1162782007")], "photon", None),
        ([treated("1156506007", "1163157007")], "photon", None),
        ([], None, None),
    ],
)
def test_modality_and_technique(extension: list[Json], modality: str | None, technique: str | None) -> None:
    found = facts(event(fraction(extension=extension), "fraction"))
    assert (found.get("modality"), found.get("technique")) == (modality, technique)


@pytest.mark.parametrize("code", sorted(codex.NOT_EXTERNAL_BEAM))
def test_brachytherapy_and_the_like_are_no_external_fractions(code: str) -> None:
    assert [o.reason for o in omissions(fraction(extension=[treated(code)]))] == ["not-external-beam"]
    # Taken back it still is what it was reported as.
    assert event(fraction(extension=[treated(code)], status="entered-in-error"), "fraction").status is Status.WITHDRAWN


@pytest.mark.parametrize(
    ("codes", "guidance", "unmapped"),
    [
        (["717193008"], "cbct", 0),
        (["77477000"], "cbct", 0),
        (["168537006"], "stereo-xray", 0),
        (["44491008"], "stereo-xray", 0),
        (["16310003"], "ultrasound", 0),
        (["16310003", "168537006", "717193008"], "cbct", 0),
        (["717193008", "168537006", "16310003"], "cbct", 0),
        (["1297350006"], None, 1),
        (["113091000", "168537006"], "stereo-xray", 1),
        ([], None, 0),
    ],
)
def test_image_guidance(codes: list[str], guidance: str | None, unmapped: int) -> None:
    body = fraction(extension=guided(*codes))
    assert facts(event(body, "fraction")).get("guidance") == guidance
    assert [o.reason for o in omissions(body)] == ["unmapped"] * unmapped


UNC = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNC"}]}


@pytest.mark.parametrize(
    ("told", "active"),
    [
        ([(codex.RESPIRATORY_MOTION, concept("721031000124102"))], "false"),
        ([(codex.RESPIRATORY_MOTION, concept("721051000124109"))], "true"),
        ([(codex.RESPIRATORY_MOTION, concept("721071000124104"))], "false"),
        (
            [
                (codex.RESPIRATORY_MOTION, concept("721071000124104")),
                (codex.FREE_BREATHING, concept("721061000124106")),
            ],
            "true",
        ),
        (
            [
                (codex.RESPIRATORY_MOTION, concept("721071000124104")),
                (codex.FREE_BREATHING, concept("721081000124101")),
            ],
            "false",
        ),
        ([(codex.RESPIRATORY_MOTION, UNC | {"text": "DIBH: breath hold with beam gating"})], "true"),
        ([(codex.RESPIRATORY_MOTION, UNC | {"text": "see note"})], None),
        ([(codex.RESPIRATORY_MOTION, concept("999"))], None),
        ([], None),
    ],
)
def test_respiratory_motion(told: list[tuple[str, Json]], active: str | None) -> None:
    body = fraction(extension=[{"url": url, "valueCodeableConcept": value} for url, value in told])
    assert facts(event(body, "fraction")).get("motion.active") == active
    assert len(omissions(body)) == (1 if told and active is None else 0)


def test_the_sender_s_own_extensions_are_read_by_the_dialect() -> None:
    own = [
        {"url": "urn:clinic:isocenters", "valuePositiveInt": 2},
        {"url": "urn:clinic:documented", "valueBoolean": True},
        {"url": "urn:clinic:none", "valueString": "x"},
    ]
    told = {
        "urn:clinic:isocenters": "isocenters",
        "urn:clinic:documented": "motion.documented",
        "urn:clinic:none": "no-fact",
    }
    found = facts(event(fraction(extension=own), "fraction", extensions=told))
    assert (found["isocenters"], found["motion.documented"]) == ("2", "true")
    assert "isocenters" not in facts(event(fraction(extension=own), "fraction", extensions={}))


@pytest.mark.parametrize(
    ("changes", "others", "codes"),
    [
        ({"reasonCode": [concept("C61", "http://hl7.org/fhir/sid/icd-10-cm")]}, (), ("C61",)),
        (
            {"reasonCode": [concept("C50412", "http://hl7.org/fhir/sid/icd-10-cm"), concept("C79.51", "http://hl7.org/fhir/sid/icd-10-cm")]},
            (),
            ("C50.412", "C79.51"),
        ),
        # SNOMED only: the Condition that is referred to, else the phase, else the course.
        (
            {"reasonCode": [concept("254837009")], "reasonReference": [{"reference": "Condition/d1"}]},
            ({"resourceType": "Condition", "id": "d1", "subject": {"reference": "Patient/p1"},
              "code": concept("C50.911", "http://hl7.org/fhir/sid/icd-10-cm")},),
            ("C50.911",),
        ),
        ({"reasonCode": [concept("254837009")]}, (phase(), course()), ("C50.412",)),
        ({"reasonCode": None}, (phase(),), ()),
    ],
)  # fmt: skip
def test_diagnoses(changes: Json, others: tuple[Json, ...], codes: tuple[str, ...]) -> None:
    assert event(bundle(fraction(**changes), *others), "fraction").values("diagnosis") == codes


def test_an_ill_formed_fact_costs_only_itself() -> None:
    body = fraction(
        extension=[{"url": codex.NUMBER_IN_PLAN, "valuePositiveInt": -4}, treated("1156506007", "441799006")]
    )
    found = facts(event(body, "fraction"))
    assert "n" not in found
    assert found["technique"] == "imrt"
    assert [(o.reason, o.source.at) for o in omissions(body)] == [
        ("ill-formed", "Procedure.extension[0].valuePositiveInt")
    ]


def test_a_provider_number_that_is_none_is_told_once() -> None:
    body = bundle(patient(), doctor(identifier=[{"system": NPI, "value": "123"}]), fraction(), fraction(id="f5"))
    assert all("by" not in facts(e) for e in events(body))
    assert [o.source.at for o in omissions(body) if o.reason == "ill-formed"] == [
        "Bundle.entry[1].resource.identifier[0].value"
    ]


def test_the_message_does_not_hold_what_the_fraction_is_part_of() -> None:
    found = event(fraction(partOf=[{"reference": "http://ehr/Procedure/ph1/_history/2"}]), "fraction")
    assert (found.course, found.value("part_of")) == ("", "Procedure/ph1")
    assert found.value("visit") == "Encounter/e4"


def test_a_phase_is_named_by_its_event_as_the_fraction_names_it() -> None:
    for change in ({}, {"id": None}):
        body = bundle(fraction(partOf=[{"identifier": identifiers("Tangents", "1.2.2")[1]}]), phase(**change))
        assert event(body, "fraction").value("part_of") == event(body, "phase").value("reference") != ""


def test_procedures_part_of_each_other_end() -> None:
    ring = bundle(
        phase(partOf=[{"reference": "Procedure/c1"}]), course(partOf=[{"reference": "Procedure/ph1"}]), fraction()
    )
    assert event(ring, "fraction").course == "C1"


# --- courses, phases, plans, visits --------------------------------------------------------------------------


def test_a_course_that_ended_closes() -> None:
    found = {e.kind: e for e in events(bundle(course(), phase()))}
    assert set(found) == {"course", "course-end", "phase"}
    assert facts(found["course"]) == {
        "label": "C1", "reference": "Procedure/c1", "status": "completed", "diagnosis": "C50.412",
    }  # fmt: skip
    assert found["course-end"].start == datetime(2026, 1, 8, 15, tzinfo=UTC)
    assert (found["course-end"].day, found["course-end"].course) == (date(2026, 1, 8), "C1")
    assert found["course-end"].id != found["course"].id
    assert facts(found["phase"]) == {
        "label": "Tangents", "reference": "Procedure/ph1", "part_of": "Procedure/c1", "status": "in-progress",
        "planned_fractions": "16",
    }  # fmt: skip
    assert found["phase"].course == "C1"


@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        ("completed", ["course", "course-end"]),
        ("stopped", ["course", "course-end"]),
        ("in-progress", ["course"]),
        ("on-hold", ["course"]),
        ("not-done", ["course"]),
        ("entered-in-error", ["course", "course-end"]),
    ],
)
def test_which_courses_close(status: str, kinds: list[str]) -> None:
    found = events(course(status=status))
    assert [e.kind for e in found] == kinds
    if status == "entered-in-error":
        assert {e.status for e in found} == {Status.WITHDRAWN}


def test_a_course_without_dates_is_context_all_the_same() -> None:
    found = event(course(status="in-progress", performedPeriod=None), "course")
    assert found.start == found.said


def test_planned_fractions_from_the_request_it_is_based_on() -> None:
    order = {
        "resourceType": "ServiceRequest",
        "id": "sr",
        "extension": [{"url": codex.PRESCRIBED, "valuePositiveInt": 20}],
    }
    found = event(bundle(phase(extension=[], basedOn=[{"reference": "ServiceRequest/sr"}]), order), "phase")
    assert found.value("planned_fractions") == "20"


def test_a_treated_plan_is_a_phase_with_its_plan() -> None:
    plan = procedure("1255724003", "pl1", "Plan A", "1.2.9", partOf=[{"reference": "Procedure/ph1"}])
    found = events(bundle(fraction(partOf=[{"reference": "Procedure/pl1"}]), plan, phase(), course()))
    assert facts(found[0])["plan"] == "Plan A"
    assert facts(found[0])["phase"] == "Tangents"
    assert found[0].course == "C1"
    assert (found[1].kind, found[1].value("plan")) == ("phase", "Plan A")


def test_a_procedure_of_weeks_is_never_a_fraction() -> None:
    weeks = {"start": "2025-12-01T09:00:00-06:00", "end": "2026-01-08T09:00:00-06:00"}
    whole = procedure("33195004", "x", "X", "1.9", performedPeriod=weeks)
    assert [o.reason for o in omissions(whole)] == ["course-long-procedure"]
    assert [o.reason for o in omissions(fraction(performedPeriod=weeks))] == ["course-long-procedure"]
    other = procedure("122548005", "x", "X", "1.9")
    assert [o.reason for o in omissions(other)] == ["other-procedure"]
    # The guide's own example lasts a day and six minutes.
    day = {"start": "2026-01-05T09:00:00-06:00", "end": "2026-01-06T09:06:00-06:00"}
    assert event(fraction(performedPeriod=day), "fraction").day == date(2026, 1, 5)


def test_a_treatment_session() -> None:
    found = event(bundle(patient(), session()), "encounter")
    assert facts(found) == {
        "visit": "V9004", "type": "1287742003", "status": "finished", "reference": "Encounter/e4", "facility": "NORTH",
    }  # fmt: skip
    assert found.end == datetime(2026, 1, 5, 15, 20, tzinfo=UTC)


def test_an_on_treatment_visit() -> None:
    found = event(bundle(patient(), doctor(), visit()), "on-treatment-visit")
    assert facts(found)["by"] == "1999999984"
    assert "by.role" not in facts(found)
    assert found.day == date(2026, 1, 5)
    assert [o.reason for o in omissions(visit(period=None))] == ["no-date"]


@pytest.mark.parametrize(
    ("change", "role"),
    [
        ({"qualification": [{"code": concept("MD", "http://terminology.hl7.org/CodeSystem/v2-0360")}]}, "physician"),
        (
            {"qualification": [{"code": concept("NP", "http://terminology.hl7.org/CodeSystem/v2-0360")}]},
            "nurse-practitioner",
        ),
        (
            {"qualification": [{"code": concept("2085R0001X", "http://nucc.org/provider-taxonomy")}]},
            "radiation-oncologist",
        ),
        ({"qualification": [{"code": concept("XX", "http://nucc.org/provider-taxonomy")}]}, None),
    ],
)
def test_roles_that_are_certain(change: Json, role: str | None) -> None:
    assert facts(event(bundle(patient(), doctor(**change), visit()), "on-treatment-visit")).get("by.role") == role


def test_a_practitioner_by_role() -> None:
    role = {
        "resourceType": "PractitionerRole",
        "id": "r1",
        "practitioner": {"reference": "Practitioner/dr1"},
        "specialty": [concept("419815003")],
    }
    body = bundle(patient(), doctor(), role, visit(participant=[{"individual": {"reference": "PractitionerRole/r1"}}]))
    found = facts(event(body, "on-treatment-visit"))
    assert (found["by"], found["by.role"]) == ("1999999984", "radiation-oncologist")


@pytest.mark.parametrize(
    ("status", "expected"),
    [("finished", Status.DONE), ("cancelled", Status.NOT_DONE), ("entered-in-error", Status.WITHDRAWN)],
)
def test_status_of_an_encounter(status: str, expected: Status) -> None:
    assert event(session(status=status), "encounter").status is expected
    assert [o.reason for o in omissions(session(status="planned"))] == ["in-progress"]


# --- bundles -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["transaction", "batch", "message", "collection", "history", "searchset", "subscription-notification", "odd"],
)
def test_every_kind_of_bundle(kind: str) -> None:
    body = bundle({"resourceType": "MessageHeader"}, patient(), fraction(), kind=kind)
    assert [e.kind for e in events(body)] == ["patient", "fraction"]


def test_every_entry_is_an_event_or_an_omission() -> None:
    body = bundle(
        patient(), {"resourceType": "Observation", "subject": {"reference": "Patient/p1"}}, {"resourceType": "Device"}
    )
    body["entry"] += [{"response": {"status": "200"}}, {"request": {"method": "DELETE", "url": "Device/f1"}}, 7, {}]
    assert {(o.source.at, o.reason) for o in omissions(body)} == {
        ("Bundle.entry[1].resource (Observation)", "unknown-type"),
        ("Bundle.entry[2].resource (Device)", "context"),
        ("Bundle.entry[3]", "no-resource"),
        ("Bundle.entry[4]", "deleted"),
        ("Bundle.entry[5]", "no-resource"),
        ("Bundle.entry[6]", "no-resource"),
    }


def test_a_bundle_within_a_bundle() -> None:
    body = bundle({"resourceType": "Parameters"}, bundle(patient(), fraction()), kind="history")
    assert [e.kind for e in events(body)] == ["patient", "fraction"]
    assert event(body, "fraction").source.at == "Bundle.entry[1].resource.entry[1].resource (Procedure)"


def test_notifications_of_subscriptions() -> None:
    status = {"resourceType": "SubscriptionStatus", "type": "event-notification"}
    full = bundle(status, patient(), fraction(), kind="subscription-notification")
    assert [e.kind for e in events(full)] == ["patient", "fraction"]
    backport = bundle({"resourceType": "Parameters"}, kind="history")
    backport["entry"] += [
        {"fullUrl": "https://ehr.example/r4/Procedure/f4", "request": {"method": "PUT", "url": "Procedure/f4"}}
    ]
    assert events(backport) == [], "what only an address names is not fetched"
    assert [o.reason for o in omissions(backport)] == ["no-resource", "context"]
    assert events(bundle(status, kind="subscription-notification")) == [], "a heartbeat says nothing of anybody"


def test_two_versions_in_a_history_restate_one_line() -> None:
    older = fraction(status="completed", meta={"lastUpdated": "2026-01-05T10:00:00-06:00"})
    newer = fraction(status="entered-in-error", meta={"lastUpdated": "2026-01-06T10:00:00-06:00"})
    one, two = events(bundle(newer, older, kind="history"))
    assert one.line == two.line
    assert one.said > two.said
    assert one.id != two.id


def test_when_a_bundle_was_said() -> None:
    body = bundle(patient(), fraction()) | {"timestamp": "2026-01-05T20:00:00-06:00"}
    found = {e.kind: e.said for e in events(body)}
    assert found == {
        "patient": datetime(2026, 1, 6, 2, tzinfo=UTC),
        "fraction": datetime(2026, 1, 5, 21, tzinfo=UTC),
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"MSH|^~", "not-json"), (b"{}", "not-fhir"), (b'{"resourceType":"Patient","id":"a","id":"b"}', "duplicate-key")],
)
def test_what_is_no_fhir_is_refused_whole(body: bytes, code: str) -> None:
    refused = capture(body, feed=FEED, dialect=DIALECT, message="m", received=RECEIVED, zone=CHICAGO)
    assert isinstance(refused, Refused)
    assert refused.problems[0].code == code


def test_the_same_bytes_give_the_same_ids_and_another_message_others() -> None:
    body = bundle(patient(), course(), fraction())
    assert read(body) == read(body)
    assert not {e.id for e in events(body)} & {e.id for e in events(body, message="m2")}
    assert len({e.id for e in events(body)}) == 4


# --- no body can break it -----------------------------------------------------------------------------------

WHOLE = bundle(patient(), PAYER, coverage(), doctor(), session(), visit(), course(), phase(), fraction())
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, 7, -1, True, "", " ", "x" * 600, [], {}, [[]], {"coding": 3}, [None], {"reference": "#"}, "2026-02-30"]
)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(spot for key, item in inner for spot in spots(item, (*path, key)))]


@given(st.lists(st.tuples(st.sampled_from(spots(WHOLE)[2:]), JUNK), min_size=1, max_size=4))
def test_any_junk_anywhere_is_survived_and_every_resource_accounted_for(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    body = json.loads(json.dumps(WHOLE))
    for path, junk in changes:
        place = body
        try:
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = copy.deepcopy(junk)
        except (KeyError, IndexError, TypeError):
            continue
    found = read(body)
    places = {e.source.at for c in found for e in c.events} | {o.source.at for c in found for o in c.omissions}
    entries = body["entry"] if isinstance(body.get("entry"), list) else []
    for i, entry in enumerate(entries):
        if entry is not None:
            assert any(at.startswith(f"Bundle.entry[{i}]") for at in places), i


# --- what was deleted -------------------------------------------------------------------------------------------


def gone(url: str, **entry: Any) -> Json:
    body: Json = {"resourceType": "Bundle", "type": "history", "timestamp": "2026-01-09T08:00:00Z"}
    return body | {"entry": [{"request": {"method": "DELETE", "url": url}, **entry}]}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("Procedure/f4", "Procedure/f4"),
        ("https://ehr.example/fhir/Procedure/f4/_history/3", "Procedure/f4"),
        ("Procedure?identifier=urn:clinic:x|4", "Procedure?urn:clinic:x|4"),
    ],
)
def test_a_deletion_names_its_resource(url: str, name: str) -> None:
    (captured,) = read(gone(url))
    (found,) = captured.events
    assert captured.person == PersonHint(reference=name)
    assert (found.kind, facts(found)) == ("deletion", {"reference": name})
    assert found.said == datetime(2026, 1, 9, 8, tzinfo=UTC)
    (dated,) = read(gone(url, response={"status": "204", "lastModified": "2026-01-08T08:00:00Z"}))
    assert dated.events[0].said == datetime(2026, 1, 8, 8, tzinfo=UTC)


@pytest.mark.parametrize("url", ["", "Procedure", "Device/1", "Binary/1"])
def test_a_deletion_of_what_concerns_nobody_is_left_out_by_name(url: str) -> None:
    assert [o.reason for o in omissions(gone(url))] == ["deleted"]
    assert events(gone(url)) == []


def test_the_persons_of_a_bundle_are_told_of_what_it_deletes() -> None:
    body = bundle(patient()) | {"timestamp": "2026-01-09T08:00:00Z"}
    body["entry"] += gone("Procedure/f4")["entry"]
    found = read(body)
    assert [[e.kind for e in c.events] for c in found] == [["patient", "deletion"], ["deletion"]]
    assert found[0].events[1].id == found[1].events[0].id
