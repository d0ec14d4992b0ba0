"""The facility's claim and the physicians' of one event, set against each other.

Both come from the same service, so both say the same day and as many units; the codes may differ by rule (a visit has
one code at the facility and another at the physician). Where they part, one of them was changed by a person or is
about to be replaced, and a payer that sees both will ask.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

from adapters.model.charge import Charge, Finding
from adapters.model.claim import ClaimOnFile, ClaimState, ClaimType
from adapters.model.why import Fact, RuleRef, Source, Why

SIDES: Final = "sides-differ"
_GONE: Final = frozenset(
    {ClaimState.ABANDONED, ClaimState.REPLACED, ClaimState.VOIDED, ClaimState.REFUSED, ClaimState.ERROR}
)


def sides(claims: Iterable[ClaimOnFile], charges: Mapping[str, Charge], ref: RuleRef) -> tuple[Finding, ...]:
    """A finding for each service that stands on claims of both forms with other days or units; `charges` by their ids."""
    found: dict[tuple[str, str, str], dict[ClaimType, dict[date, int]]] = defaultdict(dict)
    lines: dict[tuple[str, str, str], Charge] = {}
    for on_file in claims:
        # A claim to a later payer says again what the first one said.
        if on_file.state in _GONE or on_file.claim.frequency == "8" or on_file.claim.follows:
            continue
        for line in on_file.claim.lines:
            charge = charges.get(line.charges[0]) if line.charges else None
            if charge is None:
                continue
            key = (charge.slot.episode, charge.slot.service, charge.slot.key)
            days = found[key].setdefault(on_file.claim.type, {})
            days[line.start] = days.get(line.start, 0) + line.units
            lines.setdefault(key, charge)
    return tuple(
        _finding(lines[key], told, ref)
        for key, told in sorted(found.items())
        if len(told) > 1 and told[ClaimType.PROFESSIONAL] != told[ClaimType.INSTITUTIONAL]
    )


def _finding(charge: Charge, told: Mapping[ClaimType, Mapping[date, int]], ref: RuleRef) -> Finding:
    words = "; ".join(
        f"{form.value} {' '.join(f'{units} on {day.isoformat()}' for day, units in sorted(told[form].items()))}"
        for form in (ClaimType.INSTITUTIONAL, ClaimType.PROFESSIONAL)
    )
    why = Why(ref, (*charge.why.facts, Fact("sides", words, Source("claims", charge.slot.service))))
    return Finding(SIDES, "", why, words, charge.slot)
