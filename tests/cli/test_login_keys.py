"""`oncoclaims keys`: a key for signing in at payers, and what of it is published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.cli.app import app

SITE = """
name = "Reed Marsh"
zone = "America/New_York"

[[facilities]]
id = "REED"
name = "Reed Marsh Clinic"
npi = "1999999950"
setting = "freestanding"
place_of_service = "11"

[[facilities.entities]]
id = "reed"
name = "Reed Marsh Clinic"
npi = "1999999950"
tin = "990000077"
bills = "global"
claim_type = "professional"

[[payers]]
id = "first"
name = "First Mutual"
kind = "commercial"
"""
LOGIN = """
[payers.endpoint]
base_url = "https://payer.example/fhir"

[payers.endpoint.login]
token_url = "https://payer.example/token"
client_id = "reed"
scopes = ["system/Claim.c"]
keys = ["now.pem", "next.pem"]
algorithm = "ES384"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE + LOGIN, encoding="utf-8")
    return path


def test_two_keys_are_made_and_published_while_they_are_changed(site: Path) -> None:
    run = CliRunner().invoke
    made = [run(app, ["keys", "new", str(site.with_name(name))]) for name in ("now.pem", "next.pem")]
    assert [one.exit_code for one in made] == [0, 0]
    told = run(app, ["keys", "jwks", "--site", str(site)])
    assert told.exit_code == 0, told.output
    keys = json.loads(told.stdout)["keys"]
    assert [key["kid"] for key in keys] == [one.stdout.split()[-1] for one in made]
    assert not any("d" in key for key in keys)
    assert run(app, ["keys", "jwks", "first", "--site", str(site)]).stdout == told.stdout


def test_what_cannot_be_published_is_refused(site: Path) -> None:
    run = CliRunner().invoke
    assert run(app, ["keys", "jwks", "nobody", "--site", str(site)]).exit_code == 1
    missing = run(app, ["keys", "jwks", "--site", str(site)])
    assert missing.exception is not None
    assert "now.pem: cannot be read" in "\n".join(getattr(missing.exception, "problems", ()))


OPENID = """
[web]
base_url = "https://adapter.reed.example:8443"
pages = true
tls = { certificate = "c.pem", key = "c.key" }

[web.openid]
issuer = "https://login.reed.example"
client_id = "pages"
keys = ["pages.pem"]
algorithm = "ES384"
roles = { billing = "biller" }
"""


def test_the_issuer_where_people_sign_in_has_a_key_set_of_its_own(site: Path) -> None:
    run = CliRunner().invoke
    refused = run(app, ["keys", "jwks", "--openid", "--site", str(site)])
    assert (refused.exit_code, "says no login of openid" in refused.stderr) == (1, True)
    site.write_text(SITE + LOGIN + OPENID, encoding="utf-8")
    made = run(app, ["keys", "new", str(site.with_name("pages.pem"))])
    published = json.loads(run(app, ["keys", "jwks", "--openid", "--site", str(site)]).stdout)
    (key,) = published["keys"]
    assert key["kid"] in made.stdout
    assert "d" not in key
