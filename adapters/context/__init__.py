"""What holds on a date of service: insurance and its order, the payer and its options, the place, who bills what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final

from adapters.context.benefits import Accident, Order, accident_on, order_of_benefits, registered
from adapters.context.eligibility import answered
from adapters.context.enrolment import enrolled
from adapters.model.context import Context, Enrolled
from adapters.model.coverage import Authorization, Coverage, Eligibility
from adapters.model.event import Event, Status
from adapters.model.people import Demographics
from adapters.model.site import DatedOptions, Facility, Payer, Site, options_on
from adapters.rules import Ruleset


def coverages(context: Iterable[Event], site: Site) -> tuple[Coverage, ...]:
    """The person's coverages from the current coverage events, primary first; withdrawn ones are none.

    Two feeds that report the same plan (payer, member) say one coverage: the dates of the later statement hold.
    """
    found: dict[tuple[str, str], tuple[tuple[object, ...], Coverage]] = {}
    for event in context:
        if event.kind != "coverage" or event.status is not Status.DONE:
            continue
        payer = site.payer(event.value("payer")) or site.payer(event.value("payer.name"))
        id = payer.id if payer else event.value("payer") or event.value("payer.name")
        start, end = event.value("from"), event.value("to")
        coverage = Coverage(
            id=f"{id}|{event.value('member')}|{start or 'open'}",
            payer=id,
            member=event.value("member"),
            start=date.fromisoformat(start) if start else None,
            end=date.fromisoformat(end) if end else None,
            order=event.whole("order") or 1,
            relationship=event.value("relationship") or "self",
            group=event.value("group"),
            source_message=event.source.message,
            employer_size=event.whole("employer.size"),
            basis=event.value("basis"),
        )
        rank = (event.said, event.source.message, event.id)
        key = (f"{id}|{event.value('member')}", start)
        if key not in found or found[key][0] < rank:
            found[key] = (rank, coverage)
    return tuple(
        sorted((c for _, c in found.values()), key=lambda c: (c.order, c.payer, c.member, c.start or date.min))
    )


def authorizations(context: Iterable[Event], site: Site) -> tuple[Authorization, ...]:
    """The person's prior authorizations from the current statements of them, by number; withdrawn ones are none."""
    found: dict[str, tuple[tuple[object, ...], Authorization]] = {}
    for event in context:
        number = event.value("authorization")
        if event.kind != "authorization" or event.status is not Status.DONE or not number:
            continue
        payer = site.payer(event.value("payer")) or site.payer(event.value("payer.name"))
        id = payer.id if payer else event.value("payer") or event.value("payer.name")
        start, end, units = event.value("from"), event.value("to"), event.value("units")
        said = Authorization(
            number=number,
            payer=id,
            codes=tuple(sorted(set(event.values("code")))),
            units=int(Decimal(units)) if units else None,
            start=date.fromisoformat(start) if start else None,
            end=date.fromisoformat(end) if end else None,
            source_message=event.source.message,
        )
        rank = (event.said, event.source.message, event.id)
        if number not in found or found[number][0] < rank:
            found[number] = (rank, said)
    return tuple(said for _, (_, said) in sorted(found.items()))


def coverage_on(coverages: Iterable[Coverage], day: date) -> Coverage | None:
    """The primary coverage in force on the day, as registration has it."""
    return next(iter(registered(coverages, day)), None)


def demographics(context: Iterable[Event]) -> Demographics:
    """Name, birth date, sex and address from the patient statement said last, completed from earlier ones."""
    said: dict[str, str] = {}
    for event in sorted((e for e in context if e.kind == "patient"), key=lambda e: (e.said, e.source.message, e.id)):
        said.update({fact.name: fact.value for fact in event.facts})
    birth = said.get("birth_date", "")
    return Demographics(
        family=said.get("family", ""),
        given=said.get("given", ""),
        birth_date=date.fromisoformat(birth) if birth else None,
        sex=said.get("sex", ""),
        line=said.get("address.line", ""),
        city=said.get("address.city", ""),
        state=said.get("address.state", ""),
        postal_code=said.get("address.postal_code", ""),
    )


def diagnoses_known(context: Iterable[Event]) -> tuple[str, ...]:
    """Diagnoses that encounters, courses and phases state, for services whose own report names none; in order, once each."""
    found: dict[str, None] = {}
    for event in context:
        if event.kind in ("course", "phase", "encounter"):
            found.update(dict.fromkeys(event.values("diagnosis")))
    return tuple(found)


_UNINSURED: Final = Order()

_Begun = tuple[int, int]
"""How many dated options of the site and of the payer have begun: within one such period the options are the same."""
_UNDATED: Final[_Begun] = (0, 0)


