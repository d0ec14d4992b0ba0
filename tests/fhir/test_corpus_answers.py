"""Every public sample gets a defined answer, printed as a table; the courses of fractions end in the charges they imply."""

from __future__ import annotations

import json
import os
import pathlib
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.fhir.capture import REASONS, capture
from adapters.fhir.problem import Refused
from adapters.model.claim import ClaimState
from adapters.model.event import Status
from adapters.model.record import Captured, ChargeStatus, PersonRecord, Reading, Tick
from adapters.model.site import Site
from adapters.pipeline import House, step
from adapters.pipeline.receive import receive_fhir
from tests.model import clinic

NOW = datetime(2021, 10, 20, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def corpus() -> pathlib.Path:
    beside = pathlib.Path(__file__).resolve().parents[2].parent / "shared"
    found = pathlib.Path(os.environ.get("ONCOCLAIMS_SHARED", beside)) / "corpus" / "fhir"
    if not found.is_dir():
        pytest.skip("NO SAMPLE RESOURCES: set ONCOCLAIMS_SHARED to the folder that holds corpus/fhir")
    return found


def site() -> Site:
    """The clinic of the tests with the payers of the samples."""
    plain = clinic.site("freestanding")
    named = {"first": ("Payer A",), "second": ("Payer B",)}
    return replace(plain, payers=tuple(replace(payer, aliases=named[payer.id]) for payer in plain.payers))


def read(body: bytes, message: str = "m") -> tuple[Captured, ...]:
    feed = site().feed("ehr")
    assert feed is not None
    dialect = clinic.rules().dialect("codex-rt")
    zone = ZoneInfo("America/Chicago")
    found = capture(body, feed=feed, dialect=dialect, message=message, received=NOW, zone=zone)
    assert not isinstance(found, Refused)
    return found


def test_every_sample_has_a_defined_answer(corpus: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for path in sorted(corpus.rglob("*.json")):
        body = path.read_bytes()
        intake = receive_fhir(body, feed="ehr", path_type="", method="POST", now=NOW)
        found = read(body)
        gives = Counter(
            e.kind if e.status is Status.DONE else f"{e.kind} {e.status}" for captured in found for e in captured.events
        )
        leaves = Counter(o.reason for captured in found for o in captured.omissions)
        assert intake.receipt is not None, path.name
        assert set(leaves) <= set(REASONS), path.name
        assert gives or leaves or b'"entry"' not in body, path.name
        rows.append((f"{path.parent.name}/{path.name}", str(intake.status), _told(gives), _told(leaves)))
    with capsys.disabled():
        print(f"\nAnswers to {len(rows)} samples: resource · HTTP status · events · left out, and why")
        for row in rows:
            print("  " + " · ".join(cell or "none" for cell in row))
    assert len(rows) >= 150


def _told(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" if n > 1 else name for name, n in sorted(counted.items()))


IMRT = "G6015"
"""What the clinic of the tests bills for IMRT before 2026."""


@pytest.mark.parametrize(
    ("name", "sessions"),
    [
        ("rt-dev-1-imrt-2fx-clean.json", [("2021-09-06", "first"), ("2021-09-07", "first")]),
        # Five sessions, one without a fraction (8 September); one fraction sent twice.
        (
            "rt-dev-2-imrt-4fx-5sessions-resend.json",
            [(f"2021-09-{day}", "first") for day in ("06", "07", "09", "10")],
        ),
        # Not done on the 22nd, stopped in part on the 23rd, another payer from the 22nd.
        (
            "rt-dev-3-vmat-notdone-partial-coverage-change.json",
            [
                ("2021-09-20", "first"),
                ("2021-09-21", "first"),
                ("2021-09-23", "second"),
                ("2021-09-24", "second"),
                ("2021-09-27", "second"),
            ],
        ),
    ],
)
def test_the_courses_end_in_the_charges_they_imply(
    corpus: pathlib.Path, name: str, sessions: list[tuple[str, str]]
) -> None:
    (captured,) = read((corpus / "derived-rt-fractions" / name).read_bytes())
    house = House.of(clinic.rules(), site())
    record = step(PersonRecord("p"), [Reading("m", NOW, captured=captured)], house, Tick(NOW, NOW.date()))
    billed = [c.charge for c in record.charges]
    delivered = sorted((c.start.isoformat(), (c.coverage or "").partition("|")[0]) for c in billed if c.code == IMRT)
    assert delivered == sessions
    assert {c.units for c in billed} == {1}
    assert all(c.diagnoses for c in billed)
    # Image guidance and management wait for what FHIR does not tell: the review, and the physician's examination.
    assert {c.code for c in billed} <= {IMRT, "77336", "77014"}
    assert {h.slot.service for h in record.holds} <= {"guidance", "management"}


NOBODYS = {"Practitioner", "Location", "Organization"}
"""Types that concern no person: they come with what names them."""


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "name",
    [
        "rt-dev-1-imrt-2fx-clean.json",
        "rt-dev-2-imrt-4fx-5sessions-resend.json",
        "rt-dev-3-vmat-notdone-partial-coverage-change.json",
    ],
)
def test_the_courses_in_single_resources_end_in_the_same_charges(corpus: pathlib.Path, name: str, seed: int) -> None:
    whole = json.loads((corpus / "derived-rt-fractions" / name).read_bytes())
    beside = [entry for entry in whole["entry"] if entry["resource"]["resourceType"] in NOBODYS]
    bodies = [{**whole, "entry": [entry, *beside]} for entry in whole["entry"] if entry not in beside]
    Random(seed).shuffle(bodies)
    assert charged(bodies) == charged([whole])


def charged(bodies: list[dict[str, Any]]) -> tuple[object, ...]:
    """Charges, holds and what stands on claims, of these messages worked one by one."""
    house = House.of(clinic.rules(), site())
    record = PersonRecord("p")
    for n, body in enumerate(bodies):
        for captured in read(json.dumps(body).encode(), f"m{n}"):
            record = step(record, [Reading(f"m{n}", NOW, captured=captured)], house, Tick(NOW, NOW.date()))
    charges = sorted((c.charge for c in record.charges if c.status is not ChargeStatus.VOID), key=lambda c: c.slot)
    holds = sorted((h.slot, h.code) for h in record.holds)
    return charges, holds, sorted(len(c.claim.lines) for c in record.claims if c.state is not ClaimState.ABANDONED)
