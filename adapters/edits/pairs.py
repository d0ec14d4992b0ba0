"""Procedure-to-procedure edits (NCCI PTP): two codes of one date and entity of which column 2 falls.

Indicator 0 is never paid together. Indicator 1 lets both stand where a line of either bears an NCCI modifier
(mappings/edits/ncci-modifiers.toml: since when, on which column, on what); without one a person decides by the record.
Indicator 9 says nothing (radiation-oncology.md 7.1, medical-oncology-and-revenue-cycle.md 3.1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from adapters.edits.sieve import Day
from adapters.model.charge import Charge
from adapters.model.why import Fact, Source
from adapters.rules import Pair


def pairs(day: Day) -> None:
    """Hold the column 2 lines, in the order of `_order`: only a line that stands itself fells another."""
    if len({line.code for line in day.lines}) < 2 or day.option("edits.pairs") == "off":
        return
    lines: dict[str, list[Charge]] = defaultdict(list)
    for line in day.lines:
        lines[line.code].append(line)
    among = day.rules.pairs_among(tuple(sorted(lines)), day.start, day.table)
    pairs_of: dict[str, list[Pair]] = defaultdict(list)
    for pair in among:
        if pair.indicator != "9":
            pairs_of[pair.column1].append(pair)
            pairs_of[pair.column2].append(pair)
    if not pairs_of:
        return
    standing: dict[str, list[Charge]] = {}
    for code in _order(lines, pairs_of):
        # What was decided before includes this code, or stands in a ring with it. Of several pairs that fell a line the
        # one counts that no modifier opens, then the one with the lower other code.
        felling = sorted(
            (p for p in pairs_of.get(code, ()) if standing.get(_other(p, code))),
            key=lambda p: (p.indicator, _other(p, code)),
        )
        for line in lines[code] if felling else ():
            by = next((p for p in felling if _falls(day, p, standing[_other(p, code)], line)), None)
            if by is None:
                continue
            words = f"{by.column1} includes {by.column2}"
            fact = Fact("pair", words, Source("rules", by.ref.file))
            hold = "pair-conflict" if by.indicator == "1" else "bundled"
            day.hold(line, hold, by.ref, fact, detail=f"{words} ({by.ref.file}).")
        standing[code] = [line for line in lines[code] if not day.sieve.fell(line)]


def _other(pair: Pair, code: str) -> str:
    return pair.column1 if pair.column2 == code else pair.column2


def _order(lines: Mapping[str, Sequence[Charge]], pairs_of: Mapping[str, Sequence[Pair]]) -> list[str]:
    """The codes, each after all that include it, by code where nothing else tells; of a ring the first code begins.

    It depends on the codes alone: a chain A over B over C leaves A and C, however the lines came.
    """
    left, order = sorted(lines), []
    while left:
        free = (c for c in left if not any(p.column2 == c and p.column1 in left for p in pairs_of.get(c, ())))
        order.append(next(free, left[0]))
        left.remove(order[-1])
    return order


def _falls(day: Day, pair: Pair, others: Sequence[Charge], line: Charge) -> bool:
    """Whether the line falls to some standing line of the other code of the pair."""
    if pair.indicator == "0":
        return True
    own, other = ("2", "1") if line.code == pair.column2 else ("1", "2")
    return not _opens(day, line, own) and not all(_opens(day, one, other) for one in others)


def _opens(day: Day, line: Charge, column: str) -> bool:
    """Whether the line bears a modifier that opens an indicator 1 from its column on the date of service."""
    family = day.rules.service_of(line.code)
    for modifier in line.modifiers:
        facts = {"modifier": modifier, "column": column, "family": family}
        decision = day.sieve.decide("ncci-modifiers", day.start, facts)
        if decision is not None and decision.values.get("opens") == "yes":
            return True
    return False
