"""JSON with exact decimals: what came in as 12.50 goes out as 12.50.

The standard reader turns numbers into binary floats and the standard writer prints the shortest float;
both lose the digits of money.  Here a JSON number with a fraction is read as `Decimal` and written in
plain notation with all its digits (FHIR R4 datatypes, decimal: "the precision of the decimal value has
significance").
"""

import json
from decimal import Decimal
from typing import Any

# An object of a JSON document; a stub works on resources as they are, without a model.
Json = dict[str, Any]


def loads(data: bytes | str) -> Any:
    """Read JSON; numbers with a fraction or an exponent become `Decimal`.

    Raises ValueError (json.JSONDecodeError, UnicodeDecodeError) for what is not JSON, and for NaN.
    """
    return json.loads(data, parse_float=Decimal, parse_constant=_no_constant)


def dumps(value: object) -> bytes:
    """Write JSON as UTF-8, decimals digit for digit, keys in the order given.

    Raises TypeError for a value that JSON has no word for; floats are refused, because money in a float is
    already wrong.
    """
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts).encode()


def _write(value: object, out: list[str]) -> None:
    if isinstance(value, dict):
        out.append("{")
        for n, (key, item) in enumerate(value.items()):
            out.append(("," if n else "") + json.dumps(str(key)) + ":")
            _write(item, out)
        out.append("}")
    elif isinstance(value, list | tuple):
        out.append("[")
        for n, item in enumerate(value):
            if n:
                out.append(",")
            _write(item, out)
        out.append("]")
    elif isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError("a decimal without a value cannot be written")
        out.append(format(value, "f"))
    elif value is None or isinstance(value, str | bool | int):
        out.append(json.dumps(value, ensure_ascii=False))
    else:
        raise TypeError(f"cannot be written as JSON: {type(value).__name__}")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
