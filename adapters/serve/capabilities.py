"""The CapabilityStatement: what this server does over FHIR, and nothing that it does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from adapters.fhir.wire import JsonObject, JsonValue


def capabilities(now: datetime, *, takes: Sequence[str]) -> JsonObject:
    """R4 CapabilityStatement of this instance. `takes` are the types that may be sent, empty where none may.

    A sent resource is journalled and read as a message; it cannot be read back as a resource, so no `read` is claimed.
    """
    taken: list[JsonValue] = [
        {
            "type": kind,
            "documentation": "Taken into the journal; charges are derived from it. Not kept as a resource.",
            "interaction": [{"code": "create"}, {"code": "update"}],
            "versioning": "no-version",
            "updateCreate": True,
            "conditionalCreate": True,
            "conditionalUpdate": True,
        }
        for kind in takes
    ]
    claim: JsonObject = {
        "type": "Claim",
        "documentation": "A claim as its payer gets it.",
        "interaction": [{"code": "read"}],
    }
    rest: JsonObject = {"mode": "server", "resource": [*taken, claim]}
    if takes:
        rest["interaction"] = [{"code": "transaction"}, {"code": "batch"}]
        rest["operation"] = [
            {
                "name": "process-message",
                "definition": "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message",
            }
        ]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": now.isoformat(timespec="seconds"),
        "kind": "instance",
        "software": {"name": "oncoclaims"},
        "implementation": {"description": "Charge and claim adapter"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [rest],
    }
