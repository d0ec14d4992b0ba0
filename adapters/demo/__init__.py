"""`oncoclaims demo`: a clinic day against the stub EHR and payer, over real sockets, with the clock walked.

The payer keeps its own books and the EHR its own list of what was delivered. The demo ends well only if our ledger
equals the books to the cent and every delivered service has exactly one outcome.
"""

from adapters.demo.command import demo

__all__ = ["demo"]
