"""The answers of a case as the model's: one ClaimResponse or CLP each, a payment that carries several, what is out in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from adapters.cases.case import Case, Happening
from adapters.cases.document import Tree, Value, items, text, tree
from adapters.model.claim import ClaimEvent, ClaimOnFile
from adapters.model.money import cents
from adapters.model.record import SubmissionNews
from adapters.model.remittance import (
    Adjustment,
    Decision,
    Payment,
    ProviderAdjustment,
    Remittance,
    RemittanceLine,
)
from adapters.posting import UNBALANCED, mismatches

_REVERSAL = "22"
_FORWARDED = frozenset({"19", "20", "21"})
"""Status of an answer whose payer has sent the claim on to the next one."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """Something in an answer that does not add up."""

    response: str
    line: int | None
    amount: int
    why: str


def answers_in(event: Happening) -> tuple[Tree, ...]:
    """The answers that an event of a case brings: itself, or those of a payment."""
    if event.kind == "response":
        return (event.said,)
    return tuple(tree(one) for one in items(event.get("claims")))


def payment_of(case: Case, event: Happening) -> Payment | None:
    """The payment of an event that is one; its payer is that of its claims, which a case names once."""
    if event.kind != "remittance":
        return None
    claims = tuple((f"{n}", amount(tree(one), "paid")) for n, one in enumerate(items(event.get("claims"))))
    adjustments = tuple(
        ProviderAdjustment(text(tree(one)["code"]), amount(tree(one), "amount"), text(tree(one).get("ref")))
        for one in items(event.get("plb"))
    )
    number = event.text("trace") or event.text("remittance")
    payer = event.text("from_payer") or case.payer
    return Payment(number, payer, amount(event.said, "bpr"), claims, adjustments, message=event.id)


def news_of(
    event: Happening,
    said: Tree,
    place: int,
    on_file: ClaimOnFile | None,
    numbers: Mapping[str, int],
    payers: Mapping[str, str],
) -> SubmissionNews:
    """One answer as news of its claim; `numbers` gives our number of a line for the case's, `payers` the payer of a
    coverage by the case's name of it."""
    claim = on_file.claim.id if on_file else ""
    id = text(said.get("response")) or f"{event.text('remittance') or event.id}#{place}"
    number, outcome = text(said.get("icn")), text(said.get("outcome"))
    if outcome == "queued":
        pended = Remittance(id, claim, Decision.PENDED, number)
        return SubmissionNews(claim, ClaimEvent.QUEUE, "queued", pended)
    if outcome == "error":
        refused = Remittance(id, claim, Decision.REFUSED, number)
        return SubmissionNews(claim, ClaimEvent.FAIL, "error", refused)
    answer = Remittance(
        id=id,
        claim=claim,
        decision=Decision.ADJUDICATED,
        payer_claim_number=number,
        lines=tuple(
            RemittanceLine(
                numbers.get(text(tree(line)["line"]), 0),
                amount(tree(line), "charge"),
                amount(tree(line), "paid"),
                _adjustments(tree(line).get("adjustments")),
            )
            for line in items(said.get("lines"))
        ),
        claim_adjustments=_adjustments(said.get("claim_adjustments")),
        charge=amount(said, "charge"),
        paid=amount(said, "paid"),
        message=event.id,
        status=text(said.get("status")),
        reversal=text(said.get("status")) == _REVERSAL,
        payer=payers.get(text(said.get("from_payer")), ""),
        forwarded_to=payers.get(text(said.get("forwarded_to")), "") if text(said.get("status")) in _FORWARDED else "",
    )
    return SubmissionNews(claim, ClaimEvent.ADJUDICATE, "adjudicated", answer)


def misfits_of(
    event: Happening, on_file: ClaimOnFile, news: SubmissionNews, numbers: Mapping[str, int]
) -> Iterator[Misfit]:
    """What is out of balance in an answer: of each line the first thing, of the claim what no line explains.

    Lines are told by the numbers that the case gives them.
    """
    if not isinstance(news.answer, Remittance):
        return
    out = [m for m in mismatches(on_file.claim, news.answer) if m.code == UNBALANCED]
    lines = {m.line: m for m in reversed(out) if m.line is not None}
    labels = {ours: int(label) for label, ours in numbers.items()}
    for m in lines.values() if lines else out[:1]:
        line = None if m.line is None else labels.get(m.line, m.line)
        yield Misfit(news.answer.id if event.kind == "response" else event.id, line, m.amount, m.reason)


def _adjustments(said: Value) -> tuple[Adjustment, ...]:
    found = [tree(one) for one in items(said)]
    return tuple(Adjustment(text(one["group"]), text(one["carc"]), amount(one, "amount")) for one in found)


def amount(said: Tree, name: str) -> int:
    """An amount of the case in minor units; nothing said is nothing."""
    return cents(Decimal(text(said.get(name)) or "0"))
