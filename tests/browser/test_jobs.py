"""Twelve jobs that a biller does, each in a real browser from sign-in to result, upon the demo's day played whole.

What a biller saw is kept as pictures in `build/screenshots`; axe-core looks at each page for barriers.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from adapters.demo.day import played
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.model.user import Role, User
from adapters.pages.admission import KNOWN
from adapters.serve.http import create_app
from adapters.serve.lanes import Lanes
from adapters.serve.server import serving
from adapters.smart.passwords import Cost, secret_of
from adapters.wiring import Wired
from fhir_server_stub import month_v2
from fhir_server_stub.ehr import send_mllp
from tests.contracts.conftest import npm

__all__ = ["npm"]
pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(240)]

NAME, PASSWORD = "kim", "a quiet harbour at dusk"
TORN = "MQDEMO-TORN"
"""Control id of a message whose patient the interface lost."""
AXE = Path(__file__).parent / "axe"
SERIOUS = ("serious", "critical")


@dataclass(frozen=True)
class Clinic:
    """The pages of the demo's clinic on a port of this machine."""

    url: str
    wired: Wired


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """The day with its denied claim and its held line, one message torn on its way, and a biller who may sign in."""
    with played(tmp_path_factory.mktemp("jobs"), None) as day:
        wired = day.wired
        lanes = Lanes(wired.store, wired.house, wired.payers, wired.clock)
        port = next(int(at.rpartition(":")[2]) for _, at in day.addresses if at.startswith("mllp:"))
        whole = next(message.wire for message in day.story.messages if message.note == "fraction 1")
        control = whole.split(b"|")[9]
        send_mllp("127.0.0.1", port, [month_v2.broken(whole).replace(control, TORN.encode(), 1)])
        lanes.work()
        secret = secret_of(PASSWORD, b"salt of the test", Cost(4, 1, 1))
        wired.store.put_user(User(NAME, Role.BILLER, secret, wired.clock.now()), "test")
        with serving(create_app(wired, wake=lambda: _worked(lanes)), "127.0.0.1", 0) as url:
            yield Clinic(url, wired)


def _worked(lanes: Lanes) -> None:
    lanes.work()


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as player:
        started = player.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def context(clinic: Clinic, browser: Browser) -> Iterator[BrowserContext]:
    """A browser of a person who has not been here."""
    opened = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=clinic.url, accept_downloads=True)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A biller who has signed in; whatever the browser complained of fails the test."""
    opened = context.new_page()
    complaints: list[str] = []
    # Who is not signed in gets the form with status 403, a form with a mistake comes back with 422: Chromium remarks both.
    meant = re.compile(r"status of 4(03|22) ")
    opened.on("console", lambda said: None if meant.search(said.text) else complaints.append(said.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(opened)
    yield opened
    assert complaints == []


def sign_in(page: Page) -> None:
    """By the form, as a person does."""
    page.goto("/today")
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Today", level=1)).to_be_visible()


def to(page: Page, place: str) -> None:
    """A page of the navigation."""
    page.get_by_role("navigation", name="Pages").get_by_role("link", name=place, exact=True).click()


def first_item(page: Page, kind: str) -> None:
    """The first item of that kind on the work list, opened."""
    to(page, "Today")
    page.get_by_role("region", name="What needs a person").get_by_role(
        "link", name=re.compile(f"^{kind}")
    ).first.click()


def kept(page: Page, name: str, config: pytest.Config) -> None:
    """What was seen, for people to look at."""
    folder = Path(config.rootpath) / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"job-{name}.png", full_page=True, timeout=60_000)


def rows_of(page: Page, link: str) -> list[dict[str, str]]:
    """The rows of a list's CSV file, as it arrives."""
    with page.expect_download() as coming:
        page.get_by_role("link", name=re.compile(link)).click()
    return list(csv.DictReader(io.StringIO(Path(coming.value.path()).read_text(encoding="utf-8-sig"))))


def test_sign_in_shows_what_needs_a_person_by_money(page: Page, pytestconfig: pytest.Config) -> None:
    page.get_by_label("Order").select_option(label="the most money first")
    page.get_by_role("button", name="Show").click()
    money = page.locator("table.list tbody td.num").all_inner_texts()
    amounts = [float(text.replace("$", "").replace(",", "") or 0) for text in money]
    assert amounts
    assert amounts == sorted(amounts, reverse=True)
    assert "items" in page.locator(".who").inner_text()
    kept(page, "01-today", pytestconfig)


