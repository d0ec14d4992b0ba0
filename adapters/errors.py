"""The tree of exceptions. Data errors are values (findings, problems); what stands here is for bugs, peers and weather.

OncoclaimsError
├── Inexact        money that cannot be said in whole minor units
├── Unbalanced     a ledger entry whose lines do not sum to zero
├── Forbidden      a step of a life cycle that its table does not have
├── DoubleCharge   a derivation that owes one slot twice (a bug of a rule)
├── BadSetup       configuration that cannot be used; carries all problems at once
├── StoreDown      the store cannot take or give a row now
├── NotOfSite      a record names an entity or payer that the site file has not, or no more
└── PeerFailed     a payer or EHR did not answer as agreed
"""

from __future__ import annotations


class OncoclaimsError(Exception):
    """Root of all exceptions of this program. Texts never carry values of a message."""


class Inexact(OncoclaimsError):
    """An amount has more decimals than its currency has minor units."""


class Unbalanced(OncoclaimsError):
    """The lines of a ledger entry do not sum to zero."""


class Forbidden(OncoclaimsError):
    """A life cycle was asked for a step that its table does not have."""


class DoubleCharge(OncoclaimsError):
    """Two due charges with one slot: the derivation has a bug, nothing of it may be billed."""


class BadSetup(OncoclaimsError):
    """Mappings, site file or settings cannot be used; `problems` names every fault with file and line."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StoreDown(OncoclaimsError):
    """The store cannot take or give rows now; whoever asked must not acknowledge anything."""


class NotOfSite(OncoclaimsError, LookupError):
    """A record names a billing entity or a payer that the site does not have: nothing is derived of it before it does."""


class PeerFailed(OncoclaimsError):
    """A peer did not answer as agreed; the text names the kind of failure, never the content."""
