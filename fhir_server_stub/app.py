"""The stub over HTTP: FHIR R4 under `/fhir`, and `/control` for the one who plays with it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from fastapi import FastAPI, Request, Response

from fhir_server_stub import scenario
from fhir_server_stub.claim import Problem
from fhir_server_stub.ehrstore import apply_bundle
from fhir_server_stub.notes import Answer
from fhir_server_stub.payer import Stub
from fhir_server_stub.response import operation_outcome
from fhir_server_stub.store import SEARCHED, SearchError
from fhir_server_stub.wire import Json, dumps, loads

# Where the server leaves the connection for a hang-up (`fhir_server_stub.server`).
TRANSPORT = "stub.transport"
_FHIR = "application/fhir+json"
_SPECIAL = {"Claim", "ClaimResponse"}


class HungUpError(ConnectionResetError):
    """The payer closes the connection; raised where there is no connection to close (in-process tests)."""


def create_app(stub: Stub) -> FastAPI:
    """All routes of one stub."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    _side_routes(app, stub)
    _fhir_routes(app, stub)
    _control_routes(app, stub)
    return app


def _side_routes(app: FastAPI, stub: Stub) -> None:
    """Signing in, and the places where late answers are asked for."""

    @app.post("/token")
    async def token(request: Request) -> Response:
        login = stub.scenario.login
        if login is None:
            return _reply({"error": "invalid_request"}, 404, media="application/json")
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        status, said = stub.desk.token(login, form, str(request.url))
        return Response(dumps(said), status, {"Cache-Control": "no-store"}, "application/json")

    @app.middleware("http")
    async def signed_in(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        guarded = request.url.path.startswith("/fhir") and request.url.path != "/fhir/metadata"
        if guarded and stub.scenario.login and not stub.desk.admits(request.headers.get("authorization", "")):
            stub.log("GET", request.url.path, None, 401)
            words = operation_outcome((Problem("", "no token, or one that is over"),), "login")
            return Response(dumps(words), 401, {"WWW-Authenticate": "Bearer"}, _FHIR)
        return await go_on(request)

    @app.get("/fhir/status/{identity}")
    async def status(identity: str, request: Request) -> Response:
        answer = stub.status(identity)
        stub.log("GET", request.url.path, None, answer.status)
        return Response(dumps(answer.body) if answer.body else b"", answer.status, dict(answer.headers), _FHIR)

    @app.post("/fhir/Task")
    async def task(request: Request) -> Response:
        condition = request.headers.get("if-none-exist")

        def taken(body: object) -> Answer:
            """A poll is the payer's; any other Task is kept, as an EHR keeps it."""
            code = body.get("code") if isinstance(body, dict) else None
            codings = code.get("coding") or [] if isinstance(code, dict) else []
            polls = not condition or any(one.get("code") == "poll" for one in codings)
            return stub.task(body) if polls else _create(stub, "Task", body, condition)

        return await _with_body(stub, request, taken)


def _fhir_routes(app: FastAPI, stub: Stub) -> None:
    @app.get("/fhir/metadata")
    async def metadata() -> Response:
        return _reply(_capabilities(stub.now()))

    @app.post("/fhir")
    async def bundle(request: Request) -> Response:
        return await _with_body(stub, request, lambda body: _bundle(stub, body))

    @app.post("/fhir/Claim/$submit")
    async def submit(request: Request) -> Response:
        key = request.headers.get(stub.scenario.key_header, "") if stub.scenario.key_header else ""
        return await _with_body(stub, request, lambda body: stub.submit(body, key))

    @app.get("/fhir/{kind}")
    async def search(kind: str, request: Request) -> Response:
        return _search(stub, request, kind, list(request.query_params.multi_items()))

    @app.post("/fhir/{kind}/_search")
    async def search_form(kind: str, request: Request) -> Response:
        form = parse_qsl((await request.body()).decode(), keep_blank_values=True)
        return _search(stub, request, kind, [*request.query_params.multi_items(), *form])

    @app.post("/fhir/{kind}")
    async def create(kind: str, request: Request) -> Response:
        condition = request.headers.get("if-none-exist")
        return await _with_body(stub, request, lambda body: _create(stub, kind, body, condition))

    @app.get("/fhir/{kind}/{identity}")
    async def read(kind: str, identity: str, request: Request) -> Response:
        return _read(stub, request, kind, identity, None)

    @app.get("/fhir/{kind}/{identity}/_history/{version}")
    async def vread(kind: str, identity: str, version: str, request: Request) -> Response:
        return _read(stub, request, kind, identity, version)

    @app.put("/fhir/{kind}/{identity}")
    async def update(kind: str, identity: str, request: Request) -> Response:
        condition = request.headers.get("if-match")
        return await _with_body(stub, request, lambda body: _update(stub, kind, identity, body, condition))


def _control_routes(app: FastAPI, stub: Stub) -> None:
    @app.get("/control/books")
    async def books() -> Response:
        return _reply(stub.books.as_json(), media="application/json")

    @app.get("/control/requests")
    async def requests() -> Response:
        submissions = Counter(one.claim for one in stub.requests if one.claim)
        listed = [
            {
                "at": one.at.isoformat(),
                "method": one.method,
                "path": one.path,
                "claim": one.claim,
                "status": one.status,
            }
            for one in stub.requests
        ]
        return _reply({"requests": listed, "submissions": dict(submissions)}, media="application/json")

    @app.post("/control/scenario")
    async def play(request: Request) -> Response:
        try:
            stub.scenario = scenario.parse((await request.body()).decode())
        except (scenario.ScenarioError, UnicodeDecodeError) as error:
            problems = getattr(error, "problems", ["no UTF-8"])
            return _reply({"problems": problems}, 400, media="application/json")
        told = {"name": stub.scenario.name, "rules": len(stub.scenario.rules)}
        return _reply(told, media="application/json")

    @app.delete("/control/tokens")
    async def revoke() -> Response:
        told = len(stub.desk.tokens)
        stub.desk.tokens.clear()
        return _reply({"revoked": told}, media="application/json")

    @app.post("/control/clock")
    async def clock(request: Request) -> Response:
        try:
            wanted = loads(await request.body())["now"]
            instant = datetime.fromisoformat(wanted) if wanted is not None else None
        except (ValueError, TypeError, KeyError):
            return _reply({"problems": ["now is no instant"]}, 400, media="application/json")
        if instant is not None and instant.tzinfo is None:
            return _reply({"problems": ["now has no offset"]}, 400, media="application/json")
        stub.fixed = instant
        return _reply({"now": stub.now().isoformat()}, media="application/json")


async def _with_body(stub: Stub, request: Request, act: Callable[[object], Answer]) -> Response:
    """Read the JSON body, act, note the request, and let the answer travel."""
    try:
        body = loads(await request.body())
    except ValueError:
        body, answer = None, _bad("", "the body is not JSON", "structure")
    else:
        answer = act(body)
    status = 0 if answer.hung_up else answer.status
    stub.log(request.method, request.url.path, body, status)
    if answer.delay:
        await asyncio.sleep(answer.delay)
    if answer.hung_up:
        await _hang_up(request)
    written = dumps(answer.body) if answer.body else b""
    if answer.garbled:
        written = written[: len(written) // 2]
    return Response(written, answer.status, dict(answer.headers), _FHIR)


async def _hang_up(request: Request) -> None:
    """Close the TCP connection without an answer; what is written afterwards goes nowhere."""
    transport = request.scope.get("state", {}).get(TRANSPORT)
    if transport is None:
        raise HungUpError("no connection to close")
    transport.abort()
    # Lets the loop tear the connection down before anything is written to it.
    await asyncio.sleep(0)


def _bundle(stub: Stub, body: object) -> Answer:
    if not isinstance(body, dict) or body.get("resourceType") != "Bundle":
        return _bad("Bundle", "is expected here")
    if body.get("type") not in {"transaction", "batch"}:
        return _bad("Bundle.type", "is neither transaction nor batch")
    done = apply_bundle(stub.resources, body)
    return Answer(200, done) if isinstance(done, dict) else Answer(400, operation_outcome(done))


def _create(stub: Stub, kind: str, body: object, condition: str | None) -> Answer:
    if not isinstance(body, dict) or body.get("resourceType") != kind:
        return _bad("resourceType", f"is not {kind}")
    if kind == "Claim":
        return stub.create(body, condition)
    if kind == "ClaimResponse":
        return Answer(405, operation_outcome((Problem("", "answers are the payer's own"),), "not-supported"))
    if condition:
        try:
            found = stub.resources.search_text(kind, condition)
        except SearchError as error:
            return _bad("", str(error), "not-supported")
        if found:
            several = Problem("", "several resources match If-None-Exist")
            many = Answer(412, operation_outcome((several,), "multiple-matches"))
            return many if len(found) > 1 else Answer(200, found[0])
    stored = stub.resources.put(body)
    if kind == "Communication":
        stub.heard(body)
    return Answer(201, stored, (("Location", f"/fhir/{kind}/{stored['id']}/_history/1"),))


def _update(stub: Stub, kind: str, identity: str, body: object, condition: str | None = None) -> Answer:
    if kind in _SPECIAL:
        words = "claims are replaced by claims, not updated"
        return Answer(405, operation_outcome((Problem("", words),), "not-supported"))
    if not isinstance(body, dict) or body.get("resourceType") != kind or body.get("id") != identity:
        return _bad("id", "or resourceType is not that of the URL")
    known = stub.resources.read(kind, identity)
    if condition and (not known or condition != f'W/"{known["meta"]["versionId"]}"'):
        return Answer(412, operation_outcome((Problem("", "it is another version by now"),), "conflict"))
    return Answer(200 if known else 201, stub.resources.put(body, identity))


def _read(stub: Stub, request: Request, kind: str, identity: str, version: str | None) -> Response:
    found = stub.read(kind, identity, version)
    status = 200 if found else 404
    stub.log(request.method, request.url.path, None, status)
    if not found:
        return _reply(operation_outcome((Problem("", "is not known"),), "not-found"), 404)
    etag = {"ETag": f'W/"{found["meta"]["versionId"]}"'}
    return Response(dumps(found), 200, etag, _FHIR)


def _search(stub: Stub, request: Request, kind: str, query: list[tuple[str, str]]) -> Response:
    asked = dict(query)
    if not stub.scenario.searchable:
        stub.log("GET", request.url.path, None, 404)
        return _reply(operation_outcome((Problem("", "searches are not answered"),), "not-supported"), 404)
    try:
        found = stub.search(kind, query)
        count, offset = int(asked.get("_count", "50")), int(asked.get("_offset", "0"))
    except (SearchError, ValueError) as error:
        stub.log("GET", request.url.path, None, 400)
        return _reply(operation_outcome((Problem("", str(error)),), "not-supported"), 400)
    stub.log("GET", request.url.path, None, 200)
    root = str(request.base_url).rstrip("/") + "/fhir"
    page = found[offset : offset + count]
    rest = [(name, value) for name, value in query if name != "_offset"]
    links = [{"relation": "self", "url": f"{root}/{kind}?{urlencode(query)}"}]
    if offset + count < len(found) and page:
        following = urlencode([*rest, ("_offset", str(offset + count))])
        links.append({"relation": "next", "url": f"{root}/{kind}?{following}"})
    entries = [{"fullUrl": f"{root}/{kind}/{one['id']}", "resource": one, "search": {"mode": "match"}} for one in page]
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(found), "link": links}
    return _reply(bundle | ({"entry": entries} if entries else {}))


def _capabilities(now: datetime) -> Json:
    kinds = ("Claim", "ClaimResponse", "Patient", "Coverage", "Encounter", "Procedure")
    resources: list[Json] = []
    for kind in kinds:
        codes = ["read", "vread", "search-type"] + ([] if kind == "ClaimResponse" else ["create"])
        resource: Json = {
            "type": kind,
            "interaction": [{"code": code} for code in codes],
            "conditionalCreate": kind != "ClaimResponse",
            "searchParam": [{"name": name, "type": "token"} for name in sorted(SEARCHED) if ":" not in name],
        }
        if kind == "Claim":
            definition = "http://hl7.org/fhir/OperationDefinition/Claim-submit"
            resource["operation"] = [{"name": "submit", "definition": definition}]
        resources.append(resource)
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": now.isoformat(),
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{"mode": "server", "resource": resources, "interaction": [{"code": "transaction"}]}],
    }


def _bad(path: str, words: str, code: str = "invalid") -> Answer:
    return Answer(400, operation_outcome((Problem(path, words),), code))


def _reply(body: Json, status: int = 200, media: str = _FHIR) -> Response:
    return Response(dumps(body), status, media_type=media)
