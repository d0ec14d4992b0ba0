"""What an FT1 codes: procedure codes and their modifiers, wherever the feed's dialect says they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from adapters.hl7v2.elements import is_null, place
from adapters.hl7v2.segment import Segment
from adapters.hl7v2.transaction import Charge
from adapters.model.codes import is_procedure_code
from adapters.model.why import Fact
from adapters.rules.location import Location

_MODIFIER: Final = re.compile(r"[A-Z0-9]{2}")


def codes_of(charge: Charge) -> list[tuple[str, str, Segment]]:
    """The procedure codes of the charge with their places: one, or one of each PR1 where FT1 itself has none."""
    gathered, dialect = charge.gathered, charge.gathered.speech.dialect
    for at in dialect.codes:
        segments = [charge.ft1] if at.segment == "FT1" else charge.own.get(at.segment, [])
        found = []
        for segment in segments:
            code = segment.text(at.field, at.component or 1, at.sub or 1).strip().upper()
            if is_procedure_code(code):
                found.append((code, segment.path(at.field, 1, at.component, at.sub), segment))
            elif code and at != dialect.local_code:
                gathered.omit("ill-formed", segment.path(at.field, 1, at.component, at.sub), "code")
        if found:
            _account_for_procedures(charge, found)
            return found
        if any(is_null(segment, at.field) for segment in segments):
            return []
    return []


def _account_for_procedures(charge: Charge, found: list[tuple[str, str, Segment]]) -> None:
    """PR1 beside the code: it repeats it, or is a further procedure that somebody must look at."""
    coded = {code for code, _, _ in found}
    for pr1 in charge.own.get("PR1", []):
        code = pr1.text(3).strip().upper()
        if code and code not in coded:
            charge.gathered.omit("second-procedure", place(pr1))
        charge.gathered.used.add(place(pr1))


def modifiers_of(charge: Charge, coded_in: Segment) -> list[Fact]:
    """The modifiers in the order sent. One that is not two letters or digits is kept as sent, and told."""
    gathered, dialect = charge.gathered, charge.gathered.speech.dialect
    facts = []
    for at in dialect.modifiers:
        segment = coded_in if at.segment == coded_in.name else charge.segment(at)
        if segment is None:
            continue
        if is_null(segment, at.field):
            break
        if not segment.text(at.field) and not segment.field(at.field).repetitions:
            continue
        for said, where in _modifier_texts(segment, at, dialect.modifier_forms):
            if not _MODIFIER.fullmatch(said):
                gathered.omit("ill-formed", where, "modifier")
            facts.append(gathered.speech.fact("modifier", said, where))
        break
    return facts


def _modifier_texts(segment: Segment, at: Location, forms: frozenset[str]) -> Iterable[tuple[str, str]]:
    for r, repetition in enumerate(segment.field(at.field).repetitions, 1):
        raw = repetition.raw or ""
        last = raw.count(segment.separators.component) + 1 if "components" in forms else 1
        for c in range(1, last + 1):
            text = repetition.component(c).text.strip().upper()
            if c > 1 and not _MODIFIER.fullmatch(text):
                break  # the text and coding system of the first component
            where = segment.path(at.field, r, c if c > 1 else 0)
            if "joined" in forms and len(text) > 2 and len(text) % 2 == 0:
                yield from ((text[i : i + 2], where) for i in range(0, len(text), 2))
            elif text:
                yield text, where
