"""How the payer behaves, by script: an ordered list of rules in TOML.

```toml
name = "a day"
idempotent = false         # true: the same claim sent again by $submit is answered as before
[[rule]]
verb = "deny"              # one of `VERBS`
when = { type = "professional", code = "77387", from = 2026-01-01, nth = 2, total_min = 100.00 }
carc = "50"
group = "CO"
lines = "matched"          # or "all", or numbers of lines
```

For each verb the first rule that matches the claim counts, so that verbs combine (throttled, then pended,
then denied); among pay, adjust and deny the first rule that matches the line decides.  Nothing matches: the
claim is paid.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from random import Random
from typing import Any, Literal, get_args

from fhir_server_stub.adjudicate import GROUPS, Deny, Group, Reduce, Verdict
from fhir_server_stub.claim import ClaimLine, ReadClaim
from fhir_server_stub.login import Login
from fhir_server_stub.wrong import WAYS

Verb = Literal[
    "pay",
    "adjust",
    "deny",
    "pend",
    "defer",
    "documents",
    "take_back",
    "throttle",
    "fail",
    "slow",
    "hang_up",
    "garble",
    "wrong",
    "twice",
    "forget",
]
VERBS: tuple[Verb, ...] = get_args(Verb)
_MONEY_VERBS = {"pay", "adjust", "deny"}

_KEYS = {
    "name", "idempotent", "status", "bundle", "searchable", "key_header", "key_seconds", "login", "rule",
}  # fmt: skip

# Which terms belong to which verb; anything else in a rule is a problem, not silence.
_TERMS: dict[str, set[str]] = {
    "pay": {"lines"},
    "adjust": {"percent", "amount", "carc", "group", "lines"},
    "deny": {"carc", "group", "lines"},
    "pend": {"polls", "seconds", "until", "new_id", "lines"},
    "defer": {"polls", "seconds", "until", "new_id"},
    "documents": {"polls", "seconds", "until", "new_id", "carc", "group"},
    "take_back": {"polls", "seconds", "until", "carc", "group", "lines"},
    "throttle": {"times", "retry_after"},
    "fail": {"times"},
    "slow": {"times", "seconds"},
    "hang_up": {"times"},
    "garble": {"times"},
    "wrong": {"times", "how"},
    "twice": set(),
    "forget": {"searches", "seconds"},
}


class ScenarioError(ValueError):
    """A scenario that cannot be played; `problems` names everything that is wrong with it."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class When:
    """What a rule matches; every condition given must hold.

    `code`, `start`, `end`: some one line has the code and its day lies in start..end (inclusive).  `nth`: the
    claim is the nth the payer ever saw, counted from 1 by identifier.  Totals in US dollars, inclusive.
    `member`: the subscriber's number that the claim bears.
    """

    type: str | None = None
    code: str | None = None
    start: date | None = None
    end: date | None = None
    nth: int | None = None
    total_min: Decimal | None = None
    total_max: Decimal | None = None
    member: str | None = None

    def claim(self, claim: ReadClaim, nth: int) -> bool:
        """Whether the claim, the nth seen, meets all conditions."""
        return (
            self.type in {None, claim.kind}
            and self.nth in {None, nth}
            and self.member in {None, claim.member}
            and (self.total_min is None or claim.total >= self.total_min)
            and (self.total_max is None or claim.total <= self.total_max)
            and any(self.line(line) for line in claim.lines)
        )

    def line(self, line: ClaimLine) -> bool:
        """Whether one line meets the conditions on lines."""
        return (
            self.code in {None, line.code}
            and (self.start is None or line.day >= self.start)
            and (self.end is None or line.day <= self.end)
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """A verb, when it applies, and its terms.

    `times`: for how many submissions of one claim the verb acts; `seconds` and `retry_after` in seconds;
    `polls` and `searches` are counts; `until` an instant; `lines` are the lines concerned;
    `how` is what is wrong with an answer, one of `wrong.WAYS`.
    """

    verb: Verb
    when: When = When()
    lines: tuple[int, ...] | Literal["matched", "all"] = "matched"
    percent: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)
    carc: str = ""
    group: Group = "CO"
    polls: int | None = None
    seconds: Decimal | None = None
    until: datetime | None = None
    new_id: bool = False
    times: int = 1
    retry_after: int = 1
    searches: int | None = None
    how: str = "patient"

    def instant(self, now: datetime) -> datetime | None:
        """When it happens, as the rule says it: after so many seconds, or at an instant; None where it says neither."""
        return self.until if self.seconds is None else now + timedelta(seconds=float(self.seconds))

    def looks(self) -> int | None:
        """After how many looks it happens; one where the rule says neither that nor a time, None where only a time."""
        timed = self.until is not None or self.seconds is not None
        return 1 if self.polls is None and not timed else self.polls

    def concerns(self, line: ClaimLine) -> bool:
        """Whether the verb acts on this line of a claim that it matches."""
        if self.lines == "matched":
            return self.when.line(line)
        return self.lines == "all" or line.sequence in self.lines

    def verdict(self) -> Verdict:
        """The decision on a line for pay, adjust and deny."""
        if self.verb == "deny":
            return Deny(self.carc or "50", self.group)
        if self.verb == "adjust":
            return Reduce(self.percent, self.amount, self.carc or "45", self.group)
        return None


