"""The doors of SMART Backend Services: `/token`, `.well-known/smart-configuration`, and the guard before all others.

Nothing that a client sends to be let in stands in an answer, a log or an error.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.errors import StoreDown
from adapters.fhir import wire
from adapters.fhir.outcome import operation_outcome
from adapters.fhir.problem import Problem
from adapters.serve.gate import Denied, Gate, Grant
from adapters.smart import scopes
from adapters.smart.keys import ALGORITHMS
from adapters.smart.tokens import LONGEST_TOKEN

CONFIGURATION: Final = "/fhir/.well-known/smart-configuration"
TOKEN: Final = "/token"  # noqa: S105  # an address
OPEN: Final = frozenset({("GET", "/fhir/metadata"), ("GET", CONFIGURATION), ("POST", TOKEN)})
"""What is answered without a token; it says nothing of any patient. There is no other address without one."""
GRANT: Final = "oncoclaims.grant"
"""Where the grant of a request stands in its scope."""
_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM: Final = "application/x-www-form-urlencoded"
_LARGEST_FORM: Final = LONGEST_TOKEN + 8 * 1024
_FORM_SECONDS: Final = 10.0
_KEPT_OPEN: Final = 256 * 1024
"""A refused body of so many bytes is let come and thrown away, so that its sender reads why; of a longer one not."""
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_WORD: Final = re.compile(r"[A-Za-z0-9*./-]+")


def router(gate: Gate) -> APIRouter:
    """The two routes."""
    made = APIRouter(include_in_schema=False)

    @made.post(TOKEN)
    async def token(request: Request) -> Response:
        """An access token for a signed assertion (RFC 6749 4.4, RFC 7523)."""
        form = await _form(request)
        if isinstance(form, Denied):
            return _oauth(form)
        try:
            said = await asyncio.to_thread(gate.issue, form["client_assertion"], form["scope"], _peer(request.scope))
        except StoreDown:
            return _oauth(Denied(503, "temporarily_unavailable", "the store is down", 5))
        if isinstance(said, Denied):
            return _oauth(said)
        body = {"access_token": said.token, "token_type": "bearer", "expires_in": said.seconds, "scope": said.scope}
        return JSONResponse(body, headers=_NO_STORE)

    @made.get(CONFIGURATION)
    async def configuration() -> Response:
        """Where tokens are given, and for what (SMART App Launch 2, Conformance)."""
        offered = sorted({scope for client in gate.clients for scope in client.scopes})
        return JSONResponse(
            {
                "token_endpoint": gate.web.token_url,
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
                "grant_types_supported": ["client_credentials"],
                "scopes_supported": offered,
                # Required of every server, also of one without a grant that would use it.
                "code_challenge_methods_supported": ["S256"],
                "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
            }
        )

    return made


async def _form(request: Request) -> dict[str, str] | Denied:
    """The parameters of a token request, each once (RFC 6749 3.2), or what is wrong with them."""
    wrong = Denied(400, "invalid_request", f"a token is asked for by {_FORM} with each parameter once")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM or request.url.query:
        return wrong
    if "authorization" in request.headers:
        return Denied(400, "invalid_request", "a client shows one credential: its signed assertion")
    body = bytearray()
    try:
        async with asyncio.timeout(_FORM_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > _LARGEST_FORM:
                    return Denied(413, "invalid_request", "the request is too long")
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20)
    except TimeoutError:
        return Denied(408, "invalid_request", "the request took too long")
    except ValueError:
        return wrong
    form = dict(pairs)
    if len(form) < len(pairs):
        return wrong
    if form.get("grant_type") != "client_credentials":
        return Denied(400, "unsupported_grant_type", "tokens are given by client_credentials")
    if form.get("client_assertion_type") != _JWT_BEARER or not form.get("client_assertion"):
        return Denied(401, "invalid_client", "a client shows an assertion that it signed (private_key_jwt)")
    if not form.get("scope", "").strip():
        return Denied(400, "invalid_scope", "the scopes that are asked for are missing")
    return form


def _oauth(denied: Denied) -> Response:
    headers = {**_NO_STORE, "Retry-After": str(denied.wait)} if denied.wait else _NO_STORE
    return JSONResponse({"error": denied.error, "error_description": denied.words}, denied.status, headers)


class Guarded:
    """Lets a request on that is open, or whose token allows it; the application finds the grant in its scope.

    Whatever no rule of `scopes.of_request` names is refused, a route that somebody adds later among it. The routes of
    `pages` ask for a session of their own and for nothing else (`pages.admission`).
    """

    def __init__(self, app: ASGIApp, gate: Gate, pages: APIRouter | None = None) -> None:
        self._app = app
        self._gate = gate
        self._pages = tuple(pages.routes) if pages is not None else ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The hooks of EHRs ask for a secret of their own (`serve.hooks`): no notification bears a token of ours.
        opened = (scope["method"], scope["path"]) in OPEN or scope["path"].startswith("/hooks/")
        if opened or any(route.matches(scope)[0] is not Match.NONE for route in self._pages):
            await self._app(scope, receive, send)
            return
        token = _bearer(scope)
        if token is None:
            await _refusal(scope, 401, Problem("login", "an access token is needed"), "")(scope, receive, send)
            return
        found = await asyncio.to_thread(self._gate.grant, token, _peer(scope))
        if isinstance(found, Denied):
            code = "throttled" if found.wait else "login"
            said = "" if found.wait else 'error="invalid_token"'
            problem = Problem(code, f"the access token is {found.words}" if not found.wait else found.words)
            await _refusal(scope, found.status, problem, said, found.wait)(scope, receive, send)
            return
        needed = scopes.of_request(scope["method"], scope["path"])
        if needed is None or (needed.letters and not found.allows(needed)) or not _speaks(found, needed):
            answer = refused_for_scope(scope, (needed,) if needed and needed.letters else ())
            await answer(scope, receive, send)
            return
        scope[GRANT] = found
        await self._app(scope, receive, send)


def _speaks(grant: Grant, needed: scopes.Scope) -> bool:
    return (needed.kind == "hl7v2") == (grant.media == "hl7v2")


def refused_for_scope(scope: Mapping[str, object], needed: tuple[scopes.Scope, ...]) -> Response:
    """403: the token does not allow this; with the scopes that would, as far as their names are names."""
    words = " ".join(word for word in sorted(map(str, needed)) if _WORD.fullmatch(word))[:500]
    said = 'error="insufficient_scope"' + (f', scope="{words}"' if words else "")
    return _refusal(scope, 403, Problem("forbidden", "the access token does not allow this"), said)


def _refusal(scope: Mapping[str, object], status: int, problem: Problem, said: str, wait: int = 0) -> Response:
    headers = {} if wait else {"WWW-Authenticate": f"Bearer {said}" if said else 'Bearer realm="oncoclaims"'}
    headers |= {"Retry-After": str(wait)} if wait else {}
    headers |= {"Connection": "close"} if _long(scope) else {}
    return Response(wire.dumps(operation_outcome((problem,))), status, headers, "application/fhir+json")


def _long(scope: Mapping[str, object]) -> bool:
    """Whether the body of a request is long, or nobody knows how long."""
    headers = dict(scope["headers"]) if isinstance(scope["headers"], list) else {}
    declared = headers.get(b"content-length", b"0")
    return b"transfer-encoding" in headers or not declared.isdigit() or int(declared[:12]) > _KEPT_OPEN


def _bearer(scope: Scope) -> str | None:
    """The token of the Authorization header; None without one, or with two. A token in an address is none."""
    said = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(said) != 1:
        return None
    kind, _, token = said[0].decode("latin-1").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""
