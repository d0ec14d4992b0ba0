"""What `doctor` says of the HTTPS listener of a site and of its clients' keys."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.authority import Authority
from tests.smart.signing import Signer

WEB = """
[web]
base_url = "https://adapter.clinic.example:8443"
tls = {{ certificate = "server.pem", key = "server.key" }}

[[clients]]
id = "clinic-ehr"
feed = "{feed}"
jwks = "ehr.jwks.json"
scopes = ["system/Procedure.c"]
"""


@pytest.fixture
def told(clinic: Any) -> Any:
    """`doctor` for a site with HTTPS and one client, all in order."""
    path = clinic.folder / "site.toml"
    text = path.read_text(encoding="utf-8")
    feed = next(part for part in text.split("[[") if part.startswith("feeds]]"))
    name = feed.split('name = "', 1)[1].partition('"')[0]
    path.write_text(text.rstrip() + "\n" + WEB.format(feed=name), encoding="utf-8")
    Authority(clinic.folder).issue("server", days=400)
    (clinic.folder / "ehr.jwks.json").write_bytes(Signer("2026-01").key_set())
    return clinic


def test_https_in_order_is_listed(told: Any) -> None:
    ran = told("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert "https: 127.0.0.1 port 8443, called https://adapter.clinic.example:8443, certificate until 20" in ran.out
    assert "client clinic-ehr: feed " in ran.out
    assert "system/Procedure.c; keys: 2026-01" in ran.out


def test_what_keeps_it_from_working_is_told(told: Any) -> None:
    Authority(told.folder).issue("server", days=12)
    (told.folder / "server.key").chmod(0o604)
    (told.folder / "ehr.jwks.json").write_bytes(b'{"keys": [{"kty": "EC", "kid": "x", "d": "c2VjcmV0"}]}')
    ran = told("doctor")
    assert ran.code == 1
    assert "web: server.key: has mode 0604; a key file must be 0600" in ran.err
    assert "web: server.pem: a certificate ends on 20" in ran.err
    assert "client clinic-ehr: ehr.jwks.json: holds a private or shared key" in ran.err
    assert "c2VjcmV0" not in ran.err + ran.out


def test_a_client_without_keys_is_told(told: Any) -> None:
    (told.folder / "ehr.jwks.json").unlink()
    ran = told("doctor")
    assert ran.code == 1
    assert "client clinic-ehr: ehr.jwks.json: cannot be read (No such file or directory)" in ran.err
    assert "keys: none" in ran.out


OPENID = """
[web.openid]
issuer = "http://127.0.0.1:1/clinic"
client_id = "oncoclaims"
client_secret_file = "openid.secret"
roles = { billing-team = "biller" }
"""


def test_where_people_sign_in_is_listed_and_what_keeps_them_out_is_told(told: Any) -> None:
    path = told.folder / "site.toml"
    text = path.read_text(encoding="utf-8").replace("[web]\n", "[web]\npages = true\n")
    path.write_text(text + OPENID, encoding="utf-8")
    (told.folder / "openid.secret").write_text("c2VjcmV0", encoding="utf-8")
    (told.folder / "openid.secret").chmod(0o644)
    ran = told("doctor")
    assert ran.code == 1
    come_back = "come back to https://adapter.clinic.example:8443/sign-in/openid"
    assert f"people sign in at http://127.0.0.1:1/clinic, and {come_back}" in ran.out
    assert "web.openid: openid.secret: others may read the secret: chmod 600" in ran.err
    described = "http://127.0.0.1:1/clinic/.well-known/openid-configuration"
    assert f"web.openid: {described}: the issuer does not answer" in ran.err
    assert "c2VjcmV0" not in ran.err + ran.out
