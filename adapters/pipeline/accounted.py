"""Everything that came is accounted for: what owes nothing by itself has a skip, what could not be read an item of work.

These follow from what messages said and from no rule of charging.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime

from adapters.charges import Assembly
from adapters.hl7v2.elements import NEEDS_A_PERSON, REASONS
from adapters.model.charge import Finding, Outcomes, Skip
from adapters.model.episode import Occurrence
from adapters.model.event import HISTORIC, UNCHARGED, Event, Omission, Status, mends
from adapters.model.record import OMITTED, PersonRecord, Reading, Tick
from adapters.model.why import Fact, RuleRef, Why
from adapters.model.work import WorkItem, open_item
from adapters.rules import Decision, Ruleset


def left_out(omission: Omission, reading: Reading, rules: Ruleset) -> Skip:
    """The skip of a part of a message that was not captured, with what a later report of its line needs to mend it."""
    facts = [Fact("event", omission.detail or omission.reason, omission.source)]
    if omission.historic:
        facts.append(Fact(HISTORIC, "true", omission.source))
    if omission.line and omission.said is not None:
        facts.append(Fact("line", omission.line, omission.source))
        facts.append(Fact("said", omission.said.isoformat(), omission.source))
    why = Why(_rule_for(omission.reason, reading.at.date(), rules), tuple(facts))
    return Skip(f"{OMITTED}{omission.source.message}#{omission.source.at}", omission.reason, why)


def _mended(record: PersonRecord, skip: Skip) -> bool:
    """Whether a later report of the line has told what this part of a message left out."""
    known = {fact.name: fact for fact in skip.why.facts}
    if "line" not in known:
        return False
    line, said = known["line"], datetime.fromisoformat(known["said"].value)
    return any(mends(event, line.value, said, line.source.message) for event in record.events)


def incomplete(record: PersonRecord, omitted: Iterable[Skip], tick: Tick) -> Iterable[WorkItem]:
    """An item for each part of a message that could not be read although a charge may hang on it."""
    for skip in omitted:
        history = any(fact.name == HISTORIC for fact in skip.why.facts)
        if skip.reason in NEEDS_A_PERSON and not history and not _mended(record, skip):
            source = skip.why.facts[0].source
            yield open_item(
                "incomplete-message",
                skip.reason,
                source.message,
                category="capture",
                action="look at the message, have the sender mend and resend it",
                opened=tick.now,
                person=record.person,
                detail=f"{source.at}: {REASONS.get(skip.reason, skip.reason)}",
                which=source.at,
            )


def of_context(assembly: Assembly, rules: Ruleset) -> Iterable[Skip]:
    """Context, and lines restated later, are accounted for by one skip each."""
    for event in assembly.context:
        yield _skip(event, _why_idle(event), rules)
    for older, _ in assembly.superseded:
        yield _skip(older, "superseded", rules)


def yielded(pairs: Iterable[tuple[Event, Occurrence]], rules: Ruleset) -> Outcomes:
    """What a person entered and a feed reports too: said once, like any second report."""
    skips: list[Skip] = []
    findings: list[Finding] = []
    for event, other in pairs:
        skip = _skip(event, "duplicate-report", rules)
        first = replace(other.named, name="reported by a feed")
        skips.append(skip)
        findings.append(
            Finding("duplicate-suppressed", event.id, Why(skip.why.rule, (*skip.why.facts, first)), event.kind)
        )
    return Outcomes(skips=tuple(skips), findings=tuple(findings))


def _why_idle(event: Event) -> str:
    """Why a context event owes nothing: what was not done or taken back, what no rule charges yet, else context."""
    if event.kind not in UNCHARGED:
        return "context"
    idle = {Status.NOT_DONE: "not-done", Status.WITHDRAWN: "withdrawn"}
    return idle.get(event.status, "not-charged-yet")


def _skip(event: Event, reason: str, rules: Ruleset) -> Skip:
    why = Why(_rule_for(reason, event.day, rules), (Fact("event", event.kind, event.source),))
    return Skip(event.id, reason, why)


def _rule_for(reason: str, day: date, rules: Ruleset) -> RuleRef:
    """The rule by which such a thing owes nothing on the day; where none decides, the version of the day or the last."""
    decision = rules.decide("assembly", day, {"reason": reason})
    rule = rules.rule("assembly")
    return decision.ref if isinstance(decision, Decision) else (rule.on(day) or rule.versions[-1]).ref
