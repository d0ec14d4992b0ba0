"""A draft tried as rules and settings: read as the files on disk are, and bounded, for it comes out of a browser.

A draft is values from the first to the last: of it no file is read, but the fee table that the site file in force names
already, and nobody is called. What says where keys lie and who is called is left out of the site that comes of it.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Final, cast

from adapters.errors import BadSetup
from adapters.model.draft import Draft, DraftFile
from adapters.model.site import Payer, Site
from adapters.rules import Ruleset, load
from adapters.rules.tables import HEADERS
from adapters.settings.environment import Settings
from adapters.settings.mappings import layers_of, told
from adapters.settings.site_file import digest_of, fee_problems, fees_named, form_of, read_site, texts_of

SITE: Final = "site file"
FEES: Final = "fee table"
"""What both are called in problems."""
LARGEST: Final = 512 * 1024
"""Characters of a draft."""
_LONGEST_LINE: Final = 1000
"""Characters of a line of TOML: a longer one takes its reader a time that grows with its square."""
_DEEPEST: Final = 20
_MOST_DIGITS: Final = 9
"""Of a number, before its point and after it: what is counted and paid has fewer."""
_NAME: Final = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9._-]{0,59}/){0,4}[A-Za-z0-9_-][A-Za-z0-9._-]{0,59}\.(toml|csv)")
_SIMPLE: Final = re.compile(r"[^()]{1,200}")
_REPEATS: Final = re.compile(r"[*+?{]")
_MOST_REPEATS: Final = 2


def drafted(draft: Draft, said: Settings, rules: Ruleset, site: Site) -> tuple[Ruleset, Site]:
    """The rules and the site of a draft over what is in force; raises `BadSetup` with all problems.

    `rules` and `site` are in force, `said` is where they were read. What has been changed there since is no part of what
    is in force: then nothing is tried.
    """
    too_much = [*_names(draft.files), *_bounded(draft, rules)]
    if too_much:
        raise BadSetup(tuple(too_much))
    problems: list[str] = []
    loaded = _rules(draft, said.mappings, rules, problems)
    if problems:
        raise BadSetup((*problems, *_by_themselves(draft)))
    return loaded, _site(draft, said.site, loaded, site)


def mapping_text(file: str, overlays: Sequence[Path]) -> tuple[str, str] | None:
    """Name and text of a file of the mappings in force, as rules name it (`overlay-1/edits/pairs.csv`); of a table its
    first line alone, for an overlay has the rows that it changes. None for what is none."""
    first, _, rest = file.partition("/")
    number = first.removeprefix("overlay-")
    known = first != number and number.isdecimal() and len(number) < 3 and 0 < int(number) <= len(overlays)
    name = rest if known else file
    try:
        body = layers_of(overlays)[int(number) if known else 0].get(name)
    except BadSetup:
        return None  # a folder is there no more: what is in force of it is told where a draft is read
    if body is None:
        return None
    text = body.decode("utf-8", "replace")
    return name, text.partition("\n")[0] + "\n" if name.endswith(".csv") else text


def _rules(draft: Draft, overlays: Sequence[Path], rules: Ruleset, problems: list[str]) -> Ruleset:
    """The rules of a draft; those in force where it has problems, or says nothing of rules."""
    if not (draft.files or draft.instead):
        return rules
    base, *layers = layers_of(overlays)
    now = load(base, layers)
    if not isinstance(now, Ruleset) or now.digest != rules.digest:
        problems.append("the mappings on disk are no more those in force: the service has to be started again first")
        return rules
    over = [{file.name: file.text.encode() for file in draft.files}] if draft.files else []
    loaded = load(base, over if draft.instead else [*layers, *over])
    if isinstance(loaded, Ruleset):
        return loaded
    folders = [] if draft.instead else list(overlays)
    problems += [told(problem, [*folders, Path()]) for problem in loaded]
    return rules


def _site(draft: Draft, path: Path, rules: Ruleset, site: Site) -> Site:
    text, fees_name, fees = texts_of(path)
    if not draft.site and digest_of(text, fees) != site.digest:
        raise BadSetup(
            ("the site file on disk is no more the one in force: the service has to be started again first",)
        )
    named = fees_named(draft.site) if draft.site else fees_name
    if draft.fees:
        fees, fees_name = draft.fees, FEES
    elif named != fees_name:
        fees, fees_name = "", ""
        if named:
            raise BadSetup((f"{SITE}: fees: no file is read for a draft; give the fee table beside it",))
    found = read_site(draft.site or text, SITE if draft.site else str(path), rules, fees, fees_name)
    if wrong := tuple(_prices(found)):
        raise BadSetup(wrong)
    return replace(
        found, listeners=(), web=None, clients=(), ehrs=(), desks=(), payers=tuple(map(_uncalled, found.payers))
    )


def _uncalled(payer: Payer) -> Payer:
    """The payer without what names files of keys and whom to ask for a token."""
    return replace(payer, endpoint=replace(payer.endpoint, login=None, tls=None, hook_secret_file=""))


def _prices(site: Site) -> Iterator[str]:
    """Amounts that are none."""
    for row in site.prices:
        if not _is_short(row.amount):
            yield f"prices: {row.code}: no amount of money has so many digits"


def _names(files: Sequence[DraftFile]) -> Iterator[str]:
    """What is wrong with the files' names."""
    names = [file.name for file in files]
    for name in dict.fromkeys(names):
        if not _NAME.fullmatch(name):
            yield f"{name or 'a file without a name'}: no path inside a folder of mappings that ends in .toml or .csv"
        elif name.endswith(".csv") and name not in HEADERS:
            yield f"{name}: no table lies here; there are {', '.join(HEADERS)}"
        if names.count(name) > 1:
            yield f"{name}: is there twice"


