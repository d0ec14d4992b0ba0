"""What happens to claims: news from payers folded into the record, drafts and corrections set against what is on file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from adapters.model.claim import LIFE, ClaimEvent, ClaimOnFile, ClaimState, step
from adapters.model.ledger import Entry
from adapters.model.record import Due, PersonRecord, SubmissionNews, Tick
from adapters.model.remittance import Decision, Remittance, Unread
from adapters.model.site import Payer, Site
from adapters.model.work import WorkItem, open_item
from adapters.pipeline.misfits import against, anew, close_items, copied, misfit, settled, told_of, unparked, unread
from adapters.pipeline.sending import may_repeat
from adapters.pipeline.whose import by_payer, stranger
from adapters.posting import (
    UNBALANCED,
    UNMATCHED,
    adjudications,
    billed,
    denial_items,
    entries_of,
    laid,
    only_pends,
    out_by,
    post,
    reversed_by,
    taken_back,
)
from adapters.posting.later import earlier_answers, later_denials, of_later_payer, post_later, standing_denials
from adapters.rules import Ruleset
from adapters.work import CLAIM_INVALID

UNSENT = frozenset({ClaimState.BUILT, ClaimState.HELD, ClaimState.READY})
VOID = "8"
_ANSWERABLE = (ClaimState.UNKNOWN, ClaimState.ACCEPTED, ClaimState.QUEUED, ClaimState.COMPLETE)
REPLACEMENT = "7"


def with_news(record: PersonRecord, news: SubmissionNews, rules: Ruleset, site: Site, tick: Tick) -> PersonRecord:
    """The record after one piece of news about one claim. News that the claim's state has no step for changes nothing."""
    on_file = record.claim(news.claim)
    if on_file is None:
        return record
    payer = site.payer(on_file.claim.payer.id)
    news = by_payer(news, on_file.claim, site)
    if isinstance(news.answer, Remittance) and (why := stranger(news.answer, site)):
        return _add(record, misfit(on_file, news.answer, UNMATCHED, why, record, tick))
    if news.event is ClaimEvent.SEND:
        return _sent(record, on_file, payer, tick)
    if news.event is ClaimEvent.HOLD:
        return _held(record, on_file, news, tick)
    return _later(_with_answer(record, on_file, news, rules, payer, tick), news.claim, payer, tick)


def _with_answer(
    record: PersonRecord,
    on_file: ClaimOnFile,
    news: SubmissionNews,
    rules: Ruleset,
    payer: Payer | None,
    tick: Tick,
) -> PersonRecord:
    match news.event:
        case ClaimEvent.NOT_SENT:
            return _not_sent(record, on_file, news, payer, tick)
        case ClaimEvent.LOST:
            return _lost(record, on_file, news, payer, tick)
        case ClaimEvent.TAKE | ClaimEvent.QUEUE:
            return _taken(record, on_file, news, payer, tick)
        case ClaimEvent.ADJUDICATE:
            return _adjudicated(record, on_file, news, rules, payer, tick)
        case ClaimEvent.REFUSE | ClaimEvent.FAIL:
            return _refused(record, on_file, news, tick)
        case _:
            return record


def _add(record: PersonRecord, *items: WorkItem) -> PersonRecord:
    """The record with these items open, each once; one that was closed is told anew."""
    for item in items:
        record = _reopen(record, item)
    return record


def _when(record: PersonRecord, about: str, *due: Due) -> PersonRecord:
    """The record with what falls due for a claim replaced."""
    return replace(record, due=(*(d for d in record.due if d.about != about), *due))


def _later(record: PersonRecord, claim: str, payer: Payer | None, tick: Tick) -> PersonRecord:
    """What was due for the claim and still is after the answer, put off: nobody is asked the same again at once."""
    again = tick.now + _pause(payer)
    due = tuple(
        replace(d, not_before=again) if d.about == claim and d.not_before <= tick.now else d for d in record.due
    )
    return replace(record, due=due)


