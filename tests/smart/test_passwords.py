"""Passwords: what is kept, what fits, and what is not taken."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model.user import Role, supervises, user_name
from adapters.smart.passwords import COST, NOBODYS, Cost, fits, problems_of, secret_of

CHEAP = Cost(4, 1, 1)
SALT = b"sixteen bytes .."


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_the_one_fits_and_no_other(one: str, other: str) -> None:
    secret = secret_of(one, SALT, CHEAP)
    assert fits(one, secret)
    same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    assert fits(other, secret) == same


def test_a_keyboard_that_composes_otherwise_is_the_same() -> None:
    assert fits("caf\u00e9 on the quay", secret_of("cafe\u0301 on the quay", SALT, CHEAP))


def test_the_salt_makes_equal_passwords_differ() -> None:
    assert secret_of("a quiet harbour", SALT, CHEAP) != secret_of("a quiet harbour", SALT[::-1], CHEAP)


def test_the_cost_is_in_the_secret_and_that_of_nobody_is_todays() -> None:
    assert secret_of("x", SALT, CHEAP).split("$")[:4] == ["scrypt", "4", "1", "1"]
    assert NOBODYS.split("$")[1:4] == [str(COST.log2_n), str(COST.r), str(COST.p)]
    assert 128 * 2**COST.log2_n * COST.r * COST.p >= 96 * 2**20
    assert not fits("", NOBODYS)


@pytest.mark.parametrize(
    "secret", ["", "scrypt", "plain$4$1$1$AAAA$AAAA", "scrypt$x$1$1$AAAA$AAAA", "scrypt$4$1$1$A$A"]
)
def test_what_is_no_secret_fits_nothing(secret: str) -> None:
    assert not fits("anything at all", secret)


@pytest.mark.parametrize(
    ("password", "name", "words"),
    [
        ("short", "kim", "characters"),
        ("x" * 201, "kim", "characters"),
        ("aaaaaaaaaaaaaaaa", "kim", "different"),
        ("maxim.schmidt1", "maxim.schmidt", "name"),
        ("a quiet\x07 harbour", "kim", "control"),
    ],
)
def test_what_is_too_easy_is_not_taken(password: str, name: str, words: str) -> None:
    problems = list(problems_of(password, name))
    assert any(words in problem for problem in problems)
    assert not any(password in problem for problem in problems)


def test_a_sentence_is_taken() -> None:
    assert list(problems_of("a quiet harbour at dusk", "kim")) == []


def test_each_role_may_what_those_before_it_may() -> None:
    assert [[role.may(needed) for needed in Role] for role in Role] == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
        [True, True, True, True],
    ]


def test_one_place_says_who_supervises() -> None:
    users = {"kim": Role.SUPERVISOR, "lee": Role.BILLER, "boss": Role.ADMIN}
    named = ("lee", "Sam Older")
    assert supervises("kim", users, named)
    assert supervises("boss", users, named)
    assert not supervises("lee", users, named), "the role of a user counts, whatever the site file says"
    assert supervises("Sam Older", users, named)
    assert not supervises("stranger", users, named)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (" Kim ", "kim"),
        ("k@clinic.example", "k@clinic.example"),
        ("", ""),
        ("a b", ""),
        ("\u043aim", ""),
        (".kim", ""),
        ("k" * 65, ""),
    ],
)
def test_a_name_is_small_letters_of_one_alphabet(said: str, name: str) -> None:
    assert user_name(said) == name
