"""The words by which people look a person up, by blind index; and filling in what a migration cannot know.

A word is a part of a name, a birth date or a member number as the feeds stated it, folded so that case, accents and
punctuation do not matter. Words stay with the lane whose message stated them: who once went by a name is found by it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from adapters.model.event import Event
from adapters.model.record import PersonRecord
from adapters.store import codec, schema
from adapters.store.keys import KeyRing

_PARTS: Final = re.compile(r"[^\W_]+")
_NAMES: Final = frozenset({"family", "given"})
_WHOLE: Final = {"patient": frozenset({"birth_date"}), "coverage": frozenset({"member"})}
"""Facts that are one word, whatever stands between their letters."""
_BATCH: Final = 200


def parts_of(text: str) -> tuple[str, ...]:
    """The words of a name or of what somebody types: without case, accents and punctuation; single letters are none."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return tuple(dict.fromkeys(part for part in _PARTS.findall(plain.casefold()) if len(part) > 1))


def whole(text: str) -> str:
    """A number or date as one word: `1EG4-TE5-MK73` and `1eg4te5mk73` are the same."""
    return "".join(_PARTS.findall(text.casefold()))


def words_of(events: Iterable[Event]) -> frozenset[str]:
    """The words that these events state of their person."""
    found: set[str] = set()
    for event in events:
        if event.kind not in _WHOLE:
            continue
        for fact in event.facts:
            if event.kind == "patient" and fact.name in _NAMES:
                found.update(parts_of(fact.value))
            elif fact.name in _WHOLE[event.kind] and (word := whole(fact.value)):
                found.add(word)
    return frozenset(found)


def since(before: PersonRecord, after: PersonRecord, keys: KeyRing) -> list[dict[str, Any]]:
    """The rows of words that a step of a lane learnt."""
    known = {event.id for event in before.events}
    new = words_of(event for event in after.events if event.id not in known)
    if not new:
        return []
    return _rows(after.person, new - words_of(before.events), keys)


def _rows(person: str, words: Iterable[str], keys: KeyRing) -> list[dict[str, Any]]:
    return [{"blind": keys.blind("word", word), "person": person} for word in sorted(words)]


def number_of(number: str, keys: KeyRing) -> str:
    """The blind index of a payer's own number of a claim; nothing where there is none."""
    return keys.blind("payer's number", number) if number else ""


def lanes_named(connection: Connection, text: str, keys: KeyRing, limit: int) -> tuple[str, ...]:
    """The lanes of which every word of the text was stated, or the text as one number, by id; at most so many."""
    asked: list[Sequence[str]] = [parts_of(text), (whole(text),)]
    found: dict[str, None] = {}
    for words in asked:
        blinds = [keys.blind("word", word) for word in words if word]
        if not blinds:
            continue
        table = schema.words
        fitting = select(table.c.person).where(table.c.blind == blinds[0])
        for blind in blinds[1:]:
            fitting = fitting.where(table.c.person.in_(select(table.c.person).where(table.c.blind == blind)))
        found.update(dict.fromkeys(connection.execute(fitting.order_by(table.c.person).limit(limit)).scalars()))
    return tuple(found)[:limit]


def fill(connection: Connection, keys: KeyRing) -> None:
    """Write what schema 0007 asks of rows that are older: columns of claims, and the words of persons without any."""
    from adapters.store.records import CLAIMS, EVENTS  # they write words themselves

    claims, events, persons = schema.claims, schema.events, schema.persons
    change = update(claims).where(claims.c.id == bindparam("of_id"))
    old = select(claims.c.person, claims.c.id, claims.c.key_id, claims.c.sealed).where(claims.c.built.is_(None))
    for rows in connection.execute(old).partitions(_BATCH):
        opened = [keys.open(r.key_id, r.sealed, CLAIMS.place_of(r.person, r.id)) for r in rows]
        values = codec.decode_all(CLAIMS.decoder, opened, claims.name)
        told = [{"of_id": r.id, **CLAIMS.told(v, keys)} for r, v in zip(rows, values, strict=True)]
        connection.execute(change, told)
    without = select(persons.c.id).where(~persons.c.id.in_(select(schema.words.c.person)))
    of_person = select(events.c.id, events.c.key_id, events.c.sealed).where(events.c.person == bindparam("lane"))
    for lane in connection.execute(without).scalars().all():
        found = connection.execute(of_person, {"lane": lane}).all()
        opened = [keys.open(r.key_id, r.sealed, EVENTS.place_of(lane, r.id)) for r in found]
        if named := _rows(lane, words_of(codec.decode_all(EVENTS.decoder, opened, events.name)), keys):
            connection.execute(insert(schema.words), named)
