"""Everything that one episode owes, from the beginning: charges, holds, skips, findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from adapters.charges.bedside import bedside
from adapters.charges.coded import modes
from adapters.charges.doses_told import DOSES, differing
from adapters.charges.lines import Bench
from adapters.charges.prices import PriceList
from adapters.charges.radiation import course, is_closed
from adapters.charges.remarks import gaps
from adapters.charges.services import unpaired
from adapters.errors import DoubleCharge
from adapters.model.charge import Finding, Outcomes
from adapters.model.context import Contexts
from adapters.model.episode import Episode, Occurrence
from adapters.model.event import Event, Status
from adapters.model.kinds import Role
from adapters.model.why import Fact, Why
from adapters.rules import Ruleset

_REASON_OF_EVIDENCE = {
    "on-treatment-visit": "included-in-management",
    "physics-check": "supports-physics",
    "course-end": "closes-course",
    "igrt-review": "reviewed",
}


def derive(
    episode: Episode,
    coded: Sequence[Event],
    contexts: Contexts,
    rules: Ruleset,
    prices: PriceList,
    others: Sequence[Episode] = (),
) -> Outcomes:
    """All outcomes of the episode; raises `DoubleCharge` when a rule of ours owes one slot twice.

    `others` are the person's other episodes: what lies near a plan of another course depends on that plan.
    """
    bench = Bench(episode, contexts, rules, prices, others=others)
    if episode.kind == "infusion":
        bedside(bench)
    elif episode.label:
        course(bench)
    else:
        _loose(bench)
    modes(bench, coded)
    unpaired(bench, coded)
    sessions = episode.of("fraction")
    gaps(bench, sessions, is_closed(episode, sessions), coded)
    _account(bench)
    outcomes = bench.outcomes()
    if len({charge.slot for charge in outcomes.charges}) < len(outcomes.charges):
        twice = [slot for slot, n in Counter(c.slot for c in outcomes.charges).items() if n > 1]
        raise DoubleCharge(f"{len(twice)} slots of service {twice[0].service} are owed twice")
    return outcomes


def _loose(bench: Bench) -> None:
    """Services of no known course wait for the report that names it."""
    for occurrence in bench.episode.occurrences:
        if occurrence.happened and occurrence.primary.role is Role.SERVICE:
            why = Why(bench.ref("assembly", occurrence.day), (occurrence.named,))
            about = occurrence.primary.id
            bench.hold("course-unknown", occurrence.kind, occurrence.key, why, about=about)


def _account(bench: Bench) -> None:
    """Name every report that no outcome rests on, with the reason; nothing captured vanishes."""
    whys = [*(charge.why for charge in bench.charges), *(hold.why for hold in bench.holds)]
    rests = {(fact.source.message, fact.source.at) for why in whys for fact in why.facts if fact.name == "event"}
    for older, newer in bench.episode.superseded:
        bench.skip(older, "superseded")
        if bench.episode.kind == "infusion" and _said(older) != _said(newer):
            facts = (*bench.why_skipped(older, "superseded").facts, Fact("event", "restated", newer.source))
            why = Why(bench.ref("assembly", older.day), facts)
            bench.findings.append(Finding("charge-superseded", older.id, why, older.kind))
    for occurrence in bench.episode.occurrences:
        source = occurrence.primary.source
        # Most things are reported once, and something rests on the report.
        if len(occurrence.reports) > 1 or not occurrence.happened or (source.message, source.at) not in rests:
            _account_reports(bench, occurrence, rests)


def _said(event: Event) -> tuple[object, ...]:
    """What a report of an administration says, wherever it was read."""
    return event.start, event.end, event.status, tuple((fact.name, fact.value) for fact in event.facts)


def _account_reports(bench: Bench, occurrence: Occurrence, rests: set[tuple[str, str]]) -> None:
    if not occurrence.happened:
        reason = "withdrawn" if occurrence.status is Status.WITHDRAWN else "not-done"
        for report in occurrence.reports:
            bench.skip(report, reason)
        return
    for later in occurrence.reports[1:]:
        if _continues(later, occurrence.reports):
            bench.skip(later, "part-of-session")
            continue
        bench.skip(later, "duplicate-report")
        why = bench.why_skipped(later, "duplicate-report")
        first = replace(occurrence.named, name="reported before")
        bench.findings.append(
            Finding("duplicate-suppressed", later.id, Why(why.rule, (*why.facts, first)), occurrence.kind)
        )
        if occurrence.kind in DOSES and (names := differing(occurrence.primary, later)):
            bench.findings.append(
                Finding("reports-differ", later.id, Why(why.rule, (*why.facts, first)), " ".join(names))
            )
    primary = occurrence.primary
    if (primary.source.message, primary.source.at) in rests:
        return
    reason = bench.idle.get(primary.id) or _REASON_OF_EVIDENCE.get(occurrence.kind, "nothing-due")
    if primary.role is Role.SERVICE and reason == "nothing-due":
        facts = (Fact("event", occurrence.named.value, primary.source),)
        why = Why(bench.ref("assembly", occurrence.day), facts)
        if not _billed_as_coded(bench, occurrence):
            bench.hold(
                "review-needed",
                occurrence.kind,
                occurrence.key,
                why,
                about=primary.id,
                detail="no rule says what this service owes",
            )
            return
        reason = "coded-elsewhere"
    bench.skip(primary, reason)


def _continues(later: Event, reports: Sequence[Event]) -> bool:
    """Whether the report is a further part of an interrupted session, and no second report of it (5.1)."""
    parts = {key for key in later.keys if key.startswith("part:")}
    return any(parts & set(report.keys) for report in reports if report is not later)


def _billed_as_coded(bench: Bench, occurrence: Occurrence) -> bool:
    """Whether the family's coded charges are billed instead of what we derived of this occurrence (mode accept)."""
    source = occurrence.primary.source
    return any(fact.source == source and fact.name == "event" for why in bench.left_to_coded for fact in why.facts)
