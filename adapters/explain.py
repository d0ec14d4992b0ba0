"""Why: from a charge, hold, claim or ledger entry back to rule, fact, message and field; from a message forward.

Pure: handed a record, it gives an `Explanation`, a small tree of sentences with their sources. Nothing here computes
an outcome again; it tells what the outcome itself carries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from adapters.model import money
from adapters.model.charge import Charge, Finding, Hold, Skip, Slot
from adapters.model.claim import ClaimOnFile
from adapters.model.ledger import Entry
from adapters.model.question import ASKED_OF, By, Question, question_words
from adapters.model.record import ChargeOnFile, PersonRecord
from adapters.model.why import Fact, Why
from adapters.model.work import item_id
from adapters.rules import Ruleset

Describe = Callable[[str], str]
"""Tells what a journal entry is, without its content: `HL7 v2 from mosaiq, MQ-0007, 2025-12-29 14:42Z`."""


_COUNTED = "sessions"
"""Name of the fact of a counted unit that tells how many sessions it is of, and their dates."""


class JournalOutside(Protocol):
    """A journal entry as seen from outside, without its body."""

    @property
    def id(self) -> str:
        """Journal id."""
        ...

    @property
    def media(self) -> str:
        """`hl7v2`, `fhir`, `json`."""
        ...

    @property
    def actor(self) -> str:
        """Who brought it."""
        ...

    @property
    def control(self) -> str:
        """The sender's own number of it."""
        ...

    @property
    def at(self) -> datetime:
        """When it came."""
        ...


def describer(lines: Iterable[JournalOutside]) -> Describe:
    """Tells what a journal entry is by its outside: medium, sender, its own number, when it came."""
    known = {line.id: line for line in lines}

    def describe(message: str) -> str:
        if message in ("site", "rules"):
            return {"site": "the site file", "rules": "the mappings"}[message]
        line = known.get(message)
        if line is None:
            return "a journal entry that is not on file"
        if line.actor.startswith("person:"):
            return f"stated by {line.actor.partition(':')[2]}, {line.at:%Y-%m-%d %H:%M}Z"
        number = f", number {line.control}" if line.control else ""
        return f"{line.media} from {line.actor.partition(':')[2] or line.actor}{number}, {line.at:%Y-%m-%d %H:%M}Z"

    return describe


@dataclass(frozen=True, slots=True)
class Explanation:
    """A sentence, what it rests on, and where that was read."""

    says: str
    source: str = ""
    parts: tuple[Explanation, ...] = ()

    def lines(self, depth: int = 0) -> Iterable[tuple[int, str, str]]:
        """The tree flat: (depth, sentence, source)."""
        yield depth, self.says, self.source
        for part in self.parts:
            yield from part.lines(depth + 1)


def hold_id(hold: Hold) -> str:
    """The name of a hold: its slot and code."""
    slot = hold.slot
    return f"{slot.episode}|{slot.service}|{slot.key}|{slot.part}|{hold.code}"


def explain(record: PersonRecord, id: str, rules: Ruleset, describe: Describe) -> Explanation | None:
    """The explanation of whatever bears the id in this record, or None."""
    for charge in record.charges:
        if charge.id == id:
            return _charge(record, charge, rules, describe)
    for hold in record.holds:
        if hold_id(hold) == id:
            return _hold(hold, rules, describe)
    for claim in record.claims:
        if claim.claim.id == id:
            return _claim(record, claim, describe)
    for entry in record.entries:
        if entry.id == id:
            return _entry(record, entry, describe)
    return None


def questioned(record: PersonRecord, id: str) -> str:
    """Id of the work item by which the clinic would be asked about the charge or hold of this id; empty for all else."""
    slots = [charge.charge.slot for charge in record.charges if charge.id == id]
    slots += [hold.slot for hold in record.holds if hold_id(hold) == id and hold.code == ASKED_OF]
    return next((item_id("hold", f"{s.episode}|{s.service}|{s.key}|{s.part}", ASKED_OF) for s in slots), "")


def with_question(found: Explanation, question: Question | None) -> Explanation:
    """The explanation with what the clinic was asked about the line, and what came of it."""
    if question is None:
        return found
    head, *more = question_words(question)
    known = f"Task/{question.task}" if question.task else question.id if question.by is By.MLLP else ""
    asked = Explanation(head, known, tuple(map(Explanation, more)))
    return replace(found, parts=(*found.parts, asked))


