"""ADT and BAR: who the patient is, what insures them, which visit it is (v2.5.1 sections 3.4.2, 3.4.3 and 6.5.6).

Each message is a snapshot: its patient restates the feed's earlier one, a field left empty or sent as `""` is a
fact that is absent. A coverage is known by payer and member, so that a corrected end date restates it, while a
change of insurer adds the new one and leaves the old one for the days before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final

from adapters.hl7v2.elements import Gathered, diagnoses, is_null, npi, number, place
from adapters.hl7v2.segment import Segment
from adapters.model.event import Status
from adapters.model.people import Identifier, PersonHint
from adapters.model.site import Feed
from adapters.model.why import Fact

_SEXES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("F", "FEMALE"), "female"),
    **dict.fromkeys(("M", "MALE"), "male"),
    **dict.fromkeys(("O", "A", "OTHER"), "other"),
    **dict.fromkeys(("U", "N", "UNKNOWN"), "unknown"),
}
"""Table 0001 to the words of FHIR's AdministrativeGender."""

_RELATIONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("SEL", "SELF", "01", "18", "1"), "self"),
    **dict.fromkeys(("SPO", "SPOUSE", "02", "DOM"), "spouse"),
    **dict.fromkeys(("CHD", "CHILD", "DEP", "03", "19", "FCH", "NCH", "SCH"), "child"),
    **dict.fromkeys(("PAR", "MTH", "FTH"), "parent"),
}
"""Table 0063 (relationship to the subscriber) and the numbers that feeds send for it; others read `other`."""

_ADDRESS: Final = (
    ("address.line", 1),
    ("address.city", 3),
    ("address.state", 4),
    ("address.postal_code", 5),
)


def person_hint(pid: Segment, feed: Feed) -> PersonHint:
    """By what the message names its person: the first identifier of type MR in PID-3, else the first, else PID-2.

    The assigning authority becomes the site's name for it by the feed's aliases; one that is missing or that the
    site does not know is `person_system`, or itself where the feed has none.
    """
    repetitions = range(1, len(pid.field(3).repetitions) + 1)
    named = [(pid.text(3, 1, 1, r).strip(), r) for r in repetitions]
    found = [(value, r) for value, r in named if value]
    medical = [(value, r) for value, r in found if pid.text(3, 5, 1, r).strip().upper() == "MR"]
    named_by = identifier_of(pid, 3, (medical or found)[0][1], feed) if found else identifier_of(pid, 2, 1, feed)
    return PersonHint() if named_by is None else PersonHint((named_by,))


def identifier_of(segment: Segment, n: int, r: int, feed: Feed) -> Identifier | None:
    """Repetition r of a CX field as an identifier of the site, None where it has no value."""
    value = segment.text(n, 1, 1, r).strip()
    if not value:
        return None
    said = [segment.text(n, 4, s, r).strip() for s in (1, 2)]
    authorities = [text for text in said if text]
    known = [feed.person_aliases[text] for text in authorities if text in feed.person_aliases]
    system = (known or [feed.person_system])[0] or next(iter(authorities), f"feed:{feed.name}")
    return Identifier(system, value)


def read_registration(gathered: Gathered, segments: Sequence[Segment]) -> None:
    """The patient, the visit, the guarantor and the coverages of one person's part of a message."""
    for segment in segments:
        if segment.name == "PID":
            _patient(gathered, segment)
        elif segment.name == "PV1":
            _visit(
                gathered, segment, [s for s in segments if s.name == "DG1"], [s for s in segments if s.name == "ACC"]
            )
        elif segment.name == "GT1":
            _guarantor(gathered, segment)
    _coverages(gathered, segments)
    gathered.about = ""


CANCELLED_VISITS: Final = frozenset({"A11", "A23", "A27", "A38"})
"""Cancel admit, delete visit, cancel pending admit, cancel pre-admit: the visit did not take place."""
UNDONE: Final = frozenset({"A12", "A13"})
"""Cancel transfer, cancel discharge: the visit goes on as it was."""


def read_cancelled(gathered: Gathered, segments: Sequence[Segment], trigger: str) -> None:
    """A visit cancelled, or a step of it undone: its line is restated. Charges of the visit are not touched by it."""
    for segment in segments:
        if segment.name == "PV1":
            status = Status.WITHDRAWN if trigger in CANCELLED_VISITS else Status.DONE
            _visit(gathered, segment, (), status=status, open_again=trigger in UNDONE)
    gathered.about = ""


