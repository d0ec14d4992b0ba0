"""ADT and BAR: who the patient is, what insures them, which visit it is; and how a message names its person."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from adapters.hl7v2.capture import Refused, capture
from adapters.model.event import Event, Status, problems_of
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import Captured
from adapters.model.site import Feed
from adapters.rules.dialect import Dialect

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
FEED = Feed(
    "clinic",
    "hl7v2",
    "plain",
    "America/New_York",
    "main",
    person_system="urn:clinic:mrn",
    person_aliases={"CLINIC": "urn:clinic:mrn", "2.16.840.1.113883.19.9": "urn:county:mrn"},
)
PLAIN = Dialect("plain", "hl7v2", "t", "c")
PID = (
    "PID|1||MR900^^^CLINIC^MR||Quill^Petra^B^^^^A~Quill-Marsh^Petra^^^^^L||19610203|F|||9 Elm Row^Flat 2^Troy^NY^12180"
)


def pv1(**more: str) -> str:
    fields = {2: "O", 3: "RADONC^TX1^^MAIN", 7: "1999999901^Ardenne^Mira^^^^^^NPI", 19: "V77"}
    fields.update({int(name[1:]): value for name, value in more.items()})
    return "|".join(["PV1", "1", *(fields.get(n, "") for n in range(2, max(fields) + 1))])


PV1 = pv1()
IN1 = "IN1|1|MCRB^Medicare B^L|00450|Medicare||||G7||||20260101|20261231||||SPO|||||2||||||||||||||1ZZ9TE0XX41"


def adt(*segments: str, kind: str = "ADT^A08") -> bytes:
    head = (
        f"MSH|^~\\&|EPIC|MAIN|ONC|BILL|20260106080000||{kind}|C1|P|2.5.1",
        f"EVN|{kind[4:7]}|20260106075959",
    )
    return "\r".join((*head, *segments)).encode()


def read(*segments: str, kind: str = "ADT^A08", feed: Feed = FEED) -> Captured:
    found = capture(adt(*segments, kind=kind), feed=feed, dialect=PLAIN, message="m1", received=NOW)
    assert not isinstance(found, Refused), found
    (captured,) = found
    assert [problem for event in captured.events for problem in problems_of(event)] == []
    return captured


def of(captured: Captured, kind: str) -> Event:
    (event,) = (event for event in captured.events if event.kind == kind)
    return event


def told(captured: Captured) -> list[tuple[str, str]]:
    return [(omission.reason, omission.source.at) for omission in captured.omissions]


def values(event: Event) -> dict[str, str]:
    return {fact.name: fact.value for fact in event.facts}


def test_a_registration_gives_patient_visit_and_coverage() -> None:
    captured = read(PID, PV1, IN1)
    patient, visit, coverage = captured.events
    assert values(patient) == {
        "family": "Quill-Marsh",  # the legal name, not the alias before it
        "given": "Petra",
        "birth_date": "1961-02-03",
        "sex": "female",
        "address.line": "9 Elm Row",
        "address.city": "Troy",
        "address.state": "NY",
        "address.postal_code": "12180",
    }
    assert patient.facts[0].source.at == "PID-5[2].1"
    assert (patient.kind, patient.line) == ("patient", "clinic|patient")
    assert values(visit) == {"visit": "V77", "facility": "MAIN", "by": "1999999901"}
    assert (visit.kind, visit.line) == ("encounter", "clinic|visit|V77")
    assert values(coverage) == {
        "payer": "00450",
        "payer.name": "Medicare",
        "member": "1ZZ9TE0XX41",
        "group": "G7",
        "from": "2026-01-01",
        "to": "2026-12-31",
        "relationship": "spouse",
        "order": "2",
    }
    assert (coverage.kind, coverage.day) == ("coverage", date(2026, 1, 1))
    assert coverage.line == "clinic|coverage|00450|1ZZ9TE0XX41"
    assert {event.said for event in captured.events} == {datetime(2026, 1, 6, 13, tzinfo=UTC)}
    assert told(captured) == []


@pytest.mark.parametrize("trigger", ["A01", "A03", "A04", "A08", "A28", "A31"])
def test_which_registrations_state_people(trigger: str) -> None:
    assert of(read(PID, kind=f"ADT^{trigger}"), "patient").value("given") == "Petra"


def test_a_changed_end_restates_the_coverage_and_a_new_insurer_adds_one() -> None:
    before = of(read(PID, IN1), "coverage")
    corrected = of(read(PID, IN1.replace("20261231", "20260331")), "coverage")
    other = of(read(PID, IN1.replace("00450|Medicare", "60054|Aetna")), "coverage")
    assert corrected.line == before.line
    assert corrected.value("to") == "2026-03-31"
    assert other.line != before.line


def test_null_and_empty_give_no_fact_and_no_omission() -> None:
    captured = read('PID|1||MR900^^^CLINIC^MR||Quill^""||""|""|||""')
    assert values(of(captured, "patient")) == {"family": "Quill"}
    assert told(captured) == []


def test_what_cannot_be_read_is_named_and_the_rest_stands() -> None:
    captured = read(
        "PID|1||MR900^^^CLINIC^MR||Quill^Petra||1961|X",
        pv1(f44="20260105", f45="soon"),
        IN1.replace("20260101|20261231", "2026|20260231"),
    )
    assert values(of(captured, "patient")) == {"family": "Quill", "given": "Petra"}
    assert {"from", "to"}.isdisjoint(values(of(captured, "coverage")))
    assert told(captured) == [
        ("ill-formed-date", "PID-7"),
        ("unknown-value", "PID-8"),
        ("ill-formed-date", "PV1-45"),
        ("ill-formed-date", "IN1-12"),
        ("ill-formed-date", "IN1-13"),
    ]


def test_a_visit_has_its_admission_and_discharge() -> None:
    visit = of(read(PID, pv1(f44="202601050800", f45="202601051700"), kind="ADT^A03"), "encounter")
    assert visit.start == datetime(2026, 1, 5, 13, tzinfo=UTC)
    assert visit.end == datetime(2026, 1, 5, 22, tzinfo=UTC)
    assert visit.day == date(2026, 1, 5)


def test_the_member_number_may_stand_in_in2() -> None:
    short = "IN1|1|MCRB^Medicare B|00450|Medicare"
    captured = read(PID, short, "IN2|1|||||1ZZ9", "IN1|2|X|60054|Aetna", 'IN2|1|""')
    first, second = (event for event in captured.events if event.kind == "coverage")
    assert (first.value("member"), second.value("member")) == ("1ZZ9", "")
    assert [second.value("order"), second.line] == ["2", "clinic|coverage|60054|2"]
    assert told(captured) == [("not-used-yet", "IN2[2]")]


@pytest.mark.parametrize(
    ("said", "relationship"),
    [("SEL", "self"), ("18", "self"), ("CHD^Child", "child"), ("MTH", "parent"), ("EMP", "other"), ("", None)],
)
def test_relationship_to_the_subscriber(said: str, relationship: str | None) -> None:
    fact = of(read(PID, IN1.replace("|SPO|", f"|{said}|")), "coverage").fact("relationship")
    assert (fact and fact.value) == relationship


def test_insurance_without_a_payer_is_told() -> None:
    captured = read(PID, "IN1|1|||||||||||||||||||||||||||||||||||MEM1", 'IN1|2|""')
    assert [event.kind for event in captured.events] == ["patient"]
    assert told(captured) == [("ill-formed", "IN1"), ("context", "IN1[2]")]


@pytest.mark.parametrize(
    ("pid", "identifier"),
    [
        ("PID|1||MR900^^^CLINIC^MR", ("urn:clinic:mrn", "MR900")),
        ("PID|1||S1^^^SSA^SS~MR900^^^CLINIC^MR~MR901^^^CLINIC^MR", ("urn:clinic:mrn", "MR900")),
        ("PID|1||~C7^^^COUNTY&2.16.840.1.113883.19.9&ISO^PI", ("urn:county:mrn", "C7")),
        ("PID|1||C7^^^ELSEWHERE^MR", ("urn:clinic:mrn", "C7")),
        ("PID|1||MR900", ("urn:clinic:mrn", "MR900")),
        ("PID|1|MR900", ("urn:clinic:mrn", "MR900")),
    ],
)
def test_how_a_message_names_its_person(pid: str, identifier: tuple[str, str]) -> None:
    assert read(pid).person == PersonHint((Identifier(*identifier),))


def test_an_unknown_authority_is_its_own_where_the_feed_has_none() -> None:
    bare = replace(FEED, person_system="")
    assert read("PID|1||C7^^^ELSEWHERE^MR", feed=bare).person.identifiers[0].system == "ELSEWHERE"
    assert read("PID|1||C7", feed=bare).person.identifiers[0].system == "feed:clinic"


@pytest.mark.parametrize(
    ("kind", "segments", "expected"),
    [
        ("ADT^A17", (PID, PV1), [("not-used-yet", "MSH-9"), ("context", "PV1")]),
        ("VXU^V04", (PID, "RXA|0|1|202601050900"), [("not-used-yet", "MSH-9"), ("not-used-yet", "RXA")]),
        ("RAS^O17", (PID, "ORC|RE", "RXA|0|1|202601050900"), [("no-code", "RXA-5"), ("not-used-yet", "ORC")]),
        (
            "ORU^R01",
            (PID, "OBR|1", "OBX|1|NM|FX", "NTE|1", "ZDS|1"),
            [
                ("not-used-yet", "OBR"),
                ("not-used-yet", "OBX"),
                ("context", "NTE"),
                ("local-segment", "ZDS"),
            ],
        ),
        (
            "ADT^A08",
            (PID, "NK1|1", "GT1|1", "AL1|1"),
            [("context", "NK1"), ("not-used-yet", "GT1"), ("context", "AL1")],
        ),
    ],
)
def test_every_other_part_is_named(kind: str, segments: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    captured = read(*segments, kind=kind)
    assert told(captured) == expected
    assert captured.person.known


def test_what_was_not_read_says_its_type_and_no_content() -> None:
    assert read(PID, kind="ADT^A17").omissions[0].detail == "ADT^A17"
    assert read(PID, kind="XYZ^Petra Quill").omissions[0].detail == "XYZ"


@pytest.mark.parametrize("kind", ["ACK^A08", "QBP^Q22", "MFN^M02", "SIU^S12"])
def test_types_without_a_patient_concern_nobody(kind: str) -> None:
    captured = read("MSA|AA|C0", kind=kind)
    assert not captured.person.known
    assert told(captured) == [("context", "MSA")]


@pytest.mark.parametrize("kind", ["ADT^A08", "DFT^P03", "BAR^P05", "MDM^T02", "RAS^O17"])
@pytest.mark.parametrize(("segments", "where"), [((), "PID"), (("PID|1||^^^CLINIC^MR",), "PID")])
def test_a_message_about_a_patient_without_one_is_refused(kind: str, segments: tuple[str, ...], where: str) -> None:
    found = capture(adt(*segments, kind=kind), feed=FEED, dialect=PLAIN, message="m1", received=NOW)
    assert isinstance(found, Refused)
    assert [(problem.code, problem.where) for problem in found.problems] == [("no-patient", where)]


def test_a_cancelled_visit_restates_its_line_and_a_discharge_undone_opens_it_again() -> None:
    admitted = of(read(PID, PV1, kind="ADT^A01"), "encounter")
    discharged = of(read(PID, pv1(f45="202601051200"), kind="ADT^A03"), "encounter")
    undone = of(read(PID, pv1(f45="202601051200"), kind="ADT^A13"), "encounter")
    cancelled = of(read(PID, PV1, kind="ADT^A11"), "encounter")
    assert {e.line for e in (admitted, discharged, undone, cancelled)} == {"clinic|visit|V77"}
    assert discharged.end is not None
    assert undone.end is None
    assert [e.status for e in (admitted, discharged, undone)] == [Status.DONE] * 3
    assert cancelled.status is Status.WITHDRAWN


def test_a_registration_states_diagnoses_guarantor_and_authorization() -> None:
    captured = read(
        PID,
        PV1,
        "DG1|1||C61^^I10C",
        "GT1|1|G5|Quill^Aldo||4 Elm Row^^Troy^NY^12180|||19580101|||SPO",
        IN1,
        "IN3|1|PA77^^^X|||||||20260101|20260630",
    )
    assert of(captured, "encounter").values("diagnosis") == ("C61",)
    guarantor = values(of(captured, "guarantor"))
    assert (guarantor["family"], guarantor["relationship"], guarantor["birth_date"]) == (
        "Quill",
        "spouse",
        "1958-01-01",
    )
    authorization = of(captured, "authorization")
    assert values(authorization) == {
        "authorization": "PA77",
        "payer": "00450",
        "from": "2026-01-01",
        "to": "2026-06-30",
    }
    assert authorization.line == "clinic|authorization|PA77"
    assert told(captured) == []


def test_what_a_registration_leaves_out_names_the_line_that_mends_it() -> None:
    (omission,) = read(PID, pv1(f44="20261399")).omissions
    assert (omission.reason, omission.line) == ("ill-formed-date", "clinic|visit|V77")


def test_two_patients_in_one_message_keep_apart() -> None:
    other = "PID|2||MR950^^^CLINIC^MR||Okafor^Ines"
    found = capture(adt(PID, IN1, other, PV1), feed=FEED, dialect=PLAIN, message="m1", received=NOW)
    assert not isinstance(found, Refused)
    first, second = found
    assert [c.person.identifiers[0].value for c in found] == ["MR900", "MR950"]
    assert [event.kind for event in first.events] == ["patient", "coverage"]
    assert [event.kind for event in second.events] == ["patient", "encounter"]
    assert second.events[0].facts[0].source.at == "PID[2]-5.1"
    assert all(event.status is Status.DONE for c in found for event in c.events)


@pytest.mark.parametrize(
    ("acc", "expected", "at"),
    [
        ("ACC|20260101|||NY|Y", "work", "ACC-5"),
        ("ACC|20260101||here|NY|N", "auto", "ACC-4"),
        ("ACC||FALL^at home", "other", "ACC-2"),
        ("ACC|20260101", "other", "ACC-1"),
        ('ACC|||""|""|N', "", ""),
        ("ACC", "", ""),
    ],
)
def test_a_visit_says_that_it_is_for_an_accident(acc: str, expected: str, at: str) -> None:
    event = of(read(PID, PV1, acc), "encounter")
    fact = event.fact("accident")
    assert (fact.value if fact else "", fact.source.at.partition("[")[0] if fact else "") == (expected, at)
