"""Health and metrics, on a loopback listener of their own: for a supervisor, never for a patient's data."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST

from adapters.errors import StoreDown
from adapters.serve.metrics import Exposition, Steps
from adapters.serve.middleware import Contained
from adapters.serve.wired import Wired


def create_health_app(
    wired: Wired,
    *,
    lanes: Steps | None = None,
    checks: Mapping[str, Callable[[], bool]] | None = None,
    notes: Sequence[str] = (),
) -> FastAPI:
    """`/healthz`: this process runs. `/readyz`: the store answers and every check holds. `/metrics`: Prometheus.

    `checks` are asked by name: a listener that accepts, threads that live. `notes` are lines of the answer of `/readyz`
    that whoever looks at the service should see, such as a listener without TLS; one more tells of lanes that wait.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    exposition = Exposition(
        wired.store,
        lanes,
        lambda: {one.id: wired.payers.rests(one) for one in wired.site.payers if one.endpoint.base_url},
    )
    asked = dict(checks or {})

    @app.get("/healthz")
    async def healthz() -> Response:
        return Response("alive\n", media_type="text/plain")

    @app.get("/readyz")
    async def readyz() -> Response:
        wanting = [name for name, holds in asked.items() if not holds()]
        told = list(notes)
        try:
            await asyncio.to_thread(wired.store.counts)
            lanes = await asyncio.to_thread(wired.store.queue.counts)
            if any((lanes.waiting, lanes.working, lanes.stalled)):
                told.append(f"lanes: {lanes.waiting} waiting, {lanes.working} worked, {lanes.stalled} stalled")
        except StoreDown:
            wanting.append("store")
        words = "".join(f"{name}: not ready\n" for name in wanting) or "ready\n"
        words += "".join(f"note: {note}\n" for note in told)
        return Response(words, 503 if wanting else 200, media_type="text/plain")

    @app.get("/metrics")
    async def metrics() -> Response:
        try:
            text = await asyncio.to_thread(exposition.text)
        except StoreDown:
            return Response("the store is down\n", 503, media_type="text/plain")
        return Response(text, 200, media_type=CONTENT_TYPE_LATEST)

    app.add_middleware(Contained)
    return app
