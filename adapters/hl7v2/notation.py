"""Notations of dates and numbers that a feed agreed on beside those of HL7 v2, brought into the form of `values`.

The standard writes 20260105143000 and 12.5; feeds also write 2026-01-05T14:30, 01/05/2026 or 12,5. Which of them a
feed may use is its dialect (`dates`, `decimal_comma`): read by guess, 01/05 would be two different days.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

_TIME: Final = r"(?:[T ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?(?:\.[0-9]{1,9})?)?"
_OFFSET: Final = r"(?P<offset>Z|[+-][0-9]{2}:?[0-9]{2})?"

NOTATIONS: Final[dict[str, re.Pattern[str]]] = {
    "iso": re.compile(rf"(?P<year>[0-9]{{4}})-(?P<month>[0-9]{{2}})-(?P<day>[0-9]{{2}}){_TIME}{_OFFSET}"),
    "us": re.compile(rf"(?P<month>[0-9]{{1,2}})/(?P<day>[0-9]{{1,2}})/(?P<year>[0-9]{{4}}){_TIME}{_OFFSET}"),
    "european": re.compile(
        rf"(?P<day>[0-9]{{1,2}})[./](?P<month>[0-9]{{1,2}})[./](?P<year>[0-9]{{4}}){_TIME}{_OFFSET}"
    ),
}
"""By the name that a dialect gives it. `us` and `european` exclude one another: both write 01/05/2026."""


def in_hl7(text: str, notations: Collection[str]) -> str:
    """The text as HL7 v2 writes a time, where it is of one of the notations; else the text unchanged."""
    trimmed = text.strip(" ")
    for name in notations:
        form = NOTATIONS.get(name)
        match = form.fullmatch(trimmed) if form else None
        if match is not None:
            said = match.groupdict()
            date = f"{said['year']}{int(said['month']):02}{int(said['day']):02}"
            time = f"{said['hour']}{said['minute']}{said['second'] or ''}" if said["hour"] else ""
            offset = said["offset"] or ""
            return date + time + ("+0000" if offset == "Z" else offset.replace(":", ""))
    return text


_WITH_COMMA: Final = re.compile(r"[+-]?[0-9]+,[0-9]+")


def with_point(text: str) -> str:
    """A number written with a decimal comma, with a point; any other text unchanged (`1.234,5` is not guessed at)."""
    return text.replace(",", ".") if _WITH_COMMA.fullmatch(text.strip(" ")) else text