def test_an_item_is_assigned(page: Page, pytestconfig: pytest.Config) -> None:
    first_item(page, "hold")
    form = page.locator("form[action$='/assign']")
    form.get_by_label("To").fill(NAME)
    form.get_by_label("Reason").fill("images are mine this week")
    form.get_by_role("button", name="Assign").click()
    expect(page.get_by_role("status")).to_contain_text("Assigned.")
    expect(page.locator("header.top .who")).to_contain_text(f"assigned to {NAME}")
    to(page, "Today")
    page.get_by_label("Whose").select_option(NAME)
    page.get_by_role("button", name="Show").click()
    assert page.locator("table.list tbody tr").count() == 1
    kept(page, "02-assigned", pytestconfig)


def test_a_hold_is_released_with_a_reason(clinic: Clinic, page: Page, pytestconfig: pytest.Config) -> None:
    first_item(page, "hold: documentation missing")
    item = page.url.rpartition("/")[2]
    form = page.locator("form[action$='/release']")
    form.get_by_label("Reason").fill("the review is in the paper chart")
    form.get_by_role("button", name="Release").click()
    expect(page.get_by_role("status")).to_contain_text("Let go.")
    expect(page.locator("header.top .state")).to_have_text("closed")
    expect(page.locator("section[aria-labelledby=decided]")).to_contain_text("the review is in the paper chart")
    kept(page, "03-released", pytestconfig)
    assert item not in {listed.item.id for listed in clinic.wired.store.open_work()}


def paid_claim(page: Page) -> None:
    """The first claim of the list of adjudicated ones that is paid."""
    to(page, "Claims")
    page.get_by_label("State").select_option(label="adjudicated")
    page.get_by_role("button", name="Show").click()
    page.locator("tr:has(.fate-paid) a[href^='/claims/']").first.click()


