"""Code sets in records of fixed columns: HCPCS Level II (320 bytes) and ICD-10-CM (order file, code file).

Positions are those of the record layouts that CMS publishes beside the files; here they are counted from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from adapters.model.tables import CodeRow, DiagnosisRow
from adapters.tables.days import NEVER, day
from adapters.tables.sheet import Column, Record, find_header, records, shown, tidy
from adapters.tables.source import Lines
from adapters.tables.spans import ALWAYS, Spans

LEVEL_II: Final = (
    Column("code", r"^hcpcs?( code)?$"),
    Column("record", r"^recid$|^record id(entification code)?$", required=False),
    Column("long", r"^long desc(ription)?$"),
    Column("short", r"^short desc(ription)?$"),
    Column("pricing", r"^(multiple )?pric(e|ing)( ind(icator)?)?( ?1)?( code)?$", required=False),
    Column("coverage", r"^cov(erage)?( code)?$", required=False),
    Column("start", r"^add(ed)? (dt|date)$"),
    Column("end", r"^term(ination)? (dt|date)$"),
)
_CODE: Final = re.compile(r"[A-Z][0-9]{4}")
_MODIFIER: Final = re.compile(r"[0-9A-Z]{2}")
_RECORD: Final = re.compile(r"(?:[A-Z][0-9]{4}|   [0-9A-Z]{2})[0-9]{5}[3478]")
_FIRST: Final = frozenset("37")
"""Record ids of a code's first line (3 code, 7 modifier); 4 and 8 are its further lines."""
_ORDER: Final = re.compile(r"(\d{5}) ([A-Z][0-9A-Z]{2}[0-9A-Z ]{4}) ([01]) (.{1,60})(?: (.*))?")
_LISTED: Final = re.compile(r"([A-Z][0-9A-Z]{2}[0-9A-Z ]{4}) (\S.*)")


@dataclass(slots=True)
class _Gathered:
    """A code whose lines are being put together."""

    line: int
    code: str
    modifier: bool
    long: str
    short: str
    pricing: str
    coverage: str
    added: str
    ended: str


def is_level_ii_text(lines: Lines) -> bool:
    """Whether the file has records of the HCPCS layout."""
    return any(_RECORD.match(line) for line in lines.peek())


def level_ii(lines: Lines, spans: Spans) -> Iterator[CodeRow]:
    """The codes and modifiers of an alpha-numeric HCPCS file, as records or as the workbook's columns saved as CSV."""
    found = find_header(lines, LEVEL_II)
    given = _from_records(lines) if found is None else _from_sheet(records(lines, found, preface="code"), lines)
    for code in given:
        row = _code_row(code, lines)
        key = f"{'modifier ' if code.modifier else ''}{code.code}"
        if row is not None and spans.take(key, row.start, row.end, lines.file, code.line):
            yield row


def _from_records(lines: Lines) -> Iterator[_Gathered]:
    """Code 1-5 (a modifier 4-5), sequence 6-10, record id 11, long 12-91, short 92-119, pricing 120-121, coverage 230,
    added 269-276, last day 285-292."""
    held: _Gathered | None = None
    begun = False
    for line in lines:
        text = line.rstrip("\r\n")
        if not _RECORD.match(text):
            if begun and text.strip():
                lines.complain("the line is no record of the HCPCS layout")
            continue
        begun = True
        code, long = text[:5].strip(), text[11:91].ljust(80)
        if text[10] in _FIRST:
            if held is not None:
                yield held
            if len(text) < 292 and len(text.rstrip()) < 276:
                lines.complain(f"the record has {len(text)} characters: it is cut off")
                held = None
                continue
            held = _Gathered(
                line=lines.number,
                code=code,
                modifier=text[10] == "7",
                long=long,
                short=text[91:119],
                pricing=text[119:121].strip(),
                coverage=text[229:230].strip(),
                added=text[268:276].strip(),
                ended=text[284:292].strip(),
            )
        elif held is not None and held.code == code:
            held.long += long
        else:
            lines.complain(f"{code} goes on without its first line")
    if held is not None:
        yield held


def _from_sheet(given: Iterator[Record], lines: Lines) -> Iterator[_Gathered]:
    held: _Gathered | None = None
    for record in given:
        code, id_ = record.text("code").upper(), record.text("record")
        if held is not None and id_ in {"4", "8"} and held.code == code:
            held.long += f" {record.text('long')}"
            continue
        if held is not None:
            yield held
            held = None
        modifier = len(code) == 2
        if not (_MODIFIER if modifier else _CODE).fullmatch(code):
            lines.problems.add(
                lines.file, record.line, f"neither a code nor a modifier of HCPCS Level II: {shown(code)}"
            )
            continue
        held = _Gathered(
            line=record.line,
            code=code,
            modifier=modifier,
            long=record.text("long"),
            short=record.text("short"),
            pricing=record.text("pricing"),
            coverage=record.text("coverage"),
            added=record.text("start"),
            ended=record.text("end"),
        )
    if held is not None:
        yield held


def _code_row(code: _Gathered, lines: Lines) -> CodeRow | None:
    start, end = day(code.added), day(code.ended) if code.ended else None
    faults: list[str] = []
    if start is None:
        faults.append(f"{code.code} was added on no date: {shown(code.added)}")
    if code.ended and end is None:
        faults.append(f"{code.code} ends on no date: {shown(code.ended)}")
    if start is not None and end is not None and end < start:
        faults.append(f"{code.code} ends on {end}, before it was added on {start}")
    for fault in faults:
        lines.problems.add(lines.file, code.line, fault)
    if faults or start is None:
        return None
    end = None if end == NEVER else end
    return CodeRow(
        code=code.code,
        modifier=code.modifier,
        short=tidy(code.short),
        long=tidy(code.long),
        start=start,
        end=end,
        coverage=code.coverage,
        pricing=code.pricing,
    )


def is_diagnosis_text(lines: Lines) -> bool:
    """Whether the file begins as an order file or a code file of ICD-10-CM."""
    first = next((line.rstrip("\r\n") for line in lines.peek() if line.strip()), "")
    return bool(_ORDER.fullmatch(first) or _LISTED.fullmatch(first))


def diagnoses(lines: Lines, spans: Spans) -> Iterator[DiagnosisRow]:
    """The codes of an order file (number 1-5, code 7-13, billable 15, short 17-76, long 78 on), headings included; or of
    a code file (code 1-7, long 9 on), which lists the billable ones only."""
    start: date = ALWAYS[0]
    for line in lines:
        text = line.rstrip("\r\n")
        if not text.strip():
            continue
        if ordered := _ORDER.fullmatch(text):
            code, billable = ordered[2].strip(), ordered[3] == "1"
            short, long = tidy(ordered[4]), tidy(ordered[5] or "")
        elif listed := _LISTED.fullmatch(text):
            code, billable, short, long = listed[1].strip(), True, "", tidy(listed[2])
        else:
            lines.complain("the line has not the columns of an ICD-10-CM file")
            continue
        if " " in code:
            lines.complain(f"not an ICD-10-CM code: {shown(code)}")
        elif spans.take(code, start, None, lines.file, lines.number):
            yield DiagnosisRow(code, billable, short, long)
