"""Signing in at the clinic's issuer, through the whole program with HTTPS: there and back, and who is not let in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient

from adapters.model.listening import TlsFiles
from adapters.model.user import FAILURES, Role
from adapters.model.web import WebListening
from adapters.pages import signing
from adapters.pages.admission import KNOWN
from adapters.pages.openid import BEGUN, VALID
from adapters.pipeline import House
from adapters.serve.gate import Gate
from adapters.serve.http import create_app
from tests.openid.issuing import BASE, NAME, SAID, Pretended
from tests.pages.clinic import RULES, Clinic, clinic
from tests.pages.visiting import NOBODYS, PASSWORD, logged
from tests.smart.signing import Signer, mac, unsigned

OURS = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
HELD = f"__Host-{BEGUN}"


@dataclass
class Outside:
    """The program by HTTPS, the issuer, and a browser."""

    there: Clinic
    issuer: Pretended
    browser: TestClient

    def begin(self, then: str = "") -> httpx.Response:
        answer: httpx.Response = self.browser.get("/sign-in/openid", params={"then": then} if then else {})
        return answer

    def signs_in(self, then: str = "", **claims: Any) -> httpx.Response:
        """Go there, sign in, come back."""
        out = self.begin(then)
        assert out.status_code == 303, out.text
        return self.back(self.issuer.signs_in(out.headers["location"], **claims))

    def back(self, address: str) -> httpx.Response:
        answer: httpx.Response = self.browser.get(address, headers={"Sec-Fetch-Site": "cross-site"})
        return answer

    def by_password(self, name: str, password: str = PASSWORD) -> httpx.Response:
        form = {"name": name, "password": password}
        answer: httpx.Response = self.browser.post("/sign-in", data=form, headers=OURS)
        return answer


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`outside(**of_the_issuer)`: the program whose people sign in at an issuer."""
    monkeypatch.setattr(signing, "PACE", 0.001)
    monkeypatch.setattr(signing, "NOBODYS", NOBODYS)
    made: list[Clinic] = []

    def start(**more: Any) -> Outside:
        there = clinic()
        made.append(there)
        said = replace(SAID, **more)
        web = WebListening(BASE, TlsFiles("c", "k", ""), pages=True, openid=said)
        there.house = House.of(RULES, replace(there.site, web=web))
        issuer = Pretended(there.clock)
        app = create_app(there, gate=Gate(there, b"s" * 64), issuer=issuer.issuer(said))
        return Outside(there, issuer, TestClient(app, base_url=BASE, follow_redirects=False))

    yield start
    for one in made:
        one.close()


@pytest.fixture
def at(outside: Any) -> Outside:
    """The program as most sites have it."""
    made: Outside = outside()
    return made


def test_one_signs_in_there_and_is_let_in_where_one_wanted_to_go(at: Outside) -> None:
    asked = at.browser.get("/courses")
    assert asked.status_code == 403
    assert f'href="{BASE}/sign-in/openid?then=/courses"' in asked.text
    answer = at.signs_in("/courses")
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=/courses">' in answer.text
    cookies = answer.headers.get_list("set-cookie")
    (session,) = [one for one in cookies if one.startswith("__Host-oncoclaims_session=")]
    assert {"HttpOnly", "SameSite=strict", "Path=/", "Secure"} <= set(session.split("; "))
    assert any(one.startswith(f'{HELD}=""') and "Max-Age=0" in one for one in cookies), "nothing is left of going there"
    page = at.browser.get("/courses")
    assert (page.status_code, "kim, biller" in page.text) == (200, True)
    user = at.there.store.user("kim")
    assert user is not None
    assert (user.role, user.elsewhere) == (Role.BILLER, True)


def test_going_there_leaves_a_cookie_and_nothing_else(at: Outside) -> None:
    before = at.there.store.counts()
    out = at.begin()
    (cookie,) = out.headers.get_list("set-cookie")
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Secure", "Max-Age=600"} <= set(cookie.split("; "))
    asked = {name: values[0] for name, values in parse_qs(urlsplit(out.headers["location"]).query).items()}
    held = cookie.partition("=")[2].partition(";")[0]
    assert not any(asked[name] in held for name in ("state", "nonce", "code_challenge"))
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert out.headers["cache-control"] == "no-store"
    assert "form-action 'self'" in out.headers["content-security-policy"]
    assert at.there.store.counts() == before


@pytest.mark.parametrize("then", ["//evil.test/", "https://evil.test/", "/\\evil.test", "/sign-out", "x"])
def test_it_goes_on_to_pages_of_ours_only(at: Outside, then: str) -> None:
    assert f"url={signing.FIRST}" in at.signs_in(then).text


