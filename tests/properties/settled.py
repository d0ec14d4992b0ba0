"""What must hold when everything has settled: services, claims, books, ledger, journal and store, one against the other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from adapters.model import money
from adapters.model.claim import ClaimOnFile, ClaimState
from adapters.model.ledger import Account
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.pipeline.fold import fold
from adapters.store import codec, differences
from fhir_server_stub.books import Account as Filed
from tests.properties.invariants import billed_once, every_cent_is_somewhere, slots_owed_once
from tests.properties.oracle import ALL, Owed, Service, owed

if TYPE_CHECKING:
    from tests.properties.simulation import World

OPEN = frozenset({ClaimState.UNKNOWN, ClaimState.ACCEPTED, ClaimState.QUEUED})
"""States in which the payer's answer is still wanted."""
_EVERY = 100_000
_SIDES = {
    "paid": Account.PAYER_PAYMENT,
    "contractual": Account.CONTRACTUAL,
    "patient": Account.PATIENT_RESPONSIBILITY,
    "denied": Account.DENIED,
}


def records(world: World) -> list[PersonRecord]:
    """Everything on file, lane by lane."""
    return [world.store.load(person) for person in world.store.lanes()]


def patient(record: PersonRecord) -> int:
    """The number of the patient whose record it is."""
    return int(record.identifiers[0].value.removeprefix("MR")) - 500_100


def waits(world: World, claim: ClaimOnFile) -> bool:
    """Whether nothing but a person can find out what became of the claim: its payer answers no question."""
    kind = world.offices[f"{claim.claim.payer.id}.example"].kind
    return claim.state in OPEN and kind == "nothing"


def moving(world: World) -> bool:
    """Whether time alone still changes something: what only a person can find out was said to one already."""
    for record in records(world):
        items = {item.about for item in record.work if item.closed is None}
        for due in record.due:
            claim = record.claim(due.about)
            if due.what == "claim" or (claim and not (waits(world, claim) and claim.claim.id in items)):
                return True
    return False


def problems(world: World) -> Iterator[str]:
    """Everything that is not as it must be."""
    everything = records(world)
    yield from _messages(world)
    yield from _records(everything)
    yield from _services(world, everything)
    yield from _claims(world, everything)
    for host, office in world.offices.items():
        yield from _books(host.partition(".")[0], office.stub.books.accounts, everything)
        if office.stub.books.doubles():
            yield f"{host}: {len(office.stub.books.doubles())} claims are there twice"
    yield from _store(world, everything)


def _messages(world: World) -> Iterator[str]:
    sent = {message.id for _, message in world.plan.messages}
    if sent - set(world.acknowledged):
        yield f"{len(sent - set(world.acknowledged))} messages were never acknowledged"
    counts = world.store.counts()
    if world.store.unread(1) or world.store.parked():
        yield f"messages are unread or parked: {counts}"
    entries = [entry for entry in world.store.journal(limit=_EVERY) if entry.kind.value == "message"]
    bodies = Counter(entry.body for entry in entries)
    wires = {message.wire for _, message in world.plan.messages}
    if set(bodies) != wires or max(bodies.values()) > 1:
        yield "the journal does not hold every message once"


def _records(everything: list[PersonRecord]) -> Iterator[str]:
    for record in everything:
        for check in (slots_owed_once, billed_once, every_cent_is_somewhere):
            try:
                check(record)
            except AssertionError as wrong:
                yield f"{check.__name__}: {str(wrong)[:300]}"


def _services(world: World, everything: list[PersonRecord]) -> Iterator[str]:
    """What is on file is what was said; and what the payers hold is what is on file, each service once."""
    says: Owed = owed((message for _, message in world.plan.messages), world.plan.setting)
    due: Counter[tuple[Service, str]] = Counter()
    held: Counter[Service] = Counter()
    for record in everything:
        who = patient(record)
        for c in record.charges:
            if c.status is not ChargeStatus.VOID and c.charge.code in ALL:
                service = Service(who, c.charge.code, c.charge.start, c.charge.entity, c.charge.units)
                due[service, c.charge.coverage.split("|")[0]] += 1
        for h in record.holds:
            if h.would is not None and h.would.code in ALL and not h.instead_of:
                held[Service(who, h.would.code, h.would.start, h.would.entity, h.would.units)] += 1
    if due != says.due or held != says.held:
        yield f"owed and not on file: {says.due - due}, on file and not owed: {due - says.due}, held: {held}"
    for name in ("first", "second"):
        yield from _billed(world, name, everything)