def _today(gathered: Gathered) -> tuple[datetime, date]:
    """When a statement without a date of its own holds from: when it was said."""
    said = gathered.speech.said
    return said, said.astimezone(gathered.speech.zone).date()


def _texts(gathered: Gathered, segment: Segment, wanted: Iterable[tuple[str, int, int]], r: int = 1) -> list[Fact]:
    """The first sub-components so listed as (fact, field, component), where they have a value."""
    speech = gathered.speech
    found = []
    for name, n, c in wanted:
        text = segment.text(n, c, 1, r).strip()
        if text:
            found.append(speech.fact(name, text, segment.path(n, r, c)))
    return found


def _day_fact(gathered: Gathered, segment: Segment, name: str, n: int) -> list[Fact]:
    text = segment.text(n)
    if not text:
        return []
    stamp = gathered.speech.stamp(text)
    if stamp is None or stamp.day is None:
        gathered.omit("ill-formed-date", segment.path(n), name)
        return []
    return [gathered.speech.fact(name, stamp.day.isoformat(), segment.path(n))]


def _patient(gathered: Gathered, pid: Segment) -> None:
    speech = gathered.speech
    gathered.about = f"{speech.feed.name}|patient"
    names = range(1, len(pid.field(5).repetitions) + 1)
    legal = next((r for r in names if pid.text(5, 7, 1, r).strip().upper() == "L"), 1)
    facts = _texts(gathered, pid, (("family", 5, 1), ("given", 5, 2)), legal)
    facts += _day_fact(gathered, pid, "birth_date", 7)
    sex = pid.text(8).strip().upper()
    if sex in _SEXES:
        facts.append(speech.fact("sex", _SEXES[sex], pid.path(8)))
    elif sex:
        gathered.omit("unknown-value", pid.path(8), "sex")
    facts += _texts(gathered, pid, ((name, 11, c) for name, c in _ADDRESS))
    if not facts:
        return
    start, day = _today(gathered)
    gathered.emit("patient", place(pid), line=f"{speech.feed.name}|patient", start=start, day=day, facts=facts)


def _visit(
    gathered: Gathered,
    pv1: Segment,
    dg1s: Sequence[Segment],
    accs: Sequence[Segment] = (),
    *,
    status: Status = Status.DONE,
    open_again: bool = False,
) -> None:
    speech = gathered.speech
    number_of_visit = pv1.text(19).strip()
    line = f"{speech.feed.name}|visit|{number_of_visit}" if number_of_visit else f"{speech.message}|{place(pv1)}"
    gathered.about = line
    facts = _texts(gathered, pv1, (("visit", 19, 1), ("facility", 3, 4)))
    if not facts:
        return
    attending = npi(pv1, 7)
    if attending is not None:
        facts.append(speech.fact("by", *attending))
    for dg1 in dg1s:
        facts += diagnoses(gathered, dg1, 3)
    facts += [fact for acc in accs[:1] if (fact := _accident(gathered, acc)) is not None]
    start, day = _today(gathered)
    end = None
    for n in (44, 45):
        text = pv1.text(n)
        stamp = speech.stamp(text)
        if stamp is not None and stamp.day is not None:
            if n == 44:
                start, day = speech.instant(stamp), stamp.day
            elif not open_again:
                end = speech.instant(stamp)
        elif text:
            gathered.omit("ill-formed-date", pv1.path(n))
    gathered.emit("encounter", place(pv1), line=line, start=start, day=day, end=end, status=status, facts=facts)


def _accident(gathered: Gathered, acc: Segment) -> Fact | None:
    """What kind of accident the visit is for (section 6.5.9): at work by ACC-5, with a car by the state of ACC-4, else
    another where a code or a date is given."""
    if acc.text(5).strip().upper() == "Y":
        return gathered.speech.fact("accident", "work", acc.path(5))
    told = [n for n in (4, 2, 1) if acc.text(n).strip() and not is_null(acc, n)]
    if 4 in told:
        return gathered.speech.fact("accident", "auto", acc.path(4))
    said = told[0] if told else 0
    return gathered.speech.fact("accident", "other", acc.path(said)) if said else None


