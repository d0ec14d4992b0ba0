"""Claims to the payers after the first: the same lines, with what each payer before has decided about them.

One is due when the payer before has adjudicated, something is left to the patient, and the order of benefits of the day
knows another payer. A payer that has sent the claim on itself is not forestalled: the next payer's answer is waited for
(medical-oncology-and-revenue-cycle.md 4.4, 6.9; 837 loops 2320 and 2430).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import takewhile
from typing import Final

from adapters.claims.after import option_of
from adapters.claims.build import claim_id
from adapters.claims.group import UNSENT, Draft
from adapters.errors import NotOfSite
from adapters.model.claim import Claim, ClaimOnFile, ClaimState, Party, PriorLine, PriorPayer
from adapters.model.context import Contexts
from adapters.model.coverage import Coverage
from adapters.model.ledger import Account, Entry
from adapters.model.money import Cents
from adapters.model.remittance import Decision, Remittance

_OVER: Final = frozenset({ClaimState.ABANDONED, ClaimState.REPLACED, ClaimState.VOIDED})
_REFUSED: Final = frozenset({ClaimState.REFUSED, ClaimState.ERROR})
_AWAITING: Final = frozenset({ClaimState.UNKNOWN, ClaimState.ACCEPTED, ClaimState.QUEUED})
STATUSES: Final = "crossover.statuses"
STATUS_AT: Final = "crossover.status_at"
PAYER_AT: Final = "crossover.payer_at"
REVIEW: Final = "correction-review"
"""Hold of a correction of a later payer's claim, for a payer whose corrections a person sees first."""


@dataclass(frozen=True, slots=True)
class Next:
    """The payer whose turn it is after an adjudicated claim."""

    claim: ClaimOnFile
    answer: Remittance
    coverage: Coverage
    forwarded: bool
    """Whether the payer before has sent the claim on itself, and this one has not answered."""
    onward: tuple[tuple[Coverage, Remittance], ...] = ()
    """The payers to whom it was sent on and who have answered, with their answers."""


def answer_to(claim: Claim, remittances: Sequence[Remittance]) -> Remittance | None:
    """The adjudication of the claim by its own payer that came last; None where there is none.

    `remittances` are answers that decide something and were not taken back.
    """
    mine = [
        answer
        for answer in remittances
        if answer.claim == claim.id
        and answer.decision is Decision.ADJUDICATED
        and not answer.reversal
        and answer.payer in ("", claim.payer.id)
    ]
    return mine[-1] if mine else None


def patient_share(entries: Sequence[Entry], claim: str) -> Cents:
    """What the payers have left to the patient on the lines of a claim, in minor units."""
    lines = (line for entry in entries for line in entry.lines if line.claim == claim)
    return sum(line.amount for line in lines if line.account is Account.PATIENT_RESPONSIBILITY)


