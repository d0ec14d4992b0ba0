"""What was billed before stays billed: learning, renumbering, late events and new plans make no gone and new of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from adapters.charges.difference import Difference, difference
from adapters.model.event import Event, Status
from adapters.model.record import ChargeOnFile
from adapters.pipeline import House
from tests.model.clinic import ended, fraction, house, report, screened, workdays

AT = house("hospital", payer_options={"management.exam_span": "off"})


@st.composite
def courses(draw: st.DrawFn) -> list[Event]:
    """A clean course: numbered sessions on working days, some with their UID, perhaps with its plan and its end."""
    days = workdays("2025-12-22", draw(st.integers(1, 12)))
    told = []
    for n, day in enumerate(days, 1):
        facts: dict[str, object] = {"isocenters": draw(st.sampled_from([1, 2])), "plan": "P1"}
        if draw(st.booleans()):
            facts["uid"] = f"2.25.{n}"
        if draw(st.booleans()):
            facts["guidance"] = "cbct"
            facts["guidance__reviewed_at"] = f"{day}T09:01:00-05:00"
        told.append(fraction(f"{day}T09:00", n, line=f"L{n}", **facts))
    if draw(st.booleans()):
        told.append(report("3d-plan", f"{days[0] - timedelta(days=7)}T11:00", plan="P1", keys=("order:P",)))
    if draw(st.booleans()):
        told.append(ended(days[-1]))
    return told


def filed(events: Sequence[Event], at: House = AT) -> list[ChargeOnFile]:
    return [ChargeOnFile(str(i), c) for i, c in enumerate(screened(events, at).charges)]


def amended(events: Sequence[Event], change: Callable[[Event, int], Event | None]) -> list[Event]:
    """The sessions restated, each in a message of its own; the old statements stay on file."""
    given_sessions = [e for e in events if e.kind == "fraction"]
    new = [changed for i, e in enumerate(given_sessions, 1) if (changed := change(e, i)) is not None]
    return [*events, *new]


def restated(event: Event, **facts: object) -> Event:
    """The same line, said anew in another message with some facts changed."""
    kept: dict[str, object] = {fact.name.replace(".", "__"): fact.value for fact in event.facts}
    later = f"{event.day + timedelta(days=40)}T08:00"
    return report(event.kind, f"{event.day}T09:00", line=event.line, said=later, **{**kept, **facts})  # type: ignore[arg-type]


def touched(before: Sequence[Event], after: Sequence[Event]) -> list[object]:
    """Bills that are gone, new or changed between the two; what merely moved is the same bill."""
    change: Difference = difference(filed(before), screened(after, AT).charges)
    return [*change.gone, *change.new, *change.changed]


@given(courses(), st.data())
def test_learning_a_uid_moves_at_most(events: list[Event], data: st.DataObject) -> None:
    def learn(event: Event, n: int) -> Event | None:
        if event.value("uid") or not data.draw(st.booleans()):
            return None
        if data.draw(st.booleans()):
            return restated(event, uid=f"2.25.{n}")
        return fraction(f"{event.day}T09:02", n, line=f"ehr{n}", feed="ehr", uid=f"2.25.{n}", isocenters=None)

    assert not touched(events, amended(events, learn))


@given(courses(), st.integers(1, 3))
def test_renumbering_moves_at_most(events: list[Event], by: int) -> None:
    after = amended(events, lambda event, n: restated(event, n=n + by))
    assert not touched(events, after)


@given(courses())
def test_another_plan_moves_at_most(events: list[Event]) -> None:
    after = amended(events, lambda event, n: restated(event, plan="P2") if n % 2 else None)
    assert not touched(events, after)


@given(courses(), st.integers(1, 4), st.booleans())
def test_a_late_session_adds_its_own_lines_only(events: list[Event], before: int, renumbered: bool) -> None:
    """A session found in the log, from before the course as it was told: its lines are new, nothing billed is gone."""
    first = min(e.day for e in events if e.kind == "fraction")
    day = first - timedelta(days=before)
    late = fraction(f"{day}T09:00", 1 if renumbered else 90, line="late", plan="P1")
    shifted = amended(events, lambda event, n: restated(event, n=n + 1)) if renumbered else list(events)
    change = difference(filed(events), screened([*shifted, late], AT).charges)
    assert not change.gone
    delivered = [c for c in change.new if c.slot.service == "delivery"]
    assert [c.start for c in delivered] == [day]
    assert {c.slot.service for c in change.new} <= {"delivery", "management", "physics"}
    assert {c.due.slot.service for c in change.changed} <= {"management", "physics"}


@given(courses(), st.data())
def test_a_second_channel_adds_nothing(events: list[Event], data: st.DataObject) -> None:
    said = [e for e in events if e.kind == "fraction" and data.draw(st.booleans())]
    again = [
        fraction(
            f"{e.day}T09:03",
            e.whole("n"),
            line=f"ehr{e.line}",
            feed="ehr",
            said=f"{e.day}T21:00",
            plan=data.draw(st.sampled_from(["P1", None])),
            isocenters=None,
            **({"uid": e.value("uid")} if e.value("uid") and data.draw(st.booleans()) else {}),
        )
        for e in said
    ]
    assert not touched(events, [*events, *again])


@given(courses())
def test_withdrawing_everything_leaves_nothing(events: list[Event]) -> None:

    gone = [replace(restated(e), status=Status.WITHDRAWN) for e in events if e.kind == "fraction"]
    change = difference(filed(events), screened([*events, *gone], AT).charges)
    assert not change.new
    assert {c.due.slot.service for c in (*change.same, *change.moved, *change.changed)} <= {"plan"}
