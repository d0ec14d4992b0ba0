"""The small clinic with claims, answers, denials and a parked message on file; its patient's name is hostile to HTML."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from adapters.model.charge import Charge, Component, Slot
from adapters.model.claim import Claim, ClaimLine, ClaimOnFile, ClaimState, ClaimType, Party
from adapters.model.ledger import Account, Entry, EntryLine
from adapters.model.record import ChargeOnFile, ChargeStatus
from adapters.model.remittance import Adjustment, Remittance, RemittanceLine
from adapters.model.remittance import Decision as Answer
from adapters.model.why import Fact, RuleRef, Source, Why
from adapters.model.work import open_item
from adapters.pipeline.receive import receive_v2
from tests.pages.clinic import NOW, Clinic, clinic
from tests.serve.conftest import FAMILY, MRN, dft

DENIED = "11111111-1111-4111-8111-111111111111"
UNSENT = "22222222-2222-4222-8222-222222222222"
CHARGE = "33333333-3333-4333-8333-333333333333"
ENTRY = "posted|a payer's words <1>"
"""An id that holds what a payer wrote: it may stand in no address."""
NUMBER = "PAYNO-4711"
HOSTILE = '<script>alert("x")</script>=1+1'
ADDRESS = "CNRY-STREET"


def lane(made: Clinic) -> str:
    """The lane of the one person on file."""
    (found,) = [one for one in made.store.lanes() if made.store.load(one).identifiers]
    return found


def message_of(made: Clinic, control: str) -> str:
    """The journal id of a message."""
    (line,) = made.store.numbered(control, 5)
    return line.id


def take(made: Clinic, body: bytes, number: str) -> None:
    """Take a message as from the wire, and work it."""
    taken = receive_v2(body, listener="http", peer="", site=made.site, now=made.clock.at, ack_id=number)
    assert taken.receipt is not None
    made.store.receive(taken.receipt)
    made.lanes.work()


def filled() -> Clinic:
    """A clinic with a coded charge from a message, a parked message, a denied claim and one that was not sent."""
    made = clinic()
    take(made, dft("C1"), "A1")
    take(made, dft("BAD1", mrn=""), "A2")
    person = lane(made)
    before = made.store.load(person)
    charge = _charge(person, message_of(made, "C1"))
    denied, unsent = _claim(DENIED, person), _claim(UNSENT, person, built=date(2026, 1, 16))
    billed = Entry(
        "44444444-4444-4444-8444-444444444444",
        NOW,
        f"claim:{DENIED}",
        (EntryLine(Account.RECEIVABLE, 25000, DENIED, 1), EntryLine(Account.CHARGES, -25000, DENIED, 1)),
    )
    posted = Entry(
        ENTRY,
        NOW,
        "remittance:a payer's words <1>",
        (EntryLine(Account.DENIED, 25000, DENIED, 1), EntryLine(Account.RECEIVABLE, -25000, DENIED, 1)),
    )
    answer = Remittance(
        "a payer's words <1>",
        DENIED,
        Answer.ADJUDICATED,
        payer_claim_number=NUMBER,
        lines=(RemittanceLine(1, 25000, 0, (Adjustment("CO", "50", 25000),)),),
        charge=25000,
        paid=0,
        message=message_of(made, "C1"),
    )
    item = open_item(
        "denial",
        "50",
        DENIED,
        category="medical-necessity",
        action="appeal",
        opened=NOW,
        amount=25000,
        due=date(2026, 1, 18),
        person=person,
        detail="not deemed necessary",
        which="1",
    )
    after = replace(
        before,
        charges=(*before.charges, ChargeOnFile(CHARGE, charge, ChargeStatus.SETTLED, DENIED, 1)),
        claims=(
            *before.claims,
            ClaimOnFile(denied, ClaimState.COMPLETE, "denied", NUMBER, "2026-01-13T12:00:00+00:00"),
            ClaimOnFile(unsent, ClaimState.READY, deadline=date(2026, 3, 1)),
        ),
        remittances=(*before.remittances, answer),
        entries=(*before.entries, billed, posted),
        work=(*before.work, item),
    )
    made.store.save(before, after, tick=NOW)
    return made


def _charge(person: str, message: str) -> Charge:
    source = Source(message, "FT1[1]-25")
    ref = RuleRef("delivery", "charges/delivery.toml", date(2026, 1, 1), "d1ge57" * 8, "a clause of the facts")
    why = Why(ref, (Fact("event", "fraction on 2026-01-05", source), Fact("technique", "3d", source)))
    return Charge(
        slot=Slot(f"{person}/C1", "delivery", "uid:2.25.1", "center:global"),
        code="77407",
        modifiers=(),
        units=1,
        price=Decimal("250.00"),
        start=date(2026, 1, 5),
        end=date(2026, 1, 5),
        diagnoses=("C61",),
        component=Component.GLOBAL,
        entity="center",
        why=why,
    )


def _claim(id: str, person: str, built: date = date(2026, 1, 12)) -> Claim:
    line = ClaimLine(
        1, (CHARGE,), "77407", (), 1, date(2026, 1, 5), date(2026, 1, 5), 25000, (1,), "global", narrative=ADDRESS
    )
    party = Party("center", "Quiet Bay Center", "1999999984")
    return Claim(
        id=id,
        type=ClaimType.PROFESSIONAL,
        person=person,
        patient_identifier=MRN,
        entity=party,
        payer=Party("lakeside", "Lakeside Mutual"),
        coverage="cov",
        member="MEM0042",
        lines=(line,),
        diagnoses=("C61",),
        built_on=built,
        facility=party,
        cycle="2026:2026-W02",
        family=FAMILY,
        given=HOSTILE,
    )
