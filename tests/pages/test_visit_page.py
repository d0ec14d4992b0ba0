"""The page of a visit for drugs: its picture and its table behind the same link as the courses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from adapters.model.record import PersonRecord
from adapters.pages.links import Links
from adapters.pages.page import HEADERS, course_name, router
from adapters.pipeline import House
from tests.model.visits import VISIT, everything, place, recorded

NOW = datetime(2026, 5, 5, 15, tzinfo=UTC)
ADDRESS = f"/visits/{course_name(VISIT)}"


@dataclass(frozen=True)
class Shelf:
    record: PersonRecord

    def users(self) -> tuple[()]:
        return ()

    def session(self, _id: str, _now: datetime) -> None:
        return None

    def lanes(self) -> tuple[str, ...]:
        return (self.record.person,)

    def lanes_after(self, after: str, limit: int) -> tuple[str, ...]:
        return tuple(lane for lane in self.lanes() if lane > after)[:limit]

    def marks(self, _lanes: object) -> dict[str, str]:
        return {}

    def load(self, person: str) -> PersonRecord:
        return self.record if person == self.record.person else PersonRecord(person)


class Noon:
    def now(self) -> datetime:
        return NOW


@dataclass(frozen=True)
class Wired:
    store: Any
    house: House
    clock: Noon


@pytest.fixture
def pages() -> TestClient:
    house = place()
    app, links = FastAPI(openapi_url=None), Links(lambda: "token")
    app.include_router(router(Wired(Shelf(recorded(*everything(), at=house)), house, Noon()), links))
    client = TestClient(app, base_url="http://127.0.0.1:8000")
    links.issue(NOW)
    return client


def opened(pages: TestClient) -> TestClient:
    assert pages.get("/open/token").status_code == 200
    return pages


def test_nobody_sees_a_visit_without_a_link(pages: TestClient) -> None:
    answer = pages.get(ADDRESS)
    assert answer.status_code == 403
    assert "paclitaxel" not in answer.text
    assert "Quill" not in answer.text


def test_the_visit_is_reached_from_the_courses_and_shows_picture_and_table(pages: TestClient) -> None:
    listed = opened(pages).get("/courses").text
    course = f"/courses/{course_name(VISIT)}"
    assert f'<a href="{course}">visit for drugs</a>' in listed
    lines = pages.get(course).text
    assert f'<a href="{ADDRESS}">The visit by its minutes</a>' in lines
    answer = pages.get(ADDRESS)
    assert answer.status_code == 200
    for header, value in HEADERS.items():
        assert answer.headers[header] == value
    assert "<title>Visit · Clinic</title>" in answer.text
    assert "Visit of 4 May 2026, 07:30 to 14:05" in answer.text
    for shown in (answer.text, lines):
        assert f'href="/persons/{VISIT.partition("/")[0]}"' in shown
        assert "/enter" not in shown, "who only looks enters nothing"
    assert answer.text.count("<svg") == 1
    assert '<th scope="row">paclitaxel</th><td>infusion</td><td>port</td>' in answer.text
    assert 'class="code">96415 ×2</td><td>due</td>' in answer.text
    assert "<script" not in answer.text
    assert " style=" not in answer.text


def test_names_of_drugs_are_escaped_in_picture_and_table(pages: TestClient) -> None:
    text = opened(pages).get(ADDRESS).text
    assert "<salts>" not in text
    assert text.count("iron &amp; &lt;salts&gt;") >= 3


def test_an_address_of_nothing_or_of_a_course_shows_nothing(pages: TestClient) -> None:
    opened(pages)
    for address in ("/visits/p1.000000000000", "/visits/nobody.0", f"/visits/{course_name('p1/C1')}"):
        assert pages.get(address).status_code == 404


def test_a_visit_without_a_person_known_has_a_page_too() -> None:
    house = place()
    record = recorded(*everything(), at=house)
    bare = replace(record, events=tuple(e for e in record.events if e.kind != "patient"))
    app, links = FastAPI(openapi_url=None), Links(lambda: "token")
    app.include_router(router(Wired(Shelf(bare), house, Noon()), links))
    links.issue(NOW)
    client = TestClient(app, base_url="http://127.0.0.1:8000")
    assert "name not known" in opened(client).get(ADDRESS).text
