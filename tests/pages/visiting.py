"""Visitors of the pages under test: a shelf of users and sessions in memory, and a client that has signed in."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

import structlog
from fastapi.testclient import TestClient
from httpx import Response

from adapters.model.user import FAILURES, WITHIN, Role, Session, User
from adapters.pages.admission import COOKIE, digest
from adapters.serve.logs import configure
from adapters.smart.passwords import Cost, secret_of

CHEAP = Cost(4, 1, 1)
"""What a guess costs in tests: next to nothing."""
NOBODYS = secret_of("of nobody at all", b"salt of the test", CHEAP)
PASSWORD = "a quiet harbour at dusk"
OURS = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
"""What a browser says of a form of our own."""


class UserShelf:
    """Users and sessions, as a store has them (`tests/store/test_users.py` holds the real one to the same)."""

    def __init__(self) -> None:
        self.known: dict[str, User] = {}
        self.open: dict[str, Session] = {}
        self.used: set[str] = set()

    def add(self, name: str, role: Role, now: datetime, password: str = PASSWORD) -> User:
        """A user with this password."""
        self.known[name] = User(name, role, secret_of(password, b"salt of the test", CHEAP), now)
        return self.known[name]

    def users(self) -> tuple[User, ...]:
        return tuple(self.known[name] for name in sorted(self.known))

    def user(self, name: str) -> User | None:
        return self.known.get(name)

    def mark_of(self, _user: User, number: str, _now: datetime) -> str:
        return number

    def browser_of(self, _mark: str, _user: User, _now: datetime) -> str:
        return ""

    def failed_to_sign_in(self, name: str, now: datetime, _browser: str = "") -> None:
        user = self.known[name]
        if user.rests(now):
            return
        fresh = user.failed_at is None or now >= user.failed_at + WITHIN or user.failures >= FAILURES
        self.known[name] = replace(user, failures=1 if fresh else user.failures + 1, failed_at=now)

    def sign_in(self, name: str, secret: str, session: str, now: datetime, _browser: str = "") -> Session | None:
        user = self.known.get(name)
        if user is None or user.secret != secret or user.rests(now):
            return None
        self.known[name] = replace(user, failures=0, failed_at=None)
        self.open[session] = Session(session, name, user.role, now, now)
        return self.open[session]

    def session(self, id: str, now: datetime) -> Session | None:
        found = self.open.get(id)
        if found is None or found.over(now):
            return None
        self.open[id] = replace(found, seen=now)
        return found

    def sessions(self, now: datetime) -> tuple[Session, ...]:
        return tuple(one for one in self.open.values() if not one.over(now))

    def sign_out(self, id: str, _by: str, _now: datetime) -> bool:
        return self.open.pop(id, None) is not None

    def first_use(self, id: str, _until: datetime, _now: datetime) -> bool:
        first = id not in self.used
        self.used.add(id)
        return first


@contextlib.contextmanager
def logged() -> Iterator[io.StringIO]:
    """All that this process logs meanwhile."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure("debug", stream)
    try:
        yield stream
    finally:
        structlog.reset_defaults()
        root.handlers[:] = before
        root.setLevel(level)


def signed_in(client: TestClient, store: UserShelf, role: Role, now: datetime, name: str = "") -> TestClient:
    """The client as a user of this role who has just signed in; the user is made if new."""
    name = name or f"a.{role}"
    if name not in store.known:
        store.add(name, role, now)
    client.cookies.clear()
    token = f"session-of-{name}-{len(store.open)}"
    store.open[digest(token)] = Session(digest(token), name, role, now, now)
    client.cookies.set(COOKIE, token)
    return client


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the first form that does something."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))


def sent(client: TestClient, page: str, action: str, fields: Mapping[str, str], **headers: str) -> Response:
    """What is answered to a form of a page, filled in and sent as a browser does."""
    shown = client.get(page)
    assert shown.status_code == 200, shown.text
    found = hidden(shown.text)
    guard = {"csrf": found["csrf"], "once": found["once"]}
    return client.post(action, data={**guard, **fields}, headers={**OURS, **headers})
