"""Sessions from the versions of a summary, what a course came to, and the traps of the guide's own examples."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from adapters.charges import assemble
from adapters.fhir import codex
from adapters.model.event import Event, Status
from tests.fhir.said import DIALECT, Json, course, event, events, fraction, omissions, phase, procedure, treated

BY_PHASE = replace(DIALECT, sessions_from="phase")
MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-radiotherapy-"


def version(count: int, day: int, **changes: Any) -> Json:
    """A phase as it stands after so many fractions, the last of them on that day of January."""
    return (
        phase(
            extension=[treated("1156506007", "441799006"), {"url": codex.DELIVERED, "valueUnsignedInt": count}],
            status="in-progress",
            meta={"versionId": str(day), "lastUpdated": f"2026-01-{day:02}T12:00:00-06:00"},
            performedPeriod={"start": "2026-01-05T09:00:00-06:00", "end": f"2026-01-{day:02}T09:10:00-06:00"},
            partOf=[],
        )
        | changes
    )


def sessions(*versions: Json, shuffle: int = 0) -> list[tuple[str, str, Status]]:
    """(number, day, status) of the sessions that the versions come to, each sent in a message of its own."""
    said: list[Event] = []
    for n, one in enumerate(versions):
        said += events(one, message=f"m{n}", dialect=BY_PHASE)
    random.Random(shuffle).shuffle(said)
    found = [o for episode in assemble("p", said).episodes for o in episode.occurrences if o.kind == "fraction"]
    return sorted((o.value("n"), o.day.isoformat(), o.status) for o in found)


def test_the_difference_of_versions_gives_the_sessions() -> None:
    told = [version(1, 5), version(2, 6), version(2, 6, status="on-hold"), version(3, 8, status="completed")]
    for seed in range(5):
        assert sessions(*told, shuffle=seed) == [
            ("1", "2026-01-05", Status.DONE),
            ("2", "2026-01-06", Status.DONE),
            ("3", "2026-01-08", Status.DONE),
        ]
    found = event(version(2, 6), "fraction", dialect=BY_PHASE)
    assert (found.value("technique"), found.value("phase"), found.value("uid")) == ("imrt", "Tangents", "")


def test_a_count_that_sinks_takes_back_what_is_above_it() -> None:
    five = [version(n, 4 + n) for n in range(1, 6)]
    down = version(3, 7, meta={"lastUpdated": "2026-01-12T12:00:00-06:00"})
    for seed in range(5):
        assert [status for _, _, status in sessions(*five, down, shuffle=seed)] == [
            *[Status.DONE] * 3,
            *[Status.WITHDRAWN] * 2,
        ]


@pytest.mark.parametrize("status", ["entered-in-error", "not-done"])
def test_a_summary_that_is_taken_back_takes_all_back(status: str) -> None:
    gone = version(2, 6, status=status, meta={"lastUpdated": "2026-01-12T12:00:00-06:00"})
    assert {s for _, _, s in sessions(version(1, 5), version(2, 6), gone)} == {Status.WITHDRAWN}


def test_a_stopped_phase_is_billable() -> None:
    assert sessions(version(1, 5), version(2, 6, status="stopped"))[1][2] is Status.DONE


def test_by_summaries_no_fraction_is_a_session_and_without_a_day_there_is_none() -> None:
    assert [o.reason for o in omissions(fraction(), dialect=BY_PHASE)] == ["not-used-yet"]
    told = version(2, 6, performedPeriod={"start": "2026-01-05"})
    assert [o.reason for o in omissions(told, dialect=BY_PHASE)] == ["no-date"]
    assert sessions(version(0, 5)) == []


def test_by_fractions_a_summary_is_no_session() -> None:
    assert [e.kind for e in events(version(2, 6))] == ["phase"]
    assert event(version(2, 6), "phase").value("fractions") == "2"


def volume(fractions: int, dose: int) -> Json:
    return {
        "url": codex.DOSE_TO_VOLUME,
        "extension": [
            {"valueUnsignedInt": fractions, "url": "fractionsDelivered"},
            {"valueQuantity": {"value": dose, "code": "cGy"}, "url": "totalDoseDelivered"},
        ],
    }


def test_volumes_are_not_added_up_and_sessions_are_not_fractions() -> None:
    sessions_ = {"url": codex.SESSIONS, "valueUnsignedInt": 9}
    three = event(course(extension=[sessions_, volume(3, 600), volume(7, 1400), volume(3, 600)]), "course-summary")
    assert (three.value("fractions"), three.value("delivered_dose")) == ("7", "")
    one = event(course(extension=[sessions_, volume(4, 800)]), "course-summary")
    assert (one.value("fractions"), one.value("delivered_dose"), one.value("delivered_dose.unit")) == (
        "4",
        "800",
        "cGy",
    )
    assert (one.value("first"), one.value("last"), one.course) == ("2025-12-29", "2026-01-08", "C1")
    assert not [e for e in events(course()) if e.kind == "course-summary"]


@pytest.mark.parametrize("category", ["1287742003", "108290001"])
def test_either_category_is_radiotherapy(category: str) -> None:
    told = {"coding": [{"system": "http://snomed.info/sct", "code": category}]}
    assert event(fraction(category=told), "fraction").value("n") == "4"


def test_the_official_identifier_is_the_line_whatever_the_id_and_the_usual_one() -> None:
    first = event(fraction(), "fraction")
    again = event(fraction(id="other"), "fraction")
    assert first.line == again.line == "ehr|urn:dicom:uid|urn:oid:1.2.3.4"
    same_label = event(procedure("1297069006", "f9", "4", "1.2.3.9"), "fraction")
    assert same_label.line != first.line
