"""Users and their sessions: rows that change, each change told to the journal in the same transaction.

The journal has who may sign in since when, who did, and that a name or a browser rests; it never has a password nor what one is
checked against, and no session's key. Names of users are setup, not PHI.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from adapters.model.journal import JournalKind
from adapters.model.user import FAILURES, IDLE, LONGEST, WITHIN, Role, Session, User, one_more, resting
from adapters.ports import Receipt
from adapters.smart import browsers as known
from adapters.store import codec
from adapters.store.editions import journal as noting
from adapters.store.keys import KeyRing
from adapters.store.schema import browsers, sessions, users

T = TypeVar("T")

CHANNEL: Final = "users"
VOUCHED: Final = "openid"
"""By whom the journal says that a user is made or changed who signs in elsewhere."""
_OF_SESSION: Final = select(sessions, users.c.role).join(users, users.c.name == sessions.c.name)
_A_MINUTE: Final = timedelta(minutes=1)


class UserRows(Protocol):
    """The part of a store that knows who may sign in, over its ways to read and to write."""

    _keys: KeyRing

    def _read(self, ask: Callable[[Connection], T]) -> T:
        """Ask within one snapshot of the last commit."""
        ...

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Do it in one transaction of the writer."""
        ...

    def users(self) -> tuple[User, ...]:
        """All users, by name."""
        rows = self._read(lambda c: c.execute(select(users).order_by(users.c.name)).mappings().all())
        return tuple(self._user(row) for row in rows)

    def user(self, name: str) -> User | None:
        """The user of this name."""
        return self._read(lambda c: self._known(c, name))

    def put_user(self, user: User, by: str) -> bool:
        """Make a user, or give one another role or password; all sessions of it end. Whether it was new.

        `by` is who did it. Nothing is told or ended where role and secret are what they were.
        """

        def work(connection: Connection) -> bool:
            before = self._known(connection, user.name)
            if before is not None and (before.role, before.secret) == (user.role, user.secret):
                return False
            self._put(connection, user, before, by)
            return before is None

        return self._write(work)

    def remove_user(self, name: str, by: str, now: datetime) -> bool:
        """Nobody signs in under this name any more, and who is signed in is not; False where there is no such user."""

        return self._write(lambda connection: self._remove(connection, name, by, now))

    def mark_of(self, user: User, number: str, now: datetime) -> str:
        """What the browser is to hold by which the user has signed in now; `number` is fresh, and nobody can guess it."""
        return known.mark_of(user, number, self._keys.secret(known.PURPOSE), now)

    def browser_of(self, mark: str, user: User, now: datetime) -> str:
        """The id of the browser that holds this mark, where the user as it is now has signed in by it; else empty."""
        return known.browser_of(mark, user, self._keys.secret(known.PURPOSE), now)

    def failed_to_sign_in(self, name: str, now: datetime, browser: str = "") -> None:
        """A wrong password for a name. The last of too many is told to the journal; the others are counted only.

        From a `browser` that the user has signed in by it counts for that browser alone, from any other for the name.
        """

        def work(connection: Connection) -> None:
            user = self._known(connection, name)
            if user is None:
                return
            before = _Tried(user.failures, user.failed_at) if not browser else _tried(connection, browser)
            if before.rests(now):
                return
            failures = one_more(before.failures, before.failed_at, now)
            values = {"failures": failures, "failed_at": codec.micros(now)}
            if browser:
                over = codec.micros(now - WITHIN)
                connection.execute(delete(browsers).where((browsers.c.id == browser) | (browsers.c.failed_at <= over)))
                connection.execute(insert(browsers), [{"id": browser, "name": name, **values}])
            else:
                connection.execute(update(users).where(users.c.name == name).values(**values))
            if failures >= FAILURES:
                self._tell(connection, name, "rests", name, now, **({"browser": browser[:16]} if browser else {}))

        self._write(work)

    def sign_in(self, name: str, secret: str, session: str, now: datetime, browser: str = "") -> Session | None:
        """Begin the session of this id (a digest), if the user still has this secret and does not rest.

        By a `browser` that the user has signed in by, if that does not rest; what strangers tried stays counted.
        """

        def work(connection: Connection) -> Session | None:
            user = self._known(connection, name)
            if user is None or user.secret != secret:
                return None
            if _tried(connection, browser).rests(now) if browser else user.rests(now):
                return None
            if not browser:
                self._forget(connection, name)
            return self._begin(connection, name, user.role, session, now)

        return self._write(work)

    def let_in(self, name: str, role: Role | None, secret: str, session: str, now: datetime) -> Session | None:
        """Begin the session of a person whom somebody else vouches for; `secret` says for whom, and fits no password.

        The user is made, or given this role, as of now; with None for a role it is no user any more. None, and nothing
        is changed, where the name is another's: a local user's, or that of somebody else who is vouched for.
        """

        def work(connection: Connection) -> Session | None:
            before = self._known(connection, name)
            if before is not None and before.secret != secret:
                return None
            if role is None:
                self._remove(connection, name, VOUCHED, now)
                return None
            if before is None or before.role is not role:
                self._put(connection, User(name, role, secret, now), before, VOUCHED)
            self._forget(connection, name)
            return self._begin(connection, name, role, session, now)

        return self._write(work)

    def session(self, id: str, now: datetime) -> Session | None:
        """The session of this id if it admits anybody now; that it was asked for is remembered to the minute."""
        row = self._read(lambda c: c.execute(_OF_SESSION.where(sessions.c.id == id)).mappings().one_or_none())
        if row is None:
            return None
        found = _session(row)
        if found.over(now):
            return None
        if now - found.seen < _A_MINUTE:
            return found
        seen = update(sessions).where(sessions.c.id == id).values(seen=codec.micros(now))
        self._write(lambda c: c.execute(seen).rowcount)
        return replace(found, seen=now)

    def sessions(self, now: datetime) -> tuple[Session, ...]:
        """Who is signed in now, by name."""
        asked = _OF_SESSION.order_by(sessions.c.name, sessions.c.begun, sessions.c.id)
        rows = self._read(lambda c: c.execute(asked).mappings().all())
        return tuple(found for found in map(_session, rows) if not found.over(now))

    def sign_out(self, id: str, by: str, now: datetime) -> bool:
        """End a session; False where there is none of this id."""

        def work(connection: Connection) -> bool:
            asked = select(sessions.c.name).where(sessions.c.id == id)
            name = connection.execute(asked).scalar_one_or_none()
            if name is None:
                return False
            connection.execute(delete(sessions).where(sessions.c.id == id))
            self._tell(connection, name, "signed-out", by, now, session=id[:16])
            return True

        return self._write(work)

    def _put(self, connection: Connection, user: User, before: User | None, by: str) -> None:
        """Write a user as it is from now on; who is signed in by that name is not any more."""
        sealed = self._keys.seal(user.secret.encode(), _place(user.name))
        values: dict[str, Any] = {
            "role": user.role.value,
            "since": codec.micros(user.since),
            "failures": 0,
            "failed_at": None,
        }
        values |= {"key_id": sealed.key_id, "sealed": sealed.data}
        if before is None:
            connection.execute(insert(users), [{"name": user.name, **values}])
        else:
            connection.execute(update(users).where(users.c.name == user.name).values(**values))
            connection.execute(delete(sessions).where(sessions.c.name == user.name))
            connection.execute(delete(browsers).where(browsers.c.name == user.name))
        turn = "made" if before is None else "role" if before.role is not user.role else "password"
        self._tell(connection, user.name, turn, by, user.since, role=user.role.value)

    def _remove(self, connection: Connection, name: str, by: str, now: datetime) -> bool:
        connection.execute(delete(sessions).where(sessions.c.name == name))
        connection.execute(delete(browsers).where(browsers.c.name == name))
        if not connection.execute(delete(users).where(users.c.name == name)).rowcount:
            return False
        self._tell(connection, name, "removed", by, now)
        return True

    def _begin(self, connection: Connection, name: str, role: Role, session: str, now: datetime) -> Session:
        early = codec.micros(now - LONGEST), codec.micros(now - IDLE)
        connection.execute(delete(sessions).where((sessions.c.begun <= early[0]) | (sessions.c.seen <= early[1])))
        at = codec.micros(now)
        connection.execute(insert(sessions), [{"id": session, "name": name, "begun": at, "seen": at}])
        self._tell(connection, name, "signed-in", name, now, session=session[:16])
        return Session(session, name, role, now, now)

    def _forget(self, connection: Connection, name: str) -> None:
        """Forget what was tried by a name before it was signed in by."""
        connection.execute(update(users).where(users.c.name == name).values(failures=0, failed_at=None))

    def _known(self, connection: Connection, name: str) -> User | None:
        row = connection.execute(select(users).where(users.c.name == name)).mappings().one_or_none()
        return None if row is None else self._user(row)

    def _user(self, row: RowMapping) -> User:
        secret = self._keys.open(row["key_id"], row["sealed"], _place(row["name"])).decode()
        failed_at = None if row["failed_at"] is None else codec.instant(row["failed_at"])
        return User(row["name"], Role(row["role"]), secret, codec.instant(row["since"]), row["failures"], failed_at)

    def _tell(self, connection: Connection, name: str, turn: str, by: str, at: datetime, **more: str) -> None:
        last = noting.last_noted(connection, CHANNEL, name, self._keys)
        said = {"user": name, "turn": turn, "by": by, "at": at.isoformat(), "after": last.id if last else "", **more}
        told = Receipt.of_ours(JournalKind.USER, CHANNEL, said, at, actor=f"person:{by}", control=name)
        noting.note(connection, told, self._keys)


@dataclass(frozen=True, slots=True)
class _Tried:
    """Wrong passwords from one browser, or of a name from all others."""

    failures: int = 0
    failed_at: datetime | None = None

    def rests(self, now: datetime) -> bool:
        """Whether nobody is let in so now."""
        return resting(self.failures, self.failed_at, now)


def _tried(connection: Connection, browser: str) -> _Tried:
    row = connection.execute(select(browsers).where(browsers.c.id == browser)).mappings().one_or_none()
    return _Tried() if row is None else _Tried(row["failures"], codec.instant(row["failed_at"]))


def _place(name: str) -> str:
    return f"users|{name}|secret"


def _session(row: RowMapping) -> Session:
    begun, seen = codec.instant(row["begun"]), codec.instant(row["seen"])
    return Session(row["id"], row["name"], Role(row["role"]), begun, seen)
