"""What arrives and what it is answered: stored before acknowledged, refused only what is not meant for us."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model.journal import JournalKind
from adapters.model.site import Feed, Site
from adapters.pipeline.receive import FHIR_TYPES, receive_fhir, receive_v2

NOW = datetime(2026, 1, 12, 15, 0, tzinfo=UTC)
HEAD = "MSH|^~\\&|{app}|BAY|ONCO|BAY|20260105||{type}|{control}|{mode}|{version}|||{accept}|{application}"


def feed(name: str, media: str = "hl7v2", *applications: str, processing: str = "P") -> Feed:
    return Feed(name, media, "d", "America/New_York", "BAY", processing, applications)


def site(*feeds: Feed) -> Site:
    return Site(
        "Quiet Bay", "America/New_York", (), (), feeds or (feed("rad", "hl7v2", "QBAY"), feed("ehr", "fhir")), (), ()
    )


def body(**over: str) -> bytes:
    said = {
        "app": "QBAY",
        "type": "DFT^P03",
        "control": "C1",
        "mode": "P",
        "version": "2.5.1",
        "accept": "",
        "application": "",
    } | over
    return (HEAD.format(**said) + "\rPID|1||77\r").encode()


def take(payload: bytes, listener: str = "rad", where: Site | None = None, peer: str | None = ""):
    return receive_v2(payload, listener=listener, peer=peer, site=where or site(), now=NOW, ack_id="A1")


def code(intake) -> str:
    for segment in intake.answer.decode().split("\r"):
        if segment.startswith("MSA"):
            return segment.split("|")[1]
    return ""


def test_a_message_is_stored_and_acknowledged():
    taken = take(body(), peer="cn=bay")
    receipt = taken.receipt
    assert (code(taken), taken.feed, taken.status, taken.refusal) == ("AA", "rad", 200, "")
    assert (receipt.kind, receipt.media, receipt.actor) == (JournalKind.MESSAGE, "hl7v2", "feed:rad")
    assert (receipt.channel, receipt.sender, receipt.control) == ("rad|cn=bay", "QBAY|BAY", "C1")
    assert receipt.digest == hashlib.sha256(body()).hexdigest()
    assert (receipt.body, receipt.answer, receipt.at) == (body(), taken.answer, NOW)
    assert b"MSA|AA|C1" in taken.answer


@pytest.mark.parametrize("kind", ["DFT^P03", "ADT^A01", "ORU^R01", "ZZZ^Z99", "SIU^S12", ""])
def test_every_type_is_taken(kind):
    assert code(take(body(type=kind))) == "AA"


@pytest.mark.parametrize("mode", ["T", "D", "t", "T^A"])
def test_another_processing_mode_is_refused_and_kept_unread(mode):
    taken = take(body(mode=mode), peer="cn=bay")
    assert (code(taken), taken.refusal) == ("AR", "202")
    assert (taken.receipt.media, taken.receipt.body) == ("refused:202", body(mode=mode))
    assert taken.receipt.channel == "rad|cn=bay|refused", "the same bytes are taken once the site is mended"
    assert b"ERR||MSH^1^11|202^" in taken.answer


def test_a_test_feed_takes_test_messages():
    where = site(feed("rad", "hl7v2", processing="T"))
    assert code(take(body(mode="T"), where=where)) == "AA"
    assert code(take(body(mode="P"), where=where)) == "AR"


def test_a_missing_mode_is_the_feeds_own():
    assert code(take(body(mode=""))) == "AA"


@pytest.mark.parametrize("version", ["2.1", "2.3", "2.3.1", "2.5.1", "2.8.2", "2.9", ""])
def test_versions_that_are_read(version):
    assert code(take(body(version=version))) == "AA"


@pytest.mark.parametrize("version", ["3.0", "v2.5", "2", "2.5.1.1", "R4", "garbage"])
def test_a_version_that_is_none_is_refused(version):
    taken = take(body(version=version))
    assert (code(taken), taken.receipt.media, taken.refusal) == ("AR", "refused:203", "203")


def test_no_control_id_is_an_error_and_kept_all_the_same():
    taken = take(body(control=""))
    assert code(taken) == "AE"
    assert (taken.receipt.control, taken.receipt.actor) == ("", "feed:rad")
    assert b"101^" in taken.answer


@pytest.mark.parametrize(
    "payload", [b"", b"MSH|", b"MS", b"hello", b"PID|1||77\r", b"\xff\xfeM\x00S\x00H\x00", b"MSH|^^^^\r"]
)
def test_the_unreadable_is_kept(payload):
    taken = take(payload)
    assert code(taken) == "AE"
    assert taken.receipt.body == payload
    assert take(payload, "elsewhere", site(feed("a"), feed("b"))).receipt.actor == "feed:"


def test_a_batch_is_stored_whole():
    batch = b"BHS|^~\\&|QBAY|BAY\r" + body() + body(control="C2") + b"BTS|2\r"
    taken = take(batch)
    assert (code(taken), taken.feed, taken.receipt.body) == ("AA", "rad", batch)


@pytest.mark.parametrize(
    ("accept", "application", "expected"),
    [("", "", "AA"), ("AL", "NE", "CA"), ("NE", "AL", "AA"), ("NE", "NE", ""), ("SU", "", "CA"), ("ER", "", "")],
)
def test_the_sender_says_which_answer_it_wants(accept, application, expected):
    taken = take(body(accept=accept, application=application))
    assert code(taken) == expected
    assert taken.receipt is not None


def test_the_feed_is_told_by_its_application():
    where = site(feed("a", "hl7v2", "QBAY"), feed("b", "hl7v2", "OTHER"), feed("c", "hl7v2"))
    assert take(body(), "c", where).feed == "a"
    assert take(body(app="OTHER"), "a", where).feed == "b"
    assert take(body(app="NEW"), "c", where).feed == "c"
    assert take(body(app="NEW"), "a", where).feed is None
    assert take(body(app="NEW"), "mllp", where).feed == "c"


def test_of_two_feeds_of_one_application_the_listeners_own_counts():
    where = site(feed("a", "hl7v2", "QBAY"), feed("b", "hl7v2", "QBAY"))
    assert take(body(), "b", where).feed == "b"
    assert take(body(), "mllp", where).feed == "a"


def test_a_stranger_is_stored_for_nobody():
    taken = take(body(app="NEW"))
    assert (code(taken), taken.feed, taken.receipt.actor) == ("AA", None, "feed:")


def door(feed_: Feed, **over: object) -> Site:
    """A site of one feed with these settings of its way in."""
    return site(replace(feed_, **over))


@pytest.mark.parametrize(
    ("types", "kind", "expected"),
    [
        (("DFT",), "DFT^P03", ("AA", "")),
        (("DFT", "ADT^A08"), "ADT^A08^ADT_A01", ("AA", "")),
        (("DFT", "ADT^A08"), "ADT^A01", ("AR", "201")),
        (("DFT",), "ORU^R01", ("AR", "200")),
        (("DFT",), "", ("AR", "200")),
        ((), "ZZZ^Z99", ("AA", "")),
    ],
)
def test_a_feed_sends_its_types_only(types, kind, expected):
    taken = take(body(type=kind), where=door(feed("rad"), types=types))
    assert (code(taken), taken.refusal) == expected


@pytest.mark.parametrize(
    ("peer", "app", "expected"),
    [
        ("bay", "QBAY", "AA"),
        ("hill", "QBAY", "AR"),
        ("", "QBAY", "AR"),
        ("bay", "OTHER", "AR"),
        (None, "QBAY", "AA"),
        (None, "OTHER", "AA"),
    ],
)
def test_a_certificate_speaks_for_its_senders(peer, app, expected):
    where = door(feed("rad", "hl7v2", "QBAY"), certificates=("bay",))
    taken = take(body(app=app), "engine", where, peer)
    assert code(taken) == expected
    assert taken.refusal == ("204" if expected == "AR" else "")


def test_of_two_hospitals_with_one_application_the_certificate_tells():
    bay = replace(feed("bay", "hl7v2", "EPIC"), certificates=("bay",))
    hill = replace(feed("hill", "hl7v2", "EPIC"), certificates=("hill",))
    assert take(body(app="EPIC"), "engine", site(bay, hill), "bay").feed == "bay"
    assert take(body(app="EPIC"), "engine", site(bay, hill), "hill").feed == "hill"


def test_a_feed_is_of_its_facilities():
    bay = replace(feed("bay", "hl7v2", "EPIC"), sending_facilities=("BAY",))
    hill = replace(feed("hill", "hl7v2", "EPIC"), sending_facilities=("HILL",))
    assert take(body(app="EPIC"), "mllp", site(bay, hill)).feed == "bay"
    assert take(body(app="EPIC").replace(b"|BAY|ONCO", b"|HILL|ONCO"), "mllp", site(bay, hill)).feed == "hill"
    nobody = take(body(app="EPIC").replace(b"|BAY|ONCO", b"|VALE|ONCO"), "mllp", site(bay, hill))
    assert (code(nobody), nobody.feed) == ("AA", None)


def test_a_listener_takes_its_feeds_only():
    where = site(feed("a", "hl7v2", "QBAY"), feed("b", "hl7v2", "OTHER"))

    def through(app: str):
        return receive_v2(body(app=app), listener="x", peer="", site=where, now=NOW, ack_id="A1", feeds=("b",))

    assert code(through("OTHER")) == "AA"
    assert (code(through("QBAY")), through("QBAY").refusal) == ("AR", "204")


def test_a_message_longer_than_its_feed_may_send_gets_an_error():
    taken = take(body(), where=door(feed("rad"), frame_bytes=20))
    assert (code(taken), taken.refusal, taken.receipt.media) == ("AE", "104", "refused:104")


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ({}, ("AA", "")),
        ({"app": "OTHER"}, ("AR", "204")),
        ({"app": ""}, ("AA", "")),
        ({"mode": "T"}, ("AR", "202")),
        ({"version": "3"}, ("AR", "203")),
    ],
)
def test_a_batch_is_refused_for_what_is_in_it(inside, expected):
    batch = b"BHS|^~\\&|QBAY|BAY|||||||B1\r" + body() + body(control="C2", **inside) + b"BTS|2\r"
    taken = take(batch, where=site(feed("rad", "hl7v2", "QBAY")))
    assert (code(taken), taken.refusal) == expected


def test_each_message_of_a_batch_is_answered_where_the_feed_says_so():
    batch = b"BHS|^~\\&|QBAY|BAY|ONCO|BAY|||||B1\r" + body() + body(control="") + body(control="C3") + b"BTS|3\r"
    answer = take(batch, where=door(feed("rad"), batch_answer="each")).answer.decode().split("\r")
    assert [line[:3] for line in answer] == ["BHS", "MSH", "MSA", "MSH", "MSA", "ERR", "MSH", "MSA", "BTS", ""]
    assert answer[0] == "BHS|^~\\&|ONCO|BAY|QBAY|BAY|20260112150000+0000||||A1|B1"
    assert [line for line in answer if line.startswith("MSA")][::2] == ["MSA|AA|C1", "MSA|AA|C3"]
    assert answer[-2] == "BTS|3"
    assert len({line.split("|")[9] for line in answer if line.startswith("MSH")}) == 3
    silent = b"BHS|^~\\&|QBAY|BAY\r" + body(accept="NE") + b"BTS|1\r"
    assert take(silent, where=door(feed("rad"), batch_answer="each")).answer == b""


@pytest.mark.parametrize(
    ("setting", "accept", "application", "owed"),
    [
        ("after-work", "AL", "AL", True),
        ("after-work", "AL", "ER", True),
        ("after-work", "ER", "SU", True),
        ("after-work", "AL", "NE", False),
        ("after-work", "NE", "AL", False),
        ("after-work", "", "", False),
        ("never", "AL", "AL", False),
    ],
)
def test_an_application_acknowledgement_is_owed_where_both_sides_say_so(setting, accept, application, owed):
    taken = take(body(accept=accept, application=application), where=door(feed("rad"), application_ack=setting))
    assert (taken.later is not None) == owed


def test_nothing_is_owed_for_what_was_refused():
    where = door(feed("rad"), application_ack="after-work")
    assert take(body(accept="AL", application="AL", mode="T"), where=where).later is None


@pytest.mark.parametrize(("kind", "accept", "expected"), [("ACK^P03", "", ""), ("MCF", "NE", ""), ("ACK", "AL", "CA")])
def test_an_acknowledgement_is_not_acknowledged_unless_it_asks(kind, accept, expected):
    taken = take(body(type=kind, accept=accept))
    assert code(taken) == expected
    assert taken.receipt is not None


@given(st.binary(max_size=200))
def test_no_bytes_break_it(payload):
    taken = take(payload)
    assert taken.receipt.body == payload
    assert b"\x0b" not in taken.answer


@given(st.text(max_size=30))
def test_a_control_id_cannot_break_out_of_its_field(control):
    taken = take(body(control=control.replace("|", "")))
    assert taken.answer.count(b"\rMSA|") == 1


# ---------------------------------------------------------------- FHIR


def fhir(resource: object, path: str = "Bundle", method: str = "POST", id: str = ""):
    payload = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
    return receive_fhir(payload, feed="ehr", path_type=path, method=method, now=NOW, path_id=id)


def transaction(n: int = 2, kind: str = "transaction") -> dict:
    entries = [{"resource": {"resourceType": "Patient", "id": str(i)}, "request": {"method": "PUT"}} for i in range(n)]
    return {"resourceType": "Bundle", "id": "b1", "identifier": {"value": "D-7"}, "type": kind, "entry": entries}


def test_a_transaction_is_answered_entry_by_entry():
    taken = fhir(transaction(3))
    answer = json.loads(taken.answer)
    assert (taken.status, answer["resourceType"], answer["type"]) == (200, "Bundle", "transaction-response")
    assert [entry["response"]["status"] for entry in answer["entry"]] == ["200 OK"] * 3
    assert (taken.receipt.control, taken.receipt.media, taken.receipt.actor) == ("D-7", "fhir", "feed:ehr")


@pytest.mark.parametrize("kind", ["collection", "message", "history", "document"])
def test_other_bundles_are_taken(kind):
    taken = fhir(transaction(1, kind))
    answered = "Bundle" if kind == "message" else "OperationOutcome"
    assert (taken.status, json.loads(taken.answer)["resourceType"]) == (200, answered)
    assert taken.receipt is not None


@pytest.mark.parametrize("kind", FHIR_TYPES)
def test_single_resources_are_taken(kind):
    made = fhir({"resourceType": kind, "id": "7"}, kind)
    assert (made.status, made.location) == (201, f"{kind}/7")
    put = fhir({"resourceType": kind, "id": "7"}, kind, "PUT", "7")
    assert (put.status, put.location) == (200, "")
    assert put.receipt.control == ""


def test_a_resource_without_an_id_is_given_one_that_stays():
    first, again = (fhir({"resourceType": "Patient"}, "Patient") for _ in range(2))
    assert first.location == again.location
    assert len(first.location) == len("Patient/") + 36
    assert fhir({"resourceType": "Patient", "id": "a\r\nb"}, "Patient").location != "Patient/a\r\nb"


@pytest.mark.parametrize(
    "payload", [b"{", b"", b"[]", b"\xff", b'{"a":1}', b'{"resourceType":"Patient","id":"1","id":"2"}', b"[" * 5000]
)
def test_what_is_no_fhir_is_refused_and_kept(payload):
    taken = fhir(payload, "Patient")
    answer = json.loads(taken.answer)
    assert (taken.status, answer["resourceType"], answer["issue"][0]["severity"]) == (400, "OperationOutcome", "error")
    assert taken.receipt.body == payload
    assert taken.receipt.answer == taken.answer


@pytest.mark.parametrize(
    ("resource", "path", "method", "id", "status"),
    [
        ({"resourceType": "Patient"}, "Bundle", "POST", "", 400),
        ({"resourceType": "Patient"}, "Coverage", "POST", "", 400),
        ({"resourceType": "Patient", "id": "1"}, "Patient", "PUT", "2", 400),
        ({"resourceType": "Patient"}, "Patient", "PUT", "2", 400),
        ({"resourceType": "ClaimResponse"}, "ClaimResponse", "POST", "", 404),
        ({"resourceType": "Device"}, "Device", "POST", "", 404),
    ],
)
def test_what_does_not_belong_there_is_refused_and_not_stored(resource, path, method, id, status):
    taken = fhir(resource, path, method, id)
    assert (taken.status, taken.receipt) == (status, None)
    assert json.loads(taken.answer)["resourceType"] == "OperationOutcome"
    assert taken.refusal


def test_a_file_may_hold_any_type():
    assert fhir({"resourceType": "Device", "id": "1"}, "").receipt is not None
    assert fhir(transaction(), "").status == 200


def test_answers_say_nothing_of_the_body():
    for payload in (b'{"resourceType":"Canaryfeather"}', b'{"Canaryfeather":', b'{"a":"Canaryfeather","a":1}'):
        assert b"Canaryfeather" not in fhir(payload, "Patient").answer
