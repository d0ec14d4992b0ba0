"""A supervisor rehearses another price and a rule's file in a real browser, on a small clinic on a port of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from adapters.model.user import Role
from adapters.serve.http import create_app
from adapters.serve.server import serving
from adapters.settings.drafted import mapping_text
from tests.browser.test_jobs import axe, barriers, browser, npm
from tests.pages.clinic import Clinic, clinic
from tests.pages.test_rehearse_pages import SITE, on_disk
from tests.pages.visiting import PASSWORD

__all__ = ["axe", "browser", "npm"]
pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    built = on_disk(clinic(treated=True), tmp_path_factory.mktemp("site"))
    built.user("sue", Role.SUPERVISOR)
    yield built
    built.close()


@pytest.fixture
def page(made: Clinic, browser: Browser) -> Iterator[Page]:
    """A supervisor who has signed in."""
    with serving(create_app(made), "127.0.0.1", 0) as url:
        context = browser.new_context(base_url=url, bypass_csp=True)
        opened = context.new_page()
        opened.goto("/today")
        opened.get_by_label("Name").fill("sue")
        opened.get_by_label("Password").fill(PASSWORD)
        opened.get_by_role("button", name="Sign in").click()
        yield opened
        context.close()


def test_a_supervisor_sees_what_another_price_would_change(
    made: Clinic, page: Page, axe: str, pytestconfig: pytest.Config
) -> None:
    page.goto("/rules")
    page.get_by_role("link", name="Rehearse other rules").click()
    page.get_by_label("or one that is in force").fill("edits/course-limits.toml")
    page.get_by_role("button", name="Take it").click()
    _, text = mapping_text("edits/course-limits.toml", ()) or ("", "")
    box = page.get_by_label("Its text").first
    assert box.input_value() == text, "a browser takes the first line end of a box away, and gives back others"
    page.locator("#site").fill(SITE.replace('zone = "America/New_York"', 'zone = "America"', 1))
    page.get_by_role("button", name="Rehearse", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("site file: zone: ")
    assert box.input_value() == text
    found = barriers(page, axe)
    page.locator("#site").fill(SITE.replace("120.50", "150.00"))
    page.get_by_role("button", name="Rehearse", exact=True).click()
    expect(page.locator(".lead")).to_contain_text("+$29.50", timeout=20_000)
    found += barriers(page, axe)
    folder = Path(pytestconfig.rootpath) / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / "rehearsal.png", full_page=True, timeout=60_000)
    with page.expect_download() as coming:
        page.get_by_role("link", name="These as a file (CSV)").click()
    assert "29.50" in Path(coming.value.path()).read_text(encoding="utf-8-sig")
    page.get_by_role("link", name="Change and try again").click()
    assert page.get_by_label("Its text").first.input_value() == text
    assert found == []
    assert [str(one.charge.price) for one in made.store.load(made.store.lanes()[0]).charges].count("150.00") == 0
