"""What an adversary, and a careless colleague, tries at the pages: each test is one attack that did something once."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from typing import Any

import httpx
import pytest
import typer
from starlette.requests import Request
from typer.testing import CliRunner

from adapters.cli import deciding
from adapters.cli.users import users_app
from adapters.errors import StoreDown
from adapters.model.user import Role, supervises, user_name
from adapters.pages import admission, looking, signing
from adapters.pages.admission import form_of
from adapters.pages.looking import KEPT, Looks
from adapters.pages.page import router
from adapters.pages.sheet import csv_answer
from adapters.pages.today import _row
from adapters.pipeline import settling
from adapters.pipeline.receive import receive_v2
from adapters.pipeline.settling import reason_problem
from adapters.rules import Ruleset
from tests.pages.clinic import NOW, Clinic, clinic
from tests.pages.visiting import NOBODYS, OURS, hidden
from tests.serve.conftest import FAMILY, GIVEN, MRN, dft

pytestmark = pytest.mark.slow

HELD, EDIT = "documentation-missing", "units-exceeded"


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    monkeypatch.setattr(signing, "PACE", 0.001)
    monkeypatch.setattr(signing, "NOBODYS", NOBODYS)
    made = clinic(treated=True)
    yield made
    made.close()


# ---------------------------------------------------------------- who is a supervisor


def test_a_name_in_other_letters_is_the_same_user() -> None:
    users = {"kim": Role.BILLER, "boss": Role.SUPERVISOR}
    assert not supervises("Kim", users, ("Kim", "kim"))
    assert not supervises(" KIM ", users, ("KIM", " KIM "))
    assert supervises("Boss", users, ())
    assert supervises("Dr. Harbour", users, ("Dr. Harbour",))


def test_nobody_is_called_as_what_is_nobody() -> None:
    assert [user_name(said) for said in ("link", "Nobody", "console", "openid")] == [""] * 4
    assert user_name("linka") == "linka"


@pytest.mark.parametrize(
    ("role", "needed", "refused"),
    [
        (Role.VIEWER, Role.BILLER, True),
        (Role.BILLER, Role.BILLER, False),
        (Role.BILLER, Role.SUPERVISOR, True),
        (Role.SUPERVISOR, Role.SUPERVISOR, False),
    ],
)
def test_a_command_under_the_name_of_a_user_may_what_the_user_may(
    there: Clinic, role: Role, needed: Role, refused: bool
) -> None:
    there.user("kim", role)
    wired: Any = there
    for said in ("kim", "KIM"):
        if refused:
            with pytest.raises(typer.Exit):
                deciding.allowed(wired, said, needed)
        else:
            deciding.allowed(wired, said, needed)
    deciding.allowed(wired, "somebody who never signs in", needed)


@pytest.mark.parametrize("by", ["", " ", "kim\nperson:boss", "\u202essob", "x" * 501])
def test_who_changes_users_is_a_name_on_one_line(by: str) -> None:
    asked = CliRunner().invoke(users_app, ["remove", "kim", "--by", by])
    assert asked.exit_code == 2
    assert "on one line" in asked.output


# ---------------------------------------------------------------- forms that are old


def test_what_is_let_go_is_what_was_seen(there: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line came to bill more after the page was made: the person has agreed to something else."""
    browser, item = there.signed_in(Role.BILLER), there.item(HELD)
    form = {**hidden(browser.get(f"/work/{item.id}").text), "why": "it is on paper"}
    real, before = settling.found_of, len(there.decisions())

    def changed(store: Any, of: Any) -> settling.Found:
        found = real(store, of)
        assert found.hold is not None
        assert found.hold.would is not None
        return replace(found, hold=replace(found.hold, would=replace(found.hold.would, units=7)))

    monkeypatch.setattr(settling, "found_of", changed)
    for verb in ("release", "close"):
        form["once"] = f"of {verb}"
        refused = browser.post(f"/work/{item.id}/{verb}", data=form, headers=OURS)
        assert (refused.status_code, "has changed since" in refused.text) == (409, True), verb
        assert "× 7" in refused.text
    assert len(there.decisions()) == before
    shown = browser.get(f"/work/{item.id}").text
    fresh = {**hidden(shown), "why": "seven are on paper"}
    assert browser.post(f"/work/{item.id}/release", data=fresh, headers=OURS).status_code == 303


def test_a_form_that_says_nothing_of_what_was_seen_lets_nothing_go(there: Clinic) -> None:
    browser, item = there.signed_in(Role.BILLER), there.item(HELD)
    form = {**hidden(browser.get(f"/work/{item.id}").text), "why": "it is on paper"}
    del form["seen"]
    assert browser.post(f"/work/{item.id}/release", data=form, headers=OURS).status_code == 409


