"""Deriving a course of forty fractions from the beginning, and the whole step of a lane when one more message comes.

What is aimed at is measured cold: each time a course of new objects that nobody has asked anything, under a house that
has derived others; and in time of the processor, which another program takes less of than it takes of the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from _clinic import course, events_of, house, readings, stepped
from _common import Figure, Row, against, keep, machine, no_collection, on_one_core, spread, table, timed

from adapters.charges import Assembly, assemble, derive, within_bounds
from adapters.edits import screen
from adapters.model.charge import Outcomes
from adapters.model.episode import Episode
from adapters.model.event import Event
from adapters.pipeline import House
from adapters.pipeline.step import outcomes_of, person_contexts

FRACTIONS = 40
AIM = 0.002
"""Seconds of the processor for deriving the course, by the median."""
COLD = 300
"""Courses that are derived cold."""


def put_together(events: Sequence[Event]) -> tuple[Assembly, Episode]:
    """The events anew, and the course that they tell."""
    assembly = assemble("person", [replace(event) for event in events])
    (episode,) = (e for e in assembly.episodes if e.label)
    return assembly, episode


def cold(events: Sequence[Event], under: Callable[[], House]) -> Figure:
    """Time of the processor for deriving a course that was just put together, with what holds on its days."""
    taken = []
    with no_collection():
        for _ in range(COLD):
            (assembly, episode), at = put_together(events), under()
            start = time.process_time()
            outcomes = derive(episode, (), person_contexts(assembly, at), at.rules, at.prices)
            taken.append(time.process_time() - start)
            assert len(outcomes.charges) > FRACTIONS
    return Figure.of(taken)


def main() -> None:
    """Measure and print."""
    pinned = on_one_core()
    house_ = house()
    told = course(FRACTIONS)
    found = readings(told, house_)
    events = events_of(found)
    end = told[-1].at + timedelta(hours=1)
    assembly, episode = put_together(events)
    contexts = person_contexts(assembly, house_)
    outcomes = derive(episode, (), contexts, house_.rules, house_.prices)
    sessions = {c.slot.key for c in outcomes.charges if c.slot.service == "delivery"}
    assert len(sessions) == FRACTIONS, f"{len(sessions)} sessions are charged"

    in_centre = events_of(readings(course(FRACTIONS, setting="freestanding"), house_))
    alone, centre = put_together(in_centre)

    before = stepped(found[:-4], house_, end - timedelta(hours=2))
    again = stepped(found, house_, end)
    charged = len(again.charges)
    assert charged > FRACTIONS * 2

    def bare() -> Outcomes:
        return derive(episode, (), person_contexts(assembly, house_), house_.rules, house_.prices)

    def whole() -> Outcomes:
        made = assemble("person", events)
        return outcomes_of(made, person_contexts(made, house_), house_)

    def bare_centre() -> Outcomes:
        return derive(centre, (), person_contexts(alone, house_), house_.rules, house_.prices)

    assert bare_centre().charges

    figures = timed(
        {
            "assemble: events to the course": lambda: assemble("person", events),
            "derive: the course to its outcomes": bare,
            "the same in a freestanding centre": bare_centre,
            "bounds": lambda: within_bounds(outcomes, house_.rules),
            "screen: edits over all its lines": lambda: screen(outcomes.charges, contexts, house_.rules),
            "assemble, derive, bounds, screen": whole,
            "step: a whole course at once": lambda: stepped(found, house_, end),
            "step: the last messages of it": lambda: stepped(found[-4:], house_, end, before),
            "step: nothing new, claims looked at": lambda: stepped((), house_, end, again),
        },
        seconds=0.1,
    )
    all_four = figures["assemble, derive, bounds, screen"]
    print(machine(), pinned, sep="; ")
    table(
        f"{FRACTIONS} fractions with reviews, visits and physics: {len(told)} messages, {len(events)} events, "
        f"{charged} charges, {len(again.holds)} holds, {len(again.claims)} claims; 7 rounds",
        ("", "once", "a fraction"),
        [(name, spread(figure), f"{figure.median / FRACTIONS * 1e6:,.0f} µs") for name, figure in figures.items()],
    )
    hospital, single = cold(events, lambda: house_), cold(in_centre, lambda: house_)
    first = cold(in_centre, lambda: House.of(house_.rules, house_.site))
    table(
        f"cold, in time of the processor, {COLD} courses each: median (best to worst)",
        ("", "once"),
        [
            ("derive, two billing entities", spread(hospital)),
            ("derive, one billing entity", spread(single)),
            ("the first course of its house", spread(first)),
        ],
    )
    print(f"\n  derive, two billing entities: {against(hospital, AIM)}")
    print(f"  derive, one billing entity: {against(single, AIM)}")
    print(f"  with assembly, bounds and edits: {against(all_four, AIM)}")
    last = figures["step: the last messages of it"]
    keep(
        __file__,
        [
            Row(
                f"deriving a course of {FRACTIONS} fractions, freestanding / hospital with its physicians",
                f"{single.median * 1e3:.1f} / {hospital.median * 1e3:.1f} ms of the processor",
                f"aim: under 2 ms; at best {single.low * 1e3:.1f} / {hospital.low * 1e3:.1f} ms; the first course of its "
                f"house {first.median * 1e3:.1f} ms",
            ),
            Row(
                "the same with assembly, bounds and edits",
                f"{all_four.median * 1e3:.1f} ms",
                f"{len(events)} events, {charged} lines",
            ),
            Row(
                "stepping that person's record with new messages",
                f"{last.median * 1e3:.1f} ms",
                "assembly to claims, all derived anew",
            ),
        ],
    )


if __name__ == "__main__":
    main()