def _pause(payer: Payer | None, news: SubmissionNews | None = None) -> timedelta:
    """How long to leave the payer alone about one claim: as its profile says, longer where its answer asked for it."""
    seconds = payer.endpoint.poll_after_seconds if payer else 900
    return timedelta(seconds=max(seconds, news.wait_seconds if news else 0))


def _sent(record: PersonRecord, on_file: ClaimOnFile, payer: Payer | None, tick: Tick) -> PersonRecord:
    """The intent, on file before the call. What is due then holds only if no answer is ever journalled (a crash)."""
    state = step(on_file.state, ClaimEvent.SEND)
    at = on_file.submitted_at or tick.now.isoformat()
    record = record.with_claim(replace(on_file, state=state, submitted_at=at))
    return _when(record, on_file.claim.id, _next_evidence(on_file, payer, tick))


def _next_evidence(on_file: ClaimOnFile, payer: Payer | None, tick: Tick) -> Due:
    """How a claim of unknown fate gets evidence: the same bytes again where that was shown harmless, else a search."""
    again = tick.now + _pause(payer)
    if payer is not None and may_repeat(on_file, payer, again):
        return Due("repeat", on_file.claim.id, again)
    wait = timedelta(seconds=payer.endpoint.search_delay_seconds if payer else 86400)
    return Due("search", on_file.claim.id, tick.now + wait)


def _held(record: PersonRecord, on_file: ClaimOnFile, news: SubmissionNews, tick: Tick) -> PersonRecord:
    """The document of the claim may not leave: a person looks at it, and until the item is closed it stays here."""
    if on_file.state is not ClaimState.READY:
        return record
    item = open_item(
        "hold",
        CLAIM_INVALID,
        on_file.claim.id,
        category="submission",
        action="repair what the claim is built from, then close this item: the claim is checked again",
        opened=tick.now,
        amount=on_file.claim.total,
        person=record.person,
        detail=news.evidence,
    )
    record = record.with_claim(replace(on_file, state=step(on_file.state, ClaimEvent.HOLD)))
    return _when(_reopen(record, item), on_file.claim.id)


def _reopen(record: PersonRecord, item: WorkItem) -> PersonRecord:
    """The record with that item open; one about the same trouble that was closed is opened again."""
    if any(known.id == item.id and known.closed is None for known in record.work):
        return record
    return replace(record, work=(*(known for known in record.work if known.id != item.id), item))


def _not_sent(
    record: PersonRecord, on_file: ClaimOnFile, news: SubmissionNews, payer: Payer | None, tick: Tick
) -> PersonRecord:
    if on_file.state is not ClaimState.UNKNOWN:
        return record
    changed = replace(on_file, state=step(on_file.state, ClaimEvent.NOT_SENT), submitted_at="")
    record = close_items(record.with_claim(changed), "unknown-outcome", on_file.claim.id, tick)
    seconds = max(payer.endpoint.resend_after_seconds if payer else 900, news.wait_seconds)
    return _when(record, on_file.claim.id, Due("send", on_file.claim.id, tick.now + timedelta(seconds=seconds)))


def _lost(
    record: PersonRecord, on_file: ClaimOnFile, news: SubmissionNews, payer: Payer | None, tick: Tick
) -> PersonRecord:
    """No evidence either way: repeat the same bytes where that was shown harmless, else search after the stated delay.

    An answer that says something else than what became of the claim (a conflict) is not repeated either.
    """
    if on_file.state is not ClaimState.UNKNOWN:
        return record
    conflict = isinstance(news.answer, Unread)
    due = _next_evidence(on_file, None if conflict else payer, tick)
    if due.what == "repeat":
        return _when(record, on_file.claim.id, due)
    if conflict and payer is not None:
        due = replace(due, not_before=tick.now + timedelta(seconds=payer.endpoint.search_delay_seconds))
    item = open_item(
        "unknown-outcome",
        "sent-without-answer",
        on_file.claim.id,
        category="submission",
        action="wait for the payer's answer, or match one by hand; do not send again",
        opened=tick.now,
        amount=on_file.claim.total,
        person=record.person,
        detail=news.evidence,
    )
    return _reopen(_when(record, on_file.claim.id, due), item)


