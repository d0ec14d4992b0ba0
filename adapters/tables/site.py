"""The tables a site writes itself: charge master, fees, enrolment, what was billed before, facilities.

CSV with a header in its first row; names are taken without regard to capitals, blanks, hyphens and underscores, under
any of the words listed here. A column with another name is refused, so that a misspelt one is not silently left out,
unless it begins with `x-`.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from adapters.model.live import Live
from adapters.model.site import Setting
from adapters.model.tables import EnrolmentRow, FacilityRow, FeeRow, LocalRow, OpeningRow, TableKind
from adapters.tables.days import day
from adapters.tables.sheet import Found, Record, plain
from adapters.tables.source import Lines

_DELIMITERS: Final = (",", "\t", ";", "|")
_OWN: Final = re.compile(r"^\s*x[-_ ]", re.I)
_REVENUE: Final = re.compile(r"[0-9]{3,4}")
_ENTITY: Final = ("entity", "billing entity")
_FROM: Final = ("from", "start", "start date", "effective", "effective date", "effective from", "valid from")
_TO: Final = ("to", "end", "end date", "until", "through", "effective to", "valid to")
_CODE: Final = ("code", "hcpcs", "hcpcs code", "cpt", "cpt hcpcs", "hcpcs cpt", "procedure code")
_MODIFIERS: Final = ("modifiers", "modifier", "mods", "mod")
_STATUSES: Final = {
    "enrolled": "enrolled",
    "active": "enrolled",
    "pending": "pending",
    "not-enrolled": "not-enrolled",
    "not enrolled": "not-enrolled",
    "terminated": "not-enrolled",
}
_ZONE: Final = re.compile(r"[A-Za-z]+(?:/[A-Za-z0-9_+-]+)+|UTC")


@dataclass(frozen=True, slots=True)
class SiteColumn:
    """A column of a site's table with the words it may stand under."""

    name: str
    words: tuple[str, ...]
    required: bool = True


COLUMNS: Final[dict[TableKind, tuple[SiteColumn, ...]]] = {
    TableKind.CDM: (
        SiteColumn("local", ("local", "local code", "charge code", "cdm", "cdm code", "item", "service code")),
        SiteColumn("code", _CODE),
        SiteColumn("modifiers", _MODIFIERS, required=False),
        SiteColumn("revenue", ("revenue", "revenue code", "rev code", "rev"), required=False),
        SiteColumn("price", ("price", "amount", "charge", "unit price"), required=False),
        SiteColumn("entity", _ENTITY, required=False),
        SiteColumn("start", _FROM),
        SiteColumn("end", _TO, required=False),
        SiteColumn("description", ("description", "label", "name"), required=False),
    ),
    TableKind.FEES: (
        SiteColumn("code", _CODE),
        SiteColumn("modifiers", _MODIFIERS, required=False),
        SiteColumn("payer", ("payer", "payer id", "plan"), required=False),
        SiteColumn("entity", _ENTITY, required=False),
        SiteColumn("amount", ("amount", "price", "fee", "charge", "unit price")),
        SiteColumn("start", _FROM),
        SiteColumn("end", _TO, required=False),
    ),
    TableKind.ENROLMENT: (
        SiteColumn("npi", ("npi", "provider npi", "practitioner npi")),
        SiteColumn("entity", _ENTITY, required=False),
        SiteColumn("payer", ("payer", "payer id", "plan")),
        SiteColumn("status", ("status", "enrolment status", "enrollment status")),
        SiteColumn("start", _FROM),
        SiteColumn("end", _TO, required=False),
        SiteColumn("name", ("name", "practitioner", "provider"), required=False),
    ),
    TableKind.OPENING: (
        SiteColumn("system", ("system", "authority", "assigning authority", "identifier system")),
        SiteColumn("identifier", ("identifier", "mrn", "patient", "patient id", "medical record number")),
        SiteColumn("service", ("service", "service family", "family")),
        SiteColumn("code", _CODE),
        SiteColumn("modifiers", _MODIFIERS, required=False),
        SiteColumn("units", ("units", "quantity", "qty")),
        SiteColumn("day", ("day", "date", "date of service", "dos", "service date")),
        SiteColumn("entity", _ENTITY, required=False),
        SiteColumn("claim", ("claim", "claim number", "claim id"), required=False),
        SiteColumn("course", ("course", "course id"), required=False),
        SiteColumn("key", ("key", "slot", "number", "fraction"), required=False),
    ),
    TableKind.FACILITIES: (
        SiteColumn("id", ("id", "facility", "facility id", "code")),
        SiteColumn("name", ("name", "facility name")),
        SiteColumn("npi", ("npi", "facility npi"), required=False),
        SiteColumn("setting", ("setting", "kind", "place", "type")),
        SiteColumn("zone", ("zone", "time zone", "timezone")),
        SiteColumn("aliases", ("aliases", "alias", "also"), required=False),
    ),
    TableKind.LIVE: (
        SiteColumn("service", ("service", "service family", "family")),
        SiteColumn("payer", ("payer", "payer id", "plan"), required=False),
        SiteColumn("entity", _ENTITY, required=False),
        SiteColumn("shadow", ("shadow from", "shadow"), required=False),
        SiteColumn("live", ("live from", "live")),
    ),
}
"""What a row says beyond its columns here (a description) is read by nobody: a column may stand there for people."""


