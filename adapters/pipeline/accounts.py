"""The patient's account, and the items of money that somebody must look at: credits, and payments told and not posted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from adapters.claims import next_payers
from adapters.context import PersonContexts
from adapters.model.claim import ClaimOnFile, ClaimState
from adapters.model.event import Event
from adapters.model.money import Cents, cents
from adapters.model.record import ChargeStatus, PersonRecord, Tick
from adapters.model.work import WorkItem, open_item
from adapters.pipeline.decided import deciding
from adapters.pipeline.undecided import undecided
from adapters.posting.patient import UNPOSTED, PatientAccount, account_of_patient, paid_by_payers, unposted
from adapters.rules import Decision, Ruleset

CREDIT: Final = "credit-balance"
TOLD: Final = "payment-told"
"""Kind of an item about a payment that a feed told of and that is not posted."""
_DOUBTS: Final = {
    "note": "its feed only notes what was paid",
    "insurance": "it names an insurance",
    "number": "it has no number, so that the same told again would be posted twice",
}
UNSENT: Final = frozenset({ClaimState.BUILT, ClaimState.HELD, ClaimState.READY})
AWAITING: Final = frozenset({ClaimState.UNKNOWN, ClaimState.ACCEPTED, ClaimState.QUEUED})
RETURNED_UNREAD: Final = frozenset({ClaimState.REFUSED, ClaimState.ERROR})


def account(record: PersonRecord, contexts: PersonContexts) -> PatientAccount:
    """The patient's account, with the claims whose payers have not all decided."""
    return account_of_patient(record.entries, sorted(_awaited(record, contexts)))


def _awaited(record: PersonRecord, contexts: PersonContexts) -> set[str]:
    """First payers' claims of whose lines some payer's decision is still to come, or is here and waits for a person."""
    found: set[str] = set()
    came_back = {i.about for i in record.work if i.kind == "refused-claim" and i.closed is None}
    waiting = undecided(record, contexts)
    for on_file in record.claims:
        claim = on_file.claim
        first = claim.follows or claim.id
        waits = on_file.state in AWAITING or claim.id in waiting
        unsent = on_file.state in UNSENT or claim.id in came_back
        if waits or (unsent and (claim.sequence > 1 or claim.replaces)):
            found |= {first, claim.replaces} - {""}
    for one in next_payers(record.claims, deciding(record, contexts), record.entries, contexts):
        if one.forwarded:
            found.add(one.claim.claim.follows or one.claim.claim.id)
    return found


def _unbilled(record: PersonRecord) -> bool:
    """Whether something is due that no payer has been asked for yet."""
    waiting = (ChargeStatus.DUE, ChargeStatus.CLAIMED)
    return any(c.status in waiting for c in record.charges) or any(
        c.state in UNSENT | RETURNED_UNREAD and c.claim.sequence == 1 for c in record.claims
    )


def credit_items(
    record: PersonRecord, wanted: Mapping[str, Event], contexts: PersonContexts, rules: Ruleset, tick: Tick
) -> Iterable[WorkItem]:
    """Money that is somebody else's: of payers who paid what was not due, of a patient who paid more than was left."""
    for on_file in record.claims:
        said = wanted.get(on_file.claim.id)
        amount = paid_by_payers(record.entries, on_file.claim.id)
        if said is not None and amount > 0:
            yield _credit(record, on_file, "payer", amount, said.day, said.value("reason"), contexts, rules, tick)
    known = account(record, contexts)
    for on_file in record.claims:
        over = -known.shares.get(on_file.claim.id, 0)
        if over > 0 and on_file.claim.id not in wanted:
            payer = _last_payer(record, on_file)
            opened = next((i.opened for i in record.work if i.kind == CREDIT and i.about == payer.claim.id), tick.now)
            since = opened.astimezone(ZoneInfo(contexts.site.zone)).date()
            yield _credit(record, payer, "payer", over, since, "paid beyond what was left", contexts, rules, tick)
    if known.credit and not _unbilled(record) and record.claims:
        mine = [c for c in record.claims if c.claim.sequence == 1 and c.claim.id in known.shares] or list(record.claims)
        detail = "paid more than all payers left"
        yield _credit(record, mine[-1], "patient", known.credit, tick.today, detail, contexts, rules, tick)


def _last_payer(record: PersonRecord, on_file: ClaimOnFile) -> ClaimOnFile:
    """The claim of the payer that answered last about these lines."""
    later = [c for c in record.claims if c.claim.follows == on_file.claim.id and c.state is ClaimState.COMPLETE]
    return later[-1] if later else on_file


def _credit(
    record: PersonRecord,
    on_file: ClaimOnFile,
    whose: str,
    amount: Cents,
    known_on: date,
    detail: str,
    contexts: PersonContexts,
    rules: Ruleset,
    tick: Tick,
) -> WorkItem:
    payer = contexts.site.payer(on_file.claim.payer.id)
    facts = {"whose": whose, "payer.kind": payer.kind if payer else ""}
    decision = rules.decide("credits", known_on, facts)
    values = decision.values if isinstance(decision, Decision) else {"action": "review", "days": "0"}
    days = int(values["days"])
    return open_item(
        CREDIT,
        whose,
        on_file.claim.id,
        category="credit",
        action=values["action"],
        opened=tick.now,
        amount=amount,
        due=known_on + timedelta(days=days) if days else None,
        person=record.person,
        detail=detail,
    )


def told_payments(record: PersonRecord, events: Iterable[Event], tick: Tick) -> Iterable[WorkItem]:
    """An item for each payment that a feed told of and that is not posted, with its amount."""
    for event in unposted(events):
        yield open_item(
            TOLD,
            event.value(UNPOSTED),
            event.line,
            category="posting",
            action="where the patient paid it, enter the payment by hand; then close this item",
            opened=tick.now,
            amount=abs(cents(Decimal(event.value("amount") or "0"))),
            person=record.person,
            detail=f"a payment of {event.day.isoformat()} is not posted: {_DOUBTS[event.value(UNPOSTED)]}",
        )
