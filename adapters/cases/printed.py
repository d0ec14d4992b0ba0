"""What a case came to, with the keys of `expect`: events by their names in the case, figures as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from adapters.cases.document import Value, text
from adapters.cases.feed import coverage_named, member_of
from adapters.cases.schema import Dialect
from adapters.cases.story import Story
from adapters.model import money
from adapters.model.charge import Charge, Finding, Hold
from adapters.model.claim import ClaimOnFile, ClaimState, PriorPayer
from adapters.model.ledger import Account, Entry
from adapters.model.record import ChargeOnFile, ChargeStatus
from adapters.model.why import Why
from adapters.model.work import WorkItem, item_id
from adapters.posting import appealable
from adapters.posting.later import CAUSE as LATER

Printed: TypeAlias = "dict[str, Value]"

_PLACES: Final = {1: "primary", 2: "secondary", 3: "tertiary"}
"""Places in the order of benefits, in the words of cases."""
_COUNTED: Final = frozenset({"management", "physics"})
"""Services whose unit stands for several sessions."""
_WORDS: Final = {
    **dict.fromkeys(
        ("option-missing", "rule-missing", "isocenters-unknown", "course-unknown", "local-code-unknown"),
        "review-needed",
    ),
    "pair-conflict": "bundled",
}
"""Our finer holds in the words of cases: what lacks data is `review-needed`, what another line takes in is `bundled`."""
_BOOKS: Final = frozenset({Account.RECEIVABLE, Account.CHARGES, Account.PROVIDER_LEVEL})
"""Accounts that stand against all others and are no posting of a case."""
_GONE: Final = frozenset(
    {ClaimState.ABANDONED, ClaimState.REPLACED, ClaimState.VOIDED, ClaimState.ERROR, ClaimState.REFUSED}
)
_UNSENT: Final = frozenset({ClaimState.BUILT, ClaimState.HELD, ClaimState.READY})


def printed(story: Story) -> Printed:
    """The result of the case; with `not_built` beside empty lists where it was not run."""
    if story.problems:
        return {"id": story.case.id, **_empty(), "not_built": list(story.problems)}
    record = story.record
    claims = [c for c in record.claims if c.state is not ClaimState.ABANDONED]
    names = _names(story, claims)
    # A claim is `replaced` from when its replacement was sent (cases/*/README), not from when the payer took it.
    replaced = {c.claim.replaces for c in claims if c.claim.frequency == "7" and c.state not in _UNSENT | _GONE}
    states: Printed = {names[c.claim.id]: "replaced" if c.claim.id in replaced else c.printed_state for c in claims}
    return {
        "id": story.case.id,
        "charges": [_charge(story, c) for c in record.charges if c.status is not ChargeStatus.VOID],
        "holds": [_hold(story, hold) for hold in record.holds],
        "findings": [
            *(_finding(story, finding, names) for finding in record.findings if _has_word(story, finding)),
            *_misfits(story),
            *_withheld(story),
        ],
        "claims": [_claim(story, c, names) for c in claims],
        "claim_state": states.get("c1"),
        "claim_states": states,
        "postings": [p for event, entry in story.posted for p in _postings(story, event, entry, names)],
        "worklist": [_work(story, item, names) for item in (*record.work, *story.set_aside)],
        "statements": [{"event": event, "amount": money.text(amount)} for event, amount in story.statements],
        "payer_claim_count": sum(c.state not in _UNSENT | _GONE for c in claims),
    }


def _empty() -> Printed:
    lists: Printed = {
        key: [] for key in ("charges", "holds", "findings", "claims", "postings", "worklist", "statements")
    }
    return {**lists, "claim_state": None, "claim_states": {}, "payer_claim_count": None}


def _from(story: Story, why: Why) -> list[str]:
    """The events of the case on which an outcome rests, in their order there."""
    rests = {story.letters.events[m] for m in why.messages() if m in story.letters.events}
    return [event.id for event in story.case.events if event.id in rests]


def _values(texts: Iterable[str]) -> list[Value]:
    return list(texts)


def _because(why: Why) -> str:
    """Why in one line: the rule, since when it holds, and its citation."""
    return f"{why.rule.id} since {why.rule.since.isoformat()}: {why.rule.cite}"


def _line(story: Story, charge: Charge) -> Printed:
    line: Printed = {
        "code": charge.code,
        "modifiers": _values(charge.modifiers),
        "units": str(charge.units),
        "date": charge.start.isoformat(),
        "component": charge.component.value,
        "from": _values(_from(story, charge.why)),
        "why": _because(charge.why),
    }
    if charge.ndc and charge.ndc_quantity is not None:
        line["ndc"] = {"code": charge.ndc, "unit": charge.ndc_unit, "quantity": f"{charge.ndc_quantity:f}"}
    return line


def _charge(story: Story, on_file: ChargeOnFile) -> Printed:
    return _line(story, on_file.charge)


def _about(story: Story, about: str, why: Why, service: str = "") -> str:
    """The event that something is about: as the outcome says, else of a unit its last session, else its first event."""
    named = {event.id: event.source.message for event in story.record.events}
    if about in named and named[about] in story.letters.events:
        return story.letters.events[named[about]]
    told = [
        story.letters.events[f.source.message]
        for f in why.facts
        if f.name == "event" and f.source.message in story.letters.events
    ]
    if service in _COUNTED:
        by_id = {event.id: event for event in story.case.events}
        sessions = [id for id in told if by_id[id].get("n") is not None]
        return sessions[-1] if sessions else ""
    return told[0] if told else coverage_named(story.case, about)


def _hold(story: Story, hold: Hold) -> Printed:
    about = _about(story, hold.about, hold.why, hold.slot.service)
    if hold.code == "npi-invalid":
        about = _named(story, next(fact.value for fact in hold.why.facts if fact.name == "npi"))
    why = hold.detail or _because(hold.why)
    code = _WORDS.get(hold.code, hold.code)
    return {"code": code, "about": about, "why": why if code == hold.code else f"{hold.code}: {why}"}


def _has_word(story: Story, finding: Finding) -> bool:
    """Whether the dialect of the case has a word for the finding: that of radiation lists all findings, and no balance."""
    return story.case.dialect is Dialect.MEDICAL or finding.kind != "authorization-balance"


def _finding(story: Story, finding: Finding, names: dict[str, str]) -> Printed:
    service = finding.slot.service if finding.slot else ""
    named = names.get(finding.about) or _named(story, finding.about)
    if named == finding.about:
        named = _about(story, finding.about, finding.why, service)
    found: Printed = {"kind": finding.kind, "about": named}
    if finding.value:
        found["value"] = finding.value
    if finding.kind == "diagnosis-dropped":
        found["value"] = next((name for name, code in story.case.diagnoses if code == finding.value), finding.value)
    return {**found, "why": _because(finding.why)}


def _named(story: Story, about: str) -> str:
    """The case's name of a provider or an authorization that something is about; anything else as it is."""
    providers = {text(said["npi"]): name for name, said in story.case.providers.items()}
    numbers = {text(one["number"]): text(one.get("id")) or text(one["number"]) for one in story.case.authorizations}
    return providers.get(about) or numbers.get(about) or about


