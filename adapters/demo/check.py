"""Does our end agree with theirs? The payer's books against our ledger, the EHR's list against our outcomes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from adapters.demo.day import Day
from adapters.model import money
from adapters.model.ledger import Account
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.model.why import Why
from adapters.pipeline.fold import fold
from adapters.store import differences
from adapters.wiring import Wired

COUNTED = {"management": 3, "physics": 0}
"""Services counted by fives of sessions → fewest sessions left at the end that earn one more unit (0: never)."""
_ONE_PART = frozenset({"delivery", "planning", "visit", "physics"})
"""Services that one side alone bills in a hospital; of every other both the hospital and the physicians have a part."""


EVERY = 100_000
"""More journal entries than any day of the demo has."""


class Ended(Protocol):
    """What a play left behind: the store, the records in it, and the payer's own ledger."""

    @property
    def wired(self) -> Wired: ...

    @property
    def records(self) -> tuple[PersonRecord, ...]: ...

    @property
    def books(self) -> dict[str, Any]: ...


def problems(day: Day) -> tuple[str, ...]:
    """Everything in which the two sides differ; empty when the day ended well."""
    return (*_unacknowledged(day), *_outcomes_against_truth(day), *money_problems(day))


def money_problems(ended: Ended) -> tuple[str, ...]:
    """Where ledger and books differ, where a balance does not balance, where the journal gives another record."""
    return (*ledger_against_books(ended), *_balances(ended), *_folded(ended))


def _unacknowledged(day: Day) -> Iterable[str]:
    refused = [sent for sent in day.sent if not sent.accepted]
    if refused:
        yield f"{len(refused)} of {len(day.sent)} messages were not taken"
    if waiting := day.wired.store.parked():
        yield f"{len(waiting)} messages are parked"


_SIDES = {
    "paid": Account.PAYER_PAYMENT,
    "contractual": Account.CONTRACTUAL,
    "patient": Account.PATIENT_RESPONSIBILITY,
    "denied": Account.DENIED,
}


def ledger_against_books(day: Ended) -> Iterable[str]:
    """Claim by claim and line by line: what the payer booked is what we posted."""
    ours: dict[tuple[str, int], Counter[Account]] = defaultdict(Counter)
    for record in day.records:
        for entry in record.entries:
            for side in entry.lines:
                ours[side.claim, side.line or 0][side.account] += side.amount
    theirs: dict[tuple[str, int], Counter[Account]] = defaultdict(Counter)
    for account in day.books["claims"]:
        if not account["live"] or account["frequency"] == "8":
            continue
        identifier = account["identifier"].rpartition("|")[2]
        for line in account["lines"]:
            for name, account_of in _SIDES.items():
                theirs[identifier, line["sequence"]][account_of] += money.cents(Decimal(line[name]))
    for key in sorted({*ours, *theirs}):
        for name, account_of in _SIDES.items():
            mine, their = ours[key][account_of], theirs[key][account_of]
            if mine != their:
                yield f"claim {key[0]} line {key[1]}: {name} is {money.text(mine)} here and {money.text(their)} there"
    if day.books["doubles"]:
        yield f"{len(day.books['doubles'])} claims are with the payer twice"
    for identifier, live in day.books["live"].items():
        if live > 1:
            yield f"claim {identifier} is live {live} times at the payer"


def _outcomes_against_truth(day: Day) -> Iterable[str]:
    """Each delivered service has exactly one outcome for each part that somebody bills, and nothing else is charged."""
    outcomes = _outcomes(day.records)
    for delivered in day.story.delivered:
        found = outcomes.get(_key(delivered.service, delivered.key), [])
        if not found:
            yield f"{delivered.service} of {delivered.day} has no outcome"
        elif len({part for part, _ in found}) < _parts(day, delivered.service) and not _skipped(found):
            yield f"{delivered.service} of {delivered.day} lacks the outcome of a part"
        for part, times in Counter(part for part, _ in found).items():
            if times > 1:
                yield f"{delivered.service} of {delivered.day} has {times} outcomes for {part}"
    real = {_key(d.service, d.key) for d in day.story.delivered}
    for key, found in outcomes.items():
        if key[0] in ("delivery", "guidance") and key not in real and any(kind == "charge" for _, kind in found):
            yield f"a {key[0]} is charged that was never delivered"
    yield from _units(day)


def _parts(day: Day, service: str) -> int:
    """How many bill a part of the service: one, or hospital and physicians."""
    return 2 if day.story.setting == "hospital" and service not in _ONE_PART else 1


