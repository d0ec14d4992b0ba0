"""The reconciliation and the comparison as pages: the same as the commands print, found aside and kept a while."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import pytest

from adapters.model.reconciliation import Stage
from adapters.model.user import Role
from adapters.pages.looking import KEPT, Looks
from adapters.pages.reconcile_pages import span_of
from tests.pages.clinic import CANARIES, Clinic, clinic
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


def shown(made: Clinic, path: str) -> str:
    for _ in range(40):
        answer = made.client.get(path)
        if answer.status_code != 202:
            break
        assert 'http-equiv="refresh"' in answer.text
    assert answer.status_code == 200, (path, answer.status_code, answer.text[:600])
    return answer.text


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_what_stops_is_told_with_stage_reason_and_money(made: Clinic) -> None:
    page = shown(made, f"/reconcile?{SPAN}")
    assert "Reconcile: 1 to 9 Jan 2026" in page or "Reconcile: 1 Jan to 9 Jan 2026" in page
    found = rows(shown(made, f"/reconcile.csv?{SPAN}"))
    assert found
    assert {row["standing"] for row in found} <= {"new", "carried"}
    held = [row for row in found if row["what"] == "management unit 1"]
    assert [(row["difference"], row["amount"]) for row in held] == [("not-documented", "310.00")]
    assert made.house.rules.differences["not-documented"].words in page
    assert "$310.00" in page
    for stage in Stage:
        assert f'<span class="hidden">{stage}: ' in page


def test_every_service_is_shown_once_where_all_are_asked_for(made: Clinic) -> None:
    open_, every = (rows(shown(made, f"/reconcile.csv?{SPAN}{more}")) for more in ("", "&show=all"))
    assert len(every) > len(open_)
    assert sum(row["what"].startswith("session") for row in every) == 5
    assert all(row["difference"] == "" for row in every[len(open_) :])


@pytest.mark.parametrize("more", ["&name=not-documented", "&who=clinic", "&who=nobody-like-that", "&name=none"])
def test_page_and_file_are_narrowed_alike(made: Clinic, more: str) -> None:
    found = rows(shown(made, f"/reconcile.csv?{SPAN}{more}"))
    every = rows(shown(made, f"/reconcile.csv?{SPAN}"))
    name, _, value = more[1:].partition("=")
    column = {"name": "difference", "who": "who"}[name]
    assert found == [row for row in every if row[column] == value]
    page = shown(made, f"/reconcile?{SPAN}{more}")
    assert (f"{len(found)} row" in page) if found else ("Nothing is like that." in page)


def test_our_charges_are_set_against_the_coded_ones(made: Clinic) -> None:
    page = shown(made, f"/compare?{SPAN}")
    assert "% of" in page
    assert "we would bill" in page.lower()
    found = rows(shown(made, f"/compare.csv?{SPAN}"))
    assert {row["kind"] for row in found} & {"ours-only", "theirs-only"}
    kind = found[0]["kind"]
    some = rows(shown(made, f"/compare.csv?{SPAN}&kind={kind}"))
    assert some == [row for row in found if row["kind"] == kind]
    assert "Nothing was delivered or coded in this time." in shown(made, "/compare?from=2020-01-01&to=2020-01-02")


def test_what_has_come_since_is_told_and_looked_for_when_asked() -> None:
    other = clinic(treated=True)
    other.signed_in(Role.VIEWER)
    path = f"/reconcile?{SPAN}"
    assert "nothing has come since" in shown(other, path)
    before = len(rows(shown(other, f"/reconcile.csv?{SPAN}&show=all")))
    take(other, dft("C9", transaction="T9", day="20260106"), "A9")
    assert "come since" in shown(other, path)
    assert "nothing has come since" not in shown(other, path)
    assert len(rows(shown(other, f"/reconcile.csv?{SPAN}&show=all"))) == before
    answer = sent(other.client, path, "/reconcile", {"from": "2026-01-01", "to": "2026-01-09"})
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    shown(other, f"/reconcile?{SPAN}")
    assert len(rows(shown(other, f"/reconcile.csv?{SPAN}&show=all"))) > before
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


def test_a_span_is_bounded_and_in_order() -> None:
    today = date(2026, 1, 20)
    assert span_of({}, today, 1) == (date(2026, 1, 19), date(2026, 1, 19))
    assert span_of({}, today, 28) == (date(2025, 12, 23), date(2026, 1, 19))
    assert span_of({"from": "2026-01-09", "to": "2026-01-01"}, today, 1) == (date(2026, 1, 1), date(2026, 1, 9))
    assert span_of({"from": "1900-01-01", "to": "2026-01-01"}, today, 1) == (date(2024, 12, 31), date(2026, 1, 1))


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
