"""A visit of infusions, pushes and fluids: which access sites stand for themselves, and what is initial in each.

The minutes are reckoned in `infusion`, the codes stand in mappings/charges/infusion.toml, the order of what may be
initial in infusion-order.toml (medical-oncology-and-revenue-cycle.md 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from adapters.charges.administered import Given, begun, class_of, day_of, facts_named, given, parts_of
from adapters.charges.administration_lines import FAMILY, Portion, decided, derives, distinct, key_of, lines_of
from adapters.charges.doses_told import NO_NEEDLE
from adapters.charges.infusion import HYDRATION, INFUSION, PUSH, Run, Served, Terms, arrange
from adapters.charges.injections import injections, pumps
from adapters.charges.lines import Bench
from adapters.model.charge import Finding
from adapters.model.context import Context
from adapters.model.episode import Occurrence
from adapters.model.event import DOSE
from adapters.model.why import Fact, Why
from adapters.rules import Decision

INTRAVENOUS: Final = ("infusion", "push", "hydration")
_INTO_A_VEIN: Final = frozenset({"", "iv", "intravenous"})
"""Routes of the scheme of initial services; arteries, cavities and the spine have codes that no rule here knows."""
_LAST: Final = 99
_OF_THE_SITE: Final = ("site", "second_site_reason", "primary_reason")
"""What else a line of minutes rests on: where it went in, and what the visit was for."""


class Reckoned(NamedTuple):
    """A service of an access site with the units that are billed for it: none where it is held or owes nothing."""

    service: Served
    given: Given
    portions: tuple[Portion, ...]
    unsure: bool
    """Whether an administration that waits could change it: then it waits too."""


class AccessSite(NamedTuple):
    """What went in at one access site: its services, and what waits and is none yet."""

    name: str
    separate: bool
    """Whether it is a further site that had to be."""
    services: tuple[Reckoned, ...]
    waiting: tuple[Occurrence, ...]


def administrations(bench: Bench) -> None:
    """Every administration line of the visit, or what keeps it back."""
    portions: list[Portion] = []
    doubtful: list[Portion] = []
    for site in access_sites(bench):
        for one in site.services:
            (doubtful if one.unsure else portions).extend(one.portions)
    _unknown(bench)
    portions += injections(bench)
    portions += pumps(bench)
    for charge, about in distinct(bench, lines_of(bench, portions), portions):
        bench.bill([charge], about)
    for charge, about in lines_of(bench, doubtful):
        detail = "another administration of the visit has no times yet, and could change what this one is"
        bench.hold("documentation-missing", "", "", charge.why, would=charge, about=about, detail=detail)


def _unknown(bench: Bench) -> None:
    """Doses of which nothing tells how they were given wait; those given without a needle owe no administration."""
    for one in bench.episode.of(DOSE):
        swallowed = one.value("route") == NO_NEEDLE
        if swallowed and not one.value("code"):
            bench.idle[one.primary.id] = "no-needle"
        elif derives(bench, one, FAMILY) or derives(bench, one, "drug"):
            why = Why(bench.ref("infusion", one.day), bench.looked_at(one, ("route", "method", "code")))
            code = "review-needed" if swallowed else "documentation-missing"
            said = "a drug given without a needle, for which no rule is written"
            detail = said if swallowed else "the route: nothing says how the dose was given"
            bench.hold(code, FAMILY, key_of(one), why, about=one.primary.id, detail=detail)


# ---------------------------------------------------------------- access sites (1.3 I1)


def access_sites(bench: Bench) -> list[AccessSite]:
    """The access sites of the visit with their services; what waits or owes nothing is entered on the bench."""
    own = [one for one in bench.episode.of(*INTRAVENOUS) if derives(bench, one, FAMILY)]
    return [_group(bench, group, separate) for group, separate in _sites(bench, own)]


def _sites(bench: Bench, own: Sequence[Occurrence]) -> list[tuple[list[Occurrence], bool]]:
    """The administrations by access site, each with whether it is a further site that had to be; the first site first."""
    by_site: dict[str, list[Occurrence]] = {}
    for one in own:
        by_site.setdefault(one.value("site").strip().casefold(), []).append(one)
    if "" in by_site and len(by_site) > 1:  # an unnamed site is none of its own
        unnamed = by_site.pop("")
        by_site[next(iter(by_site))] += unnamed
    required = [site for site, ones in by_site.items() if _required(bench, ones)]
    first = next((site for site in by_site if site not in required), next(iter(by_site), ""))
    groups: list[tuple[list[Occurrence], bool]] = [(by_site[first], False)] if by_site else []
    for site, ones in by_site.items():
        if site == first:
            continue
        if site in required:
            groups.append((ones, True))
            continue
        ref = bench.ref("infusion-order", ones[0].day)
        facts = bench.looked_at(ones[0], ("site", "second_site_reason"))
        merged = bench.context(ones[0]).option("infusion.undocumented_second_site") == "merge-with-first"
        if merged:
            groups[0][0].extend(ones)
            kind = "second-site-not-documented"
            bench.findings.append(Finding(kind, ones[0].primary.id, Why(ref, facts), FAMILY))
            continue
        for one in ones:
            detail = "a second access site, and nothing says that it was required"
            why = Why(ref, bench.looked_at(one, ("site",)))
            bench.hold("documentation-missing", FAMILY, key_of(one), why, about=one.primary.id, detail=detail)
    return groups


def _required(bench: Bench, ones: Sequence[Occurrence]) -> bool:
    """Whether protocol or medical need is documented for the site."""
    for one in ones:
        if reason := one.value("second_site_reason"):
            decision = bench.decide("infusion-order", bench.context(one), {"about": "site", "reason": reason})
            if isinstance(decision, Decision) and decision.values.get("separate") == "yes":
                return True
    return False


# ---------------------------------------------------------------- the services of one site


def _group(bench: Bench, ones: Sequence[Occurrence], separate: bool) -> AccessSite:
    """The services of one access site, and whether a held administration could change them."""
    runs: list[Run] = []
    held: list[tuple[Given, int, bool]] = []
    known: dict[str, tuple[Given, str, tuple[Fact, ...]]] = {}
    ranks: dict[tuple[int, str, str], int] = {}
    for one in ones:
        if one.value("route").casefold() not in _INTO_A_VEIN:
            why = Why(bench.ref("infusion", one.day), bench.looked_at(one, ("route",)))
            detail = "given by another way than into a vein, for which no rule is written"
            bench.hold("review-needed", FAMILY, key_of(one), why, about=one.primary.id, detail=detail)
            continue
        drug_class, facts = class_of(bench, one)
        key, reason = key_of(one), one.flag("primary_reason") is True
        if not drug_class:
            why = Why(bench.ref("drug-class", one.day), (*one.told, *facts))
            detail = "nothing says whether the drug is chemo"
            bench.hold("review-needed", FAMILY, key, why, about=one.primary.id, detail=detail)
            held.append((Given(one, INFUSION, ()), 1, reason))
            continue
        context, what = bench.context(one), given(bench, one, drug_class)
        rank = _rank(bench, context, drug_class, what.form, ranks)
        if what.hold:
            why = Why(bench.ref("infusion", one.day), bench.looked_at(one, ("volume", "rate", "planned_minutes")))
            bench.hold(what.hold, FAMILY, key, why, about=one.primary.id, detail=what.detail)
            held.append((what, rank, reason))
            continue
        known[key] = (what, drug_class, facts)
        runs.append(
            Run(
                key=key,
                form=what.form,
                drug=(one.value("code") or one.value("drug.name") or one.value("drug")).casefold(),
                chemo=drug_class == "chemo",
                spans=what.spans,
                rank=rank,
                push_rank=rank if what.form == PUSH else _rank(bench, context, drug_class, PUSH, ranks),
                reason=reason,
            )
        )
    found: list[Reckoned] = []
    if runs:
        terms = _terms(bench.context(ones[0]))
        services = arrange(runs, terms)
        unsure = _unsure(services, held, terms)
        for service in services:
            what, drug_class, facts = known[service.run.key]
            portions = _portions(bench, service, what.occurrence, drug_class, facts, separate)
            found.append(Reckoned(service, what, tuple(portions), service.form in unsure))
    name = next((said for one in ones if (said := one.value("site").strip())), "")
    return AccessSite(name, separate, tuple(found), tuple(one for one in ones if key_of(one) not in known))


def _unsure(services: Sequence[Served], held: Sequence[tuple[Given, int, bool]], terms: Terms) -> frozenset[str]:
    """Forms of services that a held administration could change: all, if it could be the initial one; fluids, if they
    could have run beside it."""
    initial = next((s.run for s in services if s.role == "initial"), None)
    fluids = [span for s in services if s.form == HYDRATION for span in s.spans]
    found: set[str] = set()
    for what, rank, reason in held:
        by_reason = terms.by_reason and initial is not None and initial.reason
        if initial is None or (reason if by_reason else rank <= initial.rank):
            return frozenset({INFUSION, PUSH, HYDRATION})
        if any(end > begun(what.occurrence) for _, end in fluids):
            found.add(HYDRATION)
    return frozenset(found)


def _rank(bench: Bench, context: Context, drug_class: str, form: str, ranks: dict[tuple[int, str, str], int]) -> int:
    """The rank of such a run among what may be initial; `ranks` are those that were asked before on the same terms."""
    key = (id(context), drug_class, form)
    if key not in ranks:
        words = {"about": "rank", "class": drug_class, "form": form}
        decision = bench.decide("infusion-order", context, words)
        said = decision.values.get("rank", "") if isinstance(decision, Decision) else ""
        ranks[key] = int(said) if said else _LAST
    return ranks[key]


def _terms(context: Context) -> Terms:
    overlap = context.words.get("option.infusion.concurrent_min_overlap", "")
    hospital = context.words["setting"] == "hospital"
    return Terms(
        push_max=int(context.option("infusion.push_max_minutes")),
        additional=int(context.option("infusion.additional_hour_min")),
        overlap=int(overlap) if overlap else None,
        hydration=int(context.option("infusion.hydration_min_minutes")),
        intervals=context.words.get("option.infusion.hydration_intervals", ""),
        same_drug_gap=int(context.option("infusion.same_drug_push_gap_min")),
        by_reason=not hospital,
        same_drug_pushes=hospital,
    )


def _portions(
    bench: Bench, service: Served, one: Occurrence, drug_class: str, facts: tuple[Fact, ...], separate: bool
) -> list[Portion]:
    """The units of a service, or its hold, or the note that it owes nothing."""
    if service.idle:
        bench.idle[one.primary.id] = service.idle
        return []
    if service.problem:
        option = service.problem.removeprefix("option:")
        code = "option-missing" if option != service.problem else "review-needed"
        why = Why(bench.ref("infusion", one.day), (*one.told, *facts))
        bench.hold(code, FAMILY, key_of(one), why, about=one.primary.id, detail=option)
        return []
    words = {"class": drug_class, "form": service.form, "role": service.role}
    decision = decided(bench, one, words, facts)
    if decision is None:
        return []
    first = separate and service.role == "initial"
    modifiers = (
        (bench.context(one).option("infusion.distinct_modifier"),) if first or _later(bench, service, one) else ()
    )
    told = (*one.told, *facts, *facts_named(one, *_OF_THE_SITE), *_times(one))
    code = decision.values["code"]
    return [Portion(code, modifiers, day_of(bench, one, at), one, told, decision) for at in service.units]


def _times(one: Occurrence) -> list[Fact]:
    """The times that were reckoned with, as facts of the line."""
    return [
        Fact("ran", f"{part.start.isoformat()}/{part.end.isoformat()}", part.source)
        for part in parts_of(one)
        if part.end is not None
    ]


def _later(bench: Bench, service: Served, one: Occurrence) -> bool:
    """Whether it is the initial service of a second visit of one day (1.4 M3)."""
    if service.role != "initial":
        return False
    others = (other for episode in bench.others for other in episode.of(*INTRAVENOUS))
    return any(other.day == one.day and begun(other) < begun(one) for other in others)
