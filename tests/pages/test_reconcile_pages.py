"""The reconciliation and the comparison as pages: the same as the commands print, found aside and kept a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from adapters.model.lists import PAGE
from adapters.model.reconciliation import Difference, Mark, Row, Stage, StageMark, Standing
from adapters.model.user import Role
from adapters.pages.aside import Span, part_of, span_of
from adapters.pages.looking import AT_ONCE, KEPT, Looks
from adapters.pages.names import thing_name
from adapters.pages.reconcile_pages import _href
from tests.pages.clinic import CANARIES, Clinic, clinic, sheet, shown
from tests.pages.filled import take
from tests.pages.visiting import logged, sent
from tests.serve.conftest import FAMILY, dft

NOW = datetime(2026, 1, 20, 14, tzinfo=UTC)
SPAN = "from=2026-01-01&to=2026-01-09"


@pytest.fixture(scope="module")
def made() -> Iterator[Clinic]:
    built = clinic(treated=True)
    built.signed_in(Role.VIEWER)
    yield built
    built.close()


def test_what_stops_is_told_with_stage_reason_and_money(made: Clinic) -> None:
    page = shown(made, f"/reconcile?{SPAN}")
    assert "Reconcile: 1 to 9 Jan 2026" in page or "Reconcile: 1 Jan to 9 Jan 2026" in page
    found = sheet(made, f"/reconcile.csv?{SPAN}")
    assert found
    assert {row["standing"] for row in found} <= {"new", "carried"}
    held = [row for row in found if row["what"] == "management unit 1"]
    assert [(row["difference"], row["amount"]) for row in held] == [("not-documented", "310.00")]
    assert made.house.rules.differences["not-documented"].words in page
    assert "$310.00" in page
    for stage in Stage:
        assert f'<span class="hidden">{stage}: ' in page


def test_every_service_is_shown_once_where_all_are_asked_for(made: Clinic) -> None:
    open_, every = (sheet(made, f"/reconcile.csv?{SPAN}{more}") for more in ("", "&show=all"))
    assert len(every) > len(open_)
    assert sum(row["what"].startswith("session") for row in every) == 5
    assert all(row["difference"] == "" for row in every[len(open_) :])


@pytest.mark.parametrize("more", ["&name=not-documented", "&who=clinic", "&who=nobody-like-that", "&name=none"])
def test_page_and_file_are_narrowed_alike(made: Clinic, more: str) -> None:
    found = sheet(made, f"/reconcile.csv?{SPAN}{more}")
    every = sheet(made, f"/reconcile.csv?{SPAN}")
    name, _, value = more[1:].partition("=")
    column = {"name": "difference", "who": "who"}[name]
    assert found == [row for row in every if row[column] == value]
    page = shown(made, f"/reconcile?{SPAN}{more}")
    assert (f"{len(found)} row" in page) if found else ("Nothing is like that." in page)


def test_our_charges_are_set_against_the_coded_ones(made: Clinic) -> None:
    page = shown(made, f"/compare?{SPAN}")
    assert "% of" in page
    assert "we would bill" in page.lower()
    found = sheet(made, f"/compare.csv?{SPAN}")
    assert {row["kind"] for row in found} & {"ours-only", "theirs-only"}
    kind = found[0]["kind"]
    some = sheet(made, f"/compare.csv?{SPAN}&kind={kind}")
    assert some == [row for row in found if row["kind"] == kind]
    assert "Nothing was delivered or coded in this time." in shown(made, "/compare?from=2020-01-01&to=2020-01-02")


def test_what_has_come_since_is_told_and_looked_for_when_asked() -> None:
    other = clinic(treated=True)
    other.signed_in(Role.VIEWER)
    path = f"/reconcile?{SPAN}"
    assert "nothing has come since" in shown(other, path)
    before = len(sheet(other, f"/reconcile.csv?{SPAN}&show=all"))
    take(other, dft("C9", transaction="T9", day="20260106"), "A9")
    assert "come since" in shown(other, path)
    assert "nothing has come since" not in shown(other, path)
    assert len(sheet(other, f"/reconcile.csv?{SPAN}&show=all")) == before
    answer = sent(other.client, path, "/reconcile", {"from": "2026-01-01", "to": "2026-01-09"})
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    shown(other, f"/reconcile?{SPAN}")
    assert len(sheet(other, f"/reconcile.csv?{SPAN}&show=all")) > before
    assert "nothing has come since" in shown(other, path)
    other.close()


def test_nothing_of_a_patient_stands_in_addresses_or_the_log(made: Clinic) -> None:
    with logged() as said:
        pages = [shown(made, f"/reconcile?{SPAN}&show=all"), shown(made, f"/compare?{SPAN}")]
    assert FAMILY in pages[0]
    for page in pages:
        for part in page.split('href="')[1:]:
            assert not any(canary in part.split('"')[0] for canary in CANARIES)
    assert not any(canary in said.getvalue() for canary in CANARIES)


def test_a_difference_leads_to_its_work(made: Clinic) -> None:
    page = shown(made, f"/reconcile?{SPAN}")
    (item,) = (one.item for one in made.store.open_work() if one.item.code == "documentation-missing")
    assert f'href="/work/{item.id}"' in page
    assert made.client.get(f"/work/{item.id}").status_code == 200


def test_a_difference_without_work_leads_to_its_claim_its_charge_or_its_line() -> None:
    claim, charge, other = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "123")
    stages = tuple(
        StageMark(stage, Mark.NO, claim) if stage is Stage.CLAIMED else StageMark(stage, Mark.YES) for stage in Stage
    )
    row = Row("r", "p1", "", "", "fraction", "session 1", NOW.date(), "", "", stages, charges=(charge,))
    held = "p1/C1|delivery|1||documentation-missing"
    for about, href in (
        (claim, f"/claims/{claim}"),
        (charge, f"/explain/{charge}"),
        (other, ""),
        (held, f"/explain/{thing_name('p1', held)}"),
    ):
        one = Difference("held", Stage.CHARGED, about, 0, NOW.date(), 0, "biller", "look", Standing.NEW)
        assert _href(row, one) == href
        assert _href(row, replace(one, item=other)) == f"/work/{other}"
    assert _href(row, None) == ""


def test_the_greatest_amount_stands_first(made: Clinic) -> None:
    amounts = [float(row["amount"]) for row in sheet(made, "/reconcile.csv?from=2026-01-01&to=2026-01-31")]
    assert len(set(amounts)) > 1
    assert amounts == sorted(amounts, reverse=True)


@pytest.mark.parametrize(
    ("after", "part", "more"),
    [
        ("", (0, PAGE), PAGE),
        (str(PAGE), (PAGE, 2 * PAGE), 2 * PAGE),
        (str(2 * PAGE), (2 * PAGE, 2 * PAGE + 20), 0),
        ("999999", (0, 0), 0),
        ("-1", (0, PAGE), PAGE),
        ("²", (0, PAGE), PAGE),
        ("9" * 30, (0, PAGE), PAGE),
    ],
)
def test_long_lists_are_shown_part_by_part(after: str, part: tuple[int, int], more: int) -> None:
    assert part_of(range(2 * PAGE + 20), after) == (range(*part), more)
    assert part_of(range(PAGE), "") == (range(PAGE), 0), "nothing follows a part that is the whole"


def test_a_span_is_bounded_and_in_order() -> None:
    today = date(2026, 1, 20)
    yesterday = date(2026, 1, 19)
    assert span_of({}, today, 1) == Span(yesterday, yesterday, today)
    assert span_of({}, today, 28) == Span(date(2025, 12, 23), yesterday, today)
    turned = {"from": "2026-01-09", "to": "2026-01-01"}
    assert span_of(turned, today, 1) == Span(date(2026, 1, 1), date(2026, 1, 9), today)
    endless = {"from": "1900-01-01", "to": "2026-01-01"}
    assert span_of(endless, today, 1) == Span(date(2024, 12, 31), date(2026, 1, 1), today)


# ---------------------------------------------------------------- looking aside


def test_a_look_is_made_once_for_all_who_ask() -> None:
    looks: Looks[int] = Looks()
    go, made = threading.Event(), []

    def make(count: Callable[[], None]) -> int:
        count()
        made.append(1)
        go.wait(5)
        return len(made)

    for _ in range(3):
        seen, _ = looks.seen("k", make, at=NOW, upto=1, patience=0.05)
        assert seen is None
    go.set()
    seen, _ = looks.seen("k", make, at=NOW, upto=1, patience=5)
    assert seen is not None
    assert (seen.found, seen.upto, made) == (1, 1, [1])
    again, _ = looks.seen("k", make, at=NOW, upto=1, anew=True)
    assert again is seen, "nothing has come since"
    newer, _ = looks.seen("k", make, at=NOW, upto=2, anew=True, patience=5)
    assert newer is not None
    assert (newer.found, newer.upto) == (2, 2)


def test_a_look_that_fails_is_begun_again_and_few_are_kept() -> None:
    looks: Looks[int] = Looks()

    def fails(_count: Callable[[], None]) -> int:
        raise LookupError("the store went away")

    with pytest.raises(LookupError):
        looks.seen("k", fails, at=NOW, upto=1, patience=5)
    good, _ = looks.seen("k", lambda _: 7, at=NOW, upto=1, patience=5)
    assert good is not None
    for n in range(KEPT):
        looks.seen(n, lambda _: 1, at=NOW, upto=1, patience=5)
    gone, _ = looks.seen("k", lambda _: 8, at=NOW, upto=1, patience=5)
    assert gone is not None
    assert gone.found == 8


def test_a_look_that_is_asked_for_stays_longer_than_one_that_is_not() -> None:
    looks: Looks[int] = Looks()
    for n in range(KEPT):
        looks.seen(n, lambda _: 1, at=NOW, upto=1, patience=5)
    looks.seen(0, lambda _: 2, at=NOW, upto=1)
    looks.seen("one more", lambda _: 1, at=NOW, upto=1, patience=5)
    found = [looks.seen(n, lambda _: 2, at=NOW, upto=1, patience=5)[0] for n in (0, 1)]
    assert [one.found for one in found if one is not None] == [1, 2]


def test_no_more_looks_than_a_few_wait_for_their_turn() -> None:
    looks: Looks[int] = Looks()
    go, begun = threading.Event(), []

    def make(count: Callable[[], None]) -> int:
        go.wait(5)
        begun.append(1)
        return 1

    for n in range(AT_ONCE):
        assert looks.seen(n, make, at=NOW, upto=1, patience=0.01) == (None, 0)
    began = time.monotonic()
    assert looks.seen("one more", make, at=NOW, upto=1, patience=4) == (None, 0)
    assert time.monotonic() - began < 2, "it is told at once to ask again"
    go.set()
    for n in range(AT_ONCE):
        assert looks.seen(n, make, at=NOW, upto=1, patience=5)[0] is not None
    assert len(begun) == AT_ONCE
    later, _ = looks.seen("one more", make, at=NOW, upto=1, patience=5)
    assert later is not None, "whoever asks again is served"
