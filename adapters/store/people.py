"""Who is who: from identifiers and references to the lane of a person, by blind index only.

A hint that names two lanes merges nothing: the first identifier on file decides, and the conflict is kept for a person
to settle. A reference is whatever the feed says it is now, so the identifiers beside it outrank what it meant before.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from adapters.model.event import REFERENCE
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import PersonRecord
from adapters.store import codec
from adapters.store.keys import KeyRing
from adapters.store.refusals import Overwrites
from adapters.store.schema import conflicts, identifiers, persons, references

_NAMESPACE: Final = uuid.UUID("1c1f3a52-6f0e-5c39-8b0f-2f4f3f7c9a10")

_BY_NAME: Final = f"{REFERENCE}:"
_RESOURCE: Final = re.compile(r"ref:[^|]+\|[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_AT_ONCE: Final = 500
"""Names in one statement."""

_BY_BLIND: Final = select(identifiers.c.blind, identifiers.c.person).where(
    identifiers.c.blind.in_(bindparam("blinds", expanding=True))
)
_BY_REFERENCE: Final = select(references.c.person).where(references.c.blind == bindparam("blind"))
_OF_PERSONS: Final = (
    select(identifiers.c.person, identifiers.c.blind, identifiers.c.key_id, identifiers.c.sealed)
    .where(identifiers.c.person.in_(bindparam("persons", expanding=True)))
    .order_by(identifiers.c.place)
)
_NEXT_PLACE: Final = select(func.coalesce(func.max(identifiers.c.place) + 1, 0)).where(
    identifiers.c.person == bindparam("person")
)
_DECODER: Final = codec.decoder_of(Identifier)


def blind_of(identifier: Identifier, keys: KeyRing) -> str:
    """The blind index of an identifier."""
    return keys.blind("identifier", identifier.system, identifier.value)


def known(connection: Connection, hint: PersonHint, feed: str, keys: KeyRing) -> str | None:
    """The lane so named when there is nothing to write about it: all of the hint is on file and of one person.

    The empty string for a lone reference that is unknown; None when something must be written.
    """
    if hint.lane:
        return on_file(connection, hint.lane)
    blinds = [blind_of(i, keys) for i in hint.identifiers]
    owners = _owners(connection, blinds)
    pointed = _pointed(connection, hint, feed, keys)
    if not blinds:
        return pointed or ""
    found = set(owners.values())
    settled = len(found) == 1 and len(owners) == len(set(blinds)) and (not hint.reference or found == {pointed})
    return found.pop() if settled else None


def named(connection: Connection, hint: PersonHint, feed: str, keys: KeyRing) -> str:
    """The lane that `resolve` would give, with nothing written; empty where it would make one, or know of none."""
    if hint.lane:
        return on_file(connection, hint.lane)
    blinds = [blind_of(i, keys) for i in hint.identifiers]
    owners = _owners(connection, blinds)
    return next((owners[b] for b in blinds if b in owners), "") or _pointed(connection, hint, feed, keys) or ""


def named_since(before: PersonRecord, after: PersonRecord) -> tuple[tuple[str, str, str], ...]:
    """(lane, feed, `Type/id`) of the resources that a step learnt of: a deletion names its resource, and no person."""
    known = {event.id for event in before.events}
    new = [event for event in after.events if event.id not in known]
    if not any(key.startswith(_BY_NAME) for event in new for key in event.keys):
        return ()
    told = {key for event in before.events for key in event.keys if key.startswith(_BY_NAME)}
    lane_of = {id: part.lane for part in after.parts for id in part.events}
    found: dict[str, str] = {}
    for event in new:
        for key in event.keys:
            if event.kind != "patient" and key not in told and _RESOURCE.fullmatch(key):
                found[key] = lane_of.get(event.id, after.person)
    split = ((lane, *key.removeprefix(_BY_NAME).rsplit("|", 1)) for key, lane in found.items())
    return tuple((lane, feed, reference) for lane, feed, reference in split)


def point(connection: Connection, named_: Sequence[tuple[str, str, str]], keys: KeyRing) -> None:
    """Remember of these resources whose they are; what was said of them before is forgotten.

    Of one that is told of several persons it is the last of these.
    """
    whose = {keys.blind("reference", feed, name): lane for lane, feed, name in named_}
    rows = [{"blind": blind, "person": lane} for blind, lane in whose.items()]
    for at in range(0, len(rows), _AT_ONCE):
        some = rows[at : at + _AT_ONCE]
        connection.execute(delete(references).where(references.c.blind.in_([row["blind"] for row in some])))
        connection.execute(insert(references), some)


def on_file(connection: Connection, lane: str) -> str:
    """The lane where it is one on file, else the empty string."""
    return connection.execute(select(persons.c.id).where(persons.c.id == lane)).scalar_one_or_none() or ""


def resolve(connection: Connection, hint: PersonHint, feed: str, at: int, keys: KeyRing) -> str:
    """The lane so named, made if new; what the hint adds (identifiers, the reference) is remembered."""
    blinds = [blind_of(i, keys) for i in hint.identifiers]
    owners = _owners(connection, blinds)
    pointed = _pointed(connection, hint, feed, keys)
    if not blinds:
        return pointed or ""
    person = next((owners[b] for b in blinds if b in owners), "") or pointed or ""
    if not person:
        # The index key is in it, so the id says nothing of the identifier, and the same ring gives it again.
        person = str(uuid.uuid5(_NAMESPACE, blinds[0]))
        # On file already when its identifiers were unbound since.
        if connection.execute(select(persons.c.id).where(persons.c.id == person)).first() is None:
            connection.execute(insert(persons), [{"id": person, "revision": 0}])
    add(connection, person, [i for i, b in zip(hint.identifiers, blinds, strict=True) if b not in owners], keys)
    others = {*owners.values(), *([pointed] if pointed else [])} - {person}
    _note_conflicts(connection, person, sorted(others), at)
    if hint.reference and pointed != person:
        blind = keys.blind("reference", feed, hint.reference)
        connection.execute(delete(references).where(references.c.blind == blind))
        connection.execute(insert(references), [{"blind": blind, "person": person}])
    return person


def _owners(connection: Connection, blinds: Sequence[str]) -> dict[str, str]:
    if not blinds:
        return {}
    return {row.blind: row.person for row in connection.execute(_BY_BLIND, {"blinds": blinds})}


def _pointed(connection: Connection, hint: PersonHint, feed: str, keys: KeyRing) -> str | None:
    if not hint.reference:
        return None
    return connection.execute(
        _BY_REFERENCE, {"blind": keys.blind("reference", feed, hint.reference)}
    ).scalar_one_or_none()


def _note_conflicts(connection: Connection, person: str, others: Sequence[str], at: int) -> None:
    for other in others:
        first, second = sorted((person, other))
        same = (conflicts.c.person == first) & (conflicts.c.other == second)
        if connection.execute(update(conflicts).where(same).values(at=at)).rowcount == 0:
            connection.execute(insert(conflicts), [{"person": first, "other": second, "at": at}])


def add(connection: Connection, person: str, added: Sequence[Identifier], keys: KeyRing) -> None:
    """Bind identifiers to a person; raises `Overwrites` for one that is bound to another person."""
    if not added:
        return
    place = int(connection.execute(_NEXT_PLACE, {"person": person}).scalar_one())
    rows = []
    owners = _owners(connection, [blind_of(i, keys) for i in added])
    for identifier in dict.fromkeys(added):
        blind = blind_of(identifier, keys)
        owner = owners.get(blind)
        if owner is not None and owner != person:
            raise Overwrites("an identifier belongs to another person on file")
        if owner is None:
            sealed = keys.seal(codec.encode(identifier), f"person_identifiers|{blind}")
            rows.append(
                {"blind": blind, "person": person, "place": place, "key_id": sealed.key_id, "sealed": sealed.data}
            )
            place += 1
    if rows:
        connection.execute(insert(identifiers), rows)


def remove(connection: Connection, person: str, removed: Sequence[Identifier], keys: KeyRing) -> None:
    """Unbind identifiers from a person."""
    if removed:
        gone = [blind_of(i, keys) for i in removed]
        connection.execute(delete(identifiers).where(identifiers.c.person == person, identifiers.c.blind.in_(gone)))


def of_persons(connection: Connection, persons: Sequence[str], keys: KeyRing) -> dict[str, tuple[Identifier, ...]]:
    """The identifiers by person, in the order they became known; a person without any is not there."""
    found: dict[str, list[bytes]] = {}
    for person, blind, key_id, sealed in connection.execute(_OF_PERSONS, {"persons": persons}):
        found.setdefault(person, []).append(keys.open(key_id, sealed, f"person_identifiers|{blind}"))
    return {person: codec.decode_all(_DECODER, rows, "person_identifiers") for person, rows in found.items()}
