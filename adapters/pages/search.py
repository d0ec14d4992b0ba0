"""Search: a person by name, birth date, MRN or member number; a claim by our id or the payer's number; a message.

What is searched for travels in the body of a form and stands in no address and no log. Only whole words of a name are
found: the store knows them by blind index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from adapters.context import demographics
from adapters.model.claim import ClaimOnFile
from adapters.model.episode import Episode
from adapters.model.lists import MessageListed
from adapters.model.user import Role
from adapters.pages.admission import Asked, Doors
from adapters.pages.claim_read import state_words
from adapters.pages.message_pages import may_read
from adapters.pages.names import course_name, is_plain
from adapters.pages.sheet import page
from adapters.pages.wired import PageWired
from adapters.pipeline.identity import called
from adapters.pipeline.stated import assembled
from adapters.pipeline.step import family_by

MOST: Final = 20
"""Persons, claims or messages that one search shows."""
_SHORT: Final = re.compile(r"[0-9a-f]{6,36}|[0-9a-f]{8}-[0-9a-f-]{0,27}")


@dataclass(frozen=True, slots=True)
class CourseFound:
    """A course of a person found."""

    name: str
    """In an address."""
    label: str


@dataclass(frozen=True, slots=True)
class ClaimFound:
    """A claim of a person found, or found by itself."""

    id: str
    payer: str
    state: str
    number: str
    first: date


@dataclass(frozen=True, slots=True)
class PersonFound:
    """A person with what there is of theirs."""

    lane: str
    name: str
    birth_date: date | None
    identifiers: tuple[str, ...]
    courses: tuple[CourseFound, ...]
    claims: tuple[ClaimFound, ...]
    waits: int
    """Open work items."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A single thing that bears the id."""

    words: str
    to: str


@dataclass(frozen=True, slots=True)
class Results:
    """What was found."""

    hits: tuple[Hit, ...]
    persons: tuple[PersonFound, ...]
    claims: tuple[ClaimFound, ...]
    messages: tuple[MessageListed, ...]
    more: bool
    """There may be further persons: the words are too common."""

    @property
    def nothing(self) -> bool:
        """Whether nothing was found."""
        return not (self.hits or self.persons or self.claims or self.messages)


def search_routes(doors: Doors) -> None:
    """The page that searches."""
    room = _Search(doors.wired)
    doors.get("/search", room.form)
    doors.post("/search", room.found, needs=Role.VIEWER, once=False)


@dataclass(frozen=True, slots=True)
class _Search:
    wired: PageWired

    def form(self, asked: Asked) -> Response:
        """The form alone."""
        return page("search.html", asked=asked, found=None, words="", zone=self._zone)

    def found(self, asked: Asked) -> Response:
        """What bears the words."""
        words = asked.form.get("words", "").strip()[:100]
        found = self._results(asked, words) if words else None
        return page("search.html", asked=asked, found=found, words=words, zone=self._zone)

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.wired.house.site.zone)

    def _results(self, asked: Asked, words: str) -> Results:
        store = self.wired.store
        hits = tuple(self._hits(words)) if is_plain(words.lower()) else ()
        lanes = list(dict.fromkeys((*self._numbered(words), *store.lanes_named(words, MOST + 1))))
        short = words.lower() if _SHORT.fullmatch(words.lower()) and not hits else ""
        claims = (*store.claims_numbered(words), *store.claims_beginning(short, MOST))
        return Results(
            hits,
            tuple(self._person(lane) for lane in lanes[:MOST]),
            tuple(found for id in dict.fromkeys(claims) if (found := self._claim(id)) is not None),
            tuple(one for one in store.numbered(words, MOST) if may_read(asked, one.kind)),
            len(lanes) > MOST,
        )

    def _hits(self, words: str) -> Iterable[Hit]:
        id = words.lower()
        for one in self.wired.store.find(id):
            match one.kind:
                case "claim":
                    yield Hit("The claim of this number", f"/claims/{id}")
                case "charge" | "entry":
                    yield Hit("The charge" if one.kind == "charge" else "The ledger entry", f"/explain/{id}")
                case "work":
                    yield Hit("The work item", f"/work/{id}")
                case "person" | "event" | "remittance":
                    continue
                case _:
                    yield Hit("The entry of the journal", f"/messages/{id}")

    def _numbered(self, words: str) -> Iterable[str]:
        """Persons who go by this number: an MRN with or without the system that issued it, or a lane."""
        store = self.wired.store
        name = words.lower() if is_plain(words.lower()) else words
        return dict.fromkeys(store.lanes_of(lane)[0] for lane in sorted(called(store, self.wired.house.site, name)))

    def _person(self, lane: str) -> PersonFound:
        record = self.wired.store.load(lane)
        who = demographics(event for event in record.events if event.kind == "patient")
        episodes = assembled(lane, record.events, family_by(self.wired.house)).episodes
        busy = {c.charge.slot.episode for c in record.charges} | {h.slot.episode for h in record.holds}
        courses = (e for e in episodes if e.id in busy or e.occurrences)
        return PersonFound(
            lane=lane,
            name=", ".join(filter(None, (who.family, who.given))) or "name not known",
            birth_date=who.birth_date,
            identifiers=tuple(sorted(identifier.value for identifier in record.goes_by)),
            courses=tuple(CourseFound(course_name(e.id), _label(e)) for e in courses),
            claims=tuple(_claim_found(c.claim.id, c) for c in record.claims),
            waits=sum(1 for item in record.work if item.closed is None),
        )

    def _claim(self, id: str) -> ClaimFound | None:
        lane = self.wired.store.person_of_claim(id)
        on_file = self.wired.store.load(lane).claim(id) if lane else None
        return None if on_file is None else _claim_found(id, on_file)


def _label(episode: Episode) -> str:
    """The clinic's label of a course; of a visit for drugs its day."""
    label = episode.id.rpartition("/")[2]
    if not label.startswith("visit:"):
        return label
    day = min((o.day for o in episode.occurrences), default=None)
    return f"visit for drugs, {day.isoformat()}" if day else "visit for drugs"


def _claim_found(id: str, on_file: ClaimOnFile) -> ClaimFound:
    claim = on_file.claim
    first = min(line.start for line in claim.lines)
    return ClaimFound(id, claim.payer.name, state_words(on_file), on_file.payer_claim_number, first)
