"""What persons decide and know, through the step: whatever comes first, once or twice, withdrawn or not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.model.charge import Hold
from adapters.model.claim import ClaimEvent, ClaimState
from adapters.model.decision import About, Decision, Saying, Verb, bill_mark, facts_mark, saying
from adapters.model.journal import JournalEntry
from adapters.model.people import PersonHint
from adapters.model.record import PersonRecord, Reading, SubmissionNews
from adapters.pipeline.deciding import decision_of, receipt_of
from adapters.pipeline.read import read
from adapters.pipeline.step import step
from adapters.store.journal import entry_id
from tests.model.clinic import (
    PERSON,
    background,
    fraction,
    happened,
    house,
    moment,
    of_state,
    paid_in_full,
    reading,
    report,
    rules,
    sessions,
    told,
    workdays,
)

TICK = moment("2026-02-27")
SAID = datetime(2026, 2, 26, 15, 0, tzinfo=UTC)
HOUSE = house("freestanding")


def read_back(decision: Decision) -> Reading:
    """A decision by way of the journal: its receipt, its entry, its reading."""
    receipt = receipt_of(decision)
    entry = JournalEntry(
        1,
        entry_id(receipt.kind, receipt.channel, receipt.sender, receipt.digest),
        receipt.kind,
        receipt.at,
        receipt.actor,
        receipt.media,
        receipt.control,
        receipt.digest,
        receipt.body,
    )
    assert decision_of(entry) == decision
    found = read(entry, HOUSE.rules, HOUSE.site)
    assert found.parked is None
    (captured,) = found.captured
    return Reading(entry.id, entry.at, captured=captured)


def says(*sayings: Saying, by: str = "kim", why: str = "the note is on paper", minutes: int = 0) -> Reading:
    """A decision of a person about this one."""
    return read_back(Decision(by, why, SAID + timedelta(minutes=minutes), sayings, PersonHint(lane=PERSON)))


def withdraws(reading: Reading, minutes: int = 30) -> Reading:
    return says(saying(Verb.WITHDRAW, entry=reading.entry), minutes=minutes)


def after(*readings: Reading, record: PersonRecord | None = None) -> PersonRecord:
    return step(record or PersonRecord(PERSON), readings, HOUSE, TICK)


def messages(events: Sequence[Any]) -> list[Reading]:
    return [reading(event) for event in [*background(), *events]]


def due(record: PersonRecord) -> list[Any]:
    """What can be seen of the charges and holds, without what says why."""
    return [
        told([c.charge for c in record.charges if c.status != "void"]),
        sorted((h.code, h.slot, bill_mark(h.would)) for h in record.holds),
    ]


def works(record: PersonRecord) -> list[tuple[Any, ...]]:
    """The work list as a person sees it, without when its items were opened."""
    return sorted((i.id, i.code, i.amount, i.assigned, i.closed_why, i.closed is None) for i in record.work)


def of_hold(verb: Verb, hold: Hold, **more: str) -> Saying:
    mark = {Verb.CLOSE: facts_mark(hold)}.get(verb, bill_mark(hold.would))
    return saying(verb, About.of(hold.slot, hold.why).words, hold=hold.code, mark=mark, **more)


def the_hold(record: PersonRecord, code: str) -> Hold:
    (hold,) = [hold for hold in record.holds if hold.code == code]
    return hold


WEEK = sessions("2026-02-02", 5)
"""Five sessions without an examination: their management unit lacks its documentation."""
ENDED = report("course-end", "2026-02-06T18:00")
UNIT = "documentation-missing"


def test_a_released_line_is_due_and_says_who_and_why() -> None:
    before = after(*messages([*WEEK, ENDED]))
    hold = the_hold(before, UNIT)
    assert hold.would is not None
    released = after(says(of_hold(Verb.RELEASE, hold)), record=before)
    assert UNIT not in {h.code for h in released.holds}
    (charge,) = [c.charge for c in released.charges if c.charge.slot == hold.slot]
    assert charge == hold.would
    assert ("release by", "kim") in {(f.name, f.value) for f in charge.why.facts}
    assert charge.coverage, "it went through the screening"
    assert [f.value for f in released.findings if f.kind == "person-decided"] == [
        "release by kim: the note is on paper"
    ]
    assert [i.closed_why for i in released.work if i.code == UNIT] == ["settled"]


def test_a_release_holds_for_what_would_be_billed_and_for_nothing_else() -> None:
    before = after(*messages([*WEEK, ENDED]))
    hold = the_hold(before, UNIT)
    other = replace(hold, would=replace(hold.would, units=2)) if hold.would else hold
    assert UNIT in {h.code for h in after(says(of_hold(Verb.RELEASE, other)), record=before).holds}
    elsewhere = replace(hold, slot=replace(hold.slot, key="7"))
    assert UNIT in {h.code for h in after(says(of_hold(Verb.RELEASE, elsewhere)), record=before).holds}


def test_what_waits_is_never_payable_or_has_no_line_is_not_let_go() -> None:
    at = house("hospital")
    before = step(PersonRecord(PERSON), messages([fraction("2026-02-02T09:00", 1, guidance="cbct")]), at, TICK)
    assert {h.release.value for h in before.holds} >= {"never", "wait"}
    letting = [says(of_hold(Verb.OVERRIDE, hold), minutes=n) for n, hold in enumerate(before.holds)]
    assert due(step(before, letting, at, TICK)) == due(before)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("verb", [Verb.RELEASE, Verb.CLOSE, Verb.ASSIGN, Verb.DROP])
def test_before_among_or_after_the_messages_and_twice_is_the_same_and_withdrawn_leaves_what_there_was(
    verb: Verb, seed: int
) -> None:
    dice = random.Random(seed)
    said = messages([*WEEK, ENDED, *sessions("2026-02-09", 2)])
    before = after(*said)
    decided = says(of_hold(verb, the_hold(before, UNIT), assignee="lee"))
    wanted = after(decided, record=before)
    assert (due(wanted), works(wanted)) != (due(before), works(before))

    def shuffled(*readings: Reading) -> PersonRecord:
        order = list(readings)
        dice.shuffle(order)
        record = PersonRecord(PERSON)
        while order:
            taken = order[: dice.randint(1, len(order))]
            del order[: len(taken)]
            record = step(record, taken, HOUSE, TICK)
        return record

    anyhow = shuffled(*said, decided, decided)
    assert due(anyhow) == due(wanted)
    still = [row for row in works(anyhow) if row[-1] or row[4] != "settled"]
    assert still == [row for row in works(wanted) if row[-1] or row[4] != "settled"]
    back = shuffled(*said, decided, withdraws(decided))
    assert due(back) == due(before)
    assert [row for row in works(back) if row[-1]] == [row for row in works(before) if row[-1]]
    assert after(decided, record=wanted) == wanted


def test_a_closed_item_opens_again_when_its_hold_says_anything_else() -> None:
    before = after(*messages([*WEEK, ENDED]))
    closed = after(says(of_hold(Verb.CLOSE, the_hold(before, UNIT))), record=before)
    (item,) = [i for i in closed.work if i.code == UNIT]
    assert (item.closed, item.closed_by, item.closed_why) == (SAID, "kim", "the note is on paper")
    assert due(closed) == due(before), "closing bills nothing"
    again = after(*messages(WEEK), record=closed)
    assert [i for i in again.work if i.code == UNIT] == [item], "the same messages are no news"
    restated = fraction("2026-02-07T09:00", 4, line=WEEK[3].line, said="2026-02-20T08:00")
    late = after(reading(restated), record=closed)
    (opened,) = [i for i in late.work if i.code == UNIT and i.closed is None]
    assert (opened.closed_by, opened.opened) == ("", TICK.now)


def test_a_line_that_is_known_better_since_is_still_the_same_line() -> None:
    first = fraction("2026-02-02T09:00", 1, isocenters=None)
    before = after(*messages([first]))
    hold = the_hold(before, "isocenters-unknown")
    assigned = after(says(of_hold(Verb.ASSIGN, hold, assignee="lee")), record=before)
    named = fraction("2026-02-02T09:00", 1, isocenters=None, uid="1.2.3", line=first.line, said="2026-02-03T07:00")
    later = after(reading(named), record=assigned)
    key = the_hold(later, "isocenters-unknown").slot.key
    assert (hold.slot.key, key) == ("n:#1", "uid:1.2.3")
    both = after(reading(fraction("2026-02-02T09:00", 1, isocenters=None, uid="1.2.3", feed="ehr")), record=assigned)
    assert the_hold(both, "isocenters-unknown").slot.key == "uid:1.2.3"
    assert [i.assigned for i in both.work if i.closed is None and i.code == "isocenters-unknown"] == ["lee"]


def stated(about: str, value: str, name: str = "isocenters", id: str = "", minutes: int = 0, **more: str) -> Reading:
    words = {f"about.{about}": id, "fact.name": name, "fact.value": value, **{f"about.{k}": v for k, v in more.items()}}
    return says(saying(Verb.FACT, words.items()), minutes=minutes)


def levels(record: PersonRecord) -> list[str]:
    return [
        row[1] for row in told([c.charge for c in record.charges if c.status != "void"]) if row[1].startswith("774")
    ]


def test_a_fact_of_a_plan_reaches_every_session_that_says_nothing_until_it_is_withdrawn() -> None:
    days = workdays("2026-02-02", 3)
    silent = [fraction(f"{day}T09:00", n, isocenters=None, plan="PA") for n, day in enumerate(days, 1)]
    other = fraction("2026-02-05T09:00", 1, isocenters=None, plan="PB")
    spoken = fraction("2026-02-06T09:00", 4, isocenters=1, plan="PA")
    before = after(*messages([*silent, other, spoken]))
    assert len([h for h in before.holds if h.code == "isocenters-unknown"]) == 4
    decided = stated("plan", "2", id="PA")
    settled = after(decided, record=before)
    assert [h.slot.key for h in settled.holds if h.code == "isocenters-unknown"] == ["n:PB#1"]
    later = after(reading(fraction("2026-02-09T09:00", 5, isocenters=None, plan="PA")), record=settled)
    assert len(levels(later)) == len(levels(before)) + 1
    by_day = {c.charge.start.isoformat(): c.charge.code for c in later.charges}
    assert by_day["2026-02-09"] == by_day["2026-02-02"] != by_day["2026-02-06"], "the session's own record is nearer"
    assert due(after(withdraws(decided), record=settled)) == due(before)


def test_a_fact_of_an_event_outranks_every_feed_whenever_it_speaks() -> None:
    first = fraction("2026-02-02T09:00", 1, isocenters=1)
    before = after(*messages([first]))
    decided = stated("event", "2", id=first.id)
    two = levels(after(decided, record=before))
    assert two != levels(before)
    assert levels(after(stated("event", "1", id=first.id, minutes=5), decided, record=before)) == levels(before)
    again = fraction("2026-02-02T09:00", 1, isocenters=1, line=first.line, said="2026-02-03T08:00")
    second = fraction("2026-02-02T09:00", 1, isocenters=1, feed="ehr", said="2026-02-03T09:00")
    later = after(reading(again), reading(second), record=after(decided, record=before))
    assert levels(later) == two
    assert levels(after(withdraws(decided), record=later)) == levels(before)
    (charge,) = [c.charge for c in later.charges if c.charge.slot.service == "delivery" and c.status != "void"]
    assert ("isocenters", "2") in {(f.name, f.value) for f in charge.why.facts if f.source.message == decided.entry}


def test_a_person_says_which_course_a_service_belongs_to() -> None:
    loose = report("simulation", "2026-01-20T09:00", course="", complexity="complex")
    before = after(*messages([loose, *sessions("2026-02-02", 1), fraction("2026-03-02T09:00", 1, course="C2")]))
    assert "course-unknown" in {h.code for h in before.holds}
    said = after(stated("event", "C1", name="course", id=loose.id), record=before)
    assert "course-unknown" not in {h.code for h in said.holds}
    assert "simulation" in {c.charge.slot.service for c in said.charges}


def entered(day: str, minutes: int = 0, besides: int = 0, hour: int = 9) -> Reading:
    at = f"{day}T{hour:02d}:00:00-05:00"
    words = {"kind": "simulation", "start": at, "day": day, "course": "C1", "fact.complexity": "complex"}
    return says(saying(Verb.EVENT, words.items(), besides=str(besides) if besides else ""), minutes=minutes)


def simulations(record: PersonRecord) -> list[str]:
    live = [c.charge for c in record.charges if c.status != "void"]
    return sorted(c.start.isoformat() for c in live if c.slot.service == "simulation")


def owed(record: PersonRecord) -> int:
    """Simulations that are due or held: the second of a date is held by the edits."""
    slots = {c.charge.slot for c in record.charges if c.status != "void"} | {h.slot for h in record.holds}
    return len([slot for slot in slots if slot.service == "simulation"])


@pytest.mark.parametrize("seed", range(8))
def test_what_was_entered_is_billed_once_when_a_feed_reports_it_too(seed: int) -> None:
    fed = report("simulation", "2026-01-20T09:30", complexity="complex")
    said = [*messages([*sessions("2026-02-02", 2), fed]), entered("2026-01-20"), entered("2026-01-21", 1)]
    random.Random(seed).shuffle(said)
    record = PersonRecord(PERSON)
    for one in said:
        record = step(record, [one], HOUSE, TICK)
    assert simulations(record) == ["2026-01-20", "2026-01-21"]
    assert [f.value for f in record.findings if f.kind == "duplicate-suppressed"] == ["simulation"]


def test_one_more_than_the_feeds_report_is_entered_by_saying_how_many_others_there_were() -> None:
    fed = report("simulation", "2026-01-20T09:30", complexity="complex")
    said = messages([*sessions("2026-02-02", 2), fed])
    assert owed(after(*said, entered("2026-01-20", hour=15))) == 1, "the feed's own"
    both = after(*said, entered("2026-01-20", besides=1, hour=15))
    assert owed(both) == 2
    second = report("simulation", "2026-01-20T15:10", complexity="complex")
    assert owed(after(reading(second), record=both)) == 2


def test_what_was_entered_and_withdrawn_owes_nothing_and_is_accounted_for() -> None:
    one = entered("2026-01-20")
    record = after(*messages(sessions("2026-02-02", 2)), one)
    assert simulations(record) == ["2026-01-20"]
    gone = after(withdraws(one), record=record)
    assert simulations(gone) == []
    (event,) = [e for e in gone.events if e.kind == "simulation"]
    assert [s.reason for s in gone.skips if s.event == event.id] == ["withdrawn"]


def of_line(verb: Verb, record: PersonRecord, service: str, *words: tuple[str, str], minutes: int = 0) -> Reading:
    (charge,) = [c.charge for c in record.charges if c.charge.slot.service == service and c.status != "void"]
    return says(saying(verb, (*About.of(charge.slot, charge.why).words, *words)), minutes=minutes)


def test_a_line_is_not_billed_or_billed_otherwise_as_a_person_says() -> None:
    before = after(
        *messages([*sessions("2026-02-02", 1), report("simulation", "2026-01-20T09:30", complexity="complex")])
    )
    drop = of_line(Verb.DROP, before, "simulation")
    dropped = after(drop, record=before)
    assert simulations(dropped) == []
    (hold,) = [h for h in dropped.holds if h.code == "not-billed"]
    assert (hold.release.value, hold.would and hold.would.code) == ("never", "77290")
    assert not [i for i in dropped.work if i.closed is None and i.code == "not-billed"]
    bill = of_line(Verb.BILL, before, "simulation", ("code", "77280"), ("units", "2"), minutes=1)
    billed = after(bill, record=dropped)
    (charge,) = [c.charge for c in billed.charges if c.status != "void" and c.charge.slot.service == "simulation"]
    assert (charge.code, charge.units, charge.price) == (
        "77280",
        2,
        HOUSE.prices.on("77280", (), "center", charge.start),
    )
    assert ("do-not-bill by", "kim") not in {(f.name, f.value) for f in charge.why.facts}
    assert due(after(withdraws(bill), withdraws(drop, 31), record=billed)) == due(before)


def test_a_line_billed_under_a_code_without_a_price_is_held() -> None:
    before = after(*messages([report("simulation", "2026-01-20T09:30", complexity="complex")]))
    bill = of_line(Verb.BILL, before, "simulation", ("code", "99999"))
    held = after(bill, record=before)
    assert simulations(held) == []
    assert "price-missing" in {h.code for h in held.holds}


def test_a_body_that_nobody_here_wrote_is_parked() -> None:
    receipt = receipt_of(Decision("kim", "why", SAID, (saying(Verb.CLOSE, item="x"),), PersonHint(lane=PERSON)))
    for body in (
        b"{}",
        b"[]",
        b"no json",
        receipt.body.replace(b'"close"', b'"shred"'),
        receipt.body.replace(b"item", b"itch"),
    ):
        entry = JournalEntry(1, "e1", receipt.kind, SAID, "person:kim", "json", "", "", body)
        found = read(entry, rules(), HOUSE.site)
        assert found.parked is not None
        assert found.parked.reason == "decision-unreadable"
        assert not found.captured


def test_the_same_decision_is_the_same_entry() -> None:
    one = Decision("kim", "why", SAID, (saying(Verb.CLOSE, item="x"),), PersonHint(lane=PERSON))
    assert receipt_of(one) == receipt_of(replace(one))
    assert receipt_of(one).digest != receipt_of(replace(one, at=SAID + timedelta(seconds=1))).digest


def test_a_correction_that_a_person_has_to_see_leaves_once_it_is_released() -> None:
    careful = house("freestanding", after_sending="person")
    first = fraction("2026-02-02T09:00", 1, line="L1")
    paid = paid_in_full(step(PersonRecord(PERSON), messages([first]), careful, TICK), careful, TICK)
    two = reading(fraction("2026-02-02T09:00", 1, line="L1", said="2026-02-10T08:00", isocenters=2))
    held = step(paid, [two], careful, TICK)
    assert [c.state.value for c in held.claims] == ["complete", "held"]
    (item,) = [i for i in held.work if i.closed is None]
    assert (item.code, item.about, item.amount) == (
        "correction-review",
        held.claims[1].claim.id,
        held.claims[1].claim.total,
    )
    release = says(saying(Verb.RELEASE, item=item.id, hold=item.code, mark=item.about))
    out = step(held, [release], careful, TICK)
    assert [c.state.value for c in out.claims] == ["complete", "ready"]
    assert [(i.code, i.closed_why) for i in out.work] == [("correction-review", "settled")]
    back = step(out, [withdraws(release)], careful, TICK)
    assert [c.state.value for c in back.claims] == ["complete", "held"]
    assert [i.code for i in back.work if i.closed is None] == ["correction-review"]
    three = reading(fraction("2026-02-02T09:00", 1, line="L1", said="2026-02-11T08:00", technique="2d"))
    other = step(out, [three], careful, TICK)
    assert [c.state.value for c in other.claims if c.state != "abandoned"] == ["complete", "held"], "another correction"


def test_what_a_payer_paid_stays_paid_for_when_the_release_is_withdrawn() -> None:
    before = after(*messages([*WEEK, ENDED]))
    release = says(of_hold(Verb.RELEASE, the_hold(before, UNIT)))
    paid = paid_in_full(after(release, record=before), HOUSE, TICK)
    code = [c for c in paid.charges if c.charge.slot.service == "management"]
    assert [c.status.value for c in code] == ["settled"]
    back = after(withdraws(release), record=paid)
    claims = [
        (c.claim.frequency, c.state.value) for c in back.claims if c.claim.id in {code[0].claim} or c.claim.replaces
    ]
    assert ("1", "complete") in claims
    assert [f for f, state in claims if state == "ready"] in (["7"], ["8"]), "the payer is asked to take it back, once"


def test_a_claim_whose_document_may_not_leave_is_checked_again_when_its_item_is_closed() -> None:
    ready = after(*messages(sessions("2026-02-02", 1)))
    (claim,) = of_state(ready, ClaimState.READY)
    invalid = SubmissionNews(claim.claim.id, ClaimEvent.HOLD, "no member number")
    held = happened(ready, HOUSE, TICK, invalid)
    (item,) = [i for i in held.work if i.code == "claim-invalid"]
    early = after(says(saying(Verb.CLOSE, item=item.id)), record=held)
    assert of_state(early, ClaimState.HELD), "it was decided before the trouble was there"
    closed = after(says(saying(Verb.CLOSE, item=item.id), minutes=48 * 60), record=held)
    assert of_state(closed, ClaimState.READY)
    evening = moment("2026-03-02")
    again = happened(closed, HOUSE, evening, invalid)
    assert of_state(again, ClaimState.HELD), "told anew after the closing"
    assert [i.opened for i in again.work if i.code == "claim-invalid" and i.closed is None] == [evening.now]
