"""Every public sample at hand is captured or answered without an exception, each entry accounted for.

The samples are other people's and stay where they are; these tests read them when they lie beside the checkout.
"""

from __future__ import annotations

import os
import pathlib
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.fhir import check, wire
from adapters.fhir.capture import REASONS, capture
from adapters.fhir.problem import Refused
from adapters.fhir.response import read_answers
from adapters.model.event import Status, problems_of
from adapters.model.record import Captured
from adapters.model.remittance import Decision, Remittance, Unread
from adapters.model.site import Feed
from adapters.rules.dialect import Dialect

FEED = Feed("ehr", "fhir", "codex-rt", "America/Chicago", "main", person_system="CLINIC")


DIALECT = Dialect("codex-rt", "fhir", "samples", "corpus/fhir")


@pytest.fixture(scope="module")
def corpus() -> pathlib.Path:
    beside = pathlib.Path(__file__).resolve().parents[2].parent / "shared"
    found = pathlib.Path(os.environ.get("ONCOCLAIMS_SHARED", beside)) / "corpus" / "fhir"
    if not found.is_dir():
        pytest.skip("NO SAMPLE RESOURCES: set ONCOCLAIMS_SHARED to the folder that holds corpus/fhir")
    return found


def read(path: pathlib.Path) -> tuple[Captured, ...]:
    found = capture(
        path.read_bytes(),
        feed=FEED,
        dialect=DIALECT,
        message="m",
        received=datetime(2026, 1, 5, tzinfo=UTC),
        zone=ZoneInfo("America/Chicago"),
    )
    assert not isinstance(found, Refused), path.name
    return found


def resources(value: Any, at: str = "") -> list[str]:
    """The places of all resources of a body, as the capture names them."""
    if value.get("resourceType") != "Bundle":
        kind = value["resourceType"]
        return [f"{at} ({kind})" if at else kind]
    entries = enumerate(value.get("entry", []))
    return [place for i, e in entries for place in resources(e["resource"], f"{at or 'Bundle'}.entry[{i}].resource")]


def test_every_sample_is_captured_with_every_entry_accounted_for(corpus: pathlib.Path) -> None:
    files = sorted(corpus.rglob("*.json"))
    assert files
    for path in files:
        body = wire.resource(path.read_bytes())
        assert isinstance(body, dict), path.name
        found = read(path)
        told = {e.source.at for c in found for e in c.events} | {o.source.at for c in found for o in c.omissions}
        assert set(resources(body)) <= told, path.name
        for captured in found:
            assert not [p for e in captured.events for p in problems_of(e)], path.name
            assert {o.reason for o in captured.omissions} <= set(REASONS), path.name
        assert wire.loads(wire.dumps(body)) == body, path.name


@pytest.mark.parametrize(
    ("name", "done", "not_done"),
    [
        ("rt-dev-1-imrt-2fx-clean.json", 2, 0),
        # Five reports, one of them a resend of the fourth: one line and one session the fewer.
        ("rt-dev-2-imrt-4fx-5sessions-resend.json", 4, 0),
        ("rt-dev-3-vmat-notdone-partial-coverage-change.json", 5, 1),
    ],
)
def test_the_courses_of_fractions(corpus: pathlib.Path, name: str, done: int, not_done: int) -> None:
    fractions = {
        e.line: e for c in read(corpus / "derived-rt-fractions" / name) for e in c.events if e.kind == "fraction"
    }
    counted = [e.status for e in fractions.values()]
    assert (counted.count(Status.DONE), counted.count(Status.NOT_DONE)) == (done, not_done)
    assert {e.value("technique") for e in fractions.values()} == {"imrt"}
    assert all(e.course and e.values("diagnosis") and e.value("uid") for e in fractions.values())


def test_synthetic_courses_give_no_fraction(corpus: pathlib.Path) -> None:
    for path in sorted((corpus / "pysynthea-1.5.0").glob("*.json")):
        assert not [e for c in read(path) for e in c.events if e.kind == "fraction"], path.name


def test_every_answer_is_read_or_unread_with_reasons(corpus: pathlib.Path) -> None:
    seen = 0
    for path in sorted(corpus.rglob("*.json")):
        for found in read_answers(path.read_bytes(), message="m"):
            assert found.reasons if isinstance(found, Unread) else found.id, path.name
            seen += isinstance(found, Remittance)
    assert seen >= 5


def test_the_answers_made_for_us(corpus: pathlib.Path) -> None:
    def answer(name: str) -> Remittance:
        (found,) = read_answers((corpus / "derived-rcm" / name).read_bytes(), message="m")
        assert isinstance(found, Remittance)
        return found

    paid, partial = answer("cr-prof-1-paid.json"), answer("cr-inst-1-partial.json")
    for found in (paid, partial):
        assert found.decision is Decision.ADJUDICATED
        for line in found.lines:
            assert line.charge == line.paid + sum(a.amount for a in line.adjustments)
        assert found.paid == sum(line.paid for line in found.lines)
        assert found.charge == sum(line.charge for line in found.lines)
    assert partial.lines[2].adjustments[0].remarks == ("M15",)
    assert answer("cr-queued.json").decision is Decision.PENDED
    assert answer("cr-error.json").decision is Decision.REFUSED


def test_the_claims_made_for_us_pass(corpus: pathlib.Path) -> None:
    for name in ("claim-prof-1.json", "claim-inst-1.json"):
        claim = wire.resource((corpus / "derived-rcm" / name).read_bytes())
        assert isinstance(claim, dict)
        assert check.problems(claim) == ()
