"""FHIR doors beside those of `serve.http`: `$process-message`, conditional update, deletion, what is asked of a PUT or POST,
and what the token of a request says of who sends and who may read.

`serve.http` hands in how a body is taken; nothing here reads a body or the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, Protocol

from fastapi import APIRouter, Request, Response

from adapters.fhir import wire
from adapters.fhir.problem import Problem, Refused
from adapters.model.claim import Claim
from adapters.model.site import Site
from adapters.pipeline.receive import PROCESS_MESSAGE, Intake
from adapters.serve.gate import Grant

_MINIMAL: Final = "return=minimal"
_WHOLE: Final = "return=representation"
_VERSIONS: Final = "versions are not kept here, so none can be compared; send without If-Match"


class Take(Protocol):
    """How `serve.http` takes a body into the journal and answers it."""

    def __call__(
        self, request: Request, path_type: str, path_id: str = "", condition: str | None = None
    ) -> Awaitable[Response]: ...


def router(take: Take, refuse: Callable[[int, Problem], Exception]) -> APIRouter:
    """The routes; they must be included before `/fhir/{kind}`. `refuse` makes the exception of a refused request."""
    made = APIRouter()

    @made.post("/fhir/$process-message")
    async def process_message(request: Request) -> Response:
        """R4 messaging: a message Bundle in, the message that answers it out. Always answered in the same request."""
        if request.query_params.get("async", "false").lower() == "true":
            raise refuse(400, Problem("not-supported", "async: the answer comes with the request, or not at all"))
        return await take(request, "Bundle", PROCESS_MESSAGE)

    @made.put("/fhir/{kind}")
    async def conditional_update(kind: str, request: Request) -> Response:
        """A resource named by one of its identifiers (`?identifier=system|value`)."""
        if problem := precondition(request):
            raise refuse(412, problem)
        return await take(request, kind, condition=request.url.query)

    @made.delete("/fhir/{kind}/{id}")
    async def delete(kind: str, id: str, request: Request) -> Response:
        """A resource that is no more at its sender: what it reported is taken back."""
        if problem := precondition(request):
            raise refuse(412, problem)
        return await take(request, kind, id)

    return made


def preferred(request: Request, intake: Intake) -> bytes | None:
    """The body that the sender of one resource prefers to the OperationOutcome (R4 http.html#ops: Prefer: return=…).

    `minimal`: none; `representation`: the resource as it was taken, with its id. None where it prefers nothing else, or
    nothing was taken.
    """
    wanted = {part.strip().lower() for said in request.headers.getlist("prefer") for part in said.split(",")}
    if intake.receipt is None or intake.status not in (200, 201) or not wanted & {_MINIMAL, _WHOLE}:
        return None
    read = wire.resource(intake.receipt.body)
    if isinstance(read, Refused) or read["resourceType"] == "Bundle":
        return None
    if _MINIMAL in wanted:
        return b""
    id = intake.location.partition("/")[2]
    return wire.dumps({**read, "id": id} if id else read)


def sent_by(intake: Intake, grant: Grant | None) -> Intake:
    """The intake with the client whose token it came with as its sender: the journal names it, and a resend is one of the
    same client's. Without a token the sender is the feed."""
    if grant is None or intake.receipt is None:
        return intake
    return replace(intake, receipt=replace(intake.receipt, sender=grant.client))


def may_read(site: Site, feed: str, claim: Claim) -> bool:
    """Whether the clients of a feed may read a claim: one of the feed's facility."""
    known = site.feed(feed)
    return known is not None and claim.facility.id == known.facility


def precondition(request: Request) -> Problem | None:
    """Why a request that asks for a version of what is kept (If-Match) cannot be answered; None where it asks for none."""
    return Problem("precondition", _VERSIONS) if request.headers.get("if-match") else None


def conditional_create(request: Request) -> str | None:
    """The search of a conditional create (If-None-Exist), None where the request is none."""
    return request.headers.get("if-none-exist")
