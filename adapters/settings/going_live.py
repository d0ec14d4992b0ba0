"""What the site file says of going live: at entities, payers and families, and in rows that name several of them."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.model.live import Live, live_problems
from adapters.rules import Ruleset
from adapters.settings.forms import LiveDays, SitePart


def live_of(said: SitePart) -> tuple[Live, ...]:
    """Every row that the site file gives, with its place; a family's at one facility is one for each entity there."""
    return tuple(_rows(said))


def _rows(said: SitePart) -> Iterator[Live]:
    for facility in said.facilities:
        for entity in facility.entities:
            if _speaks(entity):
                place = f"facilities.{facility.id}.entities.{entity.id}"
                yield Live(entity.id, "", "", entity.shadow_from, entity.live_from, place)
    for payer in said.payers:
        if _speaks(payer):
            yield Live("", payer.id, "", payer.shadow_from, payer.live_from, f"payers.{payer.id}")
    for number, family in enumerate(said.families):
        if not _speaks(family):
            continue
        entities = [e.id for f in said.facilities if f.id == family.facility for e in f.entities]
        for id in entities if family.facility else [""]:
            place = f"families.{number}.{family.service}"
            yield Live(id, "", family.service, family.shadow_from, family.live_from, place)
    for number, row in enumerate(said.live):
        yield Live(row.entity, row.payer, row.service, row.shadow_from, row.live_from, f"live.{number}")


def _speaks(part: LiveDays) -> bool:
    return part.shadow_from is not None or part.live_from is not None


def problems_of_live(said: SitePart, rules: Ruleset) -> Iterator[str]:
    """What is wrong with the rows, each with its place."""
    entities = [e.id for f in said.facilities for e in f.entities]
    yield from live_problems(live_of(said), entities, [p.id for p in said.payers], services_of(rules))


def services_of(rules: Ruleset) -> frozenset[str]:
    """The service families that there are: those of the codes, and the one of a code that is none of ours."""
    return frozenset({"other", *(rows[0].service for rows in rules.codes.values())})
