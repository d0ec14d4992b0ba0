"""The list of courses: made once for a record, and anew when the record is another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.model.user import Role
from adapters.pages import course_list
from tests.pages.clinic import Clinic, clinic
from tests.pages.visiting import OURS, hidden

_ANOTHER = """
[patient]
system = "urn:quietbay:mrn"
value = "another"

[[event]]
kind = "course-end"
date = 2026-01-09
course = "C9"
"""


@pytest.fixture
def there() -> Iterator[Clinic]:
    made = clinic(treated=True)
    yield made
    made.close()


def test_a_row_is_made_once_and_anew_after_a_change(there: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    real = course_list.course_view

    def counted(record: Any, episode: str, *more: Any) -> Any:
        looked.append(episode)
        return real(record, episode, *more)

    monkeypatch.setattr(course_list, "course_view", counted)
    browser = there.signed_in(Role.BILLER)
    first = browser.get("/courses").text
    assert len(looked) > 0
    before = len(looked)
    assert _rows(browser.get("/courses").text) == _rows(first)
    assert len(looked) == before
    item = next(one for one in there.store.worklist() if one.code == "documentation-missing")
    guard = hidden(browser.get(f"/work/{item.id}").text)
    done = browser.post(f"/work/{item.id}/release", data={**guard, "why": "it is on paper"}, headers=OURS)
    assert done.status_code == 303
    assert _rows(browser.get("/courses").text) != _rows(first)
    assert len(looked) > before


def _rows(page: str) -> list[str]:
    return re.findall(r"<tr>.*?</tr>", page, re.DOTALL)


def test_a_mark_changes_with_its_record_and_no_other(there: Clinic) -> None:
    (lane,) = there.store.lanes()
    before = there.store.marks([lane, "nobody"])
    assert set(before) == {lane}
    there.signed_in(Role.BILLER)
    assert there.store.marks([lane]) == before
    there.decide(_ANOTHER)
    assert there.store.marks([lane]) == before
    assert len(there.store.marks(there.store.lanes())) == 2
