"""What an event of a visit for drugs says of its drug, its vials, its rate and its pump, as facts of the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from adapters.cases.case import Happening
from adapters.cases.document import items, text, tree

ONE_VISIT: Final = "the case"
"""The encounter of administrations that name none: all of a case are one (cases/*/README)."""


def said_of(event: Happening) -> Iterator[tuple[str, str]]:
    """Facts of the event's nested fields."""
    yield "visit", event.text("encounter") or ONE_VISIT
    drug = tree(event.get("drug"))
    yield "drug.name", text(drug.get("name"))
    if event.kind != "visit":
        yield "code", text(drug.get("hcpcs"))
    for name, value in (("dose", drug.get("administered")), ("waste", drug.get("wasted"))):
        quantity = tree(value)
        yield name, text(quantity.get("value"))
        yield f"{name}.unit", text(quantity.get("unit"))
    yield "acquired", text(drug.get("acquired")).casefold()
    for container in map(tree, items(drug.get("containers"))):
        volume = tree(container.get("volume"))
        amount = f"{text(volume['value'])}|{text(volume['unit'])}" if volume else ""
        said = (text(container.get(name)) for name in ("count", "strength", "unit", "type", "ndc"))
        yield "vial", "|".join((*said, amount))
    for name in ("volume", "rate"):
        quantity = tree(event.get(name))
        yield name, text(quantity.get("value"))
        yield f"{name}.unit", text(quantity.get("unit"))
    pump = tree(event.get("pump"))
    for name, field in (
        ("pump.owner", "owner"),
        ("pump.goes_home", "goes_home"),
        ("pump.type", "type"),
        ("pump.hours", "planned_hours"),
    ):
        yield name, text(pump.get(field))
