"""The page of the demo course in a real browser: what a biller sees, clicks and prints."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, sync_playwright

from adapters.model.claim import Claim, ClaimEvent
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.record import PersonRecord, Reading, SubmissionNews, Tick
from adapters.model.remittance import Adjustment, Decision, Remittance, RemittanceLine
from adapters.pages.course_read import course_view
from adapters.pages.course_view import CourseView
from adapters.pages.links import Links
from adapters.pages.page import course_name, router
from adapters.pipeline import House, read, step, to_send
from adapters.settings import read_site, rules_of
from fhir_server_stub.story import make_story
from fhir_server_stub.wire import dumps

pytestmark = [pytest.mark.browser, pytest.mark.system]

LANE = "4b1d0c6e-0000-5000-8000-00000000beef"
SITE = """
name = "Lindenhof Radiation"
zone = "America/New_York"
people = { 1999999901 = "radiation-oncologist" }

[[facilities]]
id = "main"
name = "Lindenhof Hospital"
npi = "1999999984"
setting = "hospital"
place_of_service = "22"
aliases = ["MAIN"]
[[facilities.entities]]
id = "hospital"
name = "Lindenhof Hospital"
npi = "1999999984"
tin = "990000001"
bills = "technical"
claim_type = "institutional"
[[facilities.entities]]
id = "physicians"
name = "Lindenhof Physicians"
npi = "1999999992"
tin = "990000002"
bills = "professional"
claim_type = "professional"

[[payers]]
id = "medicare"
name = "Medicare Part B"
kind = "medicare"
aliases = ["MCRB"]

[[feeds]]
name = "mosaiq"
media = "hl7v2"
dialect = "example-dft-zseg"
zone = "America/New_York"
facility = "main"
person_system = "mrn"
[[feeds]]
name = "codex"
media = "fhir"
dialect = "codex-rt"
zone = "America/New_York"
facility = "main"
person_system = "mrn"
"""
CODES = ("77407", "77412", "77014", "77387", "77427", "77336", "77301", "77338", "77300", "77290", "77385", "77386")
FEES = "code,modifier,entity,amount,from,to\n" + "".join(f"{code},,,{code[2:]}.00,2015-01-01,\n" for code in CODES)


def answered(claim: Claim) -> Remittance:
    """An invented answer that pays every line but the first of a claim with several, which it denies."""
    lines = []
    for line in claim.lines:
        if line.line == 1 and len(claim.lines) > 1:
            lines.append(RemittanceLine(line.line, line.amount, 0, (Adjustment("CO", "197", line.amount),)))
        else:
            paid = line.amount // 4
            lines.append(RemittanceLine(line.line, line.amount, paid, (Adjustment("CO", "45", line.amount - paid),)))
    return Remittance(f"era-{claim.id}", claim.id, Decision.ADJUDICATED, f"P{claim.id[:6]}", claim.member, tuple(lines))


def demo_record(house: House) -> PersonRecord:
    """The demo course read from its messages, with its claims answered in turn: paid or denied, taken, no answer."""
    record = PersonRecord(LANE)
    zone = ZoneInfo(house.site.zone)
    for n, message in enumerate(make_story(None).messages):
        body = message.body if isinstance(message.body, bytes) else dumps(message.body)
        feed, media = ("mosaiq", "hl7v2") if message.channel == "mllp" else ("codex", "fhir")
        entry = JournalEntry(n, f"message-{n}", JournalKind.MESSAGE, message.at, f"feed:{feed}", media, "", "", body)
        captured = read(entry, house.rules, house.site).captured
        readings = [Reading(entry.id, entry.at, captured=one) for one in captured]
        record = step(record, readings, house, Tick(message.at, message.at.astimezone(zone).date()))
    now = datetime(2026, 1, 13, 12, tzinfo=UTC)
    record = step(record, (), house, Tick(now, now.date()))
    fates = itertools.cycle((ClaimEvent.ADJUDICATE, ClaimEvent.ADJUDICATE, ClaimEvent.TAKE, ClaimEvent.LOST))
    for on_file, event in zip(to_send(record), fates, strict=False):
        answer = answered(on_file.claim) if event is ClaimEvent.ADJUDICATE else None
        news = (
            SubmissionNews(on_file.claim.id, ClaimEvent.SEND, "sending"),
            SubmissionNews(on_file.claim.id, event, "invented", answer),
        )
        record = step(record, [Reading("answer", now, news=one) for one in news], house, Tick(now, now.date()))
    return record


@dataclass(frozen=True)
class Shelf:
    """A store with one record."""

    record: PersonRecord

    def users(self) -> tuple[()]:
        return ()

    def session(self, _id: str, _now: datetime) -> None:
        return None

    def lanes(self) -> tuple[str, ...]:
        return (LANE,)

    def lanes_after(self, after: str, limit: int) -> tuple[str, ...]:
        return tuple(lane for lane in self.lanes() if lane > after)[:limit]

    def marks(self, _lanes: object) -> dict[str, str]:
        return {}

    def load(self, person: str) -> PersonRecord:
        return self.record if person == LANE else PersonRecord(person)


class Now:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class Wired:
    store: Any
    house: House
    clock: Now


@dataclass(frozen=True)
class Clinic:
    """The pages on a port of this machine."""

    url: str
    links: Links
    view: CourseView

    @property
    def course(self) -> str:
        """The address of the course."""
        return f"{self.url}/courses/{course_name(f'{LANE}/C1')}"


@pytest.fixture(scope="module")
def clinic() -> Iterator[Clinic]:
    """The demo course, served by uvicorn on a free port."""
    rules = rules_of()
    house = House.of(rules, read_site(SITE, "site.toml", rules, FEES))
    record = demo_record(house)
    view = course_view(record, f"{LANE}/C1", house.rules, house.site)
    assert view is not None
    numbers = itertools.count(1)
    links = Links(lambda: f"token-{next(numbers)}")
    app = FastAPI(openapi_url=None)
    app.include_router(router(Wired(Shelf(record), house, Now()), links))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        yield Clinic(f"http://127.0.0.1:{listener.getsockname()[1]}", links, view)
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as player:
        started = player.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(clinic: Clinic, browser: Browser) -> Iterator[Page]:
    """The course, opened by a link of its own; whatever the browser complained of fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(f"{clinic.url}/open/{clinic.links.issue(datetime.now(UTC))}")
    assert opened.url == f"{clinic.url}/courses"
    opened.get_by_role("link", name="C1").click()
    assert opened.url == clinic.course
    yield opened
    context.close()
    assert complaints == []


