"""Entries about what is in force: written by nobody's lane, found by the key of their control id.

All functions work inside a transaction that the caller holds.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, bindparam, select

from adapters.model.journal import JournalEntry
from adapters.ports import Receipt
from adapters.store import codec, journal
from adapters.store.journal import control_key, opened
from adapters.store.keys import KeyRing
from adapters.store.schema import State
from adapters.store.schema import journal as table

_OF_KEY: Final = select(table).where(table.c.control_key == bindparam("key"))
_ALL: Final = _OF_KEY.order_by(table.c.seq)
_LAST: Final = _OF_KEY.order_by(table.c.seq.desc()).limit(1)


def noted(connection: Connection, channel: str, control: str, keys: KeyRing) -> tuple[JournalEntry, ...]:
    """All entries of the channel with this control id, in order."""
    rows = connection.execute(_ALL, {"key": control_key(channel, "", control)}).mappings()
    return tuple(opened(row, keys) for row in rows)


def last_noted(connection: Connection, channel: str, control: str, keys: KeyRing) -> JournalEntry | None:
    """The last of them, or None."""
    row = connection.execute(_LAST, {"key": control_key(channel, "", control)}).mappings().one_or_none()
    return None if row is None else opened(row, keys)


def note(connection: Connection, receipt: Receipt, keys: KeyRing) -> JournalEntry:
    """Write an entry that concerns no lane: nobody reads it out of the queue."""
    arrival = journal.prepare(receipt, keys)
    journal.append(connection, [arrival.row], State.TAKEN, codec.micros(receipt.at))
    last = last_noted(connection, receipt.channel, receipt.control, keys)
    if last is None or last.id != arrival.id:
        raise AssertionError("an entry just written is not the last of its kind")
    return last
