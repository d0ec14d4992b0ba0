"""What all lists of the pages have in common: filters from an address, the address of the next part, whole lists as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Final, TypeVar
from urllib.parse import urlencode

from adapters.model.lists import Page

T = TypeVar("T")

MOST: Final = 20_000
"""Rows of a file; a longer list is cut there."""
AT_ONCE: Final = 500
"""Rows that are read at a time for a file."""
_EARLIEST: Final = date(1900, 1, 1)
"""A day before it is none: nothing was done then, and so many days before it may be no day at all."""


def address(path: str, filters: Mapping[str, str], **more: str) -> str:
    """A path with those filters that say something."""
    said = {name: value for name, value in {**filters, **more}.items() if value}
    return f"{path}?{urlencode(said)}" if said else path


def chosen(query: Mapping[str, str], *names: str) -> dict[str, str]:
    """The filters that an address states, without blanks around them."""
    return {name: query.get(name, "").strip() for name in names}


def day_of(text: str) -> date | None:
    """A day as a form gives it; None for none or for what is no day."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day >= _EARLIEST else None


def whole_of(text: str) -> int | None:
    """A number of days as a form gives it, up to ten years; None for what is none."""
    return min(int(text), 3660) if text.isdecimal() and len(text) <= 6 else None


def every(ask: Callable[[str, int], Page[T]], most: int = MOST) -> Iterator[T]:
    """A list from its beginning, part by part, up to so many things."""
    after, given = "", 0
    while True:
        part = ask(after, AT_ONCE)
        for thing in part.things:
            if given == most:
                return
            given += 1
            yield thing
        if not part.after:
            return
        after = part.after
