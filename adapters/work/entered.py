"""The file that a person enters: what happened that no feed reported, what is otherwise than a feed said, what to bill.

TOML, or JSON of the same shape. It concerns one person, named by an identifier, by a lane, or by what it speaks of. Every
problem of the file is told at once, with its path (`fact[2].value`); nothing of a file with a problem is used.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from adapters.model.decision import KIND, Saying, Verb, saying
from adapters.model.event import Status
from adapters.model.facts import FACTS
from adapters.model.kinds import KINDS
from adapters.model.people import Identifier

NOT_BY_HAND: Final = frozenset({KIND, "merge", "patient"})
"""Kinds of event that no file enters: decisions and merges have verbs of their own, who a patient is registration says."""
PAYMENT: Final = "patient-payment"
"""The kind of event that says that a patient paid (`posting.patient`): it must say how much."""
_CODE: Final = re.compile(r"[0-9A-Z]{5}")
_MODIFIER: Final = re.compile(r"[0-9A-Z]{2}")
_TEXT: Final = re.compile(r"[^\x00-\x1f]{1,200}")
_NAME: Final = re.compile(r"[a-z-]{1,40}")
_MONEY: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,2}0*)?")
"""An amount in whole cents: one with parts of a cent cannot be posted."""
_YEARS: Final = range(1900, 2200)
"""Years in which something happened; 0026 is a slip of the hand."""
_TOP: Final = frozenset({"patient", "lane", "event", "fact", "do-not-bill", "bill"})


@dataclass(frozen=True, slots=True)
class Line:
    """A line that the file speaks of by its id: found in the record of the person."""

    path: str
    verb: Verb
    id: str
    words: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Entered:
    """What a file says."""

    patient: Identifier | None = None
    lane: str = ""
    says: tuple[Saying, ...] = ()
    lines: tuple[Line, ...] = ()
    events: tuple[tuple[str, str], ...] = ()
    """(path, id) of the events on file that facts are said of."""


@dataclass(slots=True)
class _Reading:
    """One reading of one file: what is found, and what is wrong."""

    zone: ZoneInfo
    problems: list[str] = field(default_factory=list)
    says: list[Saying] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)

    def fault(self, path: str, words: str) -> None:
        """Note a problem; values are not repeated."""
        self.problems.append(f"{path}: {words}")

    def only(self, path: str, table: Mapping[str, Any], known: frozenset[str]) -> None:
        """Note every key that is not known."""
        # An unknown key may be anything, also somebody's name.
        for key in table:
            if key not in known:
                named = f"{key!r} is unknown" if _NAME.fullmatch(key) else "a key is unknown"
                self.fault(path or "the file", f"{named}; known are {', '.join(sorted(known))}")

    def text(
        self, path: str, table: Mapping[str, Any], key: str, form: re.Pattern[str] = _TEXT, must: bool = True
    ) -> str:
        """A text of the table in its form; empty where it is absent or wrong."""
        value = table.get(key)
        if value is None:
            if must:
                self.fault(f"{path}.{key}", "is missing")
            return ""
        if not isinstance(value, str) or not form.fullmatch(value):
            self.fault(f"{path}.{key}", "is not what it should be")
            return ""
        return value

    def tables(self, said: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The tables of a list, each with its path."""
        value = said.get(key, [])
        if not isinstance(value, list):
            self.fault(key, "is a list of tables")
            return
        for number, table in enumerate(value, 1):
            if isinstance(table, dict):
                yield f"{key}[{number}]", table
            else:
                self.fault(f"{key}[{number}]", "is a table")


