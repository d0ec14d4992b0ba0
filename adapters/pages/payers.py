"""The payers: what is under way with each, what nobody knows the outcome of, and when it answered last.

GET /payers. Whether a payer rests after failures is known where it is called from; a process that calls nobody says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from adapters.model.claim import ClaimState
from adapters.model.journal import JournalKind
from adapters.model.lists import CallsDue, MessagesAsked, PayerStanding
from adapters.model.site import Payer
from adapters.pages.admission import Asked, Doors
from adapters.pages.sheet import page
from adapters.pages.wired import PageWired

SHOWN: Final = (
    ("not sent yet", frozenset({ClaimState.BUILT, ClaimState.HELD, ClaimState.READY}), "unsent"),
    ("outcome unknown", frozenset({ClaimState.UNKNOWN}), "unknown"),
    ("with the payer", frozenset({ClaimState.ACCEPTED, ClaimState.QUEUED}), "open"),
    ("returned", frozenset({ClaimState.ERROR, ClaimState.REFUSED}), "returned"),
    ("adjudicated", frozenset({ClaimState.COMPLETE}), "decided"),
)
"""Columns of the table: words, states, and the name of the filter of the claims' list."""
CALLS: Final = {
    "send": "to be sent",
    "repeat": "to be sent again",
    "poll": "to be asked for an answer",
    "search": "to be searched for",
}


@dataclass(frozen=True, slots=True)
class PayerRow:
    """One payer."""

    id: str
    name: str
    kind: str
    called: str
    """The host that is called; empty where claims are not sent from here."""
    how: str
    counts: tuple[tuple[int, str], ...]
    """(claims, filter), by the columns of `SHOWN`."""
    due: tuple[CallsDue, ...]
    """Those that could be made now or later, the words of their sort in `CALLS`."""
    overdue: bool
    """A call has been due for an hour."""
    last: datetime | None
    """When it last answered or told something."""
    last_entry: str
    rests: int
    """Seconds for which it is left alone after failures."""


def payer_routes(doors: Doors) -> None:
    """The page of the payers."""
    doors.get("/payers", _Payers(doors.wired).all)


@dataclass(frozen=True, slots=True)
class _Payers:
    wired: PageWired

    def all(self, asked: Asked) -> Response:
        """All payers of the site."""
        store, site = self.wired.store, self.wired.house.site
        standings = {one.payer: one for one in store.standings()}
        rows = [self._row(payer, standings, asked.now) for payer in site.payers]
        lanes = store.queue.counts()
        unnamed = sorted(set(standings) - {payer.id for payer in site.payers})
        zone = ZoneInfo(site.zone)
        return page(
            "payers.html", asked=asked, rows=rows, shown=SHOWN, calls=CALLS, lanes=lanes, unnamed=unnamed, zone=zone
        )

    def _row(self, payer: Payer, standings: Mapping[str, PayerStanding], now: datetime) -> PayerRow:
        standing = standings.get(payer.id) or PayerStanding(payer.id, {}, ())
        endpoint = payer.endpoint
        asked = MessagesAsked(kinds=frozenset({JournalKind.ANSWER}), actor=f"payer:{payer.id}", limit=1)
        last = next(iter(self.wired.store.messages_page(asked).things), None)
        return PayerRow(
            id=payer.id,
            name=payer.name,
            kind=payer.kind,
            called=urlsplit(endpoint.base_url).netloc.rpartition("@")[2],
            how="Claim/$submit" if endpoint.call == "submit" else "create Claim",
            counts=tuple((sum(standing.states.get(s, 0) for s in states), name) for _, states, name in SHOWN),
            due=standing.due,
            overdue=any((now - one.first).total_seconds() > 3600 for one in standing.due if one.what in CALLS),
            last=last.at if last else None,
            last_entry=last.id if last else "",
            rests=int(self.wired.payers.rests(payer)),
        )
