"""Who may bill, whose number is right, who ordered, and what a payer said of the insurance."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from adapters.edits import Screened, screen
from adapters.model.charge import Charge
from adapters.model.site import Enrolment
from adapters.pipeline import House
from tests.edits.lines import center, line, looked_at
from tests.model.clinic import PHYSICIAN, background, contexts, insured, report

GOOD, BAD = PHYSICIAN, "1234567894"


def enrolling(*enrolments: Enrolment, **options: str) -> House:
    at = center(payer_options={"edits.enrolment": "on", **options})
    return House.of(at.rules, replace(at.site, enrolments=enrolments))


def by(npi: str, **more: object) -> Charge:
    return replace(line("77407", **more), rendering=npi)  # type: ignore[arg-type]


def held(result: Screened) -> list[str]:
    return [hold.code for hold in result.holds]


def test_nobody_looks_unless_the_payer_says_so() -> None:
    result = looked_at([replace(by(BAD), ordering=BAD)])
    assert (held(result), len(result.charges)) == ([], 1)


def test_a_wrong_check_digit_of_any_provider_stops_the_line_alone() -> None:
    at = center(payer_options={"edits.npi": "luhn"})
    other = replace(line("77412", which="other"), ordering=BAD)
    result = looked_at([by(GOOD), other, by(BAD, day=date(2026, 2, 3))], at)
    assert [(h.code, h.would and h.would.code) for h in result.holds] == [
        ("npi-invalid", "77412"),
        ("npi-invalid", "77407"),
    ]
    assert "ordering" in result.holds[0].detail
    assert [c.rendering for c in result.charges] == [GOOD]


def test_a_code_that_needs_who_ordered_it_names_one() -> None:
    at = center(payer_options={"edits.ordering_required": "77407 77412"})
    assert held(looked_at([by(GOOD)], at)) == ["ordering-missing"]
    assert held(looked_at([replace(by(GOOD), ordering=GOOD)], at)) == []
    assert held(looked_at([line("77386")], at)) == held(looked_at([line("77386")]))


def test_a_line_before_the_first_day_that_may_be_billed_waits_and_the_next_day_goes_out() -> None:
    at = enrolling(Enrolment(GOOD, "first", date(2026, 1, 1), None, date(2026, 3, 5)))
    result = looked_at([by(GOOD, day=date(2026, 2, 2)), by(GOOD, day=date(2026, 2, 3))], at)
    assert [(h.code, h.would and h.would.start.day) for h in result.holds] == [("provider-not-enrolled", 2)]
    assert "2026-02-03" in result.holds[0].detail
    assert [c.start.day for c in result.charges] == [3]
    assert [(f.kind, f.about, f.value) for f in result.findings] == [("enrollment-effective", GOOD, "2026-02-03")]


def test_who_is_enrolled_with_another_payer_only_or_nowhere_waits() -> None:
    assert held(looked_at([by(GOOD)], enrolling(Enrolment(GOOD, "second")))) == ["provider-not-enrolled"]
    assert held(looked_at([by(GOOD)], enrolling())) == ["provider-not-enrolled"]
    assert held(looked_at([by(GOOD)], enrolling(Enrolment(GOOD, "")))) == []


def test_a_line_that_names_nobody_rests_on_the_entity_where_the_site_lists_it() -> None:
    npi = center().site.facilities[0].entities[0].npi
    assert held(looked_at([line("77407")], enrolling())) == []
    assert held(looked_at([line("77407")], enrolling(Enrolment(npi, "second")))) == ["provider-not-enrolled"]
    assert held(looked_at([line("77407")], enrolling(Enrolment(npi, "first")))) == []


def test_more_days_back_are_an_option() -> None:
    late = Enrolment(GOOD, "first", date(2026, 1, 1), None, date(2026, 4, 20))
    assert held(looked_at([by(GOOD)], enrolling(late))) == ["provider-not-enrolled"]
    assert held(looked_at([by(GOOD)], enrolling(late, **{"enrolment.bill_back_days": "90"}))) == []


def inactive(day: str, active: bool = False) -> object:
    return report(
        "eligibility", day, course="", line=f"answer|{day}", payer="first", member="M-1", active=active, **{"from": day}
    )


def test_a_line_waits_where_the_payer_said_last_that_the_insurance_is_not_in_force() -> None:
    lines = [line("77407", day=date(2026, 2, d)) for d in (2, 9, 16)]
    told = [*background(), inactive("2026-02-05"), inactive("2026-02-12", active=True)]
    for option, days in (("hold", [9]), ("bill", [])):
        at = center(payer_options={"coverage.inactive": option})
        result = screen(lines, contexts(at, told), at.rules)  # type: ignore[arg-type]
        assert [h.would.start.day for h in result.holds if h.would] == days
        assert {h.code for h in result.holds} <= {"coverage-inactive"}
        assert len(result.charges) == 3 - len(days)


def test_an_answer_about_a_day_before_the_coverage_began_says_nothing_of_it() -> None:
    others = [event for event in background() if event.kind != "coverage"]
    two = [insured("first", to="2025-12-31"), insured("first", start="2026-02-04")]
    at = center()
    for answer, days in (("2026-02-03", []), ("2026-02-04", [9])):
        result = screen(
            [line("77407", day=date(2026, 2, 9))], contexts(at, [*others, *two, inactive(answer)]), at.rules
        )
        assert [h.would.start.day for h in result.holds if h.would] == days


def test_a_line_of_a_professional_claim_points_at_four_diagnoses_and_more_are_remarked() -> None:
    five = replace(line("77407"), diagnoses=tuple(f"C{n}" for n in range(10, 15)))
    result = looked_at([five, line("77412", day=date(2026, 2, 3))])
    assert [(f.kind, f.value) for f in result.findings] == [("diagnosis-pointer-limit", "C14")]
    assert len(result.charges) == 2