def test_an_answer_is_taken_once_and_in_the_browser_that_asked(at: Outside) -> None:
    out = at.begin()
    address = at.issuer.signs_in(out.headers["location"])
    held = at.browser.cookies[HELD]
    at.browser.cookies.clear()
    assert at.back(address).status_code == 403, "no cookie"
    at.browser.cookies.set(HELD, at.begin().headers["set-cookie"].partition("=")[2].partition(";")[0])
    assert at.back(address).status_code == 403, "the cookie of another sign-in"
    at.browser.cookies.clear()
    at.browser.cookies.set(HELD, held)
    assert at.issuer.count("/clinic/token") == 0
    assert at.back(address).status_code == 200
    at.browser.cookies.clear()
    at.browser.cookies.set(HELD, held)
    again = at.back(address)
    assert (again.status_code, "begin again" in again.text) == (403, True)
    assert at.issuer.count("/clinic/token") == 1, "nobody is asked about an answer that was used"


@pytest.mark.parametrize("change", ["state=x&", "state=&", "code=a&code=b&", "iss=a&iss=b&"])
def test_an_answer_with_another_state_or_saying_a_thing_twice_is_none(at: Outside, change: str) -> None:
    address = at.issuer.signs_in(at.begin().headers["location"])
    name = change.partition("=")[0]
    assert at.back(address.replace("?", f"?{change}") if name != "state" else address.partition("state=")[0] + change
                   ).status_code == 403  # fmt: skip
    assert at.issuer.count("/clinic/token") == 0


@pytest.mark.parametrize("held", ["x", "a.b.c", f"{'k' * 43}.9999999999.", f"{'k' * 43}.1.Li8"])
def test_a_cookie_that_is_not_ours_or_too_old_is_none(at: Outside, held: str) -> None:
    at.browser.cookies.set(HELD, held)
    assert at.back(f"{BASE}/sign-in/openid?code=a&state=b").status_code == 403


def test_one_may_not_take_too_long(at: Outside) -> None:
    address = at.issuer.signs_in(at.begin().headers["location"])
    at.there.clock.forward(seconds=VALID.total_seconds() + 1)
    assert at.back(address).status_code == 403
    assert at.issuer.count("/clinic/token") == 0


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"iss": "https://evil.test"}, "not accepted"),
        ({"aud": "another"}, "not accepted"),
        ({"azp": "another"}, "not accepted"),
        ({"nonce": "of another sign-in"}, "not accepted"),
        ({"exp": 1}, "not accepted"),
        ({"iat": None}, "not accepted"),
        ({"sub": None}, "not accepted"),
        ({"preferred_username": "no name at all!"}, "no name of a user"),
        ({"groups": None}, "nothing said of you"),
        ({"groups": ["BILLING", "billing2"]}, "nothing said of you"),
    ],
    ids=str,
)
def test_who_is_not_vouched_for_is_not_let_in(at: Outside, claims: dict[str, Any], words: str) -> None:
    answer = at.signs_in(**claims)
    assert (answer.status_code, words in answer.text) == (403, True)
    assert "oncoclaims_session" not in str(answer.headers)
    assert at.there.store.users() == ()


def test_a_forged_token_lets_nobody_in(at: Outside) -> None:
    class Forger(Signer):
        def __init__(self, made: Any) -> None:
            super().__init__("k1", "RS256")
            self.made = made

        def token(self, claims: Any, **_header: Any) -> str:
            return str(self.made(claims))

    real = at.issuer.signer
    for made in (
        lambda claims: unsigned(claims, "k1"),
        lambda claims: mac(claims, "k1", real.pem()),
        Signer("k1", "RS256").token,
        Signer("k9", "RS256").token,
    ):
        at.issuer.signer = Forger(made)
        assert at.signs_in().status_code == 403
    at.issuer.signer = real
    at.issuer.jwks = real.key_set(Signer("k1", "RS256"))
    at.there.clock.forward(hours=1)
    assert at.signs_in().status_code == 403, "two keys of one kid are none"
    assert at.there.store.users() == ()


def test_who_says_no_there_is_told_so(at: Outside) -> None:
    state = parse_qs(urlsplit(at.begin().headers["location"]).query)["state"][0]
    answer = at.back(f"{BASE}/sign-in/openid?error=access_denied&error_description=%3Cscript%3E&state={state}")
    assert (answer.status_code, "You were not signed in there" in answer.text) == (403, True)
    assert "script" not in answer.text


def test_an_issuer_that_is_down_is_said(at: Outside) -> None:
    at.issuer.answers["/clinic/.well-known/openid-configuration"] = httpx.Response(503)
    assert at.begin().status_code == 503
    assert at.begin().headers.get_list("set-cookie") == []
    at.issuer.answers = {"/clinic/token": httpx.Response(503)}
    at.there.clock.forward(minutes=1)
    assert at.signs_in().status_code == 503


