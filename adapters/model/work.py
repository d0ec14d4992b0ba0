"""A work item: something that waits for a person, with its next step and deadline."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from adapters.model.money import Cents

NAMESPACE: Final = uuid.UUID("b7c0a1de-52c7-5d5a-8a5e-0b1f6d2f9c01")
"""Namespace of item ids; fixed, so that the same trouble always has the same id."""


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One thing for one person to do. `key` says what it is about, so that the same trouble twice is one item."""

    id: str
    kind: str
    """hold, denial, unmatched-response, out-of-balance, provider-adjustment, payment-again (a number of a payment used for
    another), unknown-outcome, missed-charge, feed-silent, parked-message, refused-claim …"""
    code: str
    """The hold code, CARC, or reason that the registry of labels explains."""
    about: str
    """Id of the charge, claim, message or response concerned."""
    category: str
    action: str
    due: date | None
    amount: Cents
    opened: datetime
    person: str = ""
    """Lane of the person concerned; empty for matters of no person (an unreadable message)."""
    detail: str = ""
    """One sentence without PHI."""
    assigned: str = ""
    closed: datetime | None = None
    closed_why: str = ""
    closed_by: str = ""
    """The person who decided it; empty where it closed by itself."""


def item_id(kind: str, about: str, code: str) -> str:
    """Id of the item for this trouble; the same trouble twice is one item."""
    return str(uuid.uuid5(NAMESPACE, f"{kind}|{about}|{code}"))


def open_item(
    kind: str,
    code: str,
    about: str,
    *,
    category: str,
    action: str,
    opened: datetime,
    amount: Cents = 0,
    due: date | None = None,
    person: str = "",
    detail: str = "",
    which: str = "",
) -> WorkItem:
    """A new item. `which` tells items of one kind and code about one thing apart (the line of a claim)."""
    id = item_id(kind, f"{about}|{which}" if which else about, code)
    return WorkItem(id, kind, code, about, category, action, due, amount, opened, person, detail)
