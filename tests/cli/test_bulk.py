"""NDJSON: any order, any number of lines, begun again after a break, a bad line beside good ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.cli import bulk

pytestmark = pytest.mark.system


def patient(n: int) -> str:
    return json.dumps(
        {"resourceType": "Patient", "id": f"p{n}", "identifier": [{"system": "urn:plover:mrn", "value": f"PB-{n}"}]}
    )


def encounter(n: int) -> str:
    return json.dumps(
        {
            "resourceType": "Encounter",
            "id": f"e{n}",
            "status": "finished",
            "subject": {"reference": f"Patient/p{n}"},
            "period": {"start": "2026-01-05T09:00:00Z"},
        }
    )


def test_more_lines_than_are_on_their_way_at_once(clinic: Any) -> None:
    count = bulk.WINDOW + 40
    # What is about a person stands before the person.
    lines = [encounter(n) for n in range(count)] + [patient(n) for n in range(count)]
    clinic.file("all.ndjson", "\n".join(lines) + "\n")
    rows = clinic("ingest", "all.ndjson", "--json").rows()
    assert [row["message"] for row in rows] == list(range(1, 2 * count + 1))
    assert {row["outcome"] for row in rows} == {"accepted"}
    again = clinic("ingest", "all.ndjson", "--json")
    assert (again.code, {row["outcome"] for row in again.rows()}) == (0, {"duplicate"})


def test_an_import_that_was_broken_off_is_begun_again(clinic: Any) -> None:
    whole = [patient(n) for n in range(9)]
    clinic.file("part.ndjson", "\n".join(whole[:4]))
    clinic("ingest", "part.ndjson")
    clinic.file("whole.ndjson", "\r\n".join(whole))
    rows = clinic("ingest", "whole.ndjson", "--json").rows()
    assert [row["outcome"] for row in rows] == ["duplicate"] * 4 + ["accepted"] * 5


def test_a_bad_line_stops_nothing(clinic: Any) -> None:
    clinic.file("odd.ndjson", f"{patient(1)}\n{{not json\n\n{patient(2)}")
    ran = clinic("ingest", "odd.ndjson", "--json")
    assert ran.code == 1
    assert [(row["message"], row["outcome"], row["why"]) for row in ran.rows()] == [
        (1, "accepted", None),
        (2, "parked", "not-json"),
        (3, "accepted", None),
    ]
