"""The picture of a visit in a real browser: how it looks, whom it tells what, and how it prints."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Page, sync_playwright

from adapters.model.record import PersonRecord
from adapters.pages.links import Links
from adapters.pages.page import course_name, router
from adapters.pipeline import House
from tests.model.visits import VISIT, everything, place, recorded

pytestmark = [pytest.mark.browser, pytest.mark.system]
PERSON = VISIT.partition("/")[0]


@dataclass(frozen=True)
class Shelf:
    """A store with one record."""

    record: PersonRecord

    def users(self) -> tuple[()]:
        return ()

    def session(self, _id: str, _now: datetime) -> None:
        return None

    def lanes(self) -> tuple[str, ...]:
        return (PERSON,)

    def lanes_after(self, after: str, limit: int) -> tuple[str, ...]:
        return tuple(lane for lane in self.lanes() if lane > after)[:limit]

    def marks(self, _lanes: object) -> dict[str, str]:
        return {}

    def load(self, person: str) -> PersonRecord:
        return self.record if person == PERSON else PersonRecord(person)


class Now:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class Wired:
    store: Any
    house: House
    clock: Now


@pytest.fixture(scope="module")
def page(chromium_path: str) -> Iterator[Page]:
    """The page of the visit, reached as a person reaches it; whatever the browser complained of fails the test."""
    house = place()
    numbers = itertools.count(1)
    links = Links(lambda: f"token-{next(numbers)}")
    app = FastAPI(openapi_url=None)
    app.include_router(router(Wired(Shelf(recorded(*everything(), at=house)), house, Now()), links))
    complaints: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with sync_playwright() as player:
            browser = player.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
            opened = browser.new_page(viewport={"width": 1280, "height": 900})
            opened.set_default_timeout(90_000)
            opened.on("console", lambda message: complaints.append(message.text))
            opened.on("pageerror", lambda error: complaints.append(str(error)))
            opened.goto(f"{url}/open/{links.issue(datetime.now(UTC))}")
            opened.get_by_role("link", name="visit for drugs").click()
            opened.get_by_role("link", name="The visit by its minutes").click()
            assert opened.url == f"{url}/visits/{course_name(VISIT)}"
            yield opened
            browser.close()
        server.should_exit = True
        thread.join(10)
    assert complaints == []


def test_the_picture_has_a_name_and_a_description(page: Page) -> None:
    picture = page.get_by_role("img", name="Visit of 4 May 2026, 07:30 to 14:05")
    assert picture.count() == 1
    described = picture.evaluate("one => document.getElementById('visit-desc').textContent")
    assert (
        "paclitaxel, infusion: 09:00 to 12:21, 181 min, pauses 20; initial 96413 ×1; further hours 96415 ×2"
        in described
    )


def test_no_words_run_over_one_another_or_out_of_the_picture(page: Page) -> None:
    over = page.evaluate(
        """() => {
            const svg = document.querySelector('.visit svg').getBoundingClientRect();
            const texts = [...document.querySelectorAll('.visit svg text')];
            const boxes = texts.map(one => [one.textContent, one.getBoundingClientRect()]);
            const found = [];
            boxes.forEach(([words, a], i) => {
                if (a.left < svg.left || a.right > svg.right + 1) found.push(words + ' leaves the picture');
                boxes.slice(i + 1).forEach(([other, b]) => {
                    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                    if (wide > 1 && high > 3) found.push(words + ' over ' + other);
                });
            });
            return found;
        }"""
    )
    assert over == []


def test_the_table_says_the_same_to_who_cannot_see(page: Page) -> None:
    rows = page.get_by_role("table").get_by_role("row")
    assert rows.count() == 1 + 12
    said = [" ".join(row.split()) for row in rows.all_inner_texts()]
    assert "paclitaxel infusion port 10:00 12:21 121 further hours 96415 ×2 due" in said
    assert "iron & <salts> infusion port 14:00 waits: no stop time" in said


def test_a_telephone_scrolls_the_picture_and_not_the_page(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("innerWidth === 390")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_function("innerWidth === 1280")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots_are_kept(page: Page, scheme: Any, pytestconfig: pytest.Config) -> None:
    """As test output, for people to look at: `build/screenshots`."""
    folder = Path(pytestconfig.rootpath) / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.emulate_media(color_scheme=scheme)
    kept = folder / f"visit-{scheme}.png"
    page.screenshot(path=kept, full_page=True, timeout=90_000)
    assert kept.stat().st_size > 20_000
    page.emulate_media(color_scheme="light")


def test_it_prints_on_one_sheet_with_its_shades(page: Page, pytestconfig: pytest.Config) -> None:
    folder = Path(pytestconfig.rootpath) / "build" / "screenshots"
    page.emulate_media(media="print")
    printed = page.pdf(path=folder / "visit.pdf", print_background=True, prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") <= 2
    page.emulate_media(media="screen")
