"""MLLP over TLS: who may connect, for whom a certificate speaks, and certificates that change while the listener runs."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.errors import BadSetup
from adapters.files.certificates import certificate_ends, certificate_problems, expiry_problems
from adapters.model.listening import Listening, TlsFiles
from adapters.serve import logs, metrics
from adapters.serve.mllp import Limits, start_listener
from adapters.serve.tls import name_of
from tests.contracts.authority import NOW, Authority

START, END = b"\x0b", b"\x1c\r"


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def secured(program, authority):
    """`secured(one, **of_the_listener)`: a TLS listener on a free port."""
    made = []

    def start(one, *, limits=None, **more):
        certificate, key = authority.issue("server")
        files = TlsFiles(str(certificate), str(key), str(authority.file))
        listener = start_listener(one, Listening("engine", port=0, tls=files, **more), limits=limits)
        made.append(listener)
        return listener

    yield start
    for listener in made:
        listener.close()


@contextlib.contextmanager
def talking(listener, authority, client=None, **over) -> Iterator[ssl.SSLSocket]:
    """A TLS connection; with the (certificate, key) of a client."""
    context = ssl.create_default_context(cafile=str(authority.file))
    if over:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that it is the listener that refuses an old version
    for name, value in over.items():
        setattr(context, name, value)
    if client:
        context.load_cert_chain(*client)
    with (
        socket.create_connection(("127.0.0.1", listener.port), 5) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as peer,
    ):
        yield peer


def asked(peer, body: bytes) -> tuple[str, str]:
    """(MSA-1, MSA-2) of the answer; empty where the connection ended without one."""
    peer.sendall(START + body + END)
    read = b""
    while not read.endswith(END):
        piece = peer.recv(65536)
        if not piece:
            return "", ""
        read += piece
    msa = next(line for line in read.split(b"\r") if line.startswith(b"MSA|")).decode().split("|")
    return msa[1], msa[2]


def told(listener, authority, client, body: bytes) -> tuple[str, str]:
    """The same over a connection of its own; empty also where there was no handshake."""
    try:
        with talking(listener, authority, client) as peer:
            return asked(peer, body)
    except (ssl.SSLError, ConnectionError):
        return "", ""


def bound(one, **more) -> None:
    """Give the site's HL7 v2 feed these settings."""
    feeds = tuple(replace(feed, **more) if feed.media == "hl7v2" else feed for feed in one.site.feeds)
    one.site = replace(one.site, feeds=feeds)


def test_only_clients_of_the_ca_are_heard(program, secured, authority, message, tmp_path):
    one = program()
    listener = secured(one)
    stranger = Authority(tmp_path, "rogue").issue("impostor")
    ended = authority.issue("late", days=-1)
    assert told(listener, authority, None, message("C1")) == ("", "")
    assert told(listener, authority, stranger, message("C1")) == ("", "")
    assert told(listener, authority, ended, message("C1")) == ("", "")
    assert told(listener, authority, authority.issue("engine"), message("C1")) == ("AA", "C1")
    (line,) = one.store.messages()
    assert line.channel == "engine|engine"


def test_nothing_below_tls_1_2(program, secured, authority, message):
    listener = secured(program())
    client = authority.issue("engine")
    with talking(listener, authority, client, maximum_version=ssl.TLSVersion.TLSv1_2) as peer:
        assert peer.version() == "TLSv1.2"
        assert asked(peer, message("C1")) == ("AA", "C1")
    with talking(listener, authority, client) as peer:
        assert peer.version() == "TLSv1.3"
        assert asked(peer, message("C1")) == ("AA", "C1")
    with (
        pytest.warns(DeprecationWarning, match="TLSv1"),
        pytest.raises((ssl.SSLError, ConnectionError)),
        talking(
            listener, authority, client, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1
        ),
    ):
        pass


