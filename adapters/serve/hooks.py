"""Where EHRs tell us of news: `/hooks/FEED`, for feeds whose EHR has a secret for it (`[[ehrs]] hook_secret_file`).

R4 rest-hooks with a payload (`PUT` or `POST` of a resource, at the address or at `Type/id` behind it, and `DELETE`),
without one (`POST` of nothing), and topic-based notifications. What is told is on file before it is answered, and what it
names is fetched by the next round of asking (`serve.asking`), with what stands around it.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fastapi import APIRouter, Request, Response

from adapters.ehr import hear
from adapters.ehr.client import secret_of
from adapters.errors import BadSetup
from adapters.fhir.bundle import VALID_ID
from adapters.fhir.notification import read_notice
from adapters.fhir.problem import Problem, Refused
from adapters.model.ehr import Ehr
from adapters.serve import metrics
from adapters.serve.asking import GAP, tell_people
from adapters.serve.logs import log
from adapters.serve.wired import Wired

_SCHEME: Final = "bearer "
SHORTEST: Final = 32
"""Characters of a secret: nobody guesses it, so nobody has to be counted who tries."""


def nobody(_feed: str) -> None:
    """Whom to tell of news where nobody wants to know."""


def bears(request: Request, secret: str) -> bool:
    """Whether a notification bears the secret (`Authorization: Bearer …`), compared in constant time."""
    said = request.headers.get("authorization", "")
    given = said[len(_SCHEME) :].strip() if said[: len(_SCHEME)].lower() == _SCHEME else ""
    return hmac.compare_digest(given.encode(), secret.encode())


def router(
    wired: Wired,
    body_of: Callable[[Request], Awaitable[bytes]],
    refuse: Callable[[int, Problem], Exception],
    tell: Callable[[str], None],
) -> APIRouter:
    """The routes. `body_of` reads a body within the limits, `tell` is called with the feed that has news.

    Raises `BadSetup` where a secret cannot be read.
    """
    made = APIRouter()
    hooked = [ehr for ehr in wired.site.ehrs if ehr.hook_secret_file]
    ehrs: Mapping[str, Ehr] = {ehr.feed: ehr for ehr in hooked}
    secrets: Mapping[str, str] = {ehr.feed: secret_of(ehr.hook_secret_file) for ehr in hooked}

    if short := [name for name, secret in secrets.items() if len(secret) < SHORTEST]:
        raise BadSetup(tuple(f"ehrs.{name}: the hook's secret has less than {SHORTEST} characters" for name in short))

    async def take(request: Request, feed: str, path: str = "") -> Response:
        # A feed without a hook and a wrong secret are answered alike.
        if not bears(request, secrets.get(feed, "")) or feed not in ehrs:
            metrics.REFUSED.labels("fhir", "login").inc()
            raise refuse(401, Problem("login", "the notification bears no secret of this hook"))
        body = await body_of(request)
        notice = read_notice(body)
        if isinstance(notice, Refused):
            metrics.REFUSED.labels("fhir", notice.problems[0].code).inc()
            raise refuse(400, notice.problems[0])
        heard = await asyncio.to_thread(
            hear,
            wired.store,
            feed,
            notice,
            method=request.method,
            path=path,
            body=b"" if request.method == "DELETE" else body,
            now=wired.clock.now(),
        )
        metrics.NOTIFIED.labels(feed, notice.what).inc()
        if heard.missed:
            metrics.MISSED.labels(feed).inc()
            detail = f"notifications after number {heard.missed[0]} and before {heard.missed[1]} did not come"
            await asyncio.to_thread(tell_people, wired, feed, GAP, detail)
            log().warning("notifications are missing", feed=feed, after=heard.missed[0], before=heard.missed[1])
        tell(feed)
        return Response(status_code=200)

    @made.post("/hooks/{feed}")
    @made.put("/hooks/{feed}")
    async def notified(feed: str, request: Request) -> Response:
        """A notification by itself."""
        return await take(request, feed)

    @made.post("/hooks/{feed}/{kind}")
    async def created(feed: str, kind: str, request: Request) -> Response:
        """A resource that was made, at its type."""
        if not (kind.isalpha() and kind.isascii()):
            raise refuse(404, Problem("not-found", "there is nothing at this address"))
        return await take(request, feed)

    @made.put("/hooks/{feed}/{kind}/{id}")
    @made.post("/hooks/{feed}/{kind}/{id}")
    @made.delete("/hooks/{feed}/{kind}/{id}")
    async def changed(feed: str, kind: str, id: str, request: Request) -> Response:
        """A resource that was changed or deleted, at its own address."""
        if not (kind.isalpha() and kind.isascii() and VALID_ID.fullmatch(id)):
            raise refuse(404, Problem("not-found", "there is nothing at this address"))
        return await take(request, feed, f"{kind}/{id}")

    return made
