"""Our Subscriptions at an EHR (R4, rest-hook): made, renewed, taken back. Ours are those that point at our hook."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from adapters.ehr.client import EhrClient, secret_of
from adapters.errors import BadSetup
from adapters.fhir import wire
from adapters.fhir.problem import Refused
from adapters.fhir.tree import Node
from adapters.fhir.wire import JsonObject
from adapters.model.ehr import Ehr

_MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Subscribed:
    """What became of the Subscription for one type."""

    kind: str
    done: str
    """`made`, `renewed`, `taken-back`; empty where it failed."""
    problem: str = ""
    """Why it failed, as a stable code: `no-answer`, `status-NNN`."""


def subscribe(ehr: Ehr, client: EhrClient, now: datetime) -> tuple[Subscribed, ...]:
    """Make a Subscription for each type that is asked for, or renew the one that is there.

    Raises `BadSetup` where the EHR has no `hook_url` in the site file, or the secret cannot be read.
    """
    if not ehr.hook_url:
        raise BadSetup((f"ehrs.{ehr.feed}: no hook_url, by which the EHR would reach us",))
    secret = secret_of(ehr.hook_secret_file)
    ours, problem = _ours(ehr, client)
    done = []
    for kind in ehr.types:
        if problem:
            done.append(Subscribed(kind, "", problem))
            continue
        id = ours.get(kind, "")
        said = _subscription(ehr, kind, secret, now)
        if id:
            answer = client.call(ehr, "PUT", ehr.under(f"Subscription/{id}"), wire.dumps({**said, "id": id}))
        else:
            answer = client.call(ehr, "POST", ehr.under("Subscription"), wire.dumps(said))
        done.append(Subscribed(kind, "" if answer.problem else "renewed" if id else "made", answer.problem))
    return tuple(done)


def unsubscribe(ehr: Ehr, client: EhrClient) -> tuple[Subscribed, ...]:
    """Take back every Subscription that points at our hook."""
    ours, problem = _ours(ehr, client)
    if problem:
        return (Subscribed("", "", problem),)
    done = []
    for kind, id in ours.items():
        answer = client.call(ehr, "DELETE", ehr.under(f"Subscription/{id}"))
        gone = answer.status in (404, 410)
        done.append(
            Subscribed(kind, "taken-back", "") if gone or not answer.problem else Subscribed(kind, "", answer.problem)
        )
    return tuple(done)


def _ours(ehr: Ehr, client: EhrClient) -> tuple[dict[str, str], str]:
    """Type → id of the Subscriptions that point at our hook; and why they cannot be told."""
    answer = client.get(ehr, ehr.under(f"Subscription?url={quote(ehr.hook_url, safe='')}&_count={_MOST}"))
    read = wire.resource(answer.body) if not answer.problem else None
    if read is None:
        return {}, answer.problem
    if isinstance(read, Refused) or read["resourceType"] != "Bundle":
        return {}, "not-a-page"
    ours: dict[str, str] = {}
    for entry in Node(read, "Bundle").each("entry"):
        one = entry["resource"]
        if one["channel"]["endpoint"].text == ehr.hook_url and one["id"].text:
            ours.setdefault(one["criteria"].text.partition("?")[0], one["id"].text)
    return ours, ""


def _subscription(ehr: Ehr, kind: str, secret: str, now: datetime) -> JsonObject:
    end = (now + timedelta(hours=ehr.hook_hours)).astimezone(UTC)
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "charges are derived from what was done",
        "criteria": f"{kind}?",
        "end": end.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "channel": {
            "type": "rest-hook",
            "endpoint": ehr.hook_url,
            "payload": "application/fhir+json",
            "header": [f"Authorization: Bearer {secret}"],
        },
    }
