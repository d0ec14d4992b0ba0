"""What a sender deletes is taken back; what others rest on is asked about; in whatever order it is told."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from adapters.fhir import wire
from adapters.model.people import PersonHint
from adapters.model.record import ChargeStatus
from adapters.pipeline.receive import receive_deletion, receive_fhir
from tests.serve.test_uniting import sound

Json = dict[str, Any]

PATIENT: Json = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": "urn:quietbay:mrn", "value": "FH-11"}],
    "name": [{"family": "Canaryfeather"}],
    "meta": {"lastUpdated": "2026-01-05T08:00:00Z"},
}
COVERAGE: Json = {
    "resourceType": "Coverage",
    "id": "cov1",
    "status": "active",
    "subscriberId": "MEM0042",
    "beneficiary": {"reference": "Patient/p1"},
    "period": {"start": "2025-01-01"},
    "payor": [{"display": "LKSD"}],
    "meta": {"lastUpdated": "2026-01-05T08:00:00Z"},
}
ITEM: Json = {
    "resourceType": "ChargeItem",
    "id": "ch1",
    "status": "billable",
    "subject": {"reference": "Patient/p1"},
    "code": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "77300"}]},
    "occurrenceDateTime": "2026-01-05T09:00:00-05:00",
    "quantity": {"value": 1},
    "reason": [{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C61"}]}],
    "meta": {"lastUpdated": "2026-01-05T10:00:00Z"},
}


def entry(url: str, at: str) -> Json:
    return {"request": {"method": "DELETE", "url": url}, "response": {"status": "204", "lastModified": at}}


def bundle(*entries: Json, kind: str = "history") -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


GONE = bundle(entry("ChargeItem/ch1", "2026-01-06T10:00:00Z"))


def send(one: Any, body: Json) -> None:
    intake = receive_fhir(wire.dumps(body), feed="ehr", path_type="", method="POST", now=one.clock.now())
    assert intake.receipt is not None
    one.store.receive(intake.receipt)


def due(one: Any) -> list[str]:
    return [
        c.charge.code
        for person in one.store.lanes()
        for c in one.store.load(person).charges
        if c.status is not ChargeStatus.VOID
    ]


def told(one: Any, *bodies: Json, each: bool = True) -> list[str]:
    for body in bodies:
        send(one, body)
        if each:
            one.lanes.work()
    one.lanes.work()
    one.lanes.work()
    return due(one)


def test_a_deleted_resource_is_taken_back(program: Any) -> None:
    one = program()
    assert told(one, PATIENT, COVERAGE, ITEM) == ["77300"]
    assert one.states() == ["ready"]
    assert told(one, GONE) == []
    assert one.works() == []
    (person,) = one.store.lanes()
    assert [c.state.value for c in one.store.load(person).claims] == ["abandoned"]
    sound(one)


@pytest.mark.parametrize("each", [True, False])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_plays_no_part(program: Any, order: tuple[int, ...], each: bool) -> None:
    """A deletion that comes first waits until the resource is known."""
    one = program()
    bodies = [PATIENT, ITEM, GONE]
    assert told(one, *(bodies[n] for n in order), each=each) == []
    assert one.store.counts().parked == 0
    assert [code for _, code in one.works()] == []
    sound(one)


@pytest.mark.parametrize("each", [True, False])
def test_a_resource_that_is_told_of_another_person_is_the_last_ones(program: Any, each: bool) -> None:
    """Also where both are of one round, whose steps are one transaction."""
    one = program()
    other = PATIENT | {"id": "p2", "identifier": [{"system": "urn:quietbay:mrn", "value": "FH-12"}]}
    told(one, PATIENT, other)
    moved = ITEM | {"subject": {"reference": "Patient/p2"}, "meta": {"lastUpdated": "2026-01-06T10:00:00Z"}}
    told(one, ITEM, moved, each=each)
    assert one.store.counts().unread == 0
    whose = [one.store.lane_of(PersonHint(reference=name), "ehr") for name in ("ChargeItem/ch1", "Patient/p2")]
    assert whose[0] == whose[1] != ""
    sound(one)


def test_what_is_told_again_after_its_deletion_holds(program: Any) -> None:
    again = ITEM | {"meta": {"lastUpdated": "2026-01-07T10:00:00Z"}}
    assert told(program(), PATIENT, COVERAGE, ITEM, GONE, again) == ["77300"]
    assert told(program(), again, GONE, PATIENT, COVERAGE, ITEM) == ["77300"]


def test_a_transaction_deletes_what_it_names(program: Any) -> None:
    """Beside other resources, of a person or of nobody on file: nothing of it waits for what never came."""
    one = program()
    assert told(one, PATIENT, COVERAGE, ITEM) == ["77300"]
    other = ITEM | {"id": "ch2", "occurrenceDateTime": "2026-01-06T09:00:00-05:00"}
    body = bundle(
        {"resource": other, "request": {"method": "PUT", "url": "ChargeItem/ch2"}},
        {"request": {"method": "DELETE", "url": "ChargeItem/ch1"}},
        {"request": {"method": "DELETE", "url": "ChargeItem/never"}},
        kind="transaction",
    )
    assert told(one, body | {"timestamp": "2026-01-08T10:00:00Z"}) == ["77300"]
    (person,) = one.store.lanes()
    assert [c.charge.start.day for c in one.store.load(person).charges if c.status is not ChargeStatus.VOID] == [6]
    assert one.store.counts().parked == 0


def test_a_transaction_that_deletes_before_the_resource_comes(program: Any) -> None:
    one = program()
    body = bundle({"resource": COVERAGE}, entry("ChargeItem/ch1", "2026-01-06T10:00:00Z"))
    assert told(one, PATIENT, body, ITEM) == []
    sound(one)


@pytest.mark.parametrize(
    ("name", "kind"), [("Patient/p1", "patient"), ("Coverage/cov1", "coverage"), ("Encounter/e1", "encounter")]
)
def test_deleted_context_is_for_a_person_and_nothing_is_lost(program: Any, name: str, kind: str) -> None:
    visit: Json = {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/p1"},
        "period": {"start": "2026-01-05T08:00:00-05:00"},
        "meta": {"lastUpdated": "2026-01-05T10:00:00Z"},
    }
    one = program()
    before = told(one, PATIENT, COVERAGE, visit, ITEM | {"context": {"reference": "Encounter/e1"}})
    states = one.states()
    assert told(one, bundle(entry(name, "2026-01-06T10:00:00Z"))) == before == ["77300"]
    assert one.states() == states == ["ready"]
    (item,) = one.store.worklist()
    assert (item.kind, item.code, item.closed) == ("deleted-at-sender", kind, None)
    assert item.action
    assert "FH-11" not in item.detail
    # Told again, it is there: the item closes by itself.
    body = {"patient": PATIENT, "coverage": COVERAGE, "encounter": visit}[kind]
    told(one, body | {"meta": {"lastUpdated": "2026-01-07T10:00:00Z"}})
    assert one.works() == []


def test_a_delete_by_http_is_a_deletion_now(program: Any) -> None:
    one = program()
    assert told(one, PATIENT, COVERAGE, ITEM) == ["77300"]
    intake = receive_deletion(feed="ehr", kind="ChargeItem", id="ch1", now=one.clock.now())
    assert (intake.status, intake.receipt is not None) == (200, True)
    assert intake.receipt is not None
    one.store.receive(intake.receipt)
    one.lanes.work()
    assert due(one) == []


@pytest.mark.parametrize(("kind", "id"), [("Claim", "1"), ("ChargeItem", "no id"), ("Procedure", "")])
def test_what_is_not_taken_cannot_be_deleted(program: Any, kind: str, id: str) -> None:
    intake = receive_deletion(feed="ehr", kind=kind, id=id, now=program().clock.now())
    assert (intake.receipt, intake.status) == (None, 404)
