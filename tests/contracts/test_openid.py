"""People sign in at an OpenID provider that others wrote (npm oidc-provider, certified), by a secret and by our keys."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from joserfc.jwk import ECKey, RSAKey
from playwright.sync_api import sync_playwright

from adapters.model.listening import TlsFiles
from adapters.model.openid import OpenId
from adapters.model.user import Role
from adapters.model.web import WebListening
from adapters.payers import published, write_new
from adapters.pipeline import House
from adapters.serve.gate import Gate
from adapters.serve.http import create_app
from adapters.serve.openid import login_of
from adapters.serve.server import serving_outside
from tests.contracts.authority import Authority
from tests.pages.clinic import RULES, Clinic, clinic

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

PROVIDER = Path(__file__).parent / "provider"
BASE = "https://adapter.test:8443"


@dataclass
class Together:
    """The provider, the program, and one browser for both."""

    settings: Path
    there: Clinic
    browser: TestClient
    beyond: httpx.Client

    def say(self, **said: Any) -> None:
        """What the provider says from now on of whoever comes."""
        kept = json.loads(self.settings.read_text(encoding="utf-8"))
        self.settings.write_text(json.dumps({**kept, **said}), encoding="utf-8")

    def address(self) -> str:
        """Where the browser comes back to, after it has been wherever it was sent."""
        where = httpx.URL(self.browser.get("/sign-in/openid").headers["location"])
        while not str(where).startswith(BASE):
            answer = self.beyond.get(where)
            assert answer.status_code == 303, answer.text
            where = where.join(answer.headers["location"])
        return str(where)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextlib.contextmanager
def _provided(modules: Path, folder: Path, kind: str, base: str) -> Iterator[tuple[OpenId, Path]]:
    """The provider with a key of each kind, which knows us by a secret or by keys; what we say of it, and its settings."""
    port = _free_port()
    roles = (("billing", Role.BILLER), ("leads", Role.SUPERVISOR))
    said = OpenId(f"http://127.0.0.1:{port}", "clinic/pages", roles, role_claim="groups")
    client: dict[str, Any] = {
        "client_id": said.client_id,
        "redirect_uris": [f"{base}/sign-in/openid"],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
    }
    if kind == "secret":
        secret = folder / "secret"
        secret.write_text("a+b/c=%" * 8, encoding="utf-8")
        secret.chmod(0o600)
        said = replace(said, client_secret_file=str(secret))
        client |= {"client_secret": "a+b/c=%" * 8, "id_token_signed_response_alg": "RS256"}
    else:
        write_new(folder / "key", "ES384")
        said = replace(said, keys=(str(folder / "key"),), algorithm="ES384")
        client |= {"token_endpoint_auth_method": "private_key_jwt", "jwks": published([login_of(said)])}
        client |= {"token_endpoint_auth_signing_alg": "ES384", "id_token_signed_response_alg": "ES384"}
    signing = [RSAKey.generate_key(2048, {"use": "sig"}), ECKey.generate_key("P-384", {"use": "sig"})]
    person = {"preferred_username": "Kim", "groups": ["billing", "staff"]}
    jwks = {"keys": [one.as_dict(private=True) | {"kid": one.thumbprint()} for one in signing]}
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"clients": [client], "jwks": jwks, "subject": "u-1", "person": person}))
    words = [str(shutil.which("node")), str(PROVIDER / "sign_in.mjs"), str(port), str(settings)]
    with subprocess.Popen(words, cwd=modules, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert next((line for line in process.stdout if line.startswith("listening")), ""), "the provider starts"
        yield said, settings
        process.kill()


@contextlib.contextmanager
def _program(web: WebListening) -> Iterator[Clinic]:
    """A clinic whose people sign in as its listener says."""
    there = clinic(treated=True)
    there.clock.at = datetime.now(UTC)
    there.house = House.of(RULES, replace(there.site, web=web))
    yield there
    there.close()


@pytest.fixture(params=["secret", "keys"])
def together(request: pytest.FixtureRequest, npm: Callable[[Path], Path], tmp_path: Path) -> Iterator[Together]:
    """The provider, and the program with HTTPS that knows it by its settings alone."""
    with _provided(npm(PROVIDER), tmp_path, request.param, BASE) as (said, settings):
        web = WebListening(BASE, TlsFiles("c", "k", ""), pages=True, openid=said)
        with _program(web) as there, httpx.Client(trust_env=False) as beyond:
            app = create_app(there, gate=Gate(there, b"s" * 64))
            yield Together(settings, there, TestClient(app, base_url=BASE, follow_redirects=False), beyond)


def test_whom_it_vouches_for_is_let_in_once_and_as_it_says(together: Together) -> None:
    address = together.address()
    assert "iss=" in address, "it names itself in its answer"
    assert together.browser.get(address).status_code == 200
    assert "kim, biller" in together.browser.get("/courses").text
    assert together.browser.get(address).status_code == 403, "an answer is good once"
    together.say(person={"preferred_username": "kim", "groups": ["leads"]})
    assert together.browser.get(together.address()).status_code == 200
    assert "kim, supervisor" in together.browser.get("/courses").text
    together.say(person={"preferred_username": "kim", "groups": []})
    refused = together.browser.get(together.address())
    assert (refused.status_code, "nothing said of you" in refused.text) == (403, True)
    assert together.there.store.users() == ()


def test_a_code_without_its_verifier_and_another_issuer_get_nothing(together: Together) -> None:
    address = together.address()
    assert together.browser.get(address.partition("&iss=")[0]).status_code == 403, "it names itself always"
    assert together.browser.get(together.address().replace("code=", "code=x")).status_code == 403
    web = together.there.site.web
    assert web is not None
    assert web.openid is not None
    other = replace(web, openid=replace(web.openid, issuer=web.openid.issuer.replace("127.0.0.1", "localhost")))
    together.there.house = House.of(RULES, replace(together.there.site, web=other))
    browser = TestClient(create_app(together.there, gate=Gate(together.there, b"s" * 64)), base_url=BASE)
    assert browser.get("/sign-in/openid").status_code == 503, "what it says of itself names another issuer"
    assert together.there.store.users() == ()


def test_who_says_no_there_is_not_let_in(together: Together) -> None:
    together.say(subject="")
    refused = together.browser.get(together.address())
    assert (refused.status_code, "You were not signed in there" in refused.text) == (403, True)


@pytest.mark.browser
def test_a_browser_goes_there_and_comes_back_signed_in(
    npm: Callable[[Path], Path], tmp_path: Path, chromium_path: str
) -> None:
    """The provider is another site to it (127.0.0.1 and localhost): what its cookies then do is its own to say."""
    base = f"https://localhost:{(port := _free_port())}"
    certificate, key = Authority(tmp_path).issue("server")
    with _provided(npm(PROVIDER), tmp_path, "secret", base) as (said, _):
        files = TlsFiles(str(certificate), str(key), "")
        web = WebListening(base, files, port=port, pages=True, openid=said)
        with (
            _program(web) as there,
            serving_outside(create_app(there, gate=Gate(there, b"s" * 64)), web),
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
            page = browser.new_context(ignore_https_errors=True).new_page()
            page.goto(f"{base}/courses")
            page.get_by_role("link", name="Sign in with").click()
            page.wait_for_url(f"{base}/courses")
            assert "kim, biller" in page.inner_text("body")
            (held,) = [one for one in page.context.cookies() if one["name"].startswith("__Host-")]
            assert (held["sameSite"], held["secure"], held["httpOnly"]) == ("Strict", True, True)
            browser.close()
