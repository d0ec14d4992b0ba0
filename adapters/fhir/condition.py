"""Conditional create and update: the search by which a sender names a resource instead of an id (R4 http.html#cond-update)."""

from __future__ import annotations

from urllib.parse import parse_qsl

from adapters.fhir.problem import Problem
from adapters.fhir.tree import Node
from adapters.fhir.wire import JsonObject


def problem_of(resource: JsonObject, search: str) -> Problem | None:
    """Why this search cannot name this resource; None where it can: by one of its own identifiers, and nothing else.

    Nothing is searched: a resource that bears the identifier restates whatever bore it before. A search by anything else,
    or for an identifier that the resource does not bear, would have to look at what is kept as a resource, and nothing is.
    """
    asked = parse_qsl(search, keep_blank_values=True)
    if [name for name, _ in asked] != ["identifier"]:
        return Problem("precondition", "a condition may only be identifier=system|value")
    system, bar, value = asked[0][1].rpartition("|")
    for identifier in Node(resource, "").each("identifier"):
        if identifier["value"].text == value and value and (not bar or identifier["system"].text == system):
            return None
    return Problem("precondition", "the resource does not bear the identifier of the condition")
