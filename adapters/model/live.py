"""From which dates of service we claim: a site goes live by billing entity, payer and service family.

A row names what it is of (empty: of any) and two days. The most specific row that fits a line says both: one that names
more goes before one that names less, and of two that name as many the service family goes before the payer, the payer
before the entity. A row that was decided (`oncoclaims golive`) takes the place of the site file's of the very same scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

INFUSION: Final = "infusion"
RADIATION: Final = "radiation"
OF_INFUSION: Final = frozenset({"administration", "drug", "visit"})
"""Service families of infusions and drugs; all others are of radiation."""
GROUPS: Final = (RADIATION, INFUSION)
"""Words for all service families of one kind of treatment, in place of one family."""


class Stage(StrEnum):
    """How far the site is with a line."""

    BEFORE = "before"
    """Billed elsewhere, and not compared: derived for counts and windows alone."""
    SHADOW = "shadow"
    """Billed elsewhere, and compared with what we would bill."""
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Live:
    """From when on something is compared, and from when on it is claimed."""

    entity: str = ""
    """Id of a billing entity."""
    payer: str = ""
    """Id of a payer."""
    service: str = ""
    """A service family, or one of `GROUPS`."""
    shadow_from: date | None = None
    """First date of service that is compared; None: all before `live_from` are."""
    live_from: date | None = None
    """First date of service that is claimed; None: none is yet."""
    place: str = ""
    """Where it is said: a place of the site file, or the edition of the decision."""

    @property
    def scope(self) -> tuple[str, str, str]:
        """What it is of."""
        return (self.entity, self.payer, self.service)

    @property
    def words(self) -> str:
        """What it is of, for people."""
        return ", ".join(word for word in (self.service, self.payer, self.entity) if word) or "everything"

    def fits(self, entity: str, payer: str, service: str) -> bool:
        """Whether it is of such a line."""
        group = INFUSION if service in OF_INFUSION else RADIATION
        return self.entity in ("", entity) and self.payer in ("", payer) and self.service in ("", service, group)

    def stage(self, day: date) -> Stage:
        """How far the site is with a line of this date of service."""
        if self.live_from is not None and day >= self.live_from:
            return Stage.LIVE
        if self.shadow_from is not None and day < self.shadow_from:
            return Stage.BEFORE
        return Stage.SHADOW


def governing(rows: Iterable[Live], entity: str, payer: str, service: str) -> Live | None:
    """The row that says it of such a line: the most specific one; None where none fits, and all is claimed."""
    fitting = [row for row in rows if row.fits(entity, payer, service)]
    return max(fitting, key=_rank, default=None)


def _rank(row: Live) -> tuple[int, bool, bool, bool]:
    named = sum(map(bool, row.scope))
    return (named, row.service not in ("", *GROUPS), row.service != "", row.payer != "")


def decided_over(site: Iterable[Live], decided: Iterable[Live]) -> tuple[Live, ...]:
    """The rows of the site file with those that were decided in the place of them or beside them."""
    rows = {row.scope: row for row in site}
    rows.update({row.scope: row for row in decided})
    return tuple(rows[scope] for scope in sorted(rows))


def live_problems(
    rows: Iterable[Live], entities: Iterable[str], payers: Iterable[str], services: Iterable[str]
) -> Iterator[str]:
    """What contradicts itself or names what is not there, each with its place."""
    known = {"entity": set(entities), "payer": set(payers), "service family": {*services, *GROUPS, *OF_INFUSION}}
    said: dict[tuple[str, str, str], Live] = {}
    for row in rows:
        for what, name in zip(known, row.scope, strict=True):
            if name and name not in known[what]:
                yield f"{row.place}: there is no {what} {name!r}"
        if row.shadow_from is None and row.live_from is None:
            yield f"{row.place}: neither shadow_from nor live_from is there"
        elif row.shadow_from is not None and row.live_from is not None and row.shadow_from > row.live_from:
            yield f"{row.place}: shadow_from {row.shadow_from} is after live_from {row.live_from}"
        other = said.setdefault(row.scope, row)
        if (other.shadow_from, other.live_from) != (row.shadow_from, row.live_from):
            yield f"{row.place}: says another day of {row.words} than {other.place}"
