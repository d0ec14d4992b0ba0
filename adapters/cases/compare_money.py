"""The part of the comparison that is about claims: their content, postings, states, work items, statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final

from adapters.cases.case import Case
from adapters.cases.document import Tree, Value, items, text, texts, tree
from adapters.cases.pairing import left_over, matched, short

_COMPLETE: Final = frozenset({"denial", "credit-balance", "out-of-balance", "unmatched-response"})
"""Kinds of work items that a complete case lists all of."""
_FIGURES: Final = frozenset({"total", "charge", "paid", "amount", "units", "line", "line_count", "quantity"})
_OWN_RULE: Final = frozenset({"id", "replaces", "cob", "lines", "not_before"})
"""Keys of a claim that are not compared as they stand."""


def figure(value: object) -> str:
    """A number without its spelling (`12.50` and `12.5` are one), anything else as text."""
    said = "" if value is None else str(value)
    try:
        return format(Decimal(said).normalize() + 0, "f") if said else ""
    except InvalidOperation:
        return said


def _records(said: Mapping[str, Value], key: str) -> list[Tree]:
    return [tree(item) for item in items(said.get(key))]


def _same(key: str, want: Value, got: Value) -> bool:
    """Whether a field says what is wanted: `from` at least that, modifiers in any order, figures as numbers."""
    if key == "from":
        return set(texts(want)) <= set(texts(got))
    if isinstance(want, list):
        free = key in ("modifiers", "condition_codes")
        a, b = texts(want), texts(got)
        return sorted(a) == sorted(b) if free else a == b
    if want is None or got is None:
        return want is got
    return figure(want) == figure(got) if key in _FIGURES else text(want) == text(got)


def _has(want: Tree, got: Tree) -> bool:
    return all(_same(key, value, got.get(key)) for key, value in want.items() if key != "why")


def claims_and_money(case: Case, result: Tree) -> tuple[Tree, list[str]]:
    """The result in the case's names of claims, and everything that differs in claims and money."""
    assert case.expect is not None  # noqa: S101 (the caller has looked)
    expect = case.expect
    names = _Names(case, result)
    named = names.renamed()
    found = names.differences
    exact = expect.get("exact") is True
    for key, label in (("postings", "posting"), ("statements", "statement")):
        if key in expect:
            form = _posted if key == "postings" else list
            found += left_over(label, form(_records(expect, key)), form(_records(named, key)), _has, lambda _: exact)
    if "worklist" in expect:
        found += left_over(
            "work item",
            _records(expect, "worklist"),
            _records(named, "worklist"),
            _has,
            lambda item: exact and text(item.get("kind")) in _COMPLETE,
        )
    if "claim_states" in expect:
        wants, gots = tree(expect["claim_states"]), tree(named.get("claim_states"))
        for name in sorted({*wants, *gots}):
            if wants.get(name) != gots.get(name):
                found.append(
                    f"claim state of {name}: {text(gots.get(name)) or 'none'}, expected {text(wants.get(name)) or 'none'}"
                )
    for key in ("claim_state", "payer_claim_count"):
        if key in expect and figure(expect[key]) != figure(named.get(key)):
            found.append(f"{key} {text(named.get(key)) or 'none'}, expected {text(expect[key])}")
    return named, found


def _posted(postings: Iterable[Tree]) -> list[Tree]:
    """Amounts of one event, claim, line, account and payer as their sum; a sum of zero is no posting."""
    sums: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    for posting in postings:
        key = tuple(figure(posting.get(name)) for name in ("event", "claim", "line", "account", "payer"))
        try:
            sums[key] += Decimal(text(posting.get("amount")))
        except InvalidOperation:
            sums[key] += Decimal("NaN")
    return [
        {"event": e, "claim": c, "line": n, "account": a, "payer": p, "amount": format(total.normalize() + 0, "f")}
        for (e, c, n, a, p), total in sums.items()
        if total != 0
    ]


# ---------------------------------------------------------------- claims


def _answer(line: Tree) -> str:
    """An earlier payer's answer to a line as one text."""
    taken = sorted(
        f"{text(a.get('group'))}-{text(a.get('carc'))} {figure(a.get('amount'))}" for a in _records(line, "adjustments")
    )
    return " ".join(["paid", figure(line.get("paid")), *taken])


def _lines(claim: Tree, with_cob: bool) -> list[Tree]:
    """The lines without their numbers; beside each what an earlier payer answered to it."""
    answers = {figure(line.get("line")): _answer(line) for line in _records(tree(claim.get("cob")), "lines")}
    found: list[Tree] = []
    for line in _records(claim, "lines"):
        said = {key: value for key, value in line.items() if key != "line"}
        found.append({**said, "cob": answers.get(figure(line.get("line")), "")} if with_cob else said)
    return found


