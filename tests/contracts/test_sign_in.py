"""We sign in at an authorization server that others wrote (npm oidc-provider, OpenID-certified), by private_key_jwt."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from adapters.model.endpoint import Login
from adapters.payers import published, write_new
from adapters.payers.login import NoTokenError, Posted, Tokens

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

PROVIDER = Path(__file__).parent / "provider"
SCOPES = ("system/Claim.c", "system/ClaimResponse.rs")


class Door:
    """Posts forms to a token endpoint; keeps what was sent."""

    def __init__(self) -> None:
        self.forms: list[bytes] = []

    def __call__(self, url: str, form: bytes) -> Posted:
        self.forms.append(form)
        return self.post(url, form)

    def post(self, url: str, form: bytes) -> Posted:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = httpx.post(url, content=form, headers=kind, trust_env=False, timeout=10)
        return Posted(answer.status_code, answer.content)


@pytest.fixture(params=["RS384", "ES384"])
def login(request: pytest.FixtureRequest, npm: Callable[[Path], Path], tmp_path: Path) -> Iterator[Login]:
    """The provider with our keys published to it, in the middle of a change: the second will sign one day."""
    modules = npm(PROVIDER)
    paths = [tmp_path / "now", tmp_path / "next"]
    for path in paths:
        write_new(path, request.param)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    keys = (str(paths[0]), str(paths[1]))
    login = Login(f"http://127.0.0.1:{port}/token", "clinic", SCOPES, keys, request.param)
    (tmp_path / "jwks.json").write_text(json.dumps(published([login])), encoding="utf-8")
    words = [str(shutil.which("node")), str(PROVIDER / "provider.mjs"), str(port), str(tmp_path / "jwks.json")]
    with subprocess.Popen(
        [*words, request.param, "300"], cwd=modules, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert next((line for line in process.stdout if line.startswith("listening")), ""), "the provider starts"
        yield login
        process.kill()


def test_it_gives_us_a_token_for_either_key_and_every_assertion_once(login: Login) -> None:
    door, tokens = Door(), Tokens(lambda: datetime.now(UTC))
    assert len(tokens.token("p", login, door)) > 100
    turned = Login(login.token_url, login.client_id, SCOPES, tuple(reversed(login.keys)), login.algorithm)
    assert len(tokens.token("p", turned, door)) > 100, "the other key is known there as well"
    again = door.post(login.token_url, door.forms[0])
    assert (again.status, json.loads(again.body)["error"]) == (401, "invalid_client")


def test_a_scope_that_we_may_not_have_is_no_token_for_us(login: Login) -> None:
    """It answers 200 and a token without a scope: whoever looks at the status alone believes to be let in."""
    greedy = Login(login.token_url, login.client_id, ("system/*.cruds",), login.keys, login.algorithm)
    door = Door()
    with pytest.raises(NoTokenError, match=r"not granted: system/\*\.cruds|refused: invalid_scope"):
        Tokens(lambda: datetime.now(UTC)).token("p", greedy, door)
    part = Login(login.token_url, login.client_id, (*SCOPES, "system/Patient.r"), login.keys, login.algorithm)
    with pytest.raises(NoTokenError, match=r"not granted: system/Patient\.r|refused: invalid_scope"):
        Tokens(lambda: datetime.now(UTC)).token("p", part, door)


def test_a_key_that_it_does_not_know_gets_nothing(login: Login, tmp_path: Path) -> None:
    write_new(tmp_path / "strange", login.algorithm)
    strange = Login(login.token_url, login.client_id, SCOPES, (str(tmp_path / "strange"),), login.algorithm)
    with pytest.raises(NoTokenError, match="refused: invalid_client"):
        Tokens(lambda: datetime.now(UTC)).token("p", strange, Door())
