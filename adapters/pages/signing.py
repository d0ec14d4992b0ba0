"""Signing in and out, one-time links, and the users' page for an admin.

GET /sign-in asks for name and password, POST /sign-in looks at them; GET /open/{token} takes a one-time link; POST
/sign-out ends the session; GET /users lists who may sign in and who has. A wrong name, a wrong password and a name that
rests get one and the same answer, after the same time. Wrong passwords from a browser by which the name has signed in
count for that browser, and all others for the name: so strangers can keep out strangers only.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from adapters.errors import StoreDown
from adapters.model.user import Role, User, user_name
from adapters.pages.admission import (
    LONGEST_WORD,
    Asked,
    Doors,
    back,
    cookie_name,
    digest,
    end_session,
    form_of,
    mark_held,
    ours,
    set_mark,
    set_session,
)
from adapters.pages.links import LINK_VALID
from adapters.pages.sheet import HEADERS, message, page
from adapters.smart.passwords import NOBODYS, fits

FIRST: Final = "/today"
"""Where one is after signing in."""
AT_ONCE: Final = 8
"""Tries that are looked at or wait to be; the next is refused at once, so that many keep no page of others waiting."""
PACE: Final = 0.5
"""Seconds: a refusal leaves at a multiple of it after the try came in, so that its time tells nothing."""
_PAGE: Final = re.compile(r"/(?![/\\]|sign-|open/)[!-\[\]-~]*")
"""An address of a page of ours: of plain letters, since a browser leaves out others (a tab) and then reads another one."""
_REFUSED: Final = (
    "Name and password do not fit, or there were too many tries: wait a quarter of an hour, or ask an admin."
)
_LINK_USED: Final = (
    "The service prints a new one where it is started while there is no user; else sign in.",
    f"A link works once, for {LINK_VALID.seconds // 60} minutes.",
    "What it opens stays open for eight hours in the same browser.",
)


class Tried(Protocol):
    """Counts failed tries by the address that they came from."""

    def failed(self, peer: str, now: datetime) -> None:
        """One more."""
        ...

    def wait(self, peer: str, now: datetime) -> int:
        """Seconds until the address may try again; 0 where it may now."""
        ...


def routes(doors: Doors, plain: APIRouter, tries: Tried, pause: Callable[[float], None] = time.sleep) -> None:
    """The routes of signing in; `plain` takes those that ask for no session."""
    signing = _Signing(doors, tries, pause)
    plain.add_api_route("/", signing.home, methods=["GET"])
    plain.add_api_route("/sign-in", signing.form, methods=["GET"])
    plain.add_api_route("/sign-in", signing.sign_in, methods=["POST"])
    plain.add_api_route("/open/{token}", signing.open, methods=["GET"])
    plain.add_api_route("/sign-out", signing.sign_out, methods=["POST"])
    doors.get("/users", signing.users, Role.ADMIN)
    doors.post("/users/{name}/end", signing.end, Role.ADMIN)


class _Signing:
    def __init__(self, doors: Doors, tries: Tried, pause: Callable[[float], None]) -> None:
        self._doors = doors
        self._tries = tries
        self._pause = pause
        self._looking = 0

    def home(self) -> Response:
        """The first page."""
        return RedirectResponse(FIRST, 303, headers=HEADERS)

    def form(self, request: Request) -> Response:
        """The page on which one signs in; whoever has, goes on."""
        try:
            if self._doors.visitor(request) is not None:
                return self.home()
            return self._doors.asks(request, 200, then=FIRST)
        except StoreDown:
            return down()

    async def sign_in(self, request: Request) -> Response:
        """Look at a name and a password; a new session for who is let in, whatever the browser held before."""
        if not ours(request):
            return message("This form is not taken", ("It did not come from our own page. Nothing was done.",), 403)
        form = await form_of(request)
        if form is None:
            return message("This form cannot be read", ("Nothing was done.",), 400)
        if self._looking >= AT_ONCE:
            return message("Too many sign in at this moment", ("Go back, and try again in a moment.",), 429)
        self._looking += 1
        try:
            return await run_in_threadpool(self._sign_in, request, form)
        finally:
            self._looking -= 1

    def _sign_in(self, request: Request, form: Mapping[str, str]) -> Response:
        began, now = time.monotonic(), self._doors.wired.clock.now()
        peer = request.client.host if request.client else ""
        store = self._doors.wired.store
        onward = onward_of(form.get("then", ""))
        try:
            if self._tries.wait(peer, now):
                # Nothing is looked at, so nothing is told of any name; and who sends many tries keeps no thread busy.
                return self._doors.asks(request, 429, _REFUSED, then=onward)
            name, token = user_name(form.get("name", "")), self._doors.random_token()
            user = store.user(name) if name else None
            kept = user.secret if user and not user.elsewhere else NOBODYS
            right = fits(form.get("password", ""), kept)
            taken = user if user and right and self._by_password(user) else None
            browser = store.browser_of(mark_held(request, user.name), user, now) if user else ""
            if taken and store.sign_in(taken.name, taken.secret, digest(token), now, browser) is not None:
                self._end(request, taken.name)
                answer: Response = RedirectResponse(onward, 303, headers=HEADERS)
                set_session(answer, request, token)
                set_mark(answer, request, taken.name, store.mark_of(taken, self._doors.random_token(), now))
                return answer
            self._tries.failed(peer, now)
            if user is not None and not right:
                store.failed_to_sign_in(user.name, now, browser)
            refused = self._doors.asks(request, 403, _REFUSED, then=onward)
        except StoreDown:
            return down()
        self._pause(PACE - (time.monotonic() - began) % PACE)
        return refused

    def _by_password(self, user: User) -> bool:
        """Whether a password lets this user in: where people sign in at an issuer, admins alone, or nobody."""
        web = self._doors.wired.house.site.web
        openid = web.openid if web else None
        return openid is None or (openid.passwords and user.role is Role.ADMIN)

    def open(self, token: str, request: Request) -> Response:
        """Take a one-time link: a session cookie, and on to the first page."""
        try:
            session = self._doors.redeemed(token)
        except StoreDown:
            return down()
        if session is None:
            return message("This link is used up or too old", _LINK_USED, 403)
        if request.headers.get("sec-fetch-site", "none") in ("cross-site", "same-site"):
            # A Strict cookie is not sent along a redirect that began at another site: the page goes on by itself.
            answer: Response = message("Opening", ("The pages open in a moment.",), 200, onward="/courses")
        else:
            answer = RedirectResponse("/courses", 303, headers=HEADERS)
        set_session(answer, request, session)
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session. It needs no token: whoever forges it has ended a session, and nothing else."""
        if not ours(request):
            return message("This form is not taken", ("It did not come from our own page. Nothing was done.",), 403)
        return await run_in_threadpool(self._sign_out, request)

    def _sign_out(self, request: Request) -> Response:
        try:
            found = self._doors.visitor(request)
            self._end(request, found[0].name if found else "")
        except StoreDown:
            return down()
        answer = RedirectResponse("/sign-in", 303, headers=HEADERS)
        end_session(answer, request)
        return answer

    def _end(self, request: Request, by: str) -> None:
        """End what the browser held, if it was a session."""
        token = request.cookies.get(cookie_name(request), "")
        self._doors.links.end(token)
        if token and by:
            self._doors.wired.store.sign_out(digest(token), by, self._doors.wired.clock.now())

    def users(self, asked: Asked) -> Response:
        """Who may sign in, and who has."""
        store = self._doors.wired.store
        open_now = store.sessions(asked.now)
        return page(
            "users.html",
            asked=asked,
            users=store.users(),
            sessions={user.name: [one for one in open_now if one.user == user.name] for user in store.users()},
            zone=ZoneInfo(self._doors.wired.house.site.zone),
        )

    def end(self, asked: Asked) -> Response:
        """End all sessions of a user; one's own too."""
        store, name = self._doors.wired.store, asked.path["name"]
        ended = [one.id for one in store.sessions(asked.now) if one.user == name]
        count = sum(store.sign_out(id, asked.visitor.name, asked.now) for id in ended)
        return back(asked, "/users", f"{count} session{'' if count == 1 else 's'} ended.")


def onward_of(then: str) -> str:
    """Where one goes on to who wanted to go there: a page of ours, else the first one."""
    return then if _PAGE.fullmatch(then) and len(then) <= LONGEST_WORD else FIRST


def down() -> Response:
    """The page that says that the store does not answer."""
    return message("The store does not answer", ("Nothing is lost. Try again in a moment.",), 503)
