"""What a day of messages says about its feed's dialect, with counts, and nothing of what it says about people.

Every value told is of a closed list (`shapes`, tables of the standard) or names a system: the sending application and
facility (MSH-3, MSH-4) and the authorities of identifiers, which are left out where they equal a part of a name or an
identifier of the messages read. Places are named, contents never.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import sqrt
from typing import Final

from adapters.hl7v2.batch import split_batch
from adapters.hl7v2.elements import npi
from adapters.hl7v2.envelope import Envelope, Unread, Unreadable, read_envelope
from adapters.hl7v2.reader import Message, over_limits
from adapters.hl7v2.segment import Segment
from adapters.hl7v2.shapes import date_form, offset_of, shape_of
from adapters.hl7v2.values import parse_number
from adapters.model.codes import is_procedure_code

_TYPE: Final = re.compile(r"[A-Z][A-Z0-9]{2}(?:\^[A-Z][A-Z0-9]{2})?")
_VERSION: Final = re.compile(r"2\.[0-9]{1,2}(?:\.[0-9])?")
_SYSTEM: Final = re.compile(r"[A-Za-z][A-Za-z0-9_ .-]{0,39}|[0-2](?:\.[0-9]+){3,}")
_Z: Final = re.compile(r"Z[A-Z0-9]{2}")
_CHARSETS: Final = frozenset(
    {"ASCII", "UNICODE UTF-8", "UNICODE", "UTF-8", "UTF8", "BIG-5", "BIG5", "GB 18030-2000", "KS X 1001", "ISO IR87"}
    | {f"8859/{n}" for n in (*range(1, 10), 15)}
)
"""Table 0211 and spellings of it."""
_TABLE_0017: Final = frozenset({"CG", "CD", "PY", "AJ", "CO"})
TRANSACTION_TYPES: Final = _TABLE_0017 | {"CR", "CH", "CA", "DB", "RV", "VD"}
"""What FT1-6 is told as it stands: table 0017, CR as feeds use it, and further two-letter words of billing systems."""

_DATES: Final[dict[str, tuple[int, ...]]] = {
    "MSH": (7,),
    "EVN": (2,),
    "PID": (7,),
    "PV1": (44, 45),
    "FT1": (4, 5),
    "PR1": (5,),
    "RXA": (3, 4),
    "TXA": (4, 6),
    "OBR": (7, 8),
    "AIS": (4,),
    "IN1": (12, 13),
}
_NAMES: Final[dict[str, tuple[int, ...]]] = {"PID": (2, 3, 5, 6, 9, 18, 19), "NK1": (2,), "GT1": (3,), "IN1": (16, 36)}
"""Where names and identifiers of people stand."""
_MODIFIER: Final = re.compile(r"[A-Z0-9]{2}")


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing seen: `value` in `count` of the `of` places where something stood. `where` is the place of it."""

    topic: str
    where: str
    value: str
    count: int
    of: int

    @property
    def confidence(self) -> float:
        """The least share that the counts support: the lower bound of Wilson's interval at 95 %, 0 to 1."""
        if not self.of:
            return 0.0
        z, n, p = 1.96, self.of, self.count / self.of
        low = p + z * z / (2 * n) - z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return round(max(0.0, low / (1 + z * z / n)), 3)


