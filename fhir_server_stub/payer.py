"""The payer: takes claims in, decides them, answers, and misbehaves as its scenario says.

No sockets here: `submit` and `create` return what to answer and how (`Answer`), `fhir_server_stub.app` does
it.  A claim takes effect at most once a call and before the answer, so that an answer that is slow, cut,
or never comes leaves the same books as a good one.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fhir_server_stub import response, wrong
from fhir_server_stub.adjudicate import Deny, LineResult, Verdict, adjudicate
from fhir_server_stub.books import Account, Books, account_sums
from fhir_server_stub.claim import Problem, ReadClaim, identifier_of, read_claim
from fhir_server_stub.fees import Fees
from fhir_server_stub.login import Desk
from fhir_server_stub.notes import Answer, Case, Hidden, Pending, Request, TakeBack, claim_of, digest_of, location_of
from fhir_server_stub.scenario import Rule, Scenario, Verb
from fhir_server_stub.store import Resources, SearchError
from fhir_server_stub.wire import Json


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
        self._cases: dict[str, Case] = {}
        self._pending: dict[str, Pending] = {}
        self._hidden: dict[tuple[str, str], Hidden] = {}
        self._keys: dict[str, tuple[str, datetime, Answer]] = {}
        self._to_take_back: dict[str, TakeBack] = {}
        self._deferred: dict[str, str] = {}
        self._to_garble: dict[str, Rule] = {}
        self.desk = Desk(self.now)

    def now(self) -> datetime:
        """The instant set over the control interface, else the injected clock's."""
        return self.fixed or self._clock()

    @property
    def books(self) -> Books:
        """The payer's ledger as of now: what fell due by the clock is decided first."""
        for identity in [i for i, p in self._pending.items() if p.due and p.due <= self.now()]:
            self._finish(identity)
        for identity in [i for i, t in self._to_take_back.items() if t.due and t.due <= self.now()]:
            self._take_back(identity)
        return self._books

    def submit(self, body: object, key: str = "") -> Answer:
        """`Claim/$submit`: the body is a Claim, or a Bundle whose first entry is one; `key` as in `_remembered`."""
        claim = claim_of(body)
        read = read_claim(claim)
        if not isinstance(read, ReadClaim):
            return Answer(400, response.operation_outcome(read))
        held_up = self._obstacle(read)
        if held_up:
            return held_up
        assert isinstance(claim, dict)  # noqa: S101 - a claim that could be read is an object
        remembered = self._remembered(key, claim)
        if remembered:
            return self._travel(read, remembered)
        if self.scenario.idempotent:
            known = self._known(read, claim)
            if known:
                return self._travel(read, known)
        filed = self._file(read, claim)
        answer = filed if isinstance(filed, Answer) else filed[1]
        if key and self.scenario.key_header:
            self._keys[key] = (digest_of(claim), self.now(), answer)
        return self._travel(read, answer)

    def _remembered(self, key: str, claim: Json) -> Answer | None:
        """The answer that was given under an idempotency key, for as long as the payer keeps keys; 422 when the key
        comes with another claim."""
        if not key or key not in self._keys:
            return None
        digest, at, answer = self._keys[key]
        seconds = self.scenario.key_seconds
        if seconds is not None and self.now() >= at + timedelta(seconds=float(seconds)):
            del self._keys[key]
            return None
        if digest != digest_of(claim):
            problem = Problem("", "this key came with another claim")
            return Answer(422, response.operation_outcome((problem,), "business-rule"))
        return answer

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
                return self._travel(read, Answer(200, found[0], location_of(found[0])))
        filed = self._file(read, claim)
        if isinstance(filed, Answer):
            unknown = Problem("Claim.related", "names no live claim")
            return self._travel(read, Answer(422, response.operation_outcome((unknown,), "business-rule")))
        return self._travel(read, Answer(201, filed[0], location_of(filed[0])))

    def read(self, kind: str, identity: str, version: str | None = None) -> Json | None:
        """A resource by id; asking for a pended answer counts as a poll."""
        if kind == "ClaimResponse" and version is None:
            self._polled([identity])
        found = self.resources.read(kind, identity, version)
        return self._shown(found) if found else None

    def status(self, identity: str) -> Answer:
        """Where a submission that was answered with 202 is asked for (R4 async): 202 until it is decided, then a Bundle."""
        if identity not in self._deferred:
            return Answer(404, response.operation_outcome((Problem("", "is not known"),), "not-found"))
        self._polled([identity])
        if identity in self._pending:
            return Answer(202, {}, (("Retry-After", "1"), ("X-Progress", "in the works")))
        current = self._cases[self._deferred[identity]].current
        found = self.resources.read("ClaimResponse", current)
        assert found is not None  # noqa: S101 - every case has an answer
        entry = {"response": {"status": "200", "location": f"ClaimResponse/{current}"}, "resource": self._shown(found)}
        return Answer(200, {"resourceType": "Bundle", "type": "batch-response", "entry": [entry]})

    def task(self, body: object) -> Answer:
        """A Task with code poll: completed with the place of the answer, or received while there is none."""
        focus = body.get("focus", {}).get("identifier") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(focus, dict):
            return Answer(400, response.operation_outcome((Problem("Task.focus", "names no claim"),)))
        name = f"{focus.get('system', '')}|{focus.get('value', '')}"
        found = self.search("ClaimResponse", [("request.identifier", name)])
        decided = [one for one in found if one["outcome"] != "queued"]
        places = [{"reference": f"ClaimResponse/{one['id']}"} for one in decided[-1:]]
        outputs = [{"type": {"text": "answer"}, "valueReference": place} for place in places]
        done: Json = {"status": "completed", "output": outputs} if outputs else {"status": "received"}
        stored = self.resources.put(body | done)
        return Answer(201, stored, location_of(stored))

    def heard(self, body: Json) -> None:
        """Documents have come (a Communication about a claim): it is decided without the denial that was to follow."""
        about = [one.get("identifier") or {} for one in body.get("about") or [] if isinstance(one, dict)]
        names = {f"{one.get('system', '')}|{one.get('value', '')}" for one in about}
        for identity, pending in list(self._pending.items()):
            if pending.otherwise and self._books.find_number(pending.number).claim.identifier in names:
                self._pending[identity] = replace(pending, otherwise=None)
                self._finish(identity)

    def search(self, kind: str, query: list[tuple[str, str]]) -> list[Json]:
        """Resources that match; polls pended answers, leaves out what is forgotten; raises SearchError."""
        found = self.resources.search(kind, query)
        shown = [r for r in found if not self._forgotten(kind, str(r["id"]))]
        if kind == "ClaimResponse" and self._polled([str(r["id"]) for r in shown]):
            hidden = {str(r["id"]) for r in found} - {str(r["id"]) for r in shown}
            shown = [r for r in self.resources.search(kind, query) if str(r["id"]) not in hidden]
        return [self._shown(one) for one in shown]

    def log(self, method: str, path: str, body: object, status: int) -> None:
        """Note a request for `/control/requests`."""
        claim = identifier_of(claim_of(body)) if method == "POST" else ""
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
        digest = digest_of(claim)
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
        case = Case(claim, digest_of(claim), nth, twice=self.scenario.find("twice", read, nth) is not None)
        self._cases[account.number] = case
        waits: tuple[Verb, ...] = ("defer", "documents", "pend") if read.frequency != "8" else ()
        pend = next((rule for verb in waits if (rule := self.scenario.find(verb, read, nth))), None)
        if pend:
            shown = self._pend(account, case, pend, frame)
        else:
            shown = self._decide(account, case, frame, identity=None)
        forget = self.scenario.find("forget", read, nth)
        if forget:
            self._forget(forget, str(stored["id"]), case)
        if pend and pend.verb == "defer":
            self._deferred[str(shown["id"])] = account.number
            where = (("Content-Location", f"/fhir/status/{shown['id']}"), ("Retry-After", "1"))
            return stored, Answer(202, {}, where)
        return stored, Answer(self.scenario.status, self._wrapped(self._shown(shown)))

    def _pend(self, account: Account, case: Case, rule: Rule, frame: response.Frame) -> Json:
        early: tuple[LineResult, ...] = ()
        if isinstance(rule.lines, tuple):
            early = tuple(r for r in self._results(account, case) if r.line.sequence not in rule.lines)
        asked = None
        if rule.verb == "documents":
            asked = self.resources.put(response.documents_wanted(frame))
        shown = self.resources.put(response.queued(frame, account, early, asked))
        case.current = str(shown["id"])
        case.responses.append(case.current)
        due, polls = rule.instant(self.now()), rule.looks()
        deny = Deny(rule.carc or "252", rule.group) if asked else None
        self._pending[str(shown["id"])] = Pending(account.number, polls, due, rule.new_id, deny)
        return shown

    def _decide(
        self, account: Account, case: Case, frame: response.Frame, identity: str | None, whole: Verdict = None
    ) -> Json:
        """Enter the decision in the books and store the answer (as a new version of `identity`); `whole` goes before the
        scenario's verdict on every line."""
        read = account.claim
        prior = self._books.prior_of(read, but=account.number) if read.frequency != "1" else None
        if read.frequency != "8":
            self._books.decide(account.number, self._results(account, case, whole))
        reversed_one = self._books.settle_prior(account.number, prior, read.frequency) if prior else None
        final = response.decided(frame, self._books.find_number(account.number), reversed_one)
        shown = self.resources.put(final, identity)
        case.current = str(shown["id"])
        copies = [shown, self.resources.put(final)] if case.twice else [shown]
        case.responses += [str(c["id"]) for c in copies if str(c["id"]) not in case.responses]
        back = self.scenario.find("take_back", read, case.nth) if read.frequency != "8" else None
        if back:
            self._to_take_back[case.current] = TakeBack(back, back.looks(), back.instant(self.now()))
        garbling = self.scenario.find("wrong", read, case.nth)
        if garbling:
            self._to_garble[case.current] = garbling
        return shown

    def _take_back(self, identity: str) -> None:
        """Decide again: the lines that the rule concerns are denied, and what was paid for them is claimed back."""
        rule = self._to_take_back.pop(identity).rule
        account = next(a for a in self._books.accounts if identity in self._cases[a.number].responses)
        if account.state != "decided":
            return
        case, before = self._cases[account.number], account_sums(account).paid
        denied = {n.line.sequence for n in account.lines if rule.concerns(n.line)}
        deny, kept = Deny(rule.carc or "96", rule.group), {r.line.sequence: r for r in account.lines}
        again = adjudicate(account.claim, self.fees, lambda line: deny if line.sequence in denied else None)
        results = tuple(r if r.line.sequence in denied else kept[r.line.sequence] for r in again)
        self._books.decide(account.number, results)
        frame = response.Frame(case.claim, account.resource, self.now())
        final = response.decided(frame, self._books.find_number(account.number), None, before)
        case.current = str(self.resources.put(final)["id"])
        case.responses.append(case.current)

    def _shown(self, resource: Json) -> Json:
        """The resource as it is given out: an answer is wrong for as often as its rule says."""
        rule = self._to_garble.get(str(resource["id"])) if resource["resourceType"] == "ClaimResponse" else None
        if rule is None:
            return resource
        if rule.times > 1:
            self._to_garble[str(resource["id"])] = replace(rule, times=rule.times - 1)
        else:
            del self._to_garble[str(resource["id"])]
        return wrong.told(resource, rule.how)

    def _results(self, account: Account, case: Case, whole: Verdict = None) -> tuple[LineResult, ...]:
        verdict = self.scenario.verdict(account.claim, case.nth)
        return adjudicate(account.claim, self.fees, lambda line: whole or verdict(line))

    def _polled(self, identities: list[str]) -> bool:
        """Count a poll of each pended answer; True when one was decided by it."""
        finished = False
        for identity in identities:
            back = self._to_take_back.get(identity)
            if back is not None and ((back.due and back.due <= self.now()) or back.polls == 0):
                self._take_back(identity)
                finished = True
            elif back is not None and back.polls is not None:
                back.polls -= 1
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
        self._decide(account, case, frame, None if pending.new_id else identity, pending.otherwise)
        return True

    def _forget(self, rule: Rule, claim: str, case: Case) -> None:
        until = self.now() + timedelta(seconds=float(rule.seconds)) if rule.seconds is not None else None
        searches = rule.searches if rule.searches is not None else (0 if until else 1)
        for key in [("Claim", claim), *(("ClaimResponse", identity) for identity in case.responses)]:
            self._hidden[key] = Hidden(searches, until)

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
