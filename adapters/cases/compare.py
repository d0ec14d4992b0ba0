"""A result set against what the case expects, by the rules of the formats' READMEs: sentences, none of them is a pass.

Radiation cases compare charge lines one by one, each with its sessions; medical ones the sum of units of a code, set
of modifiers, date and NDC. Everything is matched by content: the order of lists and of modifiers is free.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from adapters.cases.case import Case, Happening
from adapters.cases.compare_money import claims_and_money
from adapters.cases.document import Tree, Value, items, text, texts, tree
from adapters.cases.pairing import left_over, matched, short
from adapters.cases.schema import Dialect

UNITS_OF_SESSIONS: Final = frozenset({"77427", "77431", "77435", "77336"})
"""Codes of which one unit stands for a block of sessions."""
_FAMILIES: Final = {
    "administration": re.compile(r"96(3[6-9]|4[0-9]|5[0-4])[0-9]|G0498|3659[0-9]"),
    "drug": re.compile(r"[JQ].*"),
    "visit": re.compile(r"992.."),
    "all": re.compile(r".*"),
}
_GONE: Final = frozenset({"entered-in-error", "not-done"})


def differences(case: Case, result: Tree) -> list[str]:
    """What differs between the result and the case's `expect`; a case without one has no differences."""
    if case.expect is None:
        return []
    found: list[str] = []
    if "charges" in case.expect:
        found += _radiation(case, result) if case.dialect is Dialect.RADIATION else _medical(case, result)
    for ban in _records(case.expect, "absent"):
        if any(_is_banned(ban, charge) for charge in _records(result, "charges")):
            found.append(f"must not be charged: {short(ban)}")
    named, money = claims_and_money(case, result)
    return [*found, *_notes(case, named), *money]


def _records(said: Mapping[str, Value], key: str) -> list[Tree]:
    return [tree(item) for item in items(said.get(key))]


def _whole(value: Value) -> Decimal:
    try:
        return Decimal(text(value) or "0")
    except InvalidOperation:
        return Decimal("NaN")


def _is_banned(ban: Tree, charge: Tree) -> bool:
    """Whether the charge is the one that must not be: the code, and the modifiers and date where they are said."""
    if text(ban.get("code")) != text(charge.get("code")):
        return False
    if "modifiers" in ban and Counter(texts(ban["modifiers"])) != Counter(texts(charge.get("modifiers"))):
        return False
    return "date" not in ban or text(ban["date"]) == text(charge.get("date"))


# ---------------------------------------------------------------- one service, several reports


def services(case: Case) -> dict[str, str]:
    """Event → the first event, as listed, of the thing that it reports.

    One thing are: an event and those that amend it; copies of one message; sessions delivered with one UID or one
    course and number; parts that continue one another. What was withdrawn or not done stands for itself.
    """
    events = list(case.events)
    place = {event.id: i for i, event in enumerate(events)}
    said = _statements(case)
    status: dict[str, str] = {}
    for event in case.arriving:
        if said[event.id] == event.id or event.text("amends"):
            status[said[event.id]] = event.text("status")
    group = {event.id: event.id for event in events}
    owner: dict[tuple[str, ...], str] = {}

    def join(one: str, other: str) -> None:
        a, b = group[one], group[other]
        first = min(a, b, key=place.__getitem__)
        group.update({id: first for id, g in group.items() if g in (a, b)})

    for event in events:
        root = said[event.id]
        if status.get(root, "") in _GONE:
            continue
        join(root, event.id) if event.id != root else None
        for key in _keys(event):
            join(owner.setdefault(key, event.id), event.id)
    return group


def _statements(case: Case) -> dict[str, str]:
    """Event → the event that first stated what it states: by amending it, or as a copy of its message."""
    first: dict[str, str] = {}
    said: dict[str, str] = {}
    for event in case.arriving:
        message, amended = event.text("message_id"), event.text("amends")
        if message and message in first:
            said[event.id] = first[message]
        else:
            said[event.id] = said.get(amended, amended) or event.id
            if message:
                first[message] = said[event.id]
    return said


def _keys(event: Happening) -> Iterable[tuple[str, ...]]:
    """By what a delivered session is known."""
    if event.get("n") is None:
        return
    yield "number", event.text("course"), event.text("n")
    if uid := event.text("session_uid"):
        yield "uid", uid
    yield "part", event.id
    if before := event.text("continues"):
        yield "part", before


