"""A dialect proposed from what was seen: TOML that loads, each line with the counts it rests on.

What counts cannot decide is left to the standard's default and said in a comment: a proposal is where a person and
the sender begin to agree, not what they agreed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from adapters.hl7v2.learn import Seen, Study

_ENOUGH: Final = 0.05
"""Share of the places below which a form counts as a slip of the sender and is not proposed."""
DIALECT_ID: Final = re.compile(r"[a-z][a-z0-9-]{1,40}")
"""What may name a dialect, and so its file."""


def proposal(study: Study, id: str) -> str:
    """The text of a dialect file under that id. ValueError where the id cannot name one, a caller's mistake."""
    if not DIALECT_ID.fullmatch(id):
        raise ValueError("a dialect is named by lower-case letters, digits and hyphens")
    seen = study.seen()
    lines = [
        f"# Proposed from {study.messages} messages. Agree every line with the sender before it is used.",
        f'id = "{id}"',
        'kind = "dialect"',
        'media = "hl7v2"',
        f'title = "Proposed from {study.messages} messages"',
        'cite = "proposed from messages seen; no agreement with the sender yet"',
        "",
        *_body(seen),
    ]
    return "\n".join(lines) + "\n"


def _of(seen: Sequence[Seen], topic: str, where: str = "") -> dict[str, Seen]:
    return {s.value: s for s in seen if s.topic == topic and (not where or s.where == where)}


def _often(found: Seen | None) -> bool:
    return found is not None and found.count >= _ENOUGH * found.of


def _basis(*found: Seen | None) -> str:
    parts = [f"{s.value} {s.count} of {s.of}" for s in found if s is not None]
    return f"  # {'; '.join(parts)}" if parts else ""