# ---------------------------------------------------------------- claims and money


def _names(story: Story, claims: list[ClaimOnFile]) -> dict[str, str]:
    """Id of a claim → its name in the case: as the events call it, the others in the order of building."""
    names = {id: name for name, id in story.labels.items()}
    numbers = (f"c{n}" for n in range(1, len(claims) + len(names) + 1))
    free = (name for name in numbers if name not in set(names.values()))
    return {c.claim.id: names.get(c.claim.id) or next(free) for c in claims}


def _coverage(story: Story, on_file: ClaimOnFile) -> str:
    """The case's name of the coverage that a claim bills."""
    for coverage in story.case.coverages:
        if text(coverage["payer"]) == on_file.claim.payer.id and member_of(coverage) == on_file.claim.member:
            return text(coverage["id"])
    return on_file.claim.payer.id


def _prior(story: Story, prior: PriorPayer) -> Printed:
    """What the payer before decided, as the claim restates it."""
    return {
        "payer": next((text(c["id"]) for c in story.case.coverages if member_of(c) == prior.member), prior.payer.id),
        "paid": money.text(prior.paid),
        "lines": [
            {
                "line": line.line,
                "paid": money.text(line.paid),
                "adjustments": [
                    {"group": a.group, "carc": a.reason, "amount": money.text(a.amount)} for a in line.adjustments
                ],
            }
            for line in prior.lines
        ],
    }


