"""One call to a payer as evidence: what was asked, what came back, and what that says about the claim.

Design idea 6: a claim whose answer was lost is `sent?`; it leaves that state by evidence only. Whatever could be the
answer of somebody on the way (a proxy, a login, a full queue) says nothing about what became of the claim.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, fields, replace
from typing import Final

from adapters.fhir.response import read_answer
from adapters.model.claim import ClaimEvent
from adapters.model.record import SubmissionNews
from adapters.model.remittance import Decision, Remittance, Unread

QUESTIONS: Final = frozenset({"poll", "search"})
"""Calls that ask what became of a claim and change nothing at the payer."""
_NOT_THE_CLAIM: Final = frozenset({401, 403, 404, 405, 407, 415, 429, 503})
"""Refused at the door, before anyone looked at the claim: login, address, form of the body, throttling (RFC 9110)."""
_UNDECIDED: Final = frozenset({408, 409, 412, 423, 425})
"""The request timed out, or something of this name is there already: whether the payer has the claim is not said."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call about one claim and its outcome on the wire."""

    claim: str
    call: str
    """`submit`, `create`, `poll` or `search`."""
    status: int | None = None
    """HTTP status, None when no response came."""
    failure: str = ""
    """`not-sent` (nothing left this machine), `no-login` (the same: there was no token), `no-answer` (sent, and nothing
    readable as HTTP came back), `not-offered` (a question that the payer's profile says it does not answer)."""
    location: str = ""
    retry_after: int | None = None
    body: bytes = b""
    matches: int | None = None
    """Of a search that was answered: how many claims of ours by this name the payer has; None for all else."""
    repeats: bool = False
    """An earlier call may have brought the claim to the payer: that this one did not arrive is no evidence."""
    settled: bool = False
    """Of a search: the payer's stated delay is over, so that what is not found is not there."""
    at: str = ""
    """When the call was made, ISO; with `number` it makes two calls two entries of the journal, whatever they say."""
    number: int = 0
    why: str = ""
    """Of what did not leave: the reason, where one is known. Says nothing of anybody, and nothing secret."""


@dataclass(frozen=True, slots=True)
class Intent:
    """That a claim is about to leave, or (event hold) what forbids it; journalled before anything leaves."""

    claim: str
    event: ClaimEvent
    evidence: str
    at: str
    """When, ISO; with the claim and `number` it makes two intents two entries."""
    number: int = 0


def encode_intent(intent: Intent) -> bytes:
    """The intent as a journal body."""
    return json.dumps({field.name: getattr(intent, field.name) for field in fields(intent)}, sort_keys=True).encode()


def intended(body: bytes) -> SubmissionNews:
    """What the intent of a journal body says about its claim."""
    named = json.loads(body)
    return SubmissionNews(named["claim"], ClaimEvent(named["event"]), named["evidence"])


def encode_exchange(exchange: Exchange) -> bytes:
    """The exchange as a journal body."""
    named = {field.name: getattr(exchange, field.name) for field in fields(exchange)}
    return json.dumps({**named, "body": base64.b64encode(exchange.body).decode()}, sort_keys=True).encode()


def decode_exchange(body: bytes) -> Exchange:
    """The exchange of a journal body."""
    named = json.loads(body)
    return Exchange(**{**named, "body": base64.b64decode(named["body"])})


def interpret(exchange: Exchange, message: str) -> SubmissionNews:
    """What the exchange says about the claim: a step of its life with its evidence."""
    news = _news_of_question if exchange.call in QUESTIONS else _news_of_submission
    return news(exchange, message)


