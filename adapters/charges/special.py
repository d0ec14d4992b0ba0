"""Sessions that are not external beam by the day: stereotactic courses, HDR, surface and intraoperative therapy.

Which code a session bears stands in mappings/charges/special-delivery.toml; here stands what a course of such sessions
owes as a whole (radiation-oncology.md 2.8, 5.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from adapters.charges.lines import Bench, Billable
from adapters.model.episode import Occurrence
from adapters.model.why import Fact, Why
from adapters.rules import Nothing

STEREOTACTIC: Final = ("sbrt", "srs")


def words_of(session: Occurrence, sessions: Sequence[Occurrence]) -> tuple[dict[str, str], tuple[Fact, ...]]:
    """The session in the words of the table, with what the course adds: its stereotactic sessions and their days.

    The treatment days of all sites of a course count together (5.2), so a stereotactic session rests on all of them.
    """
    words = {fact.name: fact.value for fact in reversed(session.facts)}
    if words.get("regime") not in STEREOTACTIC:
        return words, ()
    all_of_it = _stereotactic(sessions)
    words["days"] = str(len({one.day for one in all_of_it}))
    words["sessions"] = str(len(all_of_it))
    words["ordinal"] = str(all_of_it.index(session) + 1)
    return words, tuple(replace(one.named, name="session of the course") for one in all_of_it if one is not session)


def _stereotactic(sessions: Sequence[Occurrence]) -> list[Occurrence]:
    return [one for one in sessions if one.value("regime") in STEREOTACTIC]


def management_of_course(bench: Bench, sessions: Sequence[Occurrence], closed: bool) -> None:
    """The one management service of a stereotactic course, when the course is complete (2.7, 5.2).

    Complete is a course that has ended, or has had all the sessions that were planned: it is paid once even if fewer
    were given than planned (C [S32]).
    """
    given = _stereotactic(sessions)
    if not given:
        return
    last = given[-1]
    planned = max((one.whole("planned_fractions") or 0 for one in given), default=0)
    if not closed and not 0 < planned <= len(given):
        return
    context = bench.context(last)
    words, _ = words_of(last, sessions)
    decision = bench.decide("special-delivery", context, words)
    if isinstance(decision, Nothing) or "management" not in decision.values:
        return  # the sessions themselves are held by the same answer
    on = given[0] if context.option("management.dos") == "first_fraction" else last
    facts = [fact for one in given for fact in bench.looked_at(one, ("n", "regime"))]
    lines = bench.lines(
        Billable(
            service="management",
            key="course",
            code=decision.values["management"],
            units=1,
            start=on.day,
            end=on.day,
            facts=(*facts, *(end.named for end in bench.episode.of("course-end"))),
            ref=decision.ref,
            about=last.primary,
            place=bench.place(on),
            diagnoses=bench.diagnoses(on),
            rendering=last.value("by"),
            overdue=decision.overdue,
        )
    )
    bench.bill(lines, last.primary.id)


def management_by_session(bench: Bench, sessions: Sequence[Occurrence]) -> None:
    """The management of each intraoperative session, which is a course of its own (2.7)."""
    for session in sessions:
        if session.value("regime") != "iort":
            continue
        words, _ = words_of(session, sessions)
        decision = bench.decide("special-delivery", bench.context(session), words)
        if isinstance(decision, Nothing) or "management" not in decision.values:
            continue  # the session itself is held by the same answer
        lines = bench.lines(
            Billable(
                service="management",
                key=f"iort:{session.key}",
                code=decision.values["management"],
                units=1,
                start=session.day,
                end=session.day,
                facts=bench.looked_at(session, decision.used),
                ref=decision.ref,
                about=session.primary,
                place=bench.place(session),
                diagnoses=bench.diagnoses(session),
                rendering=session.value("by"),
                overdue=decision.overdue,
            )
        )
        bench.bill(lines, session.primary.id)


def surface_guidance(bench: Bench, sessions: Sequence[Occurrence], closed: bool) -> None:
    """Ultrasound of a surface course: once, at its first use, and only where a session was delivered (2.8)."""
    delivered = [one for one in sessions if one.value("regime") == "surface"]
    uses = [
        one for one in (*bench.episode.of("surface-planning"), *delivered) if one.value("guidance", "none") != "none"
    ]
    if not uses:
        return
    first = min(uses, key=lambda one: (one.start, one.key))
    context = bench.context(first)
    words = {"guidance": first.value("guidance"), "regime": "surface"}
    decision = bench.decide("guidance", context, words)
    facts = bench.looked_at(first, ("guidance", *decision.used))
    if isinstance(decision, Nothing):
        bench.undecided(decision, "guidance", first, facts, "guidance")
        return
    beside = tuple(one.named for one in delivered[:1] if one is not first)
    service = bench.owed("guidance", first, decision, (*facts, *beside))
    service.key = "course"
    lines = bench.lines(service)
    if delivered:
        bench.bill(lines, first.primary.id)
    elif closed:
        for line in lines:
            why = Why(line.why.rule, (*line.why.facts, *(end.named for end in bench.episode.of("course-end"))))
            bench.hold("addon-without-primary", "", "", why, would=line, about=first.primary.id)
