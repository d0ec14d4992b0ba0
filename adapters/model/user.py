"""Who signs in to the pages: a user, what the role lets one do, and a session. None of it is about a patient."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_NOBODYS: Final = frozenset({"link", "nobody", "console", "openid"})
"""Words that stand where a name could, and mean nobody: who only looks, whose an item is not, and by what a user was made."""
IDLE: Final = timedelta(minutes=30)
"""After so long without a page a session is over (NIST SP 800-63B-4, 2.2.3: at most an hour at level 2)."""
LONGEST: Final = timedelta(hours=10)
"""However busy, a session is over after a long working day (the same: at most 24 hours)."""
ELSEWHERE: Final = "openid$"
"""How that begins which is kept of a user who signs in elsewhere, in place of a password."""
FAILURES: Final = 8
WITHIN: Final = timedelta(minutes=15)
"""So many wrong passwords for one name, none of them longer ago than this after the one before: the name rests as long.
So does a browser that the name has signed in by, whose tries count for it alone."""
BROWSER_KNOWN: Final = timedelta(days=90)
"""How long a browser is known after a good sign-in by it; each good sign-in begins it anew."""


class Role(StrEnum):
    """What a user may do; each may all that those before it may."""

    VIEWER = "viewer"
    """Sees every page."""
    BILLER = "biller"
    """Assigns, closes, releases, answers, replays."""
    SUPERVISOR = "supervisor"
    """Overrides an edit, withdraws decisions, voids, puts records together."""
    ADMIN = "admin"
    """Sees the users and who is signed in, and ends sessions."""

    @property
    def rank(self) -> int:
        """Its place among the roles, the least first."""
        return list(Role).index(self)

    def may(self, needed: Role | str) -> bool:
        """Whether it may what a role may."""
        return self.rank >= Role(needed).rank


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in. The name is also the name under which one decides."""

    name: str
    role: Role
    secret: str = field(repr=False)
    """What the password is checked against (`smart.passwords`)."""
    since: datetime
    """When it was made, or its role or password was changed last."""
    failures: int = 0
    """Wrong passwords since the last right one, or since it rested last."""
    failed_at: datetime | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether the clinic's issuer vouches for this person (`model.openid`): there is no password to check."""
        return self.secret.startswith(ELSEWHERE)

    def rests(self, now: datetime) -> bool:
        """Whether nobody is let in by this name now: too many wrong passwords a short while ago."""
        return resting(self.failures, self.failed_at, now)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in."""

    id: str
    """SHA-256 of what the browser holds, in hex: from this nobody can make a cookie."""
    user: str
    role: Role
    begun: datetime
    seen: datetime
    """When it asked for something last, to a minute."""

    def over(self, now: datetime) -> bool:
        """Whether it admits nobody any more: idle too long, or open too long. A clock put back ends it, too."""
        return not (self.begun <= now < self.begun + LONGEST and now < self.seen + IDLE)


def resting(failures: int, failed_at: datetime | None, now: datetime) -> bool:
    """Whether so many wrong passwords, the last of them then, let nobody in now."""
    return failures >= FAILURES and failed_at is not None and now < failed_at + WITHIN


def one_more(failures: int, failed_at: datetime | None, now: datetime) -> int:
    """So many wrong passwords are they with one more now: the first again after a while, and after a rest."""
    fresh = failed_at is None or now >= failed_at + WITHIN or failures >= FAILURES
    return 1 if fresh else failures + 1


def user_name(said: str) -> str:
    """The name of a user as it is kept: small letters, without spaces around it; empty for one that is no name."""
    name = said.strip().lower()
    return name if _NAME.fullmatch(name) and name not in _NOBODYS else ""


def supervises(name: str, users: dict[str, Role], supervisors: tuple[str, ...]) -> bool:
    """Whether a decision under this name is a supervisor's.

    One place says so for each name: of a user the role does, wherever the decision is made; of a name that nobody signs
    in by the site file does (`supervisors`). So the two can never say different things of one person, in whatever letters
    the name is written.
    """
    role = users.get(user_name(name))
    return role.may(Role.SUPERVISOR) if role is not None else name in supervisors
