"""Signing in to the pages: who is let in, for how long, and what is told to whom is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi import APIRouter

from adapters.model.user import FAILURES, IDLE, LONGEST, WITHIN, Role
from adapters.pages import signing
from adapters.pages.admission import COOKIE, Doors
from tests.pages.clinic import Clinic, clinic
from tests.pages.visiting import NOBODYS, OURS, PASSWORD, hidden, logged, sent


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    monkeypatch.setattr(signing, "PACE", 0.001)
    monkeypatch.setattr(signing, "NOBODYS", NOBODYS)
    made = clinic()
    yield made
    made.close()


def test_who_signs_in_is_let_in_where_one_wanted_to_go(there: Clinic) -> None:
    there.user("kim", Role.BILLER)
    asked = there.client.get("/courses")
    assert asked.status_code == 403
    assert 'name="then" value="/courses"' in asked.text
    answer = there.sign_in(" Kim ", then="/courses")
    assert (answer.status_code, answer.headers["location"]) == (303, "/courses")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(answer.headers["set-cookie"].split("; "))
    page = there.client.get("/courses")
    assert page.status_code == 200
    assert "kim, biller" in page.text


@pytest.mark.parametrize(
    "then", ["//elsewhere.example/", "https://elsewhere.example/", "/\\elsewhere.example", "", "x"]
)
def test_it_goes_on_to_pages_of_ours_only(there: Clinic, then: str) -> None:
    there.user("kim", Role.BILLER)
    assert there.sign_in("kim", then=then).headers["location"] == signing.FIRST


def test_a_wrong_name_a_wrong_password_and_a_resting_name_get_one_answer(there: Clinic) -> None:
    there.user("kim", Role.BILLER)
    unknown, wrong = there.sign_in("nobody.here", "x" * 20), there.sign_in("kim", "x" * 20)
    for _ in range(FAILURES):
        there.sign_in("kim", "x" * 20)
    resting = there.sign_in("kim")
    for answer in (unknown, wrong, resting):
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert answer.text == unknown.text
    user = there.store.user("kim")
    assert user is not None
    assert user.rests(there.clock.at)
    assert sum('"turn":"rests"' in said for said in there.journalled()) == 1
    there.clock.forward(seconds=WITHIN.total_seconds() + 1)
    assert there.sign_in("kim").status_code == 303


def test_an_unknown_name_costs_as_much_as_a_known_one(there: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    there.user("kim", Role.BILLER)
    looked: list[str] = []
    real = signing.fits
    monkeypatch.setattr(signing, "fits", lambda said, secret: looked.append(secret) or real(said, secret))
    there.sign_in("nobody.here", "x" * 20)
    there.sign_in("kim", "x" * 20)
    assert [secret.split("$")[0] for secret in looked] == ["scrypt", "scrypt"]
    assert looked[0] == signing.NOBODYS


def test_a_refusal_leaves_at_a_multiple_of_the_pace(there: Clinic) -> None:
    waited: list[float] = []
    routed = signing._Signing(_doors(there), _Free(), waited.append)
    request: Any = _Request()
    assert routed._sign_in(request, {"name": "kim", "password": "x" * 20}).status_code == 403
    assert len(waited) == 1
    assert 0 <= waited[0] <= signing.PACE


class _Free:
    def failed(self, _peer: str, _now: object) -> None: ...

    def wait(self, _peer: str, _now: object) -> int:
        return 0


class _Url:
    scheme, path = "http", "/sign-in"


class _Request:
    client, method, url = None, "POST", _Url()
    cookies: dict[str, str] = {}  # noqa: RUF012  # of a request that nobody changes


def _doors(there: Clinic) -> Any:
    return Doors(there, there.links, APIRouter(), lambda: "fresh")


def test_an_address_that_fails_too_often_waits(there: Clinic) -> None:
    there.user("kim", Role.BILLER)
    for n in range(20):
        there.sign_in(f"nobody{n}", "x" * 20)
    assert there.sign_in("kim").status_code == 429
    there.clock.forward(seconds=61)
    assert there.sign_in("kim").status_code == 303


def test_signing_in_begins_another_session_and_ends_the_one_before(there: Clinic) -> None:
    there.user("kim", Role.BILLER)
    there.client.cookies.set(COOKIE, "chosen-by-somebody-else")
    assert there.sign_in("kim").status_code == 303
    first = there.client.cookies.get(COOKIE, domain="127.0.0.1", path="/")
    assert first not in (None, "chosen-by-somebody-else")
    assert there.sign_in("kim").status_code == 303
    assert len(there.store.sessions(there.clock.at)) == 1
    there.client.cookies.clear()
    there.client.cookies.set(COOKIE, str(first))
    assert there.client.get("/courses").status_code == 403


def test_a_session_ends_when_idle_and_after_a_long_day(there: Clinic) -> None:
    browser = there.signed_in(Role.VIEWER)
    there.clock.forward(seconds=IDLE.total_seconds() - 1)
    assert browser.get("/courses").status_code == 200
    there.clock.forward(seconds=IDLE.total_seconds())
    assert browser.get("/courses").status_code == 403
    browser = there.signed_in(Role.VIEWER)
    begun = there.clock.at
    while there.clock.at + timedelta(minutes=20) < begun + LONGEST:
        there.clock.forward(minutes=20)
        assert browser.get("/courses").status_code == 200
    there.clock.at = begun + LONGEST
    assert browser.get("/courses").status_code == 403


@pytest.mark.parametrize("turn", ["password", "role", "removed", "signed-out"])
def test_a_session_ends_with_its_reason(there: Clinic, turn: str) -> None:
    browser = there.signed_in(Role.BILLER, "kim")
    assert browser.get("/courses").status_code == 200
    there.clock.forward(seconds=1)
    match turn:
        case "password":
            there.user("kim", Role.BILLER, "another harbour at dusk")
        case "role":
            there.user("kim", Role.SUPERVISOR)
        case "removed":
            assert there.store.remove_user("kim", "console", there.clock.at)
        case _:
            out = browser.post("/sign-out", headers=OURS)
            assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
    assert browser.get("/courses").status_code == 403
    assert f'"turn":"{turn}"' in there.journalled()[-1]


def test_the_store_has_neither_cookie_nor_password(there: Clinic) -> None:
    there.signed_in(Role.BILLER, "kim")
    cookie = there.client.cookies.get(COOKIE)
    assert cookie
    assert all(cookie not in said and PASSWORD not in said and "scrypt" not in said for said in there.journalled())
    (session,) = there.store.sessions(there.clock.at)
    assert cookie not in repr(session)
    assert "scrypt" not in repr(there.store.users())


def test_over_tls_the_cookie_is_bound_to_the_host(there: Clinic) -> None:
    there.user("kim", Role.BILLER)
    there.client.base_url = "https://127.0.0.1"
    answer = there.sign_in("kim", Origin="https://127.0.0.1")
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == f"__Host-{COOKIE}"
    assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(rest.split("; "))
    assert "Domain" not in rest
    assert there.client.get("/courses").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:8001", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_no_other_page_signs_anybody_in_or_out(there: Clinic, headers: dict[str, str]) -> None:
    there.user("kim", Role.BILLER)
    form = {"name": "kim", "password": PASSWORD}
    assert there.client.post("/sign-in", data=form, headers=headers).status_code == 403
    assert there.store.sessions(there.clock.at) == ()
    browser = there.signed_in(Role.BILLER, "kim")
    assert browser.post("/sign-out", headers=headers).status_code == 403
    assert len(there.store.sessions(there.clock.at)) == 1


def test_what_is_no_form_is_refused(there: Clinic) -> None:
    json = {**OURS, "content-type": "application/json"}
    assert there.client.post("/sign-in", content=b"{}", headers=json).status_code == 400
    form = {**OURS, "content-type": "application/x-www-form-urlencoded"}
    for body in (b"name=" + b"x" * 70_000, b"name=%ff", b"&".join(b"a=1" for _ in range(300)), b"name=\xff"):
        assert there.client.post("/sign-in", content=body, headers=form).status_code == 400


def test_a_link_only_looks(there: Clinic) -> None:
    assert there.client.get(f"/open/{there.links.issue(there.clock.at)}").status_code == 303
    page = there.client.get("/today")
    assert page.status_code == 200
    assert "by a one-time link, looking only" in page.text
    assert there.client.get("/users").status_code == 403
    assert there.client.post("/sign-out", headers=OURS).status_code == 303
    assert there.client.get("/today").status_code == 403


def test_an_admin_sees_the_users_and_ends_their_sessions(there: Clinic) -> None:
    there.signed_in(Role.BILLER, "kim")
    assert there.client.get("/users").status_code == 403
    browser = there.signed_in(Role.ADMIN, "boss")
    page = browser.get("/users")
    assert page.status_code == 200
    assert '<a href="/users" aria-current="page">Users</a>' in page.text
    assert "kim" in page.text
    done = sent(browser, "/users", "/users/kim/end", {})
    assert (done.status_code, done.headers["location"]) == (303, "/users")
    assert [one.user for one in there.store.sessions(there.clock.at)] == ["boss"]
    assert "1 session ended." in browser.get("/users").text
    assert "1 session ended." not in browser.get("/users").text


def test_a_flash_is_of_its_session(there: Clinic) -> None:
    browser = there.signed_in(Role.ADMIN, "boss")
    sent(browser, "/users", "/users/kim/end", {})
    told = browser.cookies.get("oncoclaims_told")
    assert told
    browser = there.signed_in(Role.ADMIN, "other")
    browser.cookies.set("oncoclaims_told", told)
    assert "ended." not in browser.get("/users").text


@pytest.mark.parametrize("broken", ["csrf", "once", "both"])
def test_a_form_without_its_token_is_not_taken(there: Clinic, broken: str) -> None:
    browser = there.signed_in(Role.ADMIN, "boss")
    there.user("kim", Role.BILLER)
    guard = hidden(browser.get("/users").text) or {"csrf": "", "once": ""}
    other = there.signed_in(Role.ADMIN, "other")
    assert other.post("/users/kim/end", data=guard, headers=OURS).status_code == 403, "of another session"
    mine = {"csrf": "0" * 64, "once": "x"} if broken != "once" else {"csrf": "", "once": ""}
    assert other.post("/users/kim/end", data=mine, headers=OURS).status_code == 403


def test_a_form_is_done_once(there: Clinic) -> None:
    browser = there.signed_in(Role.ADMIN, "boss")
    guard = hidden(browser.get("/users").text)
    there.clock.forward(seconds=1)
    headers = {**OURS, "Referer": "http://127.0.0.1/users"}
    first = browser.post("/users/boss2/end", data=guard, headers=headers)
    again = browser.post("/users/boss2/end", data=guard, headers=headers)
    assert (first.status_code, again.status_code, again.headers["location"]) == (303, 303, "/users")
    assert "had been sent already" in browser.get("/users").text


def test_get_does_nothing_and_post_needs_a_session(there: Clinic) -> None:
    there.user("kim", Role.BILLER)
    assert there.client.get("/users/kim/end").status_code == 405
    assert there.client.get("/sign-out").status_code == 405
    assert there.client.post("/users/kim/end", data={"csrf": "x"}, headers=OURS).status_code == 403


def test_nothing_that_is_typed_stands_in_a_log(there: Clinic) -> None:
    there.user("kim", Role.BILLER)
    with logged() as seen:
        there.sign_in("kim", "canary-password-7781")
        there.sign_in("canary-name-7781")
        there.client.get("/open/canary-token-7781")
    assert seen.getvalue().count('"route": "/sign-in"') == 2
    assert "canary" not in seen.getvalue()


def test_without_users_the_page_says_how_to_make_one(there: Clinic) -> None:
    assert "oncoclaims user add" in there.client.get("/sign-in").text
    there.user("kim", Role.BILLER)
    page = there.client.get("/sign-in")
    assert "oncoclaims user add" not in page.text
    assert page.headers["content-security-policy"].count("'self'") == 2
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert there.client.get("/").headers["location"] == "/today"
