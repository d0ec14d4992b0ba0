"""What follows an answer: claims to later payers, cancels that a person wants, the patient's account and its credits
(`accounts`), and the questions that a change after sending leaves open. Functions from record to record, like the step itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from adapters.claims import (
    Correction,
    Patient,
    asked,
    changes,
    corrections,
    later_claims,
    next_payers,
    noted,
    option_of,
    way,
)
from adapters.claims.after import DAYS
from adapters.context import PersonContexts
from adapters.model.charge import Charge, Finding
from adapters.model.claim import Claim, ClaimOnFile, ClaimState
from adapters.model.decision import Verb
from adapters.model.event import Event
from adapters.model.record import ChargeOnFile, Due, PersonRecord, Tick
from adapters.model.why import Fact, RuleRef, Source, Why
from adapters.model.work import WorkItem, open_item
from adapters.pipeline.accounts import (
    AWAITING,
    CREDIT,
    RETURNED_UNREAD,
    TOLD,
    UNSENT,
    credit_items,
    told_payments,
)
from adapters.pipeline.decided import deciding
from adapters.pipeline.undecided import LATER_PAYER, TAKEN_BACK, undecided_items
from adapters.posting.patient import payment_entries
from adapters.rules import Decision, Ruleset
from adapters.work import Standing

WAITS: Final = "waits-for-answer"
"""Kind of an item that says that a correction waits for the payer's answer."""
REOPEN: Final = "reopen-claim"
FORWARDED: Final = "forwarded-claim"
QUESTION: Final = "changed-after-sending"
REJECTED: Final = "rejected"
"""The `hold` of a decision that sends a claim again which a payer returned unread."""
RETURNED: Final = "front-end-rejected"
"""Kind of the finding that a claim came back unread."""
OF_SENT: Final = frozenset({RETURNED, QUESTION})
"""Kinds of the findings of `remarks`."""
COLLECT: Final = "correct"
"""What falls due when changes of a sent claim have been collected long enough."""
_OWN: Final = frozenset({CREDIT, WAITS, REOPEN, FORWARDED, LATER_PAYER, TAKEN_BACK, TOLD})


def cancelled(stands: Standing) -> Mapping[str, Event]:
    """The claims that a person wants cancelled at their payer, with the decision."""
    return {one.value("mark"): one for one in stands.of(Verb.VOID)}


def sent_again(stands: Standing) -> frozenset[str]:
    """The returned claims that a person sends again as they are, each as a new original."""
    said = stands.of(Verb.RELEASE)
    return frozenset(one.value("mark") for one in said if one.value("hold") == REJECTED)


def to_bill(record: PersonRecord, stands: Standing) -> tuple[tuple[ChargeOnFile, ...], tuple[ClaimOnFile, ...]]:
    """The charges and claims from which first payers' claims are drawn up.

    Lines of a cancelled claim are not billed again; a returned claim that a person sends again no longer stands for its
    lines; claims to later payers stand for none.
    """
    wanted, again = cancelled(stands), sent_again(stands)
    gone = {id for c in record.claims if c.claim.id in wanted for line in c.claim.lines for id in line.charges}
    claims = tuple(c for c in _freed(record.claims, again) if c.claim.sequence == 1)
    return tuple(c for c in record.charges if c.id not in gone), claims


def _freed(claims: Iterable[ClaimOnFile], again: frozenset[str]) -> tuple[ClaimOnFile, ...]:
    """The claims, with those that a person sends again as if they had never been sent."""
    return tuple(
        replace(c, state=ClaimState.ABANDONED) if c.claim.id in again and c.state in RETURNED_UNREAD else c
        for c in claims
    )


def after_sending(
    record: PersonRecord,
    patient: Patient,
    stands: Standing,
    contexts: PersonContexts,
    rules: Ruleset,
    tick: Tick,
) -> tuple[PersonRecord, tuple[Correction, ...]]:
    """What goes out after an answer: corrections that are ripe, cancels, claims to later payers; and the record with
    what falls due for corrections that are still collected."""
    wanted = {claim: said.value("reason") for claim, said in cancelled(stands).items()}
    claims = _freed(record.claims, sent_again(stands))
    fixes = corrections(patient, record.charges, claims, contexts.coverages, contexts, tick.today, rules, wanted)
    record, ripe = collected(record, [fix for fix in fixes if fix.of not in wanted], contexts, tick)
    voids = tuple(fix for fix in fixes if fix.of in wanted)
    later = later_claims(claims, deciding(record, contexts), record.entries, contexts, tick.today)
    return record, (*ripe, *voids, *(Correction(one.claim, one.claim.replaces, one.hold) for one in later))


