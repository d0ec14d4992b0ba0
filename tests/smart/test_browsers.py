"""The mark of a browser that a user has signed in by: whose it is, how long, and that nobody else can make one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.model.user import BROWSER_KNOWN, Role, User
from adapters.smart.browsers import browser_of, mark_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KIM = User("kim", Role.BILLER, "scrypt$4$1$1$c2FsdA==$aGFzaA==", NOW - timedelta(days=9))
KEY, NUMBER = b"a key of the test", "number-that-nobody-guesses"
MARK = mark_of(KIM, NUMBER, KEY, NOW)


def test_a_mark_is_known_for_so_long_and_no_longer() -> None:
    id = browser_of(MARK, KIM, KEY, NOW)
    assert len(id) == 64
    assert NUMBER not in id
    assert browser_of(MARK, KIM, KEY, NOW + BROWSER_KNOWN - timedelta(seconds=1)) == id
    assert browser_of(MARK, KIM, KEY, NOW + BROWSER_KNOWN) == ""
    assert browser_of(MARK, KIM, KEY, NOW - timedelta(seconds=1)) == "", "a clock that was put back"


def test_each_browser_has_an_id_of_its_own() -> None:
    other = mark_of(KIM, NUMBER[::-1], KEY, NOW)
    assert browser_of(other, KIM, KEY, NOW) not in ("", browser_of(MARK, KIM, KEY, NOW))


@pytest.mark.parametrize(
    "changed",
    [
        replace(KIM, name="lee"),
        replace(KIM, role=Role.ADMIN),
        replace(KIM, secret="scrypt$4$1$1$c2FsdA==$b3RoZXI="),
        replace(KIM, since=KIM.since + timedelta(microseconds=1)),
    ],
)
def test_it_is_worth_nothing_for_another_user_role_password_or_after_a_change(changed: User) -> None:
    assert browser_of(MARK, changed, KEY, NOW) == ""


def test_wrong_passwords_since_change_nothing_of_it() -> None:
    assert browser_of(MARK, replace(KIM, failures=8, failed_at=NOW), KEY, NOW)


def test_none_is_made_without_the_key() -> None:
    number, until, mac = MARK.split(".")
    forged = [
        mark_of(KIM, NUMBER, b"another key", NOW),
        f"{number}.{int(until) + 1}.{mac}",
        f"{number[:-1]}x.{until}.{mac}",
        f"{number}.{until}.{'0' * 64}",
        f"{number}.{until}.{mac.upper()}",
        f"{number}.{until}.",
        f"{number}.{until}",
        f"{number}.{until}.{mac}\n",
        f"{number}.٣.{mac}",
        f"{number}.{'9' * 400}.{mac}",
        "",
        "x" * 5000,
    ]
    assert [browser_of(mark, KIM, KEY, NOW) for mark in forged] == [""] * len(forged)
