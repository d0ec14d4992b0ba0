"""The open work list for the page that people keep open all day: every item, in their own order, many times an hour.

Sealed rows are read and decrypted once; what was not sealed anew since (the same nonce) is taken from memory, so that a
look costs what reading ids and nonces costs. Nothing is remembered of items that are no longer open.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, func, select

from adapters.model.lists import WorkListed
from adapters.model.work import WorkItem
from adapters.store import listing, records
from adapters.store.keys import KeyRing
from adapters.store.schema import claims, work_items

_NONCE: Final = 12
"""Bytes at the beginning of what is sealed, fresh for each sealing (`keys`)."""
_AT_ONCE: Final = 500
"""Items that are read by their ids with one question."""
_OPEN: Final = (
    select(work_items.c.id, func.substr(work_items.c.sealed, 1, _NONCE), claims.c.payer)
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
        # By place, for speed: id, nonce, payer.
        fresh = {
            row[0]: row for row in rows if (kept := known.get(row[0])) is None or kept[0] != row[1] or kept[2] != row[2]
        }
        made = {
            item.id: (bytes(fresh[item.id][1]), WorkListed(item, fresh[item.id][2] or ""), fresh[item.id][2])
            for item in self._read(connection, tuple(fresh))
            if item.closed is None
        }
        whole = known
        if fresh or len(known) > len(rows):
            # One that went or closed since the first question is left out: what is known of it is not so any more.
            found = ((row[0], made.get(row[0]) if row[0] in fresh else known[row[0]]) for row in rows)
            whole = {id: one for id, one in found if one is not None}
        with self._lock:
            self._known = whole
        return tuple([one for _, one, _ in whole.values()])

    def _read(self, connection: Connection, ids: Sequence[str]) -> Iterable[WorkItem]:
        for start in range(0, len(ids), _AT_ONCE):
            some = work_items.c.id.in_(ids[start : start + _AT_ONCE])
            yield from (of.value for of in listing.everyones(connection, records.WORK, self._keys, some))