def collected(
    record: PersonRecord, fixes: Sequence[Correction], contexts: PersonContexts, tick: Tick
) -> tuple[PersonRecord, tuple[Correction, ...]]:
    """The corrections that are ripe, and the record with what falls due for those that are still collected.

    The days run from the first change that is seen; a correction that was built already stays.
    """
    started = {due.about: due for due in record.due if due.what == COLLECT}
    due: list[Due] = []
    ripe: list[Correction] = []
    for fix in fixes:
        days = int(option_of(fix.claim, contexts, DAYS))
        drawn_up = any(c.claim.replaces == fix.of and c.state in UNSENT for c in record.claims)
        begun = started.get(fix.of) or Due(COLLECT, fix.of, tick.now + timedelta(days=days))
        if not days or drawn_up or begun.not_before <= tick.now:
            ripe.append(fix)
        else:
            due.append(begun)
    others = tuple(one for one in record.due if one.what != COLLECT)
    return replace(record, due=(*others, *due)), tuple(ripe)


def questions(record: PersonRecord, due: Sequence[Charge], contexts: PersonContexts, tick: Tick) -> Iterable[WorkItem]:
    """An item for each sent line that differs in what a person is asked about, with the money."""
    for charge, claim, kinds, amount in asked(record.claims, record.charges, due, contexts):
        yield open_item(
            QUESTION,
            "-".join(kinds),
            charge.id,
            category="submission",
            action="compare the line with what was sent; correct the claim by hand where the payer wants it, else close",
            opened=tick.now,
            amount=amount,
            person=record.person,
            detail=f"{' and '.join(kinds)} of line {charge.line} of claim {claim.id} changed since it was sent",
        )


def with_accounts(
    record: PersonRecord,
    events: Iterable[Event],
    stands: Standing,
    contexts: PersonContexts,
    rules: Ruleset,
    tick: Tick,
) -> PersonRecord:
    """The record with the patient's payments posted, and with one open item for each thing that waits after an answer."""
    events = tuple(events)
    record = replace(record, entries=(*record.entries, *payment_entries(events, record.entries, tick.now)))
    wanted = (
        *undecided_items(record, contexts, tick),
        *told_payments(record, events, tick),
        *credit_items(record, cancelled(stands), contexts, rules, tick),
        *_waiting(record, contexts, rules, tick),
        *_forwarded(record, contexts, tick),
    )
    return _resent(_keep(record, wanted, tick), sent_again(stands), tick)


def _waiting(record: PersonRecord, contexts: PersonContexts, rules: Ruleset, tick: Tick) -> Iterable[WorkItem]:
    """What a change waits for: the answer to the claim that it would correct, or a reopening by the payer."""
    by_id = {charge.id: charge for charge in record.charges}
    for on_file in record.claims:
        claim = on_file.claim
        if claim.sequence > 1 or claim.frequency == "8" or on_file.state not in {*AWAITING, ClaimState.COMPLETE}:
            continue
        if on_file.state is ClaimState.COMPLETE and any(c.claim.replaces == claim.id for c in record.claims):
            continue
        changed = changes(claim, by_id, contexts)
        action = way(on_file, changed, by_id, contexts, rules) if changed else ""
        if action == "wait" or (changed and on_file.state in AWAITING):
            yield _item(
                record, WAITS, on_file, "wait: the correction is built when the payer has answered", changed, tick
            )
        elif action == "reopen":
            yield _item(
                record, REOPEN, on_file, "ask the payer to reopen the claim, then close this item", changed, tick
            )


def _item(
    record: PersonRecord, kind: str, on_file: ClaimOnFile, action: str, changed: Sequence[str], tick: Tick
) -> WorkItem:
    return open_item(
        kind,
        "-".join(changed),
        on_file.claim.id,
        category="submission",
        action=action,
        opened=tick.now,
        amount=on_file.claim.total,
        person=record.person,
        detail=f"changed since it was sent: {', '.join(changed)}",
    )


