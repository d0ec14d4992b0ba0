"""Who is who: one identifier is one lane, and nothing is merged by itself."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from adapters.model.people import Identifier, PersonHint
from adapters.model.record import PersonRecord
from adapters.store import KeyRing, Overwrites, SqlStore, open_store

MRN, SSN, VISIT = Identifier("mrn", "1"), Identifier("ssn", "2"), Identifier("account", "3")


def test_an_identifier_is_one_lane(store: SqlStore) -> None:
    person = store.person(PersonHint((MRN,)), "aria")
    assert person
    assert store.person(PersonHint((MRN,)), "mosaiq") == person
    assert store.person(PersonHint((Identifier("mrn", "9"),)), "aria") != person
    assert store.person(PersonHint((Identifier("ssn", "1"),)), "aria") != person
    assert len(store.lanes()) == 3


def test_identifiers_are_learned_and_loaded_in_order(store: SqlStore) -> None:
    person = store.person(PersonHint((MRN,)), "aria")
    assert store.load(person) == PersonRecord(person, (MRN,))
    assert store.person(PersonHint((MRN, SSN)), "aria") == person
    assert store.person(PersonHint((SSN, VISIT)), "aria") == person
    assert store.load(person).identifiers == (MRN, SSN, VISIT)


def test_a_reference_is_remembered_for_its_feed(store: SqlStore) -> None:
    assert store.person(PersonHint(reference="Patient/1"), "epic") == ""
    assert store.lanes() == ()
    person = store.person(PersonHint((MRN,), "Patient/1"), "epic")
    assert store.person(PersonHint(reference="Patient/1"), "epic") == person
    assert store.person(PersonHint(reference="Patient/1"), "other") == ""
    assert store.person(PersonHint(), "epic") == ""


def test_a_known_reference_takes_new_identifiers(store: SqlStore) -> None:
    person = store.person(PersonHint((MRN,), "Patient/1"), "epic")
    assert store.person(PersonHint((SSN,), "Patient/1"), "epic") == person
    assert store.person(PersonHint((SSN,)), "aria") == person


def test_two_lanes_under_one_name_are_a_conflict_not_a_merge(store: SqlStore, make: SimpleNamespace) -> None:
    one = store.person(PersonHint((MRN,)), "aria")
    two = store.person(PersonHint((SSN,)), "aria")
    assert store.person(PersonHint((MRN, SSN)), "aria") == one
    assert store.person(PersonHint((MRN, SSN)), "aria") == one
    assert store.person(PersonHint((SSN,)), "aria") == two
    assert [{a, b} for a, b, _ in store.conflicts()] == [{one, two}]
    assert store.conflicts()[0][2] == make.NOW


def test_a_reference_given_to_someone_else_follows_the_identifiers(store: SqlStore) -> None:
    one = store.person(PersonHint((MRN,), "Patient/1"), "epic")
    two = store.person(PersonHint((SSN,)), "epic")
    assert store.person(PersonHint((SSN,), "Patient/1"), "epic") == two
    assert store.person(PersonHint(reference="Patient/1"), "epic") == two
    assert [{a, b} for a, b, _ in store.conflicts()] == [{one, two}]


def test_ids_say_nothing_and_come_again_under_the_same_ring() -> None:
    def made(seed: str) -> str:
        with open_store("sqlite://", KeyRing.ephemeral(seed)) as store:
            return store.person(PersonHint((MRN,)), "aria")

    assert made("a") == made("a")
    assert made("a") != made("b")


def test_many_threads_make_one_person(store: SqlStore) -> None:
    got: list[str] = []
    hint = PersonHint((MRN, SSN), "Patient/1")
    threads = [threading.Thread(target=lambda: got.append(store.person(hint, "epic"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == 1
    assert store.load(got[0]).identifiers == (MRN, SSN)


def test_a_step_may_bind_and_unbind_identifiers(store: SqlStore, make: SimpleNamespace) -> None:
    person = store.person(PersonHint((MRN,)), "aria")
    before = store.load(person)
    store.save(before, PersonRecord(person, (MRN, SSN)), tick=make.NOW)
    assert store.person(PersonHint((SSN,)), "aria") == person
    store.save(store.load(person), PersonRecord(person, (SSN,)), tick=make.NOW)
    assert store.load(person).identifiers == (SSN,)
    # Unbound, it names a person anew; the id is the one on file.
    assert store.person(PersonHint((MRN,)), "aria") == person


def test_a_step_cannot_take_anothers_identifier(store: SqlStore, make: SimpleNamespace) -> None:
    one = store.person(PersonHint((MRN,)), "aria")
    store.person(PersonHint((SSN,)), "aria")
    with pytest.raises(Overwrites, match="another person"):
        store.save(store.load(one), PersonRecord(one, (MRN, SSN)), tick=make.NOW)
    assert store.load(one).identifiers == (MRN,)


def test_an_identifier_learned_during_a_step_is_kept(store: SqlStore, make: SimpleNamespace) -> None:
    person = store.person(PersonHint((MRN,)), "aria")
    before = store.load(person)
    store.person(PersonHint((MRN, SSN)), "aria")
    after = make.course(person, 1, before.identifiers)
    store.save(before, after, tick=make.NOW)
    assert store.load(person).identifiers == (MRN, SSN)
    assert store.load(person).charges == after.charges


def test_who_is_meant_can_be_asked_without_a_word_on_file(store: SqlStore) -> None:
    one, other = store.person(PersonHint((MRN,), "Patient/1"), "epic"), store.person(PersonHint((SSN,)), "epic")
    for hint, lane in (
        (PersonHint((MRN,)), one),
        (PersonHint((VISIT, SSN)), other),
        (PersonHint((MRN, SSN)), one),
        (PersonHint(reference="Patient/1"), one),
        (PersonHint((SSN,), "Patient/1"), other),
        (PersonHint((VISIT,), "Patient/1"), one),
        (PersonHint((VISIT,)), ""),
        (PersonHint(reference="Patient/2"), ""),
    ):
        assert store.lane_of(hint, "epic") == lane
    assert store.lane_of(PersonHint(reference="Patient/1"), "other") == ""
    assert store.load(one).identifiers == (MRN,)
    assert store.person(PersonHint(reference="Patient/1"), "epic") == one
    assert len(store.lanes()) == 2
