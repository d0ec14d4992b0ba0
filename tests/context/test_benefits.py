"""Who pays first: the registered order, but where Medicare's rules, or what the coverages are, say otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any

import pytest

from adapters.context.benefits import accident_on, accidents, order_of_benefits
from adapters.model.coverage import Coverage
from adapters.model.event import Event, Status
from adapters.model.site import DatedOptions, Site
from adapters.model.why import Fact, Source
from adapters.pipeline import House
from tests.model.clinic import diagnosed, fed, fraction, insured, moment, patient, report, rules, site

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


# ---------------------------------------------------------------- what a coverage is


def clinic_of(**programmes: str) -> Site:
    """A site whose payers are these, each of its programme; `medicare` is Medicare."""
    plain = site(kind="medicare")
    made = tuple(
        replace(
            plain.payers[0 if id == "medicare" else 1],
            id=id,
            name=id.title(),
            aliases=(),
            options={} if programme == "plan" else {"benefits.programme": programme},
        )
        for id, programme in programmes.items()
    )
    return replace(plain, payers=made)


ALL = clinic_of(
    medicare="plan", plan="plan", tricare="tricare", medicaid="medicaid", comp="work", auto="auto", tort="liability"
)
ANY = tuple(payer.id for payer in ALL.payers)


def cover(payer: str, order: int, **more: Any) -> Coverage:
    return Coverage(payer, payer, f"{payer}-1", order=order, **more)


def order_of(*payers: str, accident: str = "", at: Site = ALL) -> tuple[list[str], list[tuple[str, str]]]:
    """The order of coverages registered in this order, and (first, then) of each correction."""
    said = Fact("accident", accident, Source("adt", "ACC-5")) if accident else None
    coverages = tuple(cover(payer, n) for n, payer in enumerate(payers, 1))
    found = order_of_benefits(coverages, DAY, OLD, at, rules(), said)
    return [c.id for c in found.coverages], [(c.first.id, c.then.id) for c in found.corrected]


@pytest.mark.parametrize(
    ("payers", "accident", "expected"),
    [
        (("medicaid", "plan"), "", ["plan", "medicaid"]),
        (("medicaid", "medicare"), "", ["medicare", "medicaid"]),
        (("medicaid", "tricare"), "", ["tricare", "medicaid"]),
        (("tricare", "plan"), "", ["plan", "tricare"]),
        (("medicaid", "tricare", "medicare", "plan"), "", ["medicare", "plan", "tricare", "medicaid"]),
        (("plan", "comp"), "work", ["comp", "plan"]),
        (("plan", "comp"), "auto", ["plan", "comp"]),
        (("plan", "comp"), "", ["plan", "comp"]),
        (("medicare", "auto"), "auto", ["auto", "medicare"]),
        (("plan", "tort", "auto"), "auto", ["auto", "tort", "plan"]),
        (("plan", "tort"), "other", ["tort", "plan"]),
        (("medicaid", "plan", "comp"), "work", ["comp", "plan", "medicaid"]),
        (("plan", "medicaid"), "", ["plan", "medicaid"]),
    ],
)
def test_what_a_coverage_is_gives_its_place(payers: tuple[str, ...], accident: str, expected: list[str]) -> None:
    found, corrected = order_of(*payers, accident=accident)
    assert found == expected
    assert (corrected == []) == (list(payers) == expected)


def test_medicaid_is_last_and_an_accident_first_whatever_registration_says() -> None:
    for payers in permutations(ANY, 4):
        for accident in ("", "work", "auto", "other"):
            found, _ = order_of(*payers, accident=accident)
            assert sorted(found) == sorted(payers)
            behind = {"tricare": 1, "medicaid": 2}
            first = {"work": {"comp"}, "auto": {"auto"}}.get(accident, set())
            ranks = [behind.get(id, 0) for id in found]
            assert ranks == sorted(ranks), (payers, accident, found)
            assert set(found[: len(first & set(found))]) == first & set(found), (payers, accident, found)
            # Coverages of which no rule says anything stand as they were registered.
            plain = [id for id in found if id in ("medicare", "plan")]
            assert plain == [id for id in payers if id in ("medicare", "plan")]


def test_medicare_beside_an_employers_plan_and_medicaid() -> None:
    large = cover("plan", 3, employer_size=300, basis="current-employment")
    coverages = (cover("medicaid", 1), cover("medicare", 2), large)
    found = order_of_benefits(coverages, DAY, OLD, ALL, rules())
    assert [c.id for c in found.coverages] == ["plan", "medicare", "medicaid"]
    told = {(c.first.id, c.then.id): c for c in found.corrected}
    (fact, other) = told["plan", "medicaid"].facts
    assert (fact.name, fact.value, other.value) == ("programme", "plan", "medicaid")
    assert told["plan", "medicaid"].rule.id == "programmes"
    assert told["plan", "medicare"].rule.id == "benefits"


def test_the_programme_of_a_payer_holds_from_its_day() -> None:
    dated = DatedOptions(date(2026, 3, 1), {"benefits.programme": "medicaid"})
    plain = clinic_of(state="plan", plan="plan")
    at = replace(plain, payers=(replace(plain.payers[0], dated_options=(dated,)), plain.payers[1]))
    coverages = (cover("state", 1), cover("plan", 2))
    before, after = (order_of_benefits(coverages, day, OLD, at, rules()) for day in (date(2026, 2, 28), DAY))
    assert [[c.id for c in found.coverages] for found in (before, after)] == [["state", "plan"], ["plan", "state"]]


def test_a_visit_says_that_it_is_for_an_accident_on_its_days_alone() -> None:
    def visit(day: str, kind: str, line: str, **more: Any) -> Event:
        return report("encounter", day, course="", line=line, accident=kind, **more)

    long = replace(visit("2026-03-02", "work", "v1"), end=datetime(2026, 3, 5, 3, tzinfo=UTC))
    gone = replace(visit("2026-03-06", "auto", "v3"), status=Status.WITHDRAWN)
    known = accidents(
        [visit("2026-03-05", "auto", "v2"), long, gone, report("encounter", "2026-03-06", course="")], SITE
    )
    said = {day: fact and fact.value for day in range(1, 8) for fact in (accident_on(known, date(2026, 3, day)),)}
    assert said == {1: None, 2: "work", 3: "work", 4: "work", 5: "auto", 6: None, 7: None}


def test_the_insurer_of_an_accident_is_billed_first_for_the_visit_that_says_so() -> None:
    plain = site("freestanding", kind="medicare", payer_options={})
    comp = replace(plain.payers[1], options={"benefits.programme": "work"})
    at = House.of(rules(), replace(plain, payers=(plain.payers[0], comp)))
    told = [patient(), insured(), insured("second", order=2, member="W-1"), diagnosed()]
    session = fraction("2026-01-05T09:00", 1, line="L1")
    now = moment("2026-02-02")
    record = fed([*told, session], at, now)
    assert [c.claim.payer.id for c in record.claims] == ["first"]
    hurt = report("encounter", "2026-01-05", course="", line="hurt", accident="work")
    record = fed([*told, session, hurt], at, now)
    assert [c.claim.payer.id for c in record.claims] == ["second"]
    assert [f.kind for f in record.findings if f.kind == "coverage-order-corrected"] == ["coverage-order-corrected"]