def test_a_certificate_speaks_for_its_own_senders_only(program, secured, authority, message):
    one = program()
    bound(one, certificates=("bay.engine",), sending_facilities=("BAY",), types=("DFT", "ADT^A08"))
    listener = secured(one)
    ours, theirs = authority.issue("bay", "bay.engine"), authority.issue("hill", "hill.engine")
    elsewhere = message("C4").replace(b"|QBAY|BAY|", b"|QBAY|HILL|", 1)
    written = io.StringIO()
    logs.configure("info", written)
    try:
        assert told(listener, authority, ours, message("C1")) == ("AA", "C1")
        assert told(listener, authority, theirs, message("C2")) == ("AR", "C2")
        assert told(listener, authority, ours, message("C3", application="OTHER")) == ("AR", "C3")
        assert told(listener, authority, ours, elsewhere) == ("AR", "C4")
        assert told(listener, authority, ours, message("C5").replace(b"DFT^P03^DFT_P03", b"ADT^A08")) == ("AA", "C5")
        assert told(listener, authority, ours, message("C6").replace(b"DFT^P03^DFT_P03", b"ADT^A01")) == ("AR", "C6")
        assert told(listener, authority, ours, message("C7").replace(b"DFT^P03^DFT_P03", b"ORU^R01")) == ("AR", "C7")
    finally:
        structlog.reset_defaults()
    one.lanes.work()
    reasons = {one.store.entry(parked.entry).control: parked.reason for parked in one.store.parked()}
    assert reasons == {
        "C2": "sender-not-allowed",
        "C3": "sender-not-allowed",
        "C4": "sender-not-allowed",
        "C6": "message-type",
        "C7": "message-type",
    }
    # The line that is kept of it says what was refused by digest, and nothing of whom it is about.
    refused = [json.loads(line) for line in written.getvalue().splitlines() if '"refused"' in line]
    assert [line["code"] for line in refused] == ["204", "204", "204", "201", "200"]
    assert {line.digest for line in one.store.messages() if line.control == "C2"} == {refused[0]["digest"]}
    assert "Canaryfeather" not in written.getvalue()
    assert "CNRY" not in written.getvalue()


def test_a_feed_that_speaks_by_certificate_does_not_speak_in_plain(program, message):
    one = program()
    bound(one, certificates=("bay.engine",))
    listener = start_listener(one, Listening("plain", port=0))
    try:
        with socket.create_connection(("127.0.0.1", listener.port), 5) as peer:
            assert asked(peer, message("C1")) == ("AR", "C1")
    finally:
        listener.close()


def test_a_batch_brings_no_other_sender_in(program, secured, authority, message):
    one = program()
    bound(one, certificates=("bay.engine",))
    listener = secured(one)
    client = authority.issue("bay", "bay.engine")

    def batch(number: str, *bodies: bytes) -> bytes:
        return f"BHS|^~\\&|QBAY|BAY|||||||{number}\r".encode() + b"".join(bodies) + f"BTS|{len(bodies)}\r".encode()

    assert told(listener, authority, client, batch("B1", message("C1"))) == ("AA", "B1")
    mixed = batch("B2", message("C2"), message("C3", application="OTHER"))
    assert told(listener, authority, client, mixed) == ("AR", "B2")
    assert told(listener, authority, client, batch("B3", message("C4", mode="T"))) == ("AR", "B3")
    one.lanes.work()
    assert [parked.reason for parked in one.store.parked()] == ["sender-not-allowed", "processing-id"]


def test_a_listener_is_for_its_feeds_only(program, secured, authority, message):
    one = program()
    listener = secured(one, feeds=("other",))
    assert told(listener, authority, authority.issue("engine"), message("C1")) == ("AR", "C1")


def test_a_new_certificate_holds_from_the_next_connection_on(program, secured, authority, message):
    one = program()
    listener = secured(one)
    client = authority.issue("engine")
    with talking(listener, authority, client) as before:
        assert asked(before, message("C1")) == ("AA", "C1")
        old = before.getpeercert()["serialNumber"]
        authority.issue("server", days=200)
        with talking(listener, authority, client) as after:
            assert asked(after, message("C2")) == ("AA", "C2")
            assert after.getpeercert()["serialNumber"] != old
        assert asked(before, message("C3")) == ("AA", "C3"), "who is connected stays so"
    said = metrics.REGISTRY.get_sample_value(
        "oncoclaims_certificate_end_seconds", {"listener": "engine", "file": "certificate"}
    )
    assert said == pytest.approx((NOW + dt.timedelta(days=200)).timestamp(), abs=2)


def test_files_that_cannot_be_used_leave_the_old_ones_in_force(program, secured, authority, message):
    one = program()
    listener = secured(one)
    client = authority.issue("engine")
    before = (
        metrics.REGISTRY.get_sample_value("oncoclaims_certificates_not_reloaded_total", {"listener": "engine"}) or 0
    )
    good = (authority.folder / "server.pem").read_bytes()
    (authority.folder / "server.pem").write_bytes(b"half a certif")
    assert told(listener, authority, client, message("C1")) == ("AA", "C1")
    (authority.folder / "server.key").chmod(0o644)
    assert told(listener, authority, client, message("C2")) == ("AA", "C2")
    counted = metrics.REGISTRY.get_sample_value("oncoclaims_certificates_not_reloaded_total", {"listener": "engine"})
    assert counted == before + 2
    (authority.folder / "server.pem").write_bytes(good)
    (authority.folder / "server.key").chmod(0o600)
    assert told(listener, authority, client, message("C3")) == ("AA", "C3")


