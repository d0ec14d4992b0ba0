"""Billing cycles by what the site gathers services under, and what else sets claims apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.claims import Patient, drafts
from adapters.claims.build import cited, listed, portions
from adapters.claims.cycles import last_day, name_of
from adapters.model.charge import Charge, Hold, Release
from adapters.model.claim import DIAGNOSES, LINES, ClaimOnFile, ClaimState, ClaimType
from adapters.model.people import Demographics
from adapters.model.record import ChargeOnFile
from tests.model.clinic import background, contexts, diagnosed, fraction, house, insured, patient, screened

PATIENT = Patient("p1", "R-1", Demographics("Quill", "Ada", date(1950, 2, 3), "female"))
FAR = date(2029, 1, 1)
(LINE,) = screened([fraction("2026-01-05T09:00", 1)], house("freestanding")).charges


def due(day: str, **changes: object) -> Charge:
    """A due line."""
    start = date.fromisoformat(day)
    slot = replace(LINE.slot, key=f"{day}|{changes.get('code', '')}|{changes.get('authorization', '')}")
    return replace(LINE, start=start, end=start, slot=slot, **changes)  # type: ignore[arg-type]


def filed(*charges: Charge) -> tuple[ChargeOnFile, ...]:
    return tuple(ChargeOnFile(f"id-{i:03}", charge) for i, charge in enumerate(charges))


def claimed(cycle: str, *charges: Charge, today: date = FAR, **options: str) -> list[list[str]]:
    """The dates on each claim."""
    at = house("freestanding", cycle=cycle, payer_options=options)
    known = contexts(at, background())
    grouping = drafts(PATIENT, filed(*charges), (), (), known.coverages, known, today)
    return sorted([line.start.isoformat() for line in draft.claim.lines] for draft in grouping.drafts)


@pytest.mark.parametrize(
    ("length", "charge", "name"),
    [
        ("visit", due("2026-01-05", visit="V7"), "2026:visit V7"),
        ("visit", due("2026-01-05"), "2026-01-05"),
        ("treatment", due("2026-01-05", series="K3"), "2026:treatment K3"),
        ("treatment", due("2026-01-05"), "2026-01-05"),
        ("series", due("2026-01-05", series="A1"), "2026-01:series A1"),
        ("series", due("2026-01-05"), "2026-01"),
        ("month", due("2026-01-05", series="A1"), "2026-01"),
    ],
)
def test_a_cycle_goes_by_the_number_that_the_site_gathers_under_else_by_the_calendar(
    length: str, charge: Charge, name: str
) -> None:
    assert name_of(charge, length) == name


def test_a_visit_past_midnight_is_one_claim_and_two_visits_of_a_day_are_two() -> None:
    night = (due("2026-03-02", visit="V1"), due("2026-03-03", visit="V1"))
    assert claimed("visit", *night) == [["2026-03-02", "2026-03-03"]]
    assert claimed("day", *night) == [["2026-03-02"], ["2026-03-03"]]
    assert claimed("visit", due("2026-03-02", visit="V1"), due("2026-03-02", visit="V2", code="77412")) == [
        ["2026-03-02"],
        ["2026-03-02"],
    ]


def test_a_series_ends_with_its_month_and_a_cycle_of_treatment_does_not() -> None:
    lines = (due("2026-01-26", series="S"), due("2026-02-02", series="S"))
    assert claimed("series", *lines) == [["2026-01-26"], ["2026-02-02"]]
    assert claimed("treatment", *lines) == [["2026-01-26", "2026-02-02"]]


def test_two_series_of_one_month_are_two_claims() -> None:
    assert len(claimed("series", due("2026-01-05", series="S"), due("2026-01-06", series="T"))) == 2


@given(st.dates(date(2025, 12, 1), date(2026, 2, 1)), st.dates(date(2025, 12, 1), date(2026, 2, 1)))
def test_no_cycle_crosses_new_year(one: date, other: date) -> None:
    for length in ("visit", "series", "treatment"):
        a, b = (due(day.isoformat(), visit="V", series="S") for day in (one, other))
        if name_of(a, length) == name_of(b, length):
            assert one.year == other.year
            assert last_day((a, b), length).year == one.year
            assert last_day((a, b), length) >= max(one, other)


def test_a_cycle_of_treatment_closes_after_its_last_line() -> None:
    lines = (due("2026-01-26", series="S"), due("2026-02-02", series="S"))
    assert claimed("treatment", *lines, today=date(2026, 2, 2)) == []
    assert len(claimed("treatment", *lines, today=date(2026, 2, 3))) == 1
    assert claimed("series", *lines, today=date(2026, 2, 3)) == [["2026-01-26"]]


# ---------------------------------------------------------------- coverage, authorization


def test_a_cycle_that_crosses_a_change_of_coverage_is_a_claim_for_each_plan() -> None:
    at = house("freestanding", cycle="treatment")
    plans = [patient(), insured("first", to="2026-01-31"), insured("second", "2026-02-01"), diagnosed()]
    known = contexts(at, plans)
    sessions = screened_under(plans, "2026-01-29", "2026-02-02")
    found = drafts(PATIENT, filed(*sessions), (), (), known.coverages, known, FAR).drafts
    assert sorted((d.claim.payer.id, d.claim.lines[0].start.isoformat()) for d in found) == [
        ("first", "2026-01-29"),
        ("second", "2026-02-02"),
    ]


def screened_under(plans: list[object], *days: str) -> list[Charge]:
    """Lines of one cycle of treatment, each with the coverage of its date."""
    known = contexts(house("freestanding"), plans)  # type: ignore[arg-type]
    found = []
    for day in days:
        coverage = next(c for c in known.coverages if c.holds_on(date.fromisoformat(day)))
        found.append(due(day, series="K", coverage=coverage.id))
    return found


def test_lines_of_two_authorizations_are_two_claims_and_what_needs_none_goes_with_the_first() -> None:
    lines = (
        due("2026-01-05", authorization="A-1"),
        due("2026-01-06"),
        due("2026-01-07", authorization="A-2"),
        due("2026-01-08", authorization="A-1"),
    )
    assert claimed("week", *lines) == [["2026-01-05", "2026-01-06", "2026-01-08"], ["2026-01-07"]]
    assert len(claimed("week", *lines, **{"claim.authorizations": "many"})) == 1


def test_a_claim_bears_the_number_of_its_authorization() -> None:
    at = house("freestanding", payer_options={"claim.authorizations": "many"})
    known = contexts(at, background())
    lines = filed(due("2026-01-05", authorization="A-1"), due("2026-01-06", authorization="A-2"))
    (draft,) = drafts(PATIENT, lines, (), (), known.coverages, known, FAR).drafts
    assert draft.claim.authorization == "A-1|A-2"
    (first, _) = drafts(
        PATIENT, lines, (), (), known.coverages, contexts(house("freestanding"), background()), FAR
    ).drafts
    assert first.claim.authorization == "A-1"


def test_a_claim_that_has_not_left_is_drawn_up_anew_when_its_authorization_is_another() -> None:
    at = house("freestanding")
    known = contexts(at, background())
    (before,) = drafts(PATIENT, filed(due("2026-01-05")), (), (), known.coverages, known, FAR).drafts
    standing = (ClaimOnFile(before.claim, ClaimState.READY),)
    authorized = filed(replace(due("2026-01-05"), authorization="A-9"))
    (after,) = drafts(PATIENT, authorized, (), standing, known.coverages, known, FAR).drafts
    assert after.claim.authorization == "A-9"
    assert after.claim.id != before.claim.id


# ---------------------------------------------------------------- lines, diagnoses


def test_claims_are_filled_one_after_the_other_in_the_order_of_service() -> None:
    served = [due("2026-01-05", code="99214" if i % 2 else "36593", served=f"{i:03}") for i in range(53)]
    parts = list(portions(filed(*served), ClaimType.PROFESSIONAL))
    assert [[c.charge.served for c in part] for part in parts] == [
        [f"{i:03}" for i in range(LINES[ClaimType.PROFESSIONAL])],
        ["050", "051", "052"],
    ]


def test_a_claim_lists_all_known_diagnoses_and_drops_the_lowest_that_nothing_cites() -> None:
    ranked = [f"C{i}" for i in range(10, 23)]
    assert listed(("C12", "C10"), ranked, ClaimType.PROFESSIONAL) == (tuple(ranked[:12]), ("C22",))
    assert listed(("C22", "C21"), ranked, ClaimType.PROFESSIONAL) == ((*ranked[:10], "C21", "C22"), ("C20",))
    assert listed(("C12", "C10"), (), ClaimType.PROFESSIONAL) == (("C12", "C10"), ())
    assert listed(("C12",), ranked, ClaimType.INSTITUTIONAL) == (tuple(ranked), ())


CODES = st.lists(st.integers(10, 60).map(lambda n: f"C{n}"), unique=True, max_size=40)


@given(CODES, CODES, st.sampled_from(list(ClaimType)))
def test_no_cited_diagnosis_is_dropped_and_none_is_lost(own: list[str], ranked: list[str], form: ClaimType) -> None:
    own = own[: DIAGNOSES[form]]
    found, gone = listed(own, ranked, form)
    assert set(own) <= set(found)
    assert len(found) <= DIAGNOSES[form]
    assert sorted((*found, *gone)) == sorted({*own, *ranked})
    assert not gone or len(found) == DIAGNOSES[form]


def test_the_claims_of_a_split_cycle_repeat_one_list_where_the_payer_wants_it() -> None:
    at = house("freestanding", cycle="month", payer_options={"claim.split_diagnoses": "repeat"})
    known = contexts(at, background())
    lines = filed(
        *(due("2026-01-05", code=f"77{400 + i}", served=f"{i:03}", diagnoses=(f"C{10 + i % 5}",)) for i in range(51))
    )
    both = [d.claim for d in drafts(PATIENT, lines, (), (), known.coverages, known, FAR).drafts]
    assert [len(claim.lines) for claim in both] == [50, 1]
    assert sorted(both[0].diagnoses) == sorted(both[1].diagnoses) == [f"C{10 + i}" for i in range(5)]
    (line,) = both[1].lines
    assert [both[1].diagnoses[n - 1] for n in line.diagnoses] == ["C10"]


def test_an_institutional_line_has_no_pointers_and_cites_all_its_diagnoses() -> None:
    line = due("2026-01-05", diagnoses=tuple(f"C{i}" for i in range(10, 16)))
    assert len(cited(line, ClaimType.PROFESSIONAL)) == 4
    assert cited(line, ClaimType.INSTITUTIONAL) == line.diagnoses


def test_an_institutional_line_cites_what_its_form_has_room_for_and_the_claim_says_what_it_left_off() -> None:
    at = house("hospital")
    known = contexts(at, background())
    codes = tuple(f"C{i}" for i in range(10, 38))
    (line, *_) = (c for c in screened([fraction("2026-01-05T09:00", 1)], at).charges if c.slot.service == "delivery")
    (drawn,) = drafts(PATIENT, filed(replace(line, diagnoses=codes)), (), (), known.coverages, known, FAR).drafts
    assert drawn.claim.type is ClaimType.INSTITUTIONAL
    assert (drawn.claim.diagnoses, drawn.claim.dropped) == (codes[:25], codes[25:])


# ---------------------------------------------------------------- whole visits


def test_a_held_line_stops_its_visit_where_the_payer_wants_whole_visits() -> None:
    at = house("freestanding", payer_options={"claim.completeness": "visit"})
    known = contexts(at, background())
    kept = due("2026-01-06", code="77412")
    hold = Hold(kept.slot, "documentation-missing", Release.PERSON, kept, kept.why)
    lines = filed(due("2026-01-05"), due("2026-01-06"), due("2026-01-07"))
    found = drafts(PATIENT, lines, (hold,), (), known.coverages, known, FAR).drafts
    assert sorted((d.hold, [line.start.day for line in d.claim.lines]) for d in found) == [
        ("", [5, 7]),
        ("documentation-missing", [6]),
    ]