@dataclass(frozen=True, slots=True)
class Scenario:
    """A payer's behaviour.

    `idempotent`: `$submit` of a claim already held answers as before instead of filing a second one;
    `status`: what success looks like, 200 or 201; `bundle`: answers come as a Bundle with the ClaimResponse
    first; `searchable`: whether searches are answered at all; `key_header`: the header that carries a key by which a
    `$submit` that comes again is answered as before, for `key_seconds` (for ever where it is None); `login`: who may
    come in at all, everybody where it is None.
    """

    name: str = "everything is paid"
    rules: tuple[Rule, ...] = ()
    idempotent: bool = False
    status: int = 200
    bundle: bool = False
    searchable: bool = True
    key_header: str = ""
    key_seconds: Decimal | None = None
    login: Login | None = None

    def find(self, verb: Verb, claim: ReadClaim, nth: int) -> Rule | None:
        """The first rule with this verb that matches the claim."""
        return next((r for r in self.rules if r.verb == verb and r.when.claim(claim, nth)), None)

    def verdict(self, claim: ReadClaim, nth: int) -> Callable[[ClaimLine], Verdict]:
        """The decision on each line: of the first money rule that matches the claim and concerns the line."""
        matching = [r for r in self.rules if r.verb in _MONEY_VERBS and r.when.claim(claim, nth)]

        def decide(line: ClaimLine) -> Verdict:
            return next((rule.verdict() for rule in matching if rule.concerns(line)), None)

        return decide


def parse(text: str) -> Scenario:
    """Read a scenario; raises ScenarioError with all problems at once."""
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError([f"no TOML: {error}"]) from error
    problems = [f"unknown key {key}" for key in sorted(document.keys() - _KEYS)]
    found = document.get("rule", [])
    rules = [_rule(n, r, problems) for n, r in enumerate(found, start=1)] if isinstance(found, list) else []
    texts, flags = ("name", "key_header"), ("idempotent", "bundle", "searchable")
    for key, kind in (*((key, str) for key in texts), *((key, bool) for key in flags)):
        if not isinstance(document.get(key, kind()), kind):
            problems.append(f"{key} is no {kind.__name__}")
    if "key_seconds" in document and _number(document["key_seconds"]) is None:
        problems.append("key_seconds is no number")
    login = Login.read(document["login"], problems) if "login" in document else None
    if document.get("status", 200) not in {200, 201}:
        problems.append("status is neither 200 nor 201")
    if problems:
        raise ScenarioError(problems)
    return Scenario(
        name=document.get("name", "unnamed"),
        rules=tuple(rule for rule in rules if rule),
        idempotent=document.get("idempotent", False),
        status=document.get("status", 200),
        bundle=document.get("bundle", False),
        searchable=document.get("searchable", True),
        key_header=document.get("key_header", ""),
        key_seconds=_number(document["key_seconds"]) if "key_seconds" in document else None,
        login=login,
    )


