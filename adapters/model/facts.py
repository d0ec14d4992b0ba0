"""The facts that an event may hold: the name of each, and the form of its canonical text."""

from __future__ import annotations

import re
from typing import Final

from adapters.model.kinds import KINDS

_TEXT: Final = re.compile(r".{1,500}", re.DOTALL)
_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_FLAG: Final = re.compile(r"true|false")
_VIAL: Final = re.compile(
    r"[1-9][0-9]{0,3}\|[0-9]{1,9}(\.[0-9]{1,6})?\|[^|]{1,20}\|(single-dose|multi-dose)\|[0-9-]*\|([0-9]{1,9}(\.[0-9]{1,6})?\|[^|]{1,20})?"
)
"""Vials of one kind: count, strength of one, its unit, how often it may be drawn from, NDC, volume of one and its unit."""
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})")


_WORDS: Final[dict[re.Pattern[str], tuple[str, ...]]] = {_FLAG: ("true", "false")}
_FORMS: Final = {
    _WHOLE: "a whole number",
    _DECIMAL: "a number",
    _DATE: "a date, 2026-01-05",
    _INSTANT: "an instant with its offset, 2026-01-05T09:00:00-05:00",
    _VIAL: "count|strength|unit|single-dose or multi-dose|NDC|volume|unit",
}


def _one_of(*words: str) -> re.Pattern[str]:
    form = re.compile("|".join(map(re.escape, words)))
    _WORDS[form] = words
    return form


