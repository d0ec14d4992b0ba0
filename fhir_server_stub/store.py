"""Versioned FHIR resources in memory: create, update, read, search by what payers and EHRs are asked for."""

import copy
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from fhir_server_stub.wire import Json

_RESULT = {"_count", "_offset", "_format", "_sort", "_summary"}
_TOKENS = {"status", "outcome", "use", "code"}
SEARCHED = {
    "_id",
    "identifier",
    "patient",
    "subject",
    "patient.identifier",
    "patient:identifier",
    "request",
    "request.identifier",
    "request:identifier",
    *_TOKENS,
}


class SearchError(ValueError):
    """A search parameter this server does not know; guessing would answer another question."""


class Resources:
    """All resources by type and id, every version kept."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._versions: dict[tuple[str, str], list[Json]] = {}
        self._numbers: dict[str, int] = {}

    def next_id(self, kind: str) -> str:
        """An id that this type does not use yet."""
        self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return f"{kind.lower()}-{self._numbers[kind]}"

    def put(self, resource: Json, identity: str | None = None) -> Json:
        """Store a new version (a new resource without `identity`); returns it with id and meta."""
        kind = str(resource["resourceType"])
        identity = identity or self.next_id(kind)
        history = self._versions.setdefault((kind, identity), [])
        meta = dict(resource.get("meta") or {})
        meta |= {"versionId": str(len(history) + 1), "lastUpdated": self._now().isoformat()}
        rest = {k: v for k, v in copy.deepcopy(resource).items() if k not in {"resourceType", "id", "meta"}}
        stored = {"resourceType": kind, "id": identity, "meta": meta, **rest}
        history.append(stored)
        return stored

    def read(self, kind: str, identity: str, version: str | None = None) -> Json | None:
        """The newest version, or the one asked for; None when there is none."""
        history = self._versions.get((kind, identity), [])
        if version is None:
            return history[-1] if history else None
        return next((one for one in history if one["meta"]["versionId"] == version), None)

    def search(self, kind: str, query: Iterable[tuple[str, str]]) -> list[Json]:
        """Newest versions that match every parameter (a comma is "or"), in order of creation.

        Raises SearchError for a parameter outside `SEARCHED`.
        """
        asked = [(name, value) for name, value in query if name not in _RESULT]
        unknown = sorted({name for name, _ in asked} - SEARCHED)
        if unknown:
            raise SearchError(f"unknown search parameter {', '.join(unknown)}")
        newest = [history[-1] for (found, _), history in self._versions.items() if found == kind]
        return [
            resource
            for resource in newest
            if all(any(self._matches(resource, n, v) for v in value.split(",")) for n, value in asked)
        ]

    def search_text(self, kind: str, query: str) -> list[Json]:
        """The same for a query as text, as in If-None-Exist or a Bundle's request.url."""
        return self.search(kind, parse_qsl(query.partition("?")[2] or query, keep_blank_values=True))

    def _matches(self, resource: Json, name: str, wanted: str) -> bool:
        if name == "_id":
            return bool(resource["id"] == wanted)
        if name == "identifier":
            return any(_token(one, wanted) for one in resource.get("identifier") or [])
        if name in _TOKENS:
            value = resource.get(name)
            codings = value.get("coding", []) if isinstance(value, dict) else [{"code": value}]
            return any(coding.get("code") == wanted.rpartition("|")[2] for coding in codings)
        base = "patient" if name.startswith(("patient", "subject")) else "request"
        reference = resource.get(base) or (resource.get("subject") if base == "patient" else None) or {}
        if name.endswith("identifier"):
            return any(_token(one, wanted) for one in self._identifiers(reference))
        given = str(reference.get("reference") or "")
        return bool(given) and (given == wanted or given.split("/")[-2:] == _two(wanted, base))

    def _identifiers(self, reference: Json) -> list[Json]:
        """The identifier in the reference itself, and those of the resource it points at."""
        parts = str(reference.get("reference") or "").split("/")[-2:]
        target = self.read(parts[0], parts[1]) if len(parts) == 2 else None
        own = reference.get("identifier")
        return ([own] if own else []) + list((target or {}).get("identifier") or [])


def _two(wanted: str, base: str) -> list[str]:
    """Type and id of a reference given as `id`, `Type/id` or a URL."""
    parts = wanted.split("/")[-2:]
    return parts if len(parts) == 2 else [{"patient": "Patient", "request": "Claim"}[base], wanted]


def _token(identifier: Any, wanted: str) -> bool:
    """`system|value`, `|value` (no system), `system|` or `value`."""
    system, bar, value = wanted.rpartition("|")
    if not bar:
        return bool(identifier.get("value") == value)
    same_system = identifier.get("system", "") == system
    return same_system and (not value or identifier.get("value") == value)
