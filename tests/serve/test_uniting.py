"""Lanes that are one person: put together and apart as messages say, in any order, with nothing charged twice or lost."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from adapters.errors import StoreDown
from adapters.model.charge import Charge
from adapters.model.claim import ClaimState
from adapters.model.decision import Decision, Saying, Verb
from adapters.model.ledger import Account
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import ChargeStatus
from adapters.pipeline.deciding import receipt_of
from adapters.pipeline.fold import fold
from adapters.store import differences

pytestmark = pytest.mark.slow

A, B, C = "CNRY-1", "CNRY-2", "CNRY-3"
SYSTEM = "urn:quietbay:mrn"


def merge(
    survivor: str,
    merged: str,
    *,
    trigger: str = "A40",
    control: str = "",
    said: str = "20260112090000",
    born: str = "19480229",
) -> bytes:
    """An ADT that says the two are one person; A37 that they are not."""
    pid = f"PID|1||{survivor}^^^BAY^MR||Canaryfeather^Ottoline||{born}|F"
    other = f"MRG|{merged}^^^BAY^MR" if trigger not in ("A24", "A37") else f"PID|2||{merged}^^^BAY^MR"
    head = f"MSH|^~\\&|QBAY|BAY|ONCO|BAY|{said}||ADT^{trigger}|{control or trigger + survivor + merged + said}|P|2.5.1"
    return "".join(f"{line}\r" for line in (head, f"EVN|{trigger}|{said}", pid, other)).encode()


def lane(one, mrn: str) -> str:
    return one.store.lane_of(PersonHint((Identifier(SYSTEM, mrn),)), "charges")


def root(one, mrn: str) -> str:
    return one.store.lanes_of(lane(one, mrn))[0]


def record(one, mrn: str):
    return one.store.load(root(one, mrn))


def bills(*records) -> list[tuple[object, ...]]:
    """What is billed, whoever's lane it is in."""
    return sorted(bill(c.charge) for r in records for c in r.charges if c.status is not ChargeStatus.VOID)


def bill(charge: Charge) -> tuple[object, ...]:
    slot = charge.slot
    return (
        slot.service,
        slot.key,
        slot.part,
        charge.code,
        charge.units,
        str(charge.start),
        charge.coverage,
        charge.entity,
    )


def folded(one) -> list[str]:
    """Where the fold of the journal is not what is on file."""
    again = fold(one.store.journal(limit=10_000), one.house, one.store.person)
    lanes = one.store.lanes()
    return [line for lane in lanes for line in differences(one.store.load(lane), again.get(lane))]


def sound(one) -> None:
    """The fold is what is on file, past what is kept in memory; and the store is clean."""
    one.store._memory.forget()
    assert folded(one) == []
    assert one.store.verify(unsealed=True) == ()


def told(message) -> list[bytes]:
    """Three days under one number, two under another, of which one is the same transaction."""
    return [
        message("C1", transaction="T1", day="20260105", mrn=A),
        message("C2", transaction="T2", day="20260106", mrn=A),
        message("C3", transaction="T3", day="20260107", mrn=A),
        message("C4", transaction="T2", day="20260106", mrn=B),
        message("C5", transaction="T5", day="20260108", mrn=B),
    ]


def alone(program, put, message) -> list[tuple[object, ...]]:
    """What would be billed had there been one number from the beginning."""
    one = program()
    for body in told(message):
        put(one, body.replace(B.encode(), A.encode()))
    one.lanes.work()
    return bills(record(one, A))


@pytest.mark.parametrize("seed", range(8))
def test_a_merge_in_any_order_gives_the_charges_of_one_person(program, put, message, seed):
    chance = random.Random(seed)
    bodies = [*told(message), merge(A, B)]
    chance.shuffle(bodies)
    one = program()
    for body in bodies:
        put(one, body)
        if chance.random() < 0.5:
            one.lanes.work()
    one.lanes.work()
    assert root(one, B) == lane(one, A)
    assert bills(record(one, A)) == alone(program, put, message)
    assert one.store.load(lane(one, B)).charges == ()
    assert one.works() == []
    sound(one)


@pytest.mark.parametrize("several", [False, True])
def test_by_the_queue_too(program, put, message, several):
    one = program()
    together = one.lanes._work_several if several else None
    for body in [*told(message)[3:], merge(A, B), *told(message)[:3]]:
        put(one, body)
    while one.lanes.sort() or one.store.at_hand(1, "").lanes:
        one.store.queue.drain(one.lanes._work_lane, workers=2, together=together)
    assert bills(record(one, A)) == alone(program, put, message)
    # Sorted into a lane that is part of another person, beside one of nobody else's.
    put(one, message("C6", transaction="T6", day="20260109", mrn=B))
    put(one, message("D1", transaction="D1", mrn=C))
    one.lanes.sort()
    one.store.queue.drain(one.lanes._work_lane, workers=2, together=together)
    assert len(bills(record(one, A))) == 5
    assert one.store.load(lane(one, B)).charges == ()
    sound(one)


