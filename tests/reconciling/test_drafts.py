"""Where coded charges belong: with the session that they name, with what is charged of their day, or in no row at all."""

from __future__ import annotations

from adapters.model.event import Status
from tests.model.clinic import background, fraction, house
from tests.reconciling.looking import coded, comparing, looked, row_of

MONDAY = "2026-03-02"


def test_a_coded_charge_is_in_the_row_of_the_session_that_it_names() -> None:
    given = [fraction(f"{MONDAY}T{hour}:00", n, uid=f"2.25.{n}") for n, hour in ((1, "08"), (2, "15"))]
    for n in (1, 2):
        theirs = coded("77407", MONDAY, uid=f"2.25.{n}")
        share = looked([*background(), *given, theirs], comparing("delivery"), "2026-03-10")
        assert theirs.id in row_of(share, f"session {n}").events


def test_a_coded_charge_that_names_no_session_is_with_what_is_charged_of_its_day() -> None:
    theirs = coded("77407", "2026-03-03")
    given = [fraction(f"2026-03-0{day}T09:00", n) for n, day in ((1, 2), (2, 3))]
    share = looked([*background(), *given, theirs], comparing("delivery"), "2026-03-10")
    assert theirs.id in row_of(share, "session 2").events


def test_a_coded_charge_that_was_withdrawn_and_met_nothing_is_no_row() -> None:
    gone = coded("77407", "2026-03-04", status=Status.WITHDRAWN)
    events = [*background(), fraction(f"{MONDAY}T09:00", 1), gone]
    for at in (comparing("delivery"), house("freestanding")):
        assert [row.name for row in looked(events, at, "2026-03-10").rows] == ["session 1"]
