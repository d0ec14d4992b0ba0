"""JSON with exact decimals: money is read as Decimal and written digit for digit (FHIR R4, Datatypes, decimal).

The standard library reads, because it alone can refuse duplicate keys and hand over the digits of a number as they
stand; msgspec writes, with decimals put in as they are (its own form of `1E+3` would be an exponent).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final, NoReturn, TypeAlias

import msgspec

from adapters.fhir.problem import Problem, Refused

JsonValue: TypeAlias = "bool | int | Decimal | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]

SIZE_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of one body; larger ones are refused before they are parsed."""
DEPTH_LIMIT: Final = 64
"""Levels of nesting; a FHIR resource in a Bundle in a Bundle needs some 25."""
ENTRY_LIMIT: Final = 10_000
"""Entries of a Bundle, those of Bundles within it among them; a sender with more has NDJSON."""
DIGIT_LIMIT: Final = 64
"""Digits before or after the point of a number; FHIR asks for 18 and no amount of money has more."""

_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
"""FHIR R4 string: no character below U+0020 but tab, LF and CR; and no half of a surrogate pair."""
_ENCODER: Final = msgspec.json.Encoder()


class _Number(ValueError):
    """A number that is no number of JSON, or has more digits than any amount."""


class _Constant(ValueError):
    """NaN or Infinity."""


def loads(data: bytes, *, limit: int = SIZE_LIMIT) -> JsonValue | Refused:
    """The value of a JSON text in UTF-8: fractions as Decimal with the digits sent, whole numbers as int.

    Refuses, as values: `too-long` (more than `limit` bytes), `not-utf8`, `not-json`, `number-not-finite`,
    `number-out-of-range`, `duplicate-key`, `too-deep`, `control-character`.
    """
    if len(data) > limit:
        return _refused("too-long", f"the body has more than {limit} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _refused("not-utf8", "the body is not UTF-8")
    repeated = 0

    def pairs(members: list[tuple[str, JsonValue]]) -> JsonObject:
        nonlocal repeated
        made = dict(members)
        repeated += len(members) - len(made)
        return made

    try:
        value: JsonValue = json.loads(
            text, parse_float=_decimal, parse_int=_integer, parse_constant=_constant, object_pairs_hook=pairs
        )
    except _Number:
        return _refused("number-out-of-range", f"a number has more than {DIGIT_LIMIT} digits")
    except _Constant:
        return _refused("number-not-finite", "NaN and Infinity are not JSON")
    except RecursionError:
        return _refused("too-deep", f"the body is nested more than {DEPTH_LIMIT} levels")
    except json.JSONDecodeError as fault:
        return _refused("not-json", f"the body is not JSON at line {fault.lineno} column {fault.colno}")
    problems = _faults(value)
    if repeated:
        problems.insert(0, Problem("duplicate-key", f"{repeated} member name(s) stand twice in their object"))
    return Refused(tuple(problems)) if problems else value


def resource(data: bytes, *, limit: int = SIZE_LIMIT) -> JsonObject | Refused:
    """The FHIR resource that the bytes hold; beside the reasons of `loads`, `not-fhir` for any other JSON and
    `too-many-entries`."""
    value = loads(data, limit=limit)
    if isinstance(value, Refused):
        return value
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str) or not value["resourceType"]:
        return _refused("not-fhir", "the body is no FHIR resource: there is no resourceType")
    if _entries(value) > ENTRY_LIMIT:
        return _refused("too-many-entries", f"the Bundle has more than {ENTRY_LIMIT} entries")
    return value


def _entries(value: JsonObject) -> int:
    """Entries of a Bundle and of the Bundles within it; no deeper than the body, whose depth has a limit."""
    entries = value.get("entry") if value.get("resourceType") == "Bundle" else None
    if not isinstance(entries, list):
        return 0
    inner = [entry.get("resource") for entry in entries if isinstance(entry, dict)]
    return len(entries) + sum(_entries(resource) for resource in inner if isinstance(resource, dict))


def dumps(value: JsonValue) -> bytes:
    """The value as JSON in UTF-8, keys in their order, decimals digit for digit and never with an exponent.

    Raises TypeError for what JSON has no word for; a float is refused, because money in a float is already wrong.
    """
    return _ENCODER.encode(_plain(value))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError("a decimal without a value cannot be written as JSON")
        return msgspec.Raw(format(value, "f").encode())
    if isinstance(value, int) and not isinstance(value, bool):
        # msgspec stops at 64 bits.
        return msgspec.Raw(str(int(value)).encode())
    if value is None or isinstance(value, str | bool):
        return value
    raise TypeError(f"cannot be written as JSON: {type(value).__name__}")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a member name must be text, not {type(key).__name__}")
    return key


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _Number from None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or max(-exponent, number.adjusted() + 1, len(text)) > DIGIT_LIMIT:
        raise _Number
    return number


def _integer(text: str) -> int:
    if len(text) > DIGIT_LIMIT:
        raise _Number
    return int(text)


def _constant(name: str) -> NoReturn:
    raise _Constant(name)


def _faults(value: JsonValue) -> list[Problem]:
    """Too deep, or characters that a FHIR string must not have: one walk, without recursion."""
    bad = deep = 0
    level: Sequence[JsonValue] = [value]
    for depth in range(DEPTH_LIMIT + 1):
        if depth == DEPTH_LIMIT and any(isinstance(item, dict | list) for item in level):
            deep = 1
            break
        below: list[JsonValue] = []
        for item in level:
            if isinstance(item, str):
                bad += _FORBIDDEN.search(item) is not None
            elif isinstance(item, dict):
                bad += sum(_FORBIDDEN.search(key) is not None for key in item)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            break
        level = below
    problems = []
    if deep:
        problems.append(Problem("too-deep", f"the body is nested more than {DEPTH_LIMIT} levels"))
    if bad:
        problems.append(Problem("control-character", f"{bad} text(s) have characters that FHIR text must not have"))
    return problems


def _refused(code: str, text: str) -> Refused:
    return Refused((Problem(code, text),))