def _guarantor(gathered: Gathered, gt1: Segment) -> None:
    """Who answers for what insurance leaves: name, address and relationship to the patient (section 6.5.5)."""
    speech = gathered.speech
    known = gt1.text(2).strip() or str(gt1.ordinal)
    gathered.about = f"{speech.feed.name}|guarantor|{known}"
    facts = _texts(gathered, gt1, (("family", 3, 1), ("given", 3, 2), *((name, 5, c) for name, c in _ADDRESS)))
    facts += _day_fact(gathered, gt1, "birth_date", 8)
    relation = gt1.text(11).strip().upper()
    if relation:
        facts.append(speech.fact("relationship", _RELATIONS.get(relation, "other"), gt1.path(11)))
    if not facts:
        return
    start, day = _today(gathered)
    gathered.emit("guarantor", place(gt1), line=gathered.about, start=start, day=day, facts=facts)


def _coverages(gathered: Gathered, segments: Sequence[Segment]) -> None:
    """Each IN1 with the IN2 that follows it, and the certifications (IN3) of either."""
    insurance: Segment | None = None
    more: Segment | None = None
    for segment in segments:
        if segment.name == "IN3":
            _authorization(gathered, segment, insurance)
        if segment.name == "IN1":
            if insurance is not None:
                _coverage(gathered, insurance, more)
            insurance, more = segment, None
        elif segment.name == "IN2" and more is None:
            more = segment
    if insurance is not None:
        _coverage(gathered, insurance, more)


def _authorization(gathered: Gathered, in3: Segment, in1: Segment | None) -> None:
    """A certification number with its days (IN3-2, 9 and 10, section 6.5.8), of the insurance before it."""
    speech = gathered.speech
    number_of_it = in3.text(2).strip()
    if not number_of_it:
        return
    gathered.about = f"{speech.feed.name}|authorization|{number_of_it}"
    facts = _texts(gathered, in3, (("authorization", 2, 1),))
    facts += _texts(gathered, in1, (("payer", 3, 1), ("payer", 2, 1)))[:1] if in1 is not None else []
    facts += _day_fact(gathered, in3, "from", 9) + _day_fact(gathered, in3, "to", 10)
    start, day = _today(gathered)
    gathered.emit("authorization", place(in3), line=gathered.about, start=start, day=day, facts=facts)


def _coverage(gathered: Gathered, in1: Segment, in2: Segment | None) -> None:
    speech = gathered.speech
    gathered.about = ""  # known by payer and member, which are what may be missing
    payer = _texts(gathered, in1, (("payer", 3, 1), ("payer", 2, 1)))[:1]
    name = _texts(gathered, in1, (("payer.name", 4, 1), ("payer.name", 2, 2)))[:1]
    member = _texts(gathered, in1, (("member", 36, 1), ("member", 49, 1)))[:1]
    if not member and in2 is not None:
        # The patient's member number, then the Medicare and Medicaid numbers.
        member = _texts(gathered, in2, (("member", 61, 1), ("member", 6, 1), ("member", 8, 1)))[:1]
    if not payer and not name:
        gathered.omit("ill-formed" if member else "context", place(in1), "payer")
        return
    facts = [*payer, *name, *member, *_texts(gathered, in1, (("group", 8, 1),))]
    facts += _day_fact(gathered, in1, "from", 12) + _day_fact(gathered, in1, "to", 13)
    relation = in1.text(17).strip().upper()
    if relation:
        facts.append(speech.fact("relationship", _RELATIONS.get(relation, "other"), in1.path(17)))
    for n in (22, 1):
        order = number(in1.text(n))
        if order is not None and order.isdigit() and order != "0":
            facts.append(speech.fact("order", order, in1.path(n)))
            break
    start, day = _today(gathered)
    begins = speech.stamp(in1.text(12))
    if begins is not None and begins.day is not None:
        start, day = speech.instant(begins), begins.day
    who = (payer or name)[0].value
    known = f"{who}|{member[0].value}" if member else f"{who}|{in1.ordinal}"
    line = f"{speech.feed.name}|coverage|{known}"
    gathered.emit("coverage", place(in1), line=line, start=start, day=day, facts=facts)
