"""What a reconciliation asks: the rules, what holds for the person on a day, and prices. Everything is remembered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from adapters.charges.expected import worth
from adapters.charges.lines import Bench
from adapters.charges.prices import PriceList
from adapters.model.charge import Component
from adapters.model.context import Context, Contexts
from adapters.model.episode import Episode, Occurrence
from adapters.model.event import Event
from adapters.model.money import Cents, extend
from adapters.model.site import Facility, Mode
from adapters.rules import Decision, Ruleset

WHOLE: Final = (Component.PROFESSIONAL, Component.TECHNICAL, Component.GLOBAL)
_NOTHING: Final = Episode("", "", "loose", "", ())
"""Prices do not ask of which episode a line is."""


@dataclass(slots=True)
class Desk:
    """One person's days, the house's rules and its prices."""

    contexts: Contexts
    rules: Ruleset
    prices: PriceList
    _roles: dict[tuple[str, date], str] = field(default_factory=dict)
    _facilities: dict[str, Facility] = field(default_factory=dict)

    def place(self, of: Occurrence | Event) -> Facility:
        """Where it happened, or is to."""
        feed = of.feed if isinstance(of, Event) else of.primary.feed
        return self.contexts.place(of.value("facility"), feed)

    def place_of(self, entity: str) -> Facility:
        """The facility at which an entity bills; the site's first where none has it."""
        if not self._facilities:
            for facility in reversed(self.contexts.site.facilities):
                self._facilities.update((one.id, facility) for one in facility.entities)
        return self._facilities.get(entity) or self.contexts.site.facilities[0]

    def on(self, day: date, place: Facility) -> Context:
        """What holds on the day at the place."""
        return self.contexts.of(day, place)

    def option(self, name: str, day: date, place: Facility | None = None) -> str:
        """An option as it holds on the day for the payer there, else for the site."""
        return self.on(day, place or self.contexts.site.facilities[0]).option(name)

    def days(self, name: str, day: date, place: Facility | None = None) -> int:
        """An option that is a number."""
        return int(self.option(name, day, place) or "0")

    def role(self, code: str, day: date) -> str:
        """What the code is to the detectors; empty where it plays no part of its own."""
        known = self._roles.get((code, day))
        if known is None:
            said = self.rules.decide("code-roles", day, {"code": code})
            known = said.values.get("role", "") if isinstance(said, Decision) else ""
            self._roles[code, day] = known
        return known

    def code_of(self, role: str, day: date) -> str:
        """The code by which what is missing of a role is priced; empty where the rules name none."""
        said = self.rules.decide("code-roles", day, {"role": role})
        return said.values.get("code", "") if isinstance(said, Decision) else ""

    def mode(self, service: str, day: date, place: Facility) -> Mode | None:
        """The charging mode that the site file has of a family on the day, or None where it says nothing."""
        family = self.contexts.site.mode(service, day, place.id)
        return None if family is None else family.mode

    def bench(self, episode: Episode) -> Bench:
        """A fresh bench, to ask derivations that need one; nothing is kept of what they leave on it."""
        return Bench(episode, self.contexts, self.rules, self.prices)

    def bills(self, place: Facility, *components: Component) -> bool:
        """Whether somebody at the place bills one of the components, or the whole."""
        return any(one.bills in (*components, Component.GLOBAL) for one in place.entities)

    def price(
        self,
        code: str,
        day: date,
        place: Facility,
        components: Iterable[Component] = WHOLE,
        modifiers: tuple[str, ...] = (),
    ) -> Cents:
        """What one unit is charged by the first entity of the place that bills such a part and has a price; else 0."""
        if not code:
            return 0
        wanted = {*components, Component.GLOBAL}
        bench = self.bench(_NOTHING)
        for entity in place.entities:
            if entity.bills in wanted:
                amount, _ = bench.price(code, modifiers, entity.id, day, place)
                if amount is not None:
                    return extend(amount, 1)
        return 0

    def worth(self, dose: Occurrence) -> Cents:
        """What the drug of a dose would be charged; 0 where its code, unit or price is not known."""
        return worth(self.bench(_NOTHING), dose).amount
