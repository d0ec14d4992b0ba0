"""How a payer's FHIR endpoint is spoken to: address, calls, patience, login and certificates, as the site file says it.

Nothing here is a secret: keys are named by the paths of their files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Login:
    """SMART Backend Services at the payer: a token for a signed assertion (private_key_jwt), asked for by ourselves."""

    token_url: str
    client_id: str
    scopes: tuple[str, ...]
    """All of them must be granted, or no call is made."""
    keys: tuple[str, ...]
    """Paths of private keys (PEM, 0600). The first signs; the others are published with it while keys are changed."""
    algorithm: str = "RS384"
    """RS384 or ES384, what SMART asks clients to know."""


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Paths of PEM files for mutual TLS, each empty where it is not used."""

    certificate: str = ""
    """Ours with its chain."""
    key: str = ""
    ca: str = ""
    """The CAs that the payer's certificate must come from, in place of the usual ones."""


@dataclass(frozen=True, slots=True)
class PayerEndpoint:
    """How a payer's FHIR endpoint is spoken to. Times in seconds."""

    base_url: str = ""
    call: str = "submit"
    """`submit` (Claim/$submit) or `create` (conditional create on Claim.identifier)."""
    body: str = "claim"
    """`claim`, or `bundle` with the claim first."""
    line_traces: bool = False
    """Whether each line bears a number of ours that the answer repeats (Da Vinci PAS, extension itemTraceNumber)."""
    idempotent: bool = False
    """Whether repeating the call with the same bytes was shown to be harmless (design idea 6)."""
    timeout_seconds: float = 15.0
    attempts: int = 4
    """Calls in all that one submission may make while the payer certainly did not take it (429, 503, refused connection)."""
    resend_after_seconds: int = 60
    """After how long a claim that certainly did not arrive is sent again, unless the payer asked for longer."""
    poll_after_seconds: int = 900
    """After how long an answer is asked for again, and a claim of unknown fate repeated where that is harmless."""
    search_delay_seconds: int = 86400
    """After how long a search that finds nothing is evidence of absence."""
    idempotent_seconds: int = 0
    """How long after the first call a repeat is harmless; 0: for ever."""
    idempotency_header: str = ""
    """The header in which the payer wants a key that is the same for every repeat, e.g. `Idempotency-Key`."""
    search: str = "post"
    """`post` (POST _search: nothing of it in an address), `get`, or `none`: the payer answers no search."""
    respond_async: bool = False
    """Say `Prefer: respond-async`: the payer may answer 202 with the place of the answer (R4 async.html)."""
    ask: str = "search"
    """Where the payer named no place for it, a pended answer is asked for by `search` or by a `task` (R4 Task, code poll)."""
    first_wait_seconds: float = 0.5
    """Before the second attempt at most; it doubles with each further one, and each is drawn by lot below that."""
    longest_wait_seconds: float = 30.0
    in_flight: int = 4
    """Calls that may be under way to the payer at once."""
    per_minute: int = 0
    """Calls that may begin in a minute, evenly; 0: no limit."""
    rest_after: int = 5
    """After so many calls in a row that failed for the payer's sake it is left alone."""
    rest_seconds: float = 10.0
    """How long it is left alone; then one call tries, and when that fails as well, twice as long, up to four times."""
    hook_secret_file: str = ""
    """Path of the secret that the payer's notifications bear (0600); empty: it tells of nothing by itself."""
    login: Login | None = None
    tls: ClientTls | None = None


PATIENCE: Final = frozenset(
    {
        "timeout_seconds",
        "attempts",
        "resend_after_seconds",
        "poll_after_seconds",
        "search_delay_seconds",
        "first_wait_seconds",
        "longest_wait_seconds",
        "in_flight",
        "per_minute",
        "rest_after",
        "rest_seconds",
    }
)
"""What a policy of the mappings may say of an endpoint; what the site file says itself goes before it."""
