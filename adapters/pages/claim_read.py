"""From a person's record and the journal's evidence to the page of one claim, and to a row of the list. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from adapters.letters import history
from adapters.model.claim import Claim, ClaimLine, ClaimOnFile, ClaimState
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.ledger import Account, Money, moneys
from adapters.model.lists import ClaimListed
from adapters.model.money import Cents
from adapters.model.record import PersonRecord
from adapters.model.remittance import Adjustment
from adapters.model.site import Payer, Site
from adapters.pages.claim_view import ChargeLink, ClaimPage, ClaimRow, LineRow, Paper, Posting, Said
from adapters.pages.course_lines import fate_of_claim
from adapters.pages.course_view import Adjusted
from adapters.pages.names import course_name, thing_name
from adapters.pipeline.exchange import decode_exchange, intended, interpret
from adapters.pipeline.sending import document_of
from adapters.rules import Ruleset

KINDS: Final = {"1": "original", "7": "replacement", "8": "void"}
STATES: Final = {
    ClaimState.BUILT: "built",
    ClaimState.HELD: "held",
    ClaimState.READY: "ready to send",
    ClaimState.UNKNOWN: "sent, outcome unknown",
    ClaimState.ACCEPTED: "accepted by the payer",
    ClaimState.QUEUED: "queued at the payer",
    ClaimState.COMPLETE: "adjudicated",
    ClaimState.ERROR: "returned: the payer could not process it",
    ClaimState.REFUSED: "returned: refused at the door",
    ClaimState.REPLACED: "replaced",
    ClaimState.VOIDED: "voided",
    ClaimState.ABANDONED: "abandoned, never sent",
}
GROUPS: Final[dict[str, tuple[str, frozenset[ClaimState]]]] = {
    "open": (
        "with the payer",
        frozenset({ClaimState.UNKNOWN, ClaimState.ACCEPTED, ClaimState.QUEUED}),
    ),
    "unsent": ("not sent yet", frozenset({ClaimState.BUILT, ClaimState.HELD, ClaimState.READY})),
    "unknown": ("outcome unknown", frozenset({ClaimState.UNKNOWN})),
    "returned": ("returned", frozenset({ClaimState.ERROR, ClaimState.REFUSED})),
    "decided": ("adjudicated", frozenset({ClaimState.COMPLETE})),
    "over": ("replaced, voided, abandoned", frozenset({ClaimState.REPLACED, ClaimState.VOIDED, ClaimState.ABANDONED})),
}
"""What the list can be narrowed to, with its words."""


def state_words(on_file: ClaimOnFile) -> str:
    """Where a claim stands, in words."""
    if on_file.state is ClaimState.COMPLETE and on_file.settlement:
        return on_file.settlement.replace("-", " ")
    return STATES[on_file.state]


def age(on_file: ClaimOnFile, today: date) -> int:
    """Days since a claim was sent, or built where it was not."""
    since = datetime.fromisoformat(on_file.submitted_at).date() if on_file.submitted_at else on_file.claim.built_on
    return max(0, (today - since).days)


def claim_row(listed: ClaimListed, today: date) -> ClaimRow:
    """A row of the list. What the payer decided is not looked up for it: its page says that."""
    claim, on_file = listed.on_file.claim, listed.on_file
    return ClaimRow(
        id=claim.id,
        patient=patient_of(claim),
        payer=claim.payer.name,
        entity=claim.entity.name,
        form=claim.type.value,
        kind=KINDS.get(claim.frequency, claim.frequency),
        state=state_words(on_file),
        fate=fate_of_claim(on_file, _decided(on_file)),
        built=claim.built_on,
        first=min(line.start for line in claim.lines),
        days=age(on_file, today),
        lines=len(claim.lines),
        total=claim.total,
        sent=on_file.submitted_at[:10],
        number=on_file.payer_claim_number,
        deadline=on_file.deadline,
    )


def _decided(on_file: ClaimOnFile) -> Money:
    """The fate of a settled claim by its settlement alone."""
    return {"denied": Money(denied=1), "partially-paid": Money(paid=1, denied=1), "paid": Money(paid=1)}.get(
        on_file.settlement, Money()
    )


def patient_of(claim: Claim) -> str:
    """The patient as the claim names them."""
    return ", ".join(filter(None, (claim.family, claim.given))) or "name not known"


def claim_page(
    record: PersonRecord, id: str, evidence: Sequence[JournalEntry], rules: Ruleset, site: Site, today: date
) -> ClaimPage | None:
    """The page of a claim; None where the record has none of this id. `evidence`: the journal's calls and answers of it."""
    on_file = record.claim(id)
    if on_file is None:
        return None
    claim = on_file.claim
    shared = {line: money for (owner, line), money in moneys(record.entries).items() if owner == id}
    whole = sum(shared.values(), Money())
    answered = [r for r in record.remittances if r.claim == id and r.lines]
    adjusted = {line.line: line.adjustments for r in answered for line in r.lines}
    payer = site.payer(claim.payer.id)
    kinds = (claim.payer.id, payer.kind) if payer else (claim.payer.id,)
    postings = tuple(_postings(record, id))
    items = [item for item in record.work if item.about == id]
    found = history(record, id)
    return ClaimPage(
        on_file=on_file,
        person=record.person,
        identifiers=tuple(sorted(identifier.value for identifier in record.goes_by)),
        kind=KINDS.get(claim.frequency, claim.frequency),
        state=state_words(on_file),
        fate=fate_of_claim(on_file, whole),
        days=age(on_file, today),
        money=whole,
        lines=tuple(
            _line(record, claim, line, rules, shared.get(line.line), adjusted.get(line.line, ()), kinds)
            for line in claim.lines
        ),
        steps=found.steps if found else (),
        said=tuple(_life(evidence)),
        postings=postings,
        balance=_balance(postings),
        open_work=tuple(item for item in items if item.closed is None),
        closed_work=tuple(item for item in items if item.closed is not None),
        papers=(*_sent(claim, payer), *_came(evidence, ZoneInfo(site.zone))),
    )


