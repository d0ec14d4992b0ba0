"""What is due, by a model that shares no code with the program: from the set of what was said, in any order.

Its whole knowledge of billing is in `CODES` and in four sentences. Of two statements of one thing by one channel the one
said later holds. A session is delivered when any channel's latest statement says so, and is what was said of it last. A
service is owed by the insurance in force on its day: the one named first, of equals the one begun last; without any it
is held. A coded charge is owed where the billing system charges that family alone, and never where sessions do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import date

from tests.properties.telling import CodedSaid, CoverageSaid, Message, SessionSaid, Statement

ACCEPTED = frozenset({"77300"})
"""Codes of the family that the billing system charges."""
DELIVERED = frozenset({"77402", "77407", "77412"})
ALL = ACCEPTED | DELIVERED
BILLS = {"freestanding": "center", "hospital": "hospital"}
"""Who bills both, by the kind of place: in a hospital neither has a physician's part in these messages."""


def code_of(technique: str, isocenters: int) -> str:
    """The code of a session from 2026 on: level 3 for several isocenters, 2 for 3D and IMRT, else 1."""
    if isocenters > 1:
        return "77412"
    return "77402" if technique == "2d" else "77407"


@dataclass(frozen=True, slots=True, order=True)
class Service:
    """A service as it is counted: of whom, what, on which day, billed by whom, how many units."""

    who: int
    code: str
    day: date
    entity: str
    units: int


@dataclass(slots=True)
class Owed:
    """Services owed by a payer, and those that no insurance is known for; each as often as it was delivered."""

    due: Counter[tuple[Service, str]] = field(default_factory=Counter)
    """By service and payer."""
    held: Counter[Service] = field(default_factory=Counter)


def owed(messages: Iterable[Message], setting: str) -> Owed:
    """What the messages say is owed, whatever their order and however often each came."""
    statements = {statement for message in messages for statement in message.says}
    lines = _latest(statements)
    policies = [one for one in lines if isinstance(one, CoverageSaid)]
    found = Owed()
    for service in [*_sessions(lines, setting), *_coded(lines, setting)]:
        payer = _payer(service, policies)
        if payer:
            found.due[service, payer] += 1
        else:
            found.held[service] += 1
    return found


def _latest(statements: Iterable[Statement]) -> list[Statement]:
    latest: dict[Hashable, Statement] = {}
    for one in sorted(statements, key=lambda said: said.said):
        latest[_line(one)] = one
    return list(latest.values())


def _line(one: Statement) -> Hashable:
    """What a statement is about: what a later one of the same line replaces."""
    if isinstance(one, SessionSaid):
        return one.who, one.channel, one.session
    if isinstance(one, CodedSaid):
        return one.who, one.line
    return one.who, one.payer


def _sessions(lines: Iterable[Statement], setting: str) -> Iterable[Service]:
    given: dict[tuple[int, str], SessionSaid] = {}
    for one in lines:
        if isinstance(one, SessionSaid) and one.done:
            known = given.setdefault((one.who, one.session), one)
            if known.said < one.said:
                given[one.who, one.session] = one
    for one in given.values():
        yield Service(one.who, code_of(one.technique, one.isocenters), one.day, BILLS[setting], 1)


def _coded(lines: Iterable[Statement], setting: str) -> Iterable[Service]:
    for one in lines:
        if isinstance(one, CodedSaid) and one.done and one.code in ACCEPTED:
            yield Service(one.who, one.code, one.day, BILLS[setting], one.units)


def _payer(service: Service, policies: Iterable[CoverageSaid]) -> str:
    fitting = [
        one
        for one in policies
        if one.who == service.who and one.start <= service.day and (one.end is None or service.day <= one.end)
    ]
    return min(fitting, key=lambda one: (one.order, -one.start.toordinal())).payer if fitting else ""
