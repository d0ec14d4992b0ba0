"""The table of options: what each option of a case sets in the payer and site that are made for it.

The same settings that a deployment has (mappings/payers/options.toml, the site file, the fee and reason tables). A value
that is not built makes its case fail by that name; an option that does not stand here is a fault of the file. The table
for people is in the README of this folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from adapters.cases.claim_options import timely
from adapters.cases.document import (
    CODE,
    MONEY,
    TEXT,
    WHOLE,
    Fields,
    Items,
    Shape,
    Table,
    Tree,
    Value,
    items,
    text,
    tree,
    words,
)
from adapters.cases.live_options import DAYS, OPENING, OpeningLine, live, opening
from adapters.cases.money_options import CARC, appeal_days, carc, crossover, match_requires, plb_codes
from adapters.cases.schema import ANY
from adapters.cases.window_options import WINDOW, window
from adapters.model.live import Live

EDITION: Final = "2024Q3"
"""The edition from which the unit limits and pairs of the mappings were re-typed; a case may name no other."""
_OFF: Final = {
    "edits.units": "off",
    "edits.pairs": "off",
    "edits.unknown_codes": "pass",
    "edits.modifiers": "off",
    "timely.past_limit": "off",
}
"""A case's edits are those that its options speak of (cases/*/README); its codes are those of the case."""


@dataclass(slots=True)
class Settled:
    """What the options of a case come to."""

    payer: dict[str, str] = field(default_factory=lambda: dict(_OFF))
    """Options of the payer, by their names in the registry."""
    audit: bool = False
    """Another system codes too: charging mode `compare` for every family."""
    cycle: str = "visit"
    fees: dict[str, Decimal] = field(default_factory=dict)
    reasons: dict[str, Tree] = field(default_factory=dict)
    """Adjustment reason → how it is posted and worked."""
    by_coverage: dict[str, dict[str, str]] = field(default_factory=dict)
    """Coverage of the case → options of its payer alone."""
    books: dict[str, str] = field(default_factory=dict)
    """Code of a payment's adjustment → where it goes."""
    limits: dict[str, Tree] = field(default_factory=dict)
    """Code → most units of a date and the indicator, in place of the table's."""
    appeal_days: int | None = None
    window: Tree | None = None
    """What the case says of the window around an IMRT plan, to be checked against the rule."""
    live: list[Live] = field(default_factory=list)
    opening: list[OpeningLine] = field(default_factory=list)
    """What was billed elsewhere before."""
    not_built: list[str] = field(default_factory=list)

    def missing(self, name: str) -> None:
        """Note an option, or a value of one, whose capability is not built."""
        self.not_built.append(f"not built: option {name}")


Apply = Callable[[Value, Settled], None]


@dataclass(frozen=True, slots=True)
class Option:
    """One option: the form of its value and what it does."""

    shape: Shape
    apply: Apply


def _payer(name: str, shape: Shape = TEXT) -> Option:
    """An option of the payer by another name."""

    def apply(value: Value, settled: Settled) -> None:
        settled.payer[name] = text(value)

    return Option(shape, apply)


def _only(name: str, *values: str) -> Option:
    """An option of which only these values are built: they say what the program does anyway."""

    def apply(value: Value, settled: Settled) -> None:
        if text(value) not in values:
            settled.missing(f"{name}: {text(value)}")

    return Option(TEXT, apply)


def _table(name: str, switch: str) -> Option:
    """A published table put in force: the mappings have one edition of it."""

    def apply(value: Value, settled: Settled) -> None:
        if text(value) == EDITION:
            settled.payer[switch] = "on"
        else:
            settled.missing(f"{name}: {text(value)}")

    return Option(TEXT, apply)


def _mode(value: Value, settled: Settled) -> None:
    if text(value) == "audit":
        settled.audit = True
    else:
        settled.missing(f"charge_mode: {text(value)}")