def shipped(name: str = "demo") -> Scenario:
    """A scenario that comes with the stub, by the name of its file."""
    return parse(files("fhir_server_stub").joinpath(f"scenarios/{name}.toml").read_text(encoding="utf-8"))


def drawn(seed: int) -> Scenario:
    """The payer's mood of a seeded day: a few verbs on a few of the claims; the same seed, the same mood."""
    # A stream of its own: the course drawn from the same seed must not depend on it.
    dice = Random(f"payer {seed}")
    rules = []
    for verb in ("throttle", "fail", "hang_up", "pend", "twice", "forget", "deny", "adjust"):
        if dice.random() < 0.45:
            when = When(nth=dice.randint(1, 6))
            lines: Literal["matched"] | tuple[int, ...] = (1,) if dice.random() < 0.5 else "matched"
            rules.append(
                Rule(
                    verb=verb,
                    when=when,
                    lines=lines if verb in _MONEY_VERBS else "matched",
                    percent=Decimal(dice.choice((5, 10, 25))),
                    carc=dice.choice(("50", "151", "197")) if verb == "deny" else "",
                    polls=2,
                    searches=1,
                    times=dice.choice((1, 2)) if verb in {"throttle", "fail"} else 1,
                )
            )
    return Scenario(name=f"drawn from {seed}", rules=tuple(rules), idempotent=dice.random() < 0.5)


def _rule(number: int, table: Any, problems: list[str]) -> Rule | None:
    if not isinstance(table, dict) or table.get("verb") not in VERBS:
        problems.append(f"rule {number}: the verb is none of {', '.join(VERBS)}")
        return None
    verb: Verb = table["verb"]
    before = len(problems)
    terms: dict[str, Any] = {}
    for key, value in table.items():
        if key in {"verb", "when"}:
            continue
        if key not in _TERMS[verb]:
            problems.append(f"rule {number}: {verb} knows no {key}")
            continue
        terms[key] = _READERS[key](value)
        if terms[key] is None:
            problems.append(f"rule {number}: {key} is no value for it")
    when = _when(number, table.get("when", {}), problems)
    return Rule(verb=verb, when=when, **terms) if len(problems) == before else None


def _when(number: int, table: Any, problems: list[str]) -> When:
    if not isinstance(table, dict):
        problems.append(f"rule {number}: when is no table")
        return When()
    known = {field.name for field in fields(When)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = {"from": "start", "to": "end"}.get(key, key)
        if name not in known or key in {"start", "end"}:
            problems.append(f"rule {number}: when knows no {key}")
            continue
        values[name] = _READERS[name](value)
        if values[name] is None:
            problems.append(f"rule {number}: when.{key} is no value for it")
    return When(**values)


def _is(kind: type) -> Callable[[Any], Any]:
    # `type(...) is`, because True is an int and a datetime is a date.
    return lambda value: value if type(value) is kind else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _number(value: Any) -> Decimal | None:
    return Decimal(value) if type(value) in {int, Decimal} and value >= 0 else None


def _instant(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) and value.tzinfo else None


def _lines(value: Any) -> tuple[int, ...] | str | None:
    if value in ("matched", "all"):
        return str(value)
    if isinstance(value, list) and value and all(type(n) is int for n in value):
        return tuple(value)
    return None


_READERS: dict[str, Callable[[Any], Any]] = {
    "type": _is(str),
    "code": _is(str),
    "start": _is(date),
    "end": _is(date),
    "nth": _count,
    "total_min": _number,
    "total_max": _number,
    "member": _is(str),
    "lines": _lines,
    "percent": _number,
    "amount": _number,
    "carc": _is(str),
    "group": lambda value: value if value in GROUPS else None,
    "polls": _count,
    "seconds": _number,
    "until": _instant,
    "new_id": _is(bool),
    "times": _count,
    "retry_after": _count,
    "searches": _count,
    "how": lambda value: value if value in WAYS else None,
}