def test_what_was_closed_meanwhile_is_not_let_go(there: Clinic) -> None:
    browser, item = there.signed_in(Role.BILLER), there.item(HELD)
    form = {**hidden(browser.get(f"/work/{item.id}").text), "why": "it is on paper"}
    assert browser.post(f"/work/{item.id}/close", data=form, headers=OURS).status_code == 303
    form["once"] = "another"
    assert browser.post(f"/work/{item.id}/release", data=form, headers=OURS).status_code == 409


def test_a_decision_is_taken_back_once(there: Clinic) -> None:
    browser, item = there.signed_in(Role.SUPERVISOR), there.item(HELD)
    form = {**hidden(browser.get(f"/work/{item.id}").text), "why": "it is on paper"}
    assert browser.post(f"/work/{item.id}/release", data=form, headers=OURS).status_code == 303
    entry = next(one.id for one in reversed(there.store.journal()) if one.kind.value == "decision")
    answers = []
    for n in range(2):
        form["once"] = f"of {n}"
        answers.append(browser.post(f"/work/{item.id}/withdraw/{entry}", data=form, headers=OURS))
    assert [one.status_code for one in answers] == [303, 409]
    assert "withdrawn already" in answers[1].text


def test_who_presses_twice_after_a_refusal_comes_to_a_page(there: Clinic) -> None:
    """The page of a refusal stands at the address of the form, which nobody can look at."""
    browser, item = there.signed_in(Role.BILLER), there.item(HELD)
    refused = browser.post(
        f"/work/{item.id}/close", data={**hidden(browser.get(f"/work/{item.id}").text), "why": ""}, headers=OURS
    )
    assert refused.status_code == 422
    headers = {**OURS, "Referer": f"http://127.0.0.1/work/{item.id}/close"}
    form = {**hidden(refused.text), "why": "mine", "to": "a.biller"}
    again = [browser.post(f"/work/{item.id}/assign", data=form, headers=headers) for _ in range(2)][1]
    assert again.headers["location"] == f"/work/{item.id}"
    assert browser.get(again.headers["location"]).status_code == 200


@pytest.mark.parametrize("path", ["\\elsewhere.example", "/elsewhere.example", "no/such/page", "\xe9"])
def test_an_odd_referer_leads_to_the_first_page(there: Clinic, path: str) -> None:
    browser, item = there.signed_in(Role.BILLER), there.item(HELD)
    form = {**hidden(browser.get(f"/work/{item.id}").text), "why": "mine"}
    headers: Any = {**OURS, "Referer": f"http://127.0.0.1/{path}".encode("latin-1")}
    again = [browser.post(f"/work/{item.id}/assign", data=form, headers=headers) for _ in range(2)][1]
    assert (again.status_code, again.headers["location"]) == (303, "/")


