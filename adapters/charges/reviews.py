"""Reviews of images: the session's own word, or a report that names it (radiation-oncology.md 2.6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from adapters.model.episode import Episode, Occurrence
from adapters.model.why import Fact

_REVIEWED_AT: Final = "guidance.reviewed_at"
_UNNAMED: Final = frozenset({""})


class Review(NamedTuple):
    """When a session's images were first reviewed, the facts that say so, and by whom if that is said."""

    at: datetime
    facts: tuple[Fact, ...]
    by: str = ""


def reviews_of(episode: Episode, sessions: Sequence[Occurrence]) -> Mapping[str, Review]:
    """The first review of each session that has images, by the session's key."""
    apart = _apart(episode)
    return {
        session.key: review
        for session in sessions
        if session.value("guidance", "none") != "none" and (review := _first(session, apart))
    }


def _apart(episode: Episode) -> Mapping[str, Sequence[Review]]:
    """The reviews of images that were reported apart from their session, by what they name as theirs."""
    found: dict[str, list[Review]] = defaultdict(list)
    for one in episode.of("igrt-review"):
        if stated := one.fact(_REVIEWED_AT):
            review = Review(datetime.fromisoformat(stated.value), (one.named, stated), one.value("by"))
        else:
            review = Review(one.start, (one.named,), one.value("by"))
        for name in {one.value("about"), one.value("uid")} - _UNNAMED:
            found[name].append(review)
    return found


def _first(session: Occurrence, reviews: Mapping[str, Sequence[Review]]) -> Review | None:
    """The first review of the session's images: its own word, or a report that names it."""
    stated = session.fact(_REVIEWED_AT)
    found = [Review(datetime.fromisoformat(stated.value), (stated,))] if stated else []
    if reviews:
        for name in dict.fromkeys((session.value("uid"), session.key, *[report.line for report in session.reports])):
            found += reviews.get(name, ())
    if len(found) < 2:
        return found[0] if found else None
    return min(found, key=lambda review: (review.at, review.facts[0].source, review.facts[0].name))
