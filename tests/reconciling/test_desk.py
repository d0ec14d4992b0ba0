"""Prices and places as a reconciliation asks for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from adapters.model.charge import Component
from adapters.model.site import Price
from adapters.pipeline import House
from adapters.pipeline.step import person_contexts
from adapters.reconciling import Desk
from tests.model.clinic import assembled, background, house, rules, site

DAY = date(2026, 3, 2)
SINCE = date(2020, 1, 1)


def desk(at: House) -> Desk:
    return Desk(person_contexts(assembled(background()), at), at.rules, at.prices)


def test_what_is_missed_is_priced_by_who_bills_that_part() -> None:
    fees = [
        Price("77427", "", entity, Decimal(amount), SINCE) for entity, amount in (("hospital", 90), ("physicians", 50))
    ]
    at = house("hospital", fees=fees)
    (place,) = at.site.facilities
    asked = desk(at)
    assert asked.price("77427", DAY, place, (Component.PROFESSIONAL,)) == 5000
    assert asked.price("77427", DAY, place, (Component.TECHNICAL,)) == 9000
    assert asked.price("77407", DAY, place) == asked.price("", DAY, place) == 0, "nobody has a price"


def test_an_entity_of_two_places_is_at_the_first_and_a_strange_one_too() -> None:
    known = site("both")
    hospital, centre = known.facilities
    shared = replace(centre, entities=(*centre.entities, *hospital.entities))
    asked = desk(House.of(rules(), replace(known, facilities=(hospital, shared))))
    assert asked.place_of("hospital") == hospital
    assert asked.place_of("center") == shared
    assert asked.place_of("nobody") == hospital
