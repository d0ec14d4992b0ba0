"""Why: /explain/{name} of a charge, a hold, a claim or a ledger entry, in the words of `oncoclaims explain`; and of a line,
what a person may say of it (`line_pages`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi.responses import Response

from adapters.explain import questioned, with_question
from adapters.model.facts import form_of
from adapters.model.record import PersonRecord
from adapters.pages.admission import Asked, Doors
from adapters.pages.explain_read import Described, explained, line_id, tree
from adapters.pages.line_read import line_said
from adapters.pages.names import course_name, is_plain, lane_of_name
from adapters.pages.sheet import message, page
from adapters.pages.typed import said_of
from adapters.pages.wired import PageWired
from adapters.pipeline import settling
from adapters.pipeline.questions import question_about

_NOTHING: Mapping[str, str] = {}


def explain_routes(doors: Doors) -> None:
    """The pages that say why."""
    doors.get("/explain/{name}", Explaining(doors.wired).one)


@dataclass(frozen=True, slots=True)
class Explaining:
    """The page that says why one thing is what it is."""

    wired: PageWired

    def one(self, asked: Asked) -> Response:
        """The explanation of one thing."""
        return self._shown(asked, _NOTHING, (), 200)

    def again(self, asked: Asked, problems: tuple[str, ...], status: int) -> Response:
        """The same with a form on it as it was filled in, and what is wrong with it."""
        return self._shown(asked, asked.form, problems, status)

    def record(self, asked: Asked) -> PersonRecord | None:
        """The record of whose thing it is; None where the address names nothing."""
        lane, _ = self._whose(asked.path["name"])
        return self.wired.store.load(self.wired.store.lanes_of(lane)[0]) if lane else None

    def _whose(self, name: str) -> tuple[str, str]:
        """The lane of the thing, and its kind where the name is a plain id."""
        if not is_plain(name):
            return lane_of_name(name), ""
        kinds = ("charge", "claim", "entry")
        found = (one for one in self.wired.store.find(name) if one.person and one.kind in kinds)
        return next(((one.person, one.kind) for one in found), ("", ""))

    def _shown(self, asked: Asked, typed: Mapping[str, str], problems: tuple[str, ...], status: int) -> Response:
        store, name = self.wired.store, asked.path["name"]
        record = self.record(asked)
        if record is None:
            return _unknown(asked)
        _, kind = self._whose(name)
        describe = Described(store.lines)
        says = explained(record, name, self.wired.house.rules, describe)
        if says is None:
            return _unknown(asked)
        id = line_id(record, name)
        if item := questioned(record, id):
            feeds = self.wired.house.site.asked_feeds
            says = with_question(says, question_about(store, feeds, item))
        charge = next((c for c in record.charges if c.id == name), None)
        line = line_said(record, id)
        return page(
            "explain.html",
            status,
            asked=asked,
            node=tree(says, describe.known),
            name=name,
            kind=kind or "hold",
            course=course_name(charge.charge.slot.episode) if charge else "",
            claim=charge.claim if charge else name if kind == "claim" else "",
            person=record.person,
            line=line,
            forms={fact: form for fact in line.names if (form := form_of(fact))} if line else {},
            typed=typed,
            sent=asked.here.removesuffix("/do").rpartition("/")[2] if typed else "",
            problems=problems,
            wrong=said_of(problems),
            longest=settling.LONGEST,
        )


def _unknown(asked: Asked) -> Response:
    return message("Nothing of this name", ("Nothing on file bears this address.",), 404, asked=asked)
