"""Who is who, as a person decides it: `merge` and `unmerge`.

A decision is an entry of the journal, captured into the records of both, and outranks what feeds say of the two until it
is withdrawn (`work withdraw ENTRY`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from adapters.cli.deciding import By, Reason, decide
from adapters.cli.options import refuse, upon_store
from adapters.model.decision import Decision, Verb
from adapters.model.people import PersonHint
from adapters.pipeline.identity import Two, called, how_many, saying_of_two
from adapters.wiring import Wired

Survivor = Annotated[str, typer.Argument(help="Who stays: a lane, SYSTEM|VALUE, or the value alone.")]
Merged = Annotated[str, typer.Argument(help="Who is the same person, in the same forms.")]


@upon_store(writes=True)
def merge(wired: Wired, survivor: Survivor, merged: Merged, by: By, why: Reason) -> None:
    """Say that two are one person: one record from now on, each thing charged once; what was sent stays as it left."""
    two = _two(wired, survivor, merged)
    entry = _decided(wired, Verb.MERGE, two, by, why)
    if two.there not in wired.store.lanes_of(two.here):
        raise refuse((f"decision {entry} is on file, but somebody says that one of theirs is not: see the work list",))
    typer.echo(f"{entry}: one person, kept in lane {_root(wired, two.here)}")


@upon_store(writes=True)
def unmerge(wired: Wired, survivor: Survivor, merged: Merged, by: By, why: Reason) -> None:
    """Say that two are not one person: each has what came under its own numbers, claims go with what they bill."""
    two = _two(wired, survivor, merged)
    entry = _decided(wired, Verb.UNMERGE, two, by, why)
    typer.echo(f"{entry}: two persons, kept in lanes {_root(wired, two.here)} and {_root(wired, two.there)}")


def _root(wired: Wired, lane: str) -> str:
    return wired.store.lanes_of(lane)[0]


def _two(wired: Wired, *names: str) -> Two:
    """The two lanes that are named; refuses what names nobody, or several."""
    found = [called(wired.store, wired.site, name) for name in names]
    problems = tuple(f"argument {n}: {wrong}" for n, lanes in enumerate(found, 1) if (wrong := how_many(lanes)))
    if problems:
        raise refuse(problems)
    (here,), (there,) = found
    return Two(here, there)


def _decided(wired: Wired, verb: Verb, two: Two, by: str, why: str) -> str:
    """The entry of the decision about the two; refuses what need not be said."""
    says = saying_of_two(wired.store, verb, two)
    if isinstance(says, str):
        raise refuse((says,))
    return decide(wired, Decision(by, why, wired.clock.now(), says, PersonHint(lane=two.here)))
