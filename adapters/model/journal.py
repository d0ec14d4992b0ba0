"""The journal: everything that can change a result, in one order, with actor and time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class JournalKind(StrEnum):
    """What kind of thing was learned."""

    MESSAGE = "message"
    """HL7 v2 or FHIR from a feed."""
    ANSWER = "answer"
    """What a payer answered to a submission, a poll or a search; or that no answer came."""
    CALL = "call"
    """That a claim is about to be sent, or why it is not: written before the call leaves."""
    DECISION = "decision"
    """What a person decided or knows."""
    RULES = "rules"
    """A rule set or table edition put in force, by digest."""
    SITE = "site"
    """Site settings put in force, by digest."""
    EHR = "ehr"
    """How far an EHR was asked, or that it told us of news (what is fetched then is a message); how a question to the
    clinic stands."""
    FEED = "feed"
    """What was heard of a feed until when: that it is silent, speaks again, left something out."""
    USER = "user"
    """That somebody may sign in to the pages, under which role, or not any more; that one did; that a name rests;
    that a user had a parked message read again."""
    TICK = "tick"
    """The clock reached an instant on which something fell due."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry. `id` is uuid5 of feed and digest, so the same bytes from the same feed are one entry however often they come."""

    seq: int
    id: str
    kind: JournalKind
    at: datetime
    actor: str
    """Who brought it: `feed:aria`, `history:aria` (taken as history), `payer:medicare`, `person:kim`, `clock`."""
    media: str
    """`hl7v2`, `fhir`, `json`."""
    control: str
    """The sender's own id of it (MSH-10, Bundle.identifier or id), empty when it has none."""
    digest: str
    """SHA-256 of the body, hex."""
    body: bytes