def _news_of_submission(exchange: Exchange, message: str) -> SubmissionNews:
    claim, wait = exchange.claim, exchange.retry_after or 0
    absent = ClaimEvent.LOST if exchange.repeats else ClaimEvent.NOT_SENT
    if exchange.failure in ("not-sent", "no-login"):
        words = f"nothing was sent: {exchange.why}" if exchange.why else "nothing was sent"
        return SubmissionNews(claim, absent, words, wait_seconds=wait)
    status = exchange.status
    if status is None:
        return SubmissionNews(claim, ClaimEvent.LOST, "sent, and no answer came")
    evidence = f"HTTP {status} to {exchange.call}"
    if status in _NOT_THE_CLAIM:
        return SubmissionNews(claim, absent, evidence, wait_seconds=wait)
    if status in (409, 412):
        return SubmissionNews(
            claim, ClaimEvent.LOST, evidence, Unread(("the payer has a claim of this name",), message)
        )
    if status in _UNDECIDED or status >= 500 or 300 <= status < 400:
        return SubmissionNews(claim, ClaimEvent.LOST, evidence)
    if status >= 400:
        if exchange.repeats:
            # The first call may be the very reason of the refusal.
            refused = Unread(("refused when repeated; the payer may have the first one",), message)
            return SubmissionNews(claim, ClaimEvent.LOST, evidence, refused)
        answer = _answer(exchange, message)
        return SubmissionNews(claim, ClaimEvent.REFUSE, evidence, answer)
    if not exchange.body.strip():
        return SubmissionNews(claim, ClaimEvent.TAKE, evidence, None, exchange.location, wait)
    answer = _answer(exchange, message)
    # A 2xx to a submission says that the payer took it, whatever is wrong with the words.
    event = ClaimEvent.TAKE if isinstance(answer, Unread) else _DECIDED[answer.decision]
    return SubmissionNews(claim, event, evidence, answer, exchange.location, wait)


def _news_of_question(exchange: Exchange, message: str) -> SubmissionNews:
    """Of a question only a readable answer counts; that it failed says nothing of the claim."""
    claim, wait = exchange.claim, exchange.retry_after or 0
    status = exchange.status
    if exchange.failure == "not-offered":
        return SubmissionNews(claim, ClaimEvent.LOST, f"the payer answers no {exchange.call}")
    if exchange.failure or status is None:
        return SubmissionNews(claim, ClaimEvent.LOST, f"no answer to a {exchange.call}", wait_seconds=wait)
    evidence = f"HTTP {status} to {exchange.call}"
    if status == 202:
        return SubmissionNews(claim, ClaimEvent.QUEUE, evidence, None, exchange.location, wait)
    if not 200 <= status < 300:
        return SubmissionNews(claim, ClaimEvent.LOST, evidence, wait_seconds=wait)
    if exchange.matches == 0:
        if exchange.call == "search" and exchange.settled:
            return SubmissionNews(claim, ClaimEvent.NOT_SENT, "searched after the payer's delay: it has no such claim")
        return SubmissionNews(claim, ClaimEvent.LOST, f"{evidence}: nothing found")
    if exchange.matches is not None and exchange.matches > 1:
        double = Unread((f"the payer has {exchange.matches} claims of this name",), message)
        return SubmissionNews(claim, ClaimEvent.TAKE, f"{evidence}: more than one", double)
    if exchange.matches and not exchange.body.strip():
        # The payer has the claim, and no word about it yet.
        return SubmissionNews(claim, ClaimEvent.TAKE, f"{evidence}: the payer has it", wait_seconds=wait)
    answer = _answer(exchange, message)
    if isinstance(answer, Remittance):
        return SubmissionNews(claim, _DECIDED[answer.decision], evidence, answer, wait_seconds=wait)
    # Found and unreadable: the payer has it. Nothing found and unreadable: nothing is known.
    if exchange.matches:
        return SubmissionNews(claim, ClaimEvent.TAKE, evidence, answer)
    return SubmissionNews(claim, ClaimEvent.LOST, evidence)


def _answer(exchange: Exchange, message: str) -> Remittance | Unread:
    """What the body answers, under an identity of this claim: two payers may number alike and decide alike."""
    answer = read_answer(exchange.body, message=message)
    return replace(answer, id=f"{answer.id}|{exchange.claim}") if isinstance(answer, Remittance) else answer


_DECIDED: Final[dict[Decision, ClaimEvent]] = {
    Decision.ADJUDICATED: ClaimEvent.ADJUDICATE,
    Decision.PENDED: ClaimEvent.QUEUE,
    Decision.REFUSED: ClaimEvent.FAIL,
}
