"""One coded charge of another system as a line of ours: its code, entity, price and drug."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final

from adapters.charges.doses import ndc_of
from adapters.charges.lines import Bench
from adapters.charges.prices import revenue_of
from adapters.model.charge import Charge, Component, Slot
from adapters.model.episode import visit_number
from adapters.model.event import Event, Status
from adapters.model.site import BillingEntity, Facility
from adapters.model.tables import LocalRow, TableKind
from adapters.model.why import Fact, Source, Why

OTHER: Final = "other"
_OF_A_SESSION: Final = frozenset({"delivery", "guidance"})


@dataclass(frozen=True, slots=True)
class Coded:
    """A coded charge in our words."""

    event: Event
    line: Charge
    why: Why
    credit: bool = False
    """Whether it takes its units away from what was charged of the same code, modifiers and date."""
    more: tuple[Event, ...] = ()
    """Further coded charges and credits that the line is the sum of."""


def coded_line(bench: Bench, event: Event) -> Coded | None:
    """The coded charge as a line; withdrawn ones are accounted for, unknown local codes are held."""
    if event.status is not Status.DONE:
        bench.skip(event, "withdrawn" if event.status is Status.WITHDRAWN else "not-done")
        return None
    place = bench.contexts.place(event.value("facility"), event.feed)
    local = event.value("local_code")
    listed = _listed(bench, local, event.day, place)
    code = event.value("code") or (listed.code if listed else bench.contexts.site.crosswalk.get(local, ""))
    facts = tuple(
        fact
        for fact in event.facts
        if fact.name in ("code", "local_code", "modifier", "units", "type", "credit", "ndc", "diagnosis", "by")
    )
    facts = (Fact("event", f"coded charge on {event.day.isoformat()}", event.source), *facts)
    if listed is not None:
        facts = (*facts, _said_by_master(bench, listed, event.day))
    why = Why(bench.ref("coded-charges", event.day), facts)
    if not code:
        bench.hold("local-code-unknown", OTHER, _own_key(event, OTHER), why, about=event.id)
        return None
    attributes = bench.rules.attributes(code, event.day)
    service = bench.rules.service_of(code) or OTHER
    # The charge description master speaks for its own code only: a line that names another code has left it.
    listed = listed if listed is not None and listed.code == code else None
    modifiers = event.values("modifier") or (listed.modifiers if listed else ())
    entity, component = _who(place, modifiers, attributes.pctc if attributes else "")
    price, priced = bench.price(code, modifiers, entity.id, event.day, place)
    if listed is not None and listed.price:
        price, priced = listed.price, ()
    why = replace(why, facts=(*why.facts, *priced))
    units = event.value("units", "1")
    ndc = ndc_of(event.value("ndc")) or event.value("ndc")
    line = Charge(
        slot=Slot(bench.episode.id, service, _own_key(event, service), f"{entity.id}:{component}"),
        code=code,
        modifiers=modifiers,
        units=int(units.partition(".")[0] or "1"),
        price=price,
        start=event.day,
        end=event.day,
        diagnoses=tuple(dict.fromkeys(event.values("diagnosis"))) or bench.contexts.diagnoses,
        component=component,
        entity=entity.id,
        rendering=event.value("by"),
        ordering=event.value("ordered_by"),
        revenue=_revenue(bench, event, listed, code, service),
        visit=visit_number(bench.episode, said) if (said := event.value("visit")) else "",
        series=event.value("series"),
        served=f"{event.start.isoformat()} {event.said.isoformat()}",
        ndc=ndc,
        ndc_quantity=Decimal(event.value("ndc.quantity")) if ndc and event.value("ndc.quantity") else None,
        ndc_unit=event.value("ndc.unit") if ndc and event.value("ndc.quantity") else "",
        why=why,
    )
    return Coded(event, line, why, event.flag("credit") is True)


def _listed(bench: Bench, local: str, day: date, place: Facility) -> LocalRow | None:
    """The line of the loaded charge description master for a local code at the place: one for its entities before one
    for any, then the one that began last; None where no edition is loaded or it does not have the code."""
    tables = bench.rules.tables
    if tables is None or not local:
        return None
    entities = {"", *(entity.id for entity in place.entities)}
    rows = [row for row in tables.local(local, day) if row.entity in entities]
    return max(rows, key=lambda row: (row.entity != "", row.start, row.code, row.modifiers), default=None)


def _revenue(bench: Bench, event: Event, listed: LocalRow | None, code: str, service: str) -> str:
    """The revenue code as the report says it, else the charge master's line, else the site file; of four digits."""
    said = event.value("revenue").strip()
    if said.isascii() and said.isdigit() and len(said) in (3, 4):
        return said.zfill(4)
    return (listed.revenue if listed is not None else "") or revenue_of(bench.contexts.site, code, service)


def _said_by_master(bench: Bench, listed: LocalRow, day: date) -> Fact:
    loaded = bench.rules.loaded
    edition = None if loaded is None else loaded.edition(TableKind.CDM, day)
    says = "-".join((listed.code, *listed.modifiers))
    price = f" at {listed.price}" if listed.price else ""
    return Fact("charge master", f"{says}{price}", Source("rules", edition.name if edition else "cdm"))


def _own_key(event: Event, service: str) -> str:
    """The session's UID where the service is one that a session owes once, else the line itself."""
    uid = next((key for key in event.keys if key.startswith("uid:")), "") if service in _OF_A_SESSION else ""
    return uid or f"line:{event.line}"


def _who(place: Facility, modifiers: Sequence[str], pctc: str) -> tuple[BillingEntity, Component]:
    """Which entity bills a coded line, and what part: by its modifier, else by the PC/TC indicator (5.8)."""
    single = next((e for e in place.entities if e.bills is Component.GLOBAL), None)
    if "26" in modifiers or pctc in ("0", "2"):
        wanted = Component.PROFESSIONAL
    elif "TC" in modifiers or pctc == "3":
        wanted = Component.TECHNICAL
    else:
        wanted = Component.GLOBAL if single else Component.TECHNICAL
    entity = single or next((e for e in place.entities if e.bills is wanted), place.entities[0])
    return entity, wanted
