"""Spans of time: their minutes, what two have in common, what one has alone, and when a further hour began.

All instants are UTC, so that a night on which the clocks change has its true length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

Span = tuple[datetime, datetime]
"""From an instant to a later one, the end not included."""

_MINUTE: Final = timedelta(minutes=1)


def union(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The spans in order, joined where they touch: no instant is in two of them; empty ones are left out."""
    spans = tuple(spans)
    if len(spans) < 2:
        return spans if spans and spans[0][0] < spans[0][1] else ()
    joined: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def minutes(spans: Sequence[Span]) -> int:
    """Whole minutes in all; seconds of several spans add up before they are cut."""
    if len(spans) == 1:
        ((start, end),) = spans
        return (end - start) // _MINUTE if start < end else 0
    return sum((end - start for start, end in union(spans)), timedelta()) // _MINUTE


def without(spans: Iterable[Span], others: Iterable[Span]) -> tuple[Span, ...]:
    """What of the spans lies in none of the others."""
    whole = union(spans)
    if not whole:
        return ()
    first, last = whole[0][0], whole[-1][1]
    near = [other for other in others if first < other[1] and other[0] < last]
    left: Sequence[Span] = whole
    for start, end in union(near) if near else ():
        left = [
            piece
            for low, high in left
            for piece in ((low, min(high, start)), (max(low, end), high))
            if piece[0] < piece[1]
        ]
    return tuple(left)


def common(spans: Sequence[Span], others: Sequence[Span]) -> tuple[Span, ...]:
    """What of the spans lies in one of the others."""
    return without(spans, without(spans, others))


def after(spans: Sequence[Span], elapsed: int) -> datetime:
    """The instant at which so many minutes of the spans have run; their end where they are shorter."""
    left = timedelta(minutes=elapsed)
    for start, end in spans:
        if left < end - start:
            return start + left
        left -= end - start
    return spans[-1][1]


def further_hours(ran: int, least: int) -> int:
    """Hours after the first that so many minutes earn, each with at least `least` minutes past the billed hour (1.2 T4).

    >>> [further_hours(m, 31) for m in (16, 90, 91, 150, 151, 210, 211)]
    [0, 0, 1, 1, 2, 2, 3]
    """
    return max(0, (ran - 60 - least) // 60 + 1)
