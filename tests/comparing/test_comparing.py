"""Our charges against the coded ones: what matches, what differs in which word, what it costs, and how that goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.comparing import By, compare, tallies, within
from adapters.model.comparison import Coding, Kind, Pair
from adapters.model.event import Event, Status
from adapters.model.live import Live
from adapters.model.site import Family, Mode
from adapters.pipeline import House
from adapters.pipeline.sides import sides_of
from tests.model.clinic import background, fed, fraction, house, moment, report, rules, sessions, site

DAY = date(2026, 3, 3)
OURS = Coding("77402", (), 1, DAY, 100_00, ("C61",), id="charge-1", why="rule delivery (a source)")
THEIRS = replace(OURS, id="message-1", why="FT1[1]")


def pair(ours: Coding | None = OURS, theirs: Coding | None = THEIRS, **more: str) -> Pair:
    said = {"service": "delivery", "payer": "first", "clinic": "MAIN", **more}
    return Pair("p1", said["service"], "center", said["clinic"], said["payer"], ours, theirs, "what is on file")


def test_two_that_say_the_same_are_no_difference() -> None:
    found = compare([pair(), pair(OURS, replace(THEIRS, diagnoses=()))])
    assert found.unlike == ()
    assert (found.total.matched, found.total.ours, found.total.theirs) == (2, 200_00, 200_00)
    assert found.total.agreement == 1.0


@pytest.mark.parametrize(
    ("theirs", "kind", "effect"),
    [
        (replace(THEIRS, code="77412", amount=150_00), Kind.CODE, -50_00),
        (replace(THEIRS, modifiers=("59",)), Kind.MODIFIERS, 0),
        (replace(THEIRS, units=2, amount=200_00), Kind.UNITS, -100_00),
        (replace(THEIRS, day=DAY + timedelta(1)), Kind.DATE, 0),
        (replace(THEIRS, diagnoses=("C50.412",)), Kind.DIAGNOSIS, 0),
        (None, Kind.OURS_ONLY, 100_00),
    ],
)
def test_what_differs_is_named_with_its_reason_and_money(theirs: Coding | None, kind: Kind, effect: int) -> None:
    (one,) = compare([pair(theirs=theirs)]).unlike
    assert (one.kind, one.pair.effect, one.id) == (kind, effect, "charge-1")
    assert "rule delivery (a source)" in one.reason


def test_what_they_have_alone_is_looked_for_by_its_message() -> None:
    (one,) = compare([pair(ours=None)]).unlike
    assert (one.kind, one.pair.effect, one.id) == (Kind.THEIRS_ONLY, -100_00, "message-1")
    assert one.reason.endswith("what is on file")


def test_what_we_hold_is_not_billed_and_no_difference_alone() -> None:
    held = replace(OURS, held="documentation-missing", why="documentation-missing, no note")
    (one,) = compare([pair(held), pair(held, None)]).unlike
    assert (one.kind, one.pair.effect) == (Kind.HELD, -100_00)
    assert "no note" in one.reason
    alone = compare([pair(held, None)]).total
    assert (alone.ours, alone.matched, alone.unlike) == (0, 0, 0), "nothing went out, and nothing was coded"


def test_the_same_service_on_another_date_is_one_difference() -> None:
    later = replace(THEIRS, day=DAY + timedelta(2))
    far = replace(THEIRS, day=DAY + timedelta(8))
    (one,) = within([pair(theirs=None), pair(None, later)], None, None)
    assert compare([one]).unlike[0].kind is Kind.DATE
    assert len(within([pair(theirs=None), pair(None, far)], None, None)) == 2
    nearest = within(
        [pair(theirs=None), pair(None, later), pair(None, replace(later, day=DAY + timedelta(1)))], None, None
    )
    assert [p.theirs.day for p in nearest if p.ours and p.theirs] == [DAY + timedelta(1)]


def test_the_same_service_is_looked_for_a_week_before_and_after() -> None:
    for days, pairs in ((7, 1), (-7, 1), (8, 2), (-8, 2)):
        other = replace(THEIRS, day=DAY + timedelta(days))
        assert len(within([pair(theirs=None), pair(None, other)], None, None)) == pairs


def test_each_line_is_taken_for_one_other_only() -> None:
    near, nearer = (replace(THEIRS, day=DAY + timedelta(n)) for n in (2, 1))
    once = within([pair(theirs=None), pair(None, near), pair(None, nearer)], None, None)
    assert sorted((p.ours is not None, p.theirs is not None) for p in once) == [(False, True), (True, True)]
    far = replace(OURS, day=DAY - timedelta(1))
    twice = within([pair(theirs=None), pair(far, None), pair(None, nearer)], None, None)
    assert sorted((p.ours is not None, p.theirs is not None) for p in twice) == [(True, False), (True, True)]
    assert [p.ours.day for p in twice if p.ours and p.theirs] == [DAY]


def test_what_we_hold_is_taken_for_no_line_of_another_date() -> None:
    held = replace(OURS, held="documentation-missing", why="no note")
    later = replace(THEIRS, day=DAY + timedelta(1))
    found = within([pair(held, None), pair(None, later)], None, None)
    assert [one.kind for one in compare(found).unlike] == [Kind.THEIRS_ONLY]


def test_the_same_service_is_of_the_same_person_and_entity() -> None:
    later = pair(None, replace(THEIRS, day=DAY + timedelta(1)))
    assert len(within([pair(theirs=None), later], None, None)) == 1
    for other in (replace(later, person="p2"), replace(later, entity="hospital"), replace(later, service="drug")):
        assert len(within([pair(theirs=None), other], None, None)) == 2


def test_modifiers_are_the_same_in_any_order() -> None:
    ours, theirs = replace(OURS, modifiers=("26", "59")), replace(THEIRS, modifiers=("59", "26"))
    assert compare([pair(ours, theirs)]).unlike == ()
    assert len(within([pair(ours, None), pair(None, replace(theirs, day=DAY + timedelta(1)))], None, None)) == 1


def test_nothing_agrees_with_nothing() -> None:
    assert compare([]).total.agreement == 1.0


def test_only_the_dates_asked_for() -> None:
    pairs = [pair(replace(OURS, day=DAY + timedelta(n)), replace(THEIRS, day=DAY + timedelta(n))) for n in range(5)]
    assert [p.day for p in within(pairs, DAY + timedelta(1), DAY + timedelta(2))] == [
        DAY + timedelta(1),
        DAY + timedelta(2),
    ]


def test_a_trend_by_week_has_no_gap() -> None:
    old = replace(OURS, day=DAY - timedelta(14))
    weeks = tallies([pair(), pair(old, None), pair(theirs=replace(THEIRS, units=2, amount=200_00))], By.WEEK)
    assert [(week.name, week.matched, week.unlike, week.over, week.under) for week in weeks] == [
        ("2026-02-16", 0, 1, 100_00, 0),
        ("2026-02-23", 0, 0, 0, 0),
        ("2026-03-02", 1, 1, 0, 100_00),
    ]


@pytest.mark.parametrize(
    ("by", "names"), [(By.PAYER, ["none", "second"]), (By.CLINIC, ["EAST", "MAIN"]), (By.SERVICE, ["delivery", "drug"])]
)
def test_groups_bear_their_names(by: By, names: list[str]) -> None:
    pairs = [pair(payer=""), pair(payer="second", clinic="EAST", service="drug")]
    assert [group.name for group in tallies(pairs, by)] == names


_CODES = st.builds(
    Coding,
    st.sampled_from(["77402", "77412"]),
    st.sampled_from([(), ("26",)]),
    st.integers(1, 3),
    st.dates(date(2026, 1, 1), date(2026, 2, 1)),
    st.integers(0, 10_000),
    held=st.sampled_from(["", "", "", "bundled"]),
)
_PAIRS = st.lists(
    st.builds(
        lambda ours, theirs, payer: pair(ours, theirs and replace(theirs, held=""), payer=payer),
        st.one_of(st.none(), _CODES),
        st.one_of(st.none(), _CODES),
        st.sampled_from(["", "first"]),
    ).filter(lambda p: p.ours is not None or p.theirs is not None),
    max_size=12,
)


@given(_PAIRS)
def test_money_adds_up_whatever_it_is_grouped_by(pairs: list[Pair]) -> None:
    found = within(pairs, None, None)
    total = compare(found).total
    assert total.ours - total.theirs == total.over - total.under
    assert total.theirs == sum(p.theirs.amount for p in pairs if p.theirs)
    for by in By:
        groups = tallies(found, by)
        for name in ("matched", "unlike", "ours", "theirs", "over", "under"):
            assert sum(getattr(group, name) for group in groups) == getattr(total, name)


# ---------------------------------------------------------------- of a record

AT = house("freestanding")


def coded(code: str, day: date | str, **more: object) -> Event:
    return report("coded-charge", f"{day}T20:00", code=code, units=1, type="CG", diagnosis="C50.412", **more)  # type: ignore[arg-type]


def kinds(events: list[Event], at: House = AT) -> list[tuple[str, str]]:
    record = fed([*background(), *events], at, moment("2026-03-30"))
    return [
        (one.pair.day.isoformat(), one.kind.value) for one in compare(within(sides_of(record, at), None, None)).unlike
    ]


def of(*families: Family, live: tuple[Live, ...] = ()) -> House:
    return House.of(rules(), replace(site("freestanding"), families=families, live=live))


@pytest.mark.parametrize("mode", [*Mode, None])
@pytest.mark.parametrize("live", [(), (Live(live_from=date(2027, 1, 1)),)], ids=["live", "shadow"])
def test_the_outcome_is_the_same_whoever_is_billed_and_whether_live(mode: Mode | None, live: tuple[Live, ...]) -> None:
    families = (Family("delivery", mode, date(2020, 1, 1)),) if mode else ()
    given = sessions("2026-03-02", 4)
    right = fed([*background(), *given], AT, moment("2026-03-30")).charges[0].charge.code
    theirs = [coded(right, "2026-03-02"), coded("77412", "2026-03-03"), coded(right, "2026-03-06")]
    assert kinds([*given, *theirs], of(*families, live=live)) == [
        ("2026-03-03", "code"),
        ("2026-03-04", "ours-only"),
        ("2026-03-05", "date"),
    ]


def test_a_withdrawn_session_leaves_theirs_alone_and_says_so() -> None:
    gone = fraction("2026-03-02T09:00", 1, status=Status.WITHDRAWN)
    record = fed([*background(), gone, coded("77402", "2026-03-02")], AT, moment("2026-03-30"))
    (one,) = compare(sides_of(record, AT)).unlike
    assert one.kind is Kind.THEIRS_ONLY
    assert "fraction withdrawn" in one.reason


def test_each_difference_has_an_id_that_can_be_looked_up() -> None:
    at = of(live=(Live(live_from=date(2027, 1, 1)),))
    record = fed([*background(), *sessions("2026-03-02", 2), coded("77412", "2026-03-02")], at, moment("2026-03-30"))
    found = compare(sides_of(record, at)).unlike
    assert {one.id for one in found} <= {
        f"{h.slot.episode}|{h.slot.service}|{h.slot.key}|{h.slot.part}|{h.code}" for h in record.holds
    }
    assert len(found) == 2
