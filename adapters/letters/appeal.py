"""The letter of an appeal, drafted from what is on file: a person reads it, signs it, and adds what it says is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, tzinfo

from adapters.letters.packet import documents_of
from adapters.model import money
from adapters.model.claim import Claim, ClaimOnFile
from adapters.model.people import Demographics
from adapters.model.record import PersonRecord
from adapters.model.work import WorkItem, item_id
from adapters.rules import Decision, Ruleset


def appeal(
    record: PersonRecord, id: str, who: Demographics, rules: Ruleset, *, on: date, zone: tzinfo = UTC
) -> tuple[str, tuple[str, ...]] | None:
    """The letter about the claim's denied lines, and what it lacks; None where the claim has no open denial.

    `on` is the day at the clinic, whose zone is `zone`.
    """
    on_file = record.claim(id)
    denials = [i for i in record.work if i.kind == "denial" and i.about == id and i.closed is None]
    if on_file is None or not denials:
        return None
    if on_file.submitted_at:
        sent = datetime.fromisoformat(on_file.submitted_at).astimezone(zone)
        on_file = replace(on_file, submitted_at=sent.date().isoformat())
    missing: list[str] = []
    sources: list[str] = []
    lines = list(_letter(record, on_file, denials, who, rules, on, missing, sources))
    lines += ["", "NOT PART OF THE LETTER. Before it goes out, add or decide:"]
    lines += [f"  - {text}" for text in dict.fromkeys(missing)]
    if sources:
        lines += ["What the lines were coded by:", *(f"  - {text}" for text in dict.fromkeys(sources))]
    return "\n".join(lines) + "\n", tuple(dict.fromkeys(missing))


def _letter(
    record: PersonRecord,
    on_file: ClaimOnFile,
    denials: Sequence[WorkItem],
    who: Demographics,
    rules: Ruleset,
    on: date,
    missing: list[str],
    sources: list[str],
) -> Iterable[str]:
    claim = on_file.claim
    yield claim.entity.name
    yield f"NPI {claim.entity.npi}" if claim.entity.npi else "NPI (missing)"
    yield ""
    yield on.isoformat()
    yield f"To {claim.payer.name}, appeals"
    yield ""
    yield f"Appeal of your decision about claim {on_file.payer_claim_number or '(your number is missing)'}"
    yield f"  our claim    {claim.id}"
    yield f"  member       {claim.member}, {' '.join(p for p in (who.given, who.family) if p) or '(name missing)'}"
    first, last = min(x.start for x in claim.lines), max(x.end for x in claim.lines)
    yield f"  services     {first.isoformat()} to {last.isoformat()}"
    yield f"  refused      ${money.text(sum(item.amount for item in denials))} of ${money.text(claim.total)}"
    due = min((item.due for item in denials if item.due is not None), default=None)
    if due is None:
        missing.append("the last day for this appeal: the table of reasons knows none, see the contract")
    else:
        yield f"  last day     {due.isoformat()}"
        if due < on:
            missing.append(f"the last day for this appeal was {due.isoformat()}: say why it is still in time")
    if not on_file.payer_claim_number:
        missing.append("the payer's own number of the claim")
    for item in denials:
        yield ""
        yield from _denied(record, on_file, item, rules, missing, sources)
    yield ""
    yield "We ask you to pay the lines named above. The records named are at your disposal."
    yield ""
    yield "(name, office and signature)"
    missing.append("name and signature of whoever appeals")


def _denied(
    record: PersonRecord,
    on_file: ClaimOnFile,
    item: WorkItem,
    rules: Ruleset,
    missing: list[str],
    sources: list[str],
) -> Iterable[str]:
    """One refused line: what was refused and why, why that is wrong, and what shows it."""
    claim = on_file.claim
    number = next(
        (x.line for x in claim.lines if item_id("denial", f"{claim.id}|{x.line}", item.code) == item.id), None
    )
    line = next((x for x in claim.lines if x.line == number), claim.lines[0])
    known = rules.attributes(line.code, line.start)
    label = f", {known.label}" if known else ""
    spec = rules.carc(item.code)
    yield f"Line {line.line}: {line.code}{label}, {line.units} on {line.start.isoformat()}, ${money.text(item.amount)}"
    yield f"  you refused it with reason {item.code}{f' ({spec.label})' if spec else ''}."
    decision = rules.decide("appeals", line.start, {"category": item.category})
    if not isinstance(decision, Decision):
        missing.append(f"line {line.line}: what to argue, no rule says")
        return
    if decision.values["sends"] == "correct":
        missing.append(f"line {line.line}: this is better corrected than appealed ({decision.ref.cite})")
    yield f"  {decision.values['ground']}"
    if line.diagnoses:
        yield f"  Diagnoses: {', '.join(claim.diagnoses[n - 1] for n in line.diagnoses)}."
    wants = decision.values["wants"].split()
    for want in wants:
        told = list(_shown(record, on_file, claim, want, [line.start, line.end]))
        yield from (f"  {text}" for text in told)
        if not told:
            missing.append(f"line {line.line}: {_LACKS[want]}")
    charge = next((c for c in record.charges if c.id in line.charges), None)
    if charge is not None:
        rule = charge.charge.why.rule
        sources.append(f"line {line.line}: rule {rule.id} since {rule.since.isoformat()}: {rule.cite}")


_LACKS = {
    "documents": "a signed document of the day of service; none is on file",
    "authorization": "the number of the authorization, or why none was needed; the claim names none",
    "acceptance": "proof that the payer took the claim in time: when it was sent, and its own acceptance",
    "original": "what shows that no other claim was paid for these services",
}


def _shown(record: PersonRecord, on_file: ClaimOnFile, claim: Claim, want: str, days: Sequence[date]) -> Iterable[str]:
    """What is on file of that which the argument needs."""
    match want:
        case "documents":
            for paper in documents_of(record, days):
                if paper.value("signed") == "true":
                    kind = paper.value("document.type") or "document"
                    yield f"Record: {kind} of {paper.day.isoformat()}, signed ({paper.source.message})."
        case "authorization":
            if claim.authorization:
                yield f"Authorization {claim.authorization}."
        case "acceptance":
            if on_file.submitted_at:
                yield f"Sent on {on_file.submitted_at}; your acceptance is attached."
        case "original":
            others = [c for c in record.claims if c.claim.id != claim.id and _same(c.claim, claim)]
            if not others:
                yield "No other claim of ours bills these lines."


def _same(one: Claim, other: Claim) -> bool:
    """Whether two claims bill a charge in common to one payer."""
    charges = {id for line in one.lines for id in line.charges}
    return one.payer.id == other.payer.id and any(id in charges for line in other.lines for id in line.charges)
