"""CoverageEligibilityResponse: each insurance that it says is in force or not is an answer about its day."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.model.event import Status
from tests.fhir.said import Json, bundle, events, facts, omissions

PLAN = {
    "resourceType": "Coverage",
    "id": "cov1",
    "status": "active",
    "beneficiary": {"reference": "Patient/p1"},
    "subscriberId": "VA-1",
    "payor": [{"display": "Vista Advantage"}],
}


def told(**changes: Any) -> Json:
    return {
        "resourceType": "CoverageEligibilityResponse",
        "id": "e1",
        "status": "active",
        "purpose": ["validation"],
        "patient": {"reference": "Patient/p1"},
        "servicedDate": "2026-04-13",
        "created": "2026-04-14",
        "outcome": "complete",
        "insurer": {"display": "Vista Advantage HMO"},
        "insurance": [{"coverage": {"reference": "Coverage/cov1"}, "inforce": False}],
        **changes,
    }


def test_an_insurance_that_is_not_in_force_is_an_answer_about_the_day_served() -> None:
    (event,) = [e for e in events(bundle(told(), PLAN)) if e.kind == "eligibility"]
    assert facts(event) == {"from": "2026-04-13", "active": "false", "payer": "Vista Advantage",
                            "payer.name": "Vista Advantage", "member": "VA-1"}  # fmt: skip
    assert event.status is Status.DONE


def test_a_plan_that_the_message_does_not_hold_is_known_by_its_insurer_and_its_number() -> None:
    logical = [{"coverage": {"identifier": {"value": "VA-9"}}, "inforce": True}]
    (event,) = events(bundle(told(insurance=logical)))
    assert facts(event) == {"from": "2026-04-13", "active": "true", "payer": "Vista Advantage HMO",
                            "payer.name": "Vista Advantage HMO", "member": "VA-9"}  # fmt: skip


def test_two_insurances_are_two_answers() -> None:
    both = [
        {"coverage": {"reference": "Coverage/cov1"}, "inforce": True},
        {"coverage": {"identifier": {"value": "B-2"}}, "inforce": False},
    ]
    found = [e for e in events(bundle(told(insurance=both), PLAN)) if e.kind == "eligibility"]
    assert len({e.id for e in found}) == len({e.line for e in found}) == 2
    assert sorted((facts(e)["member"], facts(e)["active"]) for e in found) == [("B-2", "false"), ("VA-1", "true")]


def test_without_a_day_served_it_is_about_the_day_on_which_it_was_made() -> None:
    answer = told()
    del answer["servicedDate"]
    (event,) = [e for e in events(bundle(answer, PLAN)) if e.kind == "eligibility"]
    assert facts(event)["from"] == "2026-04-14"


def test_an_answer_that_was_entered_in_error_is_withdrawn() -> None:
    (event,) = [e for e in events(bundle(told(status="entered-in-error"), PLAN)) if e.kind == "eligibility"]
    assert event.status is Status.WITHDRAWN


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "queued"},
        {"outcome": "error"},
        {"status": "draft"},
        {"insurance": [{"coverage": {}}]},
        {"insurance": []},
    ],
)
def test_what_says_nothing_gives_nothing_and_is_told(changes: Json) -> None:
    message = bundle(told(**changes))
    assert [e for e in events(message) if e.kind == "eligibility"] == []
    assert "in-progress" in {o.reason for o in omissions(message)}
