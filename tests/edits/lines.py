"""Lines as an edit meets them, made of one derived line, and what a screening says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from adapters.edits import Screened, screen
from adapters.model.charge import Charge, Component, Slot
from adapters.model.tables import Tables
from adapters.pipeline import House
from tests.model.clinic import background, contexts, derived, fraction, house

DAY = date(2026, 2, 2)


def center(**more: object) -> House:
    """A freestanding centre, where one entity bills everything."""
    return house("freestanding", **more)


def over(tables: Tables, at: House | None = None) -> House:
    """The house with these editions in force."""
    at = at or center()
    return House.of(at.rules, at.site, tables)


_MODEL = derived([fraction("2026-02-02T09:00", 1)], center()).charges[0]


def line(
    code: str, *modifiers: str, units: int = 1, day: date = DAY, entity: str = "center", which: str = ""
) -> Charge:
    """A due line of the code."""
    return replace(
        _MODEL,
        slot=Slot(_MODEL.slot.episode, "other", which or f"{code}|{'-'.join(modifiers)}|{day}", f"{entity}:global"),
        code=code,
        modifiers=modifiers,
        units=units,
        start=day,
        end=day,
        entity=entity,
        component=Component.GLOBAL,
        price=Decimal(100),
    )


def looked_at(lines: Sequence[Charge], at: House | None = None) -> Screened:
    """The screening of the lines."""
    at = at or center()
    return screen(lines, contexts(at, background()), at.rules)


def passed(result: Screened) -> list[str]:
    """Codes with their modifiers that may go out, sorted."""
    return sorted("-".join((c.code, *c.modifiers)) for c in result.charges)


def kept(result: Screened) -> list[tuple[str, str]]:
    """(hold, code with modifiers) of what is held, sorted."""
    return sorted((h.code, "-".join((h.would.code, *h.would.modifiers))) for h in result.holds if h.would)
