"""What capturing has in common: the message as a speaker of its feed's dialect, and the elements that need judgement.

Dates of service are local days, instants are UTC (design, part 5): a time without an offset is the feed's local
time, a date without a time is its noon. A provider counts only by a National Provider Identifier, a diagnosis only
by ICD-10-CM: another number in its place would be wrong on a claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from adapters.hl7v2.notation import in_hl7, with_point
from adapters.hl7v2.segment import NULL_TEXT, Segment
from adapters.hl7v2.syntax import Separators
from adapters.hl7v2.values import Timestamp, parse_number, parse_ts
from adapters.model.codes import icd10cm
from adapters.model.event import Event, Omission, Status, problems_of
from adapters.model.facts import FACTS
from adapters.model.site import Feed
from adapters.model.why import Fact, Source
from adapters.rules.dialect import Dialect

NAMESPACE: Final = UUID("2f0c1c3e-6d53-5b0e-9a4f-0b7f6f6f2d11")
"""Event ids are uuid5 of this, the message and the place: the same bytes always give the same ids."""

REASONS: Final[Mapping[str, str]] = {
    "context": "says who, where or how it was sent; no charge rests on it",
    "not-used-yet": "carries something that this program does not read yet",
    "local-segment": "a segment of the sender's own that the feed's mapping does not describe",
    "not-a-charge": "a payment, adjustment or co-payment",
    "unknown-transaction-type": "FT1-6 is none of the types agreed with the feed",
    "no-code": "neither an activity nor a code says what was done",
    "no-date": "no date of service",
    "ill-formed-date": "not a date",
    "ill-formed": "not a value that can stand there",
    "unknown-value": "a word that the feed's mapping does not know",
    "not-an-npi": "a person without a National Provider Identifier",
    "other-code-system": "a diagnosis that is not ICD-10-CM",
    "second-procedure": "a further procedure beside the coded one",
    "credit-unmatched": "a credit that names no transaction by the feed's agreement",
    "cut-short": "a line break inside a text cut the segment, so it cannot be trusted to be whole",
    "in-progress": "a result that is not final; its end will come",
    "visit-change": "a change of the visit that no charge rests on",
    "stray-line": "a line that begins with no segment name",
    "charset-guessed": "the character set was not declared rightly; names may be misspelt",
}
"""Every reason of an omission, in words."""

NEEDS_A_PERSON: Final = frozenset(
    {
        "unknown-transaction-type",
        "no-code",
        "no-date",
        "ill-formed-date",
        "ill-formed",
        "second-procedure",
        "credit-unmatched",
        "cut-short",
    }
)
"""Reasons by which a charge may be missing or wrong: somebody must look at the message."""

_NPI_OID: Final = "2.16.840.1.113883.4.6"
_NPI: Final = re.compile(r"[12][0-9]{9}")
_ICD10CM: Final = re.compile(r"[A-Z][0-9][0-9A-Z](?:\.?[0-9A-Z]{1,4})?")
_ICD10CM_SYSTEMS: Final = frozenset({"", "I10C", "I10", "ICD10", "ICD10CM", "ICDX", "10", "L"})
"""Table 0396 has I10C for ICD-10-CM; the rest are spellings in traffic, with punctuation left out."""
_DEGREES: Final = frozenset("YLDHMS")
"""TS.2 up to v2.4, the degree of precision, stands where DR has the end of the range."""


@dataclass(frozen=True, slots=True)
class Speech:
    """One message as said by its feed: what is needed to name places in it and to read its times."""

    feed: Feed
    dialect: Dialect
    message: str
    zone: ZoneInfo
    said: datetime
    prefix: str = ""
    """Put before every place when one body holds several messages."""

    def source(self, at: str) -> Source:
        """A place of this message."""
        return Source(self.message, self.prefix + at)

    def fact(self, name: str, value: str, at: str) -> Fact:
        """A fact read at a place of this message."""
        return Fact(name, value, Source(self.message, self.prefix + at))

    def assumed(self, name: str, value: str, at: str) -> Fact:
        """A fact agreed with the feed for a place that is empty."""
        return Fact(name, value, Source(self.message, f"assumed: {self.prefix}{at} is empty"))

    def here(self, at: str) -> str:
        """A line for what its sender gave no identity: the place itself."""
        return f"{self.message}|{self.prefix}{at}"

    def written(self, text: str) -> str:
        """A time in the feed's notation as HL7 v2 writes it."""
        dates = self.dialect.dates
        return in_hl7(text, dates) if dates and text else text

    def figure(self, text: str) -> str:
        """A number in the feed's notation with a decimal point."""
        return with_point(text) if self.dialect.decimal_comma else text

    def stamp(self, text: str) -> Timestamp | None:
        """A time in the feed's notation; None for anything else, and for what names no whole day."""
        found = parse_ts(self.written(text)) if text else None
        return None if found is None or found.day is None else found

    def event_id(self, at: str) -> str:
        """The id of the event that this place gives."""
        return str(uuid5(NAMESPACE, f"{self.message}|{self.prefix}{at}"))

    def instant(self, stamp: Timestamp) -> datetime:
        """The instant in UTC; noon of the day where no time of day was sent."""
        if stamp.has_time:
            return stamp.instant(self.zone).astimezone(UTC)
        return noon(stamp.local.date(), self.zone)


