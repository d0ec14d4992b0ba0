"""From which day a provider may bill a payer, and what a payer answered about a member."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.context.eligibility import answered, eligibilities
from adapters.context.enrolment import earliest, enrolled
from adapters.model.codes import is_npi
from adapters.model.coverage import Coverage
from adapters.model.event import Event, Status
from adapters.model.site import Enrolment
from tests.model.clinic import report, site

NPI = "1234567893"


def day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


@pytest.mark.parametrize("npi", ["1234567893", "1558598797", "1245319599"])
def test_a_number_with_its_check_digit_is_one(npi: str) -> None:
    assert is_npi(npi)
    assert not is_npi(npi[:-1] + str((int(npi[-1]) + 1) % 10))


@pytest.mark.parametrize(
    "npi", ["1234567890", "1234567894", "", "123456789", "12345678933", "3234567893", "12345 7893"]
)
def test_what_lacks_it_is_none(npi: str) -> None:
    assert not is_npi(npi)


@pytest.mark.parametrize(
    ("start", "filed", "first"),
    [
        ("2026-03-01", "2026-05-01", "2026-04-01"),
        ("2026-04-01", "2026-05-30", "2026-04-30"),
        ("2026-03-15", "2026-04-03", "2026-03-15"),
        ("2026-03-15", "", "2026-03-15"),
        ("", "2026-04-03", "2026-03-04"),
        ("", "", ""),
    ],
)
def test_thirty_days_before_the_filing_may_be_billed_and_nothing_before_the_start(
    start: str, filed: str, first: str
) -> None:
    assert earliest(Enrolment(NPI, "p", day(start), None, day(filed)), 30) == day(first)


def test_in_a_disaster_it_is_ninety() -> None:
    assert earliest(Enrolment(NPI, "p", date(2026, 1, 1), None, date(2026, 5, 1)), 90) == date(2026, 1, 31)


def test_an_enrolment_is_for_its_payer_and_its_days() -> None:
    ours = (
        Enrolment(NPI, "oak", date(2026, 1, 1), date(2026, 6, 30)),
        Enrolment(NPI, "oak", date(2026, 9, 1)),
        Enrolment("1558598797", "", None),
    )
    assert enrolled(ours, NPI, "oak", date(2026, 6, 30), 30).may_bill
    gap = enrolled(ours, NPI, "oak", date(2026, 7, 1), 30)
    assert (gap.may_bill, gap.since) == (False, date(2026, 9, 1))
    assert enrolled(ours, NPI, "elm", date(2026, 6, 30), 30).enrolment is None
    assert enrolled(ours, "1558598797", "elm", date(1999, 1, 1), 30).may_bill


# ---------------------------------------------------------------- eligibility

COVERAGE = Coverage("first|M-1|open", "first", "M-1")


def answer(about: str, active: bool, *, said: str = "", status: Status = Status.DONE, **facts: object) -> Event:
    told = {"payer": "FIRST HEALTH", "member": "M-1", "from": about, "active": active, **facts}
    return report(
        "eligibility", "2026-04-01", course="", said=said, status=status, line=f"{about}|{said}|{facts}", **told
    )  # type: ignore[arg-type]


def standing(day: str, *events: Event) -> bool | None:
    found = answered(eligibilities(events, site()), COVERAGE, date.fromisoformat(day))
    return None if found is None else found.active


def test_the_last_answer_about_a_day_up_to_the_service_counts() -> None:
    told = (answer("2026-04-06", True), answer("2026-04-13", False), answer("2026-04-20", True))
    assert [standing(d, *told) for d in ("2026-04-05", "2026-04-06", "2026-04-13", "2026-04-19", "2026-04-20")] == [
        None,
        True,
        False,
        False,
        True,
    ]


def test_of_two_answers_about_one_day_the_later_said_holds() -> None:
    told = (answer("2026-04-13", True, said="2026-04-15T08:00"), answer("2026-04-13", False, said="2026-04-14T08:00"))
    assert standing("2026-04-13", *told) is True
    assert standing("2026-04-13", *reversed(told)) is True


def test_an_answer_is_about_its_member_and_payer_and_one_taken_back_is_none() -> None:
    assert standing("2026-04-13", answer("2026-04-13", False, member="M-2")) is None
    assert standing("2026-04-13", answer("2026-04-13", False, payer="second")) is None
    assert standing("2026-04-13", answer("2026-04-13", False, member=None)) is False
    assert standing("2026-04-13", answer("2026-04-13", False, status=Status.WITHDRAWN)) is None
    assert standing("2026-04-13", answer("2026-04-13", False, payer=None)) is None
