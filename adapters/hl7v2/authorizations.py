"""REF and RPA: what a payer has authorized (v2.5.1 section 11.6.2, AUT), with the procedures that it is for.

In both structures each AUT follows the PR1 that it is about, or stands before the first of them and is about all. An
authorization of several codes repeats its number under each; it is one, of so many treatments for all of them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.hl7v2.elements import Gathered, number, place
from adapters.hl7v2.segment import Segment
from adapters.model.codes import is_procedure_code
from adapters.model.why import Fact


@dataclass(slots=True)
class _Stated:
    """One authorization in the making: the first AUT that states it, and the codes of all."""

    aut: Segment
    codes: list[Fact] = field(default_factory=list)


def read_authorizations(gathered: Gathered, segments: Sequence[Segment]) -> None:
    """Each authorization number as one `authorization`: payer, days, treatments authorized and codes."""
    found: dict[str, _Stated] = {}
    procedure: Segment | None = None
    for segment in segments:
        if segment.name == "PR1":
            procedure = segment
        elif segment.name == "AUT":
            known = segment.text(6).strip()
            if not known:
                gathered.omit("context", place(segment))
                continue
            gathered.used.add(place(segment))
            stated = found.setdefault(known, _Stated(segment))
            if procedure is not None:
                stated.codes += _code(gathered, procedure)
    for known, stated in found.items():
        _authorization(gathered, known, stated)
    gathered.about = ""


def _code(gathered: Gathered, pr1: Segment) -> list[Fact]:
    code = pr1.text(3).strip().upper()
    gathered.used.add(place(pr1))
    if is_procedure_code(code):
        return [gathered.speech.fact("code", code, pr1.path(3))]
    if code:
        gathered.omit("ill-formed", pr1.path(3), "code")
    return []


def _authorization(gathered: Gathered, known: str, stated: _Stated) -> None:
    """Units are AUT-9, the treatments authorized; AUT-8, those asked for, is no authorization."""
    speech, aut = gathered.speech, stated.aut
    gathered.about = f"{speech.feed.name}|authorization|{known}"
    facts = [speech.fact("authorization", known, aut.path(6, 1, 1))]
    for n in (2, 1):
        if payer := aut.text(n).strip():
            facts.append(speech.fact("payer", payer, aut.path(n, 1, 1)))
            break
    for name, n in (("from", 4), ("to", 5)):
        stamp = speech.stamp(aut.text(n))
        if stamp is not None and stamp.day is not None:
            facts.append(speech.fact(name, stamp.day.isoformat(), aut.path(n)))
        elif aut.text(n):
            gathered.omit("ill-formed-date", aut.path(n), name)
    if (units := number(speech.figure(aut.text(9)))) is not None and not units.startswith("-"):
        facts.append(speech.fact("units", units, aut.path(9)))
    elif aut.text(9):
        gathered.omit("ill-formed", aut.path(9), "units")
    gathered.emit(
        "authorization",
        place(aut),
        line=gathered.about,
        start=speech.said,
        day=speech.said.astimezone(speech.zone).date(),
        facts=[*facts, *stated.codes],
    )