def _line(charge: Charge) -> str:
    code = "-".join((charge.code, *charge.modifiers))
    priced = "" if charge.price is None else f" at {charge.price} = ${money.text(charge.amount)}"
    return f"{code} × {charge.units}{priced} on {charge.start.isoformat()}, {charge.component} part, {charge.entity}"


def _what(slot: Slot, why: Why) -> Explanation:
    """What is billed: one thing done, or a counted unit with the sessions that made it."""
    course = slot.episode.rpartition("/")[2]
    made = next((fact.value for fact in why.facts if fact.name == _COUNTED), "")
    if not made:
        return Explanation(f"one {slot.service} of course {course}", f"{slot.key} · {slot.part}")
    number, _, days = made.partition(": ")
    sessions = f"{number} sessions, {days}" if number != "1" else f"one session, {days}"
    return Explanation(f"unit {slot.key} of {slot.service} of course {course}: {sessions}", f"{slot.key} · {slot.part}")


def _why(why: Why, describe: Describe) -> tuple[Explanation, ...]:
    """The rule version, then its facts, those of one message together."""
    rule = why.rule
    ref = f"{rule.file}, since {rule.since.isoformat()}, {rule.digest[:12]}"
    by_message: dict[str, list[Fact]] = {}
    for fact in why.facts:
        if fact.name != _COUNTED:
            by_message.setdefault(fact.source.message, []).append(fact)
    groups = tuple(
        Explanation(describe(message), message, tuple(_facts(facts))) for message, facts in by_message.items()
    )
    return (Explanation(f"rule {rule.id}: {rule.cite}", ref), *groups)


def _facts(facts: Iterable[Fact]) -> Iterable[Explanation]:
    """Facts, each once; the same fact looked at twice is said once."""
    for fact in dict.fromkeys(facts):
        yield Explanation(f"{fact.name} = {fact.value}", fact.source.at)


def _charge(record: PersonRecord, on_file: ChargeOnFile, rules: Ruleset, describe: Describe) -> Explanation:
    charge = on_file.charge
    label = attributes.label if (attributes := rules.attributes(charge.code, charge.start)) else ""
    slot = charge.slot
    parts = [
        _what(slot, charge.why),
        *_why(charge.why, describe),
    ]
    if charge.narrative:
        parts.append(Explanation(f"told on the claim in words: {charge.narrative}"))
    better = [h for h in record.holds if h.instead_of and h.slot == slot]
    parts.extend(_hold(hold, rules, describe) for hold in better)
    if on_file.claim and (claim := record.claim(on_file.claim)):
        parts.append(_billed(record, claim, on_file.line or 0))
    words = f"{_line(charge)}: {on_file.status}" + (f" ({label})" if label else "")
    return Explanation(words, on_file.id, tuple(parts))


def _billed(record: PersonRecord, claim: ClaimOnFile, line: int) -> Explanation:
    """The claim line, and what came back for it, to the cent."""
    parts = [
        Explanation(
            f"{side.account} ${money.text(side.amount)}",
            f"{entry.cause.partition(':')[0]}, entry {entry.id}",
        )
        for entry in record.entries
        for side in entry.lines
        if (side.claim, side.line) == (claim.claim.id, line) and side.account not in ("receivable", "charges")
    ]
    words = f"billed on claim {claim.claim.id} line {line} to {claim.claim.payer.name}: {claim.printed_state}"
    return Explanation(words, f"cycle {claim.claim.cycle}", tuple(parts))


def _hold(hold: Hold, rules: Ruleset, describe: Describe) -> Explanation:
    spec = rules.hold(hold.code)
    kept = "the better line" if hold.instead_of else "would bill"
    what = f"{kept} {_line(hold.would)}" if hold.would else hold.slot.service
    said = f"held ({hold.release}): {hold.code}, {what}"
    said_so = [hold.detail or spec.words, f"next: {spec.next_step}" if spec.next_step else spec.words]
    counted = [_what(hold.slot, hold.why)] if any(fact.name == _COUNTED for fact in hold.why.facts) else []
    parts = (*map(Explanation, dict.fromkeys(said_so)), *counted, *_why(hold.why, describe))
    return Explanation(said, hold_id(hold), parts)


