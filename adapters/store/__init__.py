"""The store: journal, records and ledger in a SQL database. `open_store` is the way in."""

from adapters.store.backup import Reach, Restored, restore
from adapters.store.check import differences
from adapters.store.keys import KeyRing
from adapters.store.lanes.waiting import AtHand, Share
from adapters.store.listing import Counts, Found, JournalLine, Of, Traced
from adapters.store.migration import migrate, printable
from adapters.store.refusals import Damaged, Overwrites, Stale
from adapters.store.seal import Sealing
from adapters.store.steps import Stepped
from adapters.store.store import SqlStore, open_store

__all__ = [
    "AtHand",
    "Counts",
    "Damaged",
    "Found",
    "JournalLine",
    "KeyRing",
    "Of",
    "Overwrites",
    "Reach",
    "Restored",
    "Sealing",
    "Share",
    "SqlStore",
    "Stale",
    "Stepped",
    "Traced",
    "differences",
    "migrate",
    "open_store",
    "printable",
    "restore",
]
