"""What an auditor, or a payer that asks for attachments, wants of a claim: named by reference, with what is not there.

Nothing of the record is copied: each thing is named by the message and the place where it was read, so that whoever
must send it finds it in the journal and in the chart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from adapters.model.claim import Claim, ClaimLine, ClaimOnFile
from adapters.model.event import Event, Status
from adapters.model.record import ChargeOnFile, PersonRecord
from adapters.model.why import Why


@dataclass(frozen=True, slots=True)
class Reference:
    """One thing that speaks for a claim: what it is, and where it was read."""

    what: str
    where: str
    """`message#place` of the journal, or our own id."""
    line: int | None = None
    """The line of the claim that it speaks for; None: the whole claim."""


@dataclass(frozen=True, slots=True)
class Packet:
    """All references of a claim, and the gaps."""

    claim: str
    references: tuple[Reference, ...]
    gaps: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.gaps


def packet(record: PersonRecord, id: str) -> Packet | None:
    """The packet of a claim; None where the record has no such claim."""
    on_file = record.claim(id)
    if on_file is None:
        return None
    claim = on_file.claim
    charges = {charge.id: charge for charge in record.charges}
    found: list[Reference] = []
    gaps: list[str] = []
    for line in claim.lines:
        _of_line(record, line, charges, found, gaps)
    _of_claim(record, on_file, found, gaps)
    return Packet(id, tuple(dict.fromkeys(found)), tuple(dict.fromkeys(gaps)))


def documents_of(record: PersonRecord, days: Iterable[date]) -> tuple[Event, ...]:
    """Documents of these days that stand: signed ones first, then by day."""
    wanted = set(days)
    latest: dict[tuple[str, str], Event] = {}
    for event in record.events:
        if event.kind == "document":
            known = latest.get((event.feed, event.line))
            if known is None or (known.said, known.id) < (event.said, event.id):
                latest[event.feed, event.line] = event
    stand = (e for e in latest.values() if e.status is Status.DONE and e.day in wanted)
    return tuple(sorted(stand, key=lambda e: (e.value("signed") != "true", e.day, e.id)))


def _of_line(
    record: PersonRecord,
    line: ClaimLine,
    charges: Mapping[str, ChargeOnFile],
    found: list[Reference],
    gaps: list[str],
) -> None:
    billed = [charges[id] for id in line.charges if id in charges]
    for charge in billed:
        found += _reports(charge.charge.why, record.events, line.line)
        found.append(Reference(f"rule {charge.charge.why.rule.id}: {charge.charge.why.rule.cite}", "rules", line.line))
    if not billed:
        gaps.append(f"line {line.line}: its charge is no longer on file")
    papers = documents_of(record, [line.start, line.end])
    for paper in papers:
        signed = "signed" if paper.value("signed") == "true" else "not signed"
        kind = paper.value("document.type") or "document"
        found.append(Reference(f"{kind} of {paper.day.isoformat()}, {signed}", _where(paper), line.line))
    if not any(paper.value("signed") == "true" for paper in papers):
        gaps.append(f"line {line.line}: no signed document of {line.start.isoformat()} is on file")
    orders = [e for e in record.events if e.kind == "order" and e.status is Status.DONE and e.day <= line.end]
    found += [Reference(f"order of {e.day.isoformat()}", _where(e), line.line) for e in orders]
    if not orders:
        gaps.append(f"line {line.line}: no order on or before {line.end.isoformat()} is on file")
    if not line.rendering:
        gaps.append(f"line {line.line}: nobody says who performed it")


def _reports(why: Why, events: Sequence[Event], line: int) -> Iterable[Reference]:
    """The reports on which a line rests, each with its kind and day where they are known."""
    known = {(e.source.message, e.source.at): e for e in events}
    for fact in why.facts:
        if fact.name == "event":
            event = known.get((fact.source.message, fact.source.at))
            what = f"{event.kind} of {event.day.isoformat()}" if event else fact.value
            yield Reference(what, f"{fact.source.message}#{fact.source.at}", line)


def _of_claim(record: PersonRecord, on_file: ClaimOnFile, found: list[Reference], gaps: list[str]) -> None:
    claim = on_file.claim
    found.append(Reference(f"our claim, {len(claim.lines)} lines", claim.id))
    if on_file.submitted_at:
        found.append(Reference(f"sent {on_file.submitted_at}", claim.id))
    else:
        gaps.append("the claim was never sent")
    for answer in record.remittances:
        if answer.claim == claim.id:
            number = f" {answer.payer_claim_number}" if answer.payer_claim_number else ""
            found.append(Reference(f"answer{number}", answer.message or answer.id))
    if not on_file.payer_claim_number:
        gaps.append("the payer has given the claim no number")
    _authorized(record, claim, found, gaps)
    found += [
        Reference(f"decision: {event.value('verb')}, {event.value('why')}", _where(event))
        for event in record.events
        if event.kind == "decision"
    ]


def _authorized(record: PersonRecord, claim: Claim, found: list[Reference], gaps: list[str]) -> None:
    on_file = [e for e in record.events if e.kind == "authorization" and e.status is Status.DONE]
    found += [Reference(f"authorization {e.value('authorization')}", _where(e)) for e in on_file]
    if not claim.authorization:
        gaps.append("the claim names no authorization")


def _where(event: Event) -> str:
    return f"{event.source.message}#{event.source.at}"
