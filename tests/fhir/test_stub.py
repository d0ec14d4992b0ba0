"""Against the stub, which imports nothing of ours: its Bundles are captured, it takes our claims, its answers are read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from adapters.fhir import wire
from adapters.fhir.capture import capture
from adapters.fhir.claim import document
from adapters.fhir.problem import Refused
from adapters.fhir.response import read_answer
from adapters.model.claim import Claim, ClaimLine, ClaimType, Party
from adapters.model.event import Status
from adapters.model.remittance import Decision, Remittance
from adapters.model.site import Feed, PayerEndpoint
from adapters.rules.dialect import Dialect
from fhir_server_stub.payer import Stub
from fhir_server_stub.story import make_story

NOW = datetime(2026, 1, 20, 15, tzinfo=UTC)
LINE = ClaimLine(
    1, ("a",), "77427", ("26",), 1, date(2026, 1, 5), date(2026, 1, 9), 27550, (1,), "professional", place="22"
)
CLAIM = Claim(
    id="C-1",
    type=ClaimType.PROFESSIONAL,
    person="lane",
    patient_identifier="77120",
    entity=Party("physicians", "Lake Radiation Physicians", "1999999984", "361234567"),
    payer=Party("oak", "Oak Mutual"),
    coverage="c",
    member="M-1",
    lines=(
        LINE,
        replace(LINE, line=2, code="77263", start=date(2026, 1, 5), end=date(2026, 1, 5), units=2, amount=90001 * 2),
    ),
    diagnoses=("C61",),
    built_on=date(2026, 1, 9),
    facility=Party("main", "Lake Cancer Center"),
    family="Sorrel",
    birth_date=date(1958, 3, 2),
)


DIALECT = Dialect(
    "codex-rt", "fhir", "a clinic", "made up",
    encounter_types={"urn:clinic:encounter-type|OTV": "on-treatment-visit"},
)  # fmt: skip
EXTENSIONS = {"urn:clinic:isocenters": "isocenters", "urn:clinic:motion-documented": "motion.documented"}


@pytest.mark.parametrize("seed", [None, *range(20)])
def test_every_bundle_of_a_course_is_captured_whole(seed: int | None) -> None:
    story = make_story(seed)
    feed = Feed("ehr", "fhir", "codex-rt", "America/Chicago", "main", person_system="CLINIC")
    for sent in story.messages:
        if sent.channel != "fhir":
            continue
        body = sent.body if isinstance(sent.body, bytes) else wire.dumps(sent.body)
        found = capture(
            body,
            feed=feed,
            dialect=DIALECT,
            message="m",
            received=NOW,
            zone=ZoneInfo("America/Chicago"),
            extensions=EXTENSIONS,
        )
        assert not isinstance(found, Refused)
        (captured,) = found
        assert captured.omissions == ()
        assert [i.value for i in captured.person.identifiers] == [story.patient.mrn]
        named = {
            e.value("uid") or e.value("visit"): e
            for e in captured.events
            if e.kind in ("fraction", "on-treatment-visit")
        }
        assert set(sent.about) <= set(named)
        for event in named.values():
            assert event.values("diagnosis") == (story.diagnosis,)
            if event.kind == "fraction":
                assert event.course == story.course
                assert event.value("isocenters")
                assert event.day in {d.day for d in story.delivered} or event.status is Status.WITHDRAWN


def answered(stub: Stub, claim: Claim, profile: PayerEndpoint) -> Remittance:
    answer = stub.submit(wire.loads(wire.dumps(document(claim, profile=profile, created=NOW))))
    assert answer.status in (200, 201), answer
    assert isinstance(answer.body, dict)
    found = read_answer(wire.dumps(answer.body), message="m")
    assert isinstance(found, Remittance)
    return found


@pytest.mark.parametrize("body", ["claim", "bundle"])
def test_a_claim_there_and_back(body: str) -> None:
    stub = Stub(now=lambda: NOW)
    found = answered(stub, CLAIM, PayerEndpoint(body=body))
    assert found.decision is Decision.ADJUDICATED
    assert (found.claim, found.patient, found.charge) == ("C-1", "77120", CLAIM.total)
    assert [line.charge for line in found.lines] == [line.amount for line in CLAIM.lines]
    for line in found.lines:
        assert line.charge == line.paid + sum(a.amount for a in line.adjustments)
    assert found.paid == sum(line.paid for line in found.lines) > 0


def test_a_replacement_and_a_void_name_the_claim_before() -> None:
    stub = Stub(now=lambda: NOW)
    first = answered(stub, CLAIM, PayerEndpoint())
    changed = replace(
        CLAIM,
        id="C-2",
        frequency="7",
        replaces="C-1",
        payer_claim_number=first.payer_claim_number,
        lines=CLAIM.lines[:1],
    )
    second = answered(stub, changed, PayerEndpoint())
    assert second.paid == second.lines[0].paid
    gone = replace(changed, id="C-3", frequency="8", replaces="C-2", payer_claim_number=second.payer_claim_number)
    void = answered(stub, gone, PayerEndpoint())
    assert (void.decision, void.lines, void.paid) == (Decision.ADJUDICATED, (), 0)


def test_a_faulty_claim_is_refused_with_every_fault() -> None:
    made = document(CLAIM, profile=PayerEndpoint(), created=NOW)
    broken = {key: value for key, value in made.items() if key not in ("total", "insurer")}
    answer = Stub(now=lambda: NOW).submit(wire.loads(wire.dumps(broken)))
    assert answer.status == 400
    assert isinstance(answer.body, dict)
    found = read_answer(wire.dumps(answer.body), message="m")
    assert isinstance(found, Remittance)
    assert found.decision is Decision.REFUSED
    assert len(found.errors) == 2
