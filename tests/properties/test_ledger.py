"""The ledger under random answers, reversals and corrections: no cent over, the same answer posts once in any order."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.model.claim import ClaimEvent, ClaimOnFile
from adapters.model.ledger import Account, Entry
from adapters.model.money import Cents
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import PersonRecord, SubmissionNews, Tick
from adapters.model.remittance import Adjustment, Payment, ProviderAdjustment, Remittance, RemittanceLine
from adapters.pipeline.life import with_news
from adapters.pipeline.payments import with_payment
from adapters.store import KeyRing, open_store
from adapters.wiring import WalkedClock
from tests.model.clinic import adjudication, background, fed, house, moment, sent, sessions
from tests.soak import seed, size

AT = house("freestanding")
NOW = moment("2026-02-02")
E = ClaimEvent
POSTINGS = size(20_000, 1_000_000)
"""Answers folded into records, each a step of a claim's life; bare postings at size are in `test_money`."""
STORED = size(1_000, 100_000)
GROUPS = ("CO", "PR", "OA", "PI")
REASONS = ("45", "1", "2", "3", "97", "197", "23", "18", "133", "253", "50", "9999")


def a_claim_out() -> PersonRecord:
    return sent(fed([*background(), *sessions("2026-01-05", 3)], AT, NOW), AT, NOW)


def decided(dice: random.Random, on_file: ClaimOnFile, n: int) -> Remittance:
    """An adjudication that balances."""
    taken: dict[int, list[tuple[str, str, Cents]]] = {}
    for line in on_file.claim.lines:
        left = line.amount
        for _ in range(dice.randint(0, 3)):
            amount = dice.choice((left, dice.randint(0, left)))
            taken.setdefault(line.line, []).append((dice.choice(GROUPS), dice.choice(REASONS), amount))
            left -= amount
    return adjudication(on_file, adjustments=taken, id=f"era-{n}", number=f"ICN-{n}")


def back(answer: Remittance, n: int) -> Remittance:
    """What takes it back."""
    lines = tuple(_negated(line) for line in answer.lines)
    return replace(
        answer, id=f"back-{n}", lines=lines, charge=-(answer.charge or 0), paid=-(answer.paid or 0), reversal=True
    )


def _negated(line: RemittanceLine) -> RemittanceLine:
    adjustments = tuple(Adjustment(a.group, a.reason, -a.amount, a.remarks) for a in line.adjustments)
    return replace(line, charge=-line.charge, paid=-line.paid, adjustments=adjustments)


def told(record: PersonRecord, answers: Sequence[Remittance]) -> PersonRecord:
    for answer in answers:
        news = SubmissionNews(record.claims[0].claim.id, E.ADJUDICATE, "200", answer)
        record = with_news(record, news, AT.rules, AT.site, NOW)
    return record


def sums(entries: Sequence[Entry]) -> dict[tuple[int | None, Account], Cents]:
    found: dict[tuple[int | None, Account], Cents] = defaultdict(int)
    for entry in entries:
        for side in entry.lines:
            found[side.line, side.account] += side.amount
    return {key: amount for key, amount in found.items() if amount}


