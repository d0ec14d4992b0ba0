"""Authorizations are a balance: drawn on in the order of service, whoever reports first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from adapters.model.charge import Outcomes
from adapters.model.event import Event, Status
from adapters.pipeline import House
from tests.model.clinic import house, report, screened, sessions

NEEDED = {"authorization.required": "77402 77407 77412"}


def at() -> House:
    return house("freestanding", kind="commercial", payer_options=NEEDED)


def granted(number: str, units: int | None, start: str, end: str, *, payer: str = "first", **more: object) -> Event:
    facts = {"authorization": number, "payer": payer, "units": units, "from": start, "to": end, **more}
    return report("authorization", "2026-01-01", course="", line=f"a|{number}", **facts)  # type: ignore[arg-type]


def held(outcomes: Outcomes) -> list[tuple[str, str]]:
    found = [h for h in outcomes.holds if h.code.startswith("authorization")]
    return sorted((h.would.start.isoformat(), h.code) for h in found if h.would)


def covered(outcomes: Outcomes) -> list[tuple[str, str]]:
    return sorted((c.start.isoformat(), c.authorization) for c in outcomes.charges if c.authorization)


def test_what_is_outside_before_after_and_past_the_units() -> None:
    given_ = sessions("2026-03-02", 6)  # 2 to 6 March, then the 9th
    one = granted("A1", 3, "2026-03-03", "2026-03-06")
    outcomes = screened([*given_, one], at())
    assert held(outcomes) == [
        ("2026-03-02", "authorization-missing"),
        ("2026-03-06", "authorization-exhausted"),
        ("2026-03-09", "authorization-expired"),
    ]
    assert covered(outcomes) == [(f"2026-03-0{day}", "A1") for day in (3, 4, 5)]
    assert all("A1" in h.detail for h in outcomes.holds if h.code == "authorization-exhausted")


def test_the_one_that_ends_first_is_used_first_and_another_takes_over() -> None:
    outcomes = screened(
        [
            *sessions("2026-03-02", 5),
            granted("LATE", 9, "2026-03-01", "2026-06-30"),
            granted("SOON", 2, "2026-03-01", "2026-03-31"),
        ],
        at(),
    )
    assert held(outcomes) == []
    assert [number for _, number in covered(outcomes)] == ["SOON", "SOON", "LATE", "LATE", "LATE"]


def test_another_payer_s_another_code_s_or_a_withdrawn_one_is_none() -> None:
    day = sessions("2026-03-02", 1)
    for wrong in (
        granted("A1", 3, "2026-03-01", "2026-03-31", payer="second"),
        granted("A1", 3, "2026-03-01", "2026-03-31", code="77301"),
        report("authorization", "2026-01-01", course="", line="a|A1", authorization="A1", status=Status.WITHDRAWN),
    ):
        assert held(screened([*day, wrong], at())) == [("2026-03-02", "authorization-missing")]
    assert held(screened(day, house("freestanding", kind="commercial"))) == [], "a payer that wants none"


@given(order=st.permutations(list(range(6))))
def test_the_order_of_arrival_plays_no_part(order: Sequence[int]) -> None:
    events = [*sessions("2026-03-02", 5), granted("A1", 2, "2026-03-01", "2026-03-31")]
    outcomes = screened([events[n] for n in order], at())
    assert covered(outcomes) == [("2026-03-02", "A1"), ("2026-03-03", "A1")]
    assert [code for _, code in held(outcomes)] == ["authorization-exhausted"] * 3


def test_a_later_statement_of_one_authorization_holds() -> None:
    first = granted("A1", 1, "2026-03-01", "2026-03-31")
    more = report(
        "authorization",
        "2026-01-01",
        course="",
        line="a|A1",
        said="2026-02-01",
        authorization="A1",
        payer="first",
        units=9,
    )
    for both in permutations([first, more]):
        assert held(screened([*sessions("2026-03-02", 5), *both], at())) == []