def test_a_claim_is_opened_from_its_list(page: Page, pytestconfig: pytest.Config) -> None:
    paid_claim(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Claim")
    for heading in ("In short", "Lines", "Ledger", "Documents"):
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    charged = page.locator("section[aria-labelledby=lines] tfoot td.num").first.inner_text()
    assert charged in page.locator("section[aria-labelledby=sum] .lead").inner_text()
    kept(page, "04-claim", pytestconfig)


def test_a_line_is_explained_down_to_the_field_of_its_message(page: Page, pytestconfig: pytest.Config) -> None:
    paid_claim(page)
    page.locator("section[aria-labelledby=lines] a[href^='/explain/']").first.click()
    expect(page.locator("main")).to_contain_text("rule")
    kept(page, "05-explained", pytestconfig)
    page.locator("main a[href^='/messages/']").first.click()
    expect(page.locator("main")).to_contain_text(re.compile("MSH|resourceType"))


def test_a_message_is_found_by_its_control_id(page: Page, pytestconfig: pytest.Config) -> None:
    find(page, TORN)
    assert TORN not in page.url
    expect(page.locator("main")).to_contain_text(re.compile("parked", re.IGNORECASE))
    expect(page.locator("main")).to_contain_text("MSH")
    kept(page, "06-message", pytestconfig)


def find(page: Page, control: str) -> None:
    """The message of that control id, by the search."""
    to(page, "Search")
    page.get_by_role("searchbox").fill(control)
    page.get_by_role("search").get_by_role("button", name="Search").click()
    page.locator("main a[href^='/messages/']").first.click()


def test_a_parked_message_is_read_again(clinic: Clinic, page: Page, pytestconfig: pytest.Config) -> None:
    find(page, TORN)
    page.get_by_role("button", name=re.compile("again|Replay")).click()
    expect(page.get_by_role("status")).to_contain_text("read again")
    kept(page, "07-replayed", pytestconfig)
    assert [parked.reason for parked in clinic.wired.store.parked()] == ["no-patient"], "nobody has mended it"


def test_a_denial_becomes_the_text_of_an_appeal(page: Page, pytestconfig: pytest.Config) -> None:
    to(page, "Denials")
    page.get_by_role("link", name="draft the letter").first.click()
    letter = page.locator("pre.letter").inner_text()
    assert re.search(r"CO-?\s?(197|151)|77014|77300", letter), letter
    assert len(letter) > 400
    kept(page, "08-appeal", pytestconfig)


def test_the_days_of_a_course_are_reconciled(clinic: Clinic, page: Page, pytestconfig: pytest.Config) -> None:
    delivered = {event.day for r in records(clinic) for event in r.events if event.kind == "fraction"}
    to(page, "Reconcile")
    page.get_by_label("Services from").fill(min(delivered).isoformat())
    page.get_by_label("to", exact=True).fill(max(delivered).isoformat())
    page.get_by_label("Show").select_option(label="every service")
    page.get_by_role("button", name="Show", exact=True).click()
    told = rows_of(page, "CSV")
    sessions = [row for row in told if row["what"].startswith("session")]
    assert {row["day"] for row in sessions} == {day.isoformat() for day in delivered}
    assert {row["charged"] for row in sessions} == {"yes"}
    assert any(row["difference"] for row in told)
    kept(page, "09-reconciled", pytestconfig)


def records(clinic: Clinic) -> list[PersonRecord]:
    """All records on file."""
    return [clinic.wired.store.load(lane) for lane in clinic.wired.store.lanes()]


def test_a_list_is_exported(page: Page) -> None:
    to(page, "Claims")
    claims = rows_of(page, r"CSV")
    assert len({row["claim"] for row in claims}) == len(claims) > 1
    to(page, "Today")
    items = rows_of(page, r"CSV")
    assert {"kind", "amount", "next"} <= set(items[0])
    assert not [cell for row in (*claims, *items) for cell in row.values() if cell[:1] in ("=", "+", "@", "\t")]


def test_a_session_that_no_feed_reported_is_entered(clinic: Clinic, page: Page, pytestconfig: pytest.Config) -> None:
    (lane,) = {c.claim.person for record in records(clinic) for c in record.claims}
    before = len(records(clinic)[0].events)
    to(page, "Courses")
    page.locator("main a[href^='/courses/']").first.click()
    page.get_by_role("link", name="Enter what no feed reported").click()
    page.get_by_label("What happened").select_option("fraction")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_label("Course", exact=True)).to_have_value("C1")
    page.get_by_label("Or: it began").fill("2026-01-09T09:00:00")
    for name, value in (("n", "seven"), ("isocenters", "1"), ("diagnosis", "C61")):
        page.get_by_label(f"Value of {name}", exact=True).fill(value)
    page.get_by_label("Value of technique").select_option("imrt")
    page.get_by_label("Reason").fill("the machine was offline")
    page.get_by_role("button", name="See what would become of it").click()
    expect(page.get_by_role("alert")).to_contain_text("n: is not what this fact should be")
    expect(page.get_by_label("Value of isocenters")).to_have_value("1")
    page.get_by_label("Value of n", exact=True).fill("7")
    page.get_by_role("button", name="See what would become of it").click()
    expect(page.get_by_role("region", name="Lines")).to_contain_text("9 Jan 2026: 77407 x 1")
    kept(page, "11-foreseen", pytestconfig)
    page.get_by_role("button", name="Enter it").click()
    expect(page.get_by_role("status")).to_contain_text("Entered.")
    expect(page.locator("section[aria-labelledby=decided]")).to_contain_text("fraction on 2026-01-09 09:00, course C1")
    assert lane in page.url
    assert len(records(clinic)[0].events) == before + 1


def test_a_line_is_not_billed(clinic: Clinic, page: Page, pytestconfig: pytest.Config) -> None:
    paid_claim(page)
    page.locator("section[aria-labelledby=lines] a[href^='/explain/']").first.click()
    form = page.locator("form[action$='/drop']")
    form.get_by_label("Reason").fill("billed by the hospital")
    form.get_by_role("button").click()
    expect(page.get_by_role("region", name="Lines")).to_contain_text("held: not billed")
    expect(page.get_by_role("region", name="Claims")).to_contain_text(re.compile("a (void|replacement) is drawn up"))
    kept(page, "12-not-billed", pytestconfig)
    page.get_by_role("button", name="Do not bill it").click()
    expect(page.get_by_role("status")).to_contain_text("Not billed.")
    assert [hold.code for record in records(clinic) for hold in record.holds].count("not-billed") == 1