def test_a_role_is_what_is_said_at_each_sign_in_and_ends_with_it(at: Outside) -> None:
    assert at.signs_in(groups=["billing", "leads"]).status_code == 200
    assert "kim, supervisor" in at.browser.get("/courses").text
    held = dict(at.browser.cookies)
    assert at.signs_in(groups="billing").status_code == 200
    assert "kim, biller" in at.browser.get("/courses").text
    at.browser.cookies.clear()
    at.browser.cookies.update(held)
    assert at.browser.get("/courses").status_code == 403, "a session of the other role is over"
    at.browser.cookies.clear()
    assert at.signs_in(groups=["billing"]).status_code == 200
    before = dict(at.browser.cookies)
    assert at.signs_in(groups=["nothing"]).status_code == 403
    at.browser.cookies.update(before)
    assert at.browser.get("/courses").status_code == 403
    assert at.there.store.users() == ()
    turns = [turn for turn in ("made", "role", "removed") if any(f'"{turn}"' in one for one in at.there.journalled())]
    assert turns == ["made", "role", "removed"]


def test_a_name_of_another_is_never_taken_over(at: Outside) -> None:
    at.there.user("kim", Role.ADMIN)
    for groups in (["it"], ["nothing"]):
        answer = at.signs_in(groups=groups)
        assert answer.status_code == 403
        user = at.there.store.user("kim")
        assert (user.role, user.elsewhere) == (Role.ADMIN, False) if user else None
    assert at.by_password("kim").status_code == 303
    assert at.signs_in(sub="u-2", preferred_username="lee", groups=["billing"]).status_code == 200
    other = at.signs_in(sub="u-3", preferred_username=" LEE ")
    assert (other.status_code, "another user" in other.text) == (403, True)


def test_beside_it_admins_alone_sign_in_by_password(at: Outside) -> None:
    page = at.browser.get("/sign-in").text
    assert 'name="password"' in page
    assert "as an admin" in page
    at.there.user("ann", Role.ADMIN)
    at.there.user("lee", Role.SUPERVISOR)
    assert at.by_password("lee").status_code == 403
    assert at.by_password("ann").status_code == 303
    assert at.there.store.user("lee").failures == 0  # type: ignore[union-attr]  # just made
    assert at.there.sign_in("lee").status_code == 403, "nor by this machine's own HTTP"
    here = at.there.client.get("/sign-in").text
    assert f'href="{BASE}/sign-in"' in here
    assert at.there.client.get("/sign-in/openid").status_code == 404


def test_who_signs_in_there_is_kept_out_by_no_wrong_passwords_and_gets_no_mark(at: Outside) -> None:
    assert at.signs_in(groups=["it"]).status_code == 200
    at.browser.cookies.clear()
    for _ in range(FAILURES):
        at.by_password("kim", "x" * 20)
    user = at.there.store.user("kim")
    assert user is not None
    assert user.rests(at.there.clock.at)
    answer = at.signs_in(groups=["it"])
    assert answer.status_code == 200
    assert not any(KNOWN in name for name in at.browser.cookies)


def test_a_site_may_have_no_passwords_at_all(outside: Any) -> None:
    at: Outside = outside(passwords=False)
    assert 'name="password"' not in at.browser.get("/sign-in").text
    at.there.user("ann", Role.ADMIN)
    assert at.by_password("ann").status_code == 403


def test_no_password_fits_who_signs_in_elsewhere(at: Outside) -> None:
    at.signs_in(groups=["it"])
    user = at.there.store.user("kim")
    assert user is not None
    at.browser.cookies.clear()
    form = {"name": "kim", "password": user.secret}
    assert at.browser.post("/sign-in", data=form, headers=OURS).status_code == 403


def test_an_address_that_fails_too_often_waits(at: Outside) -> None:
    for _ in range(20):
        assert at.back(f"{BASE}/sign-in/openid?code=a&state=b").status_code == 403
    assert at.signs_in().status_code == 429
    at.there.clock.forward(seconds=61)
    assert at.signs_in().status_code == 200


def test_nothing_of_what_came_is_logged_or_shown(at: Outside) -> None:
    with logged() as stream:
        address = at.issuer.signs_in(at.begin().headers["location"], aud="another-audience", sub="subject-canary")
        answer = at.back(address)
        at.issuer.told = {}
        assert at.signs_in().status_code == 200
    text = stream.getvalue()
    assert '"reason": "audience"' in text or "reason=audience" in text
    code, state = (parse_qs(urlsplit(address).query)[name][0] for name in ("code", "state"))
    for secret in (code, state, "canary", "eyJ", "never-looked-at", NAME, "another-audience"):
        assert secret not in text, secret
        assert secret not in answer.text, secret


def test_the_store_being_down_is_said(at: Outside) -> None:
    address = at.issuer.signs_in(at.begin().headers["location"])
    at.there.store.close()
    assert at.back(address).status_code == 503