def _skipped(found: Iterable[tuple[str, str]]) -> bool:
    """Whether the service owes nothing by itself; that holds for all its parts."""
    return any(kind.startswith("skip") for _, kind in found)


def _units(day: Day) -> Iterable[str]:
    """Units by the count of delivered sessions (77427, 77336: fives; a course of less than five earns one)."""
    n = sum(d.service == "delivery" for d in day.story.delivered)
    slots = {
        slot
        for record in day.records
        for slot in (
            *(c.charge.slot for c in record.charges if c.status is not ChargeStatus.VOID),
            *(h.slot for h in record.holds),
        )
    }
    for service, tail in COUNTED.items():
        expected = min(n, 1) if n < 5 else n // 5 + (1 if tail and n % 5 >= tail else 0)
        made = {slot.key for slot in slots if slot.service == service}
        if len(made) != expected:
            yield f"{n} sessions earn {expected} {service} units, {len(made)} were found"


def _key(service: str, key: str) -> tuple[str, str]:
    return (service if service in ("delivery", "guidance") else "", key)


def _outcomes(records: Iterable[PersonRecord]) -> Mapping[tuple[str, str], list[tuple[str, str]]]:
    """(service, the EHR's own key) → [(part, kind of outcome)], by what the outcomes rest on."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for record in records:
        names = {
            (e.source.message, e.source.at): (e.id, e.kind, _names(e.line, e.value("uid"), e.value("visit")))
            for e in record.events
        }
        for charge in record.charges:
            if charge.status is not ChargeStatus.VOID:
                _note(found, names, charge.charge.slot.service, charge.charge.slot.part, "charge", charge.charge.why)
        for hold in record.holds:
            if not hold.instead_of:
                _note(found, names, hold.slot.service, hold.slot.part, "hold", hold.why)
        by_id = {id: (kind, keys) for id, kind, keys in names.values()}
        supporting = {name for key in found if not key[0] for name in [key[1]]}
        for skip in record.skips:
            kind, keys = by_id.get(skip.event, ("", frozenset()))
            if kind not in ("", "fraction") and skip.reason not in ("superseded", "duplicate-report"):
                for name in keys - supporting:
                    found["", name].append(("", f"skip {skip.reason}"))
    return found


def _names(line: str, uid: str, visit: str) -> frozenset[str]:
    """What the EHR calls the thing: the record UID of a session, else its transaction id or visit number."""
    return frozenset({uid} if uid else {line.rpartition("|")[2], visit} - {""})


def _note(
    found: dict[tuple[str, str], list[tuple[str, str]]],
    names: Mapping[tuple[str, str], tuple[str, str, frozenset[str]]],
    service: str,
    part: str,
    kind: str,
    why: Why,
) -> None:
    rests = {
        (name, event_kind)
        for fact in why.facts
        if fact.name == "event" and (fact.source.message, fact.source.at) in names
        for _, event_kind, keys in [names[fact.source.message, fact.source.at]]
        for name in keys
    }
    for name, event_kind in rests:
        if event_kind == "fraction":
            if service in ("delivery", "guidance"):
                found[service, name].append((part, kind))
        elif event_kind in ("on-treatment-visit", "physics-check"):
            if not found["", name]:
                found["", name].append(("evidence", kind))
        else:
            found["", name].append((part, kind))


def _folded(day: Ended) -> Iterable[str]:
    """State = fold(journal): every record made again from the journal alone, byte for byte."""
    again = fold(day.wired.store.journal(limit=EVERY), day.wired.house, day.wired.store.person)
    for record in day.records:
        yield from differences(record, again.get(record.person))


def _balances(day: Ended) -> Iterable[str]:
    total = sum(day.wired.store.trial_balance().values())
    if total:
        yield f"the trial balance is {money.text(total)}, not zero"
    for record in day.records:
        for claim in record.claims:
            for line in claim.claim.lines:
                yield from _line_balances(record, claim.claim.id, line.line, line.amount)


def _line_balances(record: PersonRecord, claim: str, line: int, charge: int) -> Iterable[str]:
    """charge = paid + given up + the patient's + denied + open, to the cent, for every billed line."""
    sides: Counter[Account] = Counter()
    for entry in record.entries:
        for side in entry.lines:
            if (side.claim, side.line) == (claim, line):
                sides[side.account] += side.amount
    billed = charge if sides[Account.CHARGES] else 0  # not posted yet, or taken back
    told = sum(sides[account] for account in _SIDES.values()) + sides[Account.RECEIVABLE]
    if told != billed:
        yield f"claim {claim} line {line}: {money.text(billed)} was billed and {money.text(told)} is accounted for"