def read_entered(text: str, *, as_json: bool, zone: ZoneInfo) -> Entered | tuple[str, ...]:
    """What a file says, or everything that is wrong with it. `zone` is that of dates and times which name none."""
    try:
        said = json.loads(text, parse_float=Decimal, object_pairs_hook=_unique) if as_json else _toml(text)
    except (ValueError, RecursionError) as wrong:
        where = f"line {wrong.lineno}" if isinstance(wrong, json.JSONDecodeError) else str(wrong)
        return (f"the file cannot be read: {where}",)
    if not isinstance(said, dict):
        return ("the file: is a table",)
    reading = _Reading(zone)
    reading.only("", said, _TOP)
    patient = _patient(reading, said)
    lane = reading.text("the file", said, "lane", must=False)
    for path, table in reading.tables(said, "event"):
        _event(reading, path, table)
    for path, table in reading.tables(said, "fact"):
        _fact(reading, path, table)
    for path, table in reading.tables(said, "do-not-bill"):
        reading.only(path, table, frozenset({"line"}))
        reading.lines.append(Line(path, Verb.DROP, reading.text(path, table, "line")))
    for path, table in reading.tables(said, "bill"):
        _bill(reading, path, table)
    if patient and lane:
        reading.fault("lane", "the patient is named already")
    if not reading.says and not reading.lines and not reading.problems:
        reading.fault("the file", "says nothing")
    if any(one.verb is Verb.EVENT for one in reading.says) and not (patient or lane):
        reading.fault("patient", "is missing: whose event it is, nothing else says")
    if reading.problems:
        return tuple(reading.problems)
    return Entered(patient, lane, tuple(reading.says), tuple(reading.lines), tuple(reading.events))


def _toml(text: str) -> dict[str, Any]:
    return tomllib.loads(text, parse_float=Decimal)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _patient(reading: _Reading, said: Mapping[str, Any]) -> Identifier | None:
    table = said.get("patient")
    if table is None:
        return None
    if not isinstance(table, dict):
        reading.fault("patient", "is a table")
        return None
    reading.only("patient", table, frozenset({"system", "value"}))
    return Identifier(reading.text("patient", table, "system"), reading.text("patient", table, "value"))


def _event(reading: _Reading, path: str, table: Mapping[str, Any]) -> None:
    """Something that happened and that no feed reported."""
    known = frozenset({"kind", "date", "start", "end", "course", "status", "besides", "facts"})
    reading.only(path, table, known)
    kind = reading.text(path, table, "kind")
    if kind and (kind not in KINDS or kind in NOT_BY_HAND):
        reading.fault(f"{path}.kind", "is no kind of event that can be entered")
    if ("date" in table) == ("start" in table):
        reading.fault(path, "has either a date or a start")
    day = _day(reading, f"{path}.date", table["date"]) if "date" in table else None
    start = _instant(reading, f"{path}.start", table["start"]) if "start" in table else None
    end = _instant(reading, f"{path}.end", table["end"]) if "end" in table else None
    if end is not None and (start is None or end < start):
        reading.fault(f"{path}.end", "is before the start, or there is none")
    if start is None and day is not None:
        start = datetime.combine(day, time(12), reading.zone)
    status = reading.text(path, table, "status", must=False)
    if status and status not in {Status.DONE, Status.NOT_DONE}:
        reading.fault(f"{path}.status", "is done or not-done")
    besides = table.get("besides", 0)
    if not isinstance(besides, int) or isinstance(besides, bool) or not 0 <= besides <= 9:
        reading.fault(f"{path}.besides", "is how many others there were on the day, 0 to 9")
        besides = 0
    facts = table.get("facts", {})
    if not isinstance(facts, dict):
        reading.fault(f"{path}.facts", "is a table")
        facts = {}
    words = [
        (f"fact.{name}", text)
        for name, value in facts.items()
        for text in _values(reading, f"{path}.facts", name, value)
    ]
    if kind == PAYMENT and status != Status.NOT_DONE:
        _paid(reading, f"{path}.facts.amount", facts.get("amount"))
    if start is not None:
        reading.says.append(
            saying(
                Verb.EVENT,
                words,
                kind=kind,
                start=start.isoformat(),
                day=start.astimezone(reading.zone).date().isoformat(),
                end=end.isoformat() if end else "",
                course=reading.text(path, table, "course", must=False),
                status=status,
                besides=str(besides) if besides else "",
            )
        )