FACTS: Final[dict[str, re.Pattern[str]]] = {
    # of a treatment session
    "n": _WHOLE,
    "uid": _TEXT,
    "phase": _TEXT,
    "plan": _TEXT,
    "modality": _one_of("photon", "electron", "mixed", "proton", "neutron", "kv"),
    "technique": _one_of("2d", "3d", "imrt", "electron", "mixed", "total-skin-electron"),
    "isocenters": _WHOLE,
    "motion.active": _FLAG,
    "motion.documented": _FLAG,
    "motion.method": _TEXT,
    "guidance": _one_of("none", "cbct", "ultrasound", "stereo-xray"),
    "guidance.reviewed_at": _INSTANT,
    "imrt.complexity": _one_of("simple", "complex"),
    "proton.level": _one_of("simple", "simple-with-compensation", "intermediate", "complex"),
    "regime": _one_of("sbrt", "srs", "hdr", "surface", "iort"),  # absent: external beam by the day
    "platform": _one_of("linac", "cobalt", "robotic"),  # of radiosurgery
    "channels": _WHOLE,  # of an HDR session or a brachytherapy plan
    "kv": _DECIMAL,  # tube voltage of surface therapy
    "record.closed": _FLAG,  # the treatment record of the session is closed, or still open
    "target": _TEXT,
    "lesion": _TEXT,
    "lesions": _WHOLE,
    "planned_fractions": _WHOLE,
    # of planning, devices, calculations
    "complexity": _one_of("simple", "intermediate", "complex"),
    "approach": _one_of("interstitial", "surface", "intracavitary", "solution"),  # of an LDR application
    "heating": _one_of("superficial", "deep", "interstitial", "interstitial-many", "intracavitary"),
    "device_type": _one_of("beam-aperture", "immobilization", "imrt-mlc"),
    "count": _WHOLE,
    "images": _WHOLE,
    "tumour": _TEXT,
    "reason": _TEXT,
    "request": _FLAG,
    "report": _FLAG,
    # of visits
    "em_code": _TEXT,
    "separately_identifiable": _FLAG,
    "accident": _one_of("work", "auto", "other"),  # what brought the patient, where it was an accident
    "new_patient": _FLAG,
    # of any event
    "diagnosis": _TEXT,
    "by": _TEXT,
    "by.role": _one_of("radiation-oncologist", "nurse-practitioner", "medical-physicist", "physician", "other"),
    "ordered_by": _TEXT,
    "facility": _TEXT,
    "visit": _TEXT,
    "series": _TEXT,  # the account of a series, or the cycle of treatment, that the site gathers services under
    "about": _TEXT,
    "activity": _TEXT,
    "status": _TEXT,
    "historic": _FLAG,  # taken as history: nothing that rests on such alone is claimed
    # of a coded charge
    "code": _TEXT,
    "local_code": _TEXT,
    "modifier": _TEXT,
    "units": _DECIMAL,
    "amount": _DECIMAL,
    "type": _TEXT,
    "credit": _FLAG,  # takes units away from what was charged of the same code, modifiers and date
    "ndc": _TEXT,
    "revenue": _TEXT,
    "authorization": _TEXT,
    "department": _TEXT,
    "ndc.quantity": _DECIMAL,
    "ndc.unit": _TEXT,
    "unit_amount": _DECIMAL,
    "posted": _DATE,  # FT1-5: when the sender posted it; late charges show by it
    "batch": _TEXT,  # FT1-3, the sender's export batch
    "abn": _TEXT,  # FT1-27, table 0339
    "duplicate_reason": _TEXT,  # FT1-28, table 0370
    "payment_reference": _TEXT,
    "unposted": _one_of("note", "insurance", "number"),  # why a payment that was told is not posted by itself
    "transaction_reference": _TEXT,
    "special": _TEXT,
    "clinic": _TEXT,
    "referral": _TEXT,
    "taxonomy": _TEXT,
    "prescription": _TEXT,
    "filler_order": _TEXT,
    # of a drug ordered, given or dispensed
    "drug": _TEXT,  # its code as sent
    "drug.system": _TEXT,
    "drug.name": _TEXT,
    "dose": _DECIMAL,
    "dose.unit": _TEXT,
    "strength": _DECIMAL,
    "strength.unit": _TEXT,
    "volume": _DECIMAL,
    "volume.unit": _TEXT,
    "rate": _DECIMAL,
    "rate.unit": _TEXT,
    "rate.per": _TEXT,
    "route": _TEXT,
    "site": _TEXT,
    "lot": _TEXT,
    "expires": _DATE,
    "waste": _DECIMAL,
    "waste.unit": _TEXT,
    "completion": _one_of("complete", "partial", "refused", "not-given"),
    "action": _one_of("add", "update", "delete"),
    "counter": _WHOLE,
    # of a drug administered in a visit
    "class": _one_of("chemo", "hormonal", "therapeutic", "hydration"),
    "primary_reason": _FLAG,  # what the visit was for, as documented
    "second_site_reason": _TEXT,  # why a further access site was needed
    "planned_minutes": _WHOLE,  # never a time that something took
    "acquired": _TEXT,  # `340b`, or any other word
    "vial": _VIAL,
    "container": _one_of("single-dose", "multi-dose"),  # of what was handed out
    "form": _one_of(
        "infusion", "push", "injection", "hydration", "pump-start", "pump-refill", "pump-disconnect", "port-flush"
    ),  # what a dose was, where its sender says so
    "method": _TEXT,  # how it went in: RXR-4, Dosage.method
    "times": _one_of("date-only", "unusable", "unmatched"),  # why the times of a dose cannot be reckoned with
    "pump.owner": _TEXT,
    "pump.goes_home": _FLAG,
    "pump.type": _one_of("portable", "implantable"),
    "pump.hours": _WHOLE,
    # of what is expected: appointments and orders
    "appointment": _TEXT,
    "state": _one_of(
        "booked",
        "rescheduled",
        "modified",
        "cancelled",
        "discontinued",
        "deleted",
        "no-show",
        "arrived",
        "complete",
        "new",
        "held",
        "scheduled",
        "in-progress",
    ),
    "minutes": _WHOLE,
    "machine": _TEXT,
    "expects": _one_of(*KINDS),  # the kind of event that an appointment or order leads to
    "placer": _TEXT,
    "priority": _TEXT,
    "control": _TEXT,  # ORC-1, table 0119
    "scheduled": _INSTANT,
    "repeats": _FLAG,  # an order of several doses, of which nothing says how many are expected
    "cycle": _WHOLE,  # of a regimen
    "cycle_day": _WHOLE,
    # of a document
    "document": _TEXT,
    "document.type": _TEXT,
    "document.status": _TEXT,  # TXA-17, table 0271
    "availability": _TEXT,  # TXA-19, table 0273
    "signed": _FLAG,
    "signed_by": _TEXT,
    "signed_at": _INSTANT,
    # of the summary of a course
    "fractions": _WHOLE,
    "delivered_dose": _DECIMAL,
    "delivered_dose.unit": _TEXT,
    "first": _DATE,
    "last": _DATE,
    # of a merge
    "scope": _one_of("person", "account", "visit", "move", "link", "unlink"),
    "merged.system": _TEXT,
    "merged.value": _TEXT,
    "survivor.system": _TEXT,
    "survivor.value": _TEXT,
    "trigger": _TEXT,
    # of a decision of a person
    "verb": _one_of(
        *("close", "assign", "release", "override", "withdraw", "fact", "do-not-bill", "bill", "void"),
        *("merge", "unmerge", "match"),
    ),
    "why": _TEXT,
    "item": _TEXT,  # id of a work item
    "assignee": _TEXT,
    "hold": _TEXT,  # code of a hold
    "entry": _TEXT,  # id of an entry of the journal
    "claim": _TEXT,  # id of a claim
    "undoes": _TEXT,  # the verb that is withdrawn
    "before": _TEXT,  # how an item stood when it was decided about
    "after": _TEXT,  # and what the decision makes of it
    "about.episode": _TEXT,
    "about.service": _TEXT,
    "about.key": _TEXT,
    "about.part": _TEXT,
    "about.anchor": _TEXT,
    "about.event": _TEXT,  # id of an event
    "about.plan": _TEXT,
    "about.course": _TEXT,
    "mark": _TEXT,  # of what was looked at when it was decided
    "fact.name": _TEXT,
    "fact.value": _TEXT,
    # of context
    "label": _TEXT,
    "reference": _TEXT,
    "part_of": _TEXT,
    # what a FHIR resource names, by what it is named for: `Condition/7`, `urn:uuid:…`, `Procedure?system|value`
    "names.reason": _TEXT,
    "names.diagnosis": _TEXT,
    "names.visit": _TEXT,
    "names.place": _TEXT,
    "names.by": _TEXT,
    "names.ordered_by": _TEXT,
    "names.signed_by": _TEXT,
    "names.order": _TEXT,
    "names.drug": _TEXT,
    "names.payer": _TEXT,
    "awaits": _TEXT,  # `isocenters:plan`: a fact that the plan it names says before others do
    "payer": _TEXT,
    "payer.name": _TEXT,
    "member": _TEXT,
    "relationship": _TEXT,
    "group": _TEXT,
    "employer.size": _WHOLE,  # of a group plan: how many work for the employer
    "basis": _one_of("current-employment", "retiree", "cobra"),  # why a group plan covers the person
    "active": _FLAG,  # of an eligibility: whether the insurance is in force on the day `from`
    "order": _WHOLE,
    "from": _DATE,
    "to": _DATE,
    "family": _TEXT,
    "given": _TEXT,
    "birth_date": _DATE,
    "sex": _one_of("female", "male", "other", "unknown"),
    "address.line": _TEXT,
    "address.city": _TEXT,
    "address.state": _TEXT,
    "address.postal_code": _TEXT,
}
"""Every fact name and the canonical form of its value. A name outside this table does not enter."""


def words_of(name: str) -> tuple[str, ...]:
    """The words of which a fact is one; empty for one that is said freely, or that there is none of."""
    form = FACTS.get(name)
    return _WORDS.get(form, ()) if form is not None else ()


def form_of(name: str) -> str:
    """What a fact looks like, in words for whoever enters one; empty for a text and for what is no fact."""
    form = FACTS.get(name)
    return "" if form is None else _FORMS.get(form) or " or ".join(_WORDS.get(form, ()))
