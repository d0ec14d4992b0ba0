"""Promise P14 at size: after a journal of thousands of messages the fold gives the same records, byte for byte."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.model.record import PersonRecord
from adapters.payers import PayerClient
from adapters.pipeline import House
from adapters.pipeline.fold import fold
from adapters.pipeline.receive import receive_fhir, receive_v2
from adapters.serve.lanes import Lanes
from adapters.store import KeyRing, differences, open_store
from adapters.wiring import WalkedClock
from tests.model.clinic import rules
from tests.properties import telling
from tests.properties.telling import Message
from tests.soak import size

MESSAGES = size(2_000, 100_000)
EACH = 20
"""Messages a person."""
PAGE = 5_000


def said(who: int) -> list[Message]:
    """What is said of one patient: sessions by one channel or both, corrected and taken back, coded charges."""
    dice = random.Random(who)
    place = dice.choice(("freestanding", "hospital"))
    found = [telling.registration.__wrapped__(place, who)]
    while len(found) < EACH:
        n, version = dice.randrange(10), dice.randrange(4)
        told = {"version": version, "technique": dice.choice(("3d", "imrt")), "isocenters": dice.choice((1, 1, 2))}
        match dice.randrange(8):
            case 0:
                found.append(telling.twin.__wrapped__(place, who, n, **told))
            case 1:
                found.append(telling.session.__wrapped__(place, who, n, done=False, **told))
            case 2:
                kind = dice.choice(("CG", "CG", "CR"))
                found.append(telling.coded.__wrapped__(place, who, n, "77300", version=version, kind=kind))
            case 3:
                found.append(telling.visit.__wrapped__(place, who, n))
            case 4:
                until = dice.choice((None, n))
                found.append(telling.registration.__wrapped__(place, who, version=version + 1, until=until))
            case _:
                found.append(telling.session.__wrapped__(place, who, n, **told))
    return found


@pytest.mark.slow
@pytest.mark.timeout(12 * 3600)
def test_a_long_journal_folds_to_the_same_bytes(tmp_path: Path) -> None:
    dice = random.Random(14)
    clock = WalkedClock(telling.local(telling.FIRST_DAY, 12))
    site = telling.clinic()
    house = House.of(rules(), site)
    messages = [message for who in range(MESSAGES // EACH) for message in said(who)]
    dice.shuffle(messages)
    begin = time.monotonic()
    with (
        open_store(f"sqlite:///{tmp_path}/long.db", KeyRing.ephemeral("long"), clock, create=True) as store,
        PayerClient() as payers,
    ):
        lanes = Lanes(store, house, payers, clock)
        while messages:
            now = clock.now()
            for message in (messages.pop() for _ in range(min(len(messages), dice.randint(1, 60)))):
                if message.feed == "ehr":
                    intake = receive_fhir(message.wire, feed="ehr", path_type="Bundle", method="POST", now=now)
                else:
                    intake = receive_v2(message.wire, listener=message.feed, peer="", site=site, now=now, ack_id="A")
                assert intake.receipt is not None
                store.receive_soon(intake.receipt)
            lanes.work() if dice.random() < 0.8 else lanes.run_due()
            clock.walk(clock.now() + timedelta(minutes=dice.randint(1, 600)))
        lanes.run_due()
        worked = time.monotonic() - begin
        assert not store.parked()
        assert store.counts().by_kind["message"] <= MESSAGES

        def journal():
            after = 0
            while page := store.journal(after, PAGE):
                yield from page
                after = page[-1].seq

        begin = time.monotonic()
        again = fold(journal(), house, store.person)
        found = [line for p in store.lanes() for line in differences(store.load(p), again.get(p))]
        print(f"{MESSAGES} messages worked in {worked:.0f} s, folded in {time.monotonic() - begin:.0f} s")
        assert len(again) == MESSAGES // EACH
        assert sum(len(record.charges) for record in again.values()) > MESSAGES // 5
        assert not found
        # The comparison sees a difference where there is one.
        (person, record), *_ = again.items()
        assert [*differences(store.load(person), PersonRecord(person, record.identifiers))]
        assert store.seal(clock.now()) > 0
        assert store.verify() == ()
