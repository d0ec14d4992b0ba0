"""What an answer to a question holds: the ClaimResponse that counts, and how many claims it speaks of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from adapters.fhir import wire
from adapters.fhir.problem import Refused
from adapters.fhir.tree import Node


@dataclass(frozen=True, slots=True)
class Found:
    """The ClaimResponse that says most, as bytes (empty when there is none), and the number of claims spoken of.

    `claims` is None for a body that is neither a Bundle nor a ClaimResponse: then nothing was found or not found.
    """

    body: bytes
    claims: int | None
    place: str = ""
    """Where the answer lies that is named and not told: a Task's output, the location of an entry."""
    named: bool = False
    """Whether an answer names the claim by our identifier, and not by the payer's reference alone."""


def found_in(body: bytes, claim: str = "", id: str = "") -> Found:
    """Read a searchset, another Bundle, Parameters, a Task or a ClaimResponse.

    A pended claim may have a queued answer and a later one beside it: a decided one counts before a queued one, the
    last said before the others. Two claims of one name are told by their references (`ClaimResponse.request`). With
    `claim` answers that name another claim are left out; with the payer's `id` of it all that do not refer to that.
    """
    read = wire.resource(body)
    if isinstance(read, Refused) or read["resourceType"] not in ("Bundle", "ClaimResponse", "Parameters", "Task"):
        return Found(b"", None)
    whole = Node(read, str(read["resourceType"]))
    answers = [node for node in _held(whole) if node["resourceType"].text == "ClaimResponse"]
    if claim:
        names = [(node, node["request"]["identifier"]["value"].text) for node in answers]
        answers = [node for node, name in names if name in ("", claim) and (not id or _refers(node, id))]
    if not answers:
        searched = whole["type"].text == "searchset"
        return Found(b"", 0 if searched else None, next(_places(whole), ""))
    best = max(answers, key=_weight)
    claims = {node["request"]["reference"].text for node in answers} - {""}
    by_name = any(node["request"]["identifier"]["value"].text == claim for node in answers)
    return Found(wire.dumps(best.value), max(1, len(claims)), named=bool(claim) and by_name)


def _refers(answer: Node, id: str) -> bool:
    """Whether it is about the Claim of this id: by `Claim/id`, an address that ends so, or such a version of it."""
    path = answer["request"]["reference"].text.partition("/_history/")[0]
    return path == f"Claim/{id}" or path.endswith(f"/Claim/{id}")


def _held(whole: Node) -> Iterator[Node]:
    """The resource and those within it, in Bundles (of Bundles), Parameters and contained."""
    yield whole
    kind = whole["resourceType"].text
    if kind == "Bundle":
        inner = [entry["resource"] for entry in whole.each("entry")]
    elif kind == "Parameters":
        inner = [parameter["resource"] for parameter in whole.each("parameter")]
    else:
        inner = list(whole.each("contained")) if kind == "Task" else []
    for node in inner:
        if node:
            yield from _held(node)


def _places(whole: Node) -> Iterator[str]:
    """Where a ClaimResponse is said to lie: `Task.output` (R4 task.html), `Bundle.entry.response.location` (async.html)."""
    for node in _held(whole):
        if node["resourceType"].text == "Task":
            named = [output["valueReference"]["reference"].text for output in node.each("output")]
        elif node["resourceType"].text == "Bundle":
            named = [entry["response"]["location"].text for entry in node.each("entry")]
        else:
            continue
        yield from (link for link in named if "ClaimResponse/" in link)


def _weight(answer: Node) -> tuple[bool, str, int]:
    meta = answer["meta"]
    version = meta["versionId"].text
    decided = answer["outcome"].text != "queued"
    return decided, meta["lastUpdated"].text, int(version) if version.isdecimal() else 0