def every_cent(record: PersonRecord) -> None:
    """Of each line all is billed, paid, given up, the patient's, refused or still owed; and nothing else is there."""
    found = sums(record.entries)
    for line in record.claims[0].claim.lines:
        sides = {account: amount for (number, account), amount in found.items() if number == line.line}
        assert sides.pop(Account.CHARGES) == -line.amount
        assert sum(sides.values()) == line.amount
        assert sum(side.amount for entry in record.entries for side in entry.lines) == 0


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_answers_reversals_and_corrections_never_leave_a_cent_over() -> None:
    """Adjudications, what takes them back, corrections, answers that are out, each possibly twice: the imbalance is nought."""
    dice = random.Random(seed())
    origin = a_claim_out()
    folded = parked = reversals = 0
    while folded < POSTINGS:
        record, sayings = origin, []
        for n in range(dice.randint(1, 5)):
            answer = decided(dice, origin.claims[0], n)
            sayings.append(answer)
            if dice.random() < 0.4:
                sayings.append(back(answer, n))
                reversals += 1
            if dice.random() < 0.2:
                first, *rest = answer.lines
                sayings.append(replace(answer, id=f"bad-{n}", lines=(replace(first, paid=first.paid + 1), *rest)))
                parked += 1
            if dice.random() < 0.3:
                sayings.append(dice.choice(sayings))
        record = told(origin, sayings)
        folded += len(sayings)
        every_cent(record)
        again = told(record, [dice.choice(sayings) for _ in range(3)])
        good = {answer.id for answer in sayings if not answer.id.startswith("bad")}
        assert {r.id for r in record.remittances} == good
        assert again.entries == record.entries
        assert len({entry.id for entry in record.entries}) == len(record.entries)
    print(f"{folded} answers folded, {reversals} reversals, {parked} out of balance, imbalance 0")
    assert parked
    assert reversals > folded // 20


def test_the_same_answers_in_any_order_post_once() -> None:
    """Answers that stand alone: of different claims' lines nothing depends on the order, and each twice is once."""
    dice = random.Random(7)
    origin = a_claim_out()
    first = decided(dice, origin.claims[0], 1)
    taken, better = back(first, 1), decided(dice, origin.claims[0], 2)
    expected = sums(told(origin, [first, taken, better]).entries)
    for _ in range(50):
        sayings = [first, taken, better]
        for one in (first, taken, better):
            # A copy may come anywhere after the first of it.
            sayings.insert(dice.randint(sayings.index(one) + 1, len(sayings)), one)
        assert sums(told(origin, sayings).entries) == expected
    # The correction may overtake what takes the first answer back.
    assert sums(told(origin, [first, better, taken]).entries) == expected


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_postings_on_disk_never_leave_a_cent_over(tmp_path: Path) -> None:
    """Answers and payments through the store, a record each: the database's own trial balance is nought at any instant."""
    dice = random.Random(seed())
    clock = WalkedClock(datetime(2026, 2, 2, 20, tzinfo=UTC))
    origin = a_claim_out()
    paid = posted = 0
    with open_store(f"sqlite:///{tmp_path / 'a.db'}", KeyRing.generate(tmp_path / "k"), clock, create=True) as store:
        payer = store.person(PersonHint((Identifier("payer", "first"),)), "remittance")
        while posted < STORED:
            lane = store.person(PersonHint((Identifier("mrn", f"{posted}"),)), "feed")
            claim = replace(origin.claims[0], claim=replace(origin.claims[0].claim, id=f"claim-{posted}", person=lane))
            before = store.load(lane)
            after = replace(before, claims=(claim,))
            for n in range(dice.randint(1, 4)):
                answer = decided(dice, claim, n)
                sayings = [answer, back(answer, n)] if dice.random() < 0.3 else [answer]
                after = told(after, [replace(one, id=f"{one.id}|{claim.claim.id}") for one in sayings])
                posted += len(sayings)
                paid += sum(one.paid or 0 for one in sayings)
            store.save(before, after, tick=clock.now())
            every_cent(store.load(lane))
            if dice.random() < 0.05:
                mine = store.load(payer)
                amount = dice.randint(1, 10_000)
                one = Payment(f"EFT-{posted}", "first", amount, (), (ProviderAdjustment("L6", -amount),))
                store.save(mine, with_payment(mine, one, AT.rules, Tick(clock.now(), NOW.today)), tick=clock.now())
            clock.walk(clock.now() + timedelta(minutes=7))
        now = store.trial_balance_at(clock.now() + timedelta(days=1))
        assert now == {account: amount for account, amount in store.trial_balance().items() if amount}
        assert sum(now.values()) == 0
        half = store.trial_balance_at(NOW.now + (clock.now() - NOW.now) / 2)
        assert sum(half.values()) == 0
        assert store.verify(unsealed=True) == ()
    print(f"{posted} answers on disk, imbalance 0")
