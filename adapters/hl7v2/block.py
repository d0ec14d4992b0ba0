"""A segment with what belongs to it (a charge, a dose, a result), and the facts that the feed's dialect reads there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from adapters.hl7v2.elements import Gathered, converted, is_null, place
from adapters.hl7v2.segment import Segment
from adapters.model.why import Fact
from adapters.rules.dialect import FactRule
from adapters.rules.location import Location


@dataclass(slots=True)
class Block:
    """One anchor segment, the segments that follow it, and those that it shares with others of its message."""

    gathered: Gathered
    anchor: Segment
    shared: Mapping[str, list[Segment]]
    own: dict[str, list[Segment]] = field(default_factory=dict)

    def all(self, name: str) -> list[Segment]:
        """The segments of that name: the block's own before the shared ones."""
        return self.own.get(name) or self.shared.get(name, [])

    def first(self, name: str) -> Segment | None:
        """The first of `all`, marked as used."""
        found = self.all(name)
        if found:
            self.gathered.used.add(place(found[0]))
        return found[0] if found else None

    def segment(self, at: Location) -> Segment | None:
        """The segment that a location means."""
        if at.segment == self.anchor.name:
            return self.anchor
        candidates = self.all(at.segment)
        if not at.qualifier:
            return candidates[0] if candidates else None
        named = 3 if at.segment == "OBX" else 1
        return next((s for s in candidates if s.text(named) == at.qualifier), None)

    def where(self, at: Location) -> str:
        """The location as a place of this message, also where nothing stands there."""
        segment = self.segment(at)
        return str(at) if segment is None else segment.path(at.field, 1, at.component, at.sub)

    def read(self, places: Iterable[Location]) -> tuple[str, str]:
        """The first value among the locations with its place; `""` ends the search without a value."""
        for at in places:
            segment = self.segment(at)
            if segment is None:
                continue
            text = segment.text(at.field, at.component or 1, at.sub or 1)
            if text:
                self.gathered.used.add(place(segment))
                return text, segment.path(at.field, 1, at.component, at.sub)
            if is_null(segment, at.field):
                return "", ""
        return "", ""


def blocks(
    gathered: Gathered, segments: Sequence[Segment], anchor: str, heads: frozenset[str] = frozenset()
) -> list[Block]:
    """Each anchor with what follows it up to the next anchor or head.

    A head (ORC before RXA) opens a group: it and what stands between it and its anchors is shared by these. What
    stands before the first head or anchor is shared by all.
    """
    found: list[Block] = []
    common: dict[str, list[Segment]] = {}
    shared = common
    current: Block | None = None
    for segment in segments:
        if segment.name == anchor:
            current = Block(gathered, segment, shared)
            found.append(current)
        elif segment.name in heads:
            current = None
            shared = {name: list(listed) for name, listed in common.items()}
            shared[segment.name] = [segment]
        elif current is not None:
            current.own.setdefault(segment.name, []).append(segment)
        else:
            shared.setdefault(segment.name, []).append(segment)
    return found


def facts_of(block: Block, kind: str, fixed: Iterable[tuple[str, str]] = (), fixed_at: str = "") -> list[Fact]:
    """The facts that the dialect reads for a kind, then what the activity alone says where no field did."""
    gathered = block.gathered
    speech = gathered.speech
    found: list[Fact] = []
    silent: set[str] = set()  # facts that a field states, though not in words we know: never filled by the activity
    for rule in speech.dialect.facts_of(kind):
        text, at = block.read(rule.sources)
        if not text:
            if rule.default:
                found.append(speech.assumed(rule.name, rule.prefix + rule.default, block.where(rule.sources[0])))
            continue
        for said, said_at in _repetitions(block, rule, text, at):
            value = _value(gathered, rule, said)
            if value is None:
                gathered.omit("unknown-value" if rule.values else "ill-formed", said_at, rule.name)
                silent.add(rule.name)
            else:
                found.append(speech.fact(rule.name, rule.prefix + value, said_at))
    known = silent.union(fact.name for fact in found)
    found += [speech.fact(name, value, fixed_at) for name, value in fixed if name not in known]
    return found


def _value(gathered: Gathered, rule: FactRule, said: str) -> str | None:
    speech = gathered.speech
    if rule.values:
        return rule.values.get(said.strip().casefold())
    if rule.form in ("date", "instant"):
        said = speech.written(said)
    elif rule.form in ("decimal", "whole"):
        said = speech.figure(said)
    return converted(said, rule.form, speech.zone)


def _repetitions(block: Block, rule: FactRule, text: str, at: str) -> list[tuple[str, str]]:
    if not rule.repeat:
        return [(text, at)]
    for source in rule.sources:
        segment = block.segment(source)
        if segment is None or not segment.text(source.field, source.component or 1, source.sub or 1):
            continue
        count = segment.parts[source.field].count(segment.separators.repetition) + 1
        each = [
            (
                segment.text(source.field, source.component or 1, source.sub or 1, r),
                segment.path(source.field, r, source.component, source.sub),
            )
            for r in range(1, count + 1)
        ]
        return [(said, where) for said, where in each if said]
    return [(text, at)]