_BEFORE_2026: Final = re.compile(r"(.+)-(?:pre2026|202[0-5])")
_GIVEN: Final = words(
    "codes.imrt-delivery-pre2026 codes.imrt-simple-pre2026 codes.imrt-complex-pre2026 codes.imrt-hospital-pre2026 "
    "codes.photon-3d-pre2026 codes.photon-2d-pre2026 codes.electron-pre2026 codes.cbct-pre2026 codes.ultrasound-pre2026 "
    "codes.stereo-xray-pre2026 codes.commercial-guidance-pre2026 codes.isodose-simple codes.isodose-intermediate "
    "codes.isodose-complex codes.proton-simple codes.proton-simple-with-compensation codes.proton-intermediate "
    "codes.proton-complex codes.hdr-1-channel codes.hdr-2-12-channels codes.hdr-over-12-channels "
    "codes.brachy-plan-1-channel codes.brachy-plan-2-12-channels codes.brachy-plan-over-12-channels "
    "codes.ldr-intracavitary-simple codes.ldr-intracavitary-intermediate codes.ldr-intracavitary-complex codes.ldr-solution "
    "codes.hyperthermia-superficial codes.hyperthermia-deep codes.hyperthermia-interstitial "
    "codes.hyperthermia-interstitial-many codes.hyperthermia-intracavitary "
    "codes.consult-99242 codes.consult-99243 codes.consult-99244 codes.consult-99245"
)


def _given(value: Value, settled: Settled) -> None:
    """Codes where the facts give no criterion; `…-2024` and `…-pre2026` are one setting: the code set before 2026."""
    for label, code in tree(value).items():
        dated = _BEFORE_2026.fullmatch(label)
        name = f"codes.{dated[1]}-pre2026" if dated else f"codes.{label}"
        if name in _GIVEN:
            settled.payer[name] = text(code)
        else:
            settled.missing(f"given_codes.{label}")


_CYCLES: Final = {"per-encounter": "visit", "per-cycle": "treatment", "series": "series"}


def _grouping(value: Value, settled: Settled) -> None:
    if text(value) in _CYCLES:
        settled.cycle = _CYCLES[text(value)]
    else:
        settled.missing(f"claim_grouping: {text(value)}")


def _turned(name: str, option: str, **values: str) -> Option:
    """A word of the case that turns an option of the payer; others are not built."""

    def apply(value: Value, settled: Settled) -> None:
        if text(value) in values:
            settled.payer[option] = values[text(value)]
        else:
            settled.missing(f"{name}: {text(value)}")

    return Option(TEXT, apply)


def _codes(option: str) -> Option:
    """An option of the payer that is a list of codes."""

    def apply(value: Value, settled: Settled) -> None:
        settled.payer[option] = " ".join(text(code) for code in items(value))

    return Option(Items(CODE), apply)


def _fees(value: Value, settled: Settled) -> None:
    settled.fees = {code: Decimal(text(amount)) for code, amount in tree(value).items()}


def _authorization(value: Value, settled: Settled) -> None:
    settled.payer["authorization.required"] = " ".join(text(code) for code in items(value))


_PRIMARIES: Final = {"77439": {"77437", "77438"}}


def _primaries(value: Value, settled: Settled) -> None:
    """Primaries of add-on codes that the derivation knows by the course; others would be another table."""
    for code, primaries in tree(value).items():
        if _PRIMARIES.get(code) != {text(one) for one in items(primaries)}:
            settled.missing(f"addon_primaries.{code}")


_ORDER: Final = ("chemo-infusion", "chemo-push", "therapeutic-infusion", "therapeutic-push", "hydration")
"""Ranks of mappings/charges/infusion-order.toml in the words of cases."""


def _facility_order(value: Value, settled: Settled) -> None:
    if tuple(text(kind) for kind in items(value)) != _ORDER:
        settled.missing("facility_order: another one")


_INITIAL: Final = frozenset({"96365", "96374", "96409", "96413"})
"""Primaries on which cases rest (cases/*/README): others of an add-on decide nothing in them."""
_ADDED: Final = {
    **dict.fromkeys(("96361", "96367", "96375", "96376"), _INITIAL),
    "96366": frozenset({"96365", "96413"}),
    "96368": frozenset({"96365", "96413"}),
    "96411": frozenset({"96409", "96413"}),
    "96415": frozenset({"96413"}),
    "96417": frozenset({"96413"}),
}
"""Add-on code → those of its primaries in the table of codes."""


def _addons(value: Value, settled: Settled) -> None:
    """Primaries of add-on codes: those of the table of codes, or another table would have to be loaded."""
    for code, primaries in tree(value).items():
        if _ADDED.get(code) != _INITIAL.intersection(text(one) for one in items(primaries)):
            settled.missing(f"addon_parents.{code}")


