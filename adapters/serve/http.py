"""FHIR and HL7 v2 over HTTP: bodies in, stored before they are answered; and what is on file, read.

There is no authentication in this part, so the application is for loopback only (`serve.server` refuses anything
else). Nothing of a body stands in an answer, a log or an error; errors are OperationOutcomes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, time
from typing import Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from adapters.errors import BadSetup, StoreDown
from adapters.fhir import wire
from adapters.fhir.claim import document
from adapters.fhir.outcome import operation_outcome
from adapters.fhir.problem import Problem
from adapters.hl7v2.mllp import CR, END, START
from adapters.model.listening import LARGEST_FRAME
from adapters.model.site import PayerEndpoint
from adapters.pipeline.receive import FHIR_TYPES, Intake, receive_fhir, receive_v2
from adapters.serve import fhir_doors, page
from adapters.serve.capabilities import capabilities
from adapters.serve.intake import Reception, ack_id, nobody
from adapters.serve.links import Links
from adapters.serve.middleware import Contained
from adapters.serve.wired import Wired

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


def create_app(
    wired: Wired, *, fhir_feed: str = "", wake: Callable[[], None] = nobody, links: Links | None = None
) -> FastAPI:
    """The application of one store. `fhir_feed` names the feed that FHIR comes from; needed where the site has several.

    `wake` is called after each entry stored; who issues `links` lets people open the pages. Raises `BadSetup` where the
    feed cannot be told.
    """
    feed = _fhir_feed(wired, fhir_feed)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    reception = Reception(wired, wake)
    _v2_routes(app, wired, reception)
    _fhir_routes(app, wired, reception, feed)
    _error_answers(app)
    app.include_router(page.router(wired, links))
    app.add_middleware(Contained)
    return app


def _fhir_feed(wired: Wired, name: str) -> str:
    feeds = [feed.name for feed in wired.site.feeds if feed.media == "fhir"]
    if name:
        if name not in feeds:
            raise BadSetup((f"the site has no FHIR feed {name!r}",))
        return name
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
        intake = receive_v2(payload, listener="http", peer="", site=wired.site, now=wired.clock.now(), ack_id=ack_id())
        answer = await _taken(reception, intake, "hl7v2")
        return Response(answer, 200, media_type=_V2) if answer else Response(status_code=204)


def _fhir_routes(app: FastAPI, wired: Wired, reception: Reception, feed: str) -> None:
    async def take(request: Request, path_type: str, path_id: str = "", condition: str | None = None) -> Response:
        if not feed:
            raise _Refusal(404, "not-supported", "the site has no FHIR feed")
        if _media(request) not in _JSON:
            raise _Refusal(415, "not-supported", f"the body must be {FHIR}")
        intake = receive_fhir(
            await _body(request, LARGEST_BODY),
            feed=feed,
            path_type=path_type,
            path_id=path_id,
            method=request.method,
            now=wired.clock.now(),
            condition=condition,
        )
        answer = await _taken(reception, intake, "fhir")
        headers = {"Location": f"{_base(request)}/{intake.location}"} if intake.location else {}
        headers |= {"ETag": intake.etag} if intake.etag else {}
        return Response(answer, intake.status, headers, FHIR)

    @app.get("/fhir/metadata")
    async def metadata() -> Response:
        return _resource(capabilities(wired.clock.now(), takes=FHIR_TYPES if feed else ()))

    app.include_router(fhir_doors.router(take, lambda status, p: _Refusal(status, p.code, p.text)))

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
    async def claim(id: str) -> Response:
        found = await asyncio.to_thread(_claim, wired, id)
        if found is None:
            raise _Refusal(404, "not-found", "there is no such claim")
        return _resource(found)


def _claim(wired: Wired, id: str) -> wire.JsonObject | None:
    """A claim on file as its payer gets it, with our id."""
    person = wired.store.person_of_claim(id)
    on_file = wired.store.load(person).claim(id) if person else None
    if on_file is None:
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
