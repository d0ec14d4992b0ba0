"""How a page is made: templates and their words, the headers of every answer, the navigation, and lists as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import TYPE_CHECKING, Final

from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from adapters.model.money import Cents, text
from adapters.model.spreadsheet import written
from adapters.pages.course_view import FATES, Heading

if TYPE_CHECKING:
    from adapters.pages.admission import Asked

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer: no script, nothing from elsewhere, nothing kept, nothing told to others; forms go to us alone.

`same-origin` and not `no-referrer`: with the latter a browser sends `Origin: null` with our own forms.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation."""

    path: str
    words: str
    needs: str = "viewer"


NAVIGATION: Final = (
    Place("/today", "Today"),
    Place("/courses", "Courses"),
    Place("/reconcile", "Reconcile"),
    Place("/compare", "Compare"),
    Place("/denials", "Denials"),
    Place("/claims", "Claims"),
    Place("/messages", "Messages"),
    Place("/payers", "Payers"),
    Place("/rules", "Rules"),
    Place("/search", "Search"),
    Place("/users", "Users", "admin"),
)
"""In the order of the day's work; a page that has no room is not shown."""

_TECHNIQUES: Final = {
    "imrt": "IMRT",
    "3d": "3D",
    "2d": "2D",
    "cbct": "CBCT",
    "stereo-xray": "stereo x-ray",
    "total-skin-electron": "total skin",
}


def page(template: str, status: int = 200, *, asked: Asked | None, **values: object) -> HTMLResponse:
    """A page from its template. `asked` is who asks and where; None on the pages before anybody has signed in."""
    given = {
        "asked": asked,
        "visitor": asked.visitor if asked else None,
        "navigation": asked.navigation if asked else (),
        "here": asked.here if asked else "",
        "clinic": asked.clinic if asked else "",
        "told": asked.told if asked else "",
    }
    return HTMLResponse(_ENVIRONMENT.get_template(template).render({**given, **values}), status, headers=HEADERS)


def message(
    title: str, sentences: Sequence[str], status: int = 200, *, asked: Asked | None = None, onward: str = ""
) -> HTMLResponse:
    """A page of a few sentences; with `onward` it goes on to that address by itself."""
    return page("message.html", status, asked=asked, title=title, sentences=sentences, onward=onward)


def csv_answer(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """A list as a file of this name, with the mark by which a spreadsheet knows its encoding."""
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(written(columns, rows).encode("utf-8-sig"), 200, headers, "text/csv; charset=utf-8")


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
        plainly=lambda word: word if " " in word else word.replace("-", " "),
        short=lambda id: id[:8],
        technique=lambda word: _TECHNIQUES.get(word, word.replace("-", " ")),
    )
    return environment


_ENVIRONMENT: Final = _environment()
