"""The CapabilityStatement: what this server does over FHIR, and nothing that it does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from adapters.fhir.wire import JsonObject, JsonValue


def capabilities(now: datetime, *, takes: Sequence[str], token_url: str = "") -> JsonObject:
    """R4 CapabilityStatement of this instance. `takes` are the types that may be sent, empty where none may.

    `token_url` is where access tokens are given, where they are needed.

    A sent resource is journalled and read as a message; it cannot be read back as a resource, so no `read` is claimed.
    """
    taken: list[JsonValue] = [
        {
            "type": kind,
            "documentation": "Taken into the journal; charges are derived from it. Not kept as a resource.",
            "interaction": [{"code": "create"}, {"code": "update"}, {"code": "delete"}],
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
    if token_url:
        rest["security"] = _security(token_url)
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


def _security(token_url: str) -> JsonObject:
    """How to be let in (SMART App Launch 2, Conformance: declared here as well for those who look here only)."""
    coding: JsonObject = {
        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
        "code": "SMART-on-FHIR",
    }
    return {
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [{"url": "token", "valueUri": token_url}],
            }
        ],
        "cors": False,
        "service": [{"coding": [coding]}],
        "description": "SMART Backend Services: system clients with private_key_jwt over TLS.",
    }
