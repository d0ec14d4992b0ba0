"""What came back: an answer is matched to its claim, checked to balance, and posted to the ledger line by line."""

from adapters.posting.denials import denial_items
from adapters.posting.match import Mismatch, mismatches
from adapters.posting.post import Posting, billed, post, settlement_of, taken_back

__all__ = ["Mismatch", "Posting", "billed", "denial_items", "mismatches", "post", "settlement_of", "taken_back"]
