"""Denials, payers and rules: what waits, with whom, and by which rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from adapters.model.lists import Page, WorkAsked
from adapters.model.user import Role
from adapters.pages.lists import day_of, every, whole_of
from adapters.pages.rules import rules_on
from tests.pages.clinic import RULES, Clinic, sheet, shown
from tests.pages.filled import DENIED, UNSENT, filled


@pytest.fixture(scope="module")
def made() -> Iterator[Clinic]:
    built = filled()
    built.signed_in(Role.VIEWER)
    yield built
    built.close()


def test_a_denial_is_told_with_cause_deadline_value_and_letter(made: Clinic) -> None:
    page = shown(made, "/denials")
    for words in ("$250.00 refused in 1 line", "18 Jan 2026", "not deemed necessary", "medical necessity", "over"):
        assert words in page, words
    assert f"/claims/{DENIED}/appeal" in page
    assert f"/claims/{DENIED}/packet" in page
    item = made.store.work_page(WorkAsked("denial")).things[0].item
    assert f"/work/{item.id}" in page
    assert made.client.get(f"/work/{item.id}").status_code == 200


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 1),
        ("payer=lakeside", 1),
        ("payer=other", 0),
        ("category=medical-necessity", 1),
        ("category=coverage", 0),
        ("action=appeal", 1),
        ("days=0", 1),
        ("after=2026-01-17:x", 1),
        ("after=2026-01-18:zzzz", 0),
    ],
)
def test_list_and_file_of_denials_are_narrowed_alike(made: Clinic, query: str, count: int) -> None:
    assert shown(made, f"/denials?{query}").count('href="/work/') == count
    if "after" not in query:
        found = sheet(made, f"/denials.csv?{query}")
        assert len(found) == count
        assert all((row["amount"], row["claim"], row["reason"]) == ("250.00", DENIED, "50") for row in found)


def test_payers_are_told_with_what_is_under_way(made: Clinic) -> None:
    page = shown(made, "/payers")
    assert "Lakeside Mutual" in page
    assert 'href="/claims?state=decided&amp;payer=lakeside">1</a>' in page
    assert "not lately" in page
    standing = {one.payer: one for one in made.store.standings()}["lakeside"]
    assert sum(standing.states.values()) == len(made.store.claims())
    assert UNSENT in shown(made, "/claims?state=unsent&payer=lakeside")


def test_rules_are_those_of_the_day(made: Clinic) -> None:
    now, then = shown(made, "/rules?day=2026-01-20"), shown(made, "/rules?day=2025-06-01")
    assert "Rules in force on 20 Jan 2026" in now
    assert "Rules in force on 1 Jun 2025" in then
    of = {row.id: row for row in rules_on(RULES, date(2026, 1, 20))}
    assert set(of) == {rule.id for rule in RULES.rules}
    for row in of.values():
        version = RULES.rule(row.id).on(date(2026, 1, 20))
        assert row.since == (version.since if version else None)
        assert row.cite == (version.ref.cite if version else "")
        assert row.until is None or row.until > date(2026, 1, 20)
    assert any(row.until for row in rules_on(RULES, date(2025, 6, 1))), "the codes changed with the year"
    stale = [row for row in rules_on(RULES, date(2036, 1, 1)) if row.stale]
    assert stale
    assert f"{len(stale)} are due for review" in shown(made, "/rules?day=2036-01-01")
    found = sheet(made, "/rules.csv?day=2026-01-20&words=delivery")
    assert 0 < len(found) < len(of)
    assert all("delivery" in f"{r['rule']} {r['title']} {r['clause']} {r['file']}".casefold() for r in found)


def test_filters_are_read_strictly() -> None:
    assert (whole_of("12"), whole_of("999999"), whole_of("-1"), whole_of("x"), whole_of("")) == (
        12,
        3660,
        None,
        None,
        None,
    )
    assert (day_of("2026-02-30"), day_of("2026-02-03"), day_of("")) == (None, date(2026, 2, 3), None)


def test_a_file_is_the_whole_list_up_to_its_bound() -> None:
    asked: list[str] = []

    def ask(after: str, limit: int) -> Page[int]:
        asked.append(after)
        start = int(after or 0)
        return Page(tuple(range(start, start + 4)), str(start + 4) if start < 8 else "")

    assert list(every(ask)) == list(range(12))
    assert asked == ["", "4", "8"]
    assert list(every(ask, 5)) == [0, 1, 2, 3, 4]
