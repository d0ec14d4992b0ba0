"""Merges: the message names two identities, and nothing is guessed or lost until somebody acts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.hl7v2.capture import Refused, capture
from adapters.model.event import problems_of
from adapters.model.merging import Merge, merge_of
from adapters.model.people import Identifier
from adapters.model.record import Captured
from adapters.model.site import Feed
from adapters.rules.dialect import Dialect

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
MRN = "urn:clinic:mrn"
FEED = Feed(
    "adt", "hl7v2", "p", "America/New_York", "main", person_system=MRN, person_aliases={"CLINIC": MRN, "B": "b"}
)
PLAIN = Dialect("p", "hl7v2", "t", "c")
PID = "PID|1||MR1^^^CLINIC^MR||Quill^Petra||19610203|F"


def read(trigger: str, *segments: str, version: str = "2.5.1") -> tuple[Captured, ...]:
    head = (f"MSH|^~\\&|EPIC|MAIN|ONC|BILL|20260106080000||ADT^{trigger}|C1|P|{version}", f"EVN|{trigger}")
    body = "\r".join((*head, *segments)).encode()
    found = capture(body, feed=FEED, dialect=PLAIN, message="m1", received=NOW)
    assert not isinstance(found, Refused), found
    assert [p for c in found for event in c.events for p in problems_of(event)] == []
    return found


def merges(found: tuple[Captured, ...]) -> list[Merge]:
    return [merge for c in found for event in c.events if (merge := merge_of(event)) is not None]


@pytest.mark.parametrize("trigger", ["A18", "A30", "A34", "A36", "A39", "A40", "A47"])
def test_a_merge_of_persons_names_survivor_and_merged(trigger: str) -> None:
    found = read(trigger, PID, "MRG|MR2^^^CLINIC^MR")
    (merge,) = merges(found)
    assert (merge.survivor, merge.merged) == (Identifier(MRN, "MR1"), Identifier(MRN, "MR2"))
    assert (merge.scope, merge.trigger, merge.birth_date, merge.of_people) == ("person", trigger, "1961-02-03", True)
    assert merge.source.at == "MRG-1"
    assert found[0].person.identifiers == (Identifier(MRN, "MR1"),)
    assert found[0].omissions == ()


def test_a_bare_number_before_version_2_4_is_of_the_feeds_own_authority() -> None:
    (merge,) = merges(read("A34", "PID|1|MR1|MR1||Quill^Petra", "MRG|MR9", version="2.3"))
    assert merge.merged == Identifier(MRN, "MR9")


def test_each_pair_of_a_message_is_a_merge_of_its_own() -> None:
    found = read("A40", PID, "MRG|MR2^^^CLINIC^MR", "PID|2||MR3^^^CLINIC^MR", "MRG|MR4^^^CLINIC^MR")
    assert [(m.survivor.value, m.merged.value) for m in merges(found)] == [("MR1", "MR2"), ("MR3", "MR4")]
    assert [c.person.identifiers[0].value for c in found] == ["MR1", "MR3"]


def test_of_several_prior_identifiers_the_medical_records_count_else_all() -> None:
    (merge,) = merges(read("A40", PID, "MRG|77^^^B^PI~MR2^^^CLINIC^MR"))
    assert (merge.merged, merge.source.at) == (Identifier(MRN, "MR2"), "MRG-1[2]")
    both = merges(read("A40", PID, "MRG|77^^^B^PI~78^^^B^PI"))
    assert [m.merged.value for m in both] == ["77", "78"]


@pytest.mark.parametrize(
    ("trigger", "scope"), [("A35", "account"), ("A41", "account"), ("A42", "visit"), ("A45", "visit")]
)
def test_accounts_and_visits_concern_no_second_person(trigger: str, scope: str) -> None:
    (merge,) = merges(read(trigger, PID, "MRG|MR1^^^CLINIC^MR||AC2^^^C||VN2^^^C"))
    assert (merge.scope, merge.of_people) == (scope, False)
    assert merge.merged == Identifier(scope, "AC2" if scope == "account" else "VN2")


@pytest.mark.parametrize("trigger", ["A42", "A45", "A50", "A51"])
def test_a_merged_visit_names_the_number_that_it_goes_by(trigger: str) -> None:
    (found,) = read(trigger, PID, "MRG|MR1^^^CLINIC^MR||||VN2^^^C", "PV1|1|O|MAIN" + "|" * 16 + "VN1")
    (event,) = [event for event in found.events if event.kind == "merge"]
    assert (event.value("merged.value"), event.value("visit")) == ("VN2", "VN1")


@pytest.mark.parametrize(("trigger", "scope"), [("A24", "link"), ("A37", "unlink")])
def test_links_name_the_second_pid(trigger: str, scope: str) -> None:
    found = read(trigger, PID, "PID|2||MR2^^^CLINIC^MR")
    merge, *other = merges(found)
    assert (merge.scope, merge.survivor.value, merge.merged.value) == (scope, "MR1", "MR2")
    # That they are two persons stands in the records of both.
    assert [one.pair for one in other] == ([merge.pair] if scope == "unlink" else [])
    assert len(found) == 2


@pytest.mark.parametrize("segments", [(PID,), (PID, "MRG|"), (PID, "MRG|^^^CLINIC")])
def test_a_merge_that_names_nobody_is_told_to_a_person(segments: tuple[str, ...]) -> None:
    found = read("A40", *segments)
    assert merges(found) == []
    assert found[0].omissions[0].reason == "ill-formed"


def test_a_merge_with_itself_is_nothing() -> None:
    found = read("A40", PID, "MRG|MR1^^^CLINIC^MR")
    assert merges(found) == []
    assert [o.reason for o in found[0].omissions] == ["context"]


def test_the_same_merge_said_twice_is_one_line() -> None:
    lines = {c.events[0].line for trigger in ("A40", "A18") for c in read(trigger, PID, "MRG|MR2^^^CLINIC^MR")}
    assert lines == {f"adt|merge|{MRN}|MR2"}
