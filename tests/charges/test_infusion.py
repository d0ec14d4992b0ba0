"""The time engine by itself: roles and units from minutes, in whatever order the runs come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.charges.infusion import Run, Served, Terms, arrange
from adapters.charges.minutes import common, minutes

MORNING = datetime(2026, 5, 4, 13, tzinfo=UTC)
RANKS = {("infusion", True): 1, ("push", True): 2, ("infusion", False): 3, ("push", False): 4}
TERMS = Terms(overlap=16, intervals="each")


def run(key: str, form: str, start: int, end: int | None = None, *, chemo: bool = False, **more: object) -> Run:
    """A run of minutes after the morning; its drug is its key where none is said."""
    spans = ((MORNING + timedelta(minutes=start), MORNING + timedelta(minutes=start if end is None else end)),)
    said: dict[str, object] = {"drug": key, "reason": False, "spans": spans, **more}
    return Run(
        key=key,
        form=form,
        chemo=chemo,
        rank=RANKS.get((form, chemo), 5),
        push_rank=RANKS["push", chemo],
        **said,  # type: ignore[arg-type]
    )


def roles(runs: list[Run], terms: Terms = TERMS) -> set[tuple[str, str, str, int]]:
    return {(s.run.key, s.form, s.role or s.idle or s.problem, len(s.units)) for s in arrange(runs, terms)}


def test_the_facility_begins_from_chemo_whatever_ran_first() -> None:
    runs = [
        run("antiemetic", "push", 0),
        run("steroid", "infusion", 5, 35),
        run("taxane", "infusion", 40, 220, chemo=True),
        run("platin", "infusion", 225, 265, chemo=True),
    ]
    assert roles(runs) == {
        ("taxane", "infusion", "initial", 1),
        ("taxane", "infusion", "additional", 2),
        ("platin", "infusion", "sequential", 1),
        ("steroid", "infusion", "sequential", 1),
        ("antiemetic", "push", "subsequent", 1),
    }


@pytest.mark.parametrize(
    ("ran", "form", "further"), [(15, "push", 0), (16, "infusion", 0), (90, "infusion", 0), (91, "infusion", 1)]
)
def test_a_bag_of_a_quarter_hour_is_a_push(ran: int, form: str, further: int) -> None:
    found = arrange([run("a", "infusion", 0, ran, chemo=True)], TERMS)
    assert [(s.form, s.role) for s in found] == [(form, "initial"), *([(form, "additional")] if further else [])]


def test_a_short_bag_ranks_as_the_push_that_it_is() -> None:
    found = roles([run("bag", "infusion", 0, 10, chemo=True), run("hour", "infusion", 20, 80)])
    assert found == {("bag", "push", "initial", 1), ("hour", "infusion", "sequential", 1)}
    found = roles([run("bag", "infusion", 0, 10), run("hour", "infusion", 20, 80)])
    assert found == {("bag", "push", "subsequent", 1), ("hour", "infusion", "initial", 1)}


def test_an_office_begins_from_its_reason_and_falls_back_to_the_ranks() -> None:
    office = Terms(overlap=16, intervals="each", by_reason=True)
    runs = [run("nausea", "push", 0, reason=True), run("mineral", "infusion", 10, 60)]
    assert ("nausea", "push", "initial", 1) in roles(runs, office)
    assert ("mineral", "infusion", "initial", 1) in roles(runs)
    assert ("mineral", "infusion", "initial", 1) in roles([run("nausea", "push", 0), runs[1]], office)


def test_beside_another_infusion_once_and_only_with_enough_overlap() -> None:
    chemo = run("main", "infusion", 0, 120, chemo=True)
    assert ("beside", "infusion", "concurrent", 1) in roles([chemo, run("beside", "infusion", 100, 140)])
    late = roles([chemo, run("beside", "infusion", 105, 140)])
    assert ("beside", "infusion", "sequential", 1) in late
    twice = roles([chemo, run("one", "infusion", 0, 60), run("two", "infusion", 0, 90)])
    assert {("two", "infusion", "concurrent", 1), ("one", "infusion", "concurrent-once", 0)} <= twice
    unasked = Terms(intervals="each")
    assert ("one", "infusion", "option:infusion.concurrent_min_overlap", 0) in roles(
        [chemo, run("one", "infusion", 0, 60)], unasked
    )
    short = roles([chemo, run("short", "infusion", 110, 135)])
    assert (
        "short",
        "infusion",
        "too short beside another infusion to be concurrent, and too short after it",
        0,
    ) in short


def test_fluids_count_only_where_nothing_else_ran() -> None:
    bag, chemo = run("fluids", "hydration", 0, 300), run("main", "infusion", 60, 210, chemo=True)
    assert roles([bag, chemo]) == {
        ("main", "infusion", "initial", 1),
        ("main", "infusion", "additional", 1),
        ("fluids", "hydration", "sequential", 1),
        ("fluids", "hydration", "sequential", 1),
    }
    assert [len(s.units) for s in arrange([bag, chemo], TERMS) if s.form == "hydration"] == [1, 1]
    assert roles([run("fluids", "hydration", 60, 210), chemo]) >= {("fluids", "hydration", "hydration-too-short", 0)}
    assert roles([run("fluids", "hydration", 0, 30)]) == {("fluids", "hydration", "hydration-too-short", 0)}
    assert roles([run("fluids", "hydration", 0, 31)]) == {("fluids", "hydration", "initial", 1)}


def test_where_the_way_of_counting_gaps_matters_it_is_asked() -> None:
    runs = [run("fluids", "hydration", 0, 100), run("main", "infusion", 20, 80)]
    asked = Terms(overlap=16)
    assert ("fluids", "hydration", "option:infusion.hydration_intervals", 0) in roles(runs, asked)
    together = Terms(overlap=16, intervals="together")
    assert ("fluids", "hydration", "sequential", 1) in roles(runs, together)
    long = [run("fluids", "hydration", 0, 211), run("main", "infusion", 60, 120)]
    assert sum(n for _, form, _, n in roles(long, asked) if form == "hydration") > 0


def test_the_same_drug_pushed_again_counts_in_a_facility_after_a_while() -> None:
    pushes = [run(f"p{at}", "push", at, drug="opioid") for at in (0, 30, 61)]
    assert roles(pushes) == {
        ("p0", "push", "initial", 1),
        ("p30", "push", "same-drug-push", 0),
        ("p61", "push", "same-drug", 1),
    }
    office = Terms(overlap=16, same_drug_pushes=False)
    assert ("p61", "push", "same-drug-push", 0) in roles(pushes, office)
    unknown = [run("a", "push", 0, drug=""), run("b", "push", 5, drug="")]
    assert ("b", "push", "subsequent", 1) in roles(unknown)


def test_a_second_bag_of_a_drug_is_for_a_person() -> None:
    runs = [run("one", "infusion", 0, 60, drug="x"), run("two", "infusion", 70, 130, drug="x")]
    (problem,) = [s for s in arrange(runs, TERMS) if s.problem]
    assert problem.run.key == "two"
    assert not problem.units


RUNS = st.lists(
    st.tuples(
        st.sampled_from(["infusion", "push", "hydration"]),
        st.integers(0, 600),
        st.integers(1, 400),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=9,
)


def made(drawn: list[tuple[str, int, int, bool, bool]]) -> list[Run]:
    return [
        run(
            f"r{i}",
            form,
            start,
            start + (0 if form == "push" else ran),
            chemo=chemo and form != "hydration",
            reason=reason,
        )
        for i, (form, start, ran, chemo, reason) in enumerate(drawn)
    ]


@given(drawn=RUNS, order=st.randoms(use_true_random=False), office=st.booleans())
def test_whatever_the_order_each_run_is_accounted_for_and_no_minute_is_counted_twice(
    drawn: list[tuple[str, int, int, bool, bool]], order: object, office: bool
) -> None:
    runs = made(drawn)
    terms = Terms(overlap=16, intervals="each", by_reason=office)
    found = arrange(runs, terms)
    mixed = list(runs)
    order.shuffle(mixed)  # type: ignore[attr-defined]
    assert arrange(mixed, terms) == found
    assert {s.run.key for s in found} == {one.key for one in runs}
    assert sum(s.role == "initial" for s in found) <= 1
    assert sum(s.role == "concurrent" and not s.run.chemo for s in found) <= 1
    timed: list[Served] = [s for s in found if s.spans]
    for i, one in enumerate(timed):
        assert minutes(common(one.spans, one.run.spans)) == minutes(one.spans)
        assert not any(common(one.spans, other.spans) for other in timed[i + 1 :])
    for key in {s.run.key for s in timed}:
        units = sum(len(s.units) for s in found if s.run.key == key)
        assert (units - 1) * 60 < sum(minutes(s.spans) for s in timed if s.run.key == key) + 60
