"""Values of the model as canonical JSON and back, and instants as numbers.

Encoding writes fields in their order of declaration and decimals as text with all their digits, so that equal values
give equal bytes. Decoding is typed: a row that does not fit the model is damaged, never half read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec

from adapters.store.refusals import Damaged

T = TypeVar("T")

_ENCODER: Final = msgspec.json.Encoder(decimal_format="string")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def encode(value: object) -> bytes:
    """The value's canonical JSON."""
    return _ENCODER.encode(value)


def decode_all(decoder: msgspec.json.Decoder[list[T]], rows: Sequence[bytes], place: str) -> tuple[T, ...]:
    """The values of many rows, read in one call; raises `Damaged` when one does not fit its type."""
    if not rows:
        return ()
    try:
        return tuple(decoder.decode(b"[" + b",".join(rows) + b"]"))
    except msgspec.MsgspecError:
        # The error's own text may quote a value.
        raise Damaged(f"{place}: a row does not read as what it should hold") from None


def decoder_of(kind: type[T]) -> msgspec.json.Decoder[list[T]]:
    """A decoder of lists of the type."""
    listed: Any = list[kind]  # type: ignore[valid-type]  # a type made at run time
    return msgspec.json.Decoder(listed)


def micros(at: datetime) -> int:
    """Microseconds since 1970 UTC, exact; an instant without its zone is a bug and raises `ValueError`."""
    if at.tzinfo is None:
        raise ValueError("an instant without its zone")
    return (at - _EPOCH) // _MICROSECOND


def instant(micros: int) -> datetime:
    """The aware UTC instant of a number that `micros` gave."""
    return _EPOCH + timedelta(microseconds=micros)
