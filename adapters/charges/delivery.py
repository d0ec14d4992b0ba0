"""Delivery: the code of each session, sessions of one day, and what a session must have before it is billed.

Which code a session bears stands in mappings/charges/delivery.toml and special-delivery.toml; what it must have in
mappings/edits/course-order.toml (radiation-oncology.md 3, 4, 5.3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from adapters.charges.lines import Bench
from adapters.charges.order import PLANS, Unready, unready
from adapters.charges.reviews import Review
from adapters.charges.special import words_of
from adapters.model.charge import Charge
from adapters.model.context import Context
from adapters.model.episode import Occurrence
from adapters.model.why import Fact, Source, Why
from adapters.rules import Decision, Nothing


def delivery(bench: Bench, sessions: Sequence[Occurrence], reviews: Mapping[str, Review]) -> None:
    """A line for each session, or the reason why there is none."""
    made: list[tuple[Occurrence, list[Charge]]] = []
    of_day: set[tuple[date, str]] = set()
    for session in sessions:
        context = bench.context(session)
        if regime := session.value("regime"):
            rule, (words, planned) = "special-delivery", words_of(session, sessions)
        else:
            rule, (words, planned) = "delivery", _delivery_words(bench, session)
        decision = bench.decide(rule, context, words)
        facts = (*bench.looked_at(session, decision.used), *_motion_facts(session, decision.used), *planned)
        if isinstance(decision, Nothing):
            bench.undecided(decision, "delivery", session, facts, rule)
            continue
        if "assumed" in decision.values:
            facts = (*facts, _assumed(session, decision.values["assumed"]))
        if "code" not in decision.values:
            why = Why(decision.ref, facts)
            detail = decision.values.get("detail", "")
            bench.hold(decision.values["hold"], "delivery", session.key, why, about=session.primary.id, detail=detail)
            continue
        service = bench.owed("delivery", session, decision, facts)
        lines = bench.lines(service)
        if decision.values.get("per") == "day":
            if (session.day, regime) in of_day:
                for would in lines:
                    bench.hold("bundled", "", "", would.why, would=would, about=session.primary.id)
                continue
            of_day.add((session.day, regime))
        if better := _better(bench, decision, words, context):
            code, hold = better
            about, detail = session.primary.id, decision.values.get("detail", "")
            for would in bench.lines(replace(service, code=code, overdue=False)):
                bench.hold(hold, "", "", would.why, would=would, instead_of=bool(lines), about=about, detail=detail)
        made.append((session, lines))
    _bill(bench, _repeats(bench, made), reviews)


def _delivery_words(bench: Bench, session: Occurrence) -> tuple[dict[str, str], tuple[Fact, ...]]:
    """The session in the words of the delivery table; isocenters as the plan states them where the report is silent."""
    words = dict(bench.words(session))
    active, documented = session.flag("motion.active"), session.flag("motion.documented")
    words["motion"] = "none" if not active else "documented" if documented else "undocumented"
    if "isocenters" in words:
        return words, ()
    for plan in bench.episode.of("imrt-plan", "3d-plan"):
        stated = plan.fact("isocenters")
        if stated and (not session.value("plan") or plan.value("plan") in ("", session.value("plan"))):
            words["isocenters"] = stated.value
            return words, (stated,)
    return words, ()


def _assumed(session: Occurrence, name: str) -> Fact:
    at = f"assumed: no report states the {name}, the lowest supported level is billed"
    return Fact(name, "1", Source(session.primary.source.message, at))


def _motion_facts(session: Occurrence, used: Sequence[str]) -> tuple[Fact, ...]:
    names = ("motion.active", "motion.documented", "motion.method") if "motion" in used else ()
    return tuple([fact for name in names if (fact := session.by_name.get(name))])


def _better(bench: Bench, decision: Decision, words: Mapping[str, str], context: Context) -> tuple[str, str] | None:
    """(code, hold) of a better line that is kept back while a lesser one is billed."""
    if better := decision.values.get("better", ""):
        return better, decision.values.get("hold", "review-needed")
    if decision.values.get("assumed") == "isocenters":
        more = bench.decide("delivery", context, {**words, "isocenters": "2"})
        if isinstance(more, Decision) and more.values.get("code", decision.values["code"]) != decision.values["code"]:
            return more.values["code"], "isocenters-unknown"
    return None


def _repeats(bench: Bench, made: Sequence[tuple[Occurrence, list[Charge]]]) -> list[tuple[Occurrence, list[Charge]]]:
    """A second session of a day with the same code is a line of its own, with the modifier the payer wants (5.3)."""
    if len({session.day for session, _ in made}) == len(made):
        return list(made)
    seen: dict[tuple[date, str, str], int] = defaultdict(int)
    result = []
    for session, lines in made:
        marked = []
        for line in lines:
            key = (session.day, line.entity, line.code)
            seen[key] += 1
            modifier = _REPEAT.get(bench.context(session).option("bid_repeat"), "") if seen[key] > 1 else ""
            marked.append(replace(line, modifiers=(*line.modifiers, modifier)) if modifier else line)
        result.append((session, marked))
    return result


_REPEAT: Final = {"second-line-modifier-76": "76", "second-line-modifier-59": "59"}


def _bill(bench: Bench, made: Sequence[tuple[Occurrence, list[Charge]]], reviews: Mapping[str, Review]) -> None:
    """Bill the lines of the sessions that are in order and complete; hold those of the others."""
    of_day: dict[tuple[date, str], list[Occurrence]] = defaultdict(list)
    several = len({session.day for session, _ in made}) < len(made)
    for session, _ in made if several else ():
        of_day[session.day, session.value("regime")].append(session)
    plans = bench.episode.of(*PLANS)
    together: dict[tuple[date, str, str], list[tuple[Occurrence, Charge]]] = defaultdict(list)
    for session, lines in made:
        about, same = session.primary.id, of_day[session.day, session.value("regime")] if several else ()
        waits = _unclear(bench, session) or unready(bench, session, plans, reviews)
        if refused := waits or (_too_close(bench, session, same) if len(same) > 1 else None):
            for line in lines:
                why = Why(refused.ref, (*line.why.facts, *refused.facts))
                bench.hold(refused.hold, "", "", why, would=line, about=about, detail=refused.detail)
        elif len(same) > 1 and bench.context(session).option("bid_repeat") == "one-line-two-units":
            for line in lines:
                together[session.day, line.entity, line.code].append((session, line))
        else:
            bench.bill(lines, about)
    for parts in together.values():
        session, line = parts[0]
        facts = tuple(fact for _, part in parts for fact in part.why.facts)
        units = sum(part.units for _, part in parts)
        bench.bill([replace(line, units=units, why=Why(line.why.rule, facts))], session.primary.id)


def _unclear(bench: Bench, session: Occurrence) -> Unready | None:
    """What keeps back a report that may be a second one of several sessions: nobody guesses of which, or of none."""
    if session.value("times") != "unmatched":
        return None
    detail = "It may be a second report of one of several sessions of its number: enter its uid or its plan."
    return Unready("review-needed", bench.ref("delivery", session.day), (session.named,), detail)


def _too_close(bench: Bench, session: Occurrence, of_day: Sequence[Occurrence]) -> Unready | None:
    """What keeps back a session that began too soon after the one before it on that day, by the payer's hours (5.3)."""
    at = of_day.index(session)
    if at == 0:
        return None
    name = "bid_hours" if len(of_day) == 2 else "tid_hours"
    before = of_day[at - 1]
    least = bench.context(session).words.get(f"option.{name}", "")
    ended = before.end or before.start
    if not least or session.start - ended >= timedelta(hours=int(least)):
        return None
    detail = f"less than {least} hours after the session before it"
    facts = (replace(before.named, name="session before"),)
    return Unready("review-needed", bench.ref("delivery", session.day), facts, detail)