# ---------------------------------------------------------------- charges


def _radiation(case: Case, result: Tree) -> list[str]:
    assert case.expect is not None  # noqa: S101 (the caller has looked)
    name = services(case)
    sessions = {name[event.id] for event in case.events if event.get("n") is not None}

    def line(charge: Tree) -> Tree:
        rests = {name.get(id, f"unknown {id}") for id in texts(charge.get("from"))}
        block = text(charge.get("code")) in UNITS_OF_SESSIONS
        return {
            "code": text(charge.get("code")),
            "modifiers": _values(sorted(texts(charge.get("modifiers")))),
            "units": str(_whole(charge.get("units")).normalize()),
            "date": text(charge.get("date")),
            "component": text(charge.get("component")),
            "from": _values(sorted(rests)),
            "sessions": _values(sorted(rests & sessions) if block else []),
            "unknown": _values(sorted(id for id in rests if id not in name)),
        }

    def fits(want: Tree, got: Tree) -> bool:
        rests = set(texts(want["from"])) <= set(texts(got["from"]))
        return rests and all(want[key] == got[key] for key in want if key != "from")

    wants = [line(charge) for charge in _records(case.expect, "charges")]
    gots = [line(charge) for charge in _records(result, "charges")]
    exact = case.expect.get("exact") is True
    found = left_over("charge", wants, gots, fits, lambda _: exact)
    for code, units in tree(case.expect.get("totals")).items():
        total = sum((_whole(got["units"]) for got in gots if got["code"] == code), Decimal(0))
        if total != _whole(units):
            found.append(f"{code}: {total} units, expected {text(units)}")
    return found


def _values(words: Iterable[str]) -> list[Value]:
    return list(words)


def in_scope(case: Case, code: str) -> bool:
    """Whether the families that the case lists completely have the code."""
    scope = texts(case.options.get("charge_scope")) or ("all",)
    return any(_FAMILIES[family].fullmatch(code) for family in scope if family in _FAMILIES)


def _medical(case: Case, result: Tree) -> list[str]:
    assert case.expect is not None  # noqa: S101 (the caller has looked)
    known = {event.id for event in case.events}
    idle = set(texts(case.expect.get("no_charge")))

    def summed(charges: Iterable[Tree]) -> list[Tree]:
        groups: dict[tuple[str, ...], list[Tree]] = defaultdict(list)
        for charge in charges:
            modifiers, ndc = sorted(texts(charge.get("modifiers"))), tree(charge.get("ndc"))
            key = (text(charge.get("code")), " ".join(modifiers), text(charge.get("date")), text(ndc.get("code")))
            groups[key].append(charge)
        return [_sum(key, lines, known, idle) for key, lines in groups.items()]

    def fits(want: Tree, got: Tree) -> bool:
        rests = set(texts(want["from"])) <= set(texts(got["from"]))
        return rests and all(want[key] == got[key] for key in want if key != "from")

    mine = [charge for charge in _records(result, "charges") if in_scope(case, text(charge.get("code")))]
    wants = summed(_records(case.expect, "charges"))
    exact = case.expect.get("exact") is True
    return left_over("charge", wants, summed(mine), fits, lambda _: exact)


def _sum(key: tuple[str, ...], lines: Sequence[Tree], known: set[str], idle: set[str]) -> Tree:
    """All lines of one code, modifiers, date and NDC as one, with the faults that make it fit nothing."""
    rests = [set(texts(line.get("from"))) for line in lines]
    units = [_whole(line.get("units")) for line in lines]
    ndcs = [tree(line.get("ndc")) for line in lines]
    together = set().union(*rests)
    faults = sorted(f"unknown {id}" for id in together - known)
    faults += [f"{n} units" for n in units if not n > 0]
    faults += [f"{' '.join(sorted(one))} adds nothing" for one in rests if one and one <= idle]
    code, modifiers, day, _ = key
    return {
        "code": code,
        "modifiers": modifiers,
        "date": day,
        "units": str(sum(units, Decimal(0)).normalize()),
        "component": _values(sorted({text(line.get("component")) for line in lines})),
        "ndc": _values(sorted({f"{text(n.get('code'))} {text(n.get('unit'))}" for n in ndcs if n})),
        "quantity": str(sum((_whole(n.get("quantity")) for n in ndcs), Decimal(0)).normalize()),
        "from": _values(sorted(together)),
        "faults": _values(faults),
    }


