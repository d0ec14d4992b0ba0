"""Where payers tell us of answers: `/hooks/payers/PAYER`, for payers with a `hook_secret_file` in their endpoint.

An answer that nobody asked for (a payment taken back months later) is learnt by this way alone: a claim that is decided
is not asked about any more. R4 rest-hooks with a payload (`POST`, or `PUT` at `Type/id` behind the address) and topic-based
notifications, whose resources come with them or are fetched from the payer. What they bring is on file before they are
answered, and is posted like answers that come by any other door (`pipeline.remitting`). A named answer that cannot be
fetched now is asked for again when the payer tells of it again (503); one that never can be waits for a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response

from adapters.ehr.client import secret_of
from adapters.errors import BadSetup, StoreDown
from adapters.fhir import wire
from adapters.fhir.bundle import VALID_ID
from adapters.fhir.notification import Notice, read_notice
from adapters.fhir.payment import is_delivery
from adapters.fhir.problem import Problem, Refused
from adapters.fhir.tree import Node
from adapters.model.site import Payer
from adapters.pipeline.receive import Intake
from adapters.pipeline.remitting import names_of, remittance_receipt
from adapters.serve import metrics
from adapters.serve.hooks import SHORTEST, bears
from adapters.serve.intake import Reception
from adapters.serve.wired import Wired

_SILENT: Final = frozenset({"handshake", "heartbeat", "query-status"})
_TYPES: Final = ("ClaimResponse", "PaymentReconciliation")


def router(
    wired: Wired,
    reception: Reception,
    body_of: Callable[[Request], Awaitable[bytes]],
    refuse: Callable[[int, Problem], Exception],
) -> APIRouter:
    """The routes; they must be included before those of `serve.hooks`. Raises `BadSetup` where a secret cannot be read."""
    made = APIRouter()
    hooked = {payer.id: payer for payer in wired.site.payers if payer.endpoint.hook_secret_file}
    secrets: Mapping[str, str] = {id: secret_of(one.endpoint.hook_secret_file) for id, one in hooked.items()}
    if short := [id for id, secret in secrets.items() if len(secret) < SHORTEST]:
        raise BadSetup(tuple(f"payers.{id}: the hook's secret has less than {SHORTEST} characters" for id in short))
    if hooked and any(ehr.feed == "payers" and ehr.hook_secret_file for ehr in wired.site.ehrs):
        raise BadSetup(("ehrs.payers: the hooks of payers are at this address; give the feed another name",))

    @made.post("/hooks/payers/{id}")
    async def notified(id: str, request: Request) -> Response:
        """A notification: an answer by itself, or a Bundle that holds or names answers."""
        return await take(id, request)

    @made.put("/hooks/payers/{id}/{kind}/{name}")
    @made.post("/hooks/payers/{id}/{kind}/{name}")
    async def changed(id: str, kind: str, name: str, request: Request) -> Response:
        """An answer at its own address, as a rest-hook with a payload sends it; its body says what it is."""
        if not (kind.isalpha() and kind.isascii() and VALID_ID.fullmatch(name)):
            raise refuse(404, Problem("not-found", "there is nothing at this address"))
        return await take(id, request)

    async def take(id: str, request: Request) -> Response:
        # A payer without a hook and a wrong secret are answered alike.
        if not bears(request, secrets.get(id, "")) or id not in hooked:
            metrics.REFUSED.labels("fhir", "login").inc()
            raise refuse(401, Problem("login", "the notification bears no secret of this hook"))
        notice = read_notice(await body_of(request))
        if isinstance(notice, Refused):
            metrics.REFUSED.labels("fhir", notice.problems[0].code).inc()
            raise refuse(400, notice.problems[0])
        metrics.TOLD.labels(id, notice.what).inc()
        if notice.what in _SILENT:
            return Response(status_code=200)
        told = await asyncio.to_thread(_told, wired, hooked[id], notice)
        if told is None:
            # Not taken: the payer tells it again, as for an outage of ours.
            raise refuse(503, Problem("not-found", "what the notification names cannot be fetched now"))
        bodies = [_body(told.answers, hooked[id].endpoint.base_url.rstrip("/"))] if told.answers else []
        # Told again it would be refused for ever: it is on file, and waits for a person.
        bodies += [names_of(told.absent)] if told.absent else []
        if not bodies:
            raise refuse(400, Problem("business-rule", "the notification holds and names no answer to a claim"))
        for body in bodies:
            receipt = remittance_receipt(body, id, wired.clock.now(), f"hook:{id}")
            try:
                await reception.take(Intake(receipt, None, b""), "fhir")
            except StoreDown:
                raise refuse(503, Problem("store-down", "the store is down; tell it again")) from None
        return Response(status_code=200)

    return made


@dataclass(frozen=True, slots=True)
class _Told:
    """What a notification tells."""

    answers: tuple[wire.JsonObject, ...] = ()
    """Answers and payments, those that it only names fetched, and what they refer to."""
    absent: tuple[str, ...] = ()
    """References to answers that can never be fetched: they lie elsewhere, or the payer does not have them."""


def _told(wired: Wired, payer: Payer, notice: Notice) -> _Told | None:
    """What a notification tells; None where an answer that it names cannot be had now."""
    held = [one for one in notice.content if is_delivery(one)]
    absent: list[str] = []
    ids = {f"{one['resourceType']}/{one.get('id', '')}" for one in held}
    for reference in notice.named:
        name = "/".join(reference.partition("/_history/")[0].split("/")[-2:])
        if name in ids or not name.startswith(tuple(f"{kind}/" for kind in _TYPES)):
            continue
        body = wired.payers.read(payer, reference)
        read = wire.resource(body) if body else None
        if body is None or isinstance(read, Refused):
            # Also a page in place of the resource: somebody stands between.
            return None
        if read is None or not is_delivery(read):
            absent.append(reference)
        else:
            held.append(read)
        # One resource may be named in two ways, and an answer that is held twice would be paid twice by its payment.
        ids.add(name)
    return _Told((*held, *_claims(wired, payer, held)), tuple(absent))


def _claims(wired: Wired, payer: Payer, held: Iterable[wire.JsonObject]) -> Iterator[wire.JsonObject]:
    """The payer's Claims of answers that name them by the payer's reference alone: our name is in them. One that the
    payer does not show is left out; its answer then waits for a person."""
    asked: set[str] = set()
    for answer in held:
        request = Node(answer, "")["request"]
        name = "/".join(request["reference"].text.partition("/_history/")[0].split("/")[-2:])
        if request["identifier"]["value"].text or name in asked or not name.startswith("Claim/"):
            continue
        asked.add(name)
        body = wired.payers.read(payer, name)
        read = wire.resource(body) if body else None
        if read is not None and not isinstance(read, Refused) and read["resourceType"] == "Claim":
            yield read


def _body(told: tuple[wire.JsonObject, ...], base: str) -> bytes:
    """What is journalled: one answer as it is, several resources in a Bundle under the addresses that they have."""
    if len(told) == 1:
        return wire.dumps(told[0])
    entries: list[wire.JsonValue] = [
        {"fullUrl": f"{base}/{one['resourceType']}/{one.get('id', '')}", "resource": one} for one in told
    ]
    return wire.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})
