"""The rules in force on a day: each dated rule with its clause, what is due for review, and the tables that are loaded.

GET /rules, /rules.csv. What other rules would change is rehearsed (`rehearse_pages`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from adapters.pages.admission import Asked, Doors
from adapters.pages.lists import address, chosen, day_of
from adapters.pages.sheet import csv_answer, page
from adapters.pages.wired import PageWired
from adapters.rules import Ruleset
from adapters.rules.editions import ended

_COLUMNS: Final = ("rule", "title", "file", "chosen by", "in force since", "until", "clause", "review by", "stale")


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule as it is on a day."""

    id: str
    title: str
    file: str
    key: str
    """The date by which it is chosen."""
    since: date | None
    """None: nothing of it is in force on the day."""
    until: date | None
    """The day on which the next version begins."""
    cite: str
    digest: str
    review_by: date | None
    stale: bool


def rules_on(rules: Ruleset, day: date) -> tuple[RuleRow, ...]:
    """Every dated rule as it is on a day, by id."""
    return tuple(_rows(rules, day))


def _rows(rules: Ruleset, day: date) -> Iterable[RuleRow]:
    for rule in rules.rules:
        version = rule.on(day)
        later = [v.since for v in rule.versions if v.since > day]
        yield RuleRow(
            id=rule.id,
            title=rule.title,
            file=rule.file,
            key=rule.key,
            since=version.since if version else None,
            until=min(later) if later else None,
            cite=version.ref.cite if version else "",
            digest=version.ref.digest if version else "",
            review_by=version.review_by if version else None,
            stale=version is not None and version.overdue(day),
        )


def rule_routes(doors: Doors) -> None:
    """The pages of the rules."""
    room = _Rules(doors.wired)
    doors.get("/rules", room.all)
    doors.get("/rules.csv", room.file)


@dataclass(frozen=True, slots=True)
class _Rules:
    wired: PageWired

    def all(self, asked: Asked) -> Response:
        """The rules on a day; today's if none is said."""
        filters = chosen(asked.query, "day", "words")
        house, day = self.wired.house, self._day(asked)
        rows = self._rows(asked)
        return page(
            "rules.html",
            asked=asked,
            rows=rows,
            stale=[row for row in rows if row.stale],
            none=[row for row in rows if row.since is None],
            day=day,
            filters=filters,
            digest=house.rules.digest,
            site=house.site.digest,
            editions=house.tables.editions,
            ended=ended(house.tables, day),
            file=address("/rules.csv", filters),
        )

    def file(self, asked: Asked) -> Response:
        """The same as a file."""
        cells = (
            (r.id, r.title, r.file, r.key, r.since, r.until, r.cite, r.review_by, r.stale) for r in self._rows(asked)
        )
        return csv_answer("rules.csv", _COLUMNS, cells)

    def _rows(self, asked: Asked) -> tuple[RuleRow, ...]:
        words = asked.query.get("words", "").casefold().split()
        rows = rules_on(self.wired.house.rules, self._day(asked))
        return tuple(r for r in rows if all(w in f"{r.id} {r.title} {r.cite} {r.file}".casefold() for w in words))

    def _day(self, asked: Asked) -> date:
        today = asked.now.astimezone(ZoneInfo(self.wired.house.site.zone)).date()
        return day_of(asked.query.get("day", "")) or today
