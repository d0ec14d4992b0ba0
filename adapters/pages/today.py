"""Today: what needs a person, and what is decided about it.

GET /today is the work list, by deadline and money; GET /work/{id} is one item with what it is about; POST
/work/{id}/assign, close, release, override and /work/{id}/withdraw/{entry} do what the commands of `work` do, through the
same functions (`pipeline.settling`). Names and reasons travel in the body of a form, never in an address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from adapters.model.decision import Decision, Saying, Verb
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.lists import WorkListed
from adapters.model.money import decimal
from adapters.model.question import question_words
from adapters.model.user import Role, user_name
from adapters.model.work import WorkItem
from adapters.pages.acting import Done, decide, supervises
from adapters.pages.admission import Asked, Doors, back
from adapters.pages.names import course_name, hold_name, is_plain
from adapters.pages.sheet import csv_answer, message, page
from adapters.pages.today_view import DUES, NOBODY, ORDERS, Wanted, today_view
from adapters.pipeline import settling
from adapters.pipeline.deciding import decision_of
from adapters.pipeline.questions import question_about
from adapters.pipeline.settling import Found

MOST_ROWS: Final = 100_000
"""Rows of an exported list."""
_GONE: Final = "No such item", ("Nothing on file bears this address. It may have been settled and gone meanwhile.",)
_DID: Final = {
    Verb.ASSIGN: "Assigned.",
    Verb.CLOSE: "Closed.",
    Verb.RELEASE: "Let go.",
    Verb.OVERRIDE: "Let go over the edit.",
    Verb.WITHDRAW: "Taken back: everything is as if it had not been said.",
}
_CHANGED: Final = "Nothing was done: it has changed since you opened its page. As it is now stands below."
_LATER: Final = "It is in the journal; the lanes have not taken it yet and will."


def routes(doors: Doors) -> None:
    """Today, one item, and what is done about it."""
    room = _Today(doors)
    doors.get("/today", room.today)
    doors.get("/today.csv", room.csv)
    doors.get("/work/{id}", room.item)
    doors.post("/work/{id}/assign", room.assign, Role.BILLER)
    doors.post("/work/{id}/close", room.close, Role.BILLER)
    doors.post("/work/{id}/release", room.release, Role.BILLER)
    doors.post("/work/{id}/override", room.override, Role.SUPERVISOR)
    doors.post("/work/{id}/withdraw/{entry}", room.withdraw, Role.SUPERVISOR)


@dataclass(frozen=True, slots=True)
class Link:
    """A way from an item to what it is about."""

    to: str
    words: str


class _Today:
    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._wired = doors.wired

    # What is shown

    def today(self, asked: Asked) -> Response:
        """The work list."""
        wanted, today = Wanted.of(asked.query), self._day(asked)
        view = today_view(self._wired.store.open_work(), wanted, today)
        site = self._wired.house.site
        return page(
            "today.html",
            asked=asked,
            view=view,
            wanted=wanted,
            today=today,
            orders=ORDERS,
            dues=DUES,
            nobody=NOBODY,
            payer_names={payer.id: payer.name for payer in site.payers},
            words=self._words,
            following=f"/today?{urlencode({**wanted.query, 'after': view.after})}" if view.after else "",
            first=f"/today?{urlencode(wanted.query)}" if wanted.after else "",
            export=f"/today.csv?{urlencode(wanted.query)}",
            of_kind={group.kind: f"/today?{urlencode({**wanted.query, 'kind': group.kind})}" for group in view.groups},
        )

    def csv(self, asked: Asked) -> Response:
        """The same list as a file: all of it."""
        wanted = Wanted.of({**asked.query, "after": ""})
        view = today_view(self._wired.store.open_work(), wanted, self._day(asked), MOST_ROWS)
        columns = ("kind", "code", "amount", "due", "opened", "assigned", "payer", "next", "detail", "id")
        return csv_answer("today.csv", columns, map(_row, view.items))

    def item(self, asked: Asked, refused: str = "", status: int = 200) -> Response:
        """One item: what it is about, why, who may do what about it, and what was decided."""
        found = settling.found(self._wired.store, asked.path["id"]) if is_plain(asked.path["id"]) else None
        if found is None:
            return message(*_GONE, 404, asked=asked)
        rules = self._wired.house.rules
        let_go = settling.let_go_by(found, rules)
        return page(
            "item.html",
            status,
            asked=asked,
            item=found.item,
            hold=found.hold,
            patient=_patient(found),
            words=self._words(found.item),
            links=self._links(found),
            question=self._question(found.item),
            decisions=settling.said_about(found),
            let_go=let_go.value if let_go else "",
            may_let_go=let_go is not None and asked.visitor.may(_needed(let_go)),
            why_not="" if let_go else self._why_not(found),
            refused=refused,
            reason=asked.form.get("why", ""),
            to=asked.form.get("to", asked.visitor.name),
            users=[user.name for user in self._wired.store.users() if user.role.may(Role.BILLER)],
            zone=ZoneInfo(self._wired.house.site.zone),
            today=self._day(asked),
            longest=settling.LONGEST,
            seen=settling.seen_mark(found),
        )

    # What is done

    def assign(self, asked: Asked) -> Response:
        """The item is somebody's: a user's, or one's own."""

        def say(found: Found) -> Saying | str:
            to = user_name(asked.form.get("to", "") or asked.visitor.name)
            if self._wired.store.user(to) is None:
                return "it can be assigned to a user only"
            return settling.assigning(found, to)

        return self._decided(asked, say)

    def close(self, asked: Asked) -> Response:
        """The item is done with although its cause is there."""
        return self._decided(asked, settling.closing)

    def release(self, asked: Asked) -> Response:
        """The question that a hold asks is answered."""
        return self._decided(asked, lambda found: self._letting(asked, found, Verb.RELEASE))

    def override(self, asked: Asked) -> Response:
        """The line goes over an edit."""
        return self._decided(asked, lambda found: self._letting(asked, found, Verb.OVERRIDE))

    def withdraw(self, asked: Asked) -> Response:
        """A decision about the item does not hold any more."""
        store, entry = self._wired.store, asked.path["entry"]
        found = settling.found(store, asked.path["id"])
        known = store.entry(entry)
        if found is None or known is None or known.kind is not JournalKind.DECISION:
            return message("No such decision", ("Nothing on file bears this address.",), 404, asked=asked)
        earlier = decision_of(known)
        if all(one.value("item") != found.item.id for one in earlier.says):
            return message("No such decision", ("It is not about this item.",), 404, asked=asked)
        if any(said.entry == entry and said.withdrawn for said in settling.said_about(found)):
            return self.item(asked, "Nothing was done: it is withdrawn already.", 409)
        why = asked.form.get("why", "").strip()
        if problem := settling.reason_problem(why):
            return self.item(asked, f"The reason has {problem}.", 422)
        says = settling.withdrawing(entry, earlier)
        if isinstance(says, str):
            return self.item(asked, f"{says}.", 409)
        made = Decision(asked.visitor.name, why, asked.now, says, earlier.person, supervises(asked))
        return self._told(asked, Verb.WITHDRAW, decide(self._doors, made))

    def _letting(self, asked: Asked, found: Found, verb: Verb) -> Saying | str:
        return settling.letting(found, verb, self._wired.house.rules, supervisor=supervises(asked))

    def _decided(self, asked: Asked, say: Callable[[Found], Saying | str]) -> Response:
        """Decide one thing about the item, and tell it on its page."""
        found = settling.found(self._wired.store, asked.path["id"])
        if found is None:
            return message(*_GONE, 404, asked=asked)
        why = asked.form.get("why", "").strip()
        if problem := settling.reason_problem(why):
            return self.item(asked, f"The reason has {problem}.", 422)
        one = say(found)
        if isinstance(one, str):
            return self.item(asked, f"Nothing was done: {one}.", 409)
        if one.verb is not Verb.ASSIGN and asked.form.get("seen", "") != settling.seen_mark(found):
            return self.item(asked, _CHANGED, 409)
        by, supervisor = asked.visitor.name, supervises(asked)
        made = settling.decision_about(found, one, by, why, asked.now, supervisor=supervisor)
        return self._told(asked, one.verb, decide(self._doors, made))

    def _told(self, asked: Asked, verb: Verb, done: Done) -> Response:
        if done.problem:
            return self.item(asked, f"Nothing was done: the decision is parked ({done.problem}).", 409)
        words = f"{_DID[verb]} Decision {done.entry}."
        return back(asked, f"/work/{asked.path['id']}", words if done.taken else f"{words} {_LATER}")

    # Words

    def _day(self, asked: Asked) -> date:
        return asked.now.astimezone(ZoneInfo(self._wired.house.site.zone)).date()

    def _words(self, item: WorkItem) -> str:
        """What a code says, from the registry of labels."""
        rules = self._wired.house.rules
        if item.kind == "hold":
            # The item may be older than the rules: it is gone once its record is looked at by them.
            known = rules.holds.get(item.code)
            return known.words if known else ""
        return rules.findings.get(item.code, "")

    def _question(self, item: WorkItem) -> tuple[str, ...]:
        """What the clinic was asked about the item, and what came of it."""
        feeds = self._wired.house.site.asked_feeds
        question = question_about(self._wired.store, feeds, item.id)
        return () if question is None else question_words(question)

    def _why_not(self, found: Found) -> str:
        """Why nobody can let the line of a hold go."""
        if found.hold is None:
            return ""
        return settling.letting_problem(self._wired.house.rules, found.hold, Verb.RELEASE, supervisor=True)

    def _links(self, found: Found) -> tuple[Link, ...]:
        """Where to look further: the course, the claim, the message, why."""
        item, record = found.item, found.record
        links: list[Link] = []
        claims = [item.about]
        if found.hold is not None:
            links.append(Link(f"/courses/{course_name(found.hold.slot.episode)}", "The course"))
            links.append(Link(f"/explain/{hold_name(item.person, found.hold)}", "Why it is held"))
        for charge in record.charges if record else ():
            if charge.id == item.about:
                links.append(Link(f"/courses/{course_name(charge.charge.slot.episode)}", "The course"))
                links.append(Link(f"/explain/{charge.id}", "Why it is charged"))
                claims.append(charge.claim)
        for claim in claims:
            if record is not None and claim and record.claim(claim) is not None:
                links.append(Link(f"/claims/{claim}", "The claim"))
                links.append(Link(f"/explain/{claim}", "The claim explained"))
        messages = [item.about] if is_plain(item.about) else []
        if found.hold is not None:
            messages += [fact.source.message for fact in found.hold.why.facts if is_plain(fact.source.message)]
        entries = self._wired.store.entries(dict.fromkeys(messages))
        links += (Link(f"/messages/{one.id}", _said_by(one)) for one in entries)
        return tuple(links)


def _said_by(entry: JournalEntry) -> str:
    """Who said something when: a feed, a payer, or a person."""
    return f"What {entry.actor.partition(':')[2] or entry.actor} told us on {entry.at:%Y-%m-%d %H:%M}Z"


def _needed(verb: Verb) -> Role:
    return Role.SUPERVISOR if verb is Verb.OVERRIDE else Role.BILLER


def _patient(found: Found) -> str:
    """By what people know the person; empty for a matter of nobody."""
    return "" if found.record is None else min((one.value for one in found.record.goes_by), default="")


def _row(one: WorkListed) -> tuple[object, ...]:
    item = one.item
    amount = decimal(item.amount)
    said = (item.kind, item.code, amount, item.due, item.opened, item.assigned, one.payer, item.action, item.detail)
    return (*said, item.id)
