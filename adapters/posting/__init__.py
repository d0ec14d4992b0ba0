"""What came back: an answer is matched to its claim, checked to balance, and posted to the ledger line by line."""

from adapters.posting.denials import Denial, appealable, denial_items, denial_of
from adapters.posting.match import UNBALANCED, UNMATCHED, Mismatch, laid, mismatches, out_by
from adapters.posting.payment import (
    cash,
    cause_of,
    offset_items,
    over_applied,
    payment_items,
    payment_mismatches,
    post_payment,
    posted_before,
)
from adapters.posting.post import Posting, adjudications, billed, only_pends, post, settlement_of, taken_back
from adapters.posting.reversal import entries_of, gone, reversed_by

__all__ = [
    "UNBALANCED",
    "UNMATCHED",
    "Denial",
    "Mismatch",
    "Posting",
    "adjudications",
    "appealable",
    "billed",
    "cash",
    "cause_of",
    "denial_items",
    "denial_of",
    "entries_of",
    "gone",
    "laid",
    "mismatches",
    "offset_items",
    "only_pends",
    "out_by",
    "over_applied",
    "payment_items",
    "payment_mismatches",
    "post",
    "post_payment",
    "posted_before",
    "reversed_by",
    "settlement_of",
    "taken_back",
]
