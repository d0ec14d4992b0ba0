"""The payer, the site and the house that a case is run in: made for it, of the same settings that a deployment has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final

from adapters.cases.case import Case
from adapters.cases.document import Tree, items, text, texts, tree
from adapters.cases.options import Settled, settled_by
from adapters.model.charge import Component
from adapters.model.claim import ClaimType
from adapters.model.people import Identifier
from adapters.model.site import BillingEntity, Enrolment, Facility, Family, Feed, Mode, Payer, Price, Setting, Site
from adapters.model.tables import Edition, Row, TableKind
from adapters.pipeline import House
from adapters.rules import CarcSpec, Decision, Ruleset
from adapters.tables.held import HeldTables

ZONE: Final = "America/New_York"
"""Where all cases play; no case depends on it, because their times have no offset."""
FEED: Final = {"hl7": "hl7", "hl7-dft": "hl7", "fhir": "fhir", "hl7v2": "hl7"}
_NEVER: Final = 100_000
"""Days that a billing cycle waits to be closed by the clock: in a case an event closes it."""
_SINCE: Final = date(2000, 1, 1)
_WHO_BILLS: Final = {
    "freestanding": (Setting.FREESTANDING, "clinic", Component.GLOBAL, ClaimType.PROFESSIONAL, "11"),
    "hospital-outpatient": (Setting.HOSPITAL, "hospital", Component.TECHNICAL, ClaimType.INSTITUTIONAL, "22"),
    "professional-in-hospital": (Setting.HOSPITAL, "physicians", Component.PROFESSIONAL, ClaimType.PROFESSIONAL, "22"),
}
"""The `setting` of a case: who bills. The other party of the place bills elsewhere and is no part of the case."""


def house_of(case: Case, rules: Ruleset) -> tuple[House, tuple[str, ...]]:
    """The house of the case, and what of its options is not built."""
    settled = settled_by(case.options)
    made = _with_limits(_with_reasons(rules, settled), settled)
    house = House.of(made, _site(case, settled, rules), HeldTables(list(_opening(case, settled))))
    problems = [
        *settled.not_built,
        *_not_allowed(settled, rules),
        *_other_window(case, settled, house),
        *_not_checked(case),
    ]
    return house, tuple(dict.fromkeys(problems))


def person_of(case: Case) -> Identifier:
    """The person of the case."""
    return Identifier("case", text(case.patient.get("mrn") or case.patient.get("id")))


def _opening(case: Case, settled: Settled) -> Iterator[tuple[Edition, Sequence[Row]]]:
    """The table of what was billed elsewhere before, where the case says something of it."""
    rows = tuple(line.row(person_of(case)) for line in settled.opening)
    if rows:
        yield Edition(TableKind.OPENING, "", "of the case", _SINCE, None, "opening", len(rows)), rows


def _site(case: Case, settled: Settled, rules: Ruleset) -> Site:
    setting, entity, bills, form, place = _WHO_BILLS[case.setting]
    npi = next((text(p["npi"]) for p in case.providers.values() if text(p.get("role")) == "billing"), "")
    billing = BillingEntity(entity, entity, npi, "", "", bills, form)
    facility = Facility("place", case.setting, npi, setting, place, (billing,))
    names = dict.fromkeys((case.payer, *(text(c["payer"]) for c in case.coverages)))
    services = sorted({rows[0].service for rows in rules.codes.values()})
    return Site(
        name=case.id,
        zone=ZONE,
        facilities=(facility,),
        payers=tuple(_payer(name, case, settled, rules) for name in names),
        feeds=(Feed("hl7", "hl7v2", "plain-dft", ZONE, "place"), Feed("fhir", "fhir", "codex-rt", ZONE, "place")),
        families=tuple(Family(service, Mode.COMPARE, _SINCE) for service in services) if settled.audit else (),
        prices=tuple(_prices(case, settled, rules)),
        people={text(p["npi"]): text(p["role"]) for p in case.providers.values()},
        enrolments=tuple(_enrolments(case)),
        live=tuple(settled.live),
    )


def _payer(name: str, case: Case, settled: Settled, rules: Ruleset) -> Payer:
    """A payer; one that only a coverage names is of the kind that its name tells. A known one has its preset."""
    kind = case.payer_kind if name == case.payer else "medicare" if name.startswith("Medicare") else "commercial"
    preset = rules.preset_of(name)
    options = {**(preset.options if preset else {}), **settled.payer, **_required(case)}
    for coverage in case.coverages:
        if text(coverage["payer"]) == name:
            options.update(settled.by_coverage.get(text(coverage["id"]), {}))
    return Payer(name, name, kind, options=options, cycle=settled.cycle, wait_days=_NEVER)


_NEEDS: Final = ("authorization_overrun", "authorization_expired", "authorization_missing")


def _required(case: Case) -> dict[str, str]:
    """The codes that need a prior authorization where the case has a policy for them: those of its authorizations."""
    if not any(name in case.options for name in _NEEDS):
        return {}
    codes = {text(code) for authorization in case.authorizations for code in items(authorization.get("codes"))}
    return {"authorization.required": " ".join(sorted(codes))}


def _enrolments(case: Case) -> Iterator[Enrolment]:
    """Who may bill whom; a provider whose enrolments the case does not list may bill everybody."""
    payers = {text(c["id"]): text(c["payer"]) for c in case.coverages}
    for provider in case.providers.values():
        listed = provider.get("enrollments")
        if listed is None:
            yield Enrolment(text(provider["npi"]), "")
        for one in map(tree, items(listed)):
            start, end = text(one.get("from")), text(one.get("to"))
            yield Enrolment(
                text(provider["npi"]),
                payers.get(text(one.get("payer")), text(one.get("payer"))),
                date.fromisoformat(start) if start else None,
                date.fromisoformat(end) if end else None,
            )


def _prices(case: Case, settled: Settled, rules: Ruleset) -> Iterator[Price]:
    """The fees the case states, the amounts of its charges, and for all other codes one price above another.

    The codes of a table stand in the order of their levels, so that a session coded too low is the cheaper one.
    """
    for number, code in enumerate(sorted(rules.codes), 1):
        yield Price(code, "", "", Decimal(100 + number), _SINCE)
    for code, fee in settled.fees.items():
        yield Price(code, "", "", fee, date(2000, 1, 2))
    for event in case.events:
        if event.kind == "charge" and event.get("amount") is not None:
            day, units = date.fromisoformat(event.text("date")), event.get("units")
            each = Decimal(event.text("amount")) / (units if isinstance(units, int) and units else 1)
            yield Price(event.text("code"), next(iter(texts(event.get("modifiers"))), ""), "", each, day, day)


def _with_reasons(rules: Ruleset, settled: Settled) -> Ruleset:
    """The rules with the case's reading of adjustment reasons over the table's own, as an overlay of mappings has it."""
    reasons = dict(rules.carcs)
    for code, said in settled.reasons.items():
        known = reasons.get(code) or replace(
            next(iter(rules.carcs.values())), code=code, label=f"reason {code}", deadline_days=None
        )
        reasons[code] = _reason(known, said, settled.appeal_days)
    own = {key: spec for key, spec in rules.payer_carcs.items() if key[1] not in settled.reasons}
    plbs = dict(rules.plbs)
    for code, books in settled.books.items():
        known_code = plbs.get(code) or replace(
            next(iter(plbs.values())), code=code, label=f"code {code}", action="none"
        )
        plbs[code] = replace(known_code, books=books)
    return replace(rules, carcs=reasons, payer_carcs=own, plbs=plbs)


def _with_limits(rules: Ruleset, settled: Settled) -> Ruleset:
    """The rules with the case's unit limits of a date in place of the table's, as an overlay of mappings has it."""
    codes = dict(rules.codes)
    for code, said in settled.limits.items():
        most = int(text(said["units"]))
        rows = codes.get(code, ())
        codes[code] = tuple(replace(row, mue=most, mue_hospital=most, mai=text(said["mai"])) for row in rows)
    return replace(rules, codes=codes) if settled.limits else rules


def _reason(known: CarcSpec, said: Tree, appeal_days: int | None) -> CarcSpec:
    action = text(said.get("action")) or known.action
    days = appeal_days if action.startswith("appeal") else known.deadline_days
    return replace(
        known,
        post=text(said["post"]),
        category=text(said.get("category")) or known.category,
        action=action,
        deadline_days=days,
    )


def _not_allowed(settled: Settled, rules: Ruleset) -> Iterator[str]:
    """Values that the registry of options does not have: nobody built what they ask for."""
    for name, value in settled.payer.items():
        if problem := rules.option_problem(name, value):
            yield f"not built: {problem}, not {value!r}"


def _other_window(case: Case, settled: Settled, house: House) -> Iterator[str]:
    """Where the case's window around an IMRT plan is another one than the rule's for this payer and place."""
    said = settled.window
    if said is None or not case.events:
        return
    setting, _, bills, _, _ = _WHO_BILLS[case.setting]
    place = "professional" if bills is Component.PROFESSIONAL else setting.value
    applies = "applies_to" not in said or place in texts(said["applies_to"])
    facts = house.rules.option_facts(settled.payer) | {
        "setting": setting.value,
        "payer.kind": case.payer_kind,
        "bills": bills.value,
    }
    bundled = set(texts(said.get("bundled")))
    for code in sorted(bundled | set(house.rules.codes)):
        decision = house.rules.decide("imrt-window", case.events[0].at.date(), {**facts, "code": code})
        inside = isinstance(decision, Decision) and "none" not in decision.values
        if inside != (applies and code in bundled):
            yield f"not built: option imrt_window.bundled: {code}"
        elif inside and isinstance(decision, Decision):
            for name in ("days_before", "days_after", "bypass_modifier", "bypass_if"):
                wanted = text(said.get(name)) or ("0" if name == "days_after" else "")
                if decision.values.get(name, "") != wanted and (name in said or name == "days_after"):
                    yield f"not built: option imrt_window.{name}: {wanted or 'null'}"


def _not_checked(case: Case) -> Iterator[str]:
    """Data of the case that a check would look at which is not built, and that could change an outcome."""
    for coverage in case.coverages:
        for name in ("known_from", "known_to"):
            if coverage.get(name) is not None:
                yield f"not built: coverage {name}"
    billing = [name for name, provider in case.providers.items() if text(provider.get("role")) == "billing"]
    for event in case.events:
        if event.text("billing") and event.text("billing") not in billing[:1]:
            yield f"not built: another billing provider in {event.id}"