def _bounded(draft: Draft, rules: Ruleset) -> Iterator[str]:
    """What would keep its reader too long."""
    texts = [*((file.name, file.text) for file in draft.files), (SITE, draft.site), (FEES, draft.fees)]
    if sum(len(text) for _, text in texts) > LARGEST:
        yield f"all texts together have more than {LARGEST:,} characters"
        return
    known = {spec.pattern.pattern for spec in rules.options.values() if spec.pattern is not None}
    for name, text in texts:
        if not name.endswith(".toml") and name != SITE:
            yield from _no_table(name, text)
            continue
        long = [n for n, line in enumerate(text.split("\n"), 1) if len(line) > _LONGEST_LINE]
        yield from (f"{name}:{n}: the line has more than {_LONGEST_LINE:,} characters" for n in long)
        if long:
            continue
        try:
            data = tomllib.loads(text, parse_float=Decimal)
        except tomllib.TOMLDecodeError:
            continue  # told by who reads it, with the line
        except (RecursionError, ValueError):
            yield f"{name}: nested too deep, or a number has too many digits"
            continue
        if not all(_is_short(number) for number in _leaves(data) if isinstance(number, int | Decimal)):
            yield f"{name}: nested too deep, or a number has too many digits"
        elif name != SITE:
            yield from (f"{name}: {wrong}" for wrong in _patterns(data, known))


def _no_table(name: str, text: str) -> Iterator[str]:
    try:
        for _row in csv.reader(io.StringIO(text)):
            pass
    except csv.Error as broken:
        yield f"{name}: {broken}"


def _by_themselves(draft: Draft) -> Iterator[str]:
    """What is wrong with the settings, whatever the rules are."""
    if draft.fees:
        yield from fee_problems(draft.fees, FEES)
    if draft.site:
        try:
            form_of(draft.site, SITE)
        except BadSetup as wrong:
            yield from wrong.problems


def _leaves(data: object) -> Iterator[object]:
    """All values; a number that is none where they lie too deep."""
    waiting: list[tuple[object, int]] = [(data, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _DEEPEST:
            yield Decimal("NaN")
            return
        if isinstance(value, dict):
            waiting += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list):
            waiting += [(inner, depth + 1) for inner in value]
        else:
            yield value


def _is_short(number: int | Decimal) -> bool:
    if isinstance(number, int):
        return abs(number) < 10**_MOST_DIGITS
    return number.is_finite() and int(number.as_tuple().exponent) >= -_MOST_DIGITS and number.adjusted() < _MOST_DIGITS


def _patterns(data: Mapping[str, object], known: Iterable[str]) -> Iterator[str]:
    """Patterns of options that could keep whoever tries them for ever: only those in force and simple ones are tried."""
    options = data.get("options")
    for option in options if isinstance(options, list) else ():
        text = cast("Mapping[str, object]", option).get("pattern") if isinstance(option, dict) else None
        if not isinstance(text, str) or text in known:
            continue
        if not _SIMPLE.fullmatch(text) or len(_REPEATS.findall(text)) > _MOST_REPEATS:
            yield (
                f"options: {text!r}: a new pattern is tried here without parentheses and with at most "
                f"{_MOST_REPEATS} repetitions; `oncoclaims rehearse` tries any"
            )
