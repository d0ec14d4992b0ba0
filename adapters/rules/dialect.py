"""How a feed speaks: where its charges, activities and identities stand, and what its words mean in ours.

No public specification says how a radiation-oncology system exports charges (HL7 v2 notes, section 1.3), so each
feed gets a mapping in `mappings/feeds` instead of vendor code. `parse_dialect` types it and tells every fault at
once; `hl7v2.capture` and `fhir.capture` read messages by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from adapters.model.event import DOSE
from adapters.model.facts import FACTS
from adapters.model.kinds import KINDS, Role
from adapters.rules.element import ElementPath, element
from adapters.rules.location import Location
from adapters.rules.problem import Problem
from adapters.rules.question_form import QuestionForm, question_form
from adapters.rules.strict import Faults, Table

CODED: Final = "coded-charge"
MEDIA: Final = ("hl7v2", "fhir")
CREDITS: Final = ("same-transaction", "negative-quantity", "negative-amount", "netting")
MODIFIER_FORMS: Final = ("repetitions", "components", "joined")
NOTATIONS: Final = ("iso", "us", "european")
"""How a feed may write dates beside HL7 v2's own way (`hl7v2.notation`)."""
SESSIONS_FROM: Final = ("fraction", "phase", "plan")
CODED_TYPES: Final = ("ChargeItem", "Procedure")
FORMS: Final = ("text", "whole", "decimal", "flag", "instant", "date")

CLINICAL: Final = frozenset(k for k, role in KINDS.items() if role in (Role.SERVICE, Role.EVIDENCE)) - {DOSE}
"""The kinds of event that an activity may be; all but the coded charge, context, and a dose that has yet to be named."""

ACTIVITIES: Final = CLINICAL | {"course-summary"}
"""What an activity or a reported result may be."""
TOLD: Final = ACTIVITIES | {CODED, "administration", "drug-dispense", "order", "appointment", "document"}
"""The kinds whose facts a dialect may say."""

_KEY_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")


@dataclass(frozen=True, slots=True)
class FactRule:
    """Where one fact is read and how its value is said. The first location that holds a value wins."""

    name: str
    sources: tuple[Location, ...]
    form: str = "text"
    values: Mapping[str, str] = field(default_factory=dict)
    """What the feed says, in lower case, to our value; a value outside it is told, never guessed."""
    kinds: frozenset[str] = frozenset()
    """Kinds of event that carry the fact; empty: every clinical kind."""
    prefix: str = ""
    """Put before the value: `uid:` makes a reference to a session of its UID."""
    repeat: bool = False
    """One fact for each repetition of the field."""
    default: str = ""
    """Assumed by agreement with the feed where no location holds a value; its source then says `assumed`."""

    def concerns(self, kind: str) -> bool:
        """Whether events of this kind carry the fact."""
        return kind in (self.kinds or CLINICAL)


