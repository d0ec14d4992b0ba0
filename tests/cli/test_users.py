"""`oncoclaims user`: made, changed, listed and removed; a password by file or standard input, never an argument."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.system

PASSWORD = "a quiet harbour at dusk"


@pytest.fixture
def house(clinic: Any) -> Any:
    clinic.file("password", f"{PASSWORD}\nwhat is on the second line is not read\n")
    return clinic


def names(clinic: Any) -> list[tuple[str, str]]:
    return [(row["name"], row["role"]) for row in clinic("user", "list", "--json").rows()]


def test_a_user_from_first_to_last(house: Any) -> None:
    made = house("user", "add", "Kim", "--role", "biller", "--password-file", "password")
    assert (made.code, made.out, made.err) == (0, "user kim: biller\n", "")
    assert names(house) == [("kim", "biller")]
    again = house("user", "add", "kim", "--role", "admin", "--password-file", "password")
    assert (again.code, "a user already" in again.err) == (1, True)
    assert house("user", "role", "kim", "--role", "supervisor").code == 0
    assert names(house) == [("kim", "supervisor")]
    assert house("user", "password", "kim", "--password-file", "password").code == 0
    assert "supervisor" in house("user", "list").out
    assert house("user", "remove", "kim", "--by", "boss").code == 0
    assert names(house) == []
    for words in (("remove", "kim"), ("role", "kim", "--role", "admin"), ("password", "kim")):
        refused = house("user", *words)
        assert (refused.code, refused.err) == (1, "there is no user kim\n")
    assert house("verify").code == 0
    assert (house("rebuild", "--check").code, house("rebuild", "--check").err) == (0, "")


def test_a_password_comes_by_standard_input(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in ((), ("--password-file", "-")):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
        assert house("user", "add", f"kim{len(words)}", "--role", "viewer", *words).code == 0
    assert len(names(house)) == 2


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", ""])
def test_an_easy_password_is_not_taken(house: Any, password: str) -> None:
    house.file("easy", f"{password}\n")
    refused = house("user", "add", "kim", "--role", "viewer", "--password-file", "easy")
    assert (refused.code, refused.err.startswith("a password has ")) == (1, True)
    assert names(house) == []


def test_what_is_no_name_no_role_or_no_file_is_refused(house: Any) -> None:
    assert house("user", "add", "two words", "--role", "viewer", "--password-file", "password").code == 2
    assert house("user", "add", "kim", "--role", "king", "--password-file", "password").code == 2
    refused = house("user", "add", "kim", "--role", "viewer", "--password-file", "missing")
    assert (refused.code, refused.err) == (1, "the password cannot be read (FileNotFoundError)\n")
    assert house("user", "add", "kim", "--role", "viewer", "--password", PASSWORD).code == 2
    assert names(house) == []


def test_the_role_of_a_user_goes_before_the_site_file(house: Any) -> None:
    site = (house.folder / "site.toml").read_text()
    house.file("site.toml", site.replace('name = "Plover Bank"', 'name = "Plover Bank"\nsupervisors = ["kim"]', 1))
    made = house("user", "add", "kim", "--role", "biller", "--password-file", "password")
    assert "the site file names kim a supervisor" in made.out
    assert (
        "the site file names" not in house("user", "add", "lee", "--role", "biller", "--password-file", "password").out
    )
