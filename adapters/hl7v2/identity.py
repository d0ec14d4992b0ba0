"""Merges: MRG beside PID names the identity that became part of the patient (v2.5.1 sections 3.3.18 to 3.3.51, 3.4.9).

Here a merge is only told, as an event of the surviving person that names both identities (`model.merging`). Nothing
is joined and nothing lost by it: the record of the merged identity stays as it is until somebody acts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.hl7v2.elements import Gathered, place
from adapters.hl7v2.registration import identifier_of, person_hint
from adapters.hl7v2.segment import Segment
from adapters.model.people import Identifier
from adapters.model.why import Fact

SCOPES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("A18", "A30", "A34", "A36", "A39", "A40", "A46", "A47", "A48"), "person"),
    **dict.fromkeys(("A35", "A41", "A44", "A49"), "account"),
    **dict.fromkeys(("A42", "A45", "A50", "A51"), "visit"),
    "A43": "move",
    "A24": "link",
    "A37": "unlink",
}
"""What each trigger puts together. A46 to A48 change an identifier, which is a merge with one that has no record yet."""

_ACCOUNT, _VISIT = 3, 5


def read_merge(gathered: Gathered, segments: Sequence[Segment], trigger: str, other: Segment | None = None) -> None:
    """The merge of one PID with the MRG that follows it; for A24 and A37 with the `other` PID of the message."""
    scope = SCOPES[trigger]
    pid = next((s for s in segments if s.name == "PID"), None)
    mrg = other if scope in ("link", "unlink") else next((s for s in segments if s.name == "MRG"), None)
    survivor = person_hint(pid, gathered.speech.feed).identifiers if pid is not None else ()
    if pid is None or mrg is None or not survivor:
        gathered.omit("ill-formed", "MSH-9" if mrg is None else place(mrg), "merge")
        return
    gathered.used.add(place(mrg))
    found = _merged(gathered, mrg, scope)
    if not found:
        gathered.omit("ill-formed", place(mrg), "merge")
        return
    new = [(identifier, at) for identifier, at in found if identifier != survivor[0]]
    for identifier, at in new:
        _emit(gathered, pid, survivor[0], identifier, at, trigger, _visit(gathered, segments, scope))
    if not new:
        gathered.omit("context", place(mrg), "merge")


def _visit(gathered: Gathered, segments: Sequence[Segment], scope: str) -> tuple[Fact, ...]:
    """The number that a merged or moved visit goes by now (PV1-19)."""
    pv1 = next((s for s in segments if s.name == "PV1"), None)
    number = pv1.text(19).strip() if pv1 is not None and scope == "visit" else ""
    return (gathered.speech.fact("visit", number, pv1.path(19)),) if pv1 is not None and number else ()


def _merged(gathered: Gathered, mrg: Segment, scope: str) -> list[tuple[Identifier, str]]:
    """What the merge took in, with its place: patient identifiers, or the account or visit number."""
    feed = gathered.speech.feed
    if mrg.name == "PID":
        hint = person_hint(mrg, feed)
        return [(identifier, mrg.path(3)) for identifier in hint.identifiers]
    n = {"account": _ACCOUNT, "visit": _VISIT}.get(scope, 1)
    if n > 1 and not mrg.text(n) and mrg.text(1):
        n = 1  # pre-2.4 feeds fill MRG-1 alone, whatever is merged
    if n > 1:
        return [(Identifier(scope, text), mrg.path(n)) for text in (mrg.text(n).strip(),) if text]
    each = [(identifier_of(mrg, 1, r, feed), r) for r in range(1, len(mrg.field(1).repetitions) + 1)]
    known = [(identifier, r) for identifier, r in each if identifier is not None]
    medical = [(identifier, r) for identifier, r in known if mrg.text(1, 5, 1, r).strip().upper() == "MR"]
    return [(identifier, mrg.path(1, r)) for identifier, r in medical or known]


def _emit(
    gathered: Gathered,
    pid: Segment,
    survivor: Identifier,
    merged: Identifier,
    at: str,
    trigger: str,
    surviving: Sequence[Fact] = (),
) -> None:
    speech = gathered.speech
    facts: list[Fact] = [
        speech.fact("scope", SCOPES[trigger], "MSH-9"),
        speech.fact("trigger", trigger, "MSH-9"),
        speech.fact("survivor.system", survivor.system, pid.path(3)),
        speech.fact("survivor.value", survivor.value, pid.path(3)),
        speech.fact("merged.system", merged.system, at),
        speech.fact("merged.value", merged.value, at),
    ]
    facts += surviving
    born = speech.stamp(pid.text(7))
    if born is not None and born.day is not None:
        facts.append(speech.fact("birth_date", born.day.isoformat(), pid.path(7)))
    gathered.emit(
        "merge",
        at,
        line=f"{speech.feed.name}|merge|{merged.system}|{merged.value}",
        start=speech.said,
        day=speech.said.astimezone(speech.zone).date(),
        facts=facts,
    )
