"""HTTPS beyond this machine: who gets a token, what it opens, and everything that must stay shut."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import structlog

from adapters.errors import BadSetup, StoreDown
from adapters.model.listening import TlsFiles
from adapters.model.user import Role, User
from adapters.model.web import Client, WebListening
from adapters.serve import https, logs, server
from adapters.serve.gate import Gate
from adapters.serve.http import create_app
from adapters.serve.server import serve_all, serving_outside
from adapters.serve.tries import MOST, WITHIN, Tries
from adapters.smart.passwords import Cost, secret_of
from adapters.store import KeyRing
from tests.contracts.authority import Authority
from tests.smart.signing import Signer, mac, unsigned

pytestmark = pytest.mark.slow

BASE = "https://adapter.example:8443"
FHIR = "application/fhir+json"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECRET = KeyRing.ephemeral("smart tests").secret("access tokens")
EC, RSA, ENGINE = Signer("e1"), Signer("r1", "RS384"), Signer("n1")
PROCEDURE = {"resourceType": "Procedure", "id": "p", "status": "completed", "subject": {"reference": "Patient/1"}}


@dataclass(slots=True)
class Outside:
    """A program behind HTTPS, and how to ask it."""

    program: Any
    gate: Gate
    authority: Authority
    keys: dict[str, Path]
    port: int = 0
    asked: int = 0
    shown: tuple[Path, Path] | None = None

    def context(self) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(self.authority.file))
        if self.shown:
            made.load_cert_chain(*self.shown)
        return made

    def __call__(
        self, method: str, path: str, body: bytes | None = None, media: str = FHIR, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=10, context=self.context())
        said = {"Content-Type": media, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.request(method, path, body, said)
        answer = connection.getresponse()
        read = answer.read()
        connection.close()
        told = {name.lower(): value for name, value in reversed(answer.getheaders())}  # the first of each name
        return answer.status, told, json.loads(read) if "json" in told.get("content-type", "") else read

    def claims(self, client: str = "clinic", **more: Any) -> dict[str, Any]:
        self.asked += 1
        now = int(self.program.clock.now().timestamp())
        said = {"iss": client, "sub": client, "aud": f"{BASE}/token", "exp": now + 300, "jti": f"j{self.asked}"}
        return {name: value for name, value in {**said, **more}.items() if value is not None}

    def form(self, assertion: str, scope: str, **more: str) -> tuple[int, dict[str, str], Any]:
        said = {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": JWT_BEARER,
            "client_assertion": assertion,
            **more,
        }
        return self("POST", "/token", urlencode(said).encode(), "application/x-www-form-urlencoded")

    def token(self, scope: str = "system/Procedure.c", signer: Signer = EC, client: str = "clinic") -> str:
        status, _, said = self.form(signer.token(self.claims(client)), scope)
        assert status == 200, said
        return str(said["access_token"])

    def fhir(self, method: str, path: str, resource: Any, token: str = "") -> tuple[int, dict[str, str], Any]:
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        return self(method, path, json.dumps(resource).encode(), **sent)

    @property
    def journal(self) -> int:
        return int(self.program.store.counts().journal)


@pytest.fixture
def outside(program: Any, tmp_path: Path) -> Iterator[Any]:
    """`outside(**of_the_listener)`: a program with two clients, on a free port by HTTPS."""
    with contextlib.ExitStack() as stack:

        def start(*, ask_clients: bool = False, **more: Any) -> Outside:
            authority = Authority(tmp_path)
            certificate, key = authority.issue("server")
            files = TlsFiles(str(certificate), str(key), str(authority.file) if ask_clients else "")
            held = {"clinic": tmp_path / "clinic.jwks.json", "engine": tmp_path / "engine.jwks.json"}
            held["clinic"].write_bytes(EC.key_set(RSA))
            held["engine"].write_bytes(ENGINE.key_set())
            clients = (
                Client("clinic", "ehr", str(held["clinic"]), ("system/Procedure.cu", "system/Patient.write")),
                Client("engine", "charges", str(held["engine"]), ("hl7v2.write", "system/*.cruds")),
                Client("reader", "ehr", str(held["clinic"]), ("system/*.rd",)),
            )
            one = program()
            charges = one.site.feed("charges")
            feeds = (*one.site.feeds, replace(charges, name="elsewhere", applications=("QELSE",)))
            one.site = replace(one.site, web=WebListening(BASE, files, port=0, **more), clients=clients, feeds=feeds)
            gate = Gate(one, SECRET)
            made = Outside(one, gate, authority, held)
            address = stack.enter_context(serving_outside(create_app(one, gate=gate), gate.web))
            made.port = int(address.rpartition(":")[2])
            return made

        yield start


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What is logged."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    written = io.StringIO()
    logs.configure("debug", written)
    yield written
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


def code(outcome: Any) -> str:
    assert outcome["resourceType"] == "OperationOutcome"
    return str(outcome["issue"][0]["details"]["coding"][0]["code"])


@pytest.mark.parametrize("signer", [EC, RSA], ids=["ES384", "RS384"])
def test_a_signed_request_gets_a_token_that_opens_what_it_says(outside, signer) -> None:
    ask = outside()
    status, headers, said = ask.form(signer.token(ask.claims()), "system/Procedure.c system/Claim.r")
    assert (status, headers["cache-control"], headers["pragma"]) == (200, "no-store", "no-cache")
    assert (said["token_type"], said["expires_in"], said["scope"]) == ("bearer", 300, "system/Procedure.c")
    token = said["access_token"]
    status, headers, _ = ask.fhir("POST", "/fhir/Procedure", PROCEDURE, token)
    assert status == 201
    assert headers["location"].startswith(f"{BASE}/fhir/Procedure/")
    (entry,) = ask.program.store.messages()
    # The journal says by which client it came; the feed is the client's.
    assert (entry.channel, entry.sender) == ("fhir:ehr", "clinic")
    # What was not given is not allowed: neither another letter, nor another type, nor reading.
    assert ask.fhir("PUT", "/fhir/Procedure/p", PROCEDURE, token)[0] == 403
    assert ask.fhir("POST", "/fhir/Patient", {"resourceType": "Patient"}, token)[0] == 403
    assert ask("GET", "/fhir/Claim/1", Authorization=f"Bearer {token}")[0] == 403
    assert ask.journal == 1


def test_a_client_may_ask_in_the_words_of_version_one(outside) -> None:
    ask = outside()
    token = ask.token("system/*.write")
    assert ask.fhir("POST", "/fhir/Patient", {"resourceType": "Patient"}, token)[0] == 201
    assert ask.fhir("PUT", "/fhir/Procedure/p", PROCEDURE, token)[0] == 200
    assert ask.fhir("POST", "/fhir/Encounter", {"resourceType": "Encounter"}, token)[0] == 403


def test_without_a_token_nothing_is_taken_and_little_is_told(outside) -> None:
    ask = outside()
    for method, path in (
        ("POST", "/fhir/Procedure"),
        ("POST", "/fhir"),
        ("POST", "/fhir/$process-message"),
        ("PUT", "/fhir/Procedure/p"),
        ("GET", "/fhir/Claim/1"),
        ("POST", "/hl7v2"),
        ("GET", "/courses"),
        ("GET", "/page.css"),
        ("GET", "/nothing"),
        ("POST", "/fhir/metadata"),
    ):
        status, headers, body = ask(method, path, b"{}" if method != "GET" else None)
        assert (status, code(body)) == (401, "login"), path
        assert headers["www-authenticate"] == 'Bearer realm="oncoclaims"'
    assert ask.journal == 0


def test_what_is_open_says_how_to_be_let_in(outside) -> None:
    ask = outside()
    status, _, said = ask("GET", "/fhir/.well-known/smart-configuration")
    assert status == 200
    assert said["token_endpoint"] == f"{BASE}/token"
    assert said["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert said["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert said["grant_types_supported"] == ["client_credentials"]
    assert "system/Procedure.cu" in said["scopes_supported"]
    assert {"client-confidential-asymmetric", "permission-v1", "permission-v2"} == set(said["capabilities"])
    status, _, said = ask("GET", "/fhir/metadata")
    security = said["rest"][0]["security"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    assert security["extension"][0]["extension"] == [{"url": "token", "valueUri": f"{BASE}/token"}]
    assert "Procedure" in [one["type"] for one in said["rest"][0]["resource"]]


def test_a_token_decides_the_feed_and_the_body_does_not(outside, message) -> None:
    ask = outside()
    fhir, v2 = ask.token("system/Procedure.c"), ask.token("hl7v2.write system/*.c", ENGINE, "engine")
    status, _, body = ask("POST", "/hl7v2", message("C1"), "application/hl7-v2", Authorization=f"Bearer {v2}")
    assert status == 200
    assert b"MSA|AA|C1" in body
    # A sender of another feed is not spoken for by this client.
    other = message("C2", application="QELSE")
    assert b"MSA|AR|C2" in ask("POST", "/hl7v2", other, "application/hl7-v2", Authorization=f"Bearer {v2}")[2]
    # And neither speaks by the other's door, whatever its scopes say.
    assert ask("POST", "/hl7v2", message("C3"), "application/hl7-v2", Authorization=f"Bearer {fhir}")[0] == 403
    assert ask.fhir("POST", "/fhir/Procedure", PROCEDURE, v2)[0] == 403
    assert ask.fhir("POST", "/fhir", {"resourceType": "Bundle", "type": "message"}, v2)[0] == 403
    assert {line.channel.partition("|")[0] for line in ask.program.store.messages()} == {"https"}
    assert next(line.channel for line in ask.program.store.messages()) == "https|engine"


def test_a_client_reads_the_claims_of_its_own_facility(outside, put, message) -> None:
    ask = outside()
    put(ask.program, message())
    ask.program.lanes.work()
    (person,) = ask.program.store.lanes()
    (claim,) = ask.program.store.load(person).claims
    token = ask.token("system/*.r", client="reader")
    path = f"/fhir/Claim/{claim.claim.id}"
    assert ask("GET", path, Authorization=f"Bearer {token}")[0] == 200
    here = ask.program.site.facilities[0]
    there = replace(here, id="elsewhere")
    feeds = tuple(replace(f, facility="elsewhere") if f.name == "ehr" else f for f in ask.program.site.feeds)
    ask.program.site = replace(ask.program.site, facilities=(here, there), feeds=feeds)
    status, _, said = ask("GET", path, Authorization=f"Bearer {token}")
    # That there is one elsewhere is not told.
    unknown = ask("GET", "/fhir/Claim/none", Authorization=f"Bearer {token}")
    assert (status, said) == (404, unknown[2])


def test_a_deletion_needs_its_letter(outside) -> None:
    ask = outside()
    for client, scope, status in (("clinic", "system/Procedure.cu", 403), ("reader", "system/*.d", 200)):
        token = ask.token(scope, client=client)
        assert ask.fhir("DELETE", "/fhir/Procedure/p", None, token)[0] == status
    (entry,) = ask.program.store.messages()
    assert (entry.channel, entry.sender) == ("fhir:ehr", "reader")


def test_each_thing_in_a_bundle_needs_its_scope(outside) -> None:
    ask = outside()
    token = ask.token("system/Procedure.c system/Patient.u")
    patient = {"resource": {"resourceType": "Patient", "id": "1"}, "request": {"method": "PUT", "url": "Patient/1"}}
    procedure = {"resource": PROCEDURE, "request": {"method": "POST", "url": "Procedure"}}
    coverage = {"resource": {"resourceType": "Coverage"}, "request": {"method": "POST", "url": "Coverage"}}
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "transaction", "entry": [patient, procedure]}
    assert ask.fhir("POST", "/fhir", bundle, token)[0] == 200
    wider = {**bundle, "entry": [patient, {"resource": {**bundle, "entry": [coverage]}}]}
    for path in ("/fhir", "/fhir/", "/fhir/Bundle", "/fhir/$process-message"):
        status, headers, said = ask.fhir("POST", path, wider, token)
        assert (status, code(said)) == (403, "forbidden")
        assert headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="system/Coverage.c"'
    assert ask.journal == 1


def test_an_assertion_is_used_once(outside) -> None:
    ask = outside()
    signed = EC.token(ask.claims())
    assert ask.form(signed, "system/Procedure.c")[0] == 200
    status, _, said = ask.form(signed, "system/Procedure.c")
    assert (status, said["error"]) == (401, "invalid_client")
    assert "used-before" in said["error_description"]
    # Nor by another signature over the same jti, nor by its other key.
    again = ask.claims(jti="j1")
    assert ask.form(EC.token(again), "system/Procedure.c")[0] == 401
    assert ask.form(RSA.token(again), "system/Procedure.c")[0] == 401
    # It is remembered by the store: a gate that was never asked knows it as well.
    assert ask.form(EC.token(ask.claims()), "system/Procedure.c")[0] == 200
    assert Gate(ask.program, SECRET).issue(signed, "system/Procedure.c", "127.0.0.1").status == 401


def test_of_many_at_once_one_gets_the_token(outside) -> None:
    ask = outside()
    signed = EC.token(ask.claims())
    found: list[int] = []

    def once() -> None:
        found.append(ask.form(signed, "system/Procedure.c")[0])

    threads = [threading.Thread(target=once) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(found) == [200, *[401] * 7]


def test_forged_assertions_get_no_token(outside) -> None:
    ask = outside()
    good = ask.claims()
    past = int(ask.program.clock.now().timestamp()) - 100
    for signed in (
        unsigned(good, "e1"),
        mac(good, "e1", EC.pem()),
        EC.token(ask.claims(aud=f"{BASE}/fhir")),
        EC.token(ask.claims(aud="https://elsewhere.example/token")),
        EC.token(ask.claims(exp=past)),
        EC.token(ask.claims(iat=past + 3600)),
        EC.token(ask.claims(exp=past + 3600)),
        EC.token(ask.claims("engine")),  # kid of another client
        ENGINE.token(ask.claims(), kid="e1", jwk=ENGINE.jwk()),
        EC.token(ask.claims("nobody")),
        EC.token(ask.claims(jti=None)),
        EC.token({**ask.claims(), "filling": "x" * 9000}),
    ):
        status, _, said = ask.form(signed, "system/Procedure.c")
        assert (status, said["error"]) == (401, "invalid_client")
        assert signed not in json.dumps(said)


def test_a_request_for_a_token_says_each_thing_once(outside) -> None:
    ask = outside()
    signed = EC.token(ask.claims())
    form = "application/x-www-form-urlencoded"
    good = f"grant_type=client_credentials&client_assertion_type={JWT_BEARER}&client_assertion={signed}"
    for status, error, body, media in (
        (400, "invalid_request", f"{good}&scope=a&scope=b", form),
        (400, "invalid_request", f"{good}&scope=system/Procedure.c", "application/json"),
        (400, "invalid_scope", good, form),
        (400, "unsupported_grant_type", f"{good}&scope=a".replace("client_credentials", "password"), form),
        (401, "invalid_client", f"{good}&scope=a".replace("jwt-bearer", "saml2-bearer"), form),
        (401, "invalid_client", "grant_type=client_credentials&scope=a&client_id=clinic&client_secret=x", form),
        (413, "invalid_request", f"{good}&scope={'a' * 20_000}", form),
    ):
        answer, _, said = ask("POST", "/token", body.encode(), media)
        assert (answer, said["error"]) == (status, error)
    assert ask("POST", "/token", b"x=\xff", form)[0] == 400
    assert ask("POST", "/token?scope=a", good.encode(), form)[0] == 400
    assert ask("POST", "/token", f"{good}&scope=a".encode(), form, Authorization="Basic eDp5")[0] == 400
    # None of these has used the assertion up; only then is it.
    status, _, said = ask.form(signed, "system/Coverage.c openid")
    assert (status, said["error"]) == (400, "invalid_scope")
    assert ask.form(signed, "system/Procedure.c")[0] == 401


def test_forged_access_tokens_open_nothing(outside) -> None:
    ask = outside()
    token = ask.token()
    header, claims, signature = token.split(".")
    own = EC.token(ask.claims(aud=f"{BASE}/fhir"), typ="at+jwt")
    for bad in (
        f"{header}.{claims}.{signature[:-4]}AAAA",
        f"{header}.{claims}.",
        unsigned({"client_id": "clinic"}, "x"),
        EC.token(ask.claims()),
        own,
        token + "." + signature,
        "x" * 20_000,
        "secret",
    ):
        status, headers, said = ask.fhir("POST", "/fhir/Procedure", PROCEDURE, bad)
        assert (status, code(said)) == (401, "login")
        assert headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert bad not in json.dumps(said)
    # A token in an address, by another scheme or said twice is none.
    assert ask.fhir("POST", f"/fhir/Procedure?access_token={token}", PROCEDURE)[0] == 401
    body = json.dumps(PROCEDURE).encode()
    assert ask("POST", "/fhir/Procedure", body, Authorization=f"Basic {token}")[0] == 401
    assert (
        ask("POST", "/fhir/Procedure", body, Authorization=f"Bearer {token}", authorization=f"Bearer {own}")[0] == 401
    )
    assert ask.journal == 0


def test_a_token_ends(outside) -> None:
    ask = outside()
    token = ask.token()
    ask.program.clock.forward(minutes=5, seconds=59)
    assert ask.fhir("POST", "/fhir/Procedure", PROCEDURE, token)[0] == 201
    ask.program.clock.forward(seconds=2)
    status, _, said = ask.fhir("POST", "/fhir/Procedure", PROCEDURE, token)
    assert status == 401
    assert "expired" in json.dumps(said)


def test_a_token_of_another_store_is_none_and_one_of_this_store_holds_after_a_restart(outside) -> None:
    ask = outside()
    token = ask.token()
    assert Gate(ask.program, SECRET).grant(token, "").client == "clinic"
    other = Gate(ask.program, KeyRing.ephemeral("another").secret("access tokens"))
    assert other.grant(token, "").status == 401


def test_whoever_takes_a_key_away_ends_what_it_may(outside) -> None:
    ask = outside()
    first, second = ask.token(signer=EC), ask.token(signer=RSA)
    ask.keys["clinic"].write_bytes(RSA.key_set())  # one key is taken out: its tokens end with it, the other's do not
    assert ask.fhir("POST", "/fhir/Procedure", PROCEDURE, first)[0] == 401
    assert ask.fhir("POST", "/fhir/Procedure", PROCEDURE, second)[0] == 201
    assert ask.form(EC.token(ask.claims()), "system/Procedure.c")[0] == 401
    ask.keys["clinic"].unlink()  # the client is revoked
    assert ask.fhir("POST", "/fhir/Procedure", PROCEDURE, second)[0] == 401
    assert ask.form(RSA.token(ask.claims()), "system/Procedure.c")[0] == 401
    ask.keys["clinic"].write_bytes(EC.key_set())
    assert ask.fhir("POST", "/fhir/Procedure", PROCEDURE, ask.token())[0] == 201


def test_a_client_that_left_the_site_file_or_may_less_now(outside) -> None:
    ask = outside()
    token = ask.token("system/Procedure.cu")
    clinic, engine, _ = ask.program.site.clients
    ask.program.site = replace(ask.program.site, clients=(replace(clinic, scopes=("system/Procedure.u",)), engine))
    assert Gate(ask.program, SECRET).grant(token, "").scopes == ("system/Procedure.u",)
    ask.program.site = replace(ask.program.site, clients=(engine,))
    assert Gate(ask.program, SECRET).grant(token, "").status == 401


def test_a_store_that_is_down_gives_no_token(outside, monkeypatch) -> None:
    ask = outside()

    def down(*_: Any) -> bool:
        raise StoreDown("gone")

    monkeypatch.setattr(type(ask.program.store), "first_use", down)
    status, headers, said = ask.form(EC.token(ask.claims()), "system/Procedure.c")
    assert (status, headers["retry-after"], said["error"]) == (503, "5", "temporarily_unavailable")


def test_failed_tries_are_slowed_and_a_good_token_is_not(outside) -> None:
    ask = outside()
    token = ask.token()
    for _ in range(MOST):
        assert ask.form("x.y.z", "system/Procedure.c")[0] == 401
    status, headers, said = ask.form(EC.token(ask.claims()), "system/Procedure.c")
    assert (status, headers["retry-after"], said["error"]) == (429, "60", "temporarily_unavailable")
    status, headers, said = ask.fhir("POST", "/fhir/Procedure", PROCEDURE, "x.y.z")
    assert (status, headers["retry-after"], code(said)) == (429, "60", "throttled")
    assert ask.fhir("POST", "/fhir/Procedure", PROCEDURE, token)[0] == 201
    ask.program.clock.forward(seconds=61)
    assert ask.form(EC.token(ask.claims()), "system/Procedure.c")[0] == 200


def test_failures_are_counted_by_who_made_them(clock) -> None:
    tries = Tries(2)
    for peer in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::2:0:0:9%eth0"):
        tries.failed(peer, clock.now())
    assert tries.wait("192.0.2.1", clock.now()) == 60
    assert tries.wait("2001:db8::77", clock.now()) == 60
    assert tries.wait("192.0.2.2", clock.now()) == 0
    assert tries.wait("2001:db8:1::1", clock.now()) == 0
    for number in range(5000):  # who has many addresses does not fill the memory
        tries.failed(f"10.0.{number // 250}.{number % 250}", clock.now())
    assert len(tries._since) == 4096
    assert tries.wait("192.0.2.1", clock.now() + WITHIN) == 0


def test_nothing_of_a_token_or_a_patient_is_logged(outside, stream, canaries) -> None:
    ask = outside()
    token = ask.token()
    family = canaries[0]
    signed = [
        EC.token(ask.claims(name=family)),
        EC.token(ask.claims("nobody", jti=family)),
        unsigned(ask.claims(), family),
    ]
    for one in signed:
        ask.form(one, f"system/Procedure.c {family}")
    ask.fhir("POST", f"/fhir/{family}", {"resourceType": family}, token)
    ask.fhir("POST", "/fhir", {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": family}}]}, token)
    ask.fhir("POST", f"/fhir/Procedure?x={family}", PROCEDURE, f"{token}{family}")
    ask.fhir("POST", "/fhir/Procedure", PROCEDURE, token)
    logged = stream.getvalue()
    lines = [json.loads(line) for line in logged.splitlines()]
    assert {"unknown-client", "algorithm", "signature"} <= {line.get("reason") for line in lines}
    assert "/fhir/{kind}" in {line.get("route") for line in lines}
    for secret in (family, token, token.split(".")[1], *(part for one in signed for part in one.split("."))):
        assert secret not in logged or len(secret) < 10


# The connection


def test_the_connection_is_tls_or_none(outside) -> None:
    ask = outside()
    with socket.create_connection(("127.0.0.1", ask.port), 5) as plain:
        plain.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP/1.1 200" not in plain.recv(4096)
    old = ask.context()
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", ask.port), 5) as raw, pytest.raises(ssl.SSLError):
        old.wrap_socket(raw, server_hostname="localhost")


def test_clients_may_be_asked_for_certificates_as_well(outside) -> None:
    ask = outside(ask_clients=True)
    with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
        ask("GET", "/fhir/metadata")
    ask.shown = ask.authority.issue("clinic")
    assert ask("GET", "/fhir/metadata")[0] == 200
    assert ask.fhir("POST", "/fhir/Procedure", PROCEDURE)[0] == 401  # a certificate is not a token


def test_a_renewed_certificate_is_shown_from_the_next_connection_on(outside, tmp_path) -> None:
    ask = outside()

    def shown() -> bytes:
        with (
            socket.create_connection(("127.0.0.1", ask.port), 5) as raw,
            ask.context().wrap_socket(raw, server_hostname="localhost") as peer,
        ):
            return bytes(peer.getpeercert(binary_form=True))

    first = shown()
    ask.authority.issue("server")
    assert shown() != first
    assert ask("GET", "/fhir/metadata")[0] == 200


def test_other_networks_are_not_let_in(outside, monkeypatch) -> None:
    ask = outside(networks=("198.51.100.0/24",))
    assert ask("GET", "/fhir/metadata")[0] == 200  # this machine always
    web = ask.gate.web
    assert [web.admits(peer) for peer in ("198.51.100.9", "::ffff:198.51.100.9", "203.0.113.9", "x")] == [
        True,
        True,
        False,
        False,
    ]
    monkeypatch.setattr(WebListening, "admits", lambda _self, _peer: False)
    with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
        ask("GET", "/fhir/metadata")


def _connected(ask: Outside) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", ask.port), 5)
    return ask.context().wrap_socket(raw, server_hostname="localhost")


def _ended(peer: ssl.SSLSocket, within: float) -> bool:
    peer.settimeout(within)
    try:
        while peer.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_who_says_nothing_or_says_it_slowly_is_let_go(outside, monkeypatch) -> None:
    monkeypatch.setattr(https, "HEAD_SECONDS", 0.3)
    ask = outside()
    silent, slow, between = _connected(ask), _connected(ask), _connected(ask)
    slow.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\nX-Drip: ")
    between.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\n\r\n")
    began = time.monotonic()
    with contextlib.suppress(OSError):
        while time.monotonic() - began < 0.8:
            slow.sendall(b"x")
            between.sendall(b"\r\n")
            time.sleep(0.05)
    for peer in (silent, slow, between):
        assert _ended(peer, 2)
        peer.close()
    assert ask("GET", "/fhir/metadata")[0] == 200


def test_one_address_has_so_many_connections(outside, monkeypatch) -> None:
    monkeypatch.setattr(https, "PER_PEER", 3)
    ask = outside()
    held = [_connected(ask) for _ in range(3)]
    one_more = _connected(ask)
    assert _ended(one_more, 2)
    held[0].sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert held[0].recv(15) == b"HTTP/1.1 200 OK"
    for peer in (*held, one_more):
        peer.close()


def test_a_long_body_of_nobody_is_not_waited_for(outside) -> None:
    ask = outside()
    with _connected(ask) as peer:
        peer.sendall(b"POST /fhir/Procedure HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\n\r\nx")
        assert peer.recv(4096).startswith(b"HTTP/1.1 401")
        assert _ended(peer, 2)


# Starting


def test_beyond_this_machine_it_does_not_start_without_both(program, tmp_path) -> None:
    one = program()
    with pytest.raises(BadSetup, match=r"has no authentication: .*\[web\] with certificates, and \[\[clients\]\]"):
        serve_all(one, ("web",), host="0.0.0.0", http_port=0, health_port=0, lanes=one.lanes)  # noqa: S104
    files = TlsFiles(str(tmp_path / "a.pem"), str(tmp_path / "a.key"), "")
    one.site = replace(one.site, web=WebListening(BASE, files, "0.0.0.0", 0))  # noqa: S104
    with pytest.raises(BadSetup, match="nobody who looks at tokens"):
        serve_all(one, ("web",), http_port=0, health_port=0, lanes=one.lanes)
    with pytest.raises(BadSetup) as told:
        serve_all(one, ("web",), http_port=0, health_port=0, lanes=one.lanes, gate=Gate(one, SECRET))
    assert [words.rpartition(": ")[2].partition(" (")[0] for words in told.value.problems] == ["cannot be read"] * 2
    assert one.lanes._threads == []


def test_the_service_has_both_doors(outside, program, stream, monkeypatch) -> None:
    ask = outside()
    monkeypatch.setattr(server, "configure", lambda _level: None)
    told = threading.Event()
    ended = threading.Thread(
        target=lambda: serve_all(
            ask.program, ("web",), http_port=0, health_port=0, lanes=ask.program.lanes, gate=ask.gate
        )
    )
    monkeypatch.setattr(server, "_told_to_stop", lambda: contextlib.nullcontext(told))
    ended.start()
    try:
        for _ in range(500):
            lines = [json.loads(line) for line in stream.getvalue().splitlines()]
            heard = {line["listener"]: line["port"] for line in lines if line["event"] == "listening"}
            if "health" in heard:
                break
            time.sleep(0.01)
        plain = http.client.HTTPConnection("127.0.0.1", heard["http"], timeout=5)
        plain.request("POST", "/fhir/Procedure", json.dumps(PROCEDURE), {"Content-Type": FHIR})
        assert plain.getresponse().status == 201  # this machine needs no token
        plain.close()
        plain = http.client.HTTPConnection("127.0.0.1", heard["http"], timeout=5)
        plain.request("POST", "/token")
        assert plain.getresponse().status in (404, 405)
        plain.close()
        ask.port = heard["https"]
        assert ask.fhir("POST", "/fhir/Procedure", PROCEDURE)[0] == 401
        assert ask.fhir("POST", "/fhir/Procedure", PROCEDURE, ask.token())[0] == 201
    finally:
        told.set()
        ended.join(30)


def test_pages_are_outside_only_where_the_site_says_so_and_open_no_other_door(outside: Any) -> None:
    without, there = outside(), outside(pages=True)
    for path in ("/sign-in", "/today", "/page.css", "/courses"):
        assert without("GET", path)[0] == 401, path
    assert there("GET", "/today")[0] == 403
    status, told, page = there("GET", "/sign-in")
    assert (status, b"<h1>Sign in</h1>" in page) == (200, True)
    assert "form-action 'self'" in told["content-security-policy"]
    secret = secret_of("a quiet harbour", b"salt", Cost(4, 1, 1))
    there.program.store.put_user(User("kim", Role.BILLER, secret, there.program.clock.now()), "console")
    form = urlencode({"name": "kim", "password": "a quiet harbour"}).encode()
    origin = f"https://localhost:{there.port}"
    status, told, _ = there("POST", "/sign-in", form, "application/x-www-form-urlencoded", Origin=origin)
    assert (status, told["location"]) == (303, "/today")
    cookie = told["set-cookie"].partition(";")[0]
    assert cookie.startswith("__Host-")
    assert "; Secure" in told["set-cookie"]
    status, _, page = there("GET", "/today", Cookie=cookie)
    assert (status, b"kim, biller" in page) == (200, True)
    for method, path in (
        ("GET", "/fhir/Claim/x"),
        ("POST", "/fhir/Patient"),
        ("POST", "/hl7v2"),
        ("GET", "/today/x/y"),
    ):
        assert there(method, path, b"{}", Cookie=cookie)[0] == 401, path
