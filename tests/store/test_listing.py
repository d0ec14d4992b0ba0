"""Listings over all lanes, what an id is, and from a message forward."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from adapters.model.journal import JournalKind
from adapters.model.record import PersonRecord
from adapters.store import Found, Of, SqlStore


@pytest.fixture
def two(store: SqlStore, make: SimpleNamespace) -> tuple[PersonRecord, PersonRecord]:
    """Two persons; each took one message."""
    made = []
    for name in ("p1", "p2"):
        entry = store.receive(make.receipt(f"MSH|{name}".encode(), control=name)).entry
        record = make.course(name, 3)
        of_message = make.event(50, entry, name)
        record = replace(
            record,
            events=(*record.events, of_message),
            charges=(*record.charges, make.charge(of_message)),
        )
        store.save(PersonRecord(name), record, taken=[entry], tick=make.NOW)
        made.append(record)
    return made[0], made[1]


def test_listings_are_of_everyone_in_order(store: SqlStore, two: tuple[PersonRecord, PersonRecord]) -> None:
    one, other = two

    def all_of(field: str) -> list[Of[object]]:
        return [Of(r.person, value) for r in (one, other) for value in getattr(r, field)]

    assert list(store.charges()) == all_of("charges")
    assert list(store.charges(held=True)) == all_of("holds")
    assert list(store.claims()) == all_of("claims")
    assert list(store.skips()) == all_of("skips")
    assert list(store.findings()) == all_of("findings")
    assert list(store.remittances()) == all_of("remittances")
    assert list(store.ledger_entries()) == all_of("entries")
    assert store.trial_balance() == {"charges": -4 * 41234, "receivable": 4 * 41234}


def test_an_empty_store_lists_nothing(store: SqlStore) -> None:
    assert store.charges() == store.claims() == store.worklist() == store.ledger_entries() == ()
    assert store.trial_balance() == {}
    assert store.counts().journal == 0


def test_the_work_list_goes_by_deadline(store: SqlStore, make: SimpleNamespace) -> None:
    items = (make.work("p", 5), make.work("p", 6, due=None), make.work("p", 2), make.work("p", 3, closed=make.NOW))
    store.save(PersonRecord("p"), PersonRecord("p", work=items), tick=make.NOW)
    assert store.worklist() == (items[2], items[0], items[1])
    assert len(store.worklist(closed=True)) == 4


def test_find_says_what_an_id_is(store: SqlStore, two: tuple[PersonRecord, PersonRecord]) -> None:
    one, _ = two
    message = one.events[-1].source.message
    ids = {
        "message": message, "person": "p1", "event": one.events[0].id, "charge": one.charges[0].id,
        "claim": one.claims[0].claim.id, "remittance": one.remittances[0].id, "entry": one.entries[0].id,
        "work": one.work[0].id,
    }  # fmt: skip
    for kind, id in ids.items():
        assert store.find(id) == (Found(kind, id, "" if kind == "message" else "p1"),)
    assert store.find("none") == ()


def test_trace_goes_from_a_message_forward(store: SqlStore, two: tuple[PersonRecord, PersonRecord]) -> None:
    one, _ = two
    message = one.events[-1].source.message
    traced = store.trace(message)
    assert traced is not None
    assert (traced.line.id, traced.line.state, traced.persons) == (message, "taken", ("p1",))
    assert traced.events == (Of("p1", one.events[-1]),)
    assert traced.charges == (Of("p1", one.charges[-1]),)
    assert traced.holds == traced.claims == traced.remittances == traced.entries == ()
    assert store.trace("none") is None


def test_trace_reaches_claim_payment_and_ledger(store: SqlStore, make: SimpleNamespace) -> None:
    message = store.receive(make.receipt()).entry
    answer = store.receive(make.receipt(b"{}", kind=JournalKind.ANSWER, control="")).entry
    event = make.event(1, message)
    charge = make.charge(event)
    claim = make.claim("p", (charge,))
    paid = replace(make.course("p", 1).remittances[0], message=answer)
    record = PersonRecord(
        "p", events=(event,), charges=(charge,), claims=(claim,), remittances=(paid,), entries=(make.entry("p", 1),)
    )
    store.save(PersonRecord("p"), record, taken=[message, answer], tick=make.NOW)
    forward = store.trace(message)
    assert forward is not None
    assert [len(x) for x in (forward.charges, forward.claims, forward.remittances, forward.entries)] == [1, 1, 0, 1]
    back = store.trace(answer)
    assert back is not None
    assert (back.persons, [of.value for of in back.remittances]) == (("p",), [paid])


def test_lanes_go_on_behind_one(store: SqlStore, two: tuple[PersonRecord, PersonRecord]) -> None:
    lanes = store.lanes()
    assert len(lanes) >= 2
    assert store.lanes_after("", 1) == lanes[:1]
    assert store.lanes_after(lanes[0], 100) == lanes[1:]
    assert store.lanes_after(lanes[-1], 100) == ()