def _billed_once(record: PersonRecord, on_file: ClaimOnFile, tick: Tick) -> PersonRecord:
    """The claim is receivable from the first evidence that the payer has it; a void bills nothing, a later payer's
    claim what is receivable already."""
    entry = billed(on_file.claim, tick.now)
    if on_file.claim.frequency == VOID or on_file.claim.sequence > 1 or any(e.id == entry.id for e in record.entries):
        return record
    return replace(record, entries=(*record.entries, entry))


def _taken(
    record: PersonRecord, on_file: ClaimOnFile, news: SubmissionNews, payer: Payer | None, tick: Tick
) -> PersonRecord:
    if on_file.state not in (ClaimState.UNKNOWN, ClaimState.ACCEPTED, ClaimState.QUEUED):
        return record
    number = news.answer.payer_claim_number if isinstance(news.answer, Remittance) else ""
    changed = replace(
        on_file,
        state=step(on_file.state, news.event),
        payer_claim_number=number or on_file.payer_claim_number,
        poll_at=news.location or on_file.poll_at,
    )
    record = _billed_once(record.with_claim(changed), changed, tick)
    record = close_items(record, "unknown-outcome", on_file.claim.id, tick)
    if isinstance(news.answer, Unread):
        record = _add(record, unread(on_file, news.answer, record.person, tick))
    if payer is not None and not payer.endpoint.base_url:
        return _when(record, on_file.claim.id)
    return _when(record, on_file.claim.id, Due("poll", on_file.claim.id, tick.now + _pause(payer, news)))


def _adjudicated(
    record: PersonRecord, on_file: ClaimOnFile, news: SubmissionNews, rules: Ruleset, payer: Payer | None, tick: Tick
) -> PersonRecord:
    """Post an answer that matches and balances; park it whole where it does not; the same answer twice posts once."""
    answer = news.answer
    if not isinstance(answer, Remittance) or answer.decision is not Decision.ADJUDICATED:
        return record
    claim = on_file.claim
    mine = replace(answer, claim=claim.id)
    if copied(mine, record) if claim.frequency != VOID else any(r.id == answer.id for r in record.remittances):
        return close_items(unparked(record, on_file, answer, tick), "unknown-outcome", claim.id, tick)
    mine = anew(mine, record)
    # The correction was answered first: its money is taken back already, and that the payer says so is no news.
    late = on_file.state in (ClaimState.REPLACED, ClaimState.VOIDED) and not of_later_payer(claim, answer)
    if on_file.state not in _ANSWERABLE and not (late and answer.reversal):
        return _add(record, misfit(on_file, answer, UNMATCHED, "the claim awaits no answer", record, tick))
    wrong = against(claim, replace(answer, id=mine.id), record) if claim.frequency != VOID else ()
    if wrong:
        reasons = "; ".join(dict.fromkeys(told_of(m) for m in wrong))
        if on_file.state is ClaimState.UNKNOWN:
            record = _taken(record, on_file, replace(news, event=ClaimEvent.TAKE, answer=None), None, tick)
        return _add(record, misfit(on_file, answer, wrong[0].code, reasons, record, tick, out_by(wrong)))
    answer = mine if claim.frequency == VOID else laid(mine)
    kind = payer.kind if payer else ""
    if not answer.reversal and not answer.payer and only_pends(answer, rules, claim.payer.id, kind):
        return _pends(record, on_file, replace(news, event=ClaimEvent.QUEUE, answer=answer), payer, tick)
    if of_later_payer(claim, answer):
        return _by_later_payer(record, on_file, answer, rules, kind, tick)
    if answer.reversal and claim.frequency != VOID:
        return _reversed(record, on_file, answer, tick)
    state = step(on_file.state, ClaimEvent.ADJUDICATE)
    changed = replace(
        on_file,
        state=state,
        payer_claim_number=answer.payer_claim_number or on_file.payer_claim_number,
    )
    record = _billed_once(record.with_claim(changed), changed, tick)
    if claim.replaces:
        record = _original_over(record, claim.replaces, claim.frequency, f"remittance:{answer.id}", tick)
    if claim.frequency == VOID:
        record = record.with_claim(replace(changed, settlement="accepted"))
    else:
        posting = post(claim, answer, rules, tick.now, record.entries, kind)
        record = replace(record, entries=(*record.entries, *posting.entries))
        stands = on_file.state is ClaimState.COMPLETE and not posting.entries
        record = record.with_claim(replace(changed, settlement=changed.settlement if stands else posting.settlement))
        if not stands:
            later = standing_denials(claim, record.remittances, record.entries, rules, tick, kind)
            record = _close_denials(record, claim.id, tick, keep=frozenset(item.id for item in later))
        record = _add(record, *denial_items(claim, answer, rules, tick, kind))
    record = replace(record, remittances=(*record.remittances, answer))
    for trouble in ("unknown-outcome", UNMATCHED, UNBALANCED):
        record = close_items(record, trouble, claim.id, tick)
    return _when(record, claim.id)


