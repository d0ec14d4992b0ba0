"""Why: /explain/{name} of a charge, a hold, a claim or a ledger entry, in the words of `oncoclaims explain`."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi.responses import Response

from adapters.explain import questioned, with_question
from adapters.pages.admission import Asked, Doors
from adapters.pages.explain_read import Described, explained, line_id, tree
from adapters.pages.names import course_name, is_plain, lane_of_name
from adapters.pages.sheet import message, page
from adapters.pages.wired import PageWired
from adapters.pipeline.questions import question_about


def explain_routes(doors: Doors) -> None:
    """The pages that say why."""
    doors.get("/explain/{name}", _Why(doors.wired).one)


@dataclass(frozen=True, slots=True)
class _Why:
    wired: PageWired

    def one(self, asked: Asked) -> Response:
        """The explanation of one thing."""
        store, name = self.wired.store, asked.path["name"]
        lane = lane_of_name(name)
        kind = ""
        if is_plain(name):
            found = [one for one in store.find(name) if one.person and one.kind in ("charge", "claim", "entry")]
            lane, kind = (found[0].person, found[0].kind) if found else ("", "")
        if not lane:
            return _unknown(asked)
        record = store.load(store.lanes_of(lane)[0])
        describe = Described(store.lines)
        says = explained(record, name, self.wired.house.rules, describe)
        if says is None:
            return _unknown(asked)
        if item := questioned(record, line_id(record, name)):
            feeds = (ehr.feed for ehr in self.wired.house.site.ehrs)
            says = with_question(says, question_about(store, feeds, item))
        charge = next((c for c in record.charges if c.id == name), None)
        return page(
            "explain.html",
            asked=asked,
            node=tree(says, describe.known),
            name=name,
            kind=kind or "hold",
            course=course_name(charge.charge.slot.episode) if charge else "",
            claim=charge.claim if charge else name if kind == "claim" else "",
        )


def _unknown(asked: Asked) -> Response:
    return message("Nothing of this name", ("Nothing on file bears this address.",), 404, asked=asked)