@dataclass(slots=True)
class _Names:
    """Expected claims and given ones matched by content; from then on given ones bear the case's names."""

    case: Case
    result: Tree
    differences: list[str] = field(default_factory=list)
    pairs: list[tuple[Tree, Tree]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    lines: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expect = self.case.expect or {}
        wants, gots = _records(expect, "claims"), _records(self.result, "claims")
        paired = matched(wants, gots, lambda want, got: not self._faults(want, got))
        self._nearest(wants, gots, paired)
        self.pairs = [(wants[i], gots[j]) for i, j in sorted(paired.items())]
        for want, got in self.pairs:
            self.names[text(got.get("id"))] = text(want["id"])
            place = matched(_lines(want, False), _lines(got, False), _has)
            mine, theirs = _records(want, "lines"), _records(got, "lines")
            for a, b in place.items():
                self.lines[text(want["id"]), figure(theirs[b].get("line"))] = text(mine[a].get("line"))
        taken = set(paired.values())
        self.differences += [f"claim missing: {short(w)}" for i, w in enumerate(wants) if i not in paired]
        if "claims" in expect and expect.get("exact") is True:
            self.differences += [f"claim not expected: {short(g)}" for j, g in enumerate(gots) if j not in taken]
        for want, got in self.pairs:
            self.differences += [f"claim {text(want['id'])}: {fault}" for fault in self._wrong(want, got)]

    def _nearest(self, wants: Sequence[Tree], gots: Sequence[Tree], paired: dict[int, int]) -> None:
        """Set a claim that fits nowhere against the one left over that differs least, so that its differences are told."""
        for i in (i for i in range(len(wants)) if i not in paired):
            rest = [j for j in range(len(gots)) if j not in paired.values()]
            if rest:
                counts = {j: len(self._faults(wants[i], gots[j])) for j in rest}
                paired[i] = min(rest, key=counts.__getitem__)

    def _faults(self, want: Tree, got: Tree) -> list[str]:
        given = {**got, "line_count": got.get("line_count") or len(_records(got, "lines"))}
        found = [
            f"{key} {text(given.get(key)) or 'none'}, expected {text(value)}"
            for key, value in want.items()
            if key not in _OWN_RULE and not _same(key, value, given.get(key))
        ]
        order = {event.id: i for i, event in enumerate(self.case.events)}
        if "not_before" in want and order.get(text(got.get("not_before")), -1) < order.get(text(want["not_before"]), 0):
            found.append(
                f"built after {text(got.get('not_before')) or 'nothing'}, must be {text(want['not_before'])} or later"
            )
        with_cob = "cob" in want
        if with_cob:
            a, b = tree(want["cob"]), tree(got.get("cob"))
            found += [f"cob {key} differs" for key in ("payer", "paid") if figure(a.get(key)) != figure(b.get(key))]
        return found + left_over("line", _lines(want, with_cob), _lines(got, with_cob), _has)

    def _wrong(self, want: Tree, got: Tree) -> list[str]:
        found = self._faults(want, got)
        if self.names[text(got.get("id"))] != text(want["id"]):
            found.append("its id is used twice")
        if "replaces" in want and self._claim(got.get("replaces")) != text(want["replaces"]):
            found.append(f"replaces {text(got.get('replaces')) or 'nothing'}, expected {text(want['replaces'])}")
        return found

    def _claim(self, name: Value) -> str:
        said = text(name)
        if said in self.names:
            return self.names[said]
        # A name of the case that no claim of the result bears must not pass for that of the case.
        wanted = {text(c["id"]) for c in _records(self.case.expect or {}, "claims")}
        return f"unknown {said}" if self.names and said in wanted else said

    def _named(self, item: Tree, key: str) -> Tree:
        claim = self._claim(item.get(key))
        found: Tree = {**item, key: claim if item.get(key) is not None else None}
        if "line" in item:
            found["line"] = self.lines.get((claim, figure(item["line"])), item["line"])
        return found

    def renamed(self) -> Tree:
        """The result with claims and lines by the names of the case."""
        found = dict(self.result)
        for key, field_ in (("holds", "about"), ("findings", "about"), ("worklist", "about"), ("postings", "claim")):
            found[key] = [self._named(item, field_) for item in _records(self.result, key)]
        found["claim_states"] = {self._claim(k): v for k, v in tree(self.result.get("claim_states")).items()}
        return found