def _paid(reading: _Reading, path: str, value: Any) -> None:
    """What a patient paid is the one thing that a payment says: without it nothing would be posted, and nobody told."""
    if value is None:
        reading.fault(path, "is missing: how much the patient paid, or with a minus was given back")
    elif isinstance(value, list):
        reading.fault(path, "is one amount: enter each payment as an event of its own")
    elif (text := _canonical(value)) is not None and _MONEY.fullmatch(text) and not Decimal(text):
        reading.fault(path, "is nothing: a payment of 0 is none")


def _fact(reading: _Reading, path: str, table: Mapping[str, Any]) -> None:
    """A fact of one event, or of every session of a plan or course that says nothing of it."""
    reading.only(path, table, frozenset({"event", "plan", "course", "name", "value"}))
    event = reading.text(path, table, "event", must=False)
    plan, course = (reading.text(path, table, key, must=False) for key in ("plan", "course"))
    if bool(event) == bool(plan or course):
        reading.fault(path, "is of an event, or of a plan or course")
    name = reading.text(path, table, "name")
    if name == "course" and event:
        values = [reading.text(path, table, "value")]
    else:
        values = list(_values(reading, path, name, table.get("value")))
    if event:
        reading.events.append((f"{path}.event", event))
    about = {"about.event": event, "about.plan": plan, "about.course": course}
    for value in values:
        words = {**about, "fact.name": name, "fact.value": value}
        reading.says.append(saying(Verb.FACT, words.items()))


def _bill(reading: _Reading, path: str, table: Mapping[str, Any]) -> None:
    """A line under another code, with other modifiers or units."""
    reading.only(path, table, frozenset({"line", "code", "modifiers", "units"}))
    id = reading.text(path, table, "line")
    code = reading.text(path, table, "code", _CODE, must=False)
    modifiers = table.get("modifiers", [])
    if not isinstance(modifiers, list) or not all(isinstance(m, str) and _MODIFIER.fullmatch(m) for m in modifiers):
        reading.fault(f"{path}.modifiers", "is a list of modifiers of two characters")
        modifiers = []
    units = table.get("units", 0)
    if (
        not isinstance(units, int)
        or isinstance(units, bool)
        or not 0 <= units <= 9999
        or ("units" in table and not units)
    ):
        reading.fault(f"{path}.units", "is a whole number from 1 to 9999")
        units = 0
    if not (code or modifiers or units):
        reading.fault(path, "says neither code, modifiers nor units")
    words = [("modifier", modifier) for modifier in modifiers]
    words += [(name, value) for name, value in (("code", code), ("units", str(units) if units else "")) if value]
    reading.lines.append(Line(path, Verb.BILL, id, tuple(words)))


def _values(reading: _Reading, path: str, name: str, value: Any) -> Iterator[str]:
    """The canonical texts of a fact's value, one or several."""
    form = FACTS.get(name)
    if form is None:
        reading.fault(path, "no fact has this name" if not _NAME.fullmatch(name) else f"no fact is named {name!r}")
        return
    for one in value if isinstance(value, list) else [value]:
        text = _canonical(one)
        if text is None or not form.fullmatch(text):
            reading.fault(f"{path}.{name}", "is not what this fact should be")
        elif name == "amount" and not _MONEY.fullmatch(text):
            reading.fault(f"{path}.{name}", "has parts of a cent")
        else:
            yield text


def _canonical(value: Any) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | Decimal():
            return format(value, "f") if isinstance(value, Decimal) else str(value)
        case datetime() if value.tzinfo is None:
            return None
        case date():
            return value.isoformat()
        case _:
            return None


def _day(reading: _Reading, path: str, value: Any) -> date | None:
    try:
        found = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if isinstance(found, date) and not isinstance(found, datetime) and found.year in _YEARS:
        return found
    reading.fault(path, "is no date")
    return None


def _instant(reading: _Reading, path: str, value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if isinstance(found, datetime) and found.year in _YEARS:
        return found if found.tzinfo else found.replace(tzinfo=reading.zone)
    reading.fault(path, "is no date with a time")
    return None
