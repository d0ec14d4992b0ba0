"""Payers in the same process: the stub's books behind a transport of httpx that loses, delays, doubles and garbles.

The program's own payer client speaks to it, so that what it makes of an answer is part of the simulation. Payers differ
in what they know of a claim that comes again (`KINDS`); `late` and `found only later` stay within `SEARCH_DELAY`, which
is what the site file says of the payer: after it, what a search does not find is not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from urllib.parse import parse_qsl

import httpx

from adapters.model.site import PayerEndpoint
from fhir_server_stub.payer import Answer, Stub
from fhir_server_stub.response import operation_outcome
from fhir_server_stub.scenario import Rule, Scenario, When
from fhir_server_stub.wire import Json, dumps, loads
from tests.properties.weather import Storm

KINDS = ("conditional", "key", "search", "nothing")
"""Conditional create; the same claim again answered as before; a search only, which finds no answer before there is a
decision; neither (no search, and twice is twice)."""
SEARCH_DELAY = timedelta(hours=6)
_LATEST = 3 * 3600
"""Seconds that a request is under way at most."""
_UNSEEN = 2 * 3600
"""Seconds for which a search does not find what has arrived, at most: with the clock's error still within the delay."""
_HEADERS = {"Content-Type": "application/fhir+json"}

_SUBMISSION = (
    "payer refuses connection",
    "request lost",
    "answer lost",
    "request late",
    "request doubled",
    "request doubled late",
    "500 before the claim took effect",
    "500 after the claim took effect",
    "429",
    "503",
    "answer garbled",
    "found only later",
)
_QUESTION = ("payer refuses connection", "question unanswered", "question 500", "question garbled", "429")


def endpoint(kind: str, host: str) -> PayerEndpoint:
    """What the site file says of a payer of that kind."""
    return PayerEndpoint(
        base_url=f"https://{host}/fhir",
        call="create" if kind == "conditional" else "submit",
        idempotent=kind in ("conditional", "key"),
        attempts=2,
        poll_after_seconds=3600,
        search_delay_seconds=int(SEARCH_DELAY.total_seconds()),
    )


def scenario(dice: Random, kind: str) -> Scenario:
    """How the payer decides: some claims denied, cut or answered twice, some pended where it can be asked again."""
    rules: list[Rule] = []
    for _ in range(3):
        when = When(nth=dice.randint(1, 5))
        verb = dice.choice(("deny", "adjust", "twice", "pend"))
        if verb == "pend":
            rules += [Rule("pend", when, polls=dice.randint(1, 3))] if kind != "nothing" else []
        elif verb == "adjust":
            rules.append(Rule("adjust", when, lines="all", percent=Decimal(10), carc="45"))
        elif verb == "deny":
            rules.append(Rule("deny", when, lines=dice.choice(((1,), "all")), carc="50"))
        else:
            rules.append(Rule("twice", when))
    return Scenario(name=kind, rules=tuple(rules), idempotent=kind == "key")


@dataclass(slots=True)
class Office:
    """One payer: its kind, its stub with the books, and until when it is away or does not find what it has."""

    host: str
    kind: str
    stub: Stub
    away: bool = False
    unseen: dict[str, datetime] = field(default_factory=dict)
    arrivals: Counter[str] = field(default_factory=Counter)
    """By claim identifier: how often the program's own requests reached it (not those that the network doubled)."""


