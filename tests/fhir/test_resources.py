"""Doses, dispenses, orders, appointments, documents and coded charges: what each says, and what takes it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from adapters.model.event import Status
from adapters.rules.dialect import Activity
from tests.fhir.said import (
    DIALECT,
    Json,
    bundle,
    concept,
    course,
    doctor,
    event,
    events,
    facts,
    fraction,
    omissions,
    patient,
    visit,
)

CPT = "http://www.ama-assn.org/go/cpt"
NDC = "http://hl7.org/fhir/sid/ndc"
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
SUBJECT = {"reference": "Patient/p1"}
WHO = [{"actor": {"reference": "Practitioner/dr1"}}]
SERVICES = replace(
    DIALECT,
    activities={
        "urn:clinic:service|OTV": Activity(("on-treatment-visit",)),
        "SIMCT": Activity(("simulation",), (("complexity", "complex"),)),
    },
)


def dose(**changes: Any) -> Json:
    return {
        "resourceType": "MedicationAdministration",
        "id": "ma1",
        "status": "completed",
        "contained": [
            {
                "resourceType": "Medication",
                "id": "m",
                "code": {
                    "coding": [
                        {"system": NDC, "code": "00000-1111-22"},
                        {
                            "system": "http://www.nlm.nih.gov/research/umls/rxnorm",
                            "code": "99001",
                            "display": "Example",
                        },
                        {"system": "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "code": "J9999"},
                    ]
                },
                "batch": {"lotNumber": "L-1", "expirationDate": "2026-12"},
            }
        ],
        "medicationReference": {"reference": "#m"},
        "subject": SUBJECT,
        "effectivePeriod": {"start": "2026-01-05T09:00:00-06:00", "end": "2026-01-05T10:30:00-06:00"},
        "dosage": {
            "dose": {"value": 105.96, "unit": "milligram", "code": "mg"},
            "route": concept("47625008"),
            "rateRatio": {"numerator": {"value": 250, "unit": "mL"}, "denominator": {"value": 1, "unit": "h"}},
        },
        "request": {"reference": "MedicationRequest/mr1"},
    } | changes


def order(**changes: Any) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "id": "mr1",
        "status": "active",
        "identifier": [{"type": concept("PLAC", V2_0203), "value": "ORD-7"}, {"type": concept("FILL", V2_0203), "value": "RX-8"}],
        "subject": SUBJECT,
        "medicationCodeableConcept": {"text": "Example"},
        "requester": {"reference": "Practitioner/dr1"},
        "dosageInstruction": [
            {
                "timing": {"event": ["2026-01-05T09:00:00-06:00"]},
                "doseAndRate": [{"doseQuantity": {"value": 100, "code": "mg"}}],
            }
        ],
    } | changes  # fmt: skip


def charge(**changes: Any) -> Json:
    return {
        "resourceType": "ChargeItem",
        "id": "ci1",
        "status": "billable",
        "subject": SUBJECT,
        "code": concept("77336", CPT),
        "occurrenceDateTime": "2026-01-09T08:00:00-06:00",
        "quantity": {"value": 2},
        "priceOverride": {"value": 301.5, "currency": "USD"},
        "reason": [concept("C50412", "http://hl7.org/fhir/sid/icd-10-cm")],
    } | changes


def appointment(**changes: Any) -> Json:
    return {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "booked",
        "start": "2026-01-12T09:00:00-06:00",
        "end": "2026-01-12T09:20:00-06:00",
        "minutesDuration": 20,
        "serviceType": [concept("OTV", "urn:clinic:service")],
        "participant": [{"actor": {"reference": "Device/linac"}}, {"actor": SUBJECT}],
    } | changes


def note(**changes: Any) -> Json:
    return {
        "resourceType": "DocumentReference",
        "id": "doc1",
        "status": "current",
        "docStatus": "final",
        "type": concept("11506-3", "http://loinc.org"),
        "subject": SUBJECT,
        "date": "2026-01-05T10:00:00-06:00",
        "author": [{"reference": "Practitioner/dr1"}],
        "content": [{"attachment": {"url": "https://elsewhere.example/secret.pdf"}}],
    } | changes


# --- drugs ---------------------------------------------------------------------------------------------------


def test_a_dose_with_its_period_drug_and_order() -> None:
    found = event(bundle(patient(), dose(), order()), "administration")
    assert facts(found) == {
        "drug": "99001", "drug.system": "http://www.nlm.nih.gov/research/umls/rxnorm", "drug.name": "Example",
        "ndc": "00000-1111-22", "code": "J9999", "lot": "L-1", "expires": "2026-12-31", "dose": "105.96",
        "dose.unit": "mg", "rate": "250", "rate.unit": "mL", "rate.per": "h", "route": "47625008",
        "completion": "complete", "placer": "ORD-7", "filler_order": "RX-8",
    }  # fmt: skip
    assert found.end is not None
    assert (found.end - found.start).total_seconds() == 5400
    assert {"placer:ORD-7", "order:RX-8", "ref:ehr|MedicationAdministration/ma1"} <= set(found.keys)


@pytest.mark.parametrize(
    ("status", "expected", "completion"),
    [
        ("stopped", Status.DONE, "partial"),
        ("not-done", Status.NOT_DONE, "not-given"),
        ("unknown", Status.NOT_DONE, ""),
        ("entered-in-error", Status.WITHDRAWN, ""),
    ],
)
def test_what_became_of_a_dose(status: str, expected: Status, completion: str) -> None:
    given, later = event(dose(), "administration"), event(dose(status=status), "administration")
    assert (later.status, later.value("completion")) == (expected, completion)
    assert later.line == given.line, "a later report of the dose restates it"


def test_a_dose_without_a_day_or_an_end() -> None:
    assert [o.reason for o in omissions(dose(effectivePeriod=None))] == ["no-date"]
    assert [o.reason for o in omissions(dose(status="in-progress"))] == ["in-progress"]
    assert event(dose(effectivePeriod=None, effectiveDateTime="2026-01-05"), "administration").day == date(2026, 1, 5)


def test_a_dispense() -> None:
    found = event(
        {
            "resourceType": "MedicationDispense",
            "id": "md1",
            "status": "completed",
            "subject": SUBJECT,
            "medicationCodeableConcept": concept("00000-3333-44", NDC),
            "quantity": {"value": 30, "unit": "TAB"},
            "whenHandedOver": "2026-01-06",
        },
        "drug-dispense",
    )
    assert facts(found) == {
        "drug": "00000-3333-44", "drug.system": NDC, "ndc": "00000-3333-44", "dose": "30", "dose.unit": "TAB",
    }  # fmt: skip


# --- what is expected ----------------------------------------------------------------------------------------


def test_an_order_of_a_drug() -> None:
    found = event(bundle(patient(), doctor(), order()), "order")
    assert facts(found) == {
        "drug.name": "Example", "dose": "100", "dose.unit": "mg", "state": "new", "placer": "ORD-7", "label": "ORD-7",
        "filler_order": "RX-8", "ordered_by": facts(found)["ordered_by"], "scheduled": "2026-01-05T15:00:00+00:00",
    }  # fmt: skip
    assert found.keys[-2:] == ("placer:ORD-7", "order:RX-8")


@pytest.mark.parametrize(
    ("status", "state", "expected"),
    [
        ("active", "new", Status.DONE),
        ("on-hold", "held", Status.DONE),
        ("revoked", "cancelled", Status.NOT_DONE),
        ("stopped", "discontinued", Status.NOT_DONE),
        ("completed", "complete", Status.DONE),
        ("entered-in-error", "deleted", Status.WITHDRAWN),
        ("unknown", "", Status.DONE),
    ],
)
def test_an_order_of_a_service(status: str, state: str, expected: Status) -> None:
    request = {
        "resourceType": "ServiceRequest", "id": "sr1", "status": status, "intent": "order", "subject": SUBJECT,
        "code": concept("77334", CPT), "occurrenceDateTime": "2026-01-20",
    }  # fmt: skip
    found = event(request, "order")
    assert (found.value("state"), found.status, found.value("code")) == (state, expected, "77334")
    assert found.day == date(2026, 1, 20)
    assert [o.reason for o in omissions(request | {"status": "draft"})] == ["in-progress"]


def test_an_appointment_names_its_patient_among_the_participants() -> None:
    device = {
        "resourceType": "Device",
        "id": "linac",
        "deviceName": [{"name": "Machine 1", "type": "user-friendly-name"}],
    }
    found = event(bundle(patient(), device, appointment()), "appointment", dialect=SERVICES)
    assert facts(found) == {
        "state": "booked", "appointment": "a1", "local_code": "OTV", "expects": "on-treatment-visit", "minutes": "20",
        "machine": "Machine 1",
    }  # fmt: skip
    assert [o.reason for o in omissions(appointment(participant=[]))] == ["no-person"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("fulfilled", Status.DONE),
        ("noshow", Status.NOT_DONE),
        ("cancelled", Status.NOT_DONE),
        ("entered-in-error", Status.WITHDRAWN),
    ],
)
def test_what_became_of_an_appointment(status: str, expected: Status) -> None:
    assert event(appointment(status=status), "appointment").status is expected


# --- documents -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "signed"),
    [
        ({}, "true"),
        ({"docStatus": "amended"}, "true"),
        ({"docStatus": "preliminary"}, "false"),
        ({"docStatus": "preliminary", "authenticator": {"reference": "Practitioner/dr1"}}, "false"),
        ({"docStatus": None, "authenticator": {"reference": "Practitioner/dr1"}}, "true"),
        ({"docStatus": None}, ""),
    ],
)
def test_whether_a_document_is_signed(change: Json, signed: str) -> None:
    assert event(bundle(patient(), doctor(), note(**change)), "document").value("signed") == signed


def test_a_document_and_what_takes_it_back() -> None:
    found = event(
        bundle(patient(), doctor(), fraction(), note(context={"related": [{"reference": "Procedure/f4"}]})), "document"
    )
    told = facts(found)
    assert (told["document.type"], told["about"], told["availability"]) == ("11506-3", "Procedure/f4", "current")
    assert "elsewhere" not in str(found), "the address of the text is no fact"
    assert event(note(status="entered-in-error"), "document").status is Status.WITHDRAWN


# --- coded charges -------------------------------------------------------------------------------------------


def test_a_charge_item_without_context() -> None:
    found = event(charge(), "coded-charge")
    assert facts(found) == {"code": "77336", "units": "2", "amount": "301.5", "diagnosis": "C50.412"}
    assert (found.course, found.keys) == ("", ("ref:ehr|ChargeItem/ci1",))


def test_a_charge_item_with_context() -> None:
    body = bundle(
        patient(), visit(), course(), fraction(partOf=[{"reference": "Procedure/c1"}]),
        charge(context={"reference": "Encounter/v1"}, service=[{"reference": "Procedure/f4"}]),
    )  # fmt: skip
    found = event(body, "coded-charge")
    assert found.course == "C1"
    assert "uid:1.2.3.4" in found.keys, "it meets the session that it charges for"
    assert found.value("visit")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("aborted", Status.NOT_DONE),
        ("not-billable", Status.NOT_DONE),
        ("unknown", Status.NOT_DONE),
        ("entered-in-error", Status.WITHDRAWN),
    ],
)
def test_what_takes_a_charge_back(status: str, expected: Status) -> None:
    assert event(charge(status=status), "coded-charge").status is expected
    assert event(charge(status=status), "coded-charge").line == event(charge(), "coded-charge").line


def test_charges_that_are_none_here() -> None:
    assert [o.reason for o in omissions(charge(status="planned"))] == ["in-progress"]
    assert [o.reason for o in omissions(charge(status="billed"))] == ["not-a-charge"]
    assert [o.reason for o in omissions(charge(code={"text": "physics"}))] == ["unmapped"]
    assert [o.reason for o in omissions(charge(occurrenceDateTime=None))] == ["no-date"]
    local = event(charge(code=concept("PHYS", "urn:clinic:cdm")), "coded-charge")
    assert (local.value("code"), local.value("local_code")) == ("", "PHYS")


# --- Procedures of any EHR -----------------------------------------------------------------------------------

US_CORE: Json = {
    "resourceType": "Procedure", "id": "us1", "status": "completed", "subject": SUBJECT, "code": concept("77412", CPT),
    "performedDateTime": "2026-01-05T09:00:00-06:00",
}  # fmt: skip


def test_a_us_core_procedure_is_charged_only_where_the_site_says_so() -> None:
    assert [o.reason for o in omissions(US_CORE)] == ["other-procedure"]
    taken = replace(DIALECT, coded=frozenset({"ChargeItem", "Procedure"}))
    assert facts(event(US_CORE, "coded-charge", dialect=taken))["code"] == "77412"
    weeks = US_CORE | {"performedDateTime": None, "performedPeriod": {"start": "2026-01-05", "end": "2026-02-13"}}
    assert [o.reason for o in omissions(weeks, dialect=taken)] == ["course-long-procedure"]
    error = event(US_CORE | {"status": "entered-in-error"}, "coded-charge", dialect=taken)
    assert error.status is Status.WITHDRAWN


def test_a_procedure_of_the_clinic_s_own_code() -> None:
    mine = US_CORE | {"code": concept("SIMCT", "urn:clinic:activity")}
    found = event(mine, "simulation", dialect=SERVICES)
    assert (found.value("complexity"), found.value("activity")) == ("complex", "SIMCT")
    assert [o.reason for o in omissions(mine | {"performedDateTime": None}, dialect=SERVICES)] == ["no-date"]
    assert events(mine | {"status": "not-done"}, dialect=SERVICES)[0].status is Status.NOT_DONE


def test_the_method_of_a_dose_and_the_dose_that_it_is_a_part_of() -> None:
    given = dose()
    given["dosage"] = {**given["dosage"], "method": {"text": "push"}}
    first = event(given, "administration")
    assert first.value("method") == "push"
    assert "part:ehr|MedicationAdministration/ma1" in first.keys
    later = event(dose(id="ma2", partOf=[{"reference": "MedicationAdministration/ma1"}]), "administration")
    assert "part:ehr|MedicationAdministration/ma1" in later.keys
    inside = dose(id="ma2", partOf=[{"reference": "urn:uuid:7b6f7c0e-0000-4000-8000-000000000001"}])
    assert [k for k in event(inside, "administration").keys if k.startswith("part:")] == [
        "part:ehr|urn:uuid:7b6f7c0e-0000-4000-8000-000000000001"
    ]


@pytest.mark.parametrize(
    ("period", "times", "ended"),
    [
        ({"start": "2026-01-05T09:00:00-06:00", "end": "2026-01-05T10:00:00-06:00"}, "", True),
        ({"start": "2026-01-05T09:00:00-06:00"}, "", False),
        ({"start": "2026-01-05T09:00:00-06:00", "end": "2026-01-05T08:00:00-06:00"}, "unusable", False),
        ({"start": "2026-01-05T09:00:00-06:00", "end": "noon"}, "unusable", False),
        ({"start": "2026-01-05T09:00:00-06:00", "end": "2026-01-05"}, "", False),
        ({"start": "2026-01-05", "end": "2026-01-05T10:00:00-06:00"}, "date-only", False),
    ],
)
def test_times_of_a_dose_that_cannot_be_reckoned_with(period: dict[str, str], times: str, ended: bool) -> None:
    found = event(dose(effectivePeriod=period), "administration")
    assert (found.value("times"), found.end is not None) == (times, ended)