def _list(words: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


def _body(seen: Sequence[Seen]) -> Iterator[str]:
    yield from _types(seen)
    yield from _credits(seen)
    yield from _codes(seen)
    yield from _forms(seen)
    yield from _people(seen)
    yield from _keys(seen)
    yield from _notes(seen)


def _types(seen: Sequence[Seen]) -> Iterator[str]:
    types = _of(seen, "transaction-type")
    charge = ["CG", *(w for w in ("CH", "DB") if w in types and "CG" not in types)]
    credit = ["CD", "CR", *(w for w in ("RV", "VD") if w in types)]
    yield f"charge_types = {_list(charge)}{_basis(*(types.get(w) for w in charge))}"
    yield f"credit_types = {_list(credit)}{_basis(*(types.get(w) for w in credit))}"
    yield f'ignored_types = ["PY", "AJ", "CO"]{_basis(*(types.get(w) for w in ("PY", "AJ", "CO")))}'
    rest = [types[w] for w in ("other", "none", "CA") if w in types]
    if rest:
        yield f"# FT1-6 says words that have no meaning here yet:{_basis(*rest)}"


def _named_elsewhere(seen: Sequence[Seen]) -> Seen | None:
    """Where credits name their charge when it is not their own number."""
    names = [s for s in seen if s.topic == "credit-names"]
    own = next((s for s in names if s.where == "FT1-2"), None)
    others = sorted((s for s in names if s.where != "FT1-2"), key=lambda s: (-s.count, s.where))
    return others[0] if others and (own is None or others[0].count > own.count) else None


def _credits(seen: Sequence[Seen]) -> Iterator[str]:
    taken_back = [s for s in seen if s.topic == "credit"]
    if not taken_back:
        yield "# no credit was seen: how the sender takes back is not known"
        yield 'credits = ["same-transaction", "negative-quantity"]'
        return
    words = []
    own = next((s for s in seen if s.topic == "credit-names" and s.where == "FT1-2"), None)
    if any(s.where == "FT1-6" for s in taken_back) and _named_elsewhere(seen) is None:
        words.append("same-transaction")
    if any("below zero" in s.value and s.where in ("FT1-6", "FT1-10") for s in taken_back):
        words.append("negative-quantity")
    if any(s.where == "FT1-11" for s in taken_back):
        words.append("negative-amount")
    yield f"credits = {_list(words)}{_basis(*taken_back, own)}"


def _codes(seen: Sequence[Seen]) -> Iterator[str]:
    at = {where: _of(seen, "code", where).get("procedure code") for where in ("FT1-25", "PR1-3", "FT1-7")}
    found = [where for where, s in at.items() if _often(s)]
    if found:
        yield f"codes = {_list(found)}  # {'; '.join(f'{w} {s.count} of {s.of}' for w, s in at.items() if s and w in found)}"
    else:
        yield "# no procedure code was seen: FT1-7 names activities, which [activities] must translate"
    forms = _of(seen, "modifiers")
    known = [form for form in ("repetitions", "components", "joined") if _often(forms.get(form))]
    if known:
        yield f"modifier_forms = {_list(known)}{_basis(*(forms[form] for form in known))}"
    quantity = _of(seen, "quantity")
    if "empty" in quantity:
        yield f'quantity_default = "1"{_basis(quantity["empty"])}: agree that empty means one'


def _forms(seen: Sequence[Seen]) -> Iterator[str]:
    forms: dict[str, int] = {}
    for s in seen:
        if s.topic == "date-form":
            forms[s.value] = forms.get(s.value, 0) + s.count
    dates = [name for name in ("iso", "us", "european") if forms.get(name)]
    if "us or european" in forms and not {"us", "european"} & set(dates):
        yield f"# {forms['us or european']} dates may be read as us or european: ask the sender, then set dates"
    if {"us", "european"} <= set(dates):
        yield "# dates of both the us and the european order were seen: the sender must write one of them"
        dates = [name for name in dates if name == "iso"]
    if dates:
        yield f"dates = {_list(dates)}  # {'; '.join(f'{name} {forms[name]}' for name in dates)}"
    commas = [s for s in seen if s.topic in ("quantity", "amount") and s.value == "decimal comma"]
    if commas:
        yield f"decimal_comma = true{_basis(*commas)}"


def _people(seen: Sequence[Seen]) -> Iterator[str]:
    types = _of(seen, "message-type")
    known = ("ADT^A01", "ADT^A03", "ADT^A04", "ADT^A08", "ADT^A28", "ADT^A31", "BAR^P01", "BAR^P05")
    stated = [kind for kind in known if kind in types]
    whole = _of(seen, "patient").get("name and birth date")
    charges_only = not stated and any(kind.startswith("DFT") for kind in types)
    if charges_only and whole is not None:
        yield f'people_from = ["DFT"]{_basis(whole)}: no registration was seen'
    elif stated:
        yield f"people_from = {_list(stated)}{_basis(*(types[kind] for kind in stated))}"


def _keys(seen: Sequence[Seen]) -> Iterator[str]:
    elsewhere = _named_elsewhere(seen)
    yield ""
    yield "[keys]"
    yield 'transaction = "FT1-2"'
    if elsewhere is not None:
        yield f'original = "{elsewhere.where}"  # names a charge seen in {elsewhere.count} of {elsewhere.of} credits'
    yield 'order = "FT1-23.1"'


def _notes(seen: Sequence[Seen]) -> Iterator[str]:
    fields = [s for s in seen if s.topic == "z-field"]
    places = sorted({s.where for s in fields}, key=_in_order)
    if places:
        yield ""
        yield "# Local segments, field by field; [facts.NAME] says what a field means, with from = the place."
    for where in places:
        shapes = ", ".join(f"{s.value} {s.count}" for s in fields if s.where == where)
        yield f"#   {where}: {shapes}"
    offsets = [s for s in seen if s.topic == "offset" and s.value != "none"]
    yield ""
    if offsets:
        yield f"# times state their offset:{_basis(*offsets)[3:]}"
    else:
        yield "# no time states an offset: the feed's zone in the site file decides"


def _in_order(where: str) -> tuple[str, list[int]]:
    name, _, rest = where.partition("-")
    return name, [int(part) for part in rest.split(".")]