def _billed(world: World, payer: str, everything: list[PersonRecord]) -> Iterator[str]:
    """Line by line: what the payer counts is what is charged, but for what waits for a person."""
    whose = {claim.claim.id: patient(record) for record in everything for claim in record.claims}
    there: Counter[tuple[object, ...]] = Counter()
    for account in world.offices[f"{payer}.example"].stub.books.accounts:
        if account.live:
            who = whose.get(account.claim.identifier.rpartition("|")[2])
            for line in account.claim.lines:
                there[who, line.code, line.day, int(line.quantity), money.cents(line.charge)] += 1
    waiting: Counter[tuple[object, ...]] = Counter()
    here: Counter[tuple[object, ...]] = Counter()
    for record in everything:
        concerned = {claim.claim.id for claim in record.claims if waits(world, claim)}
        concerned |= {claim.claim.replaces for claim in record.claims if waits(world, claim)} - {""}
        lines = [
            (claim.claim, line) for claim in record.claims if claim.claim.id in concerned for line in claim.claim.lines
        ]
        unsure = {charge for _, line in lines for charge in line.charges}
        for claim, line in lines:
            if claim.payer.id == payer:
                waiting[patient(record), line.code, line.start, line.units, line.amount] += 1
        for c in record.charges:
            if c.status is ChargeStatus.VOID or c.charge.coverage.split("|")[0] != payer:
                continue
            key = (patient(record), c.charge.code, c.charge.start, c.charge.units)
            (waiting if c.id in unsure else here)[*key, c.charge.amount] += 1
    if here - there:
        yield f"{payer}: charged and not with the payer: {here - there}"
    if (there - here) - waiting:
        yield f"{payer}: with the payer and not charged: {(there - here) - waiting}"


def _claims(world: World, everything: list[PersonRecord]) -> Iterator[str]:
    """No claim is unheard of, but those that wait for a person: each has its open item, and left once at most."""
    for record in everything:
        items = {item.about for item in record.work if item.closed is None}
        for claim in record.claims:
            office = world.offices[f"{claim.claim.payer.id}.example"]
            if claim.state in OPEN and not waits(world, claim):
                yield f"claim {claim.claim.id} of a {office.kind} payer is {claim.state.value} for ever"
            if claim.state is ClaimState.READY or claim.state in (ClaimState.REFUSED, ClaimState.ERROR):
                yield f"claim {claim.claim.id} of a {office.kind} payer is {claim.state.value} in the end"
            if waits(world, claim) and claim.claim.id not in items:
                yield f"claim {claim.claim.id} waits for a person, and nobody is told"
            if office.kind in ("search", "nothing") and office.arrivals[claim.claim.id] > 1:
                yield f"claim {claim.claim.id} was sent {office.arrivals[claim.claim.id]} times to a {office.kind} payer"


def _books(payer: str, accounts: list[Filed], everything: list[PersonRecord]) -> Iterator[str]:
    """Ledger against books, claim by claim and line by line, where the payer has decided and we were told."""
    ours: dict[tuple[str, int], Counter[Account]] = defaultdict(Counter)
    states: dict[str, ClaimState] = {}
    for record in everything:
        states |= {claim.claim.id: claim.state for claim in record.claims if claim.claim.payer.id == payer}
        for entry in record.entries:
            for side in entry.lines:
                ours[side.claim, side.line or 0][side.account] += side.amount
    unheard = {c.claim.replaces for record in everything for c in record.claims if c.state in OPEN}
    told = {id for id, state in states.items() if state not in OPEN} - unheard
    theirs: dict[tuple[str, int], Counter[Account]] = defaultdict(Counter)
    for account in accounts:
        identifier = account.claim.identifier.rpartition("|")[2]
        if identifier not in states:
            yield f"{payer}: the payer has a claim that is not on file"
        if not account.live or account.claim.frequency == "8" or identifier not in told:
            continue
        for result in account.lines:
            denied = result.denied
            patient_share = Decimal(0) if denied else result.of("PR")
            sums = {
                "paid": result.paid,
                "contractual": Decimal(0) if denied else result.line.charge - result.paid - patient_share,
                "patient": patient_share,
                "denied": result.line.charge if denied else Decimal(0),
            }
            for name, amount in sums.items():
                theirs[identifier, result.line.sequence][_SIDES[name]] += money.cents(amount)
    for key in sorted({*ours, *theirs}):
        if key[0] not in told:
            continue
        for name, side in _SIDES.items():
            if ours[key][side] != theirs[key][side]:
                yield f"claim {key[0]} line {key[1]}: {name} is {ours[key][side]} here, {theirs[key][side]} there"


def _store(world: World, everything: list[PersonRecord]) -> Iterator[str]:
    yield from world.store.verify()
    if sum(world.store.trial_balance().values()):
        yield "the trial balance is not zero"
    again = fold(world.store.journal(limit=_EVERY), world.house, world.store.person)
    for record in everything:
        yield from differences(record, again.get(record.person))


def billed(world: World) -> Counter[tuple[object, ...]]:
    """Lines that count at the payers, without anything that says when."""
    return Counter(
        (host, line.code, line.day, int(line.quantity), money.cents(line.charge))
        for host, office in world.offices.items()
        for account in office.stub.books.accounts
        if account.live
        for line in account.claim.lines
    )


def spelled(world: World) -> Iterator[str]:
    """Everything on file and in the books in the end, for the trace."""
    for record in records(world):
        for part in (record.charges, record.holds, record.claims, record.entries, record.remittances, record.work):
            for one in part:
                yield codec.encode(one).hex()
    for office in world.offices.values():
        yield str(office.stub.books.as_json())