def resized(page: Page, width: int) -> None:
    """Give the page another width and wait until it is laid out for it."""
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_function(f"innerWidth === {width} && matchMedia('(width: {width}px)').matches")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def test_the_course_is_a_grid_over_the_calendar(page: Page, clinic: Clinic) -> None:
    assert page.title() == "Course C1 · Lindenhof Radiation"
    table = page.get_by_role("table").first
    assert table.get_by_role("columnheader").all_inner_texts() == [
        "Week",
        "Mon",
        "Tue",
        "Wed",
        "Thu",
        "Fri",
        "Sat",
        "Sun",
    ]
    shown = page.locator("details.session")
    assert shown.count() == 6
    days = page.eval_on_selector_all(
        "details.session", "all => all.map(one => one.closest('td').querySelector('time').dateTime)"
    )
    assert days == ["2025-12-29", "2025-12-30", "2025-12-31", "2026-01-02", "2026-01-05", "2026-01-06"]
    columns = page.eval_on_selector_all("details.session", "all => all.map(one => one.closest('td').cellIndex)")
    assert columns == [1, 2, 3, 5, 1, 2]
    weeks = page.eval_on_selector_all("details.session", "all => all.map(one => one.closest('tr').rowIndex)")
    assert weeks == [3, 3, 3, 3, 4, 4]
    turn = page.locator("td.boundary")
    assert turn.locator("time").get_attribute("datetime") == "2026-01-01"
    assert turn.evaluate("one => getComputedStyle(one).borderLeftWidth") == "3px"