@dataclass(slots=True)
class Study:
    """Counts over the messages read so far. A notebook of one run, not a value."""

    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    messages: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    _authorities: Counter[str] = field(default_factory=Counter)
    _private: set[str] = field(default_factory=set)
    _charged: set[str] = field(default_factory=set)
    _credits: list[dict[str, str]] = field(default_factory=list)

    def add(self, body: bytes) -> None:
        """Count one received body, of one message or several. Never raises on content."""
        for single in split_batch(body).messages or (body,):
            self._message(single)

    def seen(self) -> tuple[Seen, ...]:
        """Everything seen, by topic and place, most frequent first."""
        return tuple(sorted(self._all(), key=lambda s: (s.topic, s.where, -s.count, s.value)))

    def _all(self) -> Iterator[Seen]:
        for (topic, where), found in self.counts.items():
            of = found.total()
            named: Counter[str] = Counter()
            for value, count in found.items():
                named["other" if topic in ("application", "facility") and self._personal(value) else value] += count
            yield from (Seen(topic, where, value, count, of) for value, count in named.items())
        known = {a: n for a, n in self._authorities.items() if not self._personal(a)}
        of = sum(known.values())
        yield from (Seen("authority", "PID-3.4", authority, count, of) for authority, count in known.items())
        yield from self._credit_links()

    def _personal(self, text: str) -> bool:
        """Whether a text, or a word of it, is part of a name or an identifier of the messages read."""
        return text.casefold() in self._private or any(word in self._private for word in _words(text))

    def _credit_links(self) -> Iterator[Seen]:
        """Where credits name the charge that they take back: each place beside the number of credits in all."""
        places: Counter[str] = Counter()
        for credit in self._credits:
            places.update({at for at, value in credit.items() if value in self._charged})
        for at, count in places.items():
            yield Seen("credit-names", at, "a charge seen", count, len(self._credits))

    def _count(self, topic: str, where: str, value: str) -> None:
        self.counts[topic, where][value] += 1

    def _message(self, body: bytes) -> None:
        envelope = read_envelope(body)
        if isinstance(envelope, Unreadable):
            if envelope.header is None or envelope.reason is not Unread.NO_CONTROL_ID:
                self.unread[envelope.reason.value] += 1
                return
            envelope = envelope.header
        message = Message.parse(body)
        if over_limits(message):
            self.unread["over-limits"] += 1
            return
        self.messages += 1
        strays = set(message.strays)
        segments = [segment for number, segment in enumerate(message, 1) if number not in strays]
        self._header(envelope, message, segments)
        for _ in strays:
            self._count("stray-line", "", "line without a segment name")
        for segment in segments:
            self._dates(segment)
            self._people(segment)
            if _Z.fullmatch(segment.name):
                self._local(segment)
        self._charges(segments)

    def _header(self, envelope: Envelope, message: Message, segments: list[Segment]) -> None:
        kind = f"{envelope.message_type}^{envelope.trigger}" if envelope.trigger else envelope.message_type
        self._count("message-type", "MSH-9", kind if _TYPE.fullmatch(kind) else "other")
        msh = segments[0]
        version = msh.text(12).strip()
        self._count("version", "MSH-12", version if _VERSION.fullmatch(version) else "other" if version else "none")
        for topic, n in (("application", 3), ("facility", 4)):
            name = msh.text(n).strip()
            self._count(topic, f"MSH-{n}", name if _SYSTEM.fullmatch(name) else "other" if name else "none")
        declared = msh.text(18).strip().upper()
        told = declared if declared in _CHARSETS else "other" if declared else "none"
        self._count("charset-declared", "MSH-18", told)
        self._count("charset", "", f"{message.charset} by guess" if message.charset_guessed else message.charset)
        standard = message.separators.encoding_characters[:4] == "^~\\&" and message.separators.field == "|"
        self._count("delimiters", "MSH-2", "standard" if standard else "own")

    def _dates(self, segment: Segment) -> None:
        for n in _DATES.get(segment.name, ()):
            for c in (1, 2) if segment.name == "FT1" and n == 4 else (1,):
                text = segment.text(n, c)
                if not text:
                    continue
                at = f"{segment.name}-{n}" if c == 1 else f"{segment.name}-{n}.{c}"
                self._count("date-form", at, date_form(text))
                if segment.name != "PID":
                    self._count("offset", "", offset_of(text) or "none")

    def _people(self, segment: Segment) -> None:
        for n in _NAMES.get(segment.name, ()):
            identifier = segment.name == "PID" and n in (2, 3, 18)
            for r in range(1, len(segment.field(n).repetitions) + 1):
                for c in range(1, 2 if identifier else 7):
                    text = segment.text(n, c, 1, r).strip()
                    self._private.update((text.casefold(), *_words(text)) if text else ())
        if segment.name == "PID":
            for r in range(1, len(segment.field(3).repetitions) + 1):
                for s in (1, 2):
                    authority = segment.text(3, 4, s, r).strip()
                    if _SYSTEM.fullmatch(authority):
                        self._authorities[authority] += 1
            complete = bool(segment.text(5)) and bool(segment.text(7))
            self._count("patient", "PID", "name and birth date" if complete else "shortened")

    def _local(self, segment: Segment) -> None:
        self._count("z-segment", segment.name, "present")
        for n in range(1, len(segment.parts)):
            if segment.parts[n]:
                for c in range(1, min(segment.parts[n].count(segment.separators.component), 19) + 2):
                    text = segment.text(n, c)
                    if text:
                        at = f"{segment.name}-{n}" if c == 1 else f"{segment.name}-{n}.{c}"
                        self._count("z-field", at, shape_of(text))

    def _charges(self, segments: list[Segment]) -> None:
        following: list[Segment] = []
        ft1: Segment | None = None
        for segment in [*segments, None]:
            if segment is None or segment.name == "FT1":
                if ft1 is not None:
                    self._charge(ft1, following)
                ft1, following = segment, []
            else:
                following.append(segment)

    def _charge(self, ft1: Segment, following: list[Segment]) -> None:
        kind = ft1.text(6).strip().upper()
        self._count("transaction-type", "FT1-6", kind if kind in TRANSACTION_TYPES else "other" if kind else "none")
        self._codes(ft1, following)
        quantity, amount = ft1.text(10).strip(), ft1.text(11).strip() or ft1.text(12).strip()
        self._count("quantity", "FT1-10", _figure(quantity))
        if amount:
            self._count("amount", "FT1-11", _figure(amount))
        for n in (20, 21):
            if n < len(ft1.parts) and ft1.parts[n]:
                self._count("npi", f"FT1-{n}", "npi" if npi(ft1, n) else "no npi")
        if ft1.text(4):
            self._count("service-date", "FT1-4", "range" if ft1.text(4, 2) else "one day")
        for name in ("DG1", "IN1", "PR1", "GT1"):
            if any(segment.name == name for segment in following):
                self._count("beside", "FT1", name)
        self._credit(ft1, following, kind, quantity, amount)

    def _codes(self, ft1: Segment, following: list[Segment]) -> None:
        pr1s = [segment for segment in following if segment.name == "PR1"]
        for at, segments, n in (("FT1-25", [ft1], 25), ("FT1-7", [ft1], 7), ("PR1-3", pr1s, 3)):
            for segment in segments:
                code = segment.text(n).strip().upper()
                told = "procedure code" if is_procedure_code(code) else "other" if code else "none"
                self._count("code", at, told)
        for at, segments, n in (("FT1-26", [ft1], 26), ("PR1-16", pr1s, 16)):
            for segment in segments:
                form = _modifier_form(segment, n)
                if form:
                    self._count("modifiers", at, form)

    def _credit(self, ft1: Segment, following: list[Segment], kind: str, quantity: str, amount: str) -> None:
        below = quantity.startswith("-")
        owed = amount.startswith("-")
        if kind in ("CD", "CR"):
            self._count("credit", "FT1-6", f"{kind} with quantity {'below' if below else 'above'} zero")
        elif kind == "CG" and (below or owed):
            self._count("credit", "FT1-10" if below else "FT1-11", "CG below zero")
        else:
            if kind == "CG" and ft1.text(2):
                self._charged.add(ft1.text(2))
            return
        named = {f"FT1-{n}": ft1.text(n) for n in (2, 3, 31) if ft1.text(n)}
        for segment in following:
            if _Z.fullmatch(segment.name):
                named |= {
                    f"{segment.name}-{n}": segment.text(n) for n in range(1, len(segment.parts)) if segment.text(n)
                }
        self._credits.append(named)


