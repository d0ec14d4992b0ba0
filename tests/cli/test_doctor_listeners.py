"""What `doctor` says of the listeners of a site and their certificates."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LISTENER = """
[[listeners]]
name = "engine"
host = "127.0.0.1"
port = 2575
feeds = ["wired"]
tls = { certificate = "server.pem", key = "server.key", ca = "server.pem" }

[[listeners]]
name = "vpn"
host = "10.20.0.5"
port = 2576
networks = ["10.20.0.0/24"]
"""


def written(folder: Path, days: int) -> dt.datetime:
    """A certificate and its key in the folder; when it ends."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "oncoclaims")])
    now = dt.datetime.now(dt.UTC)
    end = now + dt.timedelta(days=days, hours=1)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(7).not_valid_before(now - dt.timedelta(days=1)).not_valid_after(end)
    made = built.sign(key, hashes.SHA256())
    (folder / "server.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(key.private_bytes(*form))
    (folder / "server.key").chmod(0o600)
    return end


@pytest.fixture
def told(clinic: Any) -> Any:
    """`doctor` for a site with these listeners."""
    path = clinic.folder / "site.toml"
    text = path.read_text(encoding="utf-8")
    feed = next(part for part in text.split("[[") if part.startswith("feeds]]") and 'media = "hl7v2"' in part)
    name = feed.split('name = "', 1)[1].partition('"')[0]
    wired = f"[[{feed}".replace(f'name = "{name}"', 'name = "wired"').rstrip() + '\ncertificates = ["engine"]\n'
    path.write_text(text.rstrip() + "\n\n" + wired + LISTENER, encoding="utf-8")
    return clinic


def test_listeners_in_order_are_listed(told: Any) -> None:
    end = written(told.folder, 400)
    ran = told("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert f"listener engine: 127.0.0.1 port 2575, tls, certificate until {end:%Y-%m-%d}" in ran.out
    assert "listener vpn: 10.20.0.5 port 2576, plain" in ran.out
    assert "note: plain MLLP on 10.20.0.5 port 2576, open to 10.20.0.0/24" in ran.out


def test_an_end_within_thirty_days_is_a_problem(told: Any) -> None:
    end = written(told.folder, 12)
    ran = told("doctor")
    assert ran.code == 1
    assert f"listener engine: server.pem: a certificate ends on {end:%Y-%m-%d}, in 12 days" in ran.err


def test_what_keeps_a_listener_from_starting_is_told(told: Any) -> None:
    written(told.folder, 400)
    (told.folder / "server.key").chmod(0o604)
    ran = told("doctor")
    assert ran.code == 1
    assert "listener engine: server.key: has mode 0604; a key file must be 0600" in ran.err
    served = told("serve", "--mllp-port", "0", "--http-port", "0", "--health-port", "0")
    assert served.code == 1
    assert "has mode 0604" in served.err
