"""A patient as who they are: the numbers that are one person, what was decided and entered about them, and taking it back.

GET /persons/{id}, by a lane; POST /persons/{id}/merge, /unmerge and /withdraw/{entry}, each in two steps. Another person is
named in the body of a form, by a number or an id of ours, as `merge` takes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from adapters.model.decision import Verb
from adapters.model.journal import JournalKind
from adapters.model.merging import waiting
from adapters.model.people import PersonHint
from adapters.model.record import PersonRecord
from adapters.model.user import Role
from adapters.pages.admission import Asked, Doors
from adapters.pages.names import course_name
from adapters.pages.proposing import Proposal, two_steps
from adapters.pages.sheet import message, page
from adapters.pages.typed import lane_of, name_of, record_of, said_of
from adapters.pages.wired import PageWired
from adapters.pipeline import settling
from adapters.pipeline.deciding import decision_of
from adapters.pipeline.identity import Two, called, how_many, saying_of_two
from adapters.pipeline.step import identities
from adapters.pipeline.told import sentence, told_of

_NOT_CARRIED_OUT = "It is on file and not carried out, for somebody says otherwise of one of theirs: see the work list."
_GONE = "the form: nobody on file bears this address"


def person_routes(doors: Doors) -> None:
    """The page of a patient."""
    room = _Persons(doors.wired)
    doors.get("/persons/{id}", room.one)
    two_steps(doors, "/persons/{id}/merge", room.merge, room.again, Role.SUPERVISOR)
    two_steps(doors, "/persons/{id}/unmerge", room.unmerge, room.again, Role.SUPERVISOR)
    two_steps(doors, "/persons/{id}/withdraw/{entry}", room.withdraw, room.again, Role.SUPERVISOR)


@dataclass(frozen=True, slots=True)
class Lane:
    """Numbers of a person that came together."""

    id: str
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Persons:
    wired: PageWired

    def one(self, asked: Asked) -> Response:
        """Who they are, and what was decided about them."""
        return self._shown(asked, {}, (), 200)

    def again(self, asked: Asked, problems: tuple[str, ...], status: int) -> Response:
        """The same with a form on it as it was filled in, and what is wrong with it."""
        return self._shown(asked, asked.form, problems, status)

    def merge(self, asked: Asked) -> Proposal | tuple[str, ...]:
        """Another is the same person."""
        here = lane_of(self.wired, asked.path["id"])
        if not here:
            return (_GONE,)
        name = asked.form.get("other", "").strip()
        lanes = called(self.wired.store, self.wired.house.site, name) if name else frozenset()
        if wrong := how_many(lanes):
            return (f"other: {wrong}",)
        (other,) = lanes
        asked.looked.append(other)
        stays = asked.form.get("stays", "here")
        if stays not in ("here", "other"):
            return ("stays: say whose record stays",)
        two = Two(here, other) if stays == "here" else Two(other, here)
        return self._of_two(Verb.MERGE, two, "Merge two patients", "They are one person", "One person.")

    def unmerge(self, asked: Asked) -> Proposal | tuple[str, ...]:
        """The numbers of another lane are another person's."""
        here = lane_of(self.wired, asked.path["id"])
        there = lane_of(self.wired, asked.form.get("lane", ""))
        if not here or not there:
            return (_GONE,)
        two = Two(here, there)
        return self._of_two(Verb.UNMERGE, two, "Take two patients apart", "They are two persons", "Two persons.")

    def _of_two(self, verb: Verb, two: Two, title: str, button: str, done: str) -> Proposal | tuple[str, ...]:
        says = saying_of_two(self.wired.store, verb, two)
        if isinstance(says, str):
            return (says,)
        first = "Stays" if verb is Verb.MERGE else "One"

        def unless() -> str:
            together = two.there in self.wired.store.lanes_of(two.here)
            return "" if together is (verb is Verb.MERGE) else _NOT_CARRIED_OUT

        other = "Is the same person" if verb is Verb.MERGE else "The other"
        return Proposal(
            title=title,
            button=button,
            says=says,
            person=PersonHint(lane=two.here),
            done=done,
            onward=f"/persons/{two.here}",
            about=((first, self._words(two.here)), (other, self._words(two.there))),
            warning="Claims that were sent stay as they left; compare names and birth dates before you go on.",
            unless=unless,
        )

    def withdraw(self, asked: Asked) -> Proposal | tuple[str, ...]:
        """A decision does not hold any more."""
        lane, entry = lane_of(self.wired, asked.path["id"]), asked.path["entry"]
        known = self.wired.store.entry(entry)
        if not lane or known is None or known.kind is not JournalKind.DECISION:
            return ("the form: no such decision is on file",)
        told = next((one for one in told_of(self.wired.store, record_of(self.wired, lane)) if one.entry == entry), None)
        if told is None:
            return ("the form: it is not about this patient",)
        if told.withdrawn:
            return ("the form: it is withdrawn already",)
        earlier = decision_of(known)
        says = settling.withdrawing(entry, earlier)
        if isinstance(says, str):
            return (says,)
        posted = "What was posted stays posted. " if any(one.verb is Verb.MATCH for one in earlier.says) else ""
        return Proposal(
            title="Withdraw a decision",
            button="Withdraw it",
            says=says,
            person=earlier.person,
            done="Taken back: it does not hold any more.",
            onward=f"/persons/{asked.path['id']}",
            about=(
                ("Decision", entry),
                ("By", f"{earlier.by}, {earlier.at.astimezone(self._zone):%Y-%m-%d %H:%M}"),
                ("Because", earlier.why),
                *(("Says", words) for words in dict.fromkeys(map(sentence, earlier.says))),
            ),
            warning=f"{posted}A withdrawal is not withdrawn: decide anew instead.",
            for_good=True,
        )

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.wired.house.site.zone)

    def _words(self, lane: str) -> str:
        """By what people know whom a lane is of: name, birth date, and the numbers of the lane itself."""
        record = record_of(self.wired, lane)
        name, born = name_of(record)
        numbers = next((one.numbers for one in _lanes(record) if one.id == lane), ())
        return ", ".join((name, f"born {born.isoformat()}" if born else "birth date not known", *numbers))

    def _shown(self, asked: Asked, typed: Mapping[str, str], problems: tuple[str, ...], status: int) -> Response:
        lane = lane_of(self.wired, asked.path["id"])
        if not lane:
            return message("No such patient", ("Nothing on file bears this address.",), 404, asked=asked)
        record = record_of(self.wired, lane)
        name, born = name_of(record)
        episodes = dict.fromkeys(
            (*(c.charge.slot.episode for c in record.charges), *(h.slot.episode for h in record.holds))
        )
        return page(
            "person.html",
            status,
            asked=asked,
            lane=lane,
            record=record,
            who=name,
            born=born,
            lanes=_lanes(record),
            courses=[(course_name(id), _label(id)) for id in episodes],
            decisions=told_of(self.wired.store, record),
            waits=len(waiting(record.events, identities(record))),
            open_work=[item for item in record.work if item.closed is None],
            typed=typed,
            problems=problems,
            wrong=said_of(problems),
            longest=settling.LONGEST,
            zone=self._zone,
        )


def _label(episode: str) -> str:
    label = episode.partition("/")[2]
    return "visit for drugs" if label.startswith("visit:") else label


def _lanes(record: PersonRecord) -> tuple[Lane, ...]:
    """The lanes of a person with their numbers, the one in which the record is kept first."""
    if not record.parts:
        return (Lane(record.person, tuple(sorted(one.value for one in record.identifiers))),)
    return tuple(Lane(part.lane, tuple(sorted(one.value for one in part.identifiers))) for part in record.parts)
