"""Unsent claims set against what is due: kept, held, released, abandoned and built again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from adapters.claims import Correction, Draft, FilingClock, sides
from adapters.claims.timely import runs_on
from adapters.model.charge import Finding
from adapters.model.claim import Claim, ClaimEvent, ClaimOnFile, ClaimState, ClaimType, step
from adapters.model.context import Contexts
from adapters.model.decision import Verb
from adapters.model.record import PersonRecord, Tick
from adapters.model.why import Fact, RuleRef, Source, Why
from adapters.model.work import WorkItem, open_item
from adapters.pipeline.life import UNSENT
from adapters.pipeline.misfits import close_items
from adapters.rules import Decision, Ruleset
from adapters.work import CLAIM_INVALID, REVIEW, standing

Deadline = Callable[[Claim], "date | None"]
"""The last day on which the payer takes a claim; None where no rule speaks."""


def deadline_by(contexts: Contexts, clock: FilingClock) -> Deadline:
    """The last day for filing a claim, by the rule for its payer: the earliest of a professional claim's lines; of an
    institutional one, by its through date (medical-oncology-and-revenue-cycle.md 5.1); see `claims.timely.runs_on`."""

    def deadline(claim: Claim) -> date | None:
        place = next((f for f in contexts.site.facilities if any(e.id == claim.entity.id for e in f.entities)), None)
        if place is None:
            return None
        institutional = claim.type is ClaimType.INSTITUTIONAL
        since = max(line.end for line in claim.lines) if institutional else min(line.start for line in claim.lines)
        context = contexts.under(claim.payer.id, min(line.start for line in claim.lines), place)
        return clock.last_day(since, context) if runs_on(claim, context) else None

    return deadline


DROPPED: Final = "diagnosis-dropped"
"""Finding: a diagnosis that no line cites found no place on a claim."""


def remarks_on(record: PersonRecord, rules: Ruleset) -> Iterator[Finding]:
    """What is remarkable about the claims themselves: diagnoses left off, and two sides of one event that part."""
    for on_file in record.claims:
        claim = on_file.claim
        if claim.dropped and on_file.state is not ClaimState.ABANDONED:
            ref = _ref(rules, "diagnoses", claim.lines[0].start)
            for code in claim.dropped:
                yield Finding(DROPPED, claim.id, Why(ref, (Fact("diagnosis", code, Source("rules", ref.id)),)), code)
    if len({on_file.claim.type for on_file in record.claims}) > 1:
        day = min(line.start for on_file in record.claims for line in on_file.claim.lines)
        yield from sides(record.claims, {c.id: c.charge for c in record.charges}, _ref(rules, "sides", day))


def _ref(rules: Ruleset, check: str, day: date) -> RuleRef:
    """The house rule for a remark."""
    decision = rules.decide("screening", day, {"check": check})
    rule = rules.rule("screening")
    return decision.ref if isinstance(decision, Decision) else (rule.on(day) or rule.versions[-1]).ref


def with_drafts(
    record: PersonRecord, drafts: Sequence[Draft], corrections: Sequence[Correction], deadline: Deadline, tick: Tick
) -> PersonRecord:
    """Unsent claims become exactly these; one that is no longer wanted is abandoned, its charges are free again.

    A claim whose document may not leave stays held as long as its work item is open; a correction that a person has to
    see, until a person releases it.
    """
    seen = {one.value("mark") for one in standing(record.events).of(Verb.RELEASE) if one.value("hold") == REVIEW}
    corrections = [replace(fix, hold="") if fix.claim.id in seen else fix for fix in corrections]
    invalid = {item.about: item.code for item in record.work if item.code == CLAIM_INVALID and item.closed is None}
    wanted: dict[str, tuple[Draft | Correction, str]] = {}
    wanted.update({draft.claim.id: (draft, draft.hold or invalid.get(draft.claim.id, "")) for draft in drafts})
    wanted.update({fix.claim.id: (fix, fix.hold or invalid.get(fix.claim.id, "")) for fix in corrections})
    claims: list[ClaimOnFile] = []
    for on_file in record.claims:
        found = wanted.pop(on_file.claim.id, None)
        if on_file.state not in UNSENT:
            claims.append(on_file)
        elif found is None:
            claims.append(replace(on_file, state=step(on_file.state, ClaimEvent.ABANDON)))
            if on_file.claim.id in invalid:
                record = close_items(record, "hold", on_file.claim.id, tick)
        else:
            claims.append(
                _held_or_ready(replace(on_file, claim=found[0].claim, deadline=deadline(found[0].claim)), found[1])
            )
    for draft, hold in wanted.values():
        made = ClaimOnFile(draft.claim, ClaimState.BUILT, deadline=deadline(draft.claim))
        claims.append(_held_or_ready(made, hold))
    return replace(record, claims=tuple(claims))


def with_reviews(record: PersonRecord, action: str, tick: Tick) -> PersonRecord:
    """The record with an open item for each correction that a person has to see, and for no other claim."""
    held = [c.claim for c in record.claims if c.state is ClaimState.HELD and c.claim.replaces]
    invalid = {item.about for item in record.work if item.code == CLAIM_INVALID and item.closed is None}
    wanted = {
        item.id: item
        for claim in held
        if claim.id not in invalid
        for item in (_review(claim, record.person, action, tick),)
    }
    kept: list[WorkItem] = []
    for item in record.work:
        fresh = wanted.pop(item.id, None)
        if item.code != REVIEW or (fresh is None) == (item.closed is not None) or item.closed_by:
            kept.append(item)
        else:
            kept.append(fresh or replace(item, closed=tick.now, closed_why="settled"))
    return replace(record, work=(*kept, *wanted.values()))


def _review(claim: Claim, person: str, action: str, tick: Tick) -> WorkItem:
    return open_item(
        "hold",
        REVIEW,
        claim.id,
        category="submission",
        action=action,
        opened=tick.now,
        amount=claim.total,
        person=person,
    )


def _held_or_ready(on_file: ClaimOnFile, hold: str) -> ClaimOnFile:
    if hold:
        return (
            on_file
            if on_file.state is ClaimState.HELD
            else replace(on_file, state=step(on_file.state, ClaimEvent.HOLD))
        )
    return (
        on_file
        if on_file.state is ClaimState.READY
        else replace(on_file, state=step(on_file.state, ClaimEvent.RELEASE))
    )
