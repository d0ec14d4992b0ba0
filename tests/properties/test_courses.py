"""Whatever happens to courses, told in whatever order: each session is one line, and units are those of the count.

Drawn are one or two courses on the same days, with sessions twice a day, in parts, under a new plan, on another machine,
withdrawn, found late, and sessions after an end. What is due is worked out beside the program, from the sessions that
were delivered alone (radiation-oncology.md 5.1, 5.3, 5.4).
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from adapters.model.event import Event, Status
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.pipeline import House, step
from tests.model.clinic import PERSON, background, ended, exam, fraction, house, moment, reading, workdays

END = moment("2026-06-01")
CENTRE = house(
    "freestanding", payer_options={"bid_repeat": "second-line-modifier-76", "edits.units": "off", "physics.tail": "0"}
)


@dataclass(frozen=True, slots=True)
class Course:
    """What is told of a course, and the days of the sessions that were delivered in the end."""

    label: str
    events: tuple[Event, ...]
    delivered: tuple[date, ...]
    closed: bool

    @property
    def management(self) -> int:
        """Units of 77427: one for five, and one for three or four left of a course that ended; of one or two none."""
        n = len(self.delivered)
        return n // 5 + (1 if self.closed and n % 5 >= 3 else 0)

    @property
    def short(self) -> int:
        """Units of 77431: one for a complete course of one or two sessions."""
        return 1 if self.closed and 0 < len(self.delivered) < 3 else 0

    @property
    def physics(self) -> int:
        """Units of 77336: one for five; of a complete course of fewer one, by the option's default."""
        n = len(self.delivered)
        return n // 5 or (1 if self.closed and n else 0)


@st.composite
def courses(draw: st.DrawFn, label: str) -> Course:
    """A course of up to fourteen working days and all that may happen to it."""
    events: list[Event] = []
    delivered: list[date] = []
    n = 0
    days = workdays("2026-02-02", draw(st.integers(1, 14)))
    planned_anew = draw(st.integers(1, 20))
    for day in days:
        for hour in draw(st.sampled_from([(9,), (9,), (9,), (9, 16)])):
            n += 1
            plan = "A" if n < planned_anew else "B"
            line = f"rt|{label}|{n}"
            said = f"2026-05-0{draw(st.integers(1, 9))}T12:00" if draw(st.integers(0, 7)) == 0 else ""
            what = {"course": label, "plan": plan, "line": line, "said": said}
            match draw(st.sampled_from(["plain", "plain", "plain", "parts", "machine", "withdrawn", "restated"])):
                case "parts":
                    part = {**what, "keys": (f"part:{label}{n}",)}
                    events.append(fraction(f"{day}T{hour:02}:00", n, **part))
                    events.append(fraction(f"{day}T{hour:02}:40", n, **{**part, "line": f"{line}, resumed"}))
                    delivered.append(day)
                case "machine":  # its console is a feed of its own, and both tell of the session
                    uid = f"2.25.{label[1:]}{n:03}"
                    events.append(fraction(f"{day}T{hour:02}:00", n, **what, uid=uid))
                    events.append(fraction(f"{day}T{hour:02}:02", None, course=label, feed="ehr", line=line, uid=uid))
                    delivered.append(day)
                case "withdrawn":
                    events.append(fraction(f"{day}T{hour:02}:00", n, **{**what, "said": ""}))
                    gone = {**what, "said": "2026-05-20T09:00", "status": Status.WITHDRAWN}
                    events.append(fraction(f"{day}T{hour:02}:00", n, **gone))
                case "restated":
                    events.append(fraction(f"{day}T{hour:02}:00", n, **{**what, "said": ""}, technique="2d"))
                    events.append(fraction(f"{day}T{hour:02}:00", n, **{**what, "said": "2026-05-20T09:00"}))
                    delivered.append(day)
                case _:
                    events.append(fraction(f"{day}T{hour:02}:00", n, **what))
                    delivered.append(day)
        events.append(exam(f"{day}T11:00", course=label, line=f"exam|{label}|{day}"))
    if draw(st.booleans()):  # broken off after some day, and resumed where sessions follow
        events.append(ended(draw(st.sampled_from(days)), course=label, line=f"end|{label}|first"))
    closed = draw(st.booleans())
    if closed:
        events.append(ended(days[-1], course=label, line=f"end|{label}"))
    last = max(delivered, default=days[0])
    ends = [event.day for event in events if event.kind == "course-end"]
    return Course(label, tuple(events), tuple(delivered), bool(ends) and max(ends) >= last)


def stepped(events: list[Event], at: House, sizes: list[int]) -> PersonRecord:
    """The record after the reports in steps of these sizes; what is left comes in one step."""
    record, left = PersonRecord(PERSON), [reading(event) for event in events]
    for size in sizes:
        record = step(record, left[:size], at, END)
        left = left[size:]
    return step(record, left, at, END)


@given(courses("C1"), st.one_of(st.none(), courses("C2")), st.randoms(use_true_random=False), st.data())
def test_each_session_is_one_line_and_units_are_those_of_the_count(
    first: Course, second: Course | None, chance: random.Random, data: st.DataObject
) -> None:
    told = [course for course in (first, second) if course]
    events = [*background(), *(event for course in told for event in course.events)]
    chance.shuffle(events)
    record = stepped(events, CENTRE, data.draw(st.lists(st.integers(1, 9), max_size=4)))
    standing = [c.charge for c in record.charges if c.status is not ChargeStatus.VOID]
    for course in told:
        episode = f"{PERSON}/{course.label}"
        # Two courses of a day with one code are for a person to tell apart: one of the lines waits.
        kept = [hold.would for hold in record.holds if hold.would and hold.code == "modifier-missing"]
        mine = [charge for charge in (*standing, *kept) if charge.slot.episode == episode]
        codes = Counter(charge.code for charge in mine)
        assert Counter(c.start for c in mine if c.code == "77407") == Counter(course.delivered)
        again = Counter(c.start for c in mine if c.modifiers == ("76",))
        assert again == Counter({day: n - 1 for day, n in Counter(course.delivered).items() if n > 1})
        assert codes["77427"] == course.management
        assert codes["77431"] == course.short
        assert codes["77336"] == course.physics
        assert codes.keys() <= {"77407", "77427", "77431", "77336"}
    shared = set(first.delivered) & set(second.delivered) if second else set()
    assert bool(shared) == any(finding.kind == "concurrent-courses" for finding in record.findings)
