"""Prior authorization as a balance: its units are used up by the lines it covers, in the order of service.

Which codes need one is the payer's option `authorization.required`. A unit is a line's unit (of deliveries: a session).
Both end days are inside (radiation-oncology.md 9). A line that is held for want of cover was delivered all the same:
nothing that counts sessions is changed by it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Final

from adapters.edits.sieve import Sieve
from adapters.model.charge import Charge, Finding
from adapters.model.coverage import Authorization
from adapters.model.why import Fact, Source, Why

BALANCE: Final = "authorization-balance"
"""Finding: what is left of an authorization's units."""


def authorized(sieve: Sieve) -> None:
    """Give each line that needs one its authorization, the one that ends first before others; hold what none covers."""
    used: dict[Authorization, int] = {}
    lines: list[Charge] = []
    for line in sieve.lines:
        if line.code not in sieve.option(line, "authorization.required").split():
            lines.append(line)
            continue
        payer = line.coverage.partition("|")[0]
        ours = [a for a in sieve.contexts.authorizations if a.payer == payer and a.takes(line.code)]
        covering = sorted((a for a in ours if a.holds_on(line.start)), key=_soonest)
        left = [a for a in covering if a.units is None or used.get(a, 0) + line.units <= a.units]
        if left:
            used[left[0]] = used.get(left[0], 0) + line.units
            fact = Fact("authorization", left[0].number, Source(left[0].source_message, "authorization"))
            why = Why(line.why.rule, (*line.why.facts, fact))
            lines.append(replace(line, authorization=left[0].number, why=why))
        elif covering:
            _hold(sieve, line, "authorization-exhausted", covering[-1], "its units are used up")
        elif ended := [a for a in ours if a.end is not None and a.end < line.start]:
            _hold(sieve, line, "authorization-expired", max(ended, key=_soonest), "it ended before the date of service")
        else:
            sieve.hold(line, "authorization-missing", sieve.ref("authorization", line.start))
    sieve.lines = lines
    for one, units in used.items():
        if one.units is not None:
            last = max((line for line in lines if line.authorization == one.number), key=lambda line: line.start)
            fact = Fact("authorization", one.number, Source(one.source_message, "authorization"))
            why = Why(sieve.ref("authorization", last.start), (fact,))
            sieve.findings.append(Finding(BALANCE, one.number, why, str(one.units - units)))


def _soonest(one: Authorization) -> tuple[date, date, str]:
    return (one.end or date.max, one.start or date.min, one.number)


def _hold(sieve: Sieve, line: Charge, code: str, one: Authorization, detail: str) -> None:
    fact = Fact("authorization", one.number, Source(one.source_message, "authorization"))
    sieve.hold(
        line, code, sieve.ref("authorization", line.start), fact, detail=f"Authorization {one.number}: {detail}."
    )
