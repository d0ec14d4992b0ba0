"""A case as it is read: typed, its names resolved, or every reason why it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import yaml

from adapters.cases.document import LINE, Faults, Tree, Value, composed, items, text, tree, words
from adapters.cases.options import SHAPES
from adapters.cases.schema import PATIENT, Dialect, shape

RADIATION_KINDS: Final = words(
    "fraction proton-fraction sbrt-fraction srs-session hdr-fraction surface-fraction consult planning simulation "
    "motion-simulation imrt-plan 3d-plan isodose-plan brachy-plan dosimetry-calc special-dosimetry device physics-consult "
    "physics-check surface-planning source-handling port-image igrt-review on-treatment-visit special-procedure follow-up "
    "reported-charge course-end brachy-application hyperthermia special-port-plan iort-session neutron-fraction"
)
MEDICAL_KINDS: Final = words(
    "infusion push injection hydration pump-start pump-refill pump-disconnect port-flush visit order drug-dispense charge "
    "charge-transaction amendment eligibility enrollment-approved submit ack no-answer response remittance "
    "patient-payment statement-run void-request identified claim-ready"
)
KINDS: Final = {Dialect.RADIATION: RADIATION_KINDS, Dialect.MEDICAL: MEDICAL_KINDS}
_REFERENCES: Final = ("amends", "continues", "about", "redelivery_of", "replaces")
"""Fields of an event that name another event."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of a case."""

    id: str
    kind: str
    at: datetime
    """Local time of the place, as written: without a zone."""
    rank: int
    """Its place in the order of arrival, from 0."""
    said: Tree

    def get(self, name: str) -> Value:
        """What the event says under this key; None where it does not."""
        return self.said.get(name)

    def text(self, name: str) -> str:
        """The same as text; empty where it does not say it."""
        return text(self.said.get(name))


@dataclass(frozen=True, slots=True)
class Case:
    """A case."""

    file: str
    id: str
    title: str
    dialect: Dialect
    setting: str
    payer_kind: str
    payer: str
    options: Tree
    patient: Tree
    diagnoses: tuple[tuple[str, str], ...]
    """(name, code); in the radiation dialect the name is the code."""
    coverages: tuple[Tree, ...]
    authorizations: tuple[Tree, ...]
    providers: dict[str, Tree]
    events: tuple[Happening, ...]
    """As listed in the file."""
    expect: Tree | None = field(default=None)

    @property
    def arriving(self) -> list[Happening]:
        """The events in the order in which they arrive."""
        return sorted(self.events, key=lambda event: event.rank)


def read_case(content: str, file: str) -> Case | tuple[str, ...]:
    """The case of the file's content, or all that is wrong with it, each as `file:line: words`."""
    faults = Faults(file)
    node = composed(content, faults)
    if node is None:
        return faults.lines
    dialect = _dialect(node)
    if dialect is None:
        keys = " or ".join(" ".join(sorted(PATIENT[d].shapes)) for d in Dialect)
        faults.add(node, f"no dialect: the keys of patient are {keys}")
        return faults.lines
    whole = tree(shape(dialect, SHAPES).read(node, "the case", faults))
    if not faults.found:
        faults.found.extend(_unresolved(whole, dialect))
    return faults.lines if faults.found else _case(whole, dialect, file)


def _dialect(node: yaml.Node) -> Dialect | None:
    """By the keys of `patient`: `mrn` is said in one dialect, `id` in the other."""
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value == "patient" and isinstance(value, yaml.MappingNode):
            said = {k.value for k, _ in value.value if isinstance(k, yaml.ScalarNode)}
            if ("mrn" in said) != ("id" in said):
                return Dialect.RADIATION if "mrn" in said else Dialect.MEDICAL
    return None


def _unresolved(whole: Tree, dialect: Dialect) -> Iterator[tuple[int, str]]:
    """Names that name nothing, ids used twice, kinds that the dialect does not have."""
    events = [tree(event) for event in items(whole["events"])]
    ids = [text(event.get("id")) for event in events]
    coverages = {text(tree(coverage).get("id")) for coverage in items(whole.get("coverages"))}
    providers, known = set(tree(whole.get("providers"))), set(ids)
    diagnoses = {text(tree(d).get("id")) for d in items(whole.get("diagnoses"))}
    seen: set[str] = set()
    for event, id in zip(events, ids, strict=True):
        line = event[LINE]
        at = line if isinstance(line, int) else 1
        if id in seen:
            yield at, f"the event id {id!r} is used twice"
        seen.add(id)
        kind = text(event.get("kind"))
        if kind not in KINDS[dialect]:
            yield at, f"no event kind {kind!r} in the {dialect} dialect"
        for name in _REFERENCES:
            if (named := text(event.get(name))) and named not in known and name in event:
                yield at, f"{name} names no event: {named!r}"
        for name in ("by", "provider", "ordering", "billing"):
            if (named := text(event.get(name))) and named not in providers:
                yield at, f"{name} names no provider: {named!r}"
        for one in items(event.get("dx")):
            if text(one) not in diagnoses:
                yield at, f"dx names no diagnosis: {text(one)!r}"
        if (named := text(event.get("coverage"))) and named not in coverages:
            yield at, f"coverage names none: {named!r}"


def _case(whole: Tree, dialect: Dialect, file: str) -> Case:
    payer = tree(whole["payer"])
    diagnoses = [
        (text(tree(d)["id"]), text(tree(d)["code"])) if isinstance(d, dict) else (text(d), text(d))
        for d in items(whole.get("diagnoses"))
    ]
    events = [tree(event) for event in items(whole["events"])]
    order = sorted(range(len(events)), key=lambda i: (_rank(events[i], i), i))
    ranks = {i: rank for rank, i in enumerate(order)}
    return Case(
        file=file,
        id=text(whole["id"]),
        title=text(whole.get("title")),
        dialect=dialect,
        setting=text(whole["setting"]),
        payer_kind=text(payer["kind"]),
        payer=text(payer["name"]),
        options=tree(whole.get("options")),
        patient=tree(whole["patient"]),
        diagnoses=tuple(diagnoses),
        coverages=tuple(tree(c) for c in items(whole["coverages"])),
        authorizations=tuple(tree(a) for a in items(whole.get("authorizations"))),
        providers={name: tree(said) for name, said in tree(whole.get("providers")).items()},
        events=tuple(
            Happening(text(e["id"]), text(e["kind"]), datetime.fromisoformat(text(e["at"])), ranks[i], e)
            for i, e in enumerate(events)
        ),
        expect=tree(whole["expect"]) if whole.get("expect") is not None else None,
    )


def _rank(event: Tree, place: int) -> int:
    """Arrival rank: as said, else the place in the list from 1 (radiation); the medical dialect is in order as listed."""
    said = event.get("deliver_order")
    return said if isinstance(said, int) else place + 1