def _scope(value: Value, settled: Settled) -> None:
    """The families that the case lists: what it leaves out is charged from another record."""
    said = {text(one) for one in items(value)}
    families = [family for family in ("administration", "drug", "visit") if family in said]
    settled.payer["infusion.derives"] = "all" if "all" in said else " ".join(families) or "none"


def _ndc_units(value: Value, settled: Settled) -> None:
    settled.payer["drugs.ndc_units"] = " ".join(f"{code}:{text(unit)}" for code, unit in tree(value).items())


def _wastage(value: Value, settled: Settled) -> None:
    """Medicare's own rule needs no option."""
    if text(value) != "medicare":
        settled.payer["drugs.wastage"] = text(value)


def _same_report(value: Value, settled: Settled) -> None:
    """How reports of one thing are known; of priced lines by account, so that each account has claims of its own."""
    key = [text(one) for one in items(value)]
    if key == ["account", "code", "modifiers", "date"]:
        settled.cycle = "visit"
    elif key != ["order", "occurrence"]:
        settled.missing("duplicate_key: other fields")


def _transactions(value: Value, settled: Settled) -> None:
    """Types of a financial transaction: a charge adds units, a credit takes them away; no other meaning is built."""
    for name, meaning in tree(value).items():
        if text(meaning) not in ("charge", "credit"):
            settled.missing(f"ft1_types.{name}: {text(meaning)}")


def _limits(value: Value, settled: Settled) -> None:
    settled.payer["edits.units"] = "on"
    settled.payer["edits.over_limit"] = "all"
    settled.limits = {code: tree(said) for code, said in tree(value).items()}


