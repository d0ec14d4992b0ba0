"""Who pays first: the registered order, but where Medicare's rules beside an employer's plan say otherwise."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.context.benefits import order_of_benefits
from adapters.model.coverage import Coverage
from tests.model.clinic import rules, site

SITE = site(kind="medicare")
DAY = date(2026, 3, 2)
OLD, YOUNG = date(1959, 3, 2), date(1980, 1, 1)
MEDICARE = Coverage("m", "first", "M-1", order=1)


def plan(order: int, size: int | None, basis: str = "current-employment", payer: str = "second") -> Coverage:
    return Coverage("p", payer, "P-1", order=order, employer_size=size, basis=basis)


@pytest.mark.parametrize(
    ("size", "basis", "born", "first"),
    [
        (20, "current-employment", OLD, "p"),
        (19, "current-employment", OLD, "m"),
        (100, "current-employment", YOUNG, "p"),
        (99, "current-employment", YOUNG, "m"),
        (5000, "retiree", OLD, "m"),
        (5000, "cobra", YOUNG, "m"),
    ],
)
@pytest.mark.parametrize("registered", [(1, 2), (2, 1)])
def test_the_rule_beats_the_registration(
    size: int, basis: str, born: date, first: str, registered: tuple[int, int]
) -> None:
    medicare, other = registered
    coverages = (Coverage("m", "first", "M-1", order=medicare), plan(other, size, basis))
    found = order_of_benefits(coverages, DAY, born, SITE, rules())
    assert found.coverages[0].id == first
    as_registered = "m" if medicare < other else "p"
    assert [one.first.id for one in found.corrected] == ([] if first == as_registered else [first])


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("size", "basis", "born"), [(None, "current-employment", OLD), (20, "", OLD), (20, "current-employment", None)]
)
def test_where_nobody_said_what_the_rule_asks_registration_stands(
    size: int | None, basis: str, born: date | None, order: int
) -> None:
    coverages = (Coverage("m", "first", "M-1", order=3 - order), plan(order, size, basis))
    found = order_of_benefits(coverages, DAY, born, SITE, rules())
    assert found.coverages[0].id == ("p" if order == 1 else "m")
    assert found.corrected == ()


def test_the_age_is_that_of_the_day_of_service() -> None:
    coverages = (Coverage("m", "first", "M-1", order=1), plan(2, 50))
    before = order_of_benefits(coverages, date(2026, 3, 1), date(1961, 3, 2), SITE, rules())
    after = order_of_benefits(coverages, date(2026, 3, 2), date(1961, 3, 2), SITE, rules())
    assert (before.coverages[0].id, after.coverages[0].id) == ("m", "p")


def test_what_is_not_in_force_has_no_place() -> None:
    ended = Coverage("p", "second", "P-1", end=date(2026, 3, 1), employer_size=500, basis="current-employment")
    found = order_of_benefits((MEDICARE, ended), DAY, OLD, SITE, rules())
    assert [c.id for c in found.coverages] == ["m"]


def test_two_plans_keep_their_order_behind_and_before_medicare() -> None:
    coverages = (
        Coverage("m", "first", "M-1", order=1),
        Coverage("a", "second", "A-1", order=2, employer_size=300, basis="current-employment"),
        Coverage("b", "second", "B-1", order=3, employer_size=8, basis="current-employment"),
    )
    found = order_of_benefits(coverages, DAY, OLD, SITE, rules())
    assert [c.id for c in found.coverages] == ["a", "m", "b"]