def noon(day: date, zone: ZoneInfo) -> datetime:
    """Local noon in UTC: what stands for a thing known by its date only."""
    return datetime.combine(day, time(12), zone).astimezone(UTC)


def place(segment: Segment) -> str:
    """The segment as provenance names it: `FT1[2]`, without a number where it is the first of its name."""
    return segment.name if segment.ordinal == 1 else f"{segment.name}[{segment.ordinal}]"


def is_null(segment: Segment, n: int) -> bool:
    """Whether field n says `""`: delete the value, which is not the same as saying nothing."""
    return n < len(segment.parts) and segment.parts[n] == NULL_TEXT


@dataclass(slots=True)
class Gathered:
    """What one person's part of a message has given so far. A notebook of one call, not a value."""

    speech: Speech
    events: list[Event] = field(default_factory=list)
    omissions: list[Omission] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Segments from which something was read, by `place`; whether a fact came of it is told by the events."""
    lines: dict[str, int] = field(default_factory=dict)
    """How often the body has stated a line; shared by all its parts, since two may be of one person."""

    about: str = ""
    """Line of the statement being read: what is left out of it is mended by a later report of that line."""

    def omit(self, reason: str, at: str, detail: str = "") -> None:
        """Account for a part that gives nothing."""
        self._left_out(reason, self.speech.source(at), detail)

    def _left_out(self, reason: str, source: Source, detail: str) -> None:
        said = self.speech.said if self.about else None
        self.omissions.append(Omission(reason, source, detail, self.about, said))

    def emit(
        self,
        kind: str,
        at: str,
        *,
        line: str,
        start: datetime,
        day: date,
        facts: Iterable[Fact],
        suffix: str = "",
        end: datetime | None = None,
        status: Status = Status.DONE,
        course: str = "",
        keys: tuple[str, ...] = (),
    ) -> None:
        """Add an event. An ill-formed fact is left out and named by an omission; the rest of the event stands.

        A line that one message states twice (a credit and its rebill under one number) keeps the order of the
        segments: each later statement is said a microsecond after the one before.
        """
        again = self.lines[line] = self.lines.get(line, -1) + 1
        event = Event(
            id=self.speech.event_id(at + suffix),
            kind=kind,
            feed=self.speech.feed.name,
            start=start,
            day=day,
            said=self.speech.said + timedelta(microseconds=again) if again else self.speech.said,
            line=line,
            source=self.speech.source(at),
            end=end,
            status=status,
            course=course,
            keys=keys,
            facts=tuple(facts),
        )
        if next(problems_of(event), None) is not None:
            event = self._without_faults(event)
        self.events.append(event)

    def _without_faults(self, event: Event) -> Event:
        sound = []
        for fact in event.facts:
            form = FACTS.get(fact.name)
            if form is not None and form.fullmatch(fact.value):
                sound.append(fact)
            else:
                self._left_out("ill-formed", fact.source, fact.name)
        return Event(
            event.id, event.kind, event.feed, event.start, event.day, event.said, event.line, event.source,
            event.end, event.status, event.course, event.keys, tuple(sound),
        )  # fmt: skip


def span(start: str, end: str) -> tuple[Timestamp | None, Timestamp | None, bool]:
    """A start and an end as sent, and whether the end is one that cannot be used.

    A start that is no date, or no whole day (`202607`), is None. An end before its start is not used.
    """
    first, last = parse_ts(start), parse_ts(end)
    if first is not None and first.day is None:
        first = None
    if not end or end in _DEGREES:
        return first, None, False
    if last is None or last.day is None:
        return first, None, True
    if first is not None and last.offset == first.offset and last.local < first.local:
        # An end without a time of day means that day, whatever the hour of the start.
        return first, None, last.has_time or last.day != first.day
    return first, last, False


def number(text: str) -> str | None:
    """A quantity in the model's form (`1.0` is `1`), None for anything else or what no quantity can be."""
    value = parse_number(text)
    if value is None:
        return None
    written = format(value, "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return plain(Decimal(written or "0"))


def plain(value: Decimal) -> str | None:
    """A decimal as the model writes it, digit for digit; None outside its range."""
    written = format(value, "f")
    written = "0" if written == "-0" else written
    return written if FACTS["units"].fullmatch(written) else None


_FLAGS: Final = {
    **dict.fromkeys(("y", "yes", "true", "t", "1"), "true"),
    **dict.fromkeys(("n", "no", "false", "f", "0"), "false"),
}


def converted(text: str, form: str, zone: ZoneInfo) -> str | None:
    """A text as a fact of that form (`rules.dialect.FORMS`), None where it is not of the form."""
    text = text.strip(" ")
    match form:
        case "text":
            return text
        case "whole":
            value = parse_number(text)
            return None if value is None or value != int(value) or value < 0 else str(int(value))
        case "decimal":
            return number(text)
        case "flag":
            return _FLAGS.get(text.casefold())
        case "date":
            stamp = parse_ts(text)
            return None if stamp is None or stamp.day is None else stamp.day.isoformat()
        case _:
            stamp = parse_ts(text)
            if stamp is None or stamp.day is None:
                return None
            instant = stamp.instant(zone) if stamp.has_time else noon(stamp.day, zone)
            return instant.astimezone(zone).isoformat()


def _luhn(npi: str) -> bool:
    """The check digit of a National Provider Identifier: Luhn over it with 80840 before (CMS, NPI check digit)."""
    digits = [int(digit) for digit in reversed("80840" + npi)]
    doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[1::2])
    return (sum(digits[0::2]) + sum(doubled)) % 10 == 0


