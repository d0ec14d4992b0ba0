"""The claims: a list by state, payer and age, and each with its life, lines, answers, ledger, documents and letters.

GET /claims, /claims.csv, /claims/{id}; the letters about one: /claims/{id}/statement, /appeal, /packet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fastapi.responses import Response
from markupsafe import Markup

from adapters.context import demographics
from adapters.letters import appeal, packet, statement, statement_page
from adapters.model.journal import JournalKind
from adapters.model.lists import ClaimListed, ClaimsAsked
from adapters.model.money import decimal
from adapters.model.people import Demographics
from adapters.model.record import PersonRecord
from adapters.pages.admission import Asked, Doors
from adapters.pages.claim_read import GROUPS, claim_page, claim_row
from adapters.pages.claim_view import ClaimRow
from adapters.pages.lists import address, chosen, every, whole_of
from adapters.pages.sheet import csv_answer, message, page
from adapters.pages.typed import said_of
from adapters.pages.wired import PageWired
from adapters.pipeline import settling
from adapters.pipeline.cancelling import REASONS, cancelling
from adapters.pipeline.patients import account_now

CONTACT: Final = "statement.contact"
"""Option that says whom a patient asks."""
CALLS: Final = 200
"""Calls and answers of one claim that its page tells, the last ones."""
_COLUMNS: Final = (
    "claim", "patient", "payer", "entity", "form", "kind", "state", "built", "first service", "sent", "days", "lines",
    "total", "payer's number", "deadline",
)  # fmt: skip


def claim_routes(doors: Doors) -> None:
    """The pages of claims."""
    shown = Claims(doors.wired)
    doors.get("/claims", shown.all)
    doors.get("/claims.csv", shown.file)
    doors.get("/claims/{id}", shown.one)
    doors.get("/claims/{id}/statement", shown.statement)
    doors.get("/claims/{id}/appeal", shown.appeal)
    doors.get("/claims/{id}/packet", shown.packet)


@dataclass(frozen=True, slots=True)
class Claims:
    """The list of claims, one claim, and its letters."""

    wired: PageWired

    def all(self, asked: Asked) -> Response:
        """The list, those first that were built first."""
        filters = chosen(asked.query, "state", "payer", "days")
        today = self._today(asked)
        found = self.wired.store.claims_page(replace(_wanted(filters, today), after=asked.query.get("after", "")))
        return page(
            "claims.html",
            asked=asked,
            rows=[claim_row(one, today) for one in found.things],
            filters=filters,
            groups=GROUPS,
            payers=self.wired.house.site.payers,
            more=address("/claims", filters, after=found.after) if found.after else "",
            begun=bool(asked.query.get("after")),
            file=address("/claims.csv", filters),
        )

    def file(self, asked: Asked) -> Response:
        """The list as a file."""
        today = self._today(asked)
        wanted = _wanted(chosen(asked.query, "state", "payer", "days"), today)
        rows: Iterator[ClaimListed] = every(
            lambda after, limit: self.wired.store.claims_page(replace(wanted, after=after, limit=limit))
        )
        return csv_answer("claims.csv", _COLUMNS, (_cells(claim_row(one, today)) for one in rows))

    def one(self, asked: Asked) -> Response:
        """One claim."""
        return self._shown(asked, {}, (), 200)

    def again(self, asked: Asked, problems: tuple[str, ...], status: int) -> Response:
        """The same with a form on it as it was filled in, and what is wrong with it."""
        return self._shown(asked, asked.form, problems, status)

    def _shown(self, asked: Asked, typed: Mapping[str, str], problems: tuple[str, ...], status: int) -> Response:
        store, house, id = self.wired.store, self.wired.house, asked.path["id"]
        record = self._record(id)
        if record is None:
            return _unknown(asked)
        kinds = (JournalKind.CALL, JournalKind.ANSWER)
        evidence = store.entries(line.id for line in store.numbered(id, CALLS) if line.kind in kinds)
        view = claim_page(record, id, evidence, house.rules, house.site, self._today(asked))
        if view is None:
            return _unknown(asked)
        courses = {link.course for line in view.lines for link in line.charges if link.course}
        void = cancelling(record, id, "other")
        return page(
            "claim.html",
            status,
            asked=asked,
            view=view,
            zone=ZoneInfo(house.site.zone),
            courses=sorted(courses),
            why_not=void if isinstance(void, str) else "",
            reasons=REASONS,
            typed=typed,
            problems=problems,
            wrong=said_of(problems),
            longest=settling.LONGEST,
        )

    def statement(self, asked: Asked) -> Response:
        """The patient's statement about the claim."""
        record, id = self._record(asked.path["id"]), asked.path["id"]
        on_file = record.claim(id) if record else None
        if record is None or on_file is None:
            return _unknown(asked)
        house = self.wired.house
        found = statement(
            record,
            account_now(record, house),
            _who(record),
            house.rules,
            sender=house.site.name,
            contact=house.rules.option(CONTACT, house.site.options) or "",
            on=self._today(asked),
            claim=on_file.claim.follows or on_file.claim.id,
        )
        # The article escapes what it says.
        article = Markup(statement_page.article(found))  # noqa: S704
        return page("statement.html", asked=asked, claim=id, article=article)

    def appeal(self, asked: Asked) -> Response:
        """The draft of an appeal against the claim's open denials."""
        id = asked.path["id"]
        record = self._record(id)
        if record is None:
            return _unknown(asked)
        found = appeal(record, id, _who(record), self.wired.house.rules, on=self._today(asked))
        if found is None:
            return message("Nothing to appeal", ("No line of this claim is denied now.",), 404, asked=asked)
        text, missing = found
        return page("letter.html", asked=asked, title="Letter of appeal, a draft", claim=id, text=text, gaps=missing)

    def packet(self, asked: Asked) -> Response:
        """What an auditor wants of the claim, and what is not there."""
        id = asked.path["id"]
        record = self._record(id)
        found = packet(record, id) if record else None
        if found is None:
            return _unknown(asked)
        return page("packet.html", asked=asked, claim=id, packet=found)

    def _record(self, id: str) -> PersonRecord | None:
        lane = self.wired.store.person_of_claim(id)
        return self.wired.store.load(lane) if lane else None

    def _today(self, asked: Asked) -> date:
        return asked.now.astimezone(ZoneInfo(self.wired.house.site.zone)).date()


def _who(record: PersonRecord) -> Demographics:
    return demographics(event for event in record.events if event.kind == "patient")


def _unknown(asked: Asked) -> Response:
    return message("No such claim", ("Nothing on file bears this address.",), 404, asked=asked)


def _wanted(filters: Mapping[str, str], today: date) -> ClaimsAsked:
    days = whole_of(filters["days"])
    _, states = GROUPS.get(filters["state"], ("", frozenset()))
    return ClaimsAsked(states, filters["payer"], None if days is None else today - timedelta(days=days))


def _cells(row: ClaimRow) -> tuple[object, ...]:
    return (
        row.id, row.patient, row.payer, row.entity, row.form, row.kind, row.state, row.built, row.first, row.sent,
        row.days, row.lines, decimal(row.total), row.number, row.deadline,
    )  # fmt: skip
