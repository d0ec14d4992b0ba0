"""The open work list for the page that people keep open all day: every item, in their own order, many times an hour.

Sealed rows are decrypted once; what is read again unchanged (the same bytes) is taken from memory, so that a look costs
what reading the rows costs. Nothing is remembered of items that are no longer open.
"""

from __future__ import annotations

import threading
from typing import Final

from sqlalchemy import Connection, select

from adapters.model.lists import WorkListed
from adapters.store import codec, records
from adapters.store.keys import KeyRing
from adapters.store.schema import claims, work_items

_OPEN: Final = (
    select(work_items.c.id, work_items.c.person, work_items.c.key_id, work_items.c.sealed, claims.c.payer)
    .join_from(work_items, claims, claims.c.id == work_items.c.about, isouter=True)
    .where(work_items.c.closed.is_(None))
)


class OpenWork:
    """The open items, kept decrypted as long as they stay as they are. Safe to use from many threads."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        self._known: dict[str, tuple[bytes, WorkListed, str | None]] = {}

    def listed(self, connection: Connection) -> tuple[WorkListed, ...]:
        """All open items, each with the payer of the claim that it is about; in no order."""
        rows = connection.execute(_OPEN).all()
        with self._lock:
            known = self._known
        # By place, for speed: id, lane, key, sealed, payer.
        fresh = [row for row in rows if (kept := known.get(row[0])) is None or kept[0] != row[3] or kept[2] != row[4]]
        opened = [self._keys.open(key_id, sealed, _place(person, id)) for id, person, key_id, sealed, _ in fresh]
        items = codec.decode_all(records.WORK.decoder, opened, work_items.name)
        made = {
            id: (sealed, WorkListed(item, payer or ""), payer)
            for (id, _, _, sealed, payer), item in zip(fresh, items, strict=True)
        }
        whole = {row[0]: made.get(row[0]) or known[row[0]] for row in rows} if made else known
        if len(whole) > len(rows):
            whole = {row[0]: whole[row[0]] for row in rows}
        with self._lock:
            self._known = whole
        return tuple([one for _, one, _ in whole.values()])


def _place(person: str, id: str) -> str:
    return records.WORK.place_of(person, id)
