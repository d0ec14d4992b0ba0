"""FHIR doors beside those of `serve.http`: `$process-message`, conditional update, and what is asked of a PUT or POST.

`serve.http` hands in how a body is taken; nothing here reads a body or the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from fastapi import APIRouter, Request, Response

from adapters.fhir.problem import Problem

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
        return await take(request, "Bundle")

    @made.put("/fhir/{kind}")
    async def conditional_update(kind: str, request: Request) -> Response:
        """A resource named by one of its identifiers (`?identifier=system|value`)."""
        if problem := precondition(request):
            raise refuse(412, problem)
        return await take(request, kind, condition=request.url.query)

    return made


def precondition(request: Request) -> Problem | None:
    """Why a request that asks for a version of what is kept (If-Match) cannot be answered; None where it asks for none."""
    return Problem("precondition", _VERSIONS) if request.headers.get("if-match") else None


def conditional_create(request: Request) -> str | None:
    """The search of a conditional create (If-None-Exist), None where the request is none."""
    return request.headers.get("if-none-exist")