@lru_cache(maxsize=1024)
def _npi(raw: str, separators: Separators) -> tuple[str, int] | None:
    bare: tuple[str, int] | None = None
    for r, person in enumerate(raw.split(separators.repetition), 1):
        parts = [*person.split(separators.component), *[""] * 13][:13]
        value, authority, kind = parts[0].strip(), parts[8], parts[12].strip().upper()
        if not _NPI.fullmatch(value):
            continue
        if kind == "NPI" or _NPI_OID in authority or authority.upper().startswith("NPI"):
            return value, r
        if bare is None and not kind and not authority.strip() and _luhn(value):
            bare = value, r
    return bare


def npi(segment: Segment, n: int) -> tuple[str, str] | None:
    """The NPI of an XCN field and its place: by identifier type (XCN-13) or authority (XCN-9), never by position.

    A bare number is taken when its check digit is right and nothing says that it is another number.
    """
    raw = segment.parts[n] if n < len(segment.parts) else ""
    found = _npi(raw, segment.separators) if raw else None
    return None if found is None else (found[0], segment.path(n, found[1], 1))


def diagnoses(gathered: Gathered, segment: Segment, n: int) -> list[Fact]:
    """The ICD-10-CM codes of a repeating coded field, in the order sent; what is none of them is told."""
    found: list[Fact] = []
    raw = segment.parts[n] if n < len(segment.parts) else ""
    if not raw or raw == NULL_TEXT:
        return found
    for r in range(1, raw.count(segment.separators.repetition) + 2):
        text = segment.text(n, 1, 1, r).strip().upper()
        if not text:
            continue
        at = segment.path(n, r, 1)
        system = re.sub(r"[^A-Z0-9]", "", segment.text(n, 3, 1, r).upper())
        if system not in _ICD10CM_SYSTEMS:
            gathered.omit("other-code-system", at)
        elif not _ICD10CM.fullmatch(text):
            gathered.omit("ill-formed", at, "diagnosis")
        else:
            found.append(gathered.speech.fact("diagnosis", icd10cm(text), at))
    return found
