"""Whatever comes in whatever order: every delivered report is in exactly one row, and so is every charge and every cent."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta

import pytest

from adapters.model.claim import ClaimEvent, ClaimState
from adapters.model.event import Event, Status
from adapters.model.ledger import Money
from adapters.model.reconciliation import STAGES, Mark, RowMoney, Standing
from adapters.model.record import PersonRecord, SubmissionNews
from adapters.model.site import Family, Mode
from adapters.pipeline import House, step
from adapters.reconciling import Share
from tests.model.clinic import (
    adjudication,
    background,
    ended,
    exams,
    fed,
    fraction,
    happened,
    house,
    moment,
    of_state,
    report,
    sessions,
)
from tests.model.visits import OPTIONS, everything
from tests.reconciling.looking import SINCE, coded, shared

MONDAY = "2026-03-02"
TODAY = "2026-06-15"
CODES = ("77407", "77412", "77427", "77336", "77387", "77263", "77301", "77338", "96413", "J9267", "99213", "G6015")


def clinic(chance: random.Random) -> House:
    services = ("delivery", "guidance", "management", "physics", "planning", "drug", "administration", "visit")
    families = tuple(Family(service, chance.choice(list(Mode)), SINCE) for service in services if chance.random() < 0.5)
    return house(chance.choice(["hospital", "freestanding"]), families=families, options=OPTIONS)


def events_of(chance: random.Random) -> list[Event]:
    """A course and a visit, with bookings, coded charges, second reports, withdrawn sessions, and things of no course."""
    guided = {"guidance": "cbct", "guidance__reviewed_at": "2026-03-02T18:00:00-05:00"} if chance.random() < 0.5 else {}
    given = sessions(MONDAY, chance.randint(1, 12), **guided)
    found = [*background(), *given, *everything()]
    found += [one for one in exams(given) if chance.random() < 0.7]
    if chance.random() < 0.5:
        found.append(ended(given[-1].day))
    found.append(report("3d-plan", "2026-02-20T09:00"))
    found.append(report("simulation", "2026-02-13T09:00", complexity="complex", course=chance.choice(["C1", "", "C2"])))
    for one in chance.sample(given, k=min(3, len(given))):
        said = f"{one.day}T20:00"
        kind = chance.choice(["again", "withdrawn", "new"])
        status = Status.WITHDRAWN if kind == "withdrawn" else Status.DONE
        line = one.line if kind == "withdrawn" else f"again|{one.day}"
        found.append(fraction(f"{one.day}T09:00", one.whole("n"), line=line, said=said, status=status, feed="ehr"))
    for number in range(chance.randint(0, 8)):
        day = date.fromisoformat(MONDAY) + timedelta(days=chance.randint(0, 70))
        found.append(coded(chance.choice(CODES), str(day), place=f"FT1[{number + 1}]", line=f"charge|{number}"))
    for number in range(chance.randint(0, 6)):
        day = date.fromisoformat(MONDAY) + timedelta(days=chance.randint(0, 20))
        facts = {"state": chance.choice(["booked", "cancelled", "no-show"]), "expects": "fraction"}
        found.append(report("appointment", f"{day}T09:00", course="", line=f"appointment|{number}", **facts))
    chance.shuffle(found)
    return found


def answered(record: PersonRecord, at: House, chance: random.Random) -> PersonRecord:
    """The record after each claim went out and was paid, denied, lost, or stayed."""
    for claim in of_state(record, ClaimState.READY):
        fate = chance.choice(["paid", "denied", "lost", "stays"])
        if fate == "stays":
            continue
        news = [SubmissionNews(claim.claim.id, ClaimEvent.SEND, "sent")]
        if fate != "lost":
            taken = {1: [("CO", "197", claim.claim.lines[0].amount)]} if fate == "denied" else {}
            answer = adjudication(claim, adjustments=taken)
            news.append(SubmissionNews(claim.claim.id, ClaimEvent.ADJUDICATE, "200", answer))
        record = happened(record, at, moment(TODAY), *news)
    return record


@pytest.mark.parametrize("seed", range(25))
def test_every_report_charge_and_cent_is_in_one_row(seed: int) -> None:
    chance = random.Random(seed)
    at = clinic(chance)
    record = fed(events_of(chance), at, moment("2026-05-20"))
    record = answered(step(record, [], at, moment(TODAY)), at, chance)
    if chance.random() < 0.3:
        late = fraction("2026-03-25T09:00", None, uid="2.25.9", line="late")
        record = fed([late], at, moment(TODAY), record)
    share = shared(record, at, TODAY)
    check_once(record, share)
    check_sums(record, share)
    check_agrees(share)


def check_once(record: PersonRecord, share: Share) -> None:
    ids = Counter(id for row in share.rows for id in row.events)
    assert set(ids.values()) <= {1}
    latest = {(e.kind, e.line): e for e in sorted(record.events, key=lambda e: (e.said, e.source, e.id))}
    for event in latest.values():
        if event.role.value in ("service", "coded") and event.status is Status.DONE:
            assert ids[event.id] == 1, (event.kind, event.day)
    charges = Counter(id for row in share.rows for id in row.charges)
    assert charges == Counter(c.id for c in record.charges if c.status.value != "void")
    assert len({row.id for row in share.rows}) == len(share.rows)


def check_sums(record: PersonRecord, share: Share) -> None:
    money = sum((row.money for row in share.rows), RowMoney())
    books: Counter[str] = Counter()
    for entry in record.entries:
        for line in entry.lines:
            books[line.account.value] += line.amount
    assert (money.billed, money.paid, money.open) == (
        -books["charges"],
        books["payer-payment"],
        books["receivable"],
    )
    assert (money.denied, money.contractual, money.patient) == (
        books["denied"],
        books["contractual"],
        books["patient-responsibility"],
    )
    due = (c.charge.amount for c in record.charges if c.status.value in ("due", "claimed"))
    assert money.unbilled == sum(due)
    assert share.elsewhere == Money()


def check_agrees(share: Share) -> None:
    """A stage that is not reached has its difference, and an open difference stops its stage."""
    for row in share.rows:
        assert tuple(mark.stage for mark in row.stages) == STAGES
        stopped = {mark.stage for mark in row.stages if mark.mark is Mark.NO}
        assert {d.stage for d in row.open if d.name != "waiting"} >= stopped - {
            row.stages[0].stage,
            row.stages[1].stage,
        }
        assert all(difference.days >= 0 for difference in row.differences)
        assert all(d.standing is not Standing.CLOSED for d in row.open)
    assert all(one.row for one in share.detections if one.about)
