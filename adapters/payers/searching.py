"""Whether a payer has a claim: its answer is asked for first, and the claim itself where no answer is found.

That there is no ClaimResponse is no evidence that there is no Claim: a payer may keep a claim for days before it says
anything about it, may not search through references, and may leave out a parameter that it does not know (R4
search.html#errors) and tell of other claims. Sent again on such evidence, the claim would be billed twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

from adapters.fhir import wire
from adapters.fhir.bundle import VALID_ID
from adapters.fhir.claim import CLAIM_SYSTEM
from adapters.fhir.problem import Refused
from adapters.fhir.tree import Node
from adapters.payers.finding import Found, found_in

_NOT_OFFERED: Final = frozenset({400, 401, 403, 404, 405, 422, 501})
"""A search of this kind is not answered by this payer, or not for us."""


class Told(Protocol):
    """What came of a request."""

    @property
    def status(self) -> int | None:
        """HTTP status; None when no answer came."""
        ...

    @property
    def body(self) -> bytes:
        """The answer's body."""
        ...


_Told = TypeVar("_Told", bound=Told)


def named(parameter: str, claim: str) -> str:
    """A search by our identifier of a claim, as a form and as If-None-Exist want it."""
    return f"{parameter}={quote(f'{CLAIM_SYSTEM}|{claim}', safe='')}"


def searched(claim: str, ask: Callable[[str, str], _Told]) -> tuple[_Told, Found]:
    """What searches find of a claim, with the answer on which that rests. `ask` searches a type by a form.

    `Found.claims` is 0 only where the payer was asked for the claim itself and has none of this name.
    """
    first = ask("ClaimResponse", named("request.identifier", claim))
    found = Found(b"", None)
    if _came(first):
        found = found_in(first.body, claim)
        if found.claims is None or (found.claims and found.named):
            return first, found
    elif first.status not in _NOT_OFFERED:
        return first, found
    second = ask("Claim", named("identifier", claim))
    if not _came(second):
        # Who answers no search for claims is believed when it tells of one answer; none is no evidence of anything.
        believed = found.claims == 1 and second.status in _NOT_OFFERED
        return (first, found) if believed else (second, Found(b"", None))
    ids = _claims(second.body, claim)
    if ids is None or len(ids) != 1:
        return second, Found(b"", None if ids is None else len(ids))
    of_it = found_in(first.body, claim, ids[0]) if _came(first) else Found(b"", None)
    if of_it.claims:
        return first, of_it
    third = ask("ClaimResponse", f"request={quote(f'Claim/{ids[0]}', safe='')}")
    of_it = found_in(third.body, claim, ids[0]) if _came(third) else Found(b"", None)
    return (third, of_it) if of_it.claims else (second, Found(b"", 1))


def _came(told: Told) -> bool:
    return told.status is not None and 200 <= told.status < 300 and told.status != 202


def _claims(body: bytes, claim: str) -> tuple[str, ...] | None:
    """The payer's ids of the claims of our name in a searchset; None where that is none, or tells of other claims
    only: then the payer has left the name out of its search."""
    read = wire.resource(body)
    if isinstance(read, Refused) or read["resourceType"] != "Bundle" or read.get("type") != "searchset":
        return None
    found = [entry["resource"] for entry in Node(read, "Bundle").each("entry")]
    claims = [node for node in found if node["resourceType"].text == "Claim"]
    ours = {node["id"].text for node in claims if _is_named(node, claim) and VALID_ID.fullmatch(node["id"].text)}
    return tuple(sorted(ours)) if ours or not claims else None


def _is_named(node: Node, claim: str) -> bool:
    return any(
        one["value"].text == claim and one["system"].text in ("", CLAIM_SYSTEM) for one in node.each("identifier")
    )