def _line(
    record: PersonRecord,
    claim: Claim,
    line: ClaimLine,
    rules: Ruleset,
    money: Money | None,
    adjustments: Iterable[Adjustment],
    kinds: Sequence[str],
) -> LineRow:
    known = rules.attributes(line.code, line.start)
    episodes = {c.id: c.charge.slot.episode for c in record.charges}
    more = [
        f"place {line.place}" if line.place else "",
        f"revenue {line.revenue}" if line.revenue else "",
        f"NDC {line.ndc}" if line.ndc else "",
        f"{line.ndc_quantity:f} {line.ndc_unit}" if line.ndc_quantity is not None else "",
        f"rendered by {line.rendering}" if line.rendering else "",
        f"ordered by {line.ordering}" if line.ordering else "",
        line.narrative,
    ]
    return LineRow(
        number=line.line,
        spelled="-".join((line.code, *line.modifiers)),
        label=known.label if known else "",
        units=line.units,
        start=line.start,
        end=line.end,
        amount=line.amount,
        diagnoses=tuple(claim.diagnoses[n - 1] for n in line.diagnoses if 0 < n <= len(claim.diagnoses)),
        charges=tuple(ChargeLink(c, course_name(episodes[c]) if c in episodes else "") for c in line.charges),
        money=money,
        adjusted=tuple(
            Adjusted(f"{a.group}-{a.reason}", spec.label if (spec := rules.carc(a.reason, *kinds)) else "", a.amount)
            for a in adjustments
        ),
        more=tuple(filter(None, more)),
    )


def _postings(record: PersonRecord, id: str) -> Iterable[Posting]:
    for entry in record.entries:
        sides = tuple((side.account, side.amount, side.line) for side in entry.lines if side.claim == id)
        if sides:
            cause = entry.cause.partition(":")[0]
            yield Posting(thing_name(record.person, entry.id), entry.at, cause, sides, bool(entry.reverses))


def _balance(postings: Iterable[Posting]) -> tuple[tuple[Account, Cents], ...]:
    sums: dict[Account, Cents] = defaultdict(int)
    for posting in postings:
        for account, amount, _ in posting.sides:
            sums[account] += amount
    return tuple((account, sums[account]) for account in Account if account in sums)


def _life(evidence: Iterable[JournalEntry]) -> Iterable[Said]:
    for entry in evidence:
        if entry.kind is JournalKind.CALL and entry.media == "json":
            yield Said(entry.at, f"our intent, before anything left: {intended(entry.body).evidence}", entry.id)
        elif entry.kind is JournalKind.ANSWER and entry.media == "json":
            exchange = decode_exchange(entry.body)
            yield Said(entry.at, f"{exchange.call}: {interpret(exchange, entry.id).evidence}", entry.id)
        elif entry.kind is JournalKind.ANSWER:
            yield Said(entry.at, "the payer's answer came by itself", entry.id)


def _sent(claim: Claim, payer: Payer | None) -> Iterable[Paper]:
    if payer is not None:
        document = document_of(claim, payer)
        note = (
            "; ".join(document.problems)
            or "What leaves, made anew from what is on file: the same claim, the same bytes."
        )
        yield Paper("The claim as FHIR", pretty(document.body), note=note)


def _came(evidence: Iterable[JournalEntry], zone: ZoneInfo) -> Iterable[Paper]:
    for entry in evidence:
        if entry.kind is not JournalKind.ANSWER:
            continue
        body = decode_exchange(entry.body).body if entry.media == "json" else entry.body
        if body.strip():
            when = f"{entry.at.astimezone(zone):%Y-%m-%d %H:%M}"
            yield Paper(f"What the payer answered, {when}", pretty(body), entry.id)


def pretty(body: bytes) -> str:
    """JSON with a field a line; what is no JSON as it is."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