def test_who_is_trusted_no_longer_is_listened_to_no_longer(program, secured, authority, message, tmp_path):
    one = program()
    listener = secured(one, limits=Limits(watch_seconds=0.05))
    client = authority.issue("engine")
    with talking(listener, authority, client) as peer:
        assert asked(peer, message("C1")) == ("AA", "C1")
        was = authority.file.read_bytes()
        authority.file.write_bytes(Authority(tmp_path, "next").file.read_bytes())
        assert peer.recv(1) == b"", "the connection made under the old CA is ended"
    (tmp_path / "root-before.pem").write_bytes(was)
    keeping = replace_file(authority, tmp_path / "root-before.pem")
    assert told(listener, keeping, client, message("C2")) == ("", "")


def replace_file(authority: Authority, file: Path) -> Authority:
    """The authority as a client knows it, by another file."""
    seen = object.__new__(Authority)
    seen.folder, seen.file = authority.folder, file
    return seen


def test_a_handshake_that_never_comes_takes_a_place_for_a_while_only(program, secured, authority, message):
    one = program()
    listener = secured(one, limits=Limits(connections=1, handshake_seconds=0.3))
    client = authority.issue("engine")
    with socket.create_connection(("127.0.0.1", listener.port), 5) as silent:
        time.sleep(0.1)
        assert told(listener, authority, client, message("C1")) == ("", ""), "connections are counted before TLS"
        assert silent.recv(1) == b""
    deadline = time.monotonic() + 5
    while told(listener, authority, client, message("C1")) != ("AA", "C1"):
        assert time.monotonic() < deadline


def test_closing_does_not_wait_for_a_handshake(program, secured):
    listener = secured(program())
    with socket.create_connection(("127.0.0.1", listener.port), 5):
        time.sleep(0.05)
        began = time.monotonic()
        listener.close()
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "server.key").chmod(0o640), "server.key: has mode 0640; a key file must be 0600"),
        (lambda f: (f / "server.key").unlink(), "server.key: cannot be read"),
        (lambda f: (f / "server.pem").write_text("x"), "server.pem: holds no certificate in PEM form"),
        (lambda f: (f / "root-ca.pem").unlink(), "root-ca.pem: cannot be read"),
        (lambda f: (f / "server.key").write_bytes((f / "other.key").read_bytes()), "is not the key of"),
        (lambda f: (f / "server.key").write_bytes(encrypted()), "server.key: the key is encrypted"),
        (lambda f: (f / "server.key").write_text("x"), "server.key: holds no private key in PEM form"),
    ],
)
def test_files_that_cannot_serve_are_told_at_the_start(program, authority, spoil, words):
    certificate, key = authority.issue("server")
    authority.issue("other")
    spoil(authority.folder)
    files = TlsFiles(str(certificate), str(key), str(authority.file))
    with pytest.raises(BadSetup, match=words):
        start_listener(program(), Listening("engine", port=0, tls=files))


def encrypted() -> bytes:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(*form, serialization.BestAvailableEncryption(b"x"))


def test_all_that_is_wrong_is_told_at_once(authority):
    certificate, key = authority.issue("server")
    certificate.write_text("")
    key.chmod(0o644)
    files = TlsFiles(str(certificate), str(key), str(authority.folder / "none.pem"))
    problems = list(certificate_problems(files))
    assert [problem.rpartition(": ")[2].split(" ")[0] for problem in problems] == ["holds", "cannot", "has"]


@pytest.mark.parametrize(
    ("days", "words"),
    [(-1, "a certificate ended on"), (29, "in 28 days|in 29 days"), (31, ""), (400, "")],
)
def test_the_end_of_a_certificate_is_told_thirty_days_ahead(authority, days, words):
    certificate, key = authority.issue("server", days=days)
    files = TlsFiles(str(certificate), str(key), str(authority.file))
    said = [problem for problem in expiry_problems(files, dt.datetime.now(dt.UTC)) if "server.pem" in problem]
    assert len(said) == bool(words)
    for problem in said:
        assert any(word in problem for word in words.split("|"))
    assert certificate_ends(files)["certificate"].date() == (NOW + dt.timedelta(days=days)).date()


def test_what_a_certificate_calls_its_bearer():
    assert name_of({"subject": ((("commonName", "engine"),),)}, b"") == "engine"
    assert name_of({"subject": (), "subjectAltName": (("DNS", "engine.example"),)}, b"") == "engine.example"
    assert name_of({"subject": ((("commonName", "a|b\r"),),), "subjectAltName": (("URI", "urn:x"),)}, b"") == "urn:x"
    assert name_of({"subject": ()}, b"der").startswith("sha256:")
    assert name_of(None, None) == ""
