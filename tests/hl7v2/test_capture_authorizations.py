"""REF and RPA: what a payer authorized, of which procedures, in how many treatments."""

from __future__ import annotations

from datetime import UTC, datetime

from adapters.hl7v2.capture import Refused, capture
from adapters.model.event import Event, Omission
from adapters.model.site import Feed
from adapters.settings import rules_of

FEED = Feed("rt", "hl7v2", "example-dft-zseg", "America/New_York", "BAY", person_system="urn:clinic:mrn")
HEAD = (
    "MSH|^~\\&|RT|BAY|ONCO|BAY|20260105101500||REF^I12^REF_I12|R-1|P|2.5.1",
    "PID|1||QB-7^^^BAY^MR||Testling^Rue||19580101|F",
)


def read(*segments: str) -> tuple[list[Event], list[Omission]]:
    body = "".join(f"{segment}\r" for segment in (*HEAD, *segments)).encode()
    dialect = rules_of().dialect("example-dft-zseg")
    found = capture(body, feed=FEED, dialect=dialect, message="m1", received=datetime(2026, 1, 5, 16, tzinfo=UTC))
    assert not isinstance(found, Refused)
    return [e for one in found for e in one.events], [o for one in found for o in one.omissions]


def test_an_authorization_is_its_number_with_days_treatments_and_codes() -> None:
    (event,), omissions = read(
        "PR1|1||77402^^C4",
        "AUT||LKSD|Lakeside Mutual|20260101|20260331|A-77||30|25|20260102",
        "PR1|2||77407^^C4",
        "AUT||LKSD|Lakeside Mutual|20260101|20260331|A-77||30|25|20260102",
    )
    assert event.kind == "authorization"
    assert event.line == "rt|authorization|A-77"
    told = {fact.name: fact.value for fact in event.facts if fact.name != "code"}
    assert told == {"authorization": "A-77", "payer": "LKSD", "from": "2026-01-01", "to": "2026-03-31", "units": "25"}
    assert event.values("code") == ("77402", "77407")
    assert event.fact("units") is not None
    assert [fact.source.at for fact in event.facts if fact.name == "units"] == ["AUT-9"]
    assert {omission.reason for omission in omissions} <= {"context"}


def test_treatments_asked_for_are_none_authorized() -> None:
    (event,), _ = read("AUT||LKSD||20260101||A-78||30")
    assert event.value("units") == ""
    assert event.values("code") == ()


def test_what_cannot_be_read_is_told_and_the_rest_stands() -> None:
    (event,), omissions = read("PR1|1||XRT", "AUT||LKSD||2026-13-01||A-79|||many", "AUT||LKSD||20260101")
    assert event.value("authorization") == "A-79"
    told = {(omission.reason, omission.source.at) for omission in omissions}
    assert {("ill-formed", "PR1-3"), ("ill-formed-date", "AUT-4"), ("ill-formed", "AUT-9")} <= told
    assert ("context", "AUT[2]") in told
