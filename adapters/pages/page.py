"""The pages of courses and visits: sessions over the calendar, coloured by what became of each; and all rooms together.

GET /courses lists the courses; GET /courses/{name} is the page; GET /visits/{name} is the picture of a visit for drugs,
which is listed among the courses. Names in addresses are a lane and a hash: nothing of a person stands in an address or a
title. Who is let in is said in `admission`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from fastapi.responses import Response
from markupsafe import Markup

from adapters.charges import Assembly
from adapters.model.money import Cents
from adapters.model.record import PersonRecord
from adapters.pages import signing, today
from adapters.pages.admission import COOKIE, Asked, Doors
from adapters.pages.claim_pages import claim_routes
from adapters.pages.course_list import CourseList
from adapters.pages.course_read import course_view
from adapters.pages.course_view import CourseView
from adapters.pages.denials import denial_routes
from adapters.pages.enter_pages import enter_routes
from adapters.pages.explain_pages import explain_routes
from adapters.pages.line_pages import line_routes
from adapters.pages.links import Links
from adapters.pages.match_pages import match_routes
from adapters.pages.message_pages import message_routes
from adapters.pages.names import course_name
from adapters.pages.openid import Vouching, openid_routes
from adapters.pages.payers import payer_routes
from adapters.pages.person_pages import person_routes
from adapters.pages.reconcile_pages import reconcile_routes
from adapters.pages.rehearse_pages import rehearse_routes
from adapters.pages.rules import rule_routes
from adapters.pages.search import search_routes
from adapters.pages.sheet import HEADERS, message, page
from adapters.pages.void_pages import void_routes
from adapters.pages.wired import PageWired
from adapters.pipeline.stated import assembled
from adapters.pipeline.step import family_by
from adapters.pipeline.visiting import visit_view
from adapters.timeline import heading, svg, table

__all__ = ["COOKIE", "HEADERS", "course_name", "router", "shares"]

LANES_A_PAGE: Final = 25


class _NoTries:
    """For who serves nobody but oneself: tries are not counted by address; each user's own are."""

    def failed(self, _peer: str, _now: datetime) -> None:
        """Nothing."""

    def wait(self, _peer: str, _now: datetime) -> int:
        """Nobody waits."""
        return 0


def router(
    wired: PageWired,
    links: Links | None = None,
    wake: Callable[[], None] = lambda: None,
    tries: signing.Tried | None = None,
    issuer: Vouching | None = None,
    tell: Callable[[str, str], None] = lambda _reason, _peer: None,
) -> APIRouter:
    """The routes of the pages. Links are issued where `links` is; without it only users can open them.

    `wake` has the lanes look at what was decided; `tries` counts failed sign-ins by address. With an `issuer` one signs in
    there; `tell` is told why somebody could not, and from which address.
    """
    routes = APIRouter(include_in_schema=False)
    routes.add_api_route("/page.css", style, methods=["GET"])
    doors = Doors(wired, links or Links(_random_token), routes, _random_token, wake)
    signing.routes(doors, routes, tries or _NoTries())
    if issuer is not None:
        openid_routes(doors, routes, tries or _NoTries(), issuer, tell)
    for room in ROOMS:
        room(doors)
    return routes


def _random_token() -> str:
    return secrets.token_urlsafe(32)


def style() -> Response:
    """The style sheet: the one thing that is there for everybody."""
    css = resources.files("adapters.pages").joinpath("templates", "page.css").read_text(encoding="utf-8")
    return Response(css, media_type="text/css", headers=HEADERS)


def course_routes(doors: Doors) -> None:
    """The pages of courses and visits."""
    pages = _Pages(doors.wired, CourseList(doors.wired))
    doors.get("/courses", pages.courses)
    doors.get("/courses/{name}", pages.course)
    doors.get("/visits/{name}", pages.visit)


ROOMS: Final[tuple[Callable[[Doors], None], ...]] = (
    today.routes,
    course_routes,
    claim_routes,
    void_routes,
    explain_routes,
    line_routes,
    person_routes,
    enter_routes,
    match_routes,
    message_routes,
    search_routes,
    denial_routes,
    payer_routes,
    rule_routes,
    rehearse_routes,
    reconcile_routes,
)
"""What there is behind the doors, one a line."""


@dataclass(frozen=True, slots=True)
class _Pages:
    wired: PageWired
    rows: CourseList

    def courses(self, asked: Asked) -> Response:
        """The courses on file, twenty-five persons a page in the order of their lanes."""
        after = asked.query.get("after", "")
        lanes = self.wired.store.lanes_after(after, LANES_A_PAGE + 1)
        found = self.rows.of(lanes[:LANES_A_PAGE])
        more = lanes[LANES_A_PAGE - 1] if len(lanes) > LANES_A_PAGE else ""
        return page("courses.html", asked=asked, courses=found, more=more, after=after)

    def course(self, asked: Asked) -> Response:
        """One course."""
        house, name = self.wired.house, asked.path["name"]
        record, assembly, id = self._named(name)
        view = course_view(record, id, house.rules, house.site, assembly=assembly) if id else None
        if view is None:
            return message("No such course", ("Nothing on file bears this address.",), 404, asked=asked)
        now = asked.now.astimezone(ZoneInfo(house.site.zone))
        return page(
            "course.html",
            asked=asked,
            view=view,
            address=name,
            shares=shares(view),
            rules=house.rules.digest,
            site=house.site.digest,
            now=f"{now:%Y-%m-%d %H:%M}",
        )

    def visit(self, asked: Asked) -> Response:
        """The picture of one visit for drugs."""
        house, name = self.wired.house, asked.path["name"]
        record, assembly, id = self._named(name)
        view = visit_view(record, id, house) if id else None
        course = course_view(record, id, house.rules, house.site, assembly=assembly) if view else None
        if view is None or course is None:
            return message("No such visit", ("Nothing on file bears this address.",), 404, asked=asked)
        # The picture escapes what it says; it is the one thing here that is not text.
        return page(
            "visit.html",
            asked=asked,
            address=name,
            who=course.heading,
            title=heading(view),
            picture=Markup(svg(view)),  # noqa: S704
            rows=table(view),
            rules=house.rules.digest,
        )

    def _named(self, name: str) -> tuple[PersonRecord, Assembly, str]:
        """The record of the lane that an address names, put together, and the id of the episode; empty where it has none
        of the name."""
        lane = name.partition(".")[0]
        record = self.wired.store.load(lane)
        assembly = assembled(lane, record.events, family_by(self.wired.house))
        found = (episode.id for episode in assembly.episodes if course_name(episode.id) == name)
        return record, assembly, next(found, "")


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the money of a course, as a piece of the bar; `x` and `width` in thousandths of it."""

    name: str
    words: str
    amount: Cents
    x: int
    width: int


def shares(view: CourseView) -> tuple[Share, ...]:
    """What became of everything charged or held, as pieces that fill the bar; parts of nothing are left out."""
    money = view.money
    parts = [
        ("paid", "paid", money.paid),
        ("contractual", "contractual", money.contractual),
        ("patient", "the patient's", money.patient),
        ("denied", "denied", money.denied),
        ("open", "open at the payer", money.open),
        ("unsent", "not yet billed", view.unsent),
        ("held", "held back", view.held),
    ]
    parts = [part for part in parts if part[2] > 0]
    whole = sum(amount for _, _, amount in parts)
    found: list[Share] = []
    before = 0
    for name, words, amount in parts:
        x = before * 1000 // whole
        before += amount
        found.append(Share(name, words, amount, x, before * 1000 // whole - x))
    return tuple(found)
