"""Several lanes as one person: one record put together from the share that each lane keeps, and taken apart again.

A lane belongs to its identifiers for good. What came under them (events, what messages left out) stays in it, whatever
becomes of the person; all that follows from it (charges, claims, answers, the ledger, work) is kept in one lane, the
root. So nothing has to be moved for a charge to be derived from all that is known, and what came meanwhile is in its
own lane when two persons turn out to be two after all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from adapters.model.charge import Skip
from adapters.model.people import Identifier
from adapters.model.record import OMITTED, Part, PersonRecord


def united(shares: Sequence[PersonRecord]) -> PersonRecord:
    """One record from the shares of its lanes, the root's first; a single share is the record itself."""
    root = shares[0]
    if len(shares) == 1:
        return root
    events = {event.id: event for share in shares for event in share.events}
    omitted = {skip.event: skip for share in shares for skip in _omitted(share)}
    derived = tuple(skip for skip in root.skips if not skip.event.startswith(OMITTED))
    return replace(
        root,
        identifiers=tuple(dict.fromkeys(one for share in shares for one in share.identifiers)),
        events=tuple(events.values()),
        skips=(*omitted.values(), *derived),
        parts=tuple(
            Part(
                share.person,
                share.identifiers,
                tuple(event.id for event in share.events),
                tuple(skip.event for skip in _omitted(share)),
            )
            for share in shares
        ),
    )


def shares(record: PersonRecord) -> tuple[PersonRecord, ...]:
    """What each lane of a record keeps, the root's first; what no part names is the root's."""
    if not record.parts:
        return (record,)
    events = {event.id: event for event in record.events}
    omitted = {skip.event: skip for skip in _omitted(record)}
    loose = _loose(record)
    found: list[PersonRecord] = []
    for part in record.parts:
        own = part.lane == record.person
        mine = (*part.events, *loose.events) if own else part.events
        skips = tuple(omitted[id] for id in ((*part.omissions, *loose.omissions) if own else part.omissions))
        kept = tuple(events[id] for id in mine)
        if own:
            derived = tuple(skip for skip in record.skips if not skip.event.startswith(OMITTED))
            known = (*part.identifiers, *loose.identifiers)
            found.append(replace(record, identifiers=known, events=kept, skips=(*skips, *derived), parts=()))
        else:
            found.append(PersonRecord(part.lane, part.identifiers, kept, skips=skips, root=record.person))
    return tuple(found)


def settled(record: PersonRecord) -> PersonRecord:
    """The record as its lanes give it back: its parts whole, and everything in the order of the lanes."""
    return united(shares(record)) if record.parts else record


def added(record: PersonRecord, lane: str, more: Part) -> PersonRecord:
    """The record with what a message brought noted as of a lane: the ids in `more`, which the record holds already.

    A number that came under another lane of the person stays that lane's, though a message names both.
    """
    if not any(part.lane == lane for part in record.parts):
        return record
    others = {one for part in record.parts if part.lane != lane for one in part.identifiers}
    more = replace(more, identifiers=tuple(one for one in more.identifiers if one not in others))
    return replace(record, parts=tuple(_grown(part, more) if part.lane == lane else part for part in record.parts))


def _grown(part: Part, more: Part) -> Part:
    return Part(
        part.lane,
        tuple(dict.fromkeys((*part.identifiers, *more.identifiers))),
        tuple(dict.fromkeys((*part.events, *more.events))),
        tuple(dict.fromkeys((*part.omissions, *more.omissions))),
    )


def _loose(record: PersonRecord) -> Part:
    """What no part of the record names yet."""
    identifiers: set[Identifier] = {one for part in record.parts for one in part.identifiers}
    events = {id for part in record.parts for id in part.events}
    omissions = {id for part in record.parts for id in part.omissions}
    return Part(
        record.person,
        tuple(one for one in record.identifiers if one not in identifiers),
        tuple(event.id for event in record.events if event.id not in events),
        tuple(skip.event for skip in _omitted(record) if skip.event not in omissions),
    )


def _omitted(record: PersonRecord) -> tuple[Skip, ...]:
    return tuple(skip for skip in record.skips if skip.event.startswith(OMITTED))
