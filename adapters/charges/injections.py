"""Injections, pumps and flushes of a visit: what is billed beside the minutes (1.3 I4, I13-I15)."""

from __future__ import annotations

from typing import Final

from adapters.charges.administered import begun, class_of, facts_named
from adapters.charges.administration_lines import FAMILY, Portion, decided, derives, key_of
from adapters.charges.lines import Bench
from adapters.model.episode import Occurrence
from adapters.model.event import DOSE
from adapters.model.why import Why

_PUMP_FACTS: Final = ("pump.owner", "pump.goes_home", "pump.type", "pump.hours")
"""What tells how a pump is billed."""


def injections(bench: Bench) -> list[Portion]:
    """Injections under the skin or into a muscle, and on-body injectors: beside the scheme of initial services (1.3 I4)."""
    found: list[Portion] = []
    for one in bench.episode.of("injection"):
        if not derives(bench, one, FAMILY):
            continue
        drug_class, facts = class_of(bench, one)
        words = {"class": drug_class, "form": "injection", "route": one.value("route").casefold()}
        told = (*facts, *facts_named(one, "route"))
        if decision := decided(bench, one, words, told):
            found.append(
                Portion(decision.values["code"], (), one.day, one, (*one.told, *told), decision, injected=True)
            )
    return found


def pumps(bench: Bench) -> list[Portion]:
    """Starts, refills and disconnections of pumps, and flushes of ports (1.3 I13-I15)."""
    found: list[Portion] = []
    starts = [one for one in bench.episode.of("pump-start") if derives(bench, one, FAMILY)]
    before = [one for episode in bench.others for one in episode.of("pump-start")]
    all_in_one = False
    for one in starts:
        drug_class, facts = class_of(bench, one)
        words = {"class": drug_class, "form": "pump-start", **_pump_words(one)}
        if decision := decided(bench, one, words, facts):
            pump = facts_named(one, *_PUMP_FACTS)
            found.append(Portion(decision.values["code"], (), one.day, one, (*one.told, *facts, *pump), decision))
            all_in_one = all_in_one or "includes" in decision.values
    for one in bench.episode.of("pump-refill", "pump-disconnect", "port-flush"):
        if not derives(bench, one, FAMILY):
            continue
        started = [s for s in (*starts, *before) if begun(s) <= begun(one)]
        same_day = any(s.day == one.day for s in started)
        if one.kind == "port-flush":
            if any(
                o.day == one.day and o.happened and o.kind not in ("port-flush", "office-visit") for o in near(bench)
            ):
                bench.idle[one.primary.id] = "included-in-administration"
                continue
        elif started and (one.kind == "pump-disconnect" or same_day or all_in_one):
            bench.idle[one.primary.id] = "included-in-pump"
            continue
        elif one.kind == "pump-disconnect":
            why = Why(bench.ref("infusion", one.day), one.told)
            detail = "no start of the pump is on file"
            bench.hold("review-needed", FAMILY, key_of(one), why, about=one.primary.id, detail=detail)
            continue
        if decision := decided(bench, one, {"form": one.kind, **_pump_words(one)}):
            found.append(Portion(decision.values["code"], (), one.day, one, one.told, decision))
    return found


def near(bench: Bench) -> list[Occurrence]:
    """What was given with a needle in this visit and the person's other visits."""
    episodes = (bench.episode, *(episode for episode in bench.others if episode.kind == "infusion"))
    return [one for episode in episodes for one in episode.occurrences if one.kind != DOSE]


def _pump_words(one: Occurrence) -> dict[str, str]:
    return {name: value for name in _PUMP_FACTS if (value := one.value(name))}
