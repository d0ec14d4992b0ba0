"""Lists page by page, and looking things up by what people know of them, on what a store holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from adapters.model.claim import ClaimState
from adapters.model.event import Event
from adapters.model.journal import JournalKind
from adapters.model.lists import ClaimsAsked, MessagesAsked, WorkAsked
from adapters.model.people import Identifier, PersonHint
from adapters.model.why import Fact, Source
from adapters.model.work import open_item
from adapters.store import KeyRing, SqlStore, schema

NAMES = (("family", "Núñez-Lark"), ("given", "Ida Mae"), ("birth_date", "1950-02-03"))


def said(make: SimpleNamespace, kind: str, n: int, facts: tuple[tuple[str, str], ...]) -> Event:
    source = Source(f"m{n}", "PID")
    return replace(make.event(n), id=f"said-{kind}-{n}", kind=kind, facts=tuple(Fact(k, v, source) for k, v in facts))


def person(store: SqlStore, make: SimpleNamespace, number: str, *events: Event) -> str:
    """A person of this number with a course, a claim and these statements on file."""
    lane = store.person(PersonHint((Identifier("mrn", number),)), "aria")
    before = store.load(lane)
    course = make.course(lane, 3, before.identifiers)
    store.save(before, replace(course, events=(*course.events, *events)), tick=make.NOW)
    return str(lane)


def test_a_person_is_found_by_the_whole_words_that_were_stated(store: SqlStore, make) -> None:
    lane = person(
        store, make, "1", said(make, "patient", 7, NAMES), said(make, "coverage", 8, (("member", "1EG4-TE5"),))
    )
    for words in ("nunez lark", "IDA", "Mae Núñez", "1950-02-03", "1eg4te5", "1EG4 TE5"):
        assert store.lanes_named(words, 5) == (lane,), words
    for words in ("nun", "ida ida x9", "ida peter", "", "1950-02-04", "C50.412"):
        assert store.lanes_named(words, 5) == (), words


def test_words_lie_blind_and_once(store: SqlStore, make, keys: KeyRing) -> None:
    lane = person(store, make, "1", said(make, "patient", 7, NAMES))
    before = store.load(lane)
    again = (*before.events, said(make, "patient", 9, (*NAMES, ("given", "Rose"))))
    store.save(before, replace(before, events=again), tick=make.NOW)
    rows = store._read(lambda c: [(r.blind, r.person) for r in c.execute(sa.select(schema.words))])
    assert sorted(rows) == sorted(
        (keys.blind("word", w), lane) for w in ("nunez", "lark", "ida", "mae", "rose", "19500203")
    )


def test_two_persons_of_one_name_are_both_found_up_to_the_bound(store: SqlStore, make) -> None:
    lanes = {person(store, make, str(n), said(make, "patient", 7, NAMES)) for n in range(3)}
    assert set(store.lanes_named("lark", 5)) == lanes
    assert len(store.lanes_named("lark", 2)) == 2


def test_what_a_migration_cannot_know_is_filled_in(store: SqlStore, make) -> None:
    lane = person(store, make, "1", said(make, "patient", 7, NAMES))
    (on_file,) = [of.value for of in store.claims()]
    asked = ClaimsAsked(payer=on_file.claim.payer.id)

    def old(connection: sa.Connection) -> None:
        connection.execute(sa.delete(schema.words))
        connection.execute(sa.update(schema.claims).values(payer=None, built=None, number=None))

    store._write(old)
    assert (store.lanes_named("lark", 5), store.claims_page(asked).things) == ((), ())
    assert store.verify() == (), "columns of a later schema may be empty"
    assert len(store.claims_page(ClaimsAsked()).things) == 1
    for _ in range(2):
        store.fill_lists()
        assert store.lanes_named("lark", 5) == (lane,)
        assert [one.on_file for one in store.claims_page(asked).things] == [on_file]
        assert store.verify() == ()
    store._write(lambda c: c.execute(sa.update(schema.claims).values(payer="another")))
    assert [line for line in store.verify() if "claims" in line]
    store._write(old)


def test_claims_go_on_by_day_and_id_and_are_found_by_numbers(store: SqlStore, make) -> None:
    for n in range(7):
        person(store, make, str(n))
    every = sorted((of.value.claim.built_on, of.value.claim.id) for of in store.claims())
    found, after = [], ""
    while True:
        part = store.claims_page(ClaimsAsked(after=after, limit=3))
        found += [(one.on_file.claim.built_on, one.on_file.claim.id) for one in part.things]
        after = part.after
        if not after:
            break
    assert found == every
    some = store.claims()[0].value
    assert store.claims_beginning(some.claim.id[:13], 5) == (some.claim.id,)
    assert store.claims_beginning("", 5) == ()
    if some.payer_claim_number:
        assert some.claim.id in store.claims_numbered(some.payer_claim_number)
    assert store.claims_numbered("no such number") == ()
    states = {of.value.state for of in store.claims()}
    assert len(store.claims_page(ClaimsAsked(states=frozenset(states))).things) == len(every)
    assert store.claims_page(ClaimsAsked(states=frozenset(ClaimState) - states)).things == ()
    day = every[0][0]
    assert store.claims_page(ClaimsAsked(built_until=day - timedelta(days=1))).things == ()
    standing = store.standings()
    assert sum(sum(one.states.values()) for one in standing) == len(every)


def test_work_goes_on_by_deadline_and_looks_at_so_many(store: SqlStore, make, monkeypatch: pytest.MonkeyPatch) -> None:
    lane = person(store, make, "1")
    before = store.load(lane)
    days = [None, make.NOW.date(), make.NOW.date() + timedelta(days=1), None, make.NOW.date()]
    items = tuple(
        open_item("denial", str(n % 2), f"about-{n}", category="c", action="a", opened=make.NOW, due=day, person=lane)
        for n, day in enumerate(days)
    )
    store.save(before, replace(before, work=items), tick=make.NOW)
    wanted = sorted(items, key=lambda i: (i.due is None, i.due or make.NOW.date(), i.id))
    found, after = [], ""
    while True:
        part = store.work_page(WorkAsked("denial", after=after, limit=2))
        found += [one.item for one in part.things]
        after = part.after
        if not after:
            break
    assert found == wanted
    assert {one.item for one in store.work_page(WorkAsked("denial", code="1")).things} == {items[1], items[3]}
    until = WorkAsked("denial", due_until=make.NOW.date())
    assert {one.item for one in store.work_page(until).things} == {items[1], items[4]}
    monkeypatch.setattr("adapters.store.paging.LOOKED_AT", 2)
    part = store.work_page(WorkAsked("denial", code="none"))
    assert (part.things, bool(part.after)) == ((), True), "it says where to go on, also where nothing fitted"


def test_the_journal_by_day_sender_and_state(store: SqlStore, make, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(12):
        at = make.NOW + timedelta(hours=6 * n)
        actor = "feed:aria" if n % 2 else "feed:ehr"
        store.receive(make.receipt(b"MSH|%d" % n, control=f"N{n}", at=at, actor=actor))
    since, before = make.NOW + timedelta(days=1), make.NOW + timedelta(days=2)
    day = MessagesAsked(kinds=frozenset({JournalKind.MESSAGE}), since=since, before=before)
    assert [m.control for m in store.messages_page(day).things] == ["N7", "N6", "N5", "N4"]
    assert [m.control for m in store.messages_page(replace(day, actor="feed:aria")).things] == ["N7", "N5"]
    first = store.messages_page(replace(day, limit=3))
    assert [m.control for m in store.messages_page(replace(day, limit=3, after=first.after)).things] == ["N4"]
    assert store.messages_page(replace(day, state="parked")).things == ()
    assert len(store.messages_page(MessagesAsked(state="unread")).things) == 12
    assert store.messages_page(replace(day, since=before + timedelta(days=9), before=None)).things == ()
    monkeypatch.setattr("adapters.store.paging._SPAN", 5)
    part = store.messages_page(MessagesAsked(actor="feed:nobody"))
    assert (part.things, part.after) == ((), "8"), "it has looked through five and says where to go on"
    assert [m.control for m in store.numbered("N3", 5)] == ["N3"]
    assert store.numbered("", 5) == ()
