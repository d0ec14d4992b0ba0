"""What an answer to a question holds: the ClaimResponse that counts, and how many claims it speaks of."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.fhir import bundle, wire
from adapters.fhir.bundle import Resource
from adapters.fhir.problem import Refused


@dataclass(frozen=True, slots=True)
class Found:
    """The ClaimResponse that says most, as bytes (empty when there is none), and the number of claims spoken of.

    `claims` is None for a body that is neither a Bundle nor a ClaimResponse: then nothing was found or not found.
    """

    body: bytes
    claims: int | None


def found_in(body: bytes) -> Found:
    """Read a searchset, another Bundle or a ClaimResponse.

    A pended claim may have a queued answer and a later one beside it: a decided one counts before a queued one, the
    last said before the others. Two claims of one name are told by their references (`ClaimResponse.request`).
    """
    read = wire.resource(body)
    if isinstance(read, Refused) or read["resourceType"] not in ("Bundle", "ClaimResponse"):
        return Found(b"", None)
    answers = [r for r in bundle.read(read, "").resources if r.type == "ClaimResponse"]
    if not answers:
        return Found(b"", 0 if read["resourceType"] == "Bundle" else None)
    best = max(answers, key=_weight)
    claims = {r.node["request"]["reference"].text for r in answers} - {""}
    return Found(wire.dumps(best.node.value), max(1, len(claims)))


def _weight(answer: Resource) -> tuple[bool, str, int]:
    meta = answer.node["meta"]
    version = meta["versionId"].text
    decided = answer.node["outcome"].text != "queued"
    return decided, meta["lastUpdated"].text, int(version) if version.isdecimal() else 0