# ---------------------------------------------------------------- holds and findings


def _notes(case: Case, result: Tree) -> list[str]:
    assert case.expect is not None  # noqa: S101 (the caller has looked)
    radiation = case.dialect is Dialect.RADIATION
    name = services(case) if radiation else {}
    hidden = [f for f in _records(result, "findings") if radiation and _hidden(f)]
    gots = {
        "holds": [*_records(result, "holds"), *({**f, "code": "bundled"} for f in hidden)],
        "findings": [f for f in _records(result, "findings") if f not in hidden],
    }
    events = {event.id: event for event in case.events}
    found: list[str] = []
    for key, label in (("holds", "hold"), ("findings", "finding")):
        if key not in case.expect:
            continue
        wants = [_note(key, item, name) for item in _records(case.expect, key)]
        mine = [_note(key, item, name) for item in gots[key]]
        pairs = matched(wants, mine, _note_fits)
        found += [f"{label} missing: {short(want)}" for i, want in enumerate(wants) if i not in pairs]
        if case.expect.get("exact") is not True:
            continue
        expected = {(want["code"], want["about"]) for want in map(_hashable, wants)}
        for note in mine:
            words = _hashable(note)
            event = events.get(words["about"])
            if (words["code"], words["about"]) not in expected and not _tolerated(case, key, words["code"], event):
                found.append(f"{label} not expected: {short(words)}")
    return found


def _hidden(finding: Tree) -> bool:
    """Whether a finding says `bundled` in the form of a suppression."""
    return (finding.get("kind"), finding.get("reason")) == ("suppressed", "bundled")


def _hashable(note: Tree) -> dict[str, str]:
    return {"code": text(note["code"]), "about": text(note["about"])}


def _note(key: str, item: Tree, name: Mapping[str, str]) -> Tree:
    code = text(item.get("kind")) if key == "findings" and item.get("kind") else text(item.get("code"))
    about = text(item.get("about"))
    # Of two reports of one thing it matters which one was the second.
    said: Tree = {"code": code, "about": about if code == "duplicate-suppressed" else name.get(about, about)}
    return {**said, **{k: item[k] for k in ("value", "line") if k in item}}


def _note_fits(want: Tree, got: Tree) -> bool:
    def same(key: str) -> bool:
        a, b = want[key], got.get(key)
        if text(a) == text(b):
            return a is not None or b is None or key not in want
        try:
            return Decimal(text(a)) == Decimal(text(b))
        except InvalidOperation:
            return False

    return all(same(key) for key in want)


def _tolerated(case: Case, key: str, code: str, event: Happening | None) -> bool:
    """Whether the README lets an extra hold or finding pass."""
    if case.dialect is Dialect.MEDICAL:
        if key == "findings":
            return True
        of = "96365" if code in ("missing-stop-time", "invalid-time") else event.text("code") if event else ""
        return bool(of) and not in_scope(case, of)
    if key == "holds":
        guided = event is not None and event.text("guidance") not in ("", "none")
        return code == "review-needed" or (code == "bundled" and guided)
    if code == "missed-charge":
        return event is not None and event.id in _reported_by_held_lines(case)
    if code == "duplicate-suppressed" and event is not None and (message := event.text("message_id")):
        return sum(other.text("message_id") == message for other in case.events) > 1
    return False


def _reported_by_held_lines(case: Case) -> set[str]:
    """Services whose only reported line was held: the last event of a charge, of which a held line spoke and no other."""
    assert case.expect is not None  # noqa: S101 (the caller has looked)
    held = {text(hold.get("about")) for hold in _records(case.expect, "holds")}
    lines = [event for event in case.events if event.kind == "reported-charge"]
    spoken = {(e.text("course"), e.at.date().isoformat(), "" if e.id in held else e.text("code")) for e in lines}
    course = {event.id: event.text("course") for event in case.events}
    found: set[str] = set()
    for charge in _records(case.expect, "charges"):
        rests = texts(charge.get("from"))
        if rests:
            where = course.get(rests[-1], ""), text(charge.get("date"))
            if (*where, "") in spoken and (*where, text(charge.get("code"))) not in spoken:
                found.add(rests[-1])
    return found
