"""Who reports which part of a coded service at its place, by the rule `splitting` (mappings/charges/splitting.toml)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.model.charge import Component
from adapters.model.context import Context
from adapters.model.why import Fact, RuleRef
from adapters.rules import Attributes, Nothing

if TYPE_CHECKING:
    from adapters.charges.lines import Bench, Billable


@dataclass(frozen=True, slots=True)
class Portion:
    """The part of a code that one entity reports at its place, or may not report."""

    entity: str
    component: Component
    part: str
    modifiers: tuple[str, ...]
    hold: str
    ref: RuleRef
    facts: tuple[Fact, ...]


def portions(bench: Bench, service: Billable, attributes: Attributes, context: Context) -> Iterator[Portion]:
    """The parts that the entities of the place report, by the rule `splitting`."""
    words = {
        "code": service.code,
        "pctc": attributes.pctc,
        "status": attributes.status,
        "tc_bundled": service.tc_bundled or ("true" if attributes.tc_bundled else "false"),
        "packaged_technical": "true" if attributes.packaged_technical else "false",
        "facility_na": "true" if attributes.facility_na else "false",
    }
    for entity in service.place.entities:
        decision = bench.decide("splitting", context, {**words, "bills": entity.bills.value})
        if isinstance(decision, Nothing) or "none" in decision.values:
            continue
        component = Component(decision.values.get("component", entity.bills.value))
        modifier = decision.values.get("modifier", "")
        yield Portion(
            entity=entity.id,
            component=component,
            part=f"{entity.id}:{component}",
            modifiers=(modifier,) if modifier else (),
            hold=decision.values.get("hold", ""),
            ref=decision.ref,
            facts=bench.split_facts(service, attributes.pctc, entity.id, attributes.ref),
        )