@pytest.mark.parametrize("seed", range(8))
def test_unmerged_both_have_what_they_would_have_had(program, put, message, seed):
    chance = random.Random(seed)
    late = [
        message("C6", transaction="T6", day="20260109", mrn=B),
        message("C7", transaction="T7", day="20260109", mrn=A),
    ]
    bodies = [*told(message), *late]
    chance.shuffle(bodies)
    at = sorted(chance.sample(range(len(bodies) + 1), 2))
    bodies[at[1] : at[1]] = [merge(A, B, trigger="A37", said="20260113090000")]
    bodies[at[0] : at[0]] = [merge(A, B)]
    if chance.random() < 0.3:
        bodies.reverse()
    one, never = program(), program()
    for body in bodies:
        put(one, body)
        if chance.random() < 0.6:
            one.lanes.work()
    for body in [*told(message), *late]:
        put(never, body)
    one.lanes.work()
    never.lanes.work()
    for mrn in (A, B):
        assert root(one, mrn) == lane(one, mrn)
        assert bills(record(one, mrn)) == bills(record(never, mrn))
    assert one.works() == []
    sound(one)


def test_a_claim_that_was_sent_stays_with_its_money_and_its_number(program, put, message, payer, clock):
    _, url = payer()
    one = program(url)
    put(one, message("C4", transaction="T2", day="20260106", mrn=B))
    one.lanes.work()
    clock.forward(days=1)
    one.lanes.run_due()
    (paid,) = record(one, B).claims
    assert paid.state is ClaimState.COMPLETE
    money = one.store.trial_balance()
    put(one, message("C1", transaction="T1", day="20260105", mrn=A))
    put(one, message("C2", transaction="T2", day="20260106", mrn=A))
    put(one, merge(A, B))
    one.lanes.work()
    whole = record(one, A)
    assert one.store.load(lane(one, B)).claims == ()
    assert whole.claim(paid.claim.id) == paid  # sent under the old number, as it left
    assert len(bills(whole)) == 2  # T2 is one charge, and the one that was paid
    assert {c.status for c in whole.charges if c.charge.start.day == 6 and c.status is not ChargeStatus.VOID} == {
        ChargeStatus.SETTLED
    }
    assert len(whole.remittances) == 1
    assert whole.entries
    assert one.store.trial_balance() == money
    assert {of.person for of in one.store.ledger_entries()} == {lane(one, A)}
    new = [c for c in whole.claims if c.state is ClaimState.READY]
    assert [c.claim.patient_identifier for c in new] == [A]
    clock.forward(days=1)
    one.lanes.run_due()
    assert sorted(c.state.value for c in record(one, A).claims) == ["abandoned", "complete", "complete"]
    sound(one)
    # Apart again: each claim with the person whose charges it bills, the money along with it.
    put(one, merge(A, B, trigger="A37", said="20260114090000"))
    one.lanes.work()
    assert [c.claim.id for c in record(one, B).claims if c.state is ClaimState.COMPLETE] == [paid.claim.id]
    assert [bill[1] for bill in bills(record(one, A))] == [bill[1] for bill in bills(whole)]
    assert len(bills(record(one, B))) == 1
    assert one.works() == []
    for mrn in (A, B):
        mine = record(one, mrn)
        claims = {c.claim.id for c in mine.claims}
        assert {line.claim for entry in mine.entries for line in entry.lines} <= claims
    sound(one)


def patient(id: str, mrn: str, **more: object) -> dict:
    return {"resourceType": "Patient", "id": id, "identifier": [{"system": "urn:quietbay:mrn", "value": mrn}], **more}


def test_a_patient_that_is_replaced_is_a_merge(program, put, post, message):
    one = program()
    for body in told(message):
        put(one, body)
    other = {"type": "Patient", "identifier": {"system": "urn:quietbay:mrn", "value": A}}
    post(one, patient("p2", B, active=False, link=[{"other": other, "type": "replaced-by"}]))
    one.lanes.work()
    assert root(one, B) == lane(one, A)
    assert bills(record(one, A)) == alone(program, put, message)
    assert one.works() == []
    # By its old reference too.
    assert one.store.lanes_of(one.store.person(PersonHint(reference="Patient/p2"), "ehr"))[0] == lane(one, A)
    sound(one)


