"""Who is let in to a page, and what a form must show before anything is done: the one way by which a room has routes.

A visitor holds a cookie of 256 random bits; the store knows its digest. Every form carries a token that is made of the
cookie (an HMAC, so that a page that leaks it opens nothing), must come from a page of ours by what the browser says of
its origin, and is done once. OWASP: Session Management and Cross-Site Request Forgery Prevention Cheat Sheets.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from adapters.errors import StoreDown
from adapters.model.user import BROWSER_KNOWN, LONGEST, Role
from adapters.pages.links import LINKED, Links
from adapters.pages.sheet import HEADERS, NAVIGATION, Place, message, page
from adapters.pages.wired import PageWired

COOKIE: Final = "oncoclaims_session"
"""Of plain HTTP, which is on this machine only; by HTTPS its name binds it to the host (RFC 6265bis, 4.1.3.2)."""
TOLD: Final = "oncoclaims_told"
KNOWN: Final = "oncoclaims_known"
"""By which a user has signed in here: one of each user, since many share a machine. It lets nobody in (`smart.browsers`)."""
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.[0-9a-f]{12}([0-9a-f]{4})?)?")
"""An id that we gave: of what else stands in an address, nobody knows what somebody typed."""
LARGEST_FORM: Final = 64 * 1024
FORM_SECONDS: Final = 10.0
"""How long a whole form may take to come."""
MOST_FIELDS: Final = 200
LONGEST_WORD: Final = 200
"""Characters of a value in an address."""
_TWICE: Final = "This form had been sent already, and nothing is done twice: what is on file stands here."
_DOWN: Final = ("Nothing is lost. Try again in a moment.",)
_DOWN_SENT: Final = (
    "What you sent may be on file or not.",
    "Open the page anew in a moment, look whether it is there, and send it again if not.",
)
HOW_TO: Final = (
    "These pages open by signing in, or by a one-time link.",
    "The service prints a link where it is started, as long as there is no user.",
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: a user who has signed in, or whoever followed a one-time link, who only looks."""

    name: str
    role: Role
    session: str = field(repr=False)
    """The digest of the cookie."""

    def may(self, needed: Role | str) -> bool:
        """Whether the visitor may what a role may."""
        return self.role.may(needed)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of somebody who was let in."""

    visitor: Visitor
    now: datetime
    clinic: str
    here: str
    """The path asked for."""
    navigation: Sequence[Place] = ()
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    told: str = ""
    """What was done just before, told once."""
    csrf: str = field(default="", repr=False)
    once: str = field(default="", repr=False)
    """A fresh name for what a form on this page does, so that it is done once."""
    key: bytes = field(default=b"", repr=False)
    looked: list[str] = field(default_factory=list)
    """Ids of ours of what is shown besides what the address names, for the log: whoever shows it adds it."""
    secure: bool = False
    """Whether this came by HTTPS, and no cookie is to travel otherwise."""


Answering = Callable[[Asked], Response]


def back(asked: Asked, to: str, words: str) -> Response:
    """The answer to what was done: on to a page of ours, which tells these words once. They hold no PHI."""
    if not to.startswith("/") or to.startswith(("//", "/\\")):
        raise ValueError("an address that is not ours")
    answer = RedirectResponse(to, 303, headers=HEADERS)
    said = base64.urlsafe_b64encode(words.encode()).decode()
    value = f"{said}.{_mac(asked.key, said)}"
    answer.set_cookie(TOLD, value, max_age=60, httponly=True, samesite="strict", secure=asked.secure)
    return answer


def digest(token: str) -> str:
    """What the store knows of a cookie."""
    return hashlib.sha256(token.encode()).hexdigest()


def cookie_name(request: Request) -> str:
    """Under which name the browser holds the session."""
    return f"__Host-{COOKIE}" if request.url.scheme == "https" else COOKIE


def set_session(answer: Response, request: Request, token: str) -> None:
    """Give the browser a session: sent to us alone, never to a script, never from another site."""
    answer.set_cookie(
        cookie_name(request),
        token,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def end_session(answer: Response, request: Request) -> None:
    """Have the browser forget its session."""
    secure = request.url.scheme == "https"
    answer.delete_cookie(cookie_name(request), path="/", httponly=True, samesite="strict", secure=secure)


def mark_held(request: Request, name: str) -> str:
    """What the browser holds by which this user has signed in; empty where it holds nothing such."""
    held = request.cookies.get(_known_name(request, name), "")
    return held if len(held) <= LONGEST_WORD else ""


def set_mark(answer: Response, request: Request, name: str, mark: str) -> None:
    """Have the browser hold that this user has signed in by it; it holds so after the session, too."""
    answer.set_cookie(
        _known_name(request, name),
        mark,
        max_age=int(BROWSER_KNOWN.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def _known_name(request: Request, name: str) -> str:
    known = f"{KNOWN}_{digest(f'known|{name}')[:16]}"
    return f"__Host-{known}" if request.url.scheme == "https" else known


def ours(request: Request) -> bool:
    """Whether a form came from a page of ours, by what the browser says, which no page can forge; silence is no.

    Fetch Metadata says it of the site, `Origin` of scheme, host and port; where both are there, both must agree.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return (site or origin) is not None and site in (None, "same-origin") and origin in (None, own)