def test_every_fate_is_told_by_colour_mark_and_word(page: Page, clinic: Clinic) -> None:
    assert len(clinic.view.fates) >= 5
    legend = page.locator(".legend .fate")
    assert legend.count() == len(clinic.view.fates)
    grounds = legend.evaluate_all("all => all.map(one => getComputedStyle(one).backgroundColor)")
    edges = legend.evaluate_all("all => all.map(one => getComputedStyle(one).borderTopStyle)")
    marks = legend.locator(".mark").all_inner_texts()
    assert len(set(zip(grounds, edges, strict=True))) == len(marks) == len(set(marks))
    for session in page.locator("details.session").all():
        assert session.evaluate("one => getComputedStyle(one).backgroundColor") in grounds
        for line in session.locator("summary .line").all():
            assert line.locator(".mark").inner_text().strip() in marks
            assert line.locator(".word").inner_text().strip()


def test_a_click_explains_and_so_does_the_keyboard(page: Page) -> None:
    first, second = page.locator("details.session").nth(4), page.locator("details.session").nth(5)
    told = first.locator(".told")
    assert not told.is_visible()
    first.locator("summary").first.click()
    assert told.is_visible()
    text = told.inner_text()
    assert "By rule delivery" in text
    assert "in force since 1 Jan 2026" in text
    assert "message-" in text
    assert "FT1" in text
    box = told.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1280
    second.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert second.locator(".told").is_visible()
    assert not told.is_visible()


@pytest.mark.parametrize("width", [1280, 1024, 390, 320])
def test_it_fits_its_window(page: Page, width: int) -> None:
    resized(page, width)
    assert overflow(page) <= 0
    page.locator("details.session > summary").last.click()
    assert page.locator("details.session[open] .told").is_visible()
    assert overflow(page) <= 0


def test_on_a_telephone_days_follow_one_another_and_empty_ones_are_left_out(page: Page) -> None:
    resized(page, 390)
    tops = page.eval_on_selector_all("details.session", "all => all.map(one => one.getBoundingClientRect().top)")
    assert tops == sorted(set(tops))
    assert page.locator("td.day.empty:visible").count() == 0
    assert page.get_by_text("2026: other codes for delivery and guidance").is_visible()


def test_the_dark_page_is_dark_and_the_printed_one_is_not(page: Page) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) != light
    page.emulate_media(color_scheme="light", media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert not page.locator(".hint").is_visible()
    assert len(page.pdf(prefer_css_page_size=True)) > 10_000


def test_marks_of_units_lead_to_their_sessions(page: Page) -> None:
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="M1", exact=True))
    assert row.get_by_role("link").all_inner_texts() == ["1", "2", "3", "4", "5"]
    row.get_by_role("link", name="4").click()
    target = page.locator("details.session:target")
    assert target.locator("summary .n").inner_text() == "4"
    assert target.locator("summary .unit").first.inner_text() == "M1"


def test_the_money_adds_up_on_the_page(page: Page, clinic: Clinic) -> None:
    foot = page.locator("section:has(#balance) tfoot td").inner_text()
    assert foot == "$0.00"
    totals = page.locator("section:has(#claims) tfoot td").all_inner_texts()
    cents = [int(text.replace("$", "").replace(",", "").replace(".", "") or 0) for text in totals]
    _, billed, *shared = cents
    assert billed == sum(shared) == clinic.view.money.billed > 0
    bar = page.locator("svg.bar")
    assert bar.bounding_box() is not None
    assert page.locator(".shares dd").count() == bar.locator("rect").count()


def test_a_used_link_opens_nothing_for_the_next(browser: Browser, clinic: Clinic) -> None:
    link = f"{clinic.url}/open/{clinic.links.issue(datetime.now(UTC))}"
    first, second = browser.new_context(), browser.new_context()
    try:
        assert first.new_page().goto(link).status == 200  # type: ignore[union-attr]
        page = second.new_page()
        refused = page.goto(link)
        assert refused is not None
        assert refused.status == 403
        assert "used up" in page.get_by_role("heading").inner_text()
        without = page.goto(clinic.course)
        assert without is not None
        assert without.status == 403
        assert "Halvorsen" not in page.content()
    finally:
        first.close()
        second.close()
