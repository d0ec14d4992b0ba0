"""Published tables with one row a code: fee schedule (PPRRVU), payment limits of drugs (ASP), NDC packages, reasons.

Of the fee schedule's file the description of a code is not read: it is the AMA's.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from datetime import date
from typing import Final

from adapters.model.tables import DrugPriceRow, PackageRow, ReasonRow, ScheduleRow
from adapters.tables.days import day
from adapters.tables.sheet import Column, Record

FEE_SCHEDULE: Final = (
    Column("code", r"(^| )hcpcs( code)?$"),
    Column("modifier", r"(^| )mod(ifier)?$"),
    Column("status", r"(^| )(status|code status)( code| ind| indicator)?$"),
    Column("pctc", r"(^| )pc ?tc( ind| indicator)?$"),
    Column("global", r"(^| )glob(al)?( days| surgery)?$", required=False),
    Column("multiple", r"(^| )mult(iple)?( proc| procedure)?( ind)?$", required=False),
    Column("supervision", r"diagnostic procedures$|supervision", required=False),
    Column("work", r"(^| )work( rvu)?$", required=False),
    # Both columns may be called NA INDICATOR: the first of the two, which nothing here reads, is the one of other places.
    Column("nonfacility_na", r"^(non ?fac(ility)? (pe )?)?na( ind| indicator)?$", required=False),
    Column("facility_na", r"^(fac(ility)? (pe )?)?na( ind| indicator)?$", required=False),
    Column("nonfacility", r"(^| )non ?fac(ility)?( rvu)? total( rvu)?$|^total non ?fac(ility)? rvu$", required=False),
    Column(
        "facility", r"^(?!.*\bnon ?fac).*\bfac(ility)?( rvu)? total( rvu)?$|^total fac(ility)? rvu$", required=False
    ),
)
DRUG_PRICES: Final = (
    Column("code", r"^hcpcs( code)?$"),
    Column("name", r"^short desc(ription|riptor)?$", required=False),
    Column("dosage", r"^hcpcs( code)? dosage$"),
    Column("limit", r"^payment limit$"),
)
PACKAGES: Final = (
    Column("code", r"^(20\d\d )?code$|^hcpcs( level ii)?( code)?( defer to dcdrg)?$"),
    Column("labeler", r"^labell?er( name)?$", required=False),
    Column("ndc", r"^ndc2?$|^ndc (code|number)$"),
    Column("name", r"^drug name$", required=False),
    Column("dosage", r"^hcpcs( code)? dosage$"),
    Column("size", r"^pkg size$|^package size$"),
    Column("quantity", r"^pkg qty$|^package (qty|quantity)$"),
    Column("units", r"^bill ?units$|^billing units$"),
    Column("units_package", r"^bill ?units ?pkg$|^billing units (per )?(pkg|package)$"),
)
REASONS: Final = (
    Column(
        "code", r"^(carc |rarc |reason |remark |claim adjustment reason |remittance advice remark )?code$|^(carc|rarc)$"
    ),
    Column("text", r"^(code |long |full )?(description|desc|text|message|definition)$"),
    Column("start", r"^(start|effective|eff|begin)( date)?$", required=False),
    Column(
        "end", r"^(stop|end|deactivation|deactivated|inactive|termination|to be deactivated)( date)?$", required=False
    ),
)

_STATUSES: Final = frozenset("ABCDEFGHIJLMNPQRTX")
_PCTC: Final = frozenset("0123456789")
_NDC: Final = re.compile(r"(\d{1,5})-(\d{1,4})-(\d{1,2})|(\d{11})")
_LIFE: Final = re.compile(r"\s*\bStart:\s*(?P<start>[\d/-]+)(?P<rest>.*)$", re.S)
_STOP: Final = re.compile(r"\bStop:\s*([\d/-]+)")
_ADJUSTMENT: Final = re.compile(r"[A-LO-Z]?[0-9]{1,3}")
_REMARK: Final = re.compile(r"(?:MA|M|N)[0-9]{1,3}")


def schedule(record: Record) -> ScheduleRow:
    """A row of the relative value file."""
    return ScheduleRow(
        code=record.code(),
        modifier=record.modifier(),
        status=record.one_of("status", _STATUSES, record.text("status").upper()),
        pctc=record.one_of("pctc", _PCTC, record.text("pctc")),
        global_days=record.text("global"),
        multiple=record.text("multiple"),
        supervision=record.text("supervision"),
        work=record.amount("work"),
        facility=record.amount("facility"),
        nonfacility=record.amount("nonfacility"),
        facility_na=record.text("facility_na").upper() == "NA",
    )


def drug_price(record: Record) -> DrugPriceRow:
    """A row of the payment limit file; an empty limit means that none is published."""
    return DrugPriceRow(record.code(), record.text("dosage"), record.amount("limit"), record.text("name"))


def package(record: Record) -> PackageRow:
    """A row of the crosswalk from NDC to HCPCS."""
    text = record.needed("ndc")
    found = _NDC.fullmatch(text)
    ndc = ""
    if found:
        ndc = found[4] or found[1].zfill(5) + found[2].zfill(4) + found[3].zfill(2)
    elif text:
        record.fault("ndc is not an NDC of eleven digits or of three parts", text)
    return PackageRow(
        code=record.code(),
        ndc=ndc,
        name=record.text("name"),
        labeler=record.text("labeler"),
        dosage=record.text("dosage"),
        size=record.amount("size"),
        quantity=record.amount("quantity"),
        units=record.amount("units"),
        units_package=record.amount("units_package"),
    )


def adjustment_reason(record: Record) -> ReasonRow:
    """A row of the list of claim adjustment reason codes."""
    return _reason(record, _ADJUSTMENT, "a claim adjustment reason code")


def remark(record: Record) -> ReasonRow:
    """A row of the list of remittance advice remark codes."""
    return _reason(record, _REMARK, "a remittance advice remark code")


def _reason(record: Record, form: re.Pattern[str], what: str) -> ReasonRow:
    """Its days stand in columns, or behind the text as X12's page has them: `Start: 01/01/1995 | Stop: 10/16/2003`."""
    code = record.needed("code").upper()
    if code and not form.fullmatch(code):
        record.fault(f"code is not {what}", code)
    text = record.needed("text")
    start, end = None, record.end()
    if life := _LIFE.search(text):
        text = text[: life.start()].strip()
        start = day(life["start"])
        if stop := _STOP.search(life["rest"]):
            end = end or day(stop[1])
    if record.text("start") or start is None:
        start = record.start()
    record.window(start, end)
    return ReasonRow(code, text, start, end)


def schedule_key(row: ScheduleRow) -> Hashable:
    """What may stand once in a fee schedule."""
    return (row.code, row.modifier)


def package_key(row: PackageRow) -> Hashable:
    """What may stand once in a crosswalk: an NDC may bill under several codes."""
    return (row.code, row.ndc)


def reason_days(row: ReasonRow) -> tuple[date, date | None]:
    """The days on which a reason may be used."""
    return row.start, row.end
