"""Answers that say something wrong, each in one way, so that whoever posts them unread is found out."""

import copy
from decimal import Decimal

from fhir_server_stub.wire import Json

WAYS = ("patient", "claim", "sum", "line", "currency", "more")
"""Another patient; another claim; lines that do not add up; a line that was not billed; francs; more paid than billed."""


def told(response: Json, how: str) -> Json:
    """A copy of a ClaimResponse that is wrong in that way; one without lines is wrong about the patient."""
    wrong = copy.deepcopy(response)
    lines = wrong.get("item") or []
    if how == "claim":
        wrong["request"] = {"identifier": {"system": "urn:somebody:else", "value": "00000000"}}
    elif how == "patient" or not lines:
        wrong["patient"] = {"identifier": {"system": "urn:somebody:else", "value": "NOBODY-1"}}
    elif how == "line":
        lines[0]["itemSequence"] = 99
    elif how == "currency":
        for entry in lines[0]["adjudication"]:
            entry["amount"]["currency"] = "CHF"
    else:
        amount = Decimal("1.11") if how == "sum" else Decimal("100000.00")
        for entry in lines[0]["adjudication"]:
            if entry["category"]["coding"][0]["code"] == "benefit":
                entry["amount"]["value"] += amount
    return wrong
