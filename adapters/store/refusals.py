"""What the store refuses, beside being down: each is a bug or a second hand on the same rows, never a data error.

Texts name tables and ids of ours, never a value that was stored.
"""

from __future__ import annotations

from adapters.errors import OncoclaimsError, StoreDown


class Overwrites(OncoclaimsError):
    """A write would change or lose what is only ever added to: a ledger entry, an event, a remittance, a claim."""


class Stale(OncoclaimsError):
    """The record that a step began from is no longer the one on file: someone else wrote in this lane."""


class Damaged(StoreDown):
    """A stored row cannot be opened or read: altered, moved to another place, or sealed with a key that is not here."""