OPTIONS: Final[dict[str, Option]] = {
    # radiation oncology
    "management_dos": _payer("management.dos"),
    "physics_dos": _payer("physics.dos"),
    "physics_tail": _payer("physics.tail", WHOLE),
    "igrt_dos": _payer("igrt.dos"),
    "bid_repeat": _payer("bid_repeat"),
    "bid_hours": _payer("bid_hours", WHOLE),
    "tid_hours": _payer("tid_hours", WHOLE),
    "plan_approval": _payer("delivery.plan_approval"),
    "session_complete": _payer("session.complete"),
    "course_gaps": _payer("course.gaps"),
    "consults": _payer("consults"),
    "robotic": _payer("stereotactic.robotic"),
    "undocumented_motion": _payer("undocumented_motion"),
    "exam_span": _payer("management.exam_span"),
    "followup_days": _payer("followup.days", WHOLE),
    "surface_units": _payer("surface.units"),
    "surface_us_dos": _only("surface_us_dos", "first_use"),
    "surface_us_modifier": _payer("surface.us_modifier"),
    "hdr_units": _only("hdr_units", "per-fraction"),
    "addon_primaries": Option(Table(Items(CODE)), _primaries),
    "authorization_required": Option(Items(CODE), _authorization),
    "authorization_groups": Option(Table(Items(CODE)), lambda _value, _settled: None),  # read with the authorizations
    "mue_conflict": _payer("mue.conflict"),
    "charge_mode": Option(TEXT, _mode),
    "ptp_table": _table("ptp_table", "edits.pairs"),
    "mue_table": _table("mue_table", "edits.units"),
    "imrt_window": Option(WINDOW, window),
    "given_codes": Option(Table(CODE), _given),
    # claims and posting
    "claim_grouping": Option(TEXT, _grouping),
    "fees": Option(Table(MONEY), _fees),
    "claim_split": _only("claim_split", "fill-first"),
    "split_claims_diagnoses": _turned("split_claims_diagnoses", "claim.split_diagnoses", repeat="repeat", own="own"),
    "diagnosis_overflow": _turned("diagnosis_overflow", "claim.diagnoses", **{"drop-unreferenced-lowest-rank": "all"}),
    "pointer_overflow": _only("pointer_overflow", "keep-first-four"),
    "eligibility_inactive": _turned("eligibility_inactive", "coverage.inactive", **{"hold-line": "hold"}),
    "authorization_overrun": _only("authorization_overrun", "hold-line"),
    "authorization_expired": _only("authorization_expired", "hold-line"),
    "authorization_missing": _only("authorization_missing", "hold-line"),
    "enrollment_gap": _turned("enrollment_gap", "edits.enrolment", **{"hold-line": "on"}),
    "enrollment_bill_back_days": _payer("enrolment.bill_back_days", WHOLE),
    "npi_check": _turned("npi_check", "edits.npi", **{"luhn-80840": "luhn"}),
    "ordering_required": _codes("edits.ordering_required"),
    "timely_filing": Option(Table(ANY), timely),
    "carc": Option(CARC, carc),
    "appeal_days": Option(WHOLE, appeal_days),
    "appeal_clock": _only("appeal_clock", "receipt-of-determination"),
    "amendment_after_billing": _only("amendment_after_billing", "replace-claim"),
    "corrected_claim": _only("corrected_claim", "frequency-7-after-adjudication"),
    "resubmission": _only("resubmission", "same-claim-identifier"),
    "pended": _only("pended", "wait-no-posting"),
    "duplicate_response": _only("duplicate_response", "ignore-same-response-id"),
    "plb_codes": Option(Table(TEXT), plb_codes),
    "void_claim": _only("void_claim", "frequency-8-after-adjudication"),
    "credit_balance": _only("credit_balance", "worklist-never-net-to-others"),
    "statement_policy": _only("statement_policy", "after-all-payers-final"),
    "statement_net_of_patient_payments": _only("statement_net_of_patient_payments", "true"),
    "crossover": Option(Table(TEXT), crossover),
    "msp_overrides_registration": _only("msp_overrides_registration", "true"),
    "unmatched_response": _only("unmatched_response", "park-whole"),
    "claim_level_adjustment": _only("claim_level_adjustment", "to-the-only-line"),
    "match_requires": Option(Items(TEXT), match_requires),
    "payer_behaviour": _only("payer_behaviour", "same-identifier-is-one-claim"),
    # going live
    "going_live": Option(Items(DAYS), live),
    "opening": Option(Items(OPENING), opening),
    # infusions and drugs
    "charge_scope": Option(Items(TEXT), _scope),
    "additional_hour_min": _payer("infusion.additional_hour_min", WHOLE),
    "facility_order": Option(Items(TEXT), _facility_order),
    "initial_tiebreak": _only("initial_tiebreak", "longest"),
    "interrupted_infusion": _only("interrupted_infusion", "sum-actual-minutes"),
    "addon_parents": Option(Table(Items(CODE)), _addons),
    "concurrent_min_overlap": _payer("infusion.concurrent_min_overlap", WHOLE),
    "hydration_min_minutes": _payer("infusion.hydration_min_minutes", WHOLE),
    "secondary_hydration_code": _payer("infusion.secondary_hydration_code", CODE),
    "distinct_service_modifier": _payer("infusion.distinct_modifier"),
    "same_drug_push_gap_min": _payer("infusion.same_drug_push_gap_min", WHOLE),
    "missing_stop_time": _payer("infusion.missing_stop"),
    "missing_stop_fallback": _only("missing_stop_fallback", "hold"),
    "hold_scope": _only("hold_scope", "event"),
    "midnight_dating": _payer("infusion.midnight"),
    "pump_code": _only("pump_code", "G0498"),
    "undocumented_second_site": _payer("infusion.undocumented_second_site"),
    "jw_jz": Option(TEXT, _wastage),
    "separately_payable": _only("separately_payable", "all"),
    "ndc_unit": Option(Table(TEXT), _ndc_units),
    "modifier_340b_2024": _payer("drugs.modifier_340b_2024"),
    "site_340b_setting": Option(TEXT, lambda _value, _settled: None),  # the date of service wins over it
    "ft1_types": Option(Table(TEXT), _transactions),
    "over_credit": _only("over_credit", "hold-both"),
    "duplicate_key": Option(Items(TEXT), _same_report),
    "mue": Option(Table(Fields({"units": WHOLE, "mai": WHOLE}, frozenset({"units", "mai"}))), _limits),
    "mue_sum": _only("mue_sum", "all-lines-of-code-and-date"),
    "mue_over": _only("mue_over", "hold-all-lines-of-the-drug"),
}
"""Every option that a case may name."""

SHAPES: Final = Fields({name: option.shape for name, option in OPTIONS.items()})


def settled_by(options: Tree) -> Settled:
    """What the options of a case come to; what is not built is named in it."""
    settled = Settled()
    for name, value in options.items():
        if value is not None:
            OPTIONS[name].apply(value, settled)
    return settled
