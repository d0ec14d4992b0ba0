"""A client's assertion that was used is refused by the service that comes back after a kill."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.contracts.authority import Authority
from tests.e2e.conftest import Clinic, Served, loaded
from tests.smart.signing import Signer

pytestmark = pytest.mark.system

BASE = "https://adapter.tern.example"
WEB = f"""
[web]
base_url = "{BASE}"
port = 0
tls = {{ certificate = "server.pem", key = "server.key" }}

[[clients]]
id = "clinic"
feed = "FEED"
jwks = "clinic.jwks.json"
scopes = ["system/Procedure.c"]
"""
PROCEDURE = {"resourceType": "Procedure", "status": "completed", "subject": {"reference": "Patient/1"}}


def asked(served: Served, authority: Authority, path: str, body: bytes, **headers: str) -> tuple[int, Any]:
    rows = [loaded(line) for line in served.errors.read_text().splitlines()]
    port = next(row["port"] for row in rows if row.get("listener") == "https" and row["event"] == "listening")
    context = ssl.create_default_context(cafile=str(authority.file))
    connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
    connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    return answer.status, said


def test_a_kill_forgets_no_assertion(make_clinic: Callable[..., Clinic]) -> None:
    clinic = make_clinic()
    signer, authority = Signer("k1"), Authority(clinic.folder)
    authority.issue("server")
    (clinic.folder / "clinic.jwks.json").write_bytes(signer.key_set())
    part = next(part for part in clinic.site.split("[[") if part.startswith("feeds]]") and 'media = "fhir"' in part)
    clinic.write(clinic.site + WEB.replace("FEED", part.split('name = "', 1)[1].partition('"')[0]))
    said = {"iss": "clinic", "sub": "clinic", "aud": f"{BASE}/token", "exp": int(time.time()) + 290, "jti": "once"}
    form = urlencode(
        {
            "grant_type": "client_credentials",
            "scope": "system/Procedure.c",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": signer.token(said),
        }
    ).encode()
    media = {"content_type": "application/x-www-form-urlencoded"}
    first = clinic.serve("--role", "web")
    status, given = asked(first, authority, "/token", form, **media)
    assert status == 200
    first.kill()

    second = clinic.serve("--role", "web")
    status, refused = asked(second, authority, "/token", form, **media)
    assert (status, refused["error"]) == (401, "invalid_client")
    assert "used-before" in refused["error_description"]
    # The token itself holds to its end: its key is made of the key file.
    bearer = f"Bearer {given['access_token']}"
    sent = json.dumps(PROCEDURE).encode()
    headers = {"content_type": "application/fhir+json", "authorization": bearer}
    assert asked(second, authority, "/fhir/Procedure", sent, **headers)[0] == 201
    assert given["access_token"] not in first.errors.read_text() + second.errors.read_text()
    assert second.stop() == 0
