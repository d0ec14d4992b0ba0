"""The payer: takes claims in, decides them, answers, and misbehaves as its scenario says.

No sockets here: `submit` and `create` return what to answer and how (`Answer`), `fhir_server_stub.app` does
it.  A claim takes effect at most once a call and before the answer, so that an answer that is slow, cut,
or never comes leaves the same books as a good one.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from fhir_server_stub import response
from fhir_server_stub.adjudicate import LineResult, adjudicate
from fhir_server_stub.books import Account, Books
from fhir_server_stub.claim import Problem, ReadClaim, identifier_of, read_claim
from fhir_server_stub.fees import Fees
from fhir_server_stub.scenario import Rule, Scenario, Verb
from fhir_server_stub.store import Resources, SearchError
from fhir_server_stub.wire import Json, dumps


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer and how it travels: after `delay` seconds; cut in half (`garbled`); or not at all
    (`hung_up`: the connection is closed instead)."""

    status: int
    body: Json
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    garbled: bool = False
    hung_up: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request as received: the claim's identifier where it had one; status 0: hung up."""

    at: datetime
    method: str
    path: str
    claim: str
    status: int


@dataclass(slots=True)
class _Pending:
    """A claim that waits: for `polls` more questions (None: not counted) or for an instant."""

    number: str
    polls: int | None
    due: datetime | None
    new_id: bool


@dataclass(slots=True)
class _Hidden:
    """A resource that searches do not find yet."""

    searches: int
    until: datetime | None


@dataclass(slots=True)
class _Case:
    """What the payer keeps beside an account: the claim as received, its digest, its answers' ids."""

    claim: Json
    digest: str
    nth: int
    responses: list[str] = field(default_factory=list)
    current: str = ""
    twice: bool = False


