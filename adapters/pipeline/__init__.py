"""The path of a message: read it, step the person's record with it. Pure: the store and the payers stand outside.

`read` turns a journal entry into readings, `step` folds readings into a person's record, `life` is what happens to
claims. State = fold(journal): given the same entries, rules, site and ticks, the same record comes out.
"""

from adapters.pipeline.exchange import Exchange, decode_exchange, encode_exchange, interpret
from adapters.pipeline.read import ReadEntry, read
from adapters.pipeline.step import House, step, to_send

__all__ = [
    "Exchange",
    "House",
    "ReadEntry",
    "decode_exchange",
    "encode_exchange",
    "interpret",
    "read",
    "step",
    "to_send",
]