def _claim(record: PersonRecord, on_file: ClaimOnFile, describe: Describe) -> Explanation:
    claim = on_file.claim
    by_id = {charge.id: charge for charge in record.charges}
    lines = []
    for line in claim.lines:
        charges = tuple(_charge_short(by_id[id], describe) for id in line.charges if id in by_id)
        code = "-".join((line.code, *line.modifiers))
        words = f"line {line.line}: {code} × {line.units} on {line.start.isoformat()} ${money.text(line.amount)}"
        money_lines = _billed(record, on_file, line.line).parts
        lines.append(Explanation(words, "", (*charges, *money_lines)))
    together = f"{claim.entity.name} bills {claim.payer.name} for cycle {claim.cycle}"
    head = f"{claim.type} claim, frequency {claim.frequency}, ${money.text(claim.total)}: {on_file.printed_state}"
    parts = [Explanation(together, claim.coverage)]
    if claim.replaces:
        parts.append(Explanation(f"stands in place of claim {claim.replaces}", claim.payer_claim_number))
    if on_file.payer_claim_number:
        parts.append(Explanation("the payer's number", on_file.payer_claim_number))
    parts.extend(
        Explanation(f"{item.kind} {item.code}: {item.detail}", item.action)
        for item in record.work
        if item.about == claim.id and item.closed is None
    )
    return Explanation(head, claim.id, (*parts, *lines))


def _charge_short(charge: ChargeOnFile, describe: Describe) -> Explanation:
    rule = charge.charge.why.rule
    messages = sorted(message for message in charge.charge.why.messages() if message not in ("site", "rules"))
    return Explanation(
        f"charge {charge.id} by rule {rule.id} since {rule.since.isoformat()}",
        "; ".join(describe(message) for message in messages),
    )


def _entry(record: PersonRecord, entry: Entry, describe: Describe) -> Explanation:
    sides = tuple(
        Explanation(f"{side.account} ${money.text(side.amount)}", f"claim {side.claim} line {side.line}")
        for side in entry.lines
    )
    parts: list[Explanation] = list(sides)
    if entry.reverses:
        parts.append(Explanation("takes back an earlier entry", entry.reverses))
    parts.extend(
        Explanation(f"read from {describe(remittance.message)}", remittance.message)
        for remittance in record.remittances
        if entry.cause == f"remittance:{remittance.id}"
    )
    return Explanation(f"ledger entry of {entry.at.isoformat()}, caused by {entry.cause}", entry.id, tuple(parts))


def trace(record: PersonRecord, message: str, describe: Describe, rules: Ruleset) -> Explanation | None:
    """From a message forward: its events and what became of each, down to claim and ledger. None: nothing of it here."""
    events = [event for event in record.events if event.source.message == message]
    parts: list[Explanation] = []
    for event in events:
        about = f"{event.kind} on {event.day.isoformat()}" + (f", {event.status}" if event.status != "done" else "")
        parts.append(
            Explanation(about, event.source.at, tuple(_became(record, message, event.source.at, event.id, rules)))
        )
    for skip in record.skips:
        if skip.event.startswith(f"omitted:{message}#"):
            at = skip.why.facts[0].source.at
            parts.append(Explanation(f"{at}: {skip.reason}", "no event"))
    for remittance in record.remittances:
        if remittance.message == message:
            lines = tuple(
                _entry(record, e, describe) for e in record.entries if e.cause == f"remittance:{remittance.id}"
            )
            parts.append(Explanation(f"an answer to claim {remittance.claim}: {remittance.decision}", "", lines))
    return Explanation(describe(message), message, tuple(parts)) if parts else None


def _rests(why: Why, message: str, at: str) -> bool:
    return any((fact.source.message, fact.source.at) == (message, at) and fact.name == "event" for fact in why.facts)


def _became(record: PersonRecord, message: str, at: str, event: str, rules: Ruleset) -> Iterable[Explanation]:
    """Every outcome that rests on the event."""
    for charge in record.charges:
        if _rests(charge.charge.why, message, at):
            billed: tuple[Explanation, ...] = ()
            if charge.claim and (claim := record.claim(charge.claim)):
                billed = (_billed(record, claim, charge.line or 0),)
            yield Explanation(f"charge {_line(charge.charge)}: {charge.status}", charge.id, billed)
    for hold in record.holds:
        if _rests(hold.why, message, at):
            would = _line(hold.would) if hold.would else hold.slot.service
            yield Explanation(f"hold {hold.code}: {would}", hold_id(hold))
    for skip in _of(record.skips, event):
        yield Explanation(f"skipped: {rules.skip_words(skip.reason)}")
    for finding in record.findings:
        if finding.about == event:
            yield Explanation(f"finding {finding.kind}", _found(finding))


def _of(skips: Iterable[Skip], event: str) -> Iterable[Skip]:
    return (skip for skip in skips if skip.event == event)


def _found(finding: Finding) -> str:
    return finding.value
