"""A service, an event or a payment that no feed reported: entered on a page as by `enter`, and charged like any.

GET /persons/{id}/enter asks for the kind, then for what the kind says; POST shows what would become of it, …/do writes it.
What can be said is the table of facts itself (`model.facts`); those that events of the kind on file say come first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi.responses import Response

from adapters.model.event import Status
from adapters.model.facts import FACTS, form_of, words_of
from adapters.model.kinds import KINDS, Role
from adapters.model.record import PersonRecord
from adapters.model.user import Role as UserRole
from adapters.pages.admission import Asked, Doors
from adapters.pages.names import course_name
from adapters.pages.proposing import Proposal, two_steps
from adapters.pages.sheet import message, page
from adapters.pages.typed import entered, lane_of, name_of, record_of, said_of, whole
from adapters.pages.wired import PageWired
from adapters.pipeline import settling
from adapters.pipeline.deciding import OF_EVENT
from adapters.pipeline.stated import assembled
from adapters.work.entered import NOT_BY_HAND, PAYMENT

ROWS: Final = 30
"""Facts that one form has room for."""
_BLANK: Final = 6
"""Rows beyond those that are filled in."""
_GROUPS: Final = {
    Role.SERVICE: "Services",
    Role.EVIDENCE: "What supports, closes or gates services",
    Role.CODED: "A charge line that another system has coded",
    Role.CONTEXT: "Who, where, insured by whom, part of what",
}
_PLAIN: Final = ("date", "start", "end", "course", "status")
STATUSES: Final = (Status.DONE.value, Status.NOT_DONE.value)


def enter_routes(doors: Doors) -> None:
    """The pages on which something is entered."""
    room = _Entering(doors.wired)
    doors.get("/persons/{id}/enter", room.form, UserRole.BILLER)
    two_steps(doors, "/persons/{id}/enter", room.proposed, room.again, UserRole.BILLER)


@dataclass(frozen=True, slots=True)
class Row:
    """A fact of the form: its name and value as typed, and what it should be."""

    name: str
    value: str
    words: tuple[str, ...] = ()
    form: str = ""
    last: str = ""
    """What the last event of the kind on file says; nothing is taken from it, a number of its own least of all."""


@dataclass(frozen=True, slots=True)
class _Entering:
    wired: PageWired

    def form(self, asked: Asked) -> Response:
        """The form of a kind; without one, the choice of it."""
        kind = asked.query.get("kind", "")
        lane = lane_of(self.wired, asked.path["id"])
        record = record_of(self.wired, lane) if lane else None
        if record is None or (kind and not _may(kind)):
            return _unknown(asked)
        labels = {course_name(id): label for id, label in self._courses(record).items()}
        return self._page(asked, record, kind, {"course": labels.get(asked.query.get("of", ""), "")})

    def again(self, asked: Asked, problems: tuple[str, ...], status: int) -> Response:
        """The form as it was filled in."""
        lane = lane_of(self.wired, asked.path["id"])
        if not lane:
            return _unknown(asked)
        kind = asked.form.get("kind", "")
        return self._page(asked, record_of(self.wired, lane), kind if _may(kind) else "", asked.form, problems, status)

    def proposed(self, asked: Asked) -> Proposal | tuple[str, ...]:
        """What the form says happened."""
        lane = lane_of(self.wired, asked.path["id"])
        if not lane:
            return ("the form: nobody on file bears this address",)
        said: dict[str, str | int | dict[str, object]] = {"kind": asked.form.get("kind", "")}
        said |= {name: text for name in _PLAIN if (text := asked.form.get(name, "").strip())}
        if besides := asked.form.get("besides", "").strip():
            said["besides"] = whole(besides)
        rows = [(row.name, row.value) for row in _typed(asked.form) if row.value]
        if any(not name for name, _ in rows):
            return ("facts: a value has no name beside it",)
        facts: dict[str, list[str]] = {}
        for name, text in rows:
            facts.setdefault(name, []).extend(filter(None, map(str.strip, text.splitlines())))
        said["facts"] = {name: values[0] if len(values) == 1 else values for name, values in facts.items()}
        found = entered(self.wired, lane, "event", said)
        if isinstance(found, tuple):
            return found
        (one,) = found.says
        course = one.value("course")
        when = asked.form.get("start", "").strip().replace("T", " ") or asked.form.get("date", "").strip()
        about = (
            ("What", one.value("kind").replace("-", " ")),
            ("When", when),
            *((("Course", course),) if course else ()),
            *((("Status", "not done"),) if one.value("status") == Status.NOT_DONE else ()),
            *((n.removeprefix(OF_EVENT), value) for n, value in one.words if n.startswith(OF_EVENT)),
        )
        return Proposal(
            title="Enter what no feed reported",
            button="Enter it",
            says=found.says,
            person=found.person,
            done="Entered.",
            onward=f"/persons/{lane}",
            about=about,
        )

    def _page(
        self,
        asked: Asked,
        record: PersonRecord,
        kind: str,
        typed: Mapping[str, str],
        problems: tuple[str, ...] = (),
        status: int = 200,
    ) -> Response:
        name, born = name_of(record)
        return page(
            "enter.html",
            status,
            asked=asked,
            lane=asked.path["id"],
            who=name,
            born=born,
            identifiers=sorted(one.value for one in record.goes_by),
            of=asked.query.get("of", ""),
            groups={
                words: sorted(one for one, role in KINDS.items() if role is of and _may(one))
                for of, words in _GROUPS.items()
            },
            kind=kind,
            typed=typed,
            rows=_rows(record, kind, typed),
            facts=sorted(FACTS),
            courses=sorted({label for label in self._courses(record).values() if label}),
            statuses=STATUSES,
            problems=problems,
            wrong=said_of(problems),
            longest=settling.LONGEST,
        )

    def _courses(self, record: PersonRecord) -> dict[str, str]:
        """The clinic's labels of the person's courses, by the id of the episode."""
        episodes = assembled(record.person, record.events).episodes
        labels = {one.id: one.id.rpartition("/")[2] for one in episodes}
        return {id: "" if label.startswith("visit:") else label for id, label in labels.items()}


def _may(kind: str) -> bool:
    return kind in KINDS and kind not in NOT_BY_HAND


def _unknown(asked: Asked) -> Response:
    return message("No such patient", ("Nothing on file bears this address.",), 404, asked=asked)


def _typed(form: Mapping[str, str]) -> list[Row]:
    """The rows of facts of a form that say something."""
    rows = (Row(form.get(f"name{n}", "").strip(), form.get(f"value{n}", "").strip()) for n in range(1, ROWS + 1))
    return [row for row in rows if row.name or row.value]


def _rows(record: PersonRecord, kind: str, typed: Mapping[str, str]) -> list[Row]:
    """What was typed; else the facts that events of the kind on file say, the commonest first, to be filled in. And blanks."""
    given = _typed(typed)
    if not given:
        names = Counter(
            name for event in record.events if event.kind == kind for name in dict.fromkeys(f.name for f in event.facts)
        )
        asked_for = ["amount"] if kind == PAYMENT else []
        known = [name for name, _ in names.most_common() if name in FACTS and name not in asked_for]
        given = [Row(name, "") for name in (*asked_for, *known)][: ROWS - _BLANK]
    last = max((event for event in record.events if event.kind == kind), key=lambda one: one.start, default=None)
    told = {row.name: "; ".join(last.values(row.name)) if last else "" for row in given}
    filled = [Row(row.name, row.value, words_of(row.name), form_of(row.name), told[row.name]) for row in given]
    return [*filled, *[Row("", "")] * min(_BLANK, ROWS - len(filled))]
