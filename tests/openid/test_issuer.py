"""The issuer as it is asked: what it says of itself, its keys, and a code for an identity; all that can go wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from adapters.errors import BadSetup
from adapters.model.openid import Begun, Trouble
from adapters.openid.issuer import AGAIN, KEPT, PATIENCE
from adapters.openid.request import LARGEST, asked
from adapters.smart.id_tokens import Identity
from adapters.smart.tokens import Reason
from tests.openid.issuing import KEY, NAME, RETURN, SAID, Pretended, body
from tests.smart.signing import Signer

BEGUN = Begun("s" * 43, "n" * 43, "v" * 43)
DESCRIPTION, TOKEN, KEYS = "/clinic/.well-known/openid-configuration", "/clinic/token", "/clinic/keys"
KIM = Identity("u-1", "kim", frozenset({"billing"}))


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 20, 14, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def there() -> Pretended:
    return Pretended(Hand())


def signed_in(there: Pretended, issuer: Any, named: str = "", **claims: Any) -> Any:
    """What comes of signing in there."""
    address = issuer.address(BEGUN)
    assert isinstance(address, str), address
    code = dict(parse_qsl(urlsplit(there.signs_in(address, **claims)).query))["code"]
    return issuer.identity(code, BEGUN, named)


def test_the_question_holds_what_comes_back_and_nothing_secret(there: Pretended) -> None:
    there.described["authorization_endpoint"] = f"{NAME}/authorization?tenant=1"
    address = str(there.issuer(replace(SAID, prompt="login")).address(BEGUN))
    assert address.startswith(f"{NAME}/authorization?tenant=1&")
    said = dict(parse_qsl(urlsplit(address).query))
    assert (said["state"], said["nonce"], said["redirect_uri"]) == (BEGUN.state, BEGUN.nonce, RETURN)
    assert (said["scope"], said["prompt"]) == ("openid profile", "login")
    assert BEGUN.verifier not in address
    # RFC 7636, appendix B.
    known = Begun("", "", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert known.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize("ways", [None, ["client_secret_basic"], ["client_secret_post"], ["private_key_jwt"]])
def test_a_code_becomes_an_identity_however_we_say_who_we_are(there: Pretended, ways: Any) -> None:
    if ways:
        there.described["token_endpoint_auth_methods_supported"] = ways
    said = replace(SAID, client_secret_file="", keys=("k",)) if ways == ["private_key_jwt"] else SAID
    assert signed_in(there, there.issuer(said)) == KIM


def test_a_code_is_good_once_and_for_its_own_verifier(there: Pretended) -> None:
    issuer = there.issuer()
    assert signed_in(there, issuer) == KIM
    assert issuer.identity("code-0", BEGUN, "") is Trouble.NOT_GIVEN
    there.signs_in(str(issuer.address(BEGUN)))
    assert issuer.identity("code-0", BEGUN._replace(verifier="w" * 43), "") is Trouble.NOT_GIVEN


@pytest.mark.parametrize(
    ("supported", "named", "found"),
    [
        (False, "", KIM),
        (False, NAME, KIM),
        (False, "https://evil.test", Reason.ISSUER),
        (True, NAME, KIM),
        (True, "", Reason.ISSUER),
    ],
)
def test_an_answer_bears_the_name_of_its_issuer(there: Pretended, supported: bool, named: str, found: object) -> None:
    there.described["authorization_response_iss_parameter_supported"] = supported
    assert signed_in(there, there.issuer(), named) == found
    assert there.count(TOKEN) == (found == KIM)


def test_a_token_that_is_not_for_this_sign_in_is_refused(there: Pretended) -> None:
    issuer = there.issuer()
    assert signed_in(there, issuer, nonce="m" * 43) is Reason.NONCE
    assert signed_in(there, issuer, nonce=BEGUN.nonce, aud="another") is Reason.AUDIENCE
    there.signer = Signer("k1", "RS256")
    assert signed_in(there, issuer, aud="oncoclaims") is Reason.SIGNATURE


@pytest.mark.parametrize(
    ("described", "found"),
    [
        ({"issuer": f"{NAME}/"}, Trouble.DESCRIPTION),
        ({"issuer": None}, Trouble.DESCRIPTION),
        ({"token_endpoint": "http://login.test/token"}, Trouble.DESCRIPTION),
        ({"token_endpoint": None}, Trouble.DESCRIPTION),
        ({"jwks_uri": "file:///etc/passwd"}, Trouble.DESCRIPTION),
        ({"jwks_uri": "https://a:b@login.test/keys"}, Trouble.DESCRIPTION),
        ({"authorization_endpoint": "javascript:alert(1)"}, Trouble.DESCRIPTION),
    ],
)
def test_a_description_of_another_or_with_unsafe_addresses_is_none(
    there: Pretended, described: dict[str, Any], found: Trouble
) -> None:
    there.described = described
    assert there.issuer().address(BEGUN) is found


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (httpx.Response(503), Trouble.UNREACHABLE),
        (httpx.Response(429), Trouble.UNREACHABLE),
        (httpx.ConnectError("down"), Trouble.UNREACHABLE),
        (httpx.ReadTimeout("slow"), Trouble.UNREACHABLE),
        (httpx.Response(200, content=b"x" * (LARGEST + 1)), Trouble.UNREACHABLE),
        (httpx.Response(200, content=b"<html>"), Trouble.DESCRIPTION),
        (httpx.Response(404), Trouble.DESCRIPTION),
        (httpx.Response(302, headers={"Location": f"{NAME}/elsewhere"}), Trouble.DESCRIPTION),
    ],
    ids=repr,
)
def test_an_issuer_that_does_not_say_what_it_is_is_left_alone_for_a_while(
    there: Pretended, answer: Any, found: Trouble
) -> None:
    there.answers[DESCRIPTION] = answer
    issuer = there.issuer()
    assert issuer.address(BEGUN) is found
    del there.answers[DESCRIPTION]
    assert issuer.address(BEGUN) is found
    assert len(there.requests) == 1, "no redirect is followed, and nobody is asked again at once"
    there.clock.at += PATIENCE
    assert isinstance(issuer.address(BEGUN), str)


@pytest.mark.parametrize(
    ("path", "answer", "found"),
    [
        (TOKEN, httpx.Response(500), Trouble.UNREACHABLE),
        (TOKEN, httpx.ReadTimeout("slow"), Trouble.UNREACHABLE),
        (TOKEN, httpx.Response(401), Trouble.NOT_GIVEN),
        (TOKEN, httpx.Response(302, headers={"Location": NAME}), Trouble.NOT_GIVEN),
        (TOKEN, httpx.Response(200, content=body(access_token="a")), Trouble.NOT_GIVEN),
        (TOKEN, httpx.Response(200, content=body(id_token=["a"])), Trouble.NOT_GIVEN),
        (TOKEN, httpx.Response(200, content=b'{"id_token": "a", "id_token": "b"}'), Trouble.NOT_GIVEN),
        (TOKEN, httpx.Response(200, content=body(id_token="a")), Reason.MALFORMED),
        (KEYS, httpx.Response(500), Trouble.UNREACHABLE),
        (KEYS, httpx.Response(404), Trouble.DESCRIPTION),
        (KEYS, httpx.Response(200, content=b"<html>"), Reason.UNKNOWN_KEY),
    ],
    ids=repr,
)
def test_no_token_and_no_keys_let_nobody_in(there: Pretended, path: str, answer: Any, found: object) -> None:
    there.answers[path] = answer
    assert signed_in(there, there.issuer()) is found


def test_keys_are_kept_and_fetched_again_for_a_new_one_but_not_for_every_stranger(there: Pretended) -> None:
    issuer = there.issuer()
    assert signed_in(there, issuer) == KIM
    assert signed_in(there, issuer) == KIM
    assert (there.count(DESCRIPTION), there.count(KEYS)) == (1, 1)
    there.signer = Signer("k2", "RS256")
    there.jwks = KEY.key_set(there.signer)
    assert signed_in(there, issuer) is Reason.UNKNOWN_KEY
    assert there.count(KEYS) == 1
    there.clock.at += AGAIN
    assert signed_in(there, issuer) == KIM
    assert there.count(KEYS) == 2
    there.clock.at += KEPT
    assert signed_in(there, issuer) == KIM
    assert (there.count(DESCRIPTION), there.count(KEYS)) == (2, 3)
    there.clock.at -= timedelta(days=1)
    assert isinstance(issuer.address(BEGUN), str)
    assert there.count(DESCRIPTION) == 3, "a clock that was put back makes nothing good for longer"


def test_what_would_keep_people_out_is_told_beforehand(there: Pretended) -> None:
    assert list(there.issuer().problems()) == []
    there.jwks = body(keys=[])
    assert "holds no key" in next(there.issuer().problems())
    there.answers[DESCRIPTION] = httpx.Response(503)
    assert "does not answer" in next(there.issuer().problems())

    def missing(_: str) -> str:
        raise BadSetup(("secret-file: cannot be read",))

    there.answers.clear()
    issuer = there.issuer()
    issuer._secret = missing
    assert "secret-file: cannot be read" in list(issuer.problems())
    assert signed_in(there, issuer) is Trouble.SETUP


def test_a_file_of_cas_that_is_none_is_a_fault_of_the_set_up(tmp_path: Any) -> None:
    (tmp_path / "ca").write_text("no certificate", encoding="utf-8")
    with pytest.raises(BadSetup, match="cannot be used for TLS"):
        asked("GET", "https://127.0.0.1:1/", ca=str(tmp_path / "ca"))
