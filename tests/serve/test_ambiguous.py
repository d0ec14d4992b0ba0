"""What could be of several is given to none: it waits on the work list, with what settles it."""

from __future__ import annotations

from typing import Any

from adapters.model.record import ChargeStatus
from tests.serve.test_deletions import COVERAGE, ITEM, PATIENT, Json, bundle, send
from tests.serve.test_uniting import lane, merge, record, sound

SYSTEM = "urn:quietbay:mrn"


def numbered(id: str, *numbers: str) -> Json:
    identifiers = [{"type": {"coding": [{"code": "MR"}]}, "system": SYSTEM, "value": number} for number in numbers]
    return PATIENT | {"id": id, "identifier": identifiers}


def charged(one: Any) -> list[str]:
    lanes = one.store.lanes()
    return [c.charge.code for p in lanes for c in one.store.load(p).charges if c.status is not ChargeStatus.VOID]


def test_a_message_that_names_two_persons_as_one_waits_for_a_person(program: Any, put: Any) -> None:
    one = program()
    send(one, numbered("pa", "A1"))
    send(one, numbered("pb", "B1"))
    one.lanes.work()
    theirs = [ITEM | {"subject": {"reference": "Patient/pc"}}, COVERAGE | {"beneficiary": {"reference": "Patient/pc"}}]
    both = bundle(*({"resource": one} for one in (numbered("pc", "A1", "B1"), *theirs)))
    send(one, both)
    one.lanes.work()
    (parked,) = one.store.parked()
    (item,) = one.store.worklist()
    assert (parked.reason, item.code, item.about) == ("person-ambiguous", "person-ambiguous", parked.entry)
    assert "merge" in item.action
    assert charged(one) == [], "nobody is guessed"
    assert lane(one, "A1") != lane(one, "B1")
    # Put together, they are one person: read again, it is theirs.
    put(one, merge("A1", "B1", born=""))
    one.lanes.work()
    assert one.store.unpark(parked.entry)
    one.lanes.work()
    assert charged(one) == ["77300"]
    assert one.store.counts().parked == 0
    assert {i.value for i in record(one, "A1").identifiers} == {"A1", "B1"}
    sound(one)


def test_two_numbers_of_one_person_are_no_question(program: Any) -> None:
    one = program()
    for body in (numbered("pa", "A1"), numbered("pa", "A1", "A2"), numbered("pa", "A2", "A1")):
        send(one, body)
        one.lanes.work()
    assert one.store.counts().parked == 0
    assert len(one.store.lanes()) == 1