def test_a_store_that_goes_down_in_between_is_told_as_it_is(there: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """The form is used up and nothing may be on file: nobody is told that nothing is lost."""
    browser, item = there.signed_in(Role.BILLER), there.item(HELD)
    form = {**hidden(browser.get(f"/work/{item.id}").text), "why": "mine"}

    def down(_receipt: Any) -> Any:
        raise StoreDown("no rows now")

    with monkeypatch.context() as patch:
        patch.setattr(there.store, "receive", down)
        answer = browser.post(f"/work/{item.id}/assign", data=form, headers=OURS)
    assert (answer.status_code, "Nothing is lost" in answer.text) == (503, False)
    assert "look whether it is there" in answer.text
    again = browser.post(f"/work/{item.id}/assign", data=form, headers=OURS)
    assert again.status_code == 303
    assert "had been sent already" in browser.get("/today").text


# ---------------------------------------------------------------- where one is led


@pytest.mark.parametrize(
    "then",
    ["/\t/elsewhere.example", "/\n/elsewhere.example", "/\r\\elsewhere.example", "/a\\b", "/" + "x" * 5000, "/\u2028"],
)
def test_no_address_that_a_browser_reads_otherwise(there: Clinic, then: str) -> None:
    there.user("kim", Role.BILLER)
    assert signing.onward_of(then) == signing.FIRST
    assert there.sign_in("kim", then=then).headers["location"] == signing.FIRST


def test_over_tls_no_cookie_travels_in_the_clear(there: Clinic) -> None:
    there.client.base_url = "https://127.0.0.1"
    there.user("kim", Role.BILLER)
    assert there.sign_in("kim", Origin="https://127.0.0.1").status_code == 303
    item = there.item(HELD)
    form = {**hidden(there.client.get(f"/work/{item.id}").text), "why": "mine"}
    done = there.client.post(f"/work/{item.id}/assign", data=form, headers={**OURS, "Origin": "https://127.0.0.1"})
    assert done.status_code == 303
    assert "Secure" in done.headers["set-cookie"].split("; ")
    shown = there.client.get(f"/work/{item.id}")
    assert "Assigned." in shown.text
    assert "Secure" in shown.headers["set-cookie"].split("; ")


# ---------------------------------------------------------------- the one-time link


def test_a_link_opens_nothing_once_there_is_a_user(there: Clinic) -> None:
    token = there.links.issue(there.clock.at)
    there.user("kim", Role.BILLER)
    assert there.client.get(f"/open/{token}").status_code == 403


def test_who_came_by_a_link_goes_with_the_first_user(there: Clinic) -> None:
    assert there.client.get(f"/open/{there.links.issue(there.clock.at)}").status_code == 303
    assert there.client.get("/today").status_code == 200
    there.user("kim", Role.BILLER)
    assert there.client.get("/today").status_code == 403


# ---------------------------------------------------------------- what a role sees


def test_only_an_admin_reads_who_signed_in(there: Clinic) -> None:
    there.signed_in(Role.ADMIN, "boss")
    viewer = there.signed_in(Role.VIEWER)
    entries = [one for one in there.store.journal() if one.kind.value == "user"]
    for path in ("/messages?kind=all", "/messages.csv?kind=all", "/messages?kind=all&from=person%3Aboss"):
        assert "user, json" not in viewer.get(path).text
        assert entries[-1].id not in viewer.get(path).text
    assert viewer.get(f"/messages/{entries[0].id}").status_code == 404
    found = viewer.post("/search", data={**hidden(viewer.get("/search").text), "words": "boss"}, headers=OURS)
    assert "Nothing on file" in found.text
    admin = there.signed_in(Role.ADMIN, "boss")
    assert "user, json" in admin.get("/messages?kind=all").text
    assert admin.get(f"/messages/{entries[0].id}").status_code == 200


LOOKS = {"/search", "/reconcile", "/compare"}
"""Forms that only ask: every visitor may send them."""
OF_A_BILLER = (
    "/assign",
    "/close",
    "/release",
    "/replay",
    *(f"/{said}{do}" for said in ("enter", "drop", "fact", "match") for do in ("", "/do")),
)
"""How the addresses end of what a biller does; a supervisor does the rest."""


def routes(there: Clinic, method: str) -> list[str]:
    """The addresses of a method behind the doors, with the id of an item in place of their parameters."""
    wired: Any = there
    made: list[Any] = list(router(wired).routes)
    paths = [route.path for route in made if method in route.methods and route.path not in ("/", "/page.css")]
    item = there.item(HELD).id
    return [re.sub(r"\{\w+\}", item, path) for path in paths if not path.startswith(("/sign-", "/open/"))]


def test_without_a_session_there_is_no_page(there: Clinic) -> None:
    there.user("kim", Role.BILLER)
    asked = routes(there, "GET")
    assert len(asked) > 20
    for path in asked:
        answer = there.client.get(path)
        assert (answer.status_code, "Sign in" in answer.text) == (403, True), path
        assert answer.headers["x-frame-options"] == "DENY"
    for path in routes(there, "POST"):
        assert there.client.post(path, data={"csrf": "x", "once": "y", "why": "z"}, headers=OURS).status_code == 403


@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.BILLER])
def test_every_form_asks_for_its_role(there: Clinic, role: Role | None) -> None:
    """With a session and the token of its forms, as somebody sends them who knows the addresses."""
    if role is None:
        assert there.client.get(f"/open/{there.links.issue(there.clock.at)}").status_code == 303
        browser = there.client
    else:
        browser = there.signed_in(role)
    guard, before = hidden(browser.get("/search").text), len(there.store.journal())
    sent = routes(there, "POST")
    assert {"/users", "/work", "/messages", "/persons", "/explain", "/claims"} <= {
        f"/{path.split('/')[1]}" for path in sent
    }
    for path in sent:
        answer = browser.post(path, data={**guard, "once": path}, headers=OURS)
        mine = role is Role.BILLER and path.endswith(OF_A_BILLER)
        assert (answer.status_code == 403) != (mine or path in LOOKS), path
    assert len(there.store.journal()) == before


