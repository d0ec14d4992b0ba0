"""A SMART Backend Services client that others wrote, against our HTTPS listener: discovery, token, sending, replay."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from adapters.model.listening import TlsFiles
from adapters.model.web import Client, WebListening
from adapters.serve.gate import Gate
from adapters.serve.http import create_app
from adapters.serve.server import serving_outside
from adapters.store import KeyRing
from tests.contracts.authority import Authority
from tests.serve.conftest import free_port
from tests.smart.signing import Signer

pytestmark = pytest.mark.system

SENDERS = Path(__file__).parent / "senders"
PROCEDURE = {"resourceType": "Procedure", "status": "completed", "subject": {"reference": "Patient/1"}}


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_oauth4webapi(wired: Any, authority: Authority, tmp_path: Path, npm_modules: Path, algorithm: str) -> None:
    signer, port = Signer("k1", algorithm), free_port()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key, keys, body = tmp_path / "client.pem", tmp_path / "client.jwks.json", tmp_path / "procedure.json"
    key.write_bytes(signer.key.private_bytes(*form))
    keys.write_bytes(signer.key_set())
    body.write_text(json.dumps(PROCEDURE))
    certificate, held = authority.issue("server")
    feed = next(feed.name for feed in wired.site.feeds if feed.media == "fhir")
    wired.site = replace(
        wired.site,
        web=WebListening(f"https://localhost:{port}", TlsFiles(str(certificate), str(held), ""), port=port),
        clients=(Client("clinic", feed, str(keys), ("system/Procedure.cu",)),),
    )
    gate = Gate(wired, KeyRing.ephemeral("contracts").secret("access tokens"))
    words = ["clinic", algorithm, "k1", key, "system/Procedure.c system/Claim.r", body]
    with serving_outside(create_app(wired, gate=gate), gate.web):
        done = subprocess.run(
            ["node", SENDERS / "smart_client.mjs", npm_modules, gate.web.fhir_url, *words],
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(authority.file)},
            capture_output=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr.decode()
    said = json.loads(done.stdout)
    assert said["location"].startswith(f"{gate.web.fhir_url}/Procedure/")
    assert {name: said[name] for name in ("scope", "seconds", "status", "denied", "again")} == {
        "scope": "system/Procedure.c",
        "seconds": 300,
        "status": 201,
        "denied": {"status": 403, "says": "insufficient_scope"},
        "again": [401, "invalid_client"],
    }
    assert [line.channel for line in wired.store.messages()] == [f"fhir:{feed}"]
