"""Which charges make which claim, and when it is time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.claims import Patient, cycle_of, drafts
from adapters.claims.build import DIAGNOSES, LINES, portions
from adapters.claims.group import entity_of
from adapters.model.charge import Hold
from adapters.model.claim import ClaimOnFile, ClaimState, ClaimType
from adapters.model.people import Demographics
from adapters.model.record import ChargeOnFile, ChargeStatus
from adapters.pipeline import House
from tests.model.clinic import (
    background,
    contexts,
    exam,
    fraction,
    house,
    insured,
    report,
    screened,
    sessions,
    site,
)

PATIENT = Patient("p1", "R-1", Demographics("Quill", "Ada", date(1950, 2, 3), "female"))
CENTER = house("freestanding")
FAR = date(2027, 1, 1)


@pytest.mark.parametrize(
    ("day", "length", "last"),
    [
        ("2026-01-05", "day", "2026-01-05"),
        ("2026-01-05", "week", "2026-01-11"),
        ("2026-01-11", "week", "2026-01-11"),
        ("2025-12-29", "week", "2025-12-31"),
        ("2026-01-01", "week", "2026-01-04"),
        ("2026-02-03", "month", "2026-02-28"),
        ("2024-02-29", "month", "2024-02-29"),
        ("2025-12-31", "month", "2025-12-31"),
    ],
)
def test_a_cycle_ends_on_its_last_day_and_never_after_new_year(day: str, length: str, last: str) -> None:
    assert cycle_of(date.fromisoformat(day), length)[1] == date.fromisoformat(last)


@given(st.dates(date(2015, 1, 1), date(2045, 1, 1)), st.sampled_from(["day", "week", "month"]))
def test_a_cycle_holds_its_day_and_one_year_only(day: date, length: str) -> None:
    name, last = cycle_of(day, length)
    assert day <= last
    assert last.year == day.year
    assert (last - day).days < {"day": 1, "week": 7, "month": 31}[length]
    assert cycle_of(last, length) == (name, last)
    assert cycle_of(last + timedelta(days=1), length)[0] != name


def on_file(events: list[object], at: House = CENTER) -> tuple[tuple[ChargeOnFile, ...], tuple[Hold, ...]]:
    outcomes = screened(events, at)  # type: ignore[arg-type]
    return tuple(ChargeOnFile(f"id-{i:03}", c) for i, c in enumerate(outcomes.charges)), outcomes.holds


def drafted(
    events: list[object],
    at: House = CENTER,
    today: date = FAR,
    claims: tuple[ClaimOnFile, ...] = (),
    context: list[object] | None = None,
) -> list[tuple[str, list[str], str]]:
    """(cycle, codes, hold) of the claims that are due."""
    charges, holds = on_file(events, at)
    known = contexts(at, background() if context is None else context)  # type: ignore[arg-type]
    grouping = drafts(PATIENT, charges, holds, claims, known.coverages, known, today)
    return [(d.claim.cycle, [line.code for line in d.claim.lines], d.hold) for d in grouping.drafts]


def test_a_claim_is_of_one_entity_one_coverage_and_one_cycle() -> None:
    week = sessions(
        "2025-12-29", 5, technique="imrt", guidance="cbct", guidance__reviewed_at="2025-12-29T10:00:00-05:00"
    )
    at = house("hospital")
    charges, holds = on_file([*week, exam("2025-12-30T10:00")], at)
    known = contexts(at, background())
    found = drafts(PATIENT, charges, holds, (), known.coverages, known, FAR).drafts
    assert len(found) == 4
    for draft in found:
        claim = draft.claim
        lines = [c for c in charges if c.id in {i for line in claim.lines for i in line.charges}]
        assert {c.charge.entity for c in lines} == {claim.entity.id}
        assert {c.charge.coverage for c in lines} == {claim.coverage}
        assert {c.charge.start.year for c in lines} == {int(claim.cycle[:4])}
        assert claim.type is (ClaimType.INSTITUTIONAL if claim.entity.id == "hospital" else ClaimType.PROFESSIONAL)
        assert claim.total == sum(c.charge.amount for c in lines)
        assert {line.place for line in claim.lines} == {"" if claim.entity.id == "hospital" else "22"}
        assert [line.line for line in claim.lines] == list(range(1, len(lines) + 1))
    assert sorted(i for d in found for line in d.claim.lines for i in line.charges) == [c.id for c in charges]


def test_a_claim_waits_for_the_end_of_its_cycle_and_the_payers_days() -> None:
    session = [fraction("2026-01-05T09:00", 1)]
    assert drafted(session, today=date(2026, 1, 11)) == []
    assert drafted(session, today=date(2026, 1, 12)) == [("2026:2026-W02", ["77407"], "")]
    slow = house("freestanding", wait_days=3)
    assert drafted(session, slow, date(2026, 1, 14)) == []
    assert len(drafted(session, slow, date(2026, 1, 15))) == 1
    daily = house("freestanding", cycle="day")
    assert len(drafted(session, daily, date(2026, 1, 6))) == 1


def test_a_cycle_that_is_open_says_when_it_closes() -> None:
    charges, holds = on_file([fraction("2026-01-05T09:00", 1)])
    known = contexts(CENTER, background())
    grouping = drafts(PATIENT, charges, holds, (), known.coverages, known, date(2026, 1, 5))
    assert [day for _, day in grouping.opens] == [date(2026, 1, 12)]
    assert not grouping.drafts


@pytest.mark.parametrize("form", list(ClaimType))
def test_a_claim_has_no_more_lines_than_its_form_takes(form: ClaimType) -> None:
    (one,), _ = on_file([fraction("2026-01-05T09:00", 1)])
    many = [replace(one, id=f"id-{i:05}") for i in range(2 * LINES[form] + 1)]
    parts = list(portions(many, form))
    assert [len(part) for part in parts] == [LINES[form], LINES[form], 1]
    assert [c.id for part in parts for c in part] == [c.id for c in many]


def test_a_claim_has_no_more_diagnoses_than_its_form_takes_and_four_pointers_a_line() -> None:
    days = [
        fraction(f"2026-01-{5 + i:02}T09:00", i + 1, diagnosis=tuple(f"C{10 + 5 * i + j}" for j in range(5)))
        for i in range(5)
    ]
    monthly = house("freestanding", cycle="month")
    charges, holds = on_file([*days, exam("2026-01-06T10:00")], monthly)
    known = contexts(monthly, background())
    found = [d.claim for d in drafts(PATIENT, charges, holds, (), known.coverages, known, FAR).drafts]
    assert len(found) > 1
    for claim in found:
        assert len(claim.diagnoses) <= DIAGNOSES[claim.type]
        assert len(set(claim.diagnoses)) == len(claim.diagnoses)
        for line in claim.lines:
            charge = next(c.charge for c in charges if c.id in line.charges)
            assert tuple(claim.diagnoses[i - 1] for i in line.diagnoses) == charge.diagnoses[:4]
    assert sum(len(claim.lines) for claim in found) == len(charges)


def test_a_held_line_stops_itself_or_the_whole_cycle() -> None:
    undocumented = [fraction("2026-01-05T09:00", 1), fraction("2026-01-06T09:00", 2, guidance="cbct")]
    late = [*undocumented, fraction("2026-01-07T09:00", 3)]
    assert [hold for _, _, hold in drafted(late)] == [""]
    whole = house("freestanding", payer_options={"claim.completeness": "cycle"})
    assert [hold for _, _, hold in drafted(late, whole)] == ["documentation-missing"]
    assert [hold for _, _, hold in drafted(undocumented, whole)] == [""]  # waiting for review: no person needed yet


def test_a_better_line_kept_back_stops_no_claim() -> None:
    whole = house("freestanding", payer_options={"claim.completeness": "cycle"})
    assert [hold for _, _, hold in drafted([fraction("2026-01-05T09:00", 1, isocenters=None)], whole)] == [""]


def test_charges_of_no_known_coverage_or_of_no_payer_make_no_claim() -> None:
    session = [fraction("2026-01-05T09:00", 1)]
    assert drafted(session, context=[]) == []
    charges, _ = on_file(session)
    known = contexts(CENTER, background())
    gone = [replace(c, status=ChargeStatus.VOID) for c in charges]
    assert drafts(PATIENT, gone, (), (), known.coverages, known, FAR).drafts == ()


def test_the_same_charges_make_the_same_claim_again() -> None:
    charges, holds = on_file(sessions("2026-01-05", 3))
    known = contexts(CENTER, background())
    first = drafts(PATIENT, charges, holds, (), known.coverages, known, FAR).drafts
    assert drafts(PATIENT, charges, holds, (), known.coverages, known, FAR).drafts == first
    standing = [ClaimOnFile(d.claim, ClaimState.READY) for d in first]
    again = drafts(PATIENT, charges, holds, standing, known.coverages, known, FAR + timedelta(days=9)).drafts
    assert [d.claim for d in again] == [d.claim for d in first]
    dearer = [replace(c, charge=replace(c.charge, price=Decimal(999))) for c in charges]
    changed = drafts(PATIENT, dearer, holds, standing, known.coverages, known, FAR).drafts
    assert not {d.claim.id for d in changed} & {d.claim.id for d in first}


def test_an_abandoned_claim_does_not_lend_its_id() -> None:
    charges, holds = on_file(sessions("2026-01-05", 3))
    known = contexts(CENTER, background())
    (first,) = drafts(PATIENT, charges, holds, (), known.coverages, known, FAR).drafts
    gone = [ClaimOnFile(first.claim, ClaimState.ABANDONED)]
    (second,) = drafts(PATIENT, charges, holds, gone, known.coverages, known, FAR).drafts
    assert second.claim.id == f"{first.claim.id}.1"


SPOKEN = [ClaimState.UNKNOWN, ClaimState.ACCEPTED, ClaimState.QUEUED, ClaimState.COMPLETE]


@pytest.mark.parametrize("state", SPOKEN)
def test_a_charge_on_a_sent_claim_is_on_no_other(state: ClaimState) -> None:
    charges, holds = on_file(sessions("2026-01-05", 3))
    known = contexts(CENTER, background())
    (first,) = drafts(PATIENT, charges, holds, (), known.coverages, known, FAR).drafts
    sent = [ClaimOnFile(first.claim, state)]
    assert drafts(PATIENT, charges, holds, sent, known.coverages, known, FAR).drafts == ()


@pytest.mark.parametrize("state", [ClaimState.REPLACED, ClaimState.VOIDED, ClaimState.ABANDONED])
def test_a_charge_of_a_claim_that_is_over_is_free_again(state: ClaimState) -> None:
    charges, holds = on_file(sessions("2026-01-05", 3))
    known = contexts(CENTER, background())
    (first,) = drafts(PATIENT, charges, holds, (), known.coverages, known, FAR).drafts
    over = [ClaimOnFile(first.claim, state)]
    assert len(drafts(PATIENT, charges, holds, over, known.coverages, known, FAR).drafts) == 1


@pytest.mark.parametrize("state", [ClaimState.REFUSED, ClaimState.ERROR])
def test_a_refused_claim_stands_until_what_it_says_is_corrected(state: ClaimState) -> None:
    charges, holds = on_file(sessions("2026-01-05", 3))
    known = contexts(CENTER, background())
    (first,) = drafts(PATIENT, charges, holds, (), known.coverages, known, FAR).drafts
    refused = [ClaimOnFile(first.claim, state)]
    assert drafts(PATIENT, charges, holds, refused, known.coverages, known, FAR).drafts == ()
    for correction in ({"code": "77412"}, {"diagnoses": ("C61",)}, {"rendering": "1234567893"}):
        fixed = [replace(c, charge=replace(c.charge, **correction)) for c in charges]  # type: ignore[arg-type]
        (again,) = drafts(PATIENT, fixed, holds, refused, known.coverages, known, FAR).drafts
        assert again.claim.id != first.claim.id
        assert again.claim.frequency == "1"


def test_a_refused_claim_is_over_when_person_or_insurance_was_corrected() -> None:
    charges, holds = on_file(sessions("2026-01-05", 3))
    known = contexts(CENTER, background())
    (first,) = drafts(PATIENT, charges, holds, (), known.coverages, known, FAR).drafts
    refused = [ClaimOnFile(first.claim, ClaimState.REFUSED)]
    married = replace(PATIENT, demographics=replace(PATIENT.demographics, family="Quillfeather"))
    (again,) = drafts(married, charges, holds, refused, known.coverages, known, FAR).drafts
    assert again.claim.family == "Quillfeather"
    assert again.claim.id != first.claim.id
    other = contexts(CENTER, [*background()[:1], insured(member="M-2"), *background()[2:]])
    moved = [replace(c, charge=replace(c.charge, coverage=other.coverages[0].id)) for c in charges]
    (anew,) = drafts(PATIENT, moved, holds, refused, other.coverages, other, FAR).drafts
    assert anew.claim.member == "M-2"


def test_an_entity_that_the_site_does_not_have_is_a_bug() -> None:
    assert entity_of(site().facilities, "physicians")[1].id == "physicians"
    with pytest.raises(LookupError):
        entity_of(site().facilities, "nobody")


def test_a_line_says_who_did_it_and_bears_at_most_four_modifiers() -> None:
    plan = report("imrt-plan", "2026-01-05T10:00", plan="P1", by="1234567893")
    charges, _ = on_file([plan])
    charges = tuple(replace(c, charge=replace(c.charge, modifiers=("26", "59", "XP", "76", "77"))) for c in charges)
    known = contexts(CENTER, background())
    (draft,) = drafts(PATIENT, charges, (), (), known.coverages, known, FAR).drafts
    (line,) = draft.claim.lines
    assert (line.rendering, line.modifiers) == ("1234567893", ("26", "59", "XP", "76"))
