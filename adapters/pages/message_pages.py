"""The journal: a list by day, sender and state with what is parked first; each entry raw beside what was read of it.

GET /messages, /messages.csv, /messages/{id}; POST /messages/{id}/replay reads a parked one again, as `oncoclaims replay`.
What a message says of a patient stands on its page and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from adapters.context import demographics
from adapters.explain import trace
from adapters.model.journal import JournalKind
from adapters.model.lists import MessageListed, MessagesAsked
from adapters.model.record import PersonRecord
from adapters.model.user import Role
from adapters.pages.admission import Asked, Doors, back
from adapters.pages.explain_read import Described, Node, tree
from adapters.pages.lists import address, chosen, day_of, every
from adapters.pages.message_read import KINDS, body_of
from adapters.pages.sheet import csv_answer, message, page
from adapters.pages.wired import PageWired

STATES: Final = ("parked", "unread", "waiting", "taken")
PERSONS: Final = 20
"""Persons of one entry whose outcomes its page tells; a batch may be about more."""
_FILTERS: Final = ("day", "kind", "state", "from")
_COLUMNS: Final = ("number", "id", "kind", "came", "from", "form", "control id", "state", "reason")


def message_routes(doors: Doors) -> None:
    """The pages of the journal."""
    shown = _Messages(doors)
    doors.get("/messages", shown.all)
    doors.get("/messages.csv", shown.file)
    doors.get("/messages/{id}", shown.one)
    doors.post("/messages/{id}/replay", shown.replay, needs=Role.BILLER)


@dataclass(frozen=True, slots=True)
class Read:
    """What an entry led to for one person."""

    who: str
    node: Node


@dataclass(frozen=True, slots=True)
class _Messages:
    doors: Doors

    @property
    def wired(self) -> PageWired:
        """The program."""
        return self.doors.wired

    @property
    def zone(self) -> ZoneInfo:
        """The site's."""
        return ZoneInfo(self.wired.house.site.zone)

    def all(self, asked: Asked) -> Response:
        """The list, the last first; on its first page what is parked stands before it."""
        store, site, zone = self.wired.store, self.wired.house.site, self.zone
        filters, after = chosen(asked.query, *_FILTERS), asked.query.get("after", "")
        after = after if after.isdecimal() else ""
        found = store.messages_page(replace(self._wanted(asked, filters), after=after))
        apart = not after and filters["state"] != "parked"
        parked = store.messages_page(MessagesAsked(state="parked")) if apart else None
        shown_apart = {line.id for line in parked.things} if parked else set()
        return page(
            "messages.html",
            asked=asked,
            rows=[line for line in found.things if line.id not in shown_apart],
            parked=parked.things if parked else (),
            parked_more=address("/messages", {"state": "parked"}) if parked and parked.after else "",
            filters=filters,
            kinds=KINDS,
            states=STATES,
            senders=[
                *((f"feed:{feed.name}", feed.name) for feed in site.feeds),
                *((f"payer:{payer.id}", payer.name) for payer in site.payers),
            ],
            zone=zone,
            more=address("/messages", filters, after=found.after) if found.after else "",
            begun=bool(after),
            file=address("/messages.csv", filters),
        )

    def file(self, asked: Asked) -> Response:
        """The list as a file."""
        wanted = self._wanted(asked, chosen(asked.query, *_FILTERS))
        rows = every(lambda after, limit: self.wired.store.messages_page(replace(wanted, after=after, limit=limit)))
        return csv_answer("messages.csv", _COLUMNS, map(_cells, rows))

    def one(self, asked: Asked) -> Response:
        """One entry: raw, and as it was read."""
        store, house, id = self.wired.store, self.wired.house, asked.path["id"]
        lines = store.lines([id])
        entry = store.entry(id) if lines else None
        if entry is None or not may_read(asked, entry.kind):
            return _unknown(asked)
        describe = Described(store.lines)
        persons = store.concerned(id)
        reads = []
        for lane in persons[:PERSONS]:
            record = store.load(lane)
            found = trace(record, id, describe, house.rules)
            if found is not None:
                reads.append(Read(_called(record), tree(found, describe.known)))
        claim = entry.control if entry.kind in (JournalKind.CALL, JournalKind.ANSWER) else ""
        return page(
            "entry.html",
            asked=asked,
            line=lines[0],
            body=body_of(entry),
            parked=store.parked_because(id),
            reads=reads,
            others=max(0, len(persons) - PERSONS),
            claim=claim if claim and store.person_of_claim(claim) else "",
            zone=self.zone,
        )

    def replay(self, asked: Asked) -> Response:
        """Read a parked entry again."""
        id = asked.path["id"]
        if not self.wired.store.lines([id]):
            return _unknown(asked)
        if not self.wired.store.unpark(id, asked.visitor.name):
            return back(asked, f"/messages/{id}", "It was not parked; nothing was done.")
        self.doors.wake()
        return back(asked, f"/messages/{id}", "It is read again. If what parked it is not mended, it is parked again.")

    def _wanted(self, asked: Asked, filters: Mapping[str, str]) -> MessagesAsked:
        day = day_of(filters["day"])
        _, kinds = KINDS.get(filters["kind"], KINDS[""])
        kinds = frozenset(kind for kind in kinds or JournalKind if may_read(asked, kind))
        return MessagesAsked(
            kinds=kinds,
            state=filters["state"] if filters["state"] in STATES else "",
            actor=filters["from"],
            since=_begins(day, self.zone) if day else None,
            before=_begins(day + timedelta(days=1), self.zone) if day and day < date.max else None,
        )


def may_read(asked: Asked, kind: JournalKind) -> bool:
    """Whether entries of this kind are for the visitor: who signed in when is for an admin, as the users' page is."""
    return kind is not JournalKind.USER or asked.visitor.may(Role.ADMIN)


def _begins(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _called(record: PersonRecord) -> str:
    who = demographics(event for event in record.events if event.kind == "patient")
    numbers = sorted(identifier.value for identifier in record.goes_by)
    return ", ".join(filter(None, (who.family, who.given, *numbers[:2]))) or "a person without a name"


def _cells(line: MessageListed) -> tuple[object, ...]:
    came = line.at.isoformat(timespec="seconds")
    return line.seq, line.id, line.kind.value, came, line.actor, line.media, line.control, line.state, line.reason


def _unknown(asked: Asked) -> Response:
    return message("No such message", ("Nothing in the journal bears this address.",), 404, asked=asked)