@dataclass(frozen=True, slots=True)
class ElementRule:
    """Where one fact is read in FHIR, beside or in place of what the profile says. The first place with a value wins."""

    name: str
    sources: tuple[ElementPath, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    """What the feed says (`system|code`, code or text, in lower case) to our value; one outside it is told."""
    kinds: frozenset[str] = frozenset()
    """Kinds of event that carry the fact; empty: every clinical kind."""
    default: str = ""
    """Assumed by agreement where no place holds a value; its source then says `assumed`."""
    repeat: bool = False
    """One fact for each value of the place."""

    def concerns(self, kind: str) -> bool:
        """Whether events of this kind carry the fact."""
        return kind in (self.kinds or CLINICAL)


@dataclass(frozen=True, slots=True)
class KeyRule:
    """An identity of the thing done: two reports that share `name:value` are of the same thing."""

    name: str
    sources: tuple[Location, ...]
    kinds: frozenset[str] = frozenset()
    """Kinds that carry it; empty: all. A review that names the session reviewed must not share its identity."""

    def concerns(self, kind: str) -> bool:
        """Whether events of this kind carry the key."""
        return not self.kinds or kind in self.kinds


@dataclass(frozen=True, slots=True)
class Activity:
    """What a local activity code stands for: one or more kinds of event, and what the code alone says of them."""

    kinds: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()


_LOCAL_CODE: Final = Location("FT1", 7)
_QUANTITY: Final = Location("FT1", 10)
_TRANSACTION: Final = Location("FT1", 2)
_ADMINISTRATION: Final = (Location("ORC", 2, 1), Location("ORC", 3, 1), *(Location("RXA", n) for n in (1, 2, 3, 5)))
"""Order, counters, start and drug: many senders leave the counters at 0 and 1 for every dose of an order."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One feed's way of speaking. Defaults are those of a feed that follows DFT^P03 of v2.5.1 to the letter."""

    id: str
    media: str
    title: str
    cite: str
    charge_types: frozenset[str] = frozenset({"CG"})
    credit_types: frozenset[str] = frozenset({"CD", "CR"})
    """FT1-6 values that take back. CR is not in table 0017, but feeds send it."""
    ignored_types: frozenset[str] = frozenset({"PY", "AJ", "CO"})
    """FT1-6 values that are no charge: payment, adjustment, co-payment."""
    payments: str = "ignore"
    """What a payment is: left out; the `patient`'s, where nothing else is said of it; or a `note` for a person."""
    payment_types: frozenset[str] = frozenset({"PY"})
    payment_sign: str = "positive"
    """How money taken in is written: `negative` as what comes off an account."""
    credits: frozenset[str] = frozenset({"same-transaction", "negative-quantity"})
    """How the feed takes back: `same-transaction` a credit repeats the FT1-2 of its charge; `negative-quantity`,
    `negative-amount` a charge below zero is a credit; `netting` a credit takes its units away from what was charged of the
    same code, modifiers and date. A feed that names the charge elsewhere has `original`."""
    local_code: Location = _LOCAL_CODE
    codes: tuple[Location, ...] = (Location("FT1", 25), Location("PR1", 3))
    modifiers: tuple[Location, ...] = (Location("FT1", 26), Location("PR1", 16))
    modifier_forms: frozenset[str] = frozenset({"repetitions"})
    quantity: Location = _QUANTITY
    quantity_default: str = "1"
    """Units where the quantity is empty, by agreement; empty: none, the line has no units."""
    transaction: Location = _TRANSACTION
    original: Location | None = None
    """Where a credit names the transaction it takes back, when that is not its own number."""
    course: tuple[Location, ...] = ()
    administration: tuple[Location, ...] = _ADMINISTRATION
    """What together names one administration of a drug, so that its correction (RXA-21 U or D) meets it."""
    dates: frozenset[str] = frozenset()
    """Notations of dates beside HL7 v2's own (`NOTATIONS`)."""
    decimal_comma: bool = False
    """Whether 1,5 is one and a half."""
    keys: tuple[KeyRule, ...] = ()
    activities: Mapping[str, Activity] = field(default_factory=dict)
    facts: tuple[FactRule, ...] = ()
    people_from: frozenset[str] = frozenset(
        {"ADT^A01", "ADT^A03", "ADT^A04", "ADT^A08", "ADT^A28", "ADT^A31", "BAR^P01", "BAR^P05"}
    )
    """Messages whose patient, visit and insurance are statements: `ADT`, or one trigger as `ADT^A08`. A feed whose
    DFT carries a shortened PID must not have it here: a later statement takes the place of the earlier."""
    encounter_types: Mapping[str, str] = field(default_factory=dict)
    """FHIR `system|code` of Encounter.type to a kind of event."""
    extensions: Mapping[str, str] = field(default_factory=dict)
    """FHIR extension URL to the name of the fact that its value says, where no standard element holds it."""
    elements: tuple[ElementRule, ...] = ()
    """FHIR: where facts stand that the profile has no element for, or that this sender says elsewhere."""
    sessions_from: str = "fraction"
    """FHIR: what tells of a session: each treated `fraction`, or the count in the summary of its `phase` or `plan`."""
    coded: frozenset[str] = frozenset({"ChargeItem"})
    """FHIR: types whose HCPCS code is a coded charge; a Procedure that bears one may only tell what was done."""
    question: QuestionForm | None = None
    """How questions to the clinic are written for this feed; None where they are not."""
    rules_by_kind: Mapping[str, tuple[FactRule, ...]] = field(default_factory=dict, repr=False, compare=False)
    """`facts` by kind of event, worked out once."""

    def facts_of(self, kind: str) -> tuple[FactRule, ...]:
        """The fact rules that concern a kind of event, in the order written."""
        found = self.rules_by_kind.get(kind)
        return tuple(rule for rule in self.facts if rule.concerns(kind)) if found is None else found

    def states_people(self, message_type: str, trigger: str) -> bool:
        """Whether the patient, visit and insurance of such a message are statements of this feed."""
        return message_type in self.people_from or f"{message_type}^{trigger}" in self.people_from


def parse_dialect(data: Mapping[str, object], file: str, text: str = "") -> Dialect | tuple[Problem, ...]:
    """The dialect that a TOML file says, or all that is wrong with it.

    `data` is the parsed file, `text` its source, from which the lines of problems are found (line 1 without it).
    Unknown keys are problems: a misspelt one would be silence.
    """
    told = Faults(file, text)
    dialect = _dialect(Table(told, (), data))
    return tuple(sorted(set(told.found))) if told.found else dialect


def _dialect(top: Table) -> Dialect:
    if top.text("kind", "dialect") != "dialect":
        top.problem("kind", "kind must be 'dialect'")
    media = top.one_of("media", "", MEDIA, required=True)
    plain = Dialect("", media, "", "")
    identities = _keys(top, plain)
    facts = tuple(rule for name, table in top.tables("facts") if (rule := _fact(name, table)))
    dialect = Dialect(
        id=top.text("id", required=True),
        media=media,
        title=top.text("title", required=True),
        cite=top.text("cite", required=True),
        charge_types=frozenset(top.words("charge_types", plain.charge_types)),
        credit_types=frozenset(top.words("credit_types", plain.credit_types)),
        ignored_types=frozenset(top.words("ignored_types", plain.ignored_types)),
        payments=top.one_of("payments", plain.payments, ("ignore", "patient", "note")),
        payment_types=frozenset(top.words("payment_types", plain.payment_types)),
        payment_sign=top.one_of("payment_sign", plain.payment_sign, ("positive", "negative")),
        credits=frozenset(top.words("credits", plain.credits, CREDITS)),
        local_code=top.location("local_code", plain.local_code),
        codes=top.locations("codes", plain.codes),
        modifiers=top.locations("modifiers", plain.modifiers),
        modifier_forms=frozenset(top.words("modifier_forms", plain.modifier_forms, MODIFIER_FORMS)),
        quantity=top.location("quantity", plain.quantity),
        quantity_default=top.text("quantity_default", plain.quantity_default),
        transaction=identities.transaction,
        original=identities.original,
        course=identities.course,
        administration=identities.administration,
        dates=frozenset(top.words("dates", plain.dates, NOTATIONS)),
        decimal_comma=top.flag("decimal_comma"),
        keys=identities.rules,
        activities=MappingProxyType({name: _activity(table) for name, table in top.tables("activities")}),
        facts=facts,
        people_from=frozenset(top.words("people_from", plain.people_from)),
        encounter_types=MappingProxyType(_encounter_types(top)),
        extensions=MappingProxyType(_extensions(top)),
        elements=tuple(said for name, table in top.tables("elements") if (said := _element(name, table))),
        sessions_from=top.one_of("sessions_from", plain.sessions_from, SESSIONS_FROM),
        coded=frozenset(top.words("coded", plain.coded, CODED_TYPES)),
        question=question_form(top),
        rules_by_kind=MappingProxyType({kind: tuple(rule for rule in facts if rule.concerns(kind)) for kind in TOLD}),
    )
    _check_types(top, dialect)
    top.done()
    return dialect


def _check_types(top: Table, dialect: Dialect) -> None:
    for key, told in (("elements", bool(dialect.elements)), ("extensions", bool(dialect.extensions))):
        if told and dialect.media != "fhir":
            top.problem(key, f"{key} are read of FHIR only")
    if dialect.question is not None and dialect.media != "hl7v2":
        top.problem("question", "question is for HL7 v2 only")
    if dialect.quantity_default and not FACTS["units"].fullmatch(dialect.quantity_default):
        top.problem("quantity_default", "quantity_default is not a quantity")
    if dialect.dates >= {"us", "european"}:
        top.problem("dates", "dates: 'us' and 'european' write the same text for two different days")
    twice = {
        "credit_types": dialect.credit_types & dialect.charge_types,
        "ignored_types": dialect.ignored_types & (dialect.charge_types | dialect.credit_types),
        "payment_types": dialect.payment_types & (dialect.charge_types | dialect.credit_types),
    }
    for key, words in twice.items():
        for word in sorted(words):
            top.problem(key, f"{key}: {word!r} already has another meaning")


@dataclass(frozen=True, slots=True)
class _Identities:
    """What the table `keys` says."""

    transaction: Location
    original: Location | None
    course: tuple[Location, ...]
    administration: tuple[Location, ...]
    rules: tuple[KeyRule, ...]


def _keys(top: Table, plain: Dialect) -> _Identities:
    data = top.left.pop("keys", {})
    if not isinstance(data, Mapping):
        top.problem("keys", "keys must be a table")
        data = {}
    table = Table(top.told, ("keys",), data)
    transaction = table.location("transaction", plain.transaction)
    originals = table.locations("original")
    course = table.locations("course")
    administration = table.locations("administration", plain.administration)
    rules = []
    for name, value in table.left.items():
        inner = value if isinstance(value, Mapping) else {"from": value}
        rule = Table(top.told, ("keys", name), inner)
        if not _KEY_NAME.fullmatch(name) or name in ("txn", "ft1"):
            rule.problem("", f"{name!r} cannot name a key")
        sources = rule.locations("from")
        kinds = frozenset(_kinds(rule, "kinds", TOLD))
        apart = frozenset(_kinds(rule, "except", TOLD))
        if not sources:
            rule.problem("", "from is missing")
        if apart:
            kinds = (kinds or TOLD) - apart
        rule.done()
        rules.append(KeyRule(name, sources, kinds))
    return _Identities(transaction, originals[0] if originals else None, course, administration, tuple(rules))


def _kinds(table: Table, key: str, allowed: frozenset[str]) -> tuple[str, ...]:
    found = table.texts(key)
    for kind in found:
        if kind not in allowed:
            table.problem(key, f"{key}: no such kind of event here: {kind!r}")
    return tuple(kind for kind in found if kind in allowed)


def _activity(table: Table) -> Activity:
    if "kind" not in table.left:
        table.problem("", "kind is missing")
    kinds = _kinds(table, "kind", ACTIVITIES)
    facts = table.mapping("facts")
    for fact, value in facts.items():
        if fact not in FACTS:
            table.problem("facts", f"no fact is named {fact!r}")
        elif not FACTS[fact].fullmatch(value):
            table.problem("facts", f"{value!r} is not a {fact}")
    table.done()
    return Activity(kinds, tuple(facts.items()))


def _fact(name: str, table: Table) -> FactRule | None:
    if name not in FACTS:
        table.problem("", f"no fact is named {name!r} (a name with a point is written in quotes)")
        return None
    sources = table.locations("from")
    if not sources:
        table.problem("from", "from is missing")
    form = table.text("type", "text")
    if form not in FORMS:
        table.problem("type", f"type: {form!r} is none of {', '.join(FORMS)}")
    prefix, values, default = table.text("prefix"), table.mapping("values"), table.text("default")
    for said, ours in values.items():
        if not FACTS[name].fullmatch(prefix + ours):
            table.problem("values", f"{said!r}: {ours!r} is not a {name}")
    if default and not FACTS[name].fullmatch(prefix + default):
        table.problem("default", f"default: {default!r} is not a {name}")
    rule = FactRule(
        name=name,
        sources=sources,
        form=form,
        values=MappingProxyType({said.casefold(): ours for said, ours in values.items()}),
        kinds=frozenset(_kinds(table, "kinds", TOLD)),
        prefix=prefix,
        repeat=table.flag("repeat"),
        default=default,
    )
    table.done()
    return rule


def _element(name: str, table: Table) -> ElementRule | None:
    if name not in FACTS:
        table.problem("", f"no fact is named {name!r} (a name with a point is written in quotes)")
        return None
    sources = []
    for text in table.texts("from"):
        at = element(text)
        if at is None:
            table.problem("from", f"from: not a place in a resource: {text!r}")
        else:
            sources.append(at)
    values, default = table.mapping("values"), table.text("default")
    if not sources and not default:
        table.problem("from", "from is missing")
    for said, ours in (*values.items(), *((("default", default),) if default else ())):
        if not FACTS[name].fullmatch(ours):
            table.problem("values" if said != "default" else said, f"{said!r}: {ours!r} is not a {name}")
    kinds = frozenset(_kinds(table, "kinds", TOLD))
    repeat = table.flag("repeat")
    table.done()
    lower = MappingProxyType({said.casefold(): ours for said, ours in values.items()})
    return ElementRule(name, tuple(sources), lower, kinds, default, repeat)


def _extensions(top: Table) -> dict[str, str]:
    found = top.mapping("extensions")
    for url, name in found.items():
        if name not in FACTS:
            top.told.add(("extensions", url), f"no fact is named {name!r}")
    return found


def _encounter_types(top: Table) -> dict[str, str]:
    found = top.mapping("encounter_types")
    for said, kind in found.items():
        if "|" not in said:
            top.told.add(("encounter_types", said), f"{said!r} is not system|code")
        if kind not in CLINICAL:
            top.told.add(("encounter_types", said), f"no such kind of event here: {kind!r}")
    return found
