"""A visit as a person sees it: its picture says of every minute and line what the record says."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from adapters.model.event import Event, Status
from adapters.model.record import ChargeStatus
from adapters.model.visit import VisitRow, VisitView, whole_minutes
from adapters.pipeline.visiting import visit_of_line, visit_view
from adapters.timeline import spans_counted
from tests.model.clinic import fraction
from tests.model.visits import DAY, VISIT, dose, everything, place, recorded, seen


def row(view: VisitView, name: str) -> VisitRow:
    (found,) = (one for one in view.rows if one.name == name)
    return found


def billed(one: VisitRow) -> list[tuple[str, str, int]]:
    return [
        (stretch.role, code.spelled, whole_minutes(stretch.spans))
        for stretch in one.stretches
        for code in stretch.codes
    ]


def test_every_administration_is_a_row_of_its_access_site() -> None:
    view = seen(*everything())
    told = [(site.name, site.separate, [one.name for one in site.rows]) for site in view.sites]
    port = ["saline", "dexamethasone", "paclitaxel", "leucovorin", "magnesium", "iron & <salts>"]
    assert told == [("port", False, port), ("left arm", True, ["antibody"])]
    assert [one.name for one in view.beside] == ["physician's visit", "growth factor"]
    assert (view.start, view.end) == (datetime(2026, 5, 4, 11, 30, tzinfo=UTC), datetime(2026, 5, 4, 18, 5, tzinfo=UTC))


def test_minutes_are_cut_into_the_services_that_they_are_billed_as() -> None:
    view = seen(*everything())
    assert billed(row(view, "paclitaxel")) == [("initial", "96413 ×1", 60), ("additional", "96415 ×2", 121)]
    assert row(view, "paclitaxel").minutes == 181
    assert billed(row(view, "saline")) == [("sequential", "96361 ×1", 70)]
    assert billed(row(view, "leucovorin")) == [("concurrent", "96368 ×1", 50)]
    assert not row(view, "leucovorin").stretches[0].counted
    assert billed(row(view, "dexamethasone")) == [("subsequent", "96375 ×1", 0)]
    assert billed(row(view, "antibody")) == [("initial", "96413-59 ×1", 40)]


def test_lines_without_minutes_stand_with_what_they_rest_on() -> None:
    view = seen(*everything())
    assert [code.spelled for code in row(view, "paclitaxel").codes] == ["J9267-JZ ×300"]
    assert [code.spelled for code in row(view, "growth factor").codes] == ["96372-59 ×1"]
    assert [code.spelled for code in row(view, "physician's visit").codes] == ["99214 ×1"]


def test_what_waits_says_why_and_shows_no_minutes() -> None:
    iron = row(seen(*everything()), "iron & <salts>")
    assert (iron.spans, iron.stretches, iron.held) == ((), (), "no stop time")


def test_a_reckoned_end_is_told_as_an_assumed_one() -> None:
    bag = dose(
        "infusion", "09:00", "", "iron", "therapeutic", volume=250, volume__unit="mL", rate=250, rate__unit="mL/h"
    )
    view = seen(bag, at=place(infusion__missing_stop="compute-rate-volume"))
    assert (row(view, "iron").assumed, row(view, "iron").minutes) == (True, 60)
    pushed = seen(bag, at=place(infusion__missing_stop="push"))
    assert (row(pushed, "iron").assumed, row(pushed, "iron").stretches[0].role) == (True, "initial")


def test_what_owes_nothing_says_why() -> None:
    view = seen(dose("infusion", "09:00", "10:00", "drug", "chemo"), dose("hydration", "09:00", "10:00", "saline"))
    fluids = row(view, "saline")
    assert (fluids.stretches, fluids.idle) == ((), "Fluids that ran alone for fewer minutes than are billed.")
    assert row(view, "drug").idle == ""


def test_a_visit_that_was_withdrawn_has_no_picture() -> None:
    gone = dose("infusion", "09:00", "10:00", "drug", "chemo", status=Status.WITHDRAWN)
    at = place()
    assert visit_view(recorded(gone, at=at), VISIT, at) is None
    course = fraction(f"{DAY}T08:00", 1)
    assert visit_view(recorded(course, at=at), "p1/C1", at) is None


def test_a_line_names_its_visit_whether_due_or_held() -> None:
    record = recorded(*everything())
    for charge in record.charges:
        assert visit_of_line(record, charge.id) == VISIT
    (hold,) = record.holds
    slot = hold.slot
    assert visit_of_line(record, f"{slot.episode}|{slot.service}|{slot.key}|{slot.part}|{hold.code}") == VISIT
    assert visit_of_line(record, "nobody") == ""


def by_chance(seed: int) -> list[Event]:
    """A visit of up to nine doses at two access sites, of which no two may be of one drug."""
    chance = random.Random(seed)
    events: list[Event] = []
    for number in range(chance.randint(2, 9)):
        kind = chance.choice(("infusion", "infusion", "push", "hydration"))
        start = datetime(2026, 5, 4, 7, tzinfo=UTC) + timedelta(minutes=chance.randint(0, 400))
        ran = timedelta(minutes=chance.randint(2, 250))
        drug_class = "" if kind == "hydration" else chance.choice(("chemo", "therapeutic"))
        end = f"{start + ran:%H:%M}" if kind != "push" and chance.random() < 0.93 else ""
        second = {"site": "left arm", "second_site_reason": "protocol"} if chance.random() < 0.25 else {}
        events.append(dose(kind, f"{start:%H:%M}", end, f"drug {number}", drug_class, **second))
    return events


@pytest.mark.parametrize("seed", range(60))
def test_the_picture_and_the_lines_say_the_same(seed: int) -> None:
    """Each billed minute is of one service of its site, ran in fact, and the units below the minutes are the lines'."""
    at = place(random.Random(seed).choice(("hospital", "freestanding")), infusion__hydration_intervals="each")
    record = recorded(*by_chance(seed), at=at)
    view = visit_view(record, VISIT, at)
    assert view is not None
    for site in view.sites:
        counted = sorted(span for one in site.rows for part in one.stretches if part.counted for span in part.spans)
        assert all(before[1] <= after[0] for before, after in pairwise(counted))
        initial = [part for one in site.rows for part in one.stretches if part.role == "initial"]
        assert len(initial) <= 1
        for one in site.rows:
            for part in one.stretches:
                assert whole_minutes(part.spans) <= one.minutes
    shown: Counter[str] = Counter()
    for one in view.rows:
        for part in one.stretches:
            for code in part.codes:
                assert code.state
                shown[code.id or code.state] += code.units
    on_file = {c.id: c.charge.units for c in record.charges if c.charge.slot.service == "administration"}
    assert {id: units for id, units in shown.items() if id in on_file} == on_file
    assert all(c.status is not ChargeStatus.VOID for c in record.charges)
    assert sum(whole_minutes((span,)) for span in spans_counted(view)) <= sum(one.minutes for one in view.rows)