async def form_of(request: Request, largest: int = LARGEST_FORM) -> Mapping[str, str] | None:
    """The fields of a form; None for what is none, is too large or too slow. Of a name that comes twice the last holds."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/x-www-form-urlencoded":
        return None
    read = bytearray()
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for piece in request.stream():
                read += piece
                if len(read) > largest:
                    return None
        pairs = parse_qsl(read.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except (TimeoutError, ClientDisconnect, ValueError):
        return None
    return dict(pairs)


class Doors:
    """Where the rooms have their routes. Every route asks who comes; none can be had without."""

    def __init__(
        self,
        wired: PageWired,
        links: Links,
        routes: APIRouter,
        random_token: Callable[[], str],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """`random_token` gives a fresh text that nobody can guess; `wake` has the lanes look at what was written."""
        self.wired = wired
        self.links = links
        self.random_token = random_token
        self.wake = wake
        self.elsewhere = False
        """Whether one signs in at the clinic's issuer here (`pages.openid`)."""
        self._routes = routes
        self._places: set[str] = set()

    def get(self, path: str, show: Answering, needs: Role = Role.VIEWER) -> None:
        """A page. It changes nothing."""

        def shown(request: Request) -> Response:
            return self._answered(request, needs, show)

        self._places.add(path)
        self._routes.add_api_route(path, shown, methods=["GET"])

    def post(self, path: str, do: Answering, needs: Role, *, once: bool = True, largest: int = LARGEST_FORM) -> None:
        """What a form does. Without `once` the same form may be sent again: it only asks. More than usual is read of a
        form by those alone who may do it."""

        async def done(request: Request) -> Response:
            if not ours(request):
                return _forged()
            more = largest > LARGEST_FORM and await run_in_threadpool(self._may, request, needs)
            form = await form_of(request, largest if more else LARGEST_FORM)
            if form is None:
                return message("This form cannot be read", ("Nothing was done.",), 400)
            return await run_in_threadpool(self._answered, request, needs, do, form, once)

        self._routes.add_api_route(path, done, methods=["POST"])

    def visitor(self, request: Request) -> tuple[Visitor, str] | None:
        """Who holds the cookie of this request, with the cookie; None for nobody. Raises `StoreDown`."""
        token = request.cookies.get(cookie_name(request), "")
        if not token or len(token) > LONGEST_WORD:
            return None
        now = self.wired.clock.now()
        if self.links.admits(token, now) and self._nobody():
            return Visitor(LINKED, Role.VIEWER, digest(token)), token
        session = self.wired.store.session(digest(token), now)
        return None if session is None else (Visitor(session.user, session.role, session.id), token)

    def _may(self, request: Request, needs: Role) -> bool:
        try:
            found = self.visitor(request)
        except StoreDown:
            return False
        return found is not None and found[0].may(needs)

    def redeemed(self, token: str) -> str | None:
        """The session that a one-time link opens; None where it opens none, as where people sign in. Raises `StoreDown`."""
        return self.links.redeem(token, self.wired.clock.now()) if self._nobody() else None

    def _nobody(self) -> bool:
        """Whether there is no user: as soon as there is one, links are for nobody any more, nor what they have opened."""
        return not self.wired.store.users()

    def _answered(
        self,
        request: Request,
        needs: Role,
        make: Answering,
        form: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> Response:
        try:
            found = self.visitor(request)
            if found is None:
                return self.asks(request, 403)
            asked = self._asked(request, *found, form or {})
            # Who looked at what: the line that tells of the request has it (`serve.middleware`).
            request.state.user = asked.visitor.name
            request.state.about = next(filter(_ID.fullmatch, asked.path.values()), "")
            if not asked.visitor.may(needs):
                words = f"You are signed in as {asked.visitor.name}, a {asked.visitor.role}; this needs a {needs}."
                return message("Not for this role", (words, "Nothing was done."), 403, asked=asked)
            if form is not None and not hmac.compare_digest(form.get("csrf", "").encode(), asked.csrf.encode()):
                return _forged()
            if once and not self._first(asked):
                return back(asked, self._before(request), _TWICE)
            answer = make(asked)
            request.state.about = " ".join(filter(None, (request.state.about, *asked.looked)))
        except StoreDown:
            return message("The store does not answer", _DOWN_SENT if once else _DOWN, 503)
        if asked.told and TOLD not in answer.headers.get("set-cookie", ""):
            answer.delete_cookie(TOLD, httponly=True, samesite="strict", secure=asked.secure)
        return answer

    def asks(self, request: Request, status: int, words: str = "", then: str = "") -> Response:
        """The page on which one signs in; `then` is where it goes on, where one wanted to go if not said."""
        onward = then or (request.url.path if request.method == "GET" else "")
        nobody = self._nobody()
        clinic = self.wired.house.site.name
        web = self.wired.house.site.web
        values = {"said": words, "then": onward, "how_to": HOW_TO, "nobody": nobody, "clinic": clinic}
        values |= {"elsewhere": self.elsewhere, "web": web, "openid": web.openid if web else None}
        return page("sign_in.html", status, asked=None, **values)

    def _asked(self, request: Request, visitor: Visitor, token: str, form: Mapping[str, str]) -> Asked:
        key = hmac.digest(token.encode(), b"told", "sha256")
        return Asked(
            visitor=visitor,
            now=self.wired.clock.now(),
            clinic=self.wired.house.site.name,
            here=request.url.path,
            navigation=tuple(one for one in NAVIGATION if one.path in self._places and visitor.may(one.needs)),
            path={name: str(value) for name, value in request.path_params.items()},
            query={name: value[:LONGEST_WORD] for name, value in request.query_params.items()},
            form=form,
            told=_told(request.cookies.get(TOLD, ""), key),
            csrf=hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest(),
            once=self.random_token()[:22],
            key=key,
            secure=request.url.scheme == "https",
        )

    def _before(self, request: Request) -> str:
        """The page of a form, by what the browser says; the first page where it says nothing of a page of ours.

        What was refused stands at the address of the form, which is no page: its page is the next one above.
        """
        own = f"{request.url.scheme}://{request.headers.get('host', '')}"
        said = request.headers.get("referer", "")
        if not said.startswith(f"{own}/") or not said.isascii():
            return "/"
        whole = said.removeprefix(own)
        path = whole if whole.startswith("//") else urlsplit(whole).path
        if self._is_page(path):
            return whole
        while path := path.rpartition("/")[0]:
            if self._is_page(path):
                return path
        return "/"

    def _is_page(self, path: str) -> bool:
        return any(compile_path(place)[0].fullmatch(path) for place in self._places)

    def _first(self, asked: Asked) -> bool:
        """Whether this form was not sent before; one without a name of its own was."""
        name = asked.form.get("once", "")
        if not name:
            return False
        id = digest(f"form|{asked.visitor.session}|{asked.here}|{name}")
        return self.wired.store.first_use(id, asked.now + LONGEST, asked.now)


def _forged() -> Response:
    sentences = ("It did not come from a page that you have open here, or its page is too old. Nothing was done.",)
    return message("This form is not taken", sentences, 403)


def _mac(key: bytes, said: str) -> str:
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


def _told(value: str, key: bytes) -> str:
    said, _, mac = value.partition(".")
    if not said or not hmac.compare_digest(mac.encode(), _mac(key, said).encode()):
        return ""
    try:
        return base64.urlsafe_b64decode(said).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
