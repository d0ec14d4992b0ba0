"""What payers refused and nobody has settled: by deadline, with category, cause, next step and value.

GET /denials, /denials.csv. The item's own page is the work list's; the letter of appeal and the packet are the claim's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from adapters.model.lists import WorkAsked, WorkListed
from adapters.model.money import Cents, decimal
from adapters.pages.admission import Asked, Doors
from adapters.pages.lists import address, chosen, every, whole_of
from adapters.pages.sheet import csv_answer, page
from adapters.pages.wired import PageWired
from adapters.posting.denials import appealable
from adapters.rules import Ruleset

_FILTERS: Final = ("payer", "category", "action", "days")
_COLUMNS: Final = (
    "due", "amount", "payer", "claim", "reason", "what it means", "category", "next step", "detail", "assigned",
    "opened", "item",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DenialRow:
    """A denial in the list."""

    id: str
    claim: str
    payer: str
    reason: str
    means: str
    category: str
    action: str
    detail: str
    due: date | None
    late: bool
    amount: Cents
    assigned: str
    opened: date
    appeals: bool
    """Whether its next step is an appeal."""


def denial_routes(doors: Doors) -> None:
    """The pages of denials."""
    room = _Denials(doors.wired)
    doors.get("/denials", room.all)
    doors.get("/denials.csv", room.file)


@dataclass(frozen=True, slots=True)
class _Denials:
    wired: PageWired

    def all(self, asked: Asked) -> Response:
        """The list, the earliest deadline first."""
        filters = chosen(asked.query, *_FILTERS)
        today = self._today(asked)
        after = asked.query.get("after", "")
        found = self.wired.store.work_page(replace(_wanted(filters, today), after=after))
        rules = self.wired.house.rules
        rows = sorted((self._row(one, today) for one in found.things), key=lambda r: (r.due or date.max, r.claim, r.id))
        categories = Counter(row.category for row in rows)
        return page(
            "denials.html",
            asked=asked,
            rows=rows,
            filters=filters,
            payers=self.wired.house.site.payers,
            categories=sorted({spec.category for spec in rules.carcs.values()} | set(categories)),
            actions=sorted({spec.action for spec in rules.carcs.values()}),
            total=sum(row.amount for row in rows),
            more=address("/denials", filters, after=found.after) if found.after else "",
            begun=bool(after),
            file=address("/denials.csv", filters),
        )

    def file(self, asked: Asked) -> Response:
        """The list as a file."""
        today = self._today(asked)
        wanted = _wanted(chosen(asked.query, *_FILTERS), today)
        rows = every(lambda after, limit: self.wired.store.work_page(replace(wanted, after=after, limit=limit)))
        return csv_answer("denials.csv", _COLUMNS, (_cells(self._row(one, today)) for one in rows))

    def _row(self, listed: WorkListed, today: date) -> DenialRow:
        item, site = listed.item, self.wired.house.site
        payer = site.payer(listed.payer)
        return DenialRow(
            id=item.id,
            claim=item.about,
            payer=payer.name if payer else listed.payer,
            reason=item.code,
            means=_meaning(self.wired.house.rules, item.code, *((payer.id, payer.kind) if payer else ())),
            category=item.category,
            action=item.action,
            detail=item.detail,
            due=item.due,
            late=item.due is not None and item.due < today,
            amount=item.amount,
            assigned=item.assigned,
            opened=item.opened.date(),
            appeals=appealable(item.action),
        )

    def _today(self, asked: Asked) -> date:
        return asked.now.astimezone(ZoneInfo(self.wired.house.site.zone)).date()


def _meaning(rules: Ruleset, code: str, *payers: str) -> str:
    spec = rules.carc(code, *payers) if code else None
    return spec.label if spec else ""


def _wanted(filters: Mapping[str, str], today: date) -> WorkAsked:
    days = whole_of(filters["days"])
    return WorkAsked(
        kind="denial",
        payer=filters["payer"],
        category=filters["category"],
        action=filters["action"],
        due_until=None if days is None else today + timedelta(days=days),
    )


def _cells(row: DenialRow) -> tuple[object, ...]:
    return (
        row.due, decimal(row.amount), row.payer, row.claim, row.reason, row.means, row.category, row.action, row.detail,
        row.assigned, row.opened, row.id,
    )  # fmt: skip