def _reversed(record: PersonRecord, on_file: ClaimOnFile, answer: Remittance, tick: Tick) -> PersonRecord:
    """What the payer takes back is taken back as it was posted; the claim waits for the correction that follows."""
    id = on_file.claim.id
    original = reversed_by(answer, record.remittances)
    standing = entries_of(original, adjudications(record.entries, id)) if original else []
    back = taken_back(standing, f"remittance:{answer.id}", tick.now)
    record = replace(record, entries=(*record.entries, *back), remittances=(*record.remittances, answer))
    record = unparked(record, on_file, answer, tick)
    if not back:
        return record
    record = _close_denials(record.with_claim(replace(on_file, settlement="")), id, tick)
    return _cancelled(record, id, f"remittance:{answer.id}", tick)


def _cancelled(record: PersonRecord, original: str, cause: str, tick: Tick) -> PersonRecord:
    """The record after a payer has taken a claim back: a cancel of it that was sent has taken effect."""
    awaiting = (ClaimState.UNKNOWN, ClaimState.ACCEPTED, ClaimState.QUEUED)
    for void in record.claims:
        if void.claim.replaces == original and void.claim.frequency == VOID and void.state in awaiting:
            done = replace(void, state=step(void.state, ClaimEvent.ADJUDICATE), settlement="accepted")
            record = _when(_original_over(record.with_claim(done), original, VOID, cause, tick), void.claim.id)
    return record


def _by_later_payer(
    record: PersonRecord, on_file: ClaimOnFile, answer: Remittance, rules: Ruleset, kind: str, tick: Tick
) -> PersonRecord:
    """Post what a payer after the first decided: to a claim of its own, or to one that was sent on to it."""
    claim = on_file.claim
    had = standing_denials(claim, record.remittances, record.entries, rules, tick, kind)
    before = earlier_answers(claim, answer, record.remittances, {c.claim.id: c.claim for c in record.claims})
    posting = post_later(claim, answer, rules, tick.now, record.entries, before, kind)
    record = replace(record, entries=(*record.entries, *posting.entries), remittances=(*record.remittances, answer))
    if claim.sequence > 1 and answer.reversal and claim.frequency != VOID and on_file.state is not ClaimState.COMPLETE:
        return unparked(record, on_file, answer, tick)  # of what only pended: the claim goes on waiting
    if claim.sequence > 1:
        record = _close_denials(record, claim.id, tick)
        number = answer.payer_claim_number or on_file.payer_claim_number
        state = step(on_file.state, ClaimEvent.ADJUDICATE)
        settlement = "accepted" if claim.frequency == VOID else "" if answer.reversal else posting.settlement
        record = record.with_claim(replace(on_file, state=state, payer_claim_number=number, settlement=settlement))
        if claim.replaces:
            record = _original_over(record, claim.replaces, claim.frequency, f"remittance:{answer.id}", tick)
        elif answer.reversal:
            record = _cancelled(record, claim.id, f"remittance:{answer.id}", tick)
    has = standing_denials(claim, record.remittances, record.entries, rules, tick, kind)
    record = settled(record, {item.id for item in had} - {item.id for item in has}, tick)
    refused = later_denials(claim, answer, posting.entries, rules, tick, kind)
    record = _add(unparked(record, on_file, answer, tick), *refused)
    record = close_items(record, "unknown-outcome", claim.id, tick)
    return _when(record, claim.id)


