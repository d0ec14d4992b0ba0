"""What a Subscription notifies: the R4 rest-hook with and without payload, and topic-based notifications in the three
forms in which they stand in R4 (Subscriptions R5 Backport 1.1: Parameters), R4B and R5 (SubscriptionStatus)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from adapters.fhir import wire
from adapters.fhir.problem import Problem, Refused
from adapters.fhir.tree import Node
from adapters.fhir.wire import JsonObject

_BUNDLES: Final = ("history", "subscription-notification")
_WORDS: Final = frozenset({"handshake", "heartbeat", "event-notification", "query-status", "query-event"})
_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification, read."""

    what: str
    """`handshake`, `heartbeat`, `event-notification`, `query-status`, `query-event`, or of a rest-hook without a topic
    `empty` or `resource`."""
    subscription: str = ""
    """The Subscription as the notification names it."""
    events: tuple[int, ...] = ()
    """Event numbers that it tells of, rising."""
    since_start: int | None = None
    """How many events the subscription has had in all."""
    named: tuple[str, ...] = ()
    """References to what it tells of, each once; the resources of them may be in `content`."""
    content: tuple[JsonObject, ...] = ()
    """The resources that came with it."""
    deleted: tuple[JsonObject, ...] = ()
    """Entries that say that a resource was deleted."""


def read_notice(body: bytes) -> Notice | Refused:
    """A notification's body; one without anything in it is `empty`. Refuses what is no FHIR JSON."""
    if not body.strip():
        return Notice("empty")
    read = wire.resource(body)
    if isinstance(read, Refused):
        return read
    if read["resourceType"] != "Bundle":
        return Notice("resource", content=(read,))
    bundle = Node(read, "Bundle")
    if bundle["type"].text not in _BUNDLES:
        return Refused((Problem("not-fhir", "the Bundle is no notification", "Bundle.type"),))
    entries = bundle.each("entry")
    status = next((e["resource"] for e in entries if e["resource"]["resourceType"].text in _STATUS), None)
    if status is None:
        return Refused((Problem("required", "the notification says no status", "Bundle.entry"),))
    said = _STATUS[status["resourceType"].text](status)
    if said.what not in _WORDS:
        return Refused((Problem("value", "the notification is of no known type", status.at),))
    others = [entry for entry in entries if entry["resource"].value is not status.value]
    deleted = [e.object for e in others if e["request"]["method"].text == "DELETE"]
    content = [e["resource"].object for e in others if e["resource"]["resourceType"].text]
    # An id-only notification may name by its entries alone.
    urls = [e["fullUrl"].text for e in others if e["request"]["method"].text != "DELETE"]
    named = dict.fromkeys([*said.named, *(url for url in urls if url and not url.startswith("urn:"))])
    return Notice(
        said.what, said.subscription, said.events, said.since_start, tuple(named), tuple(content), tuple(deleted)
    )


def _of_status(status: Node) -> Notice:
    """A SubscriptionStatus (R4B, R5)."""
    events = status.each("notificationEvent")
    focus = [event["focus"]["reference"].text for event in events]
    return Notice(
        status["type"].text,
        status["subscription"]["reference"].text,
        tuple(sorted(_numbers(event["eventNumber"] for event in events))),
        next(iter(_numbers([status["eventsSinceSubscriptionStart"]])), None),
        tuple(name for name in focus if name),
    )


def _of_parameters(status: Node) -> Notice:
    """Parameters in the profile backport-subscription-status-r4."""
    said = {p["name"].text: p for p in reversed(status.each("parameter"))}
    absent = Node(None, status.at)
    events = [{part["name"].text: part for part in p.each("part")} for p in _of(status, "notification-event")]
    focus = [event.get("focus", absent)["valueReference"]["reference"].text for event in events]
    return Notice(
        said.get("type", absent)["valueCode"].text,
        said.get("subscription", absent)["valueReference"]["reference"].text,
        tuple(sorted(_numbers(_number_of(event.get("event-number", absent)) for event in events))),
        next(iter(_numbers([_number_of(said.get("events-since-subscription-start", absent))])), None),
        tuple(name for name in focus if name),
    )


_STATUS: Final = {"SubscriptionStatus": _of_status, "Parameters": _of_parameters}


def _of(status: Node, name: str) -> Iterator[Node]:
    yield from (p for p in status.each("parameter") if p["name"].text == name)


def _number_of(parameter: Node) -> Node:
    """A 64-bit number stands as text in R4, and as a number with senders that did not read that."""
    return next(
        (n for n in map(parameter.__getitem__, ("valueString", "valueInteger64", "valueInteger")) if n), parameter
    )


def _numbers(nodes: Iterator[Node] | list[Node]) -> Iterator[int]:
    for node in nodes:
        if node.whole is not None:
            yield node.whole
        elif node.text.isdecimal() and len(node.text) <= _DIGITS:
            yield int(node.text)
