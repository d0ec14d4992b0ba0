"""Who is who, as a person decides it: `merge` and `unmerge`.

A decision is an entry of the journal, captured into the records of both, and outranks what feeds say of the two until it
is withdrawn (`work withdraw ENTRY`).
"""

from __future__ import annotations

from itertools import product
from typing import Annotated

import typer

from adapters.cli.deciding import By, Reason, decide
from adapters.cli.options import refuse, upon_store
from adapters.model.decision import Decision, Saying, Verb, saying
from adapters.model.merging import LANE
from adapters.model.people import Identifier, PersonHint
from adapters.model.union import shares
from adapters.wiring import Wired

Survivor = Annotated[str, typer.Argument(help="Who stays: a lane, SYSTEM|VALUE, or the value alone.")]
Merged = Annotated[str, typer.Argument(help="Who is the same person, in the same forms.")]


@upon_store(writes=True)
def merge(wired: Wired, survivor: Survivor, merged: Merged, by: By, why: Reason) -> None:
    """Say that two are one person: one record from now on, each thing charged once; what was sent stays as it left."""
    here, there = _lanes(wired, survivor, merged)
    if there in wired.store.lanes_of(here):
        raise refuse(("they are one person already",))
    entry = decide(wired, _decision(wired, Verb.MERGE, here, there, by, why))
    if there not in wired.store.lanes_of(here):
        raise refuse((f"decision {entry} is on file, but somebody says that one of theirs is not: see the work list",))
    typer.echo(f"{entry}: one person, kept in lane {wired.store.lanes_of(here)[0]}")


@upon_store(writes=True)
def unmerge(wired: Wired, survivor: Survivor, merged: Merged, by: By, why: Reason) -> None:
    """Say that two are not one person: each has what came under its own numbers, claims go with what they bill."""
    here, there = _lanes(wired, survivor, merged)
    if there not in wired.store.lanes_of(here):
        raise refuse(("they are two persons already",))
    entry = decide(wired, _decision(wired, Verb.UNMERGE, here, there, by, why))
    typer.echo(f"{entry}: two persons, kept in lanes {_root(wired, here)} and {_root(wired, there)}")


def _root(wired: Wired, lane: str) -> str:
    return wired.store.lanes_of(lane)[0]


def _lanes(wired: Wired, *names: str) -> tuple[str, str]:
    """The two lanes that are named; refuses what names nobody, several, or one and the same."""
    found = [_named(wired, name) for name in names]
    problems = [f"argument {n}: {_HOW_MANY[min(len(lanes), 2)]}" for n, lanes in enumerate(found, 1) if len(lanes) != 1]
    if problems:
        raise refuse(tuple(problems))
    (here,), (there,) = found
    if here == there:
        raise refuse(("both name one and the same lane",))
    return here, there


_HOW_MANY = {0: "nobody on file is named so", 2: "several persons are named so: say SYSTEM|VALUE"}


def _named(wired: Wired, name: str) -> set[str]:
    """The lanes that go by this name: its id, or an identifier, with or without the system that issued it."""
    if lane := wired.store.lane_of(PersonHint(lane=name), ""):
        return {lane}
    system, bar, value = name.rpartition("|")
    feeds = wired.site.feeds
    systems = {system} if bar else {s for f in feeds for s in (f.person_system, *f.person_aliases.values()) if s}
    asked = (PersonHint((Identifier(one, value),)) for one in sorted(systems))
    return {lane for hint in asked if (lane := wired.store.lane_of(hint, ""))}


def _decision(wired: Wired, verb: Verb, here: str, there: str, by: str, why: str) -> Decision:
    pairs = product(_identities(wired, here), _identities(wired, there))
    says = tuple(_said(verb, survivor, merged) for survivor, merged in pairs)
    return Decision(by, why, wired.clock.now(), says, PersonHint(lane=here))


def _said(verb: Verb, survivor: Identifier, merged: Identifier) -> Saying:
    words = {
        "survivor.system": survivor.system,
        "survivor.value": survivor.value,
        "merged.system": merged.system,
        "merged.value": merged.value,
    }
    return saying(verb, words.items())


def _identities(wired: Wired, lane: str) -> tuple[Identifier, ...]:
    """By what statements may name a lane: each of its identifiers, and the lane as such."""
    whole = wired.store.load(_root(wired, lane))
    own = next(share for share in shares(whole) if share.person == lane)
    return (Identifier(LANE, lane), *own.identifiers)
