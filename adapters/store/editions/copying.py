"""Editions from one place to another of another kind: out of a PostgreSQL database into a folder, and back.

Between two folders the files themselves are copied (`editions.copied`). Here rows are read, and written as they were
loaded; the edition keeps its digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from adapters.errors import BadSetup
from adapters.model.tables import TableKind
from adapters.store.editions.place import Draft, Entry, Place, Written
from adapters.store.editions.rows import Canonical, Packing, Wording
from adapters.store.keys import KeyRing
from adapters.store.refusals import Damaged
from adapters.tables import Heading, digest_of, row_of
from adapters.tables.questions import keys_of

_CHUNK: Final = 50_000
"""Rows that go to the target in one call."""


def carried(source: Place, target: Place, digests: Iterable[str], keys: KeyRing | None) -> tuple[str, ...]:
    """Bring those of these editions into the target that it has not yet; the digests that the source does not have.

    Raises `BadSetup` where an edition is not what was loaded or the target cannot be written.
    """
    wanted = tuple(dict.fromkeys(digests))
    if not wanted:
        return ()
    here = {entry.edition.digest: entry for entry in source.catalogue()}
    there = {entry.edition.digest for entry in target.catalogue()}
    for digest in wanted:
        if digest in here and digest not in there:
            _carry(source, target, here[digest], keys)
    return tuple(digest for digest in wanted if digest not in here and digest not in there)


def _carry(source: Place, target: Place, entry: Entry, keys: KeyRing | None) -> None:
    edition = entry.edition
    volume = source.volume(entry)
    try:
        # The place's own check: of pairs that were loaded out of order the digest cannot be taken again.
        if wrong := volume.faults():
            raise BadSetup(wrong)
        with target.draft() as draft:
            packing = Packing()
            pairs = edition.kind is TableKind.NCCI
            rows = _pairs(volume.whole(), packing, draft) if pairs else _others(volume.whole(), entry, draft, keys)
            digest = digest_of(Heading(edition.kind, edition.scope, edition.release, edition.start, edition.end), rows)
            if entry.ordered and digest != edition.digest:
                raise BadSetup((f"edition {edition.digest}: its rows are not those of its digest",))
            notes = ((number, *note) for note, number in packing.notes.items())
            draft.publish(edition, notes, ordered=entry.ordered)
    except Damaged as damaged:
        raise BadSetup((str(damaged),)) from None
    finally:
        volume.close()


def _pairs(rows: Iterable[Canonical], pack: Packing, draft: Draft) -> Iterator[Canonical]:
    chunk = []
    for values in rows:
        chunk.append(pack(values))
        if len(chunk) == _CHUNK:
            draft.add_pairs(chunk)
            chunk.clear()
        yield values
    if chunk:
        draft.add_pairs(chunk)


def _others(rows: Iterable[Canonical], entry: Entry, draft: Draft, keys: KeyRing | None) -> Iterator[Canonical]:
    chunk: list[Written] = []
    word = Wording(entry.edition.kind, keys)
    for place, values in enumerate(rows):
        found_by = tuple(word.key(key) for key in keys_of(row_of(entry.edition.kind, values)))
        chunk.append(Written(place, found_by, *word.written(values, place)))
        if len(chunk) == _CHUNK:
            draft.add_rows(chunk)
            chunk.clear()
        yield values
    if chunk:
        draft.add_rows(chunk)
