"""FHIR and HL7 v2 over HTTP: bodies in, stored before they are answered; and what is on file, read.

Without a gate the application asks for no authentication and is for loopback only (`serve.server` refuses anything
else). With one it is for HTTPS: every request needs a token, which decides its feed. Nothing of a body stands in an
answer, a log or an error; errors are OperationOutcomes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, time
from functools import partial
from typing import Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from adapters.errors import BadSetup, StoreDown
from adapters.fhir import wire
from adapters.fhir.claim import document
from adapters.fhir.outcome import operation_outcome
from adapters.fhir.problem import Problem, Refused
from adapters.hl7v2.mllp import CR, END, START
from adapters.model.endpoint import PayerEndpoint
from adapters.model.listening import LARGEST_FRAME
from adapters.pages import page
from adapters.pages.links import Links
from adapters.pages.openid import Vouching
from adapters.pipeline.receive import FHIR_TYPES, Intake, receive_deletion, receive_fhir, receive_v2
from adapters.serve import fhir_doors, hooks, payer_hooks, smart_doors
from adapters.serve.capabilities import capabilities
from adapters.serve.gate import Gate, Grant
from adapters.serve.hearing import last_number
from adapters.serve.intake import Reception, ack_id, nobody
from adapters.serve.middleware import Contained
from adapters.serve.openid import issuer_of, not_signed_in
from adapters.serve.tries import Tries
from adapters.serve.wired import Wired
from adapters.smart import scopes

LARGEST_BODY: Final = 16 * 1024 * 1024
"""Bytes of a FHIR body; more are refused while they come. Of HL7 v2 as many as the feed may send that may send most."""
BODY_SECONDS: Final = 30.0
"""How long a whole body may take."""
FHIR: Final = "application/fhir+json"
_JSON: Final = frozenset({FHIR, "application/json", "text/json"})
_V2: Final = "application/hl7-v2"
_V2_TYPES: Final = frozenset({_V2, "application/hl7-v2+er7", "x-application/hl7-v2+er7", "text/plain"})


class _Refusal(Exception):
    """A request that is answered with a status and one problem."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(code)
        self.status = status
        self.problem = Problem(code, text)


def _refusing(status: int, problem: Problem) -> Exception:
    return _Refusal(status, problem.code, problem.text)


def create_app(
    wired: Wired,
    *,
    fhir_feed: str = "",
    wake: Callable[[], None] = nobody,
    links: Links | None = None,
    gate: Gate | None = None,
    news: Callable[[str], None] = hooks.nobody,
    issuer: Vouching | None = None,
) -> FastAPI:
    """The application of one store. `fhir_feed` names the feed that FHIR comes from; needed where the site has several.

    `wake` is called after each entry stored; who issues `links` lets people open the pages. With a `gate` tokens say
    the feed; pages are there where the site file says so, for users who sign in: a token is no person. `news` is called
    with the feed whose EHR told of something. With a gate people sign in at the `issuer` where the site file has one: by
    itself the one of the site file.
    Raises `BadSetup` where the feed cannot be told.
    """
    feed = "" if gate else _fhir_feed(wired, fhir_feed)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    reception = Reception(wired, wake)
    asked = issuer or (issuer_of(gate.web, wired.clock) if gate else None)
    shown = gate is None or gate.web.pages
    pages = page.router(wired, links, wake, Tries(), asked, not_signed_in) if shown else None
    if gate is not None:
        app.include_router(smart_doors.router(gate))
        app.add_middleware(smart_doors.Guarded, gate=gate, pages=pages)
    if pages is not None:
        app.include_router(pages)
    _v2_routes(app, wired, reception)
    _fhir_routes(app, wired, reception, feed, gate)
    app.include_router(payer_hooks.router(wired, reception, lambda r: _body(r, LARGEST_BODY), _refusing))
    app.include_router(hooks.router(wired, lambda r: _body(r, LARGEST_BODY), _refusing, news))
    _error_answers(app)
    app.add_middleware(Contained)
    return app