def next_payers(
    claims: Sequence[ClaimOnFile], remittances: Sequence[Remittance], entries: Sequence[Entry], contexts: Contexts
) -> tuple[Next, ...]:
    """Each adjudicated claim of which something is left to the patient, with the payer whose turn it is then."""
    found: list[Next] = []
    for on_file in claims:
        claim = on_file.claim
        if on_file.state is not ClaimState.COMPLETE or claim.frequency == "8" or not claim.lines:
            continue
        answer = answer_to(claim, remittances)
        if answer is None:
            continue
        after = _after(claim, contexts)
        onward: list[tuple[Coverage, Remittance]] = []
        while after and (known := _sent_on(claim, answer if not onward else onward[-1][1], after, contexts)):
            after = after[after.index(known) :]
            said = _answer_by(claim, known.payer, remittances)
            if said is None:
                found.append(Next(on_file, answer, known, True, tuple(onward)))
                break
            onward.append((known, said))
            after = after[1:]
        else:
            share = patient_share(entries, claim.follows or claim.id)
            if after and (share > 0 or _standing(claim, after[0], claims)):
                found.append(Next(on_file, answer, after[0], False, tuple(onward)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Unasked:
    """A claim of which something is left to the patient, although a payer behind may have to decide about it."""

    claim: ClaimOnFile
    code: str
    """`payer-unknown` (the site does not know the next payer), `no-claim-number` (it gave none, so that it cannot be told
    of what has changed since it decided)."""
    payer: str
    left: Cents


def unasked(
    claims: Sequence[ClaimOnFile],
    remittances: Sequence[Remittance],
    entries: Sequence[Entry],
    contexts: Contexts,
    today: date,
) -> tuple[Unasked, ...]:
    """The adjudicated claims whose next payer cannot be asked as things are: nobody but a person can say what is due."""
    found: list[Unasked] = []
    for on_file in claims:
        claim = on_file.claim
        left = patient_share(entries, claim.follows or claim.id)
        if on_file.state is not ClaimState.COMPLETE or claim.frequency == "8" or not claim.lines or left <= 0:
            continue
        behind = _behind(claim, contexts)
        if behind and contexts.site.payer(behind[0].payer) is None and answer_to(claim, remittances) is not None:
            found.append(Unasked(on_file, "payer-unknown", behind[0].payer, left))
    later = any(on_file.claim.sequence > 1 for on_file in claims)
    for one in next_payers(claims, remittances, entries, contexts) if later else ():
        if not one.forwarded and _untold(one, claims, contexts, today):
            left = patient_share(entries, one.claim.claim.follows or one.claim.claim.id)
            found.append(Unasked(one.claim, "no-claim-number", one.coverage.payer, left))
    return tuple(found)


def later_claims(
    claims: Sequence[ClaimOnFile],
    remittances: Sequence[Remittance],
    entries: Sequence[Entry],
    contexts: Contexts,
    today: date,
) -> tuple[Draft, ...]:
    """The claims that go to later payers now, and the corrections and voids of those whose ground has changed."""
    found = [
        draft
        for one in next_payers(claims, remittances, entries, contexts)
        if not one.forwarded and (draft := _due(one, claims, contexts, today)) is not None
    ]
    return (*found, *_voids(claims, contexts, today))


def _after(claim: Claim, contexts: Contexts) -> list[Coverage]:
    """The coverages whose turn it is after the claim's own, up to the first of a payer that the site does not know."""
    return list(takewhile(lambda c: contexts.site.payer(c.payer) is not None, _behind(claim, contexts)))


def _behind(claim: Claim, contexts: Contexts) -> tuple[Coverage, ...]:
    """The coverages that come after the claim's own in the order of benefits on its first date of service."""
    ranked = contexts.ranked(min(line.start for line in claim.lines))
    own = next((n for n, coverage in enumerate(ranked) if coverage.id == claim.coverage), None)
    return () if own is None else tuple(ranked[own + 1 :])


def _answer_by(claim: Claim, payer: str, remittances: Sequence[Remittance]) -> Remittance | None:
    """What a payer to whom the claim was sent on has answered last; None where it has not."""
    found = [a for a in remittances if a.claim == claim.id and a.payer == payer and not a.reversal]
    return found[-1] if found else None


def _sent_on(claim: Claim, answer: Remittance, after: Sequence[Coverage], contexts: Contexts) -> Coverage | None:
    """The coverage to whose payer the answering one has sent the claim on; None where it says no such thing.

    It is the one that the answer names, where the person has it; else the next in the order of benefits.
    """
    if not _forwarded(claim, answer, contexts):
        return None
    named = answer.forwarded_to or dict(answer.extensions).get(option_of(claim, contexts, PAYER_AT), "")
    payer = contexts.site.payer(named) if named else None
    return next((c for c in after if payer is not None and c.payer == payer.id), after[0])


def _forwarded(claim: Claim, answer: Remittance, contexts: Contexts) -> bool:
    """Whether the answer says that its payer has sent the claim on: by its status (CLP02), by whom it names, or by a
    remark code; where it says so, and by which, the options of the claim's payer tell."""
    told = dict(answer.extensions)
    statuses = set(option_of(claim, contexts, STATUSES).split())
    if answer.forwarded_to or statuses & {answer.status, told.get(option_of(claim, contexts, STATUS_AT), "")}:
        return True
    if told.get(option_of(claim, contexts, PAYER_AT)):
        return True
    signs = set(option_of(claim, contexts, "crossover.remarks").split())
    adjustments = (*answer.claim_adjustments, *(a for line in answer.lines for a in line.adjustments))
    said = {*answer.remarks, *(code for line in answer.lines for code in line.remarks)}
    return bool(signs & said) or any(signs.intersection(adjustment.remarks) for adjustment in adjustments)


def _untold(one: Next, claims: Sequence[ClaimOnFile], contexts: Contexts, today: date) -> bool:
    """Whether the next payer decided on another ground, and cannot be told of this one: it gave its claim no number."""
    sent = [c for c in _standing(one.claim.claim, one.coverage, claims) if c.state not in UNSENT]
    decided = [c for c in sent if c.state is ClaimState.COMPLETE]
    if not decided or decided[-1].payer_claim_number:
        return False
    said = _says(_built(one, contexts, today))
    return not any(_says(c.claim) == said for c in sent) and not any(c.state in _AWAITING for c in sent)


def _due(one: Next, claims: Sequence[ClaimOnFile], contexts: Contexts, today: date) -> Draft | None:
    """The claim to the next payer, or its correction where it was sent with another adjudication; None: nothing to do."""
    built = _built(one, contexts, today)
    standing = _standing(one.claim.claim, one.coverage, claims)
    sent = [c for c in standing if c.state not in UNSENT]
    if any(_says(c.claim) == _says(built) for c in sent) or any(c.state in _AWAITING for c in sent):
        return None
    hold = ""
    adjudicated = next((c for c in reversed(sent) if c.state is ClaimState.COMPLETE), None)
    if adjudicated is not None:
        if not adjudicated.payer_claim_number:
            return None
        number = adjudicated.payer_claim_number
        built = replace(built, frequency="7", replaces=adjudicated.claim.id, payer_claim_number=number)
        payer = contexts.site.payer(one.coverage.payer)
        hold = REVIEW if payer is not None and payer.after_sending == "person" else ""
    return Draft(_identified(built, claims), hold)


def _standing(claim: Claim, coverage: Coverage, claims: Sequence[ClaimOnFile]) -> list[ClaimOnFile]:
    """The claims to that coverage which follow this claim, or an earlier version of it, and are not over."""
    versions = _versions(claim.follows or claim.id, {c.claim.id: c.claim for c in claims})
    return [
        c for c in claims if c.claim.follows in versions and c.claim.coverage == coverage.id and c.state not in _OVER
    ]


def _versions(id: str, claims: Mapping[str, Claim]) -> frozenset[str]:
    """The claim and all that it replaces, one after the other."""
    found = [id]
    while (known := claims.get(found[-1])) is not None and known.replaces and known.replaces not in found:
        found.append(known.replaces)
    return frozenset(found)


def _built(one: Next, contexts: Contexts, today: date) -> Claim:
    before = one.claim.claim
    payer = contexts.site.payer(one.coverage.payer)
    if payer is None:
        raise NotOfSite("the next payer is one that the site does not have")
    return replace(
        before,
        id="",
        payer=Party(payer.id, payer.name),
        coverage=one.coverage.id,
        member=one.coverage.member,
        relationship=one.coverage.relationship,
        authorization="",
        frequency="1",
        replaces="",
        payer_claim_number="",
        condition_codes=(),
        sequence=before.sequence + 1 + len(one.onward),
        follows=before.follows or before.id,
        prior=(*before.prior, restated(one.claim, one.answer), *_restated_onward(one, contexts)),
        built_on=today,
    )


def restated(on_file: ClaimOnFile, answer: Remittance) -> PriorPayer:
    """A payer's adjudication as the next payer's claim restates it: line by line, each answer at its line."""
    return PriorPayer(
        payer=on_file.claim.payer,
        member=on_file.claim.member,
        paid=sum(line.paid for line in answer.lines),
        lines=tuple(PriorLine(line.line, line.paid, line.adjustments) for line in answer.lines),
        claim_number=answer.payer_claim_number or on_file.payer_claim_number,
        adjudicated_on=answer.paid_on,
    )


def _restated_onward(one: Next, contexts: Contexts) -> tuple[PriorPayer, ...]:
    """The adjudications of those to whom the payer before had sent the claim on itself."""
    found: list[PriorPayer] = []
    for coverage, answer in one.onward:
        payer = contexts.site.payer(coverage.payer)
        name = payer.name if payer is not None else coverage.payer
        told = restated(replace(one.claim, payer_claim_number=""), answer)
        found.append(replace(told, payer=Party(coverage.payer, name), member=coverage.member))
    return tuple(found)


def _says(claim: Claim) -> tuple[object, ...]:
    """What a later payer was told: one told the same is not told again."""
    lines = tuple((x.line, x.code, x.modifiers, x.units, x.start, x.amount) for x in claim.lines)
    return (claim.coverage, claim.member, claim.prior, lines)


def _identified(built: Claim, claims: Sequence[ClaimOnFile]) -> Claim:
    """The claim with its id, made from what it says; one drawn up before keeps its day, a dead one's id is numbered on."""
    paid = [f"{p.payer.id}:{x.line}:{x.paid}:{x.adjustments}" for p in built.prior for x in p.lines]
    id = claim_id(built.follows, "later", built.coverage, built.frequency, built.replaces, *paid)
    dead = sum(c.claim.id.partition(".")[0] == id and c.state in _OVER | _REFUSED for c in claims)
    built = replace(built, id=f"{id}.{dead}" if dead else id)
    drawn_up = next((c.claim for c in claims if c.claim.id == built.id and c.state in UNSENT), None)
    return replace(built, built_on=drawn_up.built_on) if drawn_up is not None else built


def _voids(claims: Sequence[ClaimOnFile], contexts: Contexts, today: date) -> list[Draft]:
    """Cancels of later payers' claims whose first claim was voided: nothing of it is due any more."""
    voided = {c.claim.id for c in claims if c.state is ClaimState.VOIDED}
    cancelled = {c.claim.replaces for c in claims if c.claim.frequency == "8" and c.state not in UNSENT | _OVER}
    found: list[Draft] = []
    for on_file in claims:
        claim = on_file.claim
        if claim.follows not in voided or on_file.state is not ClaimState.COMPLETE or claim.frequency == "8":
            continue
        if claim.id in cancelled or not on_file.payer_claim_number:
            continue
        payer = contexts.site.payer(claim.payer.id)
        hold = REVIEW if payer is not None and payer.after_sending == "person" else ""
        void = replace(
            claim, frequency="8", replaces=claim.id, payer_claim_number=on_file.payer_claim_number, built_on=today
        )
        found.append(Draft(_identified(void, claims), hold))
    return found