def _forwarded(record: PersonRecord, contexts: PersonContexts, tick: Tick) -> Iterable[WorkItem]:
    """A claim that a payer has sent on itself: the next payer's answer is waited for, and asked for when it is late."""
    for one in next_payers(record.claims, deciding(record, contexts), record.entries, contexts):
        claim = one.claim.claim
        if one.forwarded:
            since = (one.onward[-1][1] if one.onward else one.answer).paid_on or tick.today
            known = next((i.due for i in record.work if i.kind == FORWARDED and i.about == claim.id), None)
            yield open_item(
                FORWARDED,
                "crossover",
                claim.id,
                category="submission",
                action="wait for the next payer's answer; ask for it when this is overdue, do not bill again before",
                opened=tick.now,
                amount=claim.total,
                due=known or since + timedelta(days=int(option_of(claim, contexts, "crossover.days"))),
                person=record.person,
                detail="the payer has sent the claim on to the next one itself",
            )


def _keep(record: PersonRecord, wanted: Iterable[WorkItem], tick: Tick) -> PersonRecord:
    """The record with these items open and all others of their kinds closed; what a person closed stays closed while it
    says the same."""
    due = {item.id: item for item in wanted}
    kept: list[WorkItem] = []
    for item in record.work:
        fresh = due.pop(item.id, None)
        if item.kind not in _OWN or (fresh is not None and item.closed_by and item.amount == fresh.amount):
            kept.append(item)
        elif fresh is None:
            kept.append(item if item.closed is not None else replace(item, closed=tick.now, closed_why="settled"))
        elif item.closed is not None:
            kept.append(fresh)
        else:
            kept.append(replace(item, amount=fresh.amount, action=fresh.action, due=fresh.due, detail=fresh.detail))
    work = (*kept, *due.values())
    return record if work == record.work else replace(record, work=work)


def _resent(record: PersonRecord, again: frozenset[str], tick: Tick) -> PersonRecord:
    """The record with the items of returned claims closed that a person sends again."""
    if not again:
        return record
    work = tuple(
        replace(item, closed=tick.now, closed_why="sent again")
        if item.kind == "refused-claim" and item.about in again and item.closed is None
        else item
        for item in record.work
    )
    return replace(record, work=work)


def reordered(charges: Sequence[Charge], contexts: PersonContexts) -> tuple[Finding, ...]:
    """That a rule put a coverage first which registration has behind another, once for each such coverage."""
    found: dict[str, Finding] = {}
    for day in sorted({charge.start for charge in charges}):
        for one in contexts.in_order(day).corrected:
            before = Fact("registered first", one.then.payer, Source(one.then.source_message, "coverage"))
            why = Why(one.rule, (*one.facts, before))
            found.setdefault(one.first.id, Finding("coverage-order-corrected", one.first.id, why, one.first.payer))
    return tuple(found.values())


def remarks(
    claims: Iterable[ClaimOnFile], charges: Iterable[ChargeOnFile], contexts: PersonContexts, rules: Ruleset
) -> Iterable[Finding]:
    """What is remarkable about sent claims: that one came back unread (it was never filed, has no number to replace, and
    goes again as a new original), and what changed since one was sent of which its payer wants to hear nothing."""
    by_id = {charge.id: charge for charge in charges}
    for on_file in claims:
        claim = on_file.claim
        if on_file.state in RETURNED_UNREAD:
            came = Fact("claim came back", on_file.state.value, Source("claims", claim.id))
            yield Finding(RETURNED, claim.id, Why(_cited(claim, "rejected", rules), (came,)))
            continue
        if on_file.state not in {*AWAITING, ClaimState.COMPLETE} or claim.sequence > 1 or claim.frequency == "8":
            continue
        if kinds := noted(claim, by_id, contexts):
            facts = tuple(Fact("changed", kind, Source("claims", claim.id)) for kind in kinds)
            yield Finding(QUESTION, claim.id, Why(_cited(claim, "complete", rules), facts), " ".join(kinds))


def _cited(claim: Claim, state: str, rules: Ruleset) -> RuleRef:
    """The version of the table that says what a change after sending does."""
    day = claim.lines[0].start
    decision = rules.decide("after-sending", day, {"state": state, "change": "changed", "after_sending": "replace"})
    rule = rules.rule("after-sending")
    return decision.ref if isinstance(decision, Decision) else (rule.on(day) or rule.versions[-1]).ref