def _fhir_feed(wired: Wired, name: str) -> str:
    feeds = [feed.name for feed in wired.site.feeds if feed.media == "fhir"]
    if name:
        if name not in feeds:
            raise BadSetup((f"the site has no FHIR feed {name!r}",))
        return name
    if len(feeds) > 1 and wired.site.web is not None:
        return ""  # they come by HTTPS, where tokens tell them apart
    if len(feeds) > 1:
        raise BadSetup((f"the site has several FHIR feeds ({', '.join(feeds)}): say which one comes by HTTP",))
    return feeds[0] if feeds else ""


def _v2_routes(app: FastAPI, wired: Wired, reception: Reception) -> None:
    largest = max((feed.frame_bytes for feed in wired.site.feeds if feed.media == "hl7v2"), default=LARGEST_FRAME)

    @app.post("/hl7v2")
    async def hl7v2(request: Request) -> Response:
        """HL7 over HTTP: one message (or batch) in, its acknowledgement out."""
        if _media(request) not in _V2_TYPES:
            raise _Refusal(415, "not-supported", f"the body must be {_V2}")
        payload = await _body(request, largest)
        if payload.startswith(START):  # some senders leave the frame of MLLP around it
            payload = payload[1:].removesuffix(END + CR).removesuffix(END)
        grant = _grant(request)
        intake = receive_v2(
            payload,
            listener="https" if grant else "http",
            peer=grant.client if grant else "",
            site=wired.site,
            now=wired.clock.now(),
            ack_id=ack_id(),
            feeds=(grant.feed,) if grant else (),
            last_number=partial(last_number, wired.store),
        )
        answer = await _taken(reception, intake, "hl7v2")
        return Response(answer, 200, media_type=_V2) if answer else Response(status_code=204)


def _fhir_routes(app: FastAPI, wired: Wired, reception: Reception, feed: str, gate: Gate | None) -> None:
    async def take(request: Request, path_type: str, path_id: str = "", condition: str | None = None) -> Response:
        grant = _grant(request)
        sender = grant.feed if grant else feed
        if not sender:
            raise _Refusal(404, "not-supported", "the site has no FHIR feed")
        if request.method == "DELETE":
            intake = receive_deletion(feed=sender, kind=path_type, id=path_id, now=wired.clock.now())
            return Response(
                await _taken(reception, fhir_doors.sent_by(intake, grant), "fhir"), intake.status, media_type=FHIR
            )
        if _media(request) not in _JSON:
            raise _Refusal(415, "not-supported", f"the body must be {FHIR}")
        body = await _body(request, LARGEST_BODY)
        if grant and path_type == "Bundle" and (missing := _missing(grant, body)):
            return smart_doors.refused_for_scope(request.scope, missing)
        known = wired.site.feed(sender)
        intake = receive_fhir(
            body,
            feed=sender,
            path_type=path_type,
            path_id=path_id,
            method=request.method,
            now=wired.clock.now(),
            condition=condition,
            payer=known.payer if known else "",
        )
        answer = await _taken(reception, fhir_doors.sent_by(intake, grant), "fhir")
        base = gate.web.fhir_url if gate else _base(request)
        headers = {"Location": f"{base}/{intake.location}"} if intake.location else {}
        headers |= {"ETag": intake.etag} if intake.etag else {}
        shown = fhir_doors.preferred(request, intake)
        return Response(answer if shown is None else shown, intake.status, headers, FHIR)

    @app.get("/fhir/metadata")
    async def metadata() -> Response:
        token_url = gate.web.token_url if gate else ""
        return _resource(capabilities(wired.clock.now(), takes=FHIR_TYPES if feed or gate else (), token_url=token_url))

    app.include_router(fhir_doors.router(take, _refusing))

    @app.post("/fhir")
    @app.post("/fhir/")
    async def bundle(request: Request) -> Response:
        return await take(request, "Bundle")

    @app.post("/fhir/{kind}")
    async def create(kind: str, request: Request) -> Response:
        return await take(request, kind, condition=fhir_doors.conditional_create(request))

    @app.put("/fhir/{kind}/{id}")
    async def update(kind: str, id: str, request: Request) -> Response:
        if problem := fhir_doors.precondition(request):
            raise _Refusal(412, problem.code, problem.text)
        return await take(request, kind, id)

    @app.get("/fhir/Claim/{id}")
    async def claim(id: str, request: Request) -> Response:
        grant = _grant(request)
        found = await asyncio.to_thread(_claim, wired, id, grant.feed if grant else "")
        if found is None:
            raise _Refusal(404, "not-found", "there is no such claim")
        return _resource(found)