def _claim(story: Story, on_file: ClaimOnFile, names: dict[str, str]) -> Printed:
    claim = on_file.claim
    by_code = {code: name for name, code in reversed(story.case.diagnoses)}
    charges = {c.id: c.charge for c in story.record.charges}
    diagnoses = [by_code.get(code, code) for code in claim.diagnoses]
    lines: list[Value] = [
        {
            "line": line.line,
            "code": line.code,
            "modifiers": _values(line.modifiers),
            "units": str(line.units),
            "date": line.start.isoformat(),
            "charge": money.text(line.amount),
            "from": _values(
                dict.fromkeys(e for id in line.charges if id in charges for e in _from(story, charges[id].why))
            ),
            "dx": [diagnoses[pointer - 1] for pointer in line.diagnoses],
            "auth": next(
                (_named(story, a) for id in line.charges if id in charges and (a := charges[id].authorization)), None
            ),
        }
        for line in claim.lines
    ]
    return {
        "id": names[claim.id],
        "type": claim.type.value,
        "payer": _coverage(story, on_file),
        "sequence": _PLACES.get(claim.sequence, str(claim.sequence)),
        "condition_codes": _values(claim.condition_codes),
        "cob": _prior(story, claim.prior[-1]) if claim.prior else None,
        "frequency": claim.frequency,
        "replaces": names.get(claim.replaces, claim.replaces) or None,
        "icn": claim.payer_claim_number or None,
        "total": money.text(claim.total),
        "diagnoses": _values(diagnoses),
        "line_count": len(lines),
        "not_before": story.built.get(claim.id),
        "lines": lines,
    }


def _withheld(story: Story) -> Iterator[Printed]:
    for event in story.withheld:
        yield {"kind": "statement-withheld", "about": event, "why": "a payer has not decided yet"}


def _misfits(story: Story) -> Iterator[Printed]:
    for one in story.misfits:
        yield {
            "kind": "out-of-balance",
            "about": one.response,
            "line": one.line,
            "value": money.text(one.amount),
            "why": one.why,
        }


def _payer_of(story: Story, entry: Entry) -> str | None:
    """The case's name of the coverage whose payer made the payment that an entry rests on."""
    payer = entry.cause.removeprefix("payment:").partition("|")[0]
    return next((text(c["id"]) for c in story.case.coverages if text(c["payer"]) == payer), None)


def _later_payer(story: Story, entry: Entry) -> str | None:
    """The case's name of the coverage of a payer after the first, where an entry rests on its answer."""
    answers = (a for a in story.record.remittances if entry.cause == f"{LATER}{a.id}")
    answer = next(answers, None)
    on_file = story.record.claim(answer.claim) if answer else None
    if answer is None or on_file is None:
        return None
    if not answer.payer:
        return _coverage(story, on_file)
    return next((text(c["id"]) for c in story.case.coverages if text(c["payer"]) == answer.payer), answer.payer)


def _postings(story: Story, event: str, entry: Entry, names: dict[str, str]) -> Iterator[Printed]:
    payers = {c.claim.id: _coverage(story, c) for c in story.record.claims}
    for line in entry.lines:
        if line.account not in _BOOKS:
            yield {
                "event": event,
                "claim": names.get(line.claim, line.claim) or None,
                "payer": _later_payer(story, entry)
                or (payers.get(line.claim) if line.claim else _payer_of(story, entry)),
                "account": line.account.value,
                "amount": money.text(line.amount),
                "line": line.line,
            }


def _work(story: Story, item: WorkItem, names: dict[str, str]) -> Printed:
    found: Printed = {
        "kind": item.kind,
        "about": story.responses.get(item.id) or names.get(item.about, item.about),
        "category": item.category,
        "action": item.action,
        "amount": money.text(item.amount),
        "due": item.due.isoformat() if item.due else None,
        "state": "closed" if item.closed else "open",
    }
    if item.kind == "denial":
        claim = next((c.claim for c in story.record.claims if c.claim.id == item.about), None)
        lines = (line.line for line in claim.lines) if claim else iter(())
        # The line is part of the item's identity, not of what it says.
        found["line"] = next((n for n in lines if item_id(item.kind, f"{item.about}|{n}", item.code) == item.id), None)
        found["carc"] = item.code
        found["appealable"] = appealable(item.action)
    return found
