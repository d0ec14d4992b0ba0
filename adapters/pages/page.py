"""The page of a course: its sessions over the calendar, coloured by what became of each, behind a one-time link.

GET /open/{token} takes a link and sets a session cookie; GET /courses lists the courses; GET /courses/{id} is the
page; GET /visits/{id} is the picture of a visit for drugs, which is listed among the courses. Ids in
addresses name a lane and a hash: nothing of a person stands in an address or a title.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from importlib import resources
from typing import Annotated, Final, Protocol
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from adapters.errors import StoreDown
from adapters.model.money import Cents, text
from adapters.model.record import PersonRecord
from adapters.pages.course_read import course_view
from adapters.pages.course_view import FATES, CourseView, Heading
from adapters.pages.links import SESSION_VALID, Links
from adapters.pipeline import House
from adapters.pipeline.stated import assembled
from adapters.pipeline.step import family_by
from adapters.pipeline.visiting import visit_view
from adapters.ports import Clock, Store
from adapters.timeline import heading, svg, table

COOKIE: Final = "oncoclaims_session"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer: no script, nothing from elsewhere, nothing kept, nothing told onward."""
LANES_A_PAGE: Final = 50
_TECHNIQUES: Final = {
    "imrt": "IMRT",
    "3d": "3D",
    "2d": "2D",
    "cbct": "CBCT",
    "stereo-xray": "stereo x-ray",
    "total-skin-electron": "total skin",
}
_HOW_TO: Final = (
    "These pages open by a one-time link. The service prints one where it is started.",
    "A link works once, for fifteen minutes. What it opens stays open for eight hours in the same browser.",
)


class PageWired(Protocol):
    """What the pages need of the wiring."""

    @property
    def store(self) -> Store:
        """The records."""
        ...

    @property
    def house(self) -> House:
        """The rules and the site in force."""
        ...

    @property
    def clock(self) -> Clock:
        """The time, for links and sessions."""
        ...


def course_name(episode: str) -> str:
    """The name of a course in an address: its lane, and a hash in place of the clinic's label."""
    return f"{episode.partition('/')[0]}.{hashlib.sha256(episode.encode()).hexdigest()[:12]}"


def router(wired: PageWired, links: Links | None = None) -> APIRouter:
    """The routes of the pages. Links are issued where `links` is; without it nobody can open them."""
    pages = _Pages(wired, links or Links(lambda: secrets.token_urlsafe(32)))
    routes = APIRouter(include_in_schema=False)
    routes.add_api_route("/page.css", style, methods=["GET"])
    routes.add_api_route("/open/{token}", pages.open, methods=["GET"])
    routes.add_api_route("/courses", pages.courses, methods=["GET"])
    routes.add_api_route("/courses/{name}", pages.course, methods=["GET"])
    routes.add_api_route("/visits/{name}", pages.visit, methods=["GET"])
    return routes


def style() -> Response:
    """The style sheet: the one thing that is there for everybody."""
    css = resources.files("adapters.pages").joinpath("templates", "page.css").read_text(encoding="utf-8")
    return Response(css, media_type="text/css", headers=HEADERS)