def _words(text: str) -> list[str]:
    """Its words of three letters or more, folded: initials and titles would hide half of all systems."""
    return [word for word in re.split(r"[^\w]+", text.casefold()) if len(word) > 2]


def _figure(text: str) -> str:
    """The form of a quantity or amount; never the figure."""
    if not text:
        return "empty"
    value = parse_number(text)
    if value is None:
        comma = re.fullmatch(r"[+-]?[0-9]+,[0-9]+", text)
        return "decimal comma" if comma else "no number"
    sign = "below zero" if value < 0 else "number"
    return f"{sign} with a point" if "." in text else sign


def _modifier_form(segment: Segment, n: int) -> str:
    """How the modifiers of one line are written: `repetitions`, `components`, `joined`, `other`, or nothing."""
    repetitions = segment.field(n).repetitions
    texts = [r.component(1).text.strip().upper() for r in repetitions]
    if not any(texts):
        return ""
    if any(len(text) > 2 and len(text) % 2 == 0 and text.isalnum() for text in texts):
        return "joined"
    if not all(_MODIFIER.fullmatch(text) for text in texts if text):
        return "other"
    if len(repetitions) == 1 and _MODIFIER.fullmatch(repetitions[0].component(2).text.strip().upper()):
        return "components"
    return "repetitions"


def study(bodies: Iterable[bytes]) -> Study:
    """The counts over a day of messages."""
    found = Study()
    for body in bodies:
        found.add(body)
    return found