def test_sent_at_the_same_moment_is_done_once(there: Clinic) -> None:
    browser, item = there.signed_in(Role.BILLER), there.item(HELD)
    form = {**hidden(browser.get(f"/work/{item.id}").text), "why": "mine"}
    before = len(there.decisions())
    with ThreadPoolExecutor(6) as pool:
        sent = [pool.submit(browser.post, f"/work/{item.id}/assign", data=form, headers=OURS) for _ in range(6)]
    assert {one.result().status_code for one in sent} == {303}
    assert len(there.decisions()) - before == 1


def test_what_a_feed_sends_is_text_everywhere(there: Clinic) -> None:
    evil = "'><script>x</script><img src=x onerror=x>{{7*191}}"
    body = dft().replace(FAMILY.encode(), evil.encode()).replace(GIVEN.encode(), b"=HYPERLINK(1)")
    body = body.replace(MRN.encode(), b'M"onload=x')
    taken = receive_v2(body, listener="http", peer="", site=there.site, now=there.clock.at, ack_id="A2")
    assert taken.receipt is not None
    there.store.receive(taken.receipt)
    there.lanes.work()
    browser = there.signed_in(Role.ADMIN)
    paths = [path for path in routes(there, "GET") if there.item(HELD).id not in path]
    paths += [f"/messages/{one.id}" for one in there.store.journal() if one.kind.value == "message"]
    pages = [browser.get(path) for path in paths]
    found = browser.post("/search", data={**hidden(browser.get("/search").text), "words": "script"}, headers=OURS)
    pages.append(found)
    further = set(re.findall(r'href="(/(?:courses|persons)/[^"]+)"', "".join(page.text for page in pages)))
    pages += map(browser.get, further)
    (person,) = {path for path in further if path.startswith("/persons/") and path in found.text}
    evil = f'">{evil}'
    typed = {**hidden(browser.get(person).text), "why": evil, "name1": evil, "value1": evil, "other": evil}
    for form in ("enter", "merge", "unmerge"):
        pages.append(browser.post(f"{person}/{form}", data={**typed, "kind": "fraction", "course": evil}, headers=OURS))
    of_fact = {"kind": "fraction", "date": "2026-01-05", "course": evil, "name1": "by", "value1": evil, "step": ""}
    pages.append(browser.post(f"{person}/enter", data={**typed, **of_fact}, headers=OURS))
    assert "nothing is done yet" in pages[-1].text
    assert any("&lt;script" in page.text for page in pages)
    for page in pages:
        if page.headers["content-type"].startswith("text/html"):
            assert not re.search(r"<script|<img", page.text), page.url
            shown = re.sub(r'="[^"]*"', '=""', page.text)  # what is within the quotes of an attribute is text
            assert not re.search(r"<[^>]*\s(?:onload|onerror)=|1337", shown), page.url
            told = re.findall(r'(?:href|action|id|title)="([^"]*)"', page.text) + re.findall(
                r"<title>(.*?)</title>", page.text
            )
            assert not re.search("onload|onerror|HYPERLINK", "".join(told)), page.url


# ---------------------------------------------------------------- keeping others from working


def test_many_who_sign_in_keep_nobody_else_waiting(there: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    there.user("kim", Role.BILLER)
    assert there.sign_in("kim").status_code == 303
    cookie = "; ".join(f"{name}={value}" for name, value in there.client.cookies.items())
    gate = threading.Event()
    monkeypatch.setattr(signing, "fits", lambda _said, _secret: gate.wait(20) and False)

    async def flood() -> tuple[int, list[int]]:
        way = httpx.ASGITransport(there.client.app)
        async with httpx.AsyncClient(transport=way, base_url="http://127.0.0.1") as one:
            form = {"name": "kim", "password": "x" * 20}
            tries = [asyncio.create_task(one.post("/sign-in", data=form, headers=OURS)) for _ in range(60)]
            await asyncio.sleep(0.2)
            try:
                async with asyncio.timeout(5):
                    page = await one.get("/today", headers={"Cookie": cookie})
            finally:
                gate.set()
            return page.status_code, [answer.status_code for answer in await asyncio.gather(*tries)]

    shown, refused = asyncio.run(flood())
    assert shown == 200
    assert set(refused) == {403, 429}
    assert refused.count(403) <= signing.AT_ONCE


def test_a_form_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "FORM_SECONDS", 0.05)
    head = [(b"content-type", b"application/x-www-form-urlencoded")]

    async def slow() -> Any:
        await asyncio.sleep(30)

    async def read() -> Any:
        async with asyncio.timeout(5):
            return await form_of(Request({"type": "http", "method": "POST", "headers": head}, slow))

    assert asyncio.run(read()) is None