@dataclass(frozen=True, slots=True)
class _Pages:
    wired: PageWired
    links: Links

    def open(self, token: str, request: Request) -> Response:
        """Take a one-time link: a session cookie, and on to the courses."""
        session = self.links.redeem(token, self.wired.clock.now())
        if session is None:
            return _message("This link is used up or too old", _HOW_TO, 403)
        if request.headers.get("sec-fetch-site", "none") in ("cross-site", "same-site"):
            # A Strict cookie is not sent along a redirect that began at another site: the page goes on by itself.
            answer: Response = _message("Opening", ("The courses open in a moment.",), 200, onward="/courses")
        else:
            answer = RedirectResponse("/courses", 303, headers=HEADERS)
        answer.set_cookie(
            COOKIE,
            session,
            max_age=int(SESSION_VALID.total_seconds()),
            path="/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    def courses(self, request: Request, after: Annotated[str, Query(max_length=64)] = "") -> Response:
        """The courses on file, fifty persons a page in the order of their lanes."""
        return self._admitted(request, lambda: self._courses(after))

    def course(self, request: Request, name: str) -> Response:
        """One course."""
        return self._admitted(request, lambda: self._course(name))

    def visit(self, request: Request, name: str) -> Response:
        """The picture of one visit for drugs."""
        return self._admitted(request, lambda: self._visit(name))

    def _admitted(self, request: Request, make: Callable[[], Response]) -> Response:
        """The page for whom a link has opened it; a store that does not answer is told as that."""
        if not self.links.admits(request.cookies.get(COOKIE, ""), self.wired.clock.now()):
            return _message("A link opens these pages", _HOW_TO, 403)
        try:
            return make()
        except StoreDown:
            return _message("The store does not answer", ("Nothing is lost. Try again in a moment.",), 503)

    def _courses(self, after: str) -> Response:
        house, store = self.wired.house, self.wired.store
        lanes = [lane for lane in store.lanes() if lane > after]
        found: list[tuple[str, CourseView]] = []
        for lane in lanes[:LANES_A_PAGE]:
            record = store.load(lane)
            for episode in assembled(lane, record.events, family_by(house)).episodes:
                view = course_view(record, episode.id, house.rules, house.site, family_by(house))
                if view is not None and (view.weeks or view.holds or view.claims):
                    found.append((course_name(episode.id), view))
        found.sort(key=lambda pair: (pair[1].ended, pair[1].first or date.max, pair[0]))
        more = lanes[LANES_A_PAGE - 1] if len(lanes) > LANES_A_PAGE else ""
        return _page("courses.html", 200, clinic=house.site.name, courses=found, more=more, after=after)

    def _course(self, name: str) -> Response:
        house = self.wired.house
        record, id = self._named(name)
        view = course_view(record, id, house.rules, house.site, family_by(house)) if id else None
        if view is None:
            return _message("No such course", ("Nothing on file bears this address.",), 404)
        now = self.wired.clock.now().astimezone(ZoneInfo(house.site.zone))
        return _page(
            "course.html",
            200,
            view=view,
            address=name,
            shares=shares(view),
            rules=house.rules.digest,
            site=house.site.digest,
            now=f"{now:%Y-%m-%d %H:%M}",
        )

    def _visit(self, name: str) -> Response:
        house = self.wired.house
        record, id = self._named(name)
        view = visit_view(record, id, house) if id else None
        course = course_view(record, id, house.rules, house.site, family_by(house)) if view else None
        if view is None or course is None:
            return _message("No such visit", ("Nothing on file bears this address.",), 404)
        # The picture escapes what it says; it is the one thing here that is not text.
        return _page(
            "visit.html",
            200,
            address=name,
            who=course.heading,
            title=heading(view),
            picture=Markup(svg(view)),  # noqa: S704
            rows=table(view),
            rules=house.rules.digest,
        )

    def _named(self, name: str) -> tuple[PersonRecord, str]:
        """The record of the lane that an address names, and the id of the episode; empty where it has none of the name."""
        lane = name.partition(".")[0]
        record = self.wired.store.load(lane)
        episodes = assembled(lane, record.events, family_by(self.wired.house)).episodes
        return record, next((episode.id for episode in episodes if course_name(episode.id) == name), "")


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


# ---------------------------------------------------------------- words


def _dollars(amount: Cents, zero: str = "") -> str:
    """`$1,234.50`, `−$20.00`; nothing for nothing, unless `zero` says otherwise."""
    if not amount:
        return zero
    whole, _, part = text(abs(amount)).partition(".")
    return f"{'−' if amount < 0 else ''}${int(whole):,}.{part}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _brief(day: date) -> str:
    return f"{day.day} {day:%b}"


def _long_day(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B %Y}"


def _span(first: date | None, last: date | None) -> str:
    if first is None or last is None:
        return ""
    if first == last:
        return _day(first)
    return f"{_brief(first) if first.year == last.year else _day(first)} to {_day(last)}"


def _instant(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def _person(heading: Heading) -> str:
    return ", ".join(filter(None, (heading.family, heading.given))) or "name not known"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("adapters.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["fates"] = FATES
    environment.filters.update(
        dollars=_dollars,
        day=_day,
        brief=_brief,
        long_day=_long_day,
        span=_span,
        instant=_instant,
        person=_person,
        short=lambda id: id[:8],
        technique=lambda word: _TECHNIQUES.get(word, word.replace("-", " ")),
    )
    return environment


_ENVIRONMENT: Final = _environment()


def _page(name: str, status: int, **values: object) -> HTMLResponse:
    return HTMLResponse(_ENVIRONMENT.get_template(name).render(values), status, headers=HEADERS)


def _message(title: str, sentences: tuple[str, ...], status: int, onward: str = "") -> HTMLResponse:
    return _page("message.html", status, title=title, sentences=sentences, onward=onward)
