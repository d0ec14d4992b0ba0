"""Who is who, as a person decides it: whom a name names, and what is said of two. For `merge`, `unmerge` and pages alike.

Nothing here writes. A decision names every identity of the two lanes, so that it holds whatever a feed says of a pair of
them; `pipeline.uniting` carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import product
from typing import Final

from adapters.model.decision import Saying, Verb, saying
from adapters.model.merging import LANE
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import PersonRecord
from adapters.model.site import Site
from adapters.model.union import shares
from adapters.pipeline.entering import PersonStore
from adapters.pipeline.uniting import named

ASK: Final = "merge.by"
"""Option of the site: `feed` has what feeds say carried out, `person` has it wait until a person says so too."""
_HOW_MANY: Final = {0: "nobody on file is named so", 2: "several persons are named so: say SYSTEM|VALUE"}
_STATES: Final = {Verb.MERGE: ("two persons", "one person"), Verb.UNMERGE: ("one person", "two persons")}


@dataclass(frozen=True, slots=True)
class Two:
    """Two lanes of which something is decided; the first is the one that stays."""

    here: str
    there: str


def called(store: PersonStore, site: Site, name: str) -> frozenset[str]:
    """The lanes that go by this name: its id, or an identifier, with or without the system that issued it."""
    if lane := store.lane_of(PersonHint(lane=name), ""):
        return frozenset({lane})
    system, bar, value = name.rpartition("|")
    systems = {system} if bar else {s for f in site.feeds for s in (f.person_system, *f.person_aliases.values()) if s}
    asked = (PersonHint((Identifier(one, value),)) for one in sorted(systems))
    return frozenset(lane for hint in asked if (lane := store.lane_of(hint, "")))


def how_many(lanes: Collection[str]) -> str:
    """What is wrong with a name that names so many; empty where it is one."""
    return "" if len(lanes) == 1 else _HOW_MANY[min(len(lanes), 2)]


def saying_of_two(store: PersonStore, verb: Verb, two: Two) -> tuple[Saying, ...] | str:
    """What says that the two are one person, or are not; or why that need not be said."""
    if two.here == two.there:
        return "both name one and the same lane"
    together = two.there in store.lanes_of(two.here)
    if together and verb is Verb.MERGE:
        return "they are one person already"
    if not together and verb is Verb.UNMERGE:
        return "they are two persons already"
    before, after = _STATES[verb]
    words = {"before": before, "after": after}
    return tuple(
        saying(verb, (*_pair(survivor, merged).items(), *words.items()))
        for survivor, merged in product(_identities(store, two.here), _identities(store, two.there))
    )


def _pair(survivor: Identifier, merged: Identifier) -> dict[str, str]:
    return {
        "survivor.system": survivor.system,
        "survivor.value": survivor.value,
        "merged.system": merged.system,
        "merged.value": merged.value,
    }


def _identities(store: PersonStore, lane: str) -> tuple[Identifier, ...]:
    """By what statements may name a lane: each of its identifiers, and the lane as such."""
    whole = store.load(store.lanes_of(lane)[0])
    own = next(share for share in shares(whole) if share.person == lane)
    return (Identifier(LANE, lane), *own.identifiers)


def concerned(
    record: PersonRecord, root_of: Callable[[Identifier], str], load: Callable[[str], PersonRecord]
) -> list[PersonRecord]:
    """All persons whom the statements of one name, and theirs again, by their roots."""
    persons = {record.person: record}
    look = [record]
    while look:
        for root in sorted({root_of(one) for one in named([look.pop()])} - {"", *persons}):
            persons[root] = load(root)
            look.append(persons[root])
    return [persons[root] for root in sorted(persons)]
