"""Tables held in memory: for tests, for cases, for a site that has loaded nothing; the measure of every other kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date

from adapters.model.tables import Edition, PairRow, Row, TableKind
from adapters.tables.canonical import digest_of_set
from adapters.tables.questions import Questions, R, answering, holds, keys_of, place

_Index = Mapping[str, Sequence[Row]]


class HeldTables(Questions):
    """`model.tables.Tables` over editions and their rows in memory."""

    def __init__(self, editions: Sequence[tuple[Edition, Sequence[Row]]]) -> None:
        """Take the editions in force with their rows; two with one digest are one."""
        by_digest = {edition.digest: (edition, rows) for edition, rows in editions}
        held = sorted(by_digest.values(), key=lambda held: place(held[0]))
        self._indexes: dict[str, _Index] = {edition.digest: _index(rows) for edition, rows in held}
        self.editions: Sequence[Edition] = tuple(edition for edition, _ in held)
        """See `Tables.editions`."""
        self.digest = digest_of_set(edition.digest for edition in self.editions)
        """See `Tables.digest`."""

    def edition(self, kind: TableKind, day: date, scope: str = "") -> Edition | None:
        """See `Tables.edition`."""
        return answering(self.editions, kind, day, scope)

    def pairs(self, codes: Collection[str], day: date, scope: str) -> Sequence[PairRow]:
        """See `Tables.pairs`."""
        asked = set(codes)
        found = (row for code in sorted(asked) for row in self.rows(PairRow, TableKind.NCCI, code, day, scope))
        return tuple(sorted((row for row in found if row.column2 in asked and holds(row, day)), key=_pair))

    def rows(self, of: type[R], kind: TableKind, key: str, day: date, scope: str = "") -> Iterator[R]:
        """See `Questions.rows`."""
        found = self.edition(kind, day, scope)
        if found is not None:
            for row in self._indexes[found.digest].get(key, ()):
                if isinstance(row, of):
                    yield row

    def has(self, kind: TableKind, key: str) -> bool:
        """See `Questions.has`."""
        return any(key in self._indexes[edition.digest] for edition in self.editions if edition.kind is kind)


def _pair(row: PairRow) -> tuple[str, str]:
    return (row.column1, row.column2)


def _index(rows: Iterable[Row]) -> _Index:
    index: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        for key in keys_of(row):
            index[key].append(row)
    return dict(index)