class Stub:
    """A payer (and an EHR's FHIR store) with its own books, fee schedule, scenario and clock."""

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        fees: Fees | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """`now` gives aware instants; by default the machine's clock in UTC."""
        self.scenario = scenario or Scenario()
        self.fees = fees or Fees.shipped()
        self.fixed: datetime | None = None
        self._clock = now or (lambda: datetime.now(UTC))
        self.resources = Resources(self.now)
        self.requests: list[Request] = []
        self._books = Books()
        self._seen: list[str] = []
        self._acts: Counter[tuple[str, str]] = Counter()
        self._cases: dict[str, _Case] = {}
        self._pending: dict[str, _Pending] = {}
        self._hidden: dict[tuple[str, str], _Hidden] = {}

    def now(self) -> datetime:
        """The instant set over the control interface, else the injected clock's."""
        return self.fixed or self._clock()

    @property
    def books(self) -> Books:
        """The payer's ledger as of now: what fell due by the clock is decided first."""
        for identity in [i for i, p in self._pending.items() if p.due and p.due <= self.now()]:
            self._finish(identity)
        return self._books

    def submit(self, body: object) -> Answer:
        """`Claim/$submit`: the body is a Claim, or a Bundle whose first entry is one."""
        claim = _claim_of(body)
        read = read_claim(claim)
        if not isinstance(read, ReadClaim):
            return Answer(400, response.operation_outcome(read))
        held_up = self._obstacle(read)
        if held_up:
            return held_up
        assert isinstance(claim, dict)  # noqa: S101 - a claim that could be read is an object
        if self.scenario.idempotent:
            known = self._known(read, claim)
            if known:
                return self._travel(read, known)
        filed = self._file(read, claim)
        return self._travel(read, filed if isinstance(filed, Answer) else filed[1])

    def create(self, claim: Json, if_none_exist: str | None) -> Answer:
        """`POST Claim`, conditional with If-None-Exist (R4 http, conditional create): files the claim.

        201 new, 200 already there, 412 several of them.  The search behind it is never forgetful.
        """
        read = read_claim(claim)
        if not isinstance(read, ReadClaim):
            return Answer(400, response.operation_outcome(read))
        held_up = self._obstacle(read)
        if held_up:
            return held_up
        if if_none_exist:
            try:
                found = self.resources.search_text("Claim", if_none_exist)
            except SearchError as error:
                return Answer(400, response.operation_outcome((Problem("", str(error)),), "not-supported"))
            if len(found) > 1:
                several = Problem("", "several claims match If-None-Exist")
                return Answer(412, response.operation_outcome((several,), "multiple-matches"))
            if found:
                return self._travel(read, Answer(200, found[0], _location(found[0])))
        filed = self._file(read, claim)
        if isinstance(filed, Answer):
            unknown = Problem("Claim.related", "names no live claim")
            return self._travel(read, Answer(422, response.operation_outcome((unknown,), "business-rule")))
        return self._travel(read, Answer(201, filed[0], _location(filed[0])))

    def read(self, kind: str, identity: str, version: str | None = None) -> Json | None:
        """A resource by id; asking for a pended answer counts as a poll."""
        if kind == "ClaimResponse" and version is None:
            self._polled([identity])
        return self.resources.read(kind, identity, version)

    def search(self, kind: str, query: list[tuple[str, str]]) -> list[Json]:
        """Resources that match; polls pended answers, leaves out what is forgotten; raises SearchError."""
        found = self.resources.search(kind, query)
        shown = [r for r in found if not self._forgotten(kind, str(r["id"]))]
        if kind == "ClaimResponse" and self._polled([str(r["id"]) for r in shown]):
            hidden = {str(r["id"]) for r in found} - {str(r["id"]) for r in shown}
            shown = [r for r in self.resources.search(kind, query) if str(r["id"]) not in hidden]
        return shown

    def log(self, method: str, path: str, body: object, status: int) -> None:
        """Note a request for `/control/requests`."""
        claim = identifier_of(_claim_of(body)) if method == "POST" else ""
        self.requests.append(Request(self.now(), method, path, claim, status))

    def _obstacle(self, claim: ReadClaim) -> Answer | None:
        """Throttling and failure, which keep the claim from taking effect."""
        if claim.identifier not in self._seen:
            self._seen.append(claim.identifier)
        throttle = self._acting("throttle", claim)
        if throttle:
            words = response.operation_outcome((Problem("", "too many requests"),), "throttled")
            return Answer(429, words, (("Retry-After", str(throttle.retry_after)),))
        if self._acting("fail", claim):
            return Answer(500, response.operation_outcome((Problem("", "internal error"),), "exception"))
        return None

    def _travel(self, claim: ReadClaim, answer: Answer) -> Answer:
        """The answer as the scenario lets it travel."""
        slow = self._acting("slow", claim)
        hang_up, garble = self._acting("hang_up", claim), self._acting("garble", claim)
        return Answer(
            status=200 if garble else answer.status,
            body=answer.body,
            headers=answer.headers,
            delay=float(slow.seconds or 0) if slow else 0.0,
            garbled=bool(garble),
            hung_up=bool(hang_up),
        )

    def _acting(self, verb: Verb, claim: ReadClaim) -> Rule | None:
        """The rule with this verb for the claim, as long as its `times` are not used up."""
        rule = self.scenario.find(verb, claim, self._nth(claim))
        if rule is None or self._acts[verb, claim.identifier] >= rule.times:
            return None
        self._acts[verb, claim.identifier] += 1
        return rule

    def _nth(self, claim: ReadClaim) -> int:
        return self._seen.index(claim.identifier) + 1

    def _known(self, read: ReadClaim, claim: Json) -> Answer | None:
        """The answer to a claim held already; 409 when the name is known but the claim is another."""
        digest = _digest(claim)
        accounts = self._books.find(read.identifier)
        for account in accounts:
            case = self._cases[account.number]
            if case.digest == digest:
                self._polled([case.current])
                current = self.resources.read("ClaimResponse", case.current)
                assert current is not None  # noqa: S101 - every case has an answer
                return Answer(self.scenario.status, self._wrapped(current))
        if accounts and read.frequency == "1":
            problem = Problem("Claim.identifier", "is that of another claim")
            return Answer(409, response.operation_outcome((problem,), "conflict"))
        return None

    def _file(self, read: ReadClaim, claim: Json) -> tuple[Json, Answer] | Answer:
        """Take the claim onto the books and decide it, now or later; gives the stored Claim and the answer.

        A replacement or void of what is not live is refused: an answer alone, nothing stored as a claim.
        """
        if read.frequency != "1" and not self._books.prior_of(read, but=""):
            words = "No live claim has the number given as prior."
            refusal = response.refused(response.Frame(claim, "", self.now()), "prior-not-found", words)
            return Answer(self.scenario.status, self._wrapped(self.resources.put(refusal)))
        stored = self.resources.put(claim)
        reference = f"Claim/{stored['id']}"
        frame = response.Frame(claim, reference, self.now())
        account = self._books.open(read, reference, self.now())
        nth = self._nth(read)
        case = _Case(claim, _digest(claim), nth, twice=self.scenario.find("twice", read, nth) is not None)
        self._cases[account.number] = case
        pend = self.scenario.find("pend", read, nth) if read.frequency != "8" else None
        if pend:
            shown = self._pend(account, case, pend, frame)
        else:
            shown = self._decide(account, case, frame, identity=None)
        forget = self.scenario.find("forget", read, nth)
        if forget:
            self._forget(forget, str(stored["id"]), case)
        return stored, Answer(self.scenario.status, self._wrapped(shown))

    def _pend(self, account: Account, case: _Case, rule: Rule, frame: response.Frame) -> Json:
        early: tuple[LineResult, ...] = ()
        if isinstance(rule.lines, tuple):
            early = tuple(r for r in self._results(account, case) if r.line.sequence not in rule.lines)
        shown = self.resources.put(response.queued(frame, account, early))
        case.current = str(shown["id"])
        case.responses.append(case.current)
        due = rule.until
        if rule.seconds is not None:
            due = self.now() + timedelta(seconds=float(rule.seconds))
        polls = 1 if rule.polls is None and due is None else rule.polls
        self._pending[str(shown["id"])] = _Pending(account.number, polls, due, rule.new_id)
        return shown

    def _decide(self, account: Account, case: _Case, frame: response.Frame, identity: str | None) -> Json:
        """Enter the decision in the books and store the answer (as a new version of `identity`)."""
        read = account.claim
        prior = self._books.prior_of(read, but=account.number) if read.frequency != "1" else None
        if read.frequency != "8":
            self._books.decide(account.number, self._results(account, case))
        reversed_one = self._books.settle_prior(account.number, prior, read.frequency) if prior else None
        final = response.decided(frame, self._books.find_number(account.number), reversed_one)
        shown = self.resources.put(final, identity)
        case.current = str(shown["id"])
        copies = [shown, self.resources.put(final)] if case.twice else [shown]
        case.responses += [str(c["id"]) for c in copies if str(c["id"]) not in case.responses]
        return shown

    def _results(self, account: Account, case: _Case) -> tuple[LineResult, ...]:
        verdict = self.scenario.verdict(account.claim, case.nth)
        return adjudicate(account.claim, self.fees, verdict)

    def _polled(self, identities: list[str]) -> bool:
        """Count a poll of each pended answer; True when one was decided by it."""
        finished = False
        for identity in identities:
            pending = self._pending.get(identity)
            if pending is None:
                continue
            overdue = pending.due is not None and pending.due <= self.now()
            if overdue or pending.polls == 0:
                finished |= self._finish(identity)
            elif pending.polls is not None:
                pending.polls -= 1
        return finished

    def _finish(self, identity: str) -> bool:
        pending = self._pending.pop(identity)
        account = self._books.find_number(pending.number)
        if account.state != "pended":
            # Replaced or voided while it waited: there is nothing left to decide.
            return False
        case = self._cases[account.number]
        frame = response.Frame(case.claim, account.resource, self.now())
        self._decide(account, case, frame, None if pending.new_id else identity)
        return True

    def _forget(self, rule: Rule, claim: str, case: _Case) -> None:
        until = self.now() + timedelta(seconds=float(rule.seconds)) if rule.seconds is not None else None
        searches = rule.searches if rule.searches is not None else (0 if until else 1)
        for key in [("Claim", claim), *(("ClaimResponse", identity) for identity in case.responses)]:
            self._hidden[key] = _Hidden(searches, until)

    def _forgotten(self, kind: str, identity: str) -> bool:
        """Whether this search does not see the resource; counts the search."""
        hidden = self._hidden.get((kind, identity))
        if hidden is None:
            return False
        if hidden.searches > 0:
            hidden.searches -= 1
            return True
        if hidden.until and self.now() < hidden.until:
            return True
        del self._hidden[kind, identity]
        return False

    def _wrapped(self, answer: Json) -> Json:
        if not self.scenario.bundle:
            return answer
        url = f"urn:stub:{answer['resourceType']}/{answer['id']}"
        entry = [{"fullUrl": url, "resource": answer}]
        return {"resourceType": "Bundle", "type": "collection", "entry": entry}


def _claim_of(body: object) -> object:
    """The claim in a body: itself, or the first entry of a Bundle."""
    if isinstance(body, dict) and body.get("resourceType") == "Bundle":
        entries = body.get("entry")
        first = entries[0] if isinstance(entries, list) and entries else None
        return first.get("resource") if isinstance(first, dict) else None
    return body


def _digest(claim: Json) -> str:
    return hashlib.sha256(dumps(_sorted(claim))).hexdigest()


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _location(resource: Json) -> tuple[tuple[str, str], ...]:
    version = resource["meta"]["versionId"]
    return (("Location", f"/fhir/{resource['resourceType']}/{resource['id']}/_history/{version}"),)
