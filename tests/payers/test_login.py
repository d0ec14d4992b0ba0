"""Tokens for assertions: what is sent, what is taken for a token, and how long it is kept."""

from __future__ import annotations

import base64
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from adapters.model.endpoint import Login
from adapters.payers.keys import write_new
from adapters.payers.login import NoTokenError, Posted, Tokens

SCOPES = ("system/Claim.c", "system/ClaimResponse.rs")
GRANT = {"access_token": "t-1", "token_type": "bearer", "expires_in": 300, "scope": " ".join(SCOPES)}


@pytest.fixture
def login(tmp_path: Path) -> Login:
    write_new(tmp_path / "key", "ES384")
    return Login("https://payer.example/token", "clinic", SCOPES, (str(tmp_path / "key"),), "ES384")


class Door:
    """A token endpoint that gives these answers, the last one for ever, and keeps what it was sent."""

    def __init__(self, *answers: Posted) -> None:
        self.answers = list(answers)
        self.forms: list[dict[str, list[str]]] = []

    def __call__(self, url: str, form: bytes) -> Posted:
        assert url == "https://payer.example/token"
        self.forms.append(parse_qs(form.decode(), strict_parsing=True))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def said(status: int = 200, **over: Any) -> Posted:
    return Posted(status, json.dumps({k: v for k, v in (GRANT | over).items() if v is not None}).encode())


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 1, 12, 15, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


def part(assertion: str, number: int) -> Any:
    text = assertion.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_the_request_says_what_smart_wants(login: Login) -> None:
    clock, door = Clock(), Door(said())
    assert Tokens(clock).token("p", login, door) == "t-1"
    (form,) = door.forms
    assert form["grant_type"] == ["client_credentials"]
    assert form["scope"] == [" ".join(SCOPES)]
    assert form["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    (assertion,) = form["client_assertion"]
    head, claims = part(assertion, 0), part(assertion, 1)
    assert set(head) == {"alg", "kid", "typ"}
    assert (head["alg"], head["typ"]) == ("ES384", "JWT")
    assert claims["iss"] == claims["sub"] == "clinic"
    assert claims["aud"] == "https://payer.example/token"
    assert 0 < claims["exp"] - clock.at.timestamp() <= 300


def test_every_try_has_an_assertion_of_its_own(login: Login) -> None:
    tokens, door = Tokens(Clock()), Door(Posted(None), Posted(503), said())
    for _ in range(2):
        with pytest.raises(NoTokenError) as lost:
            tokens.token("p", login, door)
        assert lost.value.passing
    tokens.token("p", login, door)
    assert len({part(form["client_assertion"][0], 1)["jti"] for form in door.forms}) == 3


def test_a_token_is_kept_until_shortly_before_its_end(login: Login) -> None:
    clock = Clock()
    tokens, door = Tokens(clock), Door(said(), said(access_token="t-2"))
    assert [tokens.token("p", login, door) for _ in range(3)] == ["t-1"] * 3
    clock.at += timedelta(seconds=269)
    assert tokens.token("p", login, door) == "t-1"
    clock.at += timedelta(seconds=2)
    assert tokens.token("p", login, door) == "t-2"
    assert len(door.forms) == 2


def test_a_clock_that_is_set_back_keeps_no_token_for_ever(login: Login) -> None:
    clock = Clock()
    tokens, door = Tokens(clock), Door(said(), said(access_token="t-2"))
    tokens.token("p", login, door)
    clock.at -= timedelta(days=1)
    assert tokens.token("p", login, door) == "t-2"


def test_two_payers_have_tokens_of_their_own(login: Login) -> None:
    tokens, door = Tokens(Clock()), Door(said(), said(access_token="t-2"))
    assert [tokens.token(payer, login, door) for payer in ("p", "q", "p")] == ["t-1", "t-2", "t-1"]


def test_a_token_that_is_forgotten_is_fetched_anew_and_another_is_not(login: Login) -> None:
    tokens, door = Tokens(Clock()), Door(said(), said(access_token="t-2"))
    tokens.token("p", login, door)
    tokens.forget("p", login, "an older one")
    assert tokens.token("p", login, door) == "t-1"
    tokens.forget("p", login, "t-1")
    assert tokens.token("p", login, door) == "t-2"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (said(scope=None), "not granted: system/Claim.c system/ClaimResponse.rs"),
        (said(scope="system/Claim.c"), "not granted: system/ClaimResponse.rs"),
        (said(scope=""), "not granted"),
        (said(scope=["system/Claim.c"]), "not granted"),
        (said(access_token=None), "no bearer token"),
        (said(access_token="a b\r\nX-Evil: 1"), "no bearer token"),
        (said(token_type="mac"), "no bearer token"),
        (Posted(200, b"<html>Sign in</html>"), "no bearer token"),
        (Posted(200, b"[" * 100_000), "no bearer token"),
        (Posted(400, b'{"error":"invalid_scope"}'), "refused: invalid_scope"),
        (Posted(401, b'{"error":"Canary <script>"}'), "refused: HTTP 401"),
        (Posted(302, b""), "refused: HTTP 302"),
    ],
)
def test_what_is_no_token_is_told_and_not_asked_for_again(login: Login, answer: Posted, words: str) -> None:
    with pytest.raises(NoTokenError, match=words) as refused:
        Tokens(Clock()).token("p", login, Door(answer))
    assert not refused.value.passing


@pytest.mark.parametrize("lasts", [None, 0, -5, "300", True])
def test_a_token_of_unknown_life_is_used_once(login: Login, lasts: object) -> None:
    tokens, door = Tokens(Clock()), Door(said(expires_in=lasts))
    assert [tokens.token("p", login, door) for _ in range(2)] == ["t-1"] * 2
    assert len(door.forms) == 2


def test_many_threads_fetch_one_token(login: Login) -> None:
    tokens, door = Tokens(Clock()), Door(said())
    together = threading.Barrier(8)
    found: list[str] = []

    def ask() -> None:
        together.wait(5)
        found.append(tokens.token("p", login, door))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == ["t-1"] * 8
    assert len(door.forms) == 1


def test_a_key_that_is_missing_is_told_by_its_path(login: Login) -> None:
    Path(login.keys[0]).unlink()
    with pytest.raises(NoTokenError, match="No such file") as refused:
        Tokens(Clock()).token("p", login, Door(said()))
    assert not refused.value.passing
