"""Strangers' wrong passwords keep out strangers: a browser by which a name has signed in has a count of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.model.user import BROWSER_KNOWN, FAILURES, WITHIN, Role
from adapters.pages import signing
from adapters.pages.admission import COOKIE, KNOWN
from tests.pages.clinic import Clinic, clinic
from tests.pages.visiting import NOBODYS, OURS, PASSWORD

WRONG = "x" * 20


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    monkeypatch.setattr(signing, "PACE", 0.001)
    monkeypatch.setattr(signing, "NOBODYS", NOBODYS)
    made = clinic()
    made.user("kim", Role.ADMIN)
    yield made
    made.close()


def known(there: Clinic, name: str = "kim") -> tuple[str, str]:
    """The mark that a browser holds after this user has signed in by it: its name and value. The browser is empty after."""
    there.client.cookies.clear()
    assert there.sign_in(name).status_code == 303
    (held,) = [(n, str(v)) for n, v in there.client.cookies.items() if KNOWN in n]
    there.client.cookies.clear()
    return held


def tried(there: Clinic, times: int = FAILURES, mark: tuple[str, str] | None = None, name: str = "kim") -> None:
    """So many wrong passwords, by a browser with this mark or without any; no address waits for them after."""
    there.client.cookies.clear()
    if mark is not None:
        there.client.cookies.set(*mark)
    for _ in range(times):
        assert there.sign_in(name, WRONG).status_code == 403
    there.client.cookies.clear()
    there.clock.forward(seconds=61)


def signs_in(there: Clinic, mark: tuple[str, str] | None = None, name: str = "kim") -> bool:
    """Whether the right password lets in a browser with this mark, or without any."""
    there.client.cookies.clear()
    if mark is not None:
        there.client.cookies.set(*mark)
    answer = there.sign_in(name)
    assert answer.status_code in (303, 403)
    return answer.status_code == 303


def test_a_good_sign_in_leaves_a_mark_that_no_script_and_no_other_site_sees(there: Clinic) -> None:
    (mark,) = [said for said in there.sign_in("kim").headers.get_list("set-cookie") if KNOWN in said]
    value, *words = mark.split("; ")
    assert value.startswith(f"{KNOWN}_")
    assert {"HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={BROWSER_KNOWN.days * 86400}"} <= set(words)
    assert "kim" not in mark
    there.client.cookies.clear()
    there.client.base_url = "https://127.0.0.1"
    (mark,) = [
        said
        for said in there.sign_in("kim", Origin="https://127.0.0.1").headers.get_list("set-cookie")
        if KNOWN in said
    ]
    assert mark.startswith(f"__Host-{KNOWN}_")
    assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(mark.split("; "))
    assert "Domain" not in mark


def test_while_strangers_have_a_name_rest_a_known_browser_signs_in(there: Clinic) -> None:
    mark = known(there)
    tried(there)
    assert not signs_in(there), "a stranger's browser, by the right password"
    assert signs_in(there, mark)
    assert not signs_in(there), "the strangers' tries stay counted"
    there.clock.forward(seconds=WITHIN.total_seconds())
    assert signs_in(there)


def test_a_sign_in_by_a_known_browser_gives_strangers_no_more_tries(there: Clinic) -> None:
    mark = known(there)
    tried(there, FAILURES - 1)
    assert signs_in(there, mark)
    tried(there, 1)
    assert not signs_in(there)


def test_a_mark_that_was_taken_away_is_worth_eight_tries(there: Clinic) -> None:
    mark, mine = known(there), known(there)
    tried(there, FAILURES - 1, mark)
    assert signs_in(there, mine), "another browser signing in does not begin its count anew"
    tried(there, 1, mark)
    assert not signs_in(there, mark), "it rests, whatever the password"
    assert signs_in(there, mine), "the user's own browser does not"
    assert signs_in(there), "nor does the name: these tries were not strangers'"
    user = there.store.user("kim")
    assert user is not None
    assert user.failures == 0
    there.clock.forward(seconds=WITHIN.total_seconds())
    assert signs_in(there, mark)


def test_that_a_browser_rests_is_told_once_as_of_a_name(there: Clinic) -> None:
    mark = known(there)
    tried(there, FAILURES + 3, mark)
    told = [said for said in there.journalled() if '"turn":"rests"' in said]
    assert len(told) == 1
    assert '"browser":"' in told[0]
    assert all(part not in told[0] for part in mark[1].split("."))
    tried(there)
    told = [said for said in there.journalled() if '"turn":"rests"' in said]
    assert len(told) == 2
    assert '"browser"' not in told[1]


@pytest.mark.parametrize("how", ["forged", "of lee", "lee's own", "expired", "long"])
def test_tries_with_a_mark_that_does_not_hold_are_strangers(there: Clinic, how: str) -> None:
    there.user("lee", Role.BILLER)
    (name, value), (of_lee, lees) = known(there), known(there, "lee")
    match how:
        case "forged":
            value = f"{value[:-1]}{'0' if value[-1] != '0' else '1'}"
        case "of lee":
            value = lees
        case "lee's own":
            name, value = of_lee, lees
        case "expired":
            there.clock.forward(seconds=BROWSER_KNOWN.total_seconds())
        case _:
            value = f"{value}{'0' * 5000}"
    tried(there, mark=(name, value))
    assert not signs_in(there)
    assert not signs_in(there, (name, value))
    assert signs_in(there, name="lee"), "of another name nothing is counted"


@pytest.mark.parametrize("turn", ["password", "role", "removed"])
def test_what_changes_a_user_ends_all_marks(there: Clinic, turn: str) -> None:
    mark = known(there)
    tried(there, FAILURES, mark)
    there.clock.forward(seconds=1)
    match turn:
        case "password":
            there.user("kim", Role.ADMIN, "another harbour at dusk")
            there.user("kim", Role.ADMIN)
        case "role":
            there.user("kim", Role.BILLER)
        case _:
            assert there.store.remove_user("kim", "console", there.clock.at)
            there.user("kim", Role.ADMIN)
    tried(there)
    assert not signs_in(there, mark), "it is a stranger's now"
    there.clock.forward(seconds=WITHIN.total_seconds())
    fresh = known(there)
    tried(there)
    assert signs_in(there, fresh)


def test_it_lets_nobody_in_and_no_refusal_leaves_one(there: Clinic) -> None:
    mark = known(there)
    there.client.cookies.set(*mark)
    assert there.client.get("/courses").status_code == 403
    there.client.cookies.set(COOKIE, mark[1])
    assert there.client.get("/courses").status_code == 403
    refused = there.sign_in("kim", WRONG)
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)


def test_known_or_not_a_refusal_says_the_same(there: Clinic) -> None:
    mark = known(there)
    stranger = there.sign_in("kim", WRONG)
    there.client.cookies.set(*mark)
    wrong = there.sign_in("kim", WRONG)
    tried(there, FAILURES, mark)
    there.client.cookies.set(*mark)
    resting = there.sign_in("kim")
    assert {stranger.status_code, wrong.status_code, resting.status_code} == {403}
    assert stranger.text == wrong.text == resting.text


def test_an_address_that_fails_too_often_waits_with_a_mark_too(there: Clinic) -> None:
    mark = known(there)
    for n in range(20):
        there.sign_in(f"nobody{n}", WRONG)
    there.client.cookies.set(*mark)
    form = {"name": "kim", "password": PASSWORD}
    assert there.client.post("/sign-in", data=form, headers=OURS).status_code == 429


def test_who_share_a_machine_are_known_there_each(there: Clinic) -> None:
    there.user("lee", Role.BILLER)
    assert there.sign_in("kim").status_code == 303
    assert there.sign_in("lee").status_code == 303
    marks = [(name, str(value)) for name, value in there.client.cookies.items() if KNOWN in name]
    assert len(marks) == 2
    there.client.cookies.clear()
    for name in ("kim", "lee"):
        tried(there, name=name)
    for name, mark in zip(("kim", "lee"), marks, strict=True):
        assert signs_in(there, mark, name)
