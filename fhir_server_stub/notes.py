"""What the payer answers and what it keeps beside its books: cases, what waits, what is hidden."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from fhir_server_stub.adjudicate import Deny
from fhir_server_stub.scenario import Rule
from fhir_server_stub.wire import Json, dumps


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer and how it travels: after `delay` seconds; cut in half (`garbled`); or not at all
    (`hung_up`: the connection is closed instead)."""

    status: int
    body: Json
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    garbled: bool = False
    hung_up: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request as received: the claim's identifier where it had one; status 0: hung up."""

    at: datetime
    method: str
    path: str
    claim: str
    status: int


@dataclass(slots=True)
class Pending:
    """A claim that waits: for `polls` more questions (None: not counted) or for an instant."""

    number: str
    polls: int | None
    due: datetime | None
    new_id: bool
    otherwise: Deny | None = None
    """What is decided when the documents asked for have not come; None where none were asked for."""


@dataclass(slots=True)
class Hidden:
    """A resource that searches do not find yet."""

    searches: int
    until: datetime | None


@dataclass(slots=True)
class Case:
    """What the payer keeps beside an account: the claim as received, its digest, its answers' ids."""

    claim: Json
    digest: str
    nth: int
    responses: list[str] = field(default_factory=list)
    current: str = ""
    twice: bool = False


@dataclass(slots=True)
class TakeBack:
    """A decision that the payer goes back on: after `polls` more looks at its answer, or at an instant."""

    rule: Rule
    polls: int | None
    due: datetime | None


def claim_of(body: object) -> object:
    """The claim in a body: itself, or the first entry of a Bundle."""
    if isinstance(body, dict) and body.get("resourceType") == "Bundle":
        entries = body.get("entry")
        first = entries[0] if isinstance(entries, list) and entries else None
        return first.get("resource") if isinstance(first, dict) else None
    return body


def digest_of(claim: Json) -> str:
    """SHA-256 of a claim whose keys are sorted: the same claim however it is written."""
    return hashlib.sha256(dumps(_sorted(claim))).hexdigest()


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def location_of(resource: Json) -> tuple[tuple[str, str], ...]:
    """The header that says where a stored resource lies, version and all."""
    version = resource["meta"]["versionId"]
    return (("Location", f"/fhir/{resource['resourceType']}/{resource['id']}/_history/{version}"),)
