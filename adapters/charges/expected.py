"""Doses that orders and bookings lead one to expect, set against those that were reported.

An order for one time is one dose; an order of several says nothing of how many, and is never missed. A dose is of the
order whose number it bears, on whatever day it was given: late is not missed. A dose that names no order known here is of
an order for the same drug and day. What was reported as not given answers its order too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from adapters.charges.doses import amount, as_billed, up
from adapters.charges.doses_told import DOSES, NO_NEEDLE, orders_of, route_of
from adapters.charges.drugs import Refused, billing_unit
from adapters.charges.lines import Bench
from adapters.model.episode import Episode, Occurrence
from adapters.model.event import BEDSIDE, Event, Status
from adapters.model.money import Cents, extend

ORDER: Final = "order"
APPOINTMENT: Final = "appointment"
_GIVEN: Final = (*sorted(DOSES), "pump-start")
_NOT_EXPECTED: Final = frozenset({"held", "cancelled", "discontinued", "deleted", "no-show"})


@dataclass(frozen=True, slots=True)
class Regimen:
    """What was expected and is not reported, and what was given beyond it."""

    open: tuple[Event, ...] = ()
    """Orders and bookings of which nothing is reported; their day may be to come."""
    extra: tuple[Occurrence, ...] = ()
    """Doses beyond the one that their order asks for."""
    unordered: tuple[Occurrence, ...] = ()
    """Doses that no order is of, on a day for which doses were ordered."""


def regimen(context: Iterable[Event], episodes: Iterable[Episode]) -> Regimen:
    """The current context events of a person against all that was given; the order of neither plays a part."""
    events = [event for event in context if event.kind in (ORDER, APPOINTMENT)]
    orders = _ordered(events)
    doses = [one for episode in episodes if episode.kind == "infusion" for one in episode.occurrences if _told(one)]
    known = {number for event in events for number in orders_of(event)}
    numbers = [_numbers(one) for one in doses]
    of_dose = _matched(orders, doses, numbers, known)
    answered = set(of_dose.values())
    days = {order.day for order in orders}
    left = [j for j, one in enumerate(doses) if one.happened and j not in of_dose]
    given = {number for j, i in of_dose.items() if doses[j].happened for number in orders_of(orders[i])}
    repeated = {number for event in events if event.flag("repeats") for number in orders_of(event)}
    missed = [order for i, order in enumerate(orders) if i not in answered]
    booked = _booked(events, days | {one.day for one in doses})
    return Regimen(
        open=tuple(sorted((*missed, *booked), key=lambda event: (event.day, event.line, event.id))),
        extra=tuple(doses[j] for j in left if numbers[j] & given and not numbers[j] & repeated),
        unordered=tuple(doses[j] for j in left if not numbers[j] & known and doses[j].day in days),
    )


def _told(one: Occurrence) -> bool:
    """Whether it says that a dose was given, or was not; one that was taken back says nothing."""
    return one.kind in _GIVEN and one.status is not Status.WITHDRAWN


def _numbers(one: Occurrence) -> frozenset[str]:
    return frozenset(number for report in one.reports for number in orders_of(report))


def _ordered(events: Iterable[Event]) -> list[Event]:
    """The doses that were ordered, each once: two systems may tell of one order."""
    found: list[Event] = []
    seen: set[tuple[str, object]] = set()
    for event in sorted(events, key=lambda event: (event.day, event.line, event.id)):
        if event.kind != ORDER or not _of_one_dose(event):
            continue
        signs = {(number, event.day) for number in orders_of(event)}
        if not signs & seen:
            found.append(event)
        seen |= signs
    return found


def _of_one_dose(order: Event) -> bool:
    drug = order.value("drug") or order.value("drug.name")
    wanted = order.value("expects", "infusion") in _GIVEN and route_of(order.value("route")) != NO_NEEDLE
    standing = order.status is Status.DONE and order.value("state") not in _NOT_EXPECTED
    return bool(drug) and wanted and standing and bool(order.value("scheduled")) and not order.flag("repeats")


def _booked(events: Iterable[Event], told: set[object]) -> list[Event]:
    """Bookings of visits for drugs on days of which neither an order nor a dose tells."""
    return [
        event
        for event in events
        if event.kind == APPOINTMENT
        and event.status is Status.DONE
        and event.value("state") not in _NOT_EXPECTED
        and event.value("expects") in BEDSIDE - {"office-visit"}
        and event.day not in told
    ]


def _matched(
    orders: Sequence[Event], doses: Sequence[Occurrence], numbers: Sequence[frozenset[str]], known: set[str]
) -> dict[int, int]:
    """Position of a dose → position of its order: by number, the nearest in days first; else by drug on the same day."""
    pairs: list[tuple[bool, int, int, str, int, int]] = []
    for i, order in enumerate(orders):
        own = set(orders_of(order))
        for j, one in enumerate(doses):
            by_number = bool(own & numbers[j])
            if by_number or (not numbers[j] & known and one.day == order.day and _same_drug(order, one)):
                apart = abs((one.day - order.day).days)
                pairs.append((not by_number, not one.happened, apart, one.start.isoformat(), i, j))
    found: dict[int, int] = {}
    for *_, i, j in sorted(pairs):
        if j not in found and i not in found.values():
            found[j] = i
    return found


def _same_drug(order: Event, one: Occurrence) -> bool:
    names = ("code", "drug", "drug.name")
    said = {(name, value.casefold()) for name in names if (value := order.value(name))}
    return any((name, one.value(name).casefold()) in said for name in names)


# ---------------------------------------------------------------- what a dose is worth


@dataclass(frozen=True, slots=True)
class Worth:
    """What the drug of a dose would be billed for; nothing where its code, unit or price is not known."""

    code: str = ""
    units: int = 0
    amount: Cents = 0


def worth(bench: Bench, dose: Occurrence) -> Worth:
    """Units and charge of the drug alone, by the dose that was ordered or given; wastage is not known before."""
    code = dose.value("code")
    unit = billing_unit(bench, dose) if code else Refused("", "")
    said = amount(dose.value("dose"), dose.value("dose.unit"))
    if isinstance(unit, Refused) or said is None:
        return Worth(code)
    quantity = as_billed(said, unit[0].unit, ())
    if quantity is None:
        return Worth(code)
    units = up(quantity / unit[0].value)
    place = bench.place(dose)
    prices = (bench.price(code, (), entity.id, dose.day, place)[0] for entity in place.entities)
    price: Decimal | None = next((price for price in prices if price is not None), None)
    return Worth(code, units, 0 if price is None else extend(price, units))


def as_ordered(order: Event) -> Occurrence:
    """The dose that an order or a booking is of, as if it had been given: to ask what it would be worth."""
    return Occurrence(
        "infusion", order.line, order.start, order.day, order.status, order.course, order.facts, (order,), order.end
    )
