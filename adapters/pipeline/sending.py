"""What leaves and when: the bytes of a claim for its payer, and the due rows that make a ready claim leave.

The same claim always gives the same bytes (the instant in them is the start of the day on which it was built), so that
a repeated call says exactly what the first one said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Final

from adapters.fhir import check, wire
from adapters.fhir.claim import document
from adapters.model.claim import Claim, ClaimOnFile, ClaimState
from adapters.model.record import Due, PersonRecord, Tick
from adapters.model.site import Payer, Site

CALLS: Final = frozenset({"send", "repeat", "poll", "search"})
"""What a due row may ask of a payer; `claim` (a billing cycle closes) is the one that asks nothing of anybody."""


@dataclass(frozen=True, slots=True)
class Document:
    """A claim as it would leave: its bytes, and everything that forbids sending them."""

    body: bytes
    problems: tuple[str, ...] = ()


def document_of(claim: Claim, payer: Payer) -> Document:
    """The bytes of the claim in the form of its payer's profile, checked (R4 Claim; see `fhir.check`)."""
    created = datetime.combine(claim.built_on, time.min, UTC)
    value = document(claim, profile=payer.endpoint, created=created)
    return Document(wire.dumps(value), check.problems(value))


def may_repeat(on_file: ClaimOnFile, payer: Payer, at: datetime) -> bool:
    """Whether the same bytes may be sent again at that instant: the payer's profile declares it harmless, and the window
    in which it knows the first call (Stripe and Stedi keep keys for a day or so) is not over."""
    window = payer.endpoint.idempotent_seconds
    if not payer.endpoint.idempotent or not window or not on_file.submitted_at:
        return payer.endpoint.idempotent
    return at < datetime.fromisoformat(on_file.submitted_at) + timedelta(seconds=window)


def with_sending(record: PersonRecord, site: Site, tick: Tick) -> PersonRecord:
    """A due row `send` for every ready claim whose payer can be called, and for no other claim.

    A row that is there keeps its instant: a claim that the payer did not take waits as long as it was told to.
    """
    ready = {c.claim.id: c.claim.payer.id for c in record.claims if c.state is ClaimState.READY}
    callable_ = {id for id, payer in ready.items() if (p := site.payer(payer)) is not None and p.endpoint.base_url}
    waiting = {due.about for due in record.due if due.what == "send"}
    kept = tuple(due for due in record.due if due.what != "send" or due.about in callable_)
    added = tuple(Due("send", id, tick.now) for id in ready if id in callable_ and id not in waiting)
    return record if not added and len(kept) == len(record.due) else replace(record, due=(*kept, *added))