def _pends(
    record: PersonRecord, on_file: ClaimOnFile, news: SubmissionNews, payer: Payer | None, tick: Tick
) -> PersonRecord:
    """An adjudication that decides nothing yet: it is remembered, for it will be taken back, and posts nothing."""
    if isinstance(news.answer, Remittance):
        record = replace(record, remittances=(*record.remittances, news.answer))
        record = unparked(record, on_file, news.answer, tick)
    return _taken(record, on_file, news, payer, tick)


def _close_denials(record: PersonRecord, claim: str, tick: Tick, keep: frozenset[str] = frozenset()) -> PersonRecord:
    mine = {i.id for i in record.work if i.kind == "denial" and i.about == claim}
    return settled(record, mine - keep, tick)


def _original_over(record: PersonRecord, original: str, frequency: str, cause: str, tick: Tick) -> PersonRecord:
    """The corrected claim stands in the original's place: everything of the original is taken back, never changed."""
    old = record.claim(original)
    if old is None or old.state not in (ClaimState.COMPLETE, ClaimState.ACCEPTED):
        return record
    event = ClaimEvent.VOID if frequency == VOID else ClaimEvent.REPLACE
    standing = _standing(record.entries, original)
    entries = (*record.entries, *taken_back(standing, cause, tick.now))
    record = replace(record, entries=entries).with_claim(replace(old, state=step(old.state, event)))
    return _when(_close_denials(record, original, tick), original)


def _standing(entries: Sequence[Entry], claim: str) -> list[Entry]:
    """Entries of the claim that are neither reversals nor reversed."""
    mine = [e for e in entries if any(line.claim == claim for line in e.lines)]
    over = {e.reverses for e in mine if e.reverses}
    return [e for e in mine if not e.reverses and e.id not in over]


def _refused(record: PersonRecord, on_file: ClaimOnFile, news: SubmissionNews, tick: Tick) -> PersonRecord:
    """Returned before adjudication: nothing is receivable, a person corrects it and it goes out as a new claim."""
    if (on_file.state, news.event) not in LIFE:
        return record
    state = step(on_file.state, news.event)
    detail = news.evidence
    if isinstance(news.answer, Remittance) and news.answer.errors:
        detail = "; ".join(news.answer.errors)
    item = open_item(
        "refused-claim",
        "rejected",
        on_file.claim.id,
        category="rejection",
        action="correct-and-rebill",
        opened=tick.now,
        amount=on_file.claim.total,
        person=record.person,
        detail=detail,
    )
    entry = billed(on_file.claim, tick.now)
    entries = taken_back([e for e in record.entries if e.id == entry.id], f"claim:{on_file.claim.id}", tick.now)
    record = replace(record, entries=(*record.entries, *entries))
    record = close_items(record.with_claim(replace(on_file, state=state)), "unknown-outcome", on_file.claim.id, tick)
    return _when(_add(record, item), on_file.claim.id)
