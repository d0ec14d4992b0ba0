"""What a value looks like, in words of a closed list: how a feed may be described without repeating what it sent."""

from __future__ import annotations

import re
from typing import Final

from adapters.hl7v2.notation import in_hl7
from adapters.hl7v2.values import parse_number, parse_ts
from adapters.model.codes import is_procedure_code

_HL7_FORMS: Final = {
    4: "YYYY",
    6: "YYYYMM",
    8: "YYYYMMDD",
    10: "YYYYMMDDHH",
    12: "YYYYMMDDHHMM",
    14: "YYYYMMDDHHMMSS",
}
_HL7: Final = re.compile(r"(?P<digits>[0-9]{4,14})(?P<fraction>\.[0-9]+)?(?P<offset>[+-][0-9]{4})?")
_SLASHED: Final = re.compile(r"([0-9]{1,2})[./]([0-9]{1,2})[./][0-9]{4}(?:[T ].*)?")
_UID: Final = re.compile(r"[0-9]+(?:\.[0-9]+){3,}")
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,15}")
_FLAGS: Final = frozenset({"Y", "N", "YES", "NO", "TRUE", "FALSE", "T", "F"})

SHAPES: Final = (
    "null", "date", "time", "iso date", "slashed date", "flag", "procedure code", "whole", "decimal", "uid", "code",
    "text",
)  # fmt: skip
"""All that `shape_of` may say; an empty value has no shape."""


def date_form(text: str) -> str:
    """The notation of a time: `YYYYMMDDHHMMSS`, with `+offset` where one was sent; `iso`, `us`, `european`,
    `us or european` where both fit; `impossible` for a form that is no day of the calendar, else `other`.
    """
    trimmed = text.strip(" ")
    match = _HL7.fullmatch(trimmed)
    if match is not None and len(match["digits"]) in _HL7_FORMS:
        if parse_ts(trimmed) is None:
            return "impossible"
        form = _HL7_FORMS[len(match["digits"])] + (".S" if match["fraction"] else "")
        return form + ("+offset" if match["offset"] else "")
    found = []
    for name in ("iso", "us", "european"):
        written = in_hl7(trimmed, (name,))
        if written != trimmed:
            found.append((name, parse_ts(written) is not None))
    possible = [name for name, sound in found if sound]
    if possible:
        return " or ".join(possible)
    return "impossible" if found else "other"


def offset_of(text: str) -> str:
    """The offset from UTC that a time states, empty where it states none."""
    match = re.search(r"(?<=[0-9])([+-](?:0[0-9]|1[0-4])[0-5][0-9])$", text.strip(" "))
    return match[1] if match else ""


def shape_of(text: str) -> str:
    """What a value looks like, a word of `SHAPES`."""
    trimmed = text.strip()
    upper = trimmed.upper()
    stamp = parse_ts(trimmed)
    if trimmed == '""':
        return "null"
    if stamp is not None and stamp.day is not None:
        return "time" if stamp.has_time else "date"
    if in_hl7(trimmed, ("iso",)) != trimmed:
        return "iso date"
    if _SLASHED.fullmatch(trimmed):
        return "slashed date"
    if upper in _FLAGS:
        return "flag"
    if is_procedure_code(upper):
        return "procedure code"
    if parse_number(trimmed) is not None:
        return "decimal" if "." in trimmed else "whole"
    if _UID.fullmatch(trimmed):
        return "uid"
    return "code" if _CODE.fullmatch(trimmed) else "text"
