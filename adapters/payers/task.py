"""The Task by which some payers want to be asked for an answer that is pended (R4 task.html, financial task code poll)."""

from __future__ import annotations

from datetime import datetime

from adapters.fhir import wire
from adapters.fhir.claim import CLAIM_SYSTEM
from adapters.fhir.wire import JsonObject

_CODES = "http://terminology.hl7.org/CodeSystem/financialtaskcode"
_INPUTS = "http://terminology.hl7.org/CodeSystem/financialtaskinputtype"


def poll_task(claim: str, now: datetime) -> bytes:
    """A Task that asks for the ClaimResponse to the claim of ours, and for nothing else."""
    include: JsonObject = {"coding": [{"system": _INPUTS, "code": "include"}]}
    return wire.dumps(
        {
            "resourceType": "Task",
            "status": "requested",
            "intent": "order",
            "code": {"coding": [{"system": _CODES, "code": "poll"}]},
            "focus": {"type": "Claim", "identifier": {"system": CLAIM_SYSTEM, "value": claim}},
            "authoredOn": now.isoformat(timespec="seconds"),
            "input": [{"type": include, "valueCode": "ClaimResponse"}],
        }
    )