class Network(httpx.BaseTransport):
    """The way to all payers. `later` puts something off in the simulation's own time."""

    def __init__(
        self,
        offices: dict[str, Office],
        storm: Storm,
        now: Callable[[], datetime],
        later: Callable[[timedelta, str, Callable[[], None]], None],
        trouble: float,
    ) -> None:
        self._offices = offices
        self._storm = storm
        self._now = now
        self._later = later
        self._trouble = trouble
        self.log: list[str] = []
        """The requests since somebody looked last, for the trace."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One request, or what the network makes of it."""
        office = self._offices[request.url.host]
        body = request.read()
        submission = "_search" not in request.url.path and request.method == "POST"
        fault = self._fault(office, _SUBMISSION if submission else _QUESTION)
        if office.away:
            self._storm.fired["payer away"] += 1
            fault = self._storm.dice.choice(("payer refuses connection", "request lost", "question unanswered"))
        self.log.append(f"{request.method} {request.url.path} {fault}")
        if fault == "payer refuses connection":
            raise httpx.ConnectError("refused", request=request)
        if fault in ("request lost", "question unanswered"):
            raise httpx.ReadTimeout("no answer", request=request)
        if fault in ("429", "503"):
            return _written(Answer(int(fault), _words(), (("Retry-After", "120"),)))
        if not submission:
            return self._asked(office, request, body, fault)
        return self._submitted(office, request, body, fault)

    def _fault(self, office: Office, kinds: tuple[str, ...]) -> str:
        if not self._storm.raging or self._storm.dice.random() >= self._trouble:
            return ""
        fault = self._storm.dice.choice(kinds)
        # Whoever doubles a request on the way to a payer that knows no doubles is nobody whom we can stop.
        if fault.startswith("request doubled") and office.kind not in ("conditional", "key"):
            fault = "request lost"
        self._storm.fired[fault] += 1
        return fault

    def _submitted(self, office: Office, request: httpx.Request, body: bytes, fault: str) -> httpx.Response:
        claim = loads(body)
        condition = request.headers.get("If-None-Exist", "")
        identifier = claim["identifier"][0]["value"]

        def arrive() -> Answer:
            return self._taken(office, claim, condition)

        if fault == "500 before the claim took effect":
            return _written(Answer(500, _words()))
        office.arrivals[identifier] += 1
        if fault == "request late":
            self._later(timedelta(seconds=self._storm.dice.randint(60, _LATEST)), "late request", lambda: void(arrive))
            raise httpx.ReadTimeout("no answer yet", request=request)
        if fault == "request doubled late":
            self._later(timedelta(seconds=self._storm.dice.randint(60, _LATEST)), "late double", lambda: void(arrive))
        answer = arrive()
        if fault == "found only later":
            office.unseen[identifier] = self._now() + timedelta(seconds=self._storm.dice.randint(60, _UNSEEN))
            raise httpx.ReadTimeout("no answer", request=request)
        if fault == "request doubled":
            answer = arrive()
        if fault == "answer lost":
            raise httpx.RemoteProtocolError("cut", request=request)
        if fault == "500 after the claim took effect":
            return _written(Answer(500, _words()))
        return _written(answer, garbled=fault == "answer garbled")

    def _taken(self, office: Office, claim: Json, condition: str) -> Answer:
        before = len(office.stub.books.accounts)
        answer = office.stub.create(claim, condition) if condition else office.stub.submit(claim)
        for account in office.stub.books.accounts[before:]:
            if account.state == "pended":
                self._storm.fired["pended"] += 1
            if any(line.denied for line in account.lines):
                self._storm.fired["denied"] += 1
            if any(rule.verb == "twice" and rule.when.nth == before + 1 for rule in office.stub.scenario.rules):
                self._storm.fired["answer twice"] += 1
        return answer

    def _asked(self, office: Office, request: httpx.Request, body: bytes, fault: str) -> httpx.Response:
        if fault == "question 500":
            return _written(Answer(500, _words()))
        if office.kind == "nothing":
            return _written(Answer(404, _words()))
        if request.method == "GET":
            found = office.stub.read("ClaimResponse", request.url.path.rpartition("/")[2])
            return _written(Answer(200, found) if found else Answer(404, _words()), garbled=fault == "question garbled")
        query = parse_qsl(body.decode(), keep_blank_values=True)
        identifier = query[0][1].rpartition("|")[2]
        hidden = office.unseen.get(identifier)
        kind = request.url.path.split("/")[-2]
        answers = [] if hidden and self._now() < hidden else office.stub.search(kind, query)
        if office.kind == "search":
            # A payer that says nothing of a claim before it has decided about it.
            answers = [one for one in answers if one.get("outcome") != "queued"]
        entries = [{"resource": one, "search": {"mode": "match"}} for one in answers]
        bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
        whole = bundle | ({"entry": entries} if entries else {})
        return _written(Answer(200, whole), garbled=fault == "question garbled")


def void(act: Callable[[], object]) -> None:
    """Do it, whatever comes of it."""
    act()


def _words() -> Json:
    return operation_outcome((), "exception")


def _written(answer: Answer, *, garbled: bool = False) -> httpx.Response:
    body = dumps(answer.body)
    return httpx.Response(
        answer.status, headers={**_HEADERS, **dict(answer.headers)}, content=body[: len(body) // 2] if garbled else body
    )