def test_a_link_to_a_bare_reference_says_too_little(program, post):
    one = program()
    post(one, patient("p2", B, link=[{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]))
    one.lanes.work()
    assert [skip.reason for skip in record(one, B).skips if skip.event.startswith("omitted:")] == ["no-person"]


def test_merges_onto_a_third_go_on_to_the_last(program, put, message):
    bodies = [*told(message), message("C8", transaction="T8", day="20260110", mrn=C)]
    merges = [merge(A, B, said="20260112090000"), merge(C, A, said="20260112100000")]
    for order in (merges, merges[::-1]):
        one = program()
        for body in [*bodies[:2], order[0], *bodies[2:], order[1]]:
            put(one, body)
            one.lanes.work()
        assert {root(one, mrn) for mrn in (A, B, C)} == {lane(one, C)}
        assert len(bills(record(one, C))) == 5
        assert one.works() == []
        sound(one)
        # The one in the middle taken out: what went by way of it goes with it.
        put(one, merge(C, A, trigger="A37", said="20260113090000"))
        one.lanes.work()
        assert (root(one, C), root(one, B)) == (lane(one, C), lane(one, A))
        assert (len(bills(record(one, C))), len(bills(record(one, A)))) == (1, 4)
        sound(one)


def test_a_merge_with_nobody_known_yet_waits_for_them(program, put, message):
    one = program()
    put(one, merge(A, B))
    one.lanes.work()
    assert root(one, B) == lane(one, A)
    for body in told(message):
        put(one, body)
        one.lanes.work()
    assert bills(record(one, A)) == alone(program, put, message)
    sound(one)


def test_a_changed_number_is_a_merge_with_the_new_one(program, put, message):
    one = program()
    for body in told(message):
        put(one, body.replace(B.encode(), A.encode()))
    put(one, merge(C, A, trigger="A47"))
    one.lanes.work()
    assert root(one, A) == lane(one, C)
    assert bills(record(one, C)) == alone(program, put, message)
    assert [claim.claim.patient_identifier for claim in record(one, C).claims if claim.state is ClaimState.READY] == [
        C
    ] * 4
    sound(one)


def test_repeated_reversed_and_upon_itself(program, put, message):
    one = program()
    for body in (*told(message), merge(A, B), merge(A, A), merge(A, B, said="20260112110000")):
        put(one, body)
        one.lanes.work()
    assert root(one, B) == lane(one, A)
    # The other way round, said later: the other number stays.
    put(one, merge(B, A, said="20260112120000"))
    one.lanes.work()
    assert root(one, A) == lane(one, B)
    assert bills(record(one, B)) == alone(program, put, message)
    assert one.works() == []
    sound(one)


@pytest.mark.parametrize("seed", range(4))
def test_a_circle_is_one_person_who_goes_by_the_number_said_last(program, put, message, seed):
    circle = [
        merge(A, B, said="20260112090000"),
        merge(B, C, said="20260112100000"),
        merge(C, A, said="20260112110000"),
    ]
    bodies = [*told(message), *circle]
    random.Random(seed).shuffle(bodies)
    one = program()
    for body in bodies:
        put(one, body)
        one.lanes.work()
    assert {root(one, mrn) for mrn in (A, B, C)} == {lane(one, C)}
    assert bills(record(one, C)) == alone(program, put, message)
    sound(one)


@pytest.mark.parametrize("order", [0, 1])
def test_one_number_given_to_two_waits_for_a_person(program, put, message, order):
    one = program()
    both = [merge(A, B, said="20260112090000"), merge(C, B, said="20260112100000")]
    for body in (*told(message), *(both if order else both[::-1])):
        put(one, body)
        one.lanes.work()
    assert root(one, B) == lane(one, A)
    assert root(one, C) == lane(one, C)
    assert one.works() == [("merge-waiting", "person")]
    sound(one)


def test_both_sent_one_of_them_is_voided(program, put, message, payer, clock):
    _, url = payer()
    one = program(url)
    for mrn, control in ((A, "C2"), (B, "C4")):
        put(one, message(control, transaction="T2", day="20260106", mrn=mrn))
    one.lanes.work()
    clock.forward(days=1)
    one.lanes.run_due()
    assert [claim.state for mrn in (A, B) for claim in record(one, mrn).claims] == [ClaimState.COMPLETE] * 2
    put(one, merge(A, B))
    one.lanes.work()
    clock.forward(days=1)
    one.lanes.run_due()
    whole = record(one, A)
    assert len(bills(whole)) == 1
    # What one session was billed twice is taken back at the payer, by a void that names its number.
    assert sorted((c.claim.frequency, c.state.value) for c in whole.claims) == [
        ("1", "complete"),
        ("1", "voided"),
        ("8", "complete"),
    ]
    sound(one)


def test_a_crash_between_the_step_and_the_merge_is_made_up_for(program, put, message, clock, monkeypatch):
    one = program()
    for body in [*told(message), merge(A, B)]:
        put(one, body)
    with monkeypatch.context() as broken:
        broken.setattr(one.lanes._uniting, "settle", lambda *_: False)
        one.lanes.work()
    assert root(one, B) == lane(one, B)
    assert one.works() == [("merge-waiting", "person")]
    clock.forward(minutes=2)
    one.lanes.run_due()
    assert root(one, B) == lane(one, A)
    assert one.works() == []
    sound(one)


@pytest.mark.parametrize("sorted_first", [False, True])
def test_a_fault_in_a_merge_keeps_nobody_else_waiting(program, put, message, clock, monkeypatch, sorted_first):
    one = program()
    for body in [merge(A, B), *told(message), message("D1", transaction="D1", mrn=C)]:
        put(one, body)
    if sorted_first:
        one.lanes.sort()

    def fault(_record):
        raise KeyError("a fault of the program")

    with monkeypatch.context() as broken, capture_logs() as lines:
        broken.setattr(one.lanes._uniting, "_as_wanted", fault)
        one.lanes.work()
    said = {(line["lane"], line["error"]) for line in lines if line["event"] == "lanes cannot be regrouped"}
    assert said == {(lane(one, A), "KeyError")}
    counted = one.store.counts()
    assert (counted.unread, counted.parked) == (0, 0)
    assert len(record(one, C).charges) == 1
    assert root(one, B) == lane(one, B)
    assert one.works() == [("merge-waiting", "person")]
    clock.forward(minutes=2)
    one.lanes.run_due()
    assert root(one, B) == lane(one, A)
    assert one.works() == []
    sound(one)


def test_what_is_learnt_while_lanes_are_settled_is_looked_at_next(program, put, message, monkeypatch):
    one = program()
    for body in told(message):
        put(one, body)
    one.lanes.work()
    put(one, merge(A, B))
    uniting, kept, here = one.lanes._uniting, [], lane(one, A)
    settled = uniting._as_wanted

    def meanwhile(record):
        if not kept:  # somebody else steps the lane, and learns of more
            kept.append(here)
            one.lanes._stepping.unsettled.add(here)
        return settled(record)

    monkeypatch.setattr(uniting, "_as_wanted", meanwhile)
    one.lanes.work()
    assert root(one, B) == here
    assert one.lanes._stepping.unsettled == {here}
    uniting.settle(here, one.clock.now())
    assert one.lanes._stepping.unsettled == set()

    def broken(_record):
        raise StoreDown("gone")

    one.lanes._stepping.unsettled.add(here)
    monkeypatch.setattr(uniting, "_as_wanted", broken)
    with pytest.raises(StoreDown):
        uniting.settle(here, one.clock.now())
    assert one.lanes._stepping.unsettled == {here}


def test_other_birth_dates_wait_and_are_looked_at_again(program, put, message, clock):
    one = program()
    for body in told(message):
        put(one, body)
    put(one, merge(A, B, born="19500101"))
    one.lanes.work()
    assert root(one, B) == lane(one, B)
    assert one.works() == [("merge-waiting", "person")]
    assert [due.not_before - clock.now() for due in record(one, A).due if due.what == "unite"] == [timedelta(minutes=1)]
    clock.forward(minutes=2)
    one.lanes.run_due()
    assert root(one, B) == lane(one, B)
    sound(one)
    put(one, merge(A, B, said="20260112100000"))  # said again with the right date
    one.lanes.work()
    assert root(one, B) == lane(one, A)
    assert one.works() == []
    sound(one)


def test_beside_others_a_lane_in_which_a_merge_waits_is_looked_at_as_well(program, put, message):
    one = program()
    for body in [*told(message), merge(A, B, born="19500101")]:
        put(one, body)
    one.lanes.work()
    unsettled = one.lanes._stepping.unsettled
    for n in range(2):
        put(one, message(f"D{n}", transaction=f"D{n}", mrn=C))
        put(one, message(f"E{n}", transaction=f"E{n}", day="20260109", mrn=A))
    one.lanes.work()
    lanes = [lane(one, C), lane(one, A)]
    assert unsettled == set()
    put(one, message("D2", transaction="D2", mrn=C))
    put(one, message("E2", transaction="E2", day="20260110", mrn=A))
    one.lanes.sort()
    assert one.lanes._work_several(lanes) == lanes[:1]
    assert unsettled == {lanes[1]}
    one.lanes._work_lane(lanes[1])
    assert unsettled == set()
    put(one, message("D3", transaction="D3", mrn=C))
    put(one, merge(A, B, said="20260112100000"))
    one.lanes.sort()
    assert one.lanes._work_several(lanes) == lanes[:1]
    assert (len(one.store.waiting(lanes[0])), len(one.store.waiting(lanes[1]))) == (0, 1)
    one.lanes._work_lane(lanes[1])
    assert root(one, B) == lane(one, A)
    sound(one)


def test_an_answer_that_comes_after_the_merge_finds_its_claim(program, put, message, payer, clock):
    _, url = payer()
    one = program(url)
    put(one, message("C4", transaction="T2", day="20260106", mrn=B))
    one.lanes.work()
    clock.forward(days=1)
    submit = one.payers.submit

    def merged_meanwhile(*said):
        put(one, merge(A, B))
        one.lanes.work()
        return submit(*said)

    one.payers.submit = merged_meanwhile
    one.lanes.run_due()
    (claim,) = record(one, A).claims
    assert claim.state is ClaimState.COMPLETE
    assert len(record(one, A).remittances) == 1
    sound(one)


def test_a_site_may_want_a_person_to_say_so(program, put, message):
    one = program()
    asking = replace(one.house.site, options={**one.house.site.options, "merge.by": "person"})
    one.lanes.house = replace(one.house, site=asking)
    for body in [*told(message), merge(A, B)]:
        put(one, body)
    one.lanes.work()
    assert root(one, B) == lane(one, B)
    assert one.works() == [("merge-waiting", "person")]


@pytest.mark.parametrize("trigger", ["A24", "A18", "A34", "A43"])
def test_every_way_to_say_it(program, put, message, trigger):
    one = program()
    for body in [*told(message), merge(A, B, trigger=trigger)]:
        put(one, body)
    one.lanes.work()
    assert root(one, B) == lane(one, A)
    assert bills(record(one, A)) == alone(program, put, message)


def test_a_claim_sent_for_both_and_apart_again_is_corrected_and_asked_about(program, put, message, payer, clock):
    """Sent in one cycle under the survivor's number, then two persons: what is not theirs leaves the claim."""
    _, url = payer()
    one = program(url)
    for body in (
        message("C1", transaction="T1", day="20260105", mrn=A),
        message("C2", transaction="T2", day="20260106", mrn=A),
        message("C4", transaction="T4", day="20260107", mrn=B),
        merge(A, B),
    ):
        put(one, body)
    one.lanes.work()
    clock.forward(days=1)
    one.lanes.run_due()
    assert {c.claim.patient_identifier for c in record(one, A).claims} == {A}
    put(one, merge(A, B, trigger="A37", said="20260114090000"))
    one.lanes.work()
    assert len(bills(record(one, A))) == 2
    (mine,) = record(one, B).claims
    assert mine.claim.patient_identifier == A
    assert one.works() == [("claim-of-another", "unmerged")]
    assert one.store.worklist()[0].about == mine.claim.id
    sound(one)


def decide(one, mrn: str, *says: Saying, why: str = "at the desk") -> str:
    """A person's decision about the person of this number; its journal id."""
    person = PersonHint((Identifier(SYSTEM, mrn),))
    one.clock.forward(seconds=1)
    return one.store.receive(receipt_of(Decision("kim", why, one.clock.now(), says, person))).entry


def paid(amount: str) -> Saying:
    words = (("fact.amount", amount), ("kind", "patient-payment"), ("start", "2026-01-09T12:00:00-05:00"))
    return Saying(Verb.EVENT, (("day", "2026-01-09"), *words))


def in_account(one, mrn: str) -> int:
    lines = (line for entry in record(one, mrn).entries for line in entry.lines)
    return sum(line.amount for line in lines if line.account is Account.PATIENT_PAYMENT)


@pytest.mark.parametrize("before", [True, False], ids=["paid before the merge", "paid after it"])
def test_what_a_patient_paid_goes_with_the_lane_that_says_so(program, put, message, before):
    one = program()
    for body in told(message):
        put(one, body)
    one.lanes.work()
    if before:
        decide(one, B, paid("20.00"))
        one.lanes.work()
    put(one, merge(A, B))
    one.lanes.work()
    if not before:
        decide(one, B, paid("20.00"))
        one.lanes.work()
    assert in_account(one, A) == 2000
    put(one, merge(A, B, trigger="A37", said="20260113090000"))
    one.lanes.work()
    assert (in_account(one, A), in_account(one, B)) == (0, 2000)
    assert one.works() == []
    sound(one)
