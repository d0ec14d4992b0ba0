"""Two identities that somebody says are one person (or one account, one visit), or are not, as a value.

HL7 v2 says it by MRG beside PID (v2.5.1 chapter 3: A18, A30, A34 to A36, A39 to A51) and by A24 and A37, FHIR by
Patient.link, and a person by a decision. Each is a statement; which of them hold together decides `pipeline.uniting`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from adapters.model.event import Event, Status
from adapters.model.people import Identifier, PersonHint
from adapters.model.why import Source

LANE: Final = "lane"
"""System of an identifier that names a lane itself, as a person's decision may."""
_LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Merge:
    """`merged` became part of `survivor`. `scope` other than `person` concerns an account or a visit of one person."""

    survivor: Identifier
    merged: Identifier
    scope: str
    """`person`, `account`, `visit`, `move` (all of an identifier moved), `link` or `unlink`."""
    trigger: str
    """The event code as sent, `A40`; `replaced-by` of FHIR; `merge` or `unmerge` of a person."""
    birth_date: str
    """Of the survivor by this message (ISO), empty where it says none: two persons of other birth dates are not merged."""
    source: Source
    event: str = ""
    """Id of the event that states it."""
    said: datetime = _LONG_AGO
    by: str = ""
    """The person who decided it; empty where a feed said it."""

    @property
    def of_people(self) -> bool:
        """Whether two persons are concerned, so that a person or a lane has to act."""
        return self.scope in ("person", "move", "link", "unlink")

    @property
    def apart(self) -> bool:
        """Whether it says that the two are not one person."""
        return self.scope == "unlink"

    @property
    def pair(self) -> frozenset[Identifier]:
        """The two identities."""
        return frozenset((self.survivor, self.merged))

    @property
    def rank(self) -> tuple[object, ...]:
        """The statement of highest rank about a pair holds: a person's before a feed's, then the one said last."""
        return (bool(self.by), self.said, self.source.message, self.source.at)


def hint_of(identity: Identifier) -> PersonHint:
    """The identity as a store finds its lane by it."""
    return PersonHint(lane=identity.value) if identity.system == LANE else PersonHint((identity,))


def merge_of(event: Event) -> Merge | None:
    """What an event of kind `merge`, or a person's decision about two identities, says; None for any other event."""
    verb = event.value("verb") if event.kind == "decision" else ""
    if event.kind != "merge" and verb not in ("merge", "unmerge"):
        return None
    return Merge(
        survivor=Identifier(event.value("survivor.system"), event.value("survivor.value")),
        merged=Identifier(event.value("merged.system"), event.value("merged.value")),
        scope=event.value("scope") or ("unlink" if verb == "unmerge" else "person"),
        trigger=event.value("trigger") or verb,
        birth_date=event.value("birth_date"),
        source=event.source,
        event=event.id,
        said=event.said,
        by=event.value("by") if verb else "",
    )


def stated(events: Iterable[Event]) -> tuple[Merge, ...]:
    """What is said of two persons and still holds, lowest rank first: of each pair the statement of highest rank.

    One that was taken back, by its sender or by a person who withdraws a decision, is none.
    """
    every = [event for event in events if event.kind in ("merge", "decision")]
    if not every:
        return ()
    withdrawn = {event.value("entry") for event in every if event.value("verb") == "withdraw"}
    latest: dict[frozenset[Identifier], Merge] = {}
    for event in every:
        merge = merge_of(event)
        if merge is None or not merge.of_people or event.status is Status.WITHDRAWN:
            continue
        if merge.by and merge.source.message in withdrawn:
            continue
        known = latest.get(merge.pair)
        if known is None or known.rank < merge.rank:
            latest[merge.pair] = merge
    return tuple(sorted(latest.values(), key=lambda merge: merge.rank))


def waiting(events: Iterable[Event], identifiers: Iterable[Identifier]) -> tuple[Merge, ...]:
    """The statements that are not carried out: said to be one person and not in one record, or the other way round.

    `identifiers`: all of the record, its lanes among them (`LANE`). What a person decided stands in the records of both,
    and waits in the survivor's, where the decision may be withdrawn as well.
    """
    known = frozenset(identifiers)
    return tuple(
        merge
        for merge in stated(events)
        if (merge.pair <= known) == merge.apart and (merge.apart or not merge.by or merge.survivor in known)
    )
