"""A journal entry becomes readings, or is parked whole with its reasons."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.model.claim import ClaimEvent
from adapters.model.journal import JournalEntry, JournalKind
from adapters.pipeline import Exchange, encode_exchange, read
from adapters.pipeline.admit import REFUSALS
from adapters.pipeline.receive import FRAGMENT, REFUSED
from tests.model.clinic import rules, site

AT = datetime(2026, 1, 5, 20, tzinfo=UTC)

DFT = "\r".join(
    (
        "MSH|^~\\&|MOSAIQ|CLINIC|QBAY|BAY|20260105150000-0500||DFT^P03^DFT_P03|C1|P|2.5.1",
        "EVN||20260105150000-0500",
        "PID|1||R-1^^^CLINIC^MR||Quill^Ada||19500203|F",
        "FT1|1|T1||20260105|20260105|CG|77300^^C4||||2",
    )
).encode()


def entry(kind: JournalKind, body: bytes, actor: str, media: str = "hl7v2") -> JournalEntry:
    return JournalEntry(1, "e1", kind, AT, actor, media, "C1", hashlib.sha256(body).hexdigest(), body)


def test_a_message_is_read_by_its_feed() -> None:
    found = read(entry(JournalKind.MESSAGE, DFT, "feed:rt"), rules(), site())
    assert found.parked is None
    kinds = [event.kind for captured in found.captured for event in captured.events]
    assert "coded-charge" in kinds
    assert {e.source.message for c in found.captured for e in c.events} == {"e1"}


def test_a_bundle_is_read_by_its_feed() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"resource": {"resourceType": "Patient", "id": "1", "identifier": [{"system": "urn:x", "value": "R-1"}]}}
        ],
    }
    found = read(entry(JournalKind.MESSAGE, json.dumps(bundle).encode(), "feed:ehr", "fhir"), rules(), site())
    assert found.parked is None
    assert [e.kind for c in found.captured for e in c.events] == ["patient"]


@pytest.mark.parametrize(
    ("actor", "body"),
    [("feed:rt", b"not a message"), ("feed:rt", b""), ("feed:ehr", b"not json"), ("feed:ehr", b"[]")],
)
def test_what_cannot_be_read_is_parked_with_its_reasons(actor: str, body: bytes) -> None:
    found = read(entry(JournalKind.MESSAGE, body, actor), rules(), site())
    assert found.parked is not None
    assert found.parked.entry == "e1"
    assert found.parked.reason
    assert found.parked.problems
    assert not found.captured


def test_what_was_answered_with_an_error_is_parked_and_never_billed() -> None:
    """Its sender was told to mend it and sends it again: reading the first one as well would bill it twice."""
    found = read(entry(JournalKind.MESSAGE, DFT.replace(b"|C1|", b"||"), "feed:rt"), rules(), site())
    assert found.parked is not None
    assert found.parked.reason == "no-control-id"
    assert not found.captured


def test_a_sender_that_the_site_does_not_know_is_parked_until_it_does() -> None:
    strict = replace(site(), feeds=tuple(replace(f, applications=("ELEKTA",)) for f in site().feeds))
    for stranger, media in (("feed:stranger", "hl7v2"), ("feed:stranger", "fhir")):
        found = read(entry(JournalKind.MESSAGE, DFT, stranger, media), rules(), strict)
        assert found.parked is not None
        assert found.parked.reason == "feed-unknown"
    since = replace(site(), feeds=tuple(replace(f, applications=("MOSAIQ",)) for f in site().feeds))
    assert read(entry(JournalKind.MESSAGE, DFT, "feed:stranger"), rules(), since).captured


def test_a_message_of_another_processing_mode_is_not_taken_later_either() -> None:
    training = DFT.replace(b"|P|2.5.1", b"|T|2.5.1")
    found = read(entry(JournalKind.MESSAGE, training, "feed:stranger"), rules(), site())
    assert found.parked is not None
    assert found.parked.reason == "processing-id"


def test_a_broken_frame_is_parked() -> None:
    found = read(entry(JournalKind.MESSAGE, b"MSH|", "feed:rt", FRAGMENT), rules(), site())
    assert found.parked is not None
    assert found.parked.reason == "broken-frame"


@pytest.mark.parametrize(("condition", "reason"), [(key, said[0]) for key, said in REFUSALS.items()])
def test_what_was_refused_is_parked_and_never_read(condition: str, reason: str) -> None:
    """Its sender was told that it was not taken, so it stays unread whatever the site says later."""
    found = read(entry(JournalKind.MESSAGE, DFT, "feed:rt", f"{REFUSED}:{condition}"), rules(), site())
    assert found.parked is not None
    assert (found.parked.reason, found.captured) == (reason, ())


def test_an_answer_is_news_of_its_claim() -> None:
    body = encode_exchange(Exchange("c9", "submit", failure="no-answer"))
    found = read(entry(JournalKind.ANSWER, body, "payer:first", "json"), rules(), site())
    assert found.news is not None
    assert (found.news.claim, found.news.event) == ("c9", ClaimEvent.LOST)


@pytest.mark.parametrize("kind", [JournalKind.TICK, JournalKind.RULES, JournalKind.SITE])
def test_other_entries_concern_no_person(kind: JournalKind) -> None:
    found = read(entry(kind, b"{}", "clock", "json"), rules(), site())
    assert (found.captured, found.news, found.parked) == ((), None, None)