def header(kind: TableKind, lines: Lines) -> Found | list[str]:
    """The header of a site's table, or everything that is wrong with it."""
    columns = COLUMNS[kind]
    given = _first_row(lines)
    if given is None:
        return ["there is no header in the first row"]
    names = [plain(name) for name in given.names]
    raw = given.names
    faults: list[str] = []
    places: dict[str, int] = {}
    for at, name in enumerate(names):
        if not name or _OWN.match(raw[at]):
            continue
        column = next((c for c in columns if name in c.words), None)
        if column is None:
            faults.append(f"unknown column {raw[at].strip()[:40]!r}: name it x-… if it is for people")
        elif column.name in places:
            faults.append(f"the column {column.name} is there twice")
        else:
            places[column.name] = at
    faults += [f"the column {c.name} is missing" for c in columns if c.required and c.name not in places]
    return faults or Found(given.delimiter, given.lines, places, raw)


def _first_row(lines: Lines) -> Found | None:
    """The first row that is not empty, by the delimiter there is most of in it; its places are not known yet."""
    for at, line in enumerate(lines.peek()):
        if line.strip("\t ,;|\r\n"):
            delimiter = max(_DELIMITERS, key=line.count)
            try:
                names = tuple(next(csv.reader([line], delimiter=delimiter, strict=True)))
            except csv.Error:
                return None
            return Found(delimiter, at + 1, {}, names)
    return None


def local(record: Record) -> LocalRow:
    """A line of the charge master."""
    revenue = record.text("revenue")
    if revenue and not _REVENUE.fullmatch(revenue):
        record.fault("revenue is not a code of three or four digits", revenue)
    start, end = _window(record)
    return LocalRow(
        local=record.needed("local"),
        code=record.code(),
        modifiers=record.modifiers(),
        revenue=revenue.zfill(4) if revenue else "",
        price=record.amount("price"),
        entity=record.text("entity"),
        start=start,
        end=end,
    )


def fee(record: Record) -> FeeRow | None:
    """A fee."""
    start, end = _window(record)
    record.needed("amount")
    amount = record.amount("amount")
    row = (record.code(), record.modifiers(), record.text("payer"), record.text("entity"))
    return None if amount is None else FeeRow(*row, amount, start, end)


def enrolment(record: Record) -> EnrolmentRow:
    """A practitioner's enrolment with a payer."""
    start, end = _window(record)
    said = record.text("status").lower()
    record.one_of("status", _STATUSES, said)
    return EnrolmentRow(
        npi=record.npi(),
        entity=record.text("entity"),
        payer=record.needed("payer"),
        status=_STATUSES.get(said, ""),
        start=start,
        end=end,
    )


def opening(record: Record) -> OpeningRow:
    """A line billed elsewhere."""
    text = record.needed("day")
    found = day(text)
    if text and found is None:
        record.fault("day is no date")
    units = record.whole("units")
    if units == 0 and not record.faults:
        record.fault("units are zero")
    return OpeningRow(
        system=record.needed("system"),
        identifier=record.needed("identifier"),
        service=record.needed("service"),
        code=record.code(),
        modifiers=record.modifiers(),
        units=units,
        day=found or date.min,
        entity=record.text("entity"),
        claim=record.text("claim"),
        course=record.text("course"),
        key=record.text("key"),
    )


def facility(record: Record) -> FacilityRow:
    """A facility; its aliases are parted by a bar or a semicolon."""
    zone = record.needed("zone")
    if zone and not _ZONE.fullmatch(zone):
        record.fault("zone is not a time zone by its name (America/Chicago)", zone)
    aliases = tuple(alias for part in re.split(r"[|;]", record.text("aliases")) if (alias := part.strip()))
    if len(set(aliases)) < len(aliases):
        record.fault("aliases lists one twice")
    return FacilityRow(
        id=record.needed("id"),
        name=record.needed("name"),
        npi=record.npi(optional=True),
        setting=record.one_of("setting", [*Setting], record.text("setting").lower()),
        zone=zone,
        aliases=aliases,
    )


def live(record: Record) -> Live:
    """From when on a scope is compared and claimed."""
    shadow, claimed = _day_of(record, "shadow"), _day_of(record, "live")
    if shadow is None and claimed is None:
        record.fault("neither shadow_from nor live_from is there")
    if shadow is not None and claimed is not None and shadow > claimed:
        record.fault("shadow_from is after live_from")
    return Live(record.text("entity"), record.text("payer"), record.text("service"), shadow, claimed)


def _day_of(record: Record, column: str) -> date | None:
    text = record.text(column)
    found = day(text) if text else None
    if text and found is None:
        record.fault(f"{column} is no date", text)
    return found


def _window(record: Record) -> tuple[date, date | None]:
    start, end = record.start(), record.end()
    record.window(start, end)
    return start, end