def _begun(dated: Sequence[DatedOptions], day: date) -> int:
    return sum(later.since <= day for later in dated)


@dataclass(slots=True)
class PersonContexts:
    """The contexts of one person, by day and facility; a look-up table that fills as it is asked."""

    site: Site
    rules: Ruleset
    coverages: tuple[Coverage, ...]
    diagnoses: tuple[str, ...] = ()
    authorizations: tuple[Authorization, ...] = ()
    eligibilities: tuple[Eligibility, ...] = ()
    born: date | None = None
    """The person's birth date, on which the order of benefits may rest."""
    accidents: tuple[Accident, ...] = ()
    """The visits that are for an accident, whose insurer then goes first."""
    _known: dict[tuple[date, str], Context] = field(default_factory=dict)
    _named: dict[str, Payer | None] = field(default_factory=dict)
    """Payers by what coverages call them."""
    _places: dict[tuple[str, str], Facility] = field(default_factory=dict)
    """Places by what a report names and its feed."""
    _payers: dict[tuple[str | None, str, _Begun], tuple[Payer | None, Mapping[str, str], Mapping[str, str]]] = field(
        default_factory=dict
    )
    _alone: Order = field(init=False)
    """The order of a person with one coverage, on a day on which it is in force."""

    def __post_init__(self) -> None:
        self._alone = Order(self.coverages)

    def answered(self, coverage: Coverage, day: date) -> Eligibility | None:
        """What the payer answered last about the coverage and the day, None where nobody asked."""
        return answered(self.eligibilities, coverage, day) if self.eligibilities else None

    def enrolled(self, npi: str, payer: str, day: date, bill_back_days: int) -> Enrolled:
        """How a provider stands with a payer on a day of service."""
        return enrolled(self.site.enrolments, npi, payer, day, bill_back_days)

    def in_order(self, day: date) -> Order:
        """The coverages in force on the day, the first payer first, and where that is not as registration has it."""
        if len(self.coverages) > 1:
            said = accident_on(self.accidents, day)
            return order_of_benefits(self.coverages, day, self.born, self.site, self.rules, said)
        return self._alone if self.coverages and self.coverages[0].holds_on(day) else _UNINSURED

    def ranked(self, day: date) -> tuple[Coverage, ...]:
        """The coverages in force on the day in the order of benefits, the first payer first."""
        return self.in_order(day).coverages

    def of(self, day: date, facility: Facility) -> Context:
        """The context on that date of service at that facility."""
        known = self._known.get((day, facility.id))
        if known is None:
            ranked = self.in_order(day).coverages
            coverage = ranked[0] if ranked else None
            billed_to = self._billed_to(coverage.payer if coverage else None, facility, day)
            known = self._known[day, facility.id] = Context(day, facility, coverage, *billed_to)
        return known

    def under(self, payer: str, day: date, facility: Facility) -> Context:
        """The context as it holds for a payer by its id, whoever pays first on the day; it names no coverage."""
        return Context(day, facility, None, *self._billed_to(payer, facility, day))

    def _billed_to(
        self, coverage: str | None, facility: Facility, day: date
    ) -> tuple[Payer | None, Mapping[str, str], Mapping[str, str]]:
        """The payer of a coverage, with the options and words that hold for it at the facility on the day."""
        payer = None if coverage is None else self._called(coverage)
        sites, own = self.site.dated_options, payer.dated_options if payer else ()
        begun = (_begun(sites, day), _begun(own, day)) if sites or own else _UNDATED
        key = (coverage, facility.id, begun)
        known = self._payers.get(key)
        if known is None:
            of_site = options_on(self.site.options, sites, day)
            of_payer = options_on(payer.options, own, day) if payer else {}
            also = (
                ("setting", facility.setting.value),
                ("payer.kind", payer.kind if payer else "unknown"),
                ("payer", payer.id if payer else ""),
            )
            words = self.rules.standing(also, of_payer, of_site)
            known = self._payers[key] = (payer, {**of_site, **of_payer}, words)
        return known

    def _called(self, name: str) -> Payer | None:
        """The site's payer of that id, name or alias, looked for once."""
        if name not in self._named:
            self._named[name] = self.site.payer(name)
        return self._named[name]

    def place(self, occurrence_facility: str, feed: str) -> Facility:
        """The facility that a report names, else the one of its feed, else the site's first."""
        known = self._places.get((occurrence_facility, feed))
        if known is None:
            named = self.site.facility(occurrence_facility) if occurrence_facility else None
            if named is None:
                sender = self.site.feed(feed)
                named = self.site.facility(sender.facility) if sender else None
            known = self._places[occurrence_facility, feed] = named or self.site.facilities[0]
        return known