def test_looks_that_are_asked_for_without_end_are_not_begun() -> None:
    looks: Looks[int] = Looks()
    gate = threading.Event()
    before = threading.active_count()
    try:
        for n in range(5 * KEPT):
            assert looks.seen(n, lambda _: int(gate.wait(20)), at=NOW, upto=1, patience=0.0) == (None, 0)
        assert threading.active_count() - before <= looking.AT_ONCE
    finally:
        gate.set()
    for thread in threading.enumerate():
        if thread.daemon and thread is not threading.current_thread():
            thread.join(0.5)
    seen, _ = looks.seen("later", lambda _: 7, at=NOW, upto=1, patience=5)
    assert seen is not None
    assert seen.found == 7


@pytest.mark.parametrize("day", ["0001-01-01", "0001-W01-1", "9999-12-31"])
@pytest.mark.parametrize("path", ["/reconcile", "/compare.csv", "/messages", "/rules"])
def test_days_that_no_clock_knows(there: Clinic, path: str, day: str) -> None:
    browser = there.signed_in(Role.VIEWER)
    assert browser.get(f"{path}?from={day}&to={day}&day={day}").status_code in (200, 202)


@pytest.mark.parametrize("id", ["%00", "x" * 9000, "%F0%9F%92%A9", "%ff", "%0d%0aSet-Cookie:x=1", "a.b", "%E2%80%AE"])
def test_addresses_of_nothing(there: Clinic, id: str) -> None:
    browser = there.signed_in(Role.ADMIN)
    pages = ("/claims/{}", "/claims/{}/packet", "/work/{}", "/courses/{}", "/messages/{}", "/explain/{}")
    for path in (*pages, "/persons/{}"):
        assert browser.get(path.format(id)).status_code == 404
        for method in ("HEAD", "OPTIONS", "PUT"):
            assert browser.request(method, path.format(id)).status_code == 405
    form = {**hidden(browser.get("/search").text), "why": "x"}
    said = ("/claims/{}/void", "/explain/{}/drop", "/explain/{}/fact/do", "/persons/{}/merge", "/persons/{}/enter/do")
    for path in (*said, "/work/{}/close", "/messages/{}/replay", f"/work/{there.item(HELD).id}/withdraw/{{}}"):
        assert browser.post(path.format(id), data=form, headers=OURS).status_code == 404


@pytest.mark.parametrize("after", ["%00", "9" * 200, ":", "9999:%00", "-1", "%C2%B2", "~" * 300])
def test_keys_of_a_page_that_nobody_gave(there: Clinic, after: str) -> None:
    browser = there.signed_in(Role.VIEWER)
    for path in ("/today", "/claims", "/denials", "/messages", "/courses", "/reconcile"):
        assert browser.get(f"{path}?after={after}").status_code in (200, 202)


def test_a_hold_that_the_rules_know_no_more_hides_no_other_work(there: Clinic) -> None:
    rules: Ruleset = there.house.rules
    there.house = replace(there.house, rules=replace(rules, holds={EDIT: rules.holds[EDIT]}))
    page = there.signed_in(Role.VIEWER).get("/today")
    assert page.status_code == 200
    assert "documentation missing" in page.text


# ---------------------------------------------------------------- what is written


@pytest.mark.parametrize("text", ["a\u2028b", "a\u2029b", "a\x85b", "a\x7fb", "\u202eno", "\u2066no"])
def test_a_reason_is_one_line_that_reads_as_it_is_written(text: str) -> None:
    assert reason_problem(text)
    assert not reason_problem("Zoë’s 検査 — naïve")


def test_a_file_runs_nothing_and_a_number_is_a_number(there: Clinic) -> None:
    rows = [["＝1+1", "＠SUM(A1)", "\u00a0=1+1", "\ufeff=1+1", "plain"]]
    (row,) = bytes(csv_answer("x.csv", ("a",), rows).body).decode("utf-8-sig").splitlines()[1:]
    assert [cell.startswith("'") for cell in row.split(",")] == [True, True, True, True, False]
    listed = next(one for one in there.store.open_work() if one.item.code == HELD)
    owed = replace(listed, item=replace(listed.item, amount=-2050, due=date(2026, 1, 1)))
    (cells,) = bytes(csv_answer("x.csv", ("a",), [_row(owed)]).body).decode("utf-8-sig").splitlines()[1:]
    assert cells.split(",")[2] == "-20.50"
