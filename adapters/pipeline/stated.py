"""What persons say, set beside what feeds say: one function for each place of a derivation where a decision is looked at.

Who wins: a fact that a person says of one event outranks every feed, whenever the feed said it; one that a person says
of a plan or course fills the sessions that say nothing of it, for a record of the session itself is nearer. Of two
persons the later one holds. An event that a person says happened stands until a feed reports one of its kind on its day
(or one more, where the person said how many others there were): then it was that one, and is billed once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from adapters.charges import Assembly, assemble
from adapters.charges.lines import Bench
from adapters.charges.visits_told import Family
from adapters.edits import facility_of
from adapters.model.charge import Charge, Finding, Hold, Outcomes, Slot
from adapters.model.decision import KIND, About, Verb
from adapters.model.episode import Episode, Occurrence
from adapters.model.event import Event, Status
from adapters.model.why import Fact, Why
from adapters.pipeline.deciding import BESIDES, BY_HAND
from adapters.work import Standing, facts_of, standing

COURSE = "course"
"""The one thing that a person may say of an event and that is no fact of it, but its course."""


def effective(events: Sequence[Event], stands: Standing) -> Sequence[Event]:
    """The events as persons leave them: what they entered and withdrew is withdrawn, what they corrected is corrected."""
    corrected = _corrections(events, stands)
    if not corrected and not stands.withdrawn:
        return events
    return tuple(_effective(event, corrected.get((event.kind, event.line), ()), stands) for event in events)


def _effective(event: Event, said: Sequence[Event], stands: Standing) -> Event:
    if event.kind == KIND:
        return event
    if event.source.message in stands.withdrawn:
        return replace(event, status=Status.WITHDRAWN)
    for one in said:
        if one.value("fact.name") == COURSE:
            event = replace(event, course=one.value("fact.value"))
    stated = _stated(said)
    return replace(event, facts=_over(stated, event.facts)) if stated else event


def _corrections(events: Iterable[Event], stands: Standing) -> dict[tuple[str, str], list[Event]]:
    """What persons say of one event, by its line: a later report of the line does not undo it."""
    said = stands.of(Verb.FACT)
    if not said:
        return {}
    lines = {event.id: (event.kind, event.line) for event in events}
    found: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for one in said:
        if (line := lines.get(one.value("about.event"))) is not None:
            found[line].append(one)
    return found


def _stated(said: Iterable[Event]) -> tuple[Fact, ...]:
    """The facts that are said, of each name those of the decision that came last."""
    last: dict[str, list[Event]] = {}
    for one in said:
        name = one.value("fact.name")
        known = last.get(name)
        same = known is not None and known[0].source.message == one.source.message
        last[name] = [*(known or []), one] if same else [one]
    return tuple(
        Fact(name, one.value("fact.value"), one.source) for name, ones in last.items() if name != COURSE for one in ones
    )


def _over(stated: Sequence[Fact], facts: Sequence[Fact]) -> tuple[Fact, ...]:
    names = {fact.name for fact in stated}
    return (*stated, *(fact for fact in facts if fact.name not in names))


@dataclass(frozen=True, slots=True)
class Stated:
    """An assembly as persons leave it."""

    assembly: Assembly
    yielded: tuple[tuple[Event, Occurrence], ...] = ()
    """(event that a person entered, the thing that a feed reports and that it was)."""


def stated(assembly: Assembly, events: Sequence[Event], stands: Standing) -> Stated:
    """The assembly of `effective` events, with what persons say of things that were put together from several reports."""
    if not stands.of(Verb.FACT) and not any(event.feed == BY_HAND and event.kind != KIND for event in events):
        return Stated(assembly)
    corrected = _corrections(events, stands)
    planned = [one for one in stands.of(Verb.FACT) if not one.value("about.event")]
    yielded: list[tuple[Event, Occurrence]] = []
    episodes: list[Episode] = []
    for episode in assembly.episodes:
        left, gone = _without_yielded(episode.occurrences)
        yielded.extend(gone)
        episodes.append(replace(episode, occurrences=tuple(_told(one, corrected, planned) for one in left)))
    return Stated(replace(assembly, episodes=tuple(episodes)), tuple(yielded))


def assembled(person: str, events: Sequence[Event], family: Family | None = None) -> Assembly:
    """A person's events put together as persons leave them: for whoever shows what a derivation looked at.

    `family` is the house's (`step.family_by`); without it a coded charge of a visit is not known as one of it.
    """
    stands = standing(events)
    left = effective(events, stands)
    whole = assemble(person, left, family) if family else assemble(person, left)
    return stated(whole, left, stands).assembly


def _told(one: Occurrence, corrected: dict[tuple[str, str], list[Event]], planned: Sequence[Event]) -> Occurrence:
    of_it = {id(said): said for report in one.reports for said in corrected.get((report.kind, report.line), ())}
    facts = _stated(sorted(of_it.values(), key=lambda said: (said.said, said.source)))
    if one.kind == "fraction":
        said = [each for each in planned if _of_plan(each, one)]
        facts += tuple(fact for fact in _stated(said) if fact.name not in one.by_name)
    return replace(one, facts=_over(facts, one.facts)) if facts else one


def _of_plan(said: Event, one: Occurrence) -> bool:
    plan, course = said.value("about.plan"), said.value("about.course")
    return plan in ("", one.value("plan")) and course in ("", one.course)


def _without_yielded(
    occurrences: Sequence[Occurrence],
) -> tuple[Sequence[Occurrence], list[tuple[Event, Occurrence]]]:
    """The things that happened, without those that a person entered and a feed reports too."""
    by_hand: dict[tuple[object, ...], list[Occurrence]] = defaultdict(list)
    by_feed: dict[tuple[object, ...], list[Occurrence]] = defaultdict(list)
    for one in occurrences:
        if one.happened:
            entered = all(report.feed == BY_HAND for report in one.reports)
            (by_hand if entered else by_feed)[one.kind, one.day].append(one)
    gone: dict[int, Occurrence] = {}
    for key, entered_ones in by_hand.items():
        reported = by_feed[key]
        others = max(_besides(one) for one in entered_ones)
        stand = max(0, others + len(entered_ones) - max(others, len(reported)))
        for number, one in enumerate(entered_ones[stand:]):
            gone[id(one)] = reported[min(others + number, len(reported) - 1)]
    left = [one for one in occurrences if id(one) not in gone]
    pairs = [(r, gone[id(one)]) for one in occurrences if id(one) in gone for r in one.reports]
    return left, pairs


def _besides(one: Occurrence) -> int:
    """How many others of its kind and day there were, as the person said who entered it."""
    told = [key.removeprefix(BESIDES) for report in one.reports for key in report.keys if key.startswith(BESIDES)]
    return max(map(int, told), default=0)


def decided_lines(outcomes: Outcomes, stands: Standing, bench: Bench) -> Outcomes:
    """The outcomes with the lines that a person wants billed otherwise, or not at all. `bench` knows the prices."""
    said = stands.of(Verb.DROP, Verb.BILL)
    if not said:
        return outcomes
    charges: list[Charge] = []
    holds: list[Hold] = []
    findings: list[Finding] = list(outcomes.findings)
    taken: set[Slot] = set()
    lines: tuple[Charge | Hold, ...] = (*outcomes.charges, *outcomes.holds)
    for line in lines:
        would = line if isinstance(line, Charge) else line.would
        last = next((one for one in reversed(said) if About.said(one).fits(line.slot, line.why)), None)
        if last is None or (last.value("verb") == Verb.BILL and would is None):
            if isinstance(line, Charge):
                charges.append(line)
            else:
                holds.append(line)
            continue
        why = Why(line.why.rule, (*line.why.facts, *facts_of(last)))
        if last.value("verb") == Verb.DROP or would is None:
            spec = bench.rules.hold("not-billed")
            holds.append(Hold(line.slot, spec.code, spec.release, would, why, detail=spec.words))
        elif would.slot not in taken:
            taken.add(would.slot)
            charge = _as_said(would, last, why, bench)
            if charge.price is None:
                spec = bench.rules.hold("price-missing")
                holds.append(Hold(charge.slot, spec.code, spec.release, charge, why, detail=spec.words))
            else:
                charges.append(charge)
        findings.append(_finding(last, why, line.slot))
    return replace(outcomes, charges=tuple(charges), holds=tuple(holds), findings=tuple(findings))


def _as_said(line: Charge, said: Event, why: Why, bench: Bench) -> Charge:
    """The line under the code, modifiers and units that a person says; what is not said stays."""
    code = said.value("code") or line.code
    modifiers = said.values("modifier") or (line.modifiers if code == line.code else ())
    place = facility_of(bench.contexts.site, line.entity)
    price, priced = bench.price(code, modifiers, line.entity, line.start, place)
    units = int(said.value("units") or line.units)
    changed = Why(why.rule, (*why.facts, *priced))
    return replace(line, code=code, modifiers=modifiers, units=units, price=price, why=changed)


def let_go(outcomes: Outcomes, stands: Standing) -> Outcomes:
    """The outcomes with the held lines due that a person lets go; a better line takes the place of the lesser one."""
    if not stands.of(Verb.RELEASE, Verb.OVERRIDE):
        return outcomes
    due = {charge.slot: charge for charge in outcomes.charges}
    holds: list[Hold] = []
    findings = list(outcomes.findings)
    for hold in outcomes.holds:
        line = released(hold, stands)
        if line is None or (line.slot in due and not hold.instead_of):
            holds.append(hold)
        else:
            due[line.slot] = line
            findings.append(finding_of(hold, stands))
    return replace(outcomes, charges=tuple(due.values()), holds=tuple(holds), findings=tuple(findings))


def released(hold: Hold, stands: Standing) -> Charge | None:
    """The line that a person lets go, saying so; None while it is held."""
    said = stands.lets(hold)
    if said is None or hold.would is None:
        return None
    return replace(hold.would, why=Why(hold.why.rule, (*hold.why.facts, *facts_of(said))))


def goes_out(stands: Standing, hold: Hold) -> tuple[Charge, Finding] | None:
    """The same with the finding that says so: how the screening asks."""
    line = released(hold, stands)
    return None if line is None else (line, finding_of(hold, stands))


def finding_of(hold: Hold, stands: Standing) -> Finding:
    """That a person lets a line go, who and why. The hold is one that `released` gives a line for."""
    said = stands.lets(hold)
    if said is None:
        raise ValueError("nobody lets it go")
    return _finding(said, Why(hold.why.rule, (*hold.why.facts, *facts_of(said))), hold.slot)


def _finding(said: Event, why: Why, slot: Slot) -> Finding:
    words = f"{said.value('verb')} by {said.value('by')}: {said.value('why')}"
    return Finding("person-decided", said.id, why, words, slot)
