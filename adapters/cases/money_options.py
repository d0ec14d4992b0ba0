"""What a case says of answers and money: reasons, adjustments of a provider, appeals, claims that are forwarded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from adapters.cases.document import TEXT, Fields, Scalar, Table, Value, items, text, tree

if TYPE_CHECKING:
    from adapters.cases.options import Settled


def carc(value: Value, settled: Settled) -> None:
    """How the reasons of adjustments are posted, and what is done about each."""
    settled.reasons = {code: tree(said) for code, said in tree(value).items()}


_BOOKS: Final = frozenset({"interest", "recoupment"})


def plb_codes(value: Value, settled: Settled) -> None:
    """What the adjustments of a provider come to in the books."""
    settled.books = {code: text(said) for code, said in tree(value).items()}
    for code, said in settled.books.items():
        if said not in _BOOKS:
            settled.missing(f"plb_codes.{code}: {said}")


def crossover(value: Value, settled: Settled) -> None:
    """What a claim that the payer forwards itself waits for."""
    if {name: text(said) for name, said in tree(value).items()} != {"status": "19", "action": "wait"}:
        settled.missing("crossover: another one")


def match_requires(value: Value, settled: Settled) -> None:
    """What an answer must name to be posted."""
    if [text(one) for one in items(value)] != ["patient_control", "icn-or-first-answer", "charge"]:
        settled.missing("match_requires: other things")


def appeal_days(value: Value, settled: Settled) -> None:
    """Days within which a denial can be appealed."""
    settled.appeal_days = int(text(value))


_POST: Final = Scalar("how a reason is posted", re.compile("contractual|patient|denied|neutral|pend"))
CARC: Final = Table(Fields({"post": _POST, "category": TEXT, "action": TEXT}, frozenset({"post"})))