def _grant(request: Request) -> Grant | None:
    """What the token of a request allows; None where the application asks for none."""
    found = request.scope.get(smart_doors.GRANT)
    return found if isinstance(found, Grant) else None


def _missing(grant: Grant, body: bytes) -> tuple[scopes.Scope, ...]:
    """What a Bundle asks for and its sender may not; nothing of a body that is no resource, which is refused as that."""
    read = wire.resource(body)
    return () if isinstance(read, Refused) else tuple(one for one in scopes.of_bundle(read) if not grant.allows(one))


def _claim(wired: Wired, id: str, feed: str) -> wire.JsonObject | None:
    """A claim on file as its payer gets it, with our id; for a client of a feed only those of the feed's facility."""
    person = wired.store.person_of_claim(id)
    on_file = wired.store.load(person).claim(id) if person else None
    if on_file is None or (feed and not fhir_doors.may_read(wired.site, feed, on_file.claim)):
        return None
    payer = wired.site.payer(on_file.claim.payer.id)
    profile = PayerEndpoint(call=payer.endpoint.call) if payer else PayerEndpoint()
    created = datetime.combine(on_file.claim.built_on, time.min, UTC)
    return {"resourceType": "Claim", "id": id, **document(on_file.claim, profile=profile, created=created)}


async def _taken(reception: Reception, intake: Intake, media: str) -> bytes:
    try:
        return (await reception.take(intake, media)).answer
    except StoreDown:
        raise _Refusal(503, "store-down", "the store is down; nothing was taken, send it again later") from None


async def _body(request: Request, largest: int) -> bytes:
    """The body, refused as soon as it is known to be too large or too slow."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:12]) > largest:
        raise _Refusal(413, "too-long", f"the body has more than {largest} bytes")
    read = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                read += piece
                if len(read) > largest:
                    raise _Refusal(413, "too-long", f"the body has more than {largest} bytes")
    except TimeoutError:
        raise _Refusal(408, "throttled", "the body took too long") from None
    return bytes(read)


def _media(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _base(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}/fhir"


def _resource(value: wire.JsonObject, status: int = 200) -> Response:
    return Response(wire.dumps(value), status, media_type=FHIR)


def _error_answers(app: FastAPI) -> None:
    async def refused(_request: Request, error: Exception) -> Response:
        if not isinstance(error, _Refusal):
            raise error
        answer = _resource(operation_outcome((error.problem,)), error.status)
        if error.status == 503:
            answer.headers["Retry-After"] = "5"
        return answer

    async def by_status(_request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        code = {404: "not-found", 405: "not-supported"}.get(error.status_code, "structure")
        words = {404: "there is nothing at this address", 405: "this method is not supported here"}
        problem = Problem(code, words.get(error.status_code, "the request cannot be answered"))
        answer = _resource(operation_outcome((problem,)), error.status_code)
        answer.headers.update(error.headers or {})
        return answer

    async def down(_request: Request, error: Exception) -> Response:
        if not isinstance(error, StoreDown):
            raise error
        return _resource(operation_outcome((Problem("store-down", "the store is down"),)), 503)

    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        _Refusal: refused,
        HTTPException: by_status,
        StoreDown: down,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
