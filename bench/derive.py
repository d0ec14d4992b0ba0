"""Deriving a course of forty fractions from the beginning, and the whole step of a lane when one more message comes."""

from __future__ import annotations

from datetime import timedelta

from _clinic import course, events_of, house, readings, stepped
from _common import Row, against, amount, keep, machine, on_one_core, on_processor, spread, table, timed

from adapters.charges import assemble, derive, within_bounds
from adapters.edits import screen
from adapters.model.charge import Outcomes
from adapters.pipeline.step import outcomes_of, person_contexts

FRACTIONS = 40
AIM = 0.002
"""Seconds for deriving the course."""


def main() -> None:
    """Measure and print."""
    pinned = on_one_core()
    house_ = house()
    told = course(FRACTIONS)
    found = readings(told, house_)
    events = events_of(found)
    end = told[-1].at + timedelta(hours=1)
    assembly = assemble("person", events)
    contexts = person_contexts(assembly, house_)
    (episode,) = (e for e in assembly.episodes if e.label)
    outcomes = derive(episode, (), contexts, house_.rules, house_.prices)
    sessions = {c.slot.key for c in outcomes.charges if c.slot.service == "delivery"}
    assert len(sessions) == FRACTIONS, f"{len(sessions)} sessions are charged"

    alone = assemble("person", events_of(readings(course(FRACTIONS, setting="freestanding"), house_)))
    (centre,) = (e for e in alone.episodes if e.label)

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
    derived = figures["derive: the course to its outcomes"]
    single = figures["the same in a freestanding centre"]
    all_four = figures["assemble, derive, bounds, screen"]
    print(machine(), pinned, sep="; ")
    table(
        f"{FRACTIONS} fractions with reviews, visits and physics: {len(told)} messages, {len(events)} events, "
        f"{charged} charges, {len(again.holds)} holds, {len(again.claims)} claims; 7 rounds",
        ("", "once", "a fraction"),
        [(name, spread(figure), f"{figure.median / FRACTIONS * 1e6:,.0f} µs") for name, figure in figures.items()],
    )
    alone_of_two, alone_of_one = on_processor(bare), on_processor(bare_centre)
    print(f"\n  derive, two billing entities: {against(derived, AIM)}; {amount(alone_of_two)} of the processor at best")
    print(f"  derive, one billing entity: {against(single, AIM)}; {amount(alone_of_one)} of the processor at best")
    print(f"  with assembly, bounds and edits: {against(all_four, AIM)}")
    last = figures["step: the last messages of it"]
    keep(
        __file__,
        [
            Row(
                f"deriving a hospital's course of {FRACTIONS} fractions",
                f"{derived.median * 1e3:.1f} ms",
                f"aim: under 2 ms; of the processor {alone_of_two * 1e3:.1f} ms at best; a freestanding centre's "
                f"{single.median * 1e3:.1f} and {alone_of_one * 1e3:.1f} ms",
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