def test_signing_out_ends_it(context: BrowserContext, page: Page, pytestconfig: pytest.Config) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.goto("/claims")
    expect(page.get_by_label("Password")).to_be_visible()
    page.go_back()
    page.reload()
    expect(page.get_by_label("Password")).to_be_visible()
    left = [cookie["name"] for cookie in context.cookies() if cookie["value"]]
    assert [name for name in left if not name.startswith(f"{KNOWN}_")] == [], "what stays lets nobody in"
    kept(page, "10-signed-out", pytestconfig)


# ---------------------------------------------------------------- barriers


@pytest.fixture(scope="module")
def axe(npm: Callable[[Path], Path]) -> str:
    """The script of axe-core, of the lock's version and digest."""
    return (npm(AXE) / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def test_no_page_has_a_serious_barrier(clinic: Clinic, browser: Browser, axe: str) -> None:
    """axe-core's rules of WCAG 2.1 A and AA, upon every page that the navigation and its first links lead to."""
    context = browser.new_context(base_url=clinic.url, bypass_csp=True)
    page = context.new_page()
    page.goto("/today")
    found = {"/sign-in": barriers(page, axe)}
    sign_in(page)
    for path in (*addresses(page), *of_a_patient(clinic)):
        page.goto(path)
        found[path] = barriers(page, axe)
    form = page.locator("form[action$='/drop']")
    form.get_by_label("Reason").fill("billed by the hospital")
    form.get_by_role("button").click()
    found["what would become of it"] = barriers(page, axe)
    context.close()
    assert "\n".join(f"{path}: {one}" for path, said in found.items() for one in said) == ""
    assert len(found) > 12


def test_a_barrier_would_be_seen(browser: Browser, axe: str) -> None:
    page = browser.new_page()
    page.set_content("<html lang=en><title>t</title><main><h1>h</h1><input><p style='color:#999'>faint</p></main>")
    assert {said.partition(" ")[0] for said in barriers(page, axe)} == {"label", "color-contrast"}
    page.close()


def addresses(page: Page) -> list[str]:
    """The pages of the navigation, and of each kind of page behind them the first."""
    places = [link.get_attribute("href") or "" for link in page.locator("nav.places a").all()]
    found = dict.fromkeys(places)
    kinds: set[str] = set()
    for place in places:
        page.goto(place)
        links = [link.get_attribute("href") or "" for link in page.locator("main a[href^='/']").all()]
        for address in links:
            path = address.partition("?")[0]
            kind = re.sub(r"/[^/]{8,}", "/*", path)
            if kind not in kinds and not path.endswith(".csv"):
                kinds.add(kind)
                found[address] = None
    return list(found)


def of_a_patient(clinic: Clinic) -> list[str]:
    """The pages on which something is entered and decided about a patient; that of a line last."""
    record = next(one for one in records(clinic) if one.charges)
    charge = next(one for one in record.charges if one.status is ChargeStatus.SETTLED)
    return [
        *(f"/persons/{record.person}{more}" for more in ("", "/enter", "/enter?kind=fraction")),
        f"/explain/{charge.id}",
    ]


def barriers(page: Page, axe: str) -> list[str]:
    """What axe-core finds serious or critical, each with its first place; the colours in the dark as well."""
    page.add_script_tag(content=axe)
    page.emulate_media(color_scheme="light")
    told = looked(page, {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    page.emulate_media(color_scheme="dark")
    told += looked(page, {"type": "rule", "values": ["color-contrast"]})
    return [_said(one) for one in told if one["impact"] in SERIOUS]


def looked(page: Page, only: dict[str, Any]) -> list[dict[str, Any]]:
    """The violations of those rules."""
    options = json.dumps({"runOnly": only, "resultTypes": ["violations"]})
    found: list[dict[str, Any]] = page.evaluate(f"async () => (await axe.run(document, {options})).violations")
    return found


def _said(violation: dict[str, Any]) -> str:
    node = violation["nodes"][0]
    summary = " ".join(node["failureSummary"].split())
    return f"{violation['id']} at {len(violation['nodes'])} places, first {node['target']}: {summary}"
