"""The site file: read whole, checked against itself and the mappings, every fault at once; then plain values."""

from __future__ import annotations

import csv
import hashlib
import io
import tomllib
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from pydantic import ValidationError

from adapters.ehr.form import desk_part_problems, ehr_part_problems
from adapters.errors import BadSetup
from adapters.model.codes import is_npi, is_procedure_code
from adapters.model.listening import listening_problems
from adapters.model.site import (
    BillingEntity,
    DatedOptions,
    Enrolment,
    Facility,
    Family,
    Feed,
    Payer,
    Price,
    Site,
)
from adapters.model.web import web_problems
from adapters.payers.origin import endpoint_problems
from adapters.rules import Ruleset
from adapters.settings.forms import SitePart
from adapters.settings.going_live import live_of, problems_of_live


def read_site(text: str, name: str, rules: Ruleset, fees: str = "", fees_name: str = "fees") -> Site:
    """The site of a site file's text, with the rows of its fee table; raises `BadSetup` with all problems."""
    problems: list[str] = []
    prices = tuple(_read_fees(fees, fees_name, problems)) if fees else ()
    try:
        said = form_of(text, name)
    except BadSetup as wrong:
        raise BadSetup((*problems, *wrong.problems)) from wrong
    problems.extend(_cross_checked(said, name, rules))
    entities = {entity.id for facility in said.facilities for entity in facility.entities}
    for where, named in (
        *((f"{name}: prices", price.entity) for price in said.prices),
        *((fees_name, price.entity) for price in prices),
    ):
        if named and named not in entities:
            problems.append(f"{where}: there is no entity {named!r}")
    if problems:
        raise BadSetup(tuple(problems))
    site = _built(said, prices, digest_of(text, fees), Path(name).parent, rules)
    doors = (*listening_problems(site.listeners, site.feeds), *web_problems(site.web, site.clients, site.feeds))
    if doors:
        raise BadSetup(tuple(f"{name}: {one}" for one in doors))
    unsafe = [f"{name}: {one}" for p in site.payers if p.endpoint.base_url for one in endpoint_problems(p)]
    if unsafe:
        raise BadSetup(tuple(unsafe))
    return site


def form_of(text: str, name: str) -> SitePart:
    """A site file's text by itself, before it is held against the mappings; raises `BadSetup` with all problems."""
    try:
        return SitePart.model_validate(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as broken:
        raise BadSetup((f"{name}: {broken}",)) from broken
    except ValidationError as wrong:
        raise BadSetup(tuple(f"{name}: {said}" for said in _said(wrong))) from wrong


def fee_problems(text: str, name: str) -> list[str]:
    """What is wrong with the rows of a fee table."""
    problems: list[str] = []
    for _row in _read_fees(text, name, problems):
        pass
    return problems


def _said(wrong: ValidationError) -> Iterable[str]:
    """Every fault with its place. A list of faulty parts is counted as empty too; that is no fault of its own."""
    errors = wrong.errors(include_url=False)
    for error in errors:
        place = error["loc"]
        within = any(len(e["loc"]) > len(place) and e["loc"][: len(place)] == place for e in errors)
        if not (error["type"] == "too_short" and within):
            yield f"{'.'.join(map(str, place))}: {error['msg']}"


def _cross_checked(said: SitePart, name: str, rules: Ruleset) -> Iterable[str]:
    """What the parts of the site file say of one another and of the mappings."""
    for where, options, dated in [
        ("", said.options, said.dated_options),
        *((f"payers.{p.id}.", p.options, p.dated_options) for p in said.payers),
    ]:
        parts = [("options", options), *((f"dated_options.{later.since}", later.options) for later in dated)]
        for part, values in parts:
            for option, value in values.items():
                if problem := rules.option_problem(option, value):
                    yield f"{name}: {where}{part}: {problem}"
        days = [later.since for later in dated]
        yield from (
            f"{name}: {where}dated_options.{day}: is there twice"
            for day in sorted({d for d in days if days.count(d) > 1})
        )
    yield from _presets_and_policies(said, name, rules)
    places = {f.id for f in said.facilities}
    for kind, ids in (
        ("facilities", [f.id for f in said.facilities]),
        ("payers", [p.id for p in said.payers]),
        ("feeds", [f.name for f in said.feeds]),
        ("entities", [e.id for f in said.facilities for e in f.entities]),
    ):
        yield from (f"{name}: {kind}: {id!r} is there twice" for id in sorted({i for i in ids if ids.count(i) > 1}))
    for feed in said.feeds:
        if feed.facility not in places:
            yield f"{name}: feeds.{feed.name}: no facility {feed.facility!r}"
        if feed.dialect not in rules.dialects:
            yield f"{name}: feeds.{feed.name}: no dialect {feed.dialect!r} in the mappings"
        elif rules.dialect(feed.dialect).media != feed.media:
            yield f"{name}: feeds.{feed.name}: dialect {feed.dialect!r} is not for {feed.media}"
        if feed.payer and (feed.media != "fhir" or feed.payer not in {p.id for p in said.payers}):
            yield f"{name}: feeds.{feed.name}: payer {feed.payer!r} is none of the site's, or the feed is not fhir"
    media = {f.name: f.media for f in said.feeds}
    writing = {f.name: rules.dialect(f.dialect).question is not None for f in said.feeds if f.dialect in rules.dialects}
    yield from (f"{name}: {one}" for one in ehr_part_problems(said.ehrs, media))
    yield from (f"{name}: {one}" for one in desk_part_problems(said.desks, media, writing))
    yield from _billing_problems(said, name, rules)
    yield from (f"{name}: {one}" for one in problems_of_live(said, rules))
    for family in said.families:
        if family.facility and family.facility not in places:
            yield f"{name}: families.{family.service}: no facility {family.facility!r}"


def _billing_problems(said: SitePart, name: str, rules: Ruleset) -> Iterable[str]:
    """What is wrong with who may bill whom, and with revenue codes."""
    payers = {payer.id for payer in said.payers}
    for one in said.enrolments:
        if not is_npi(one.npi):
            yield f"{name}: enrolments: {one.npi!r} is no NPI, its check digit is wrong"
        if one.payer and one.payer not in payers:
            yield f"{name}: enrolments: no payer {one.payer!r}"
        if one.start is not None and one.end is not None and one.end < one.start:
            yield f"{name}: enrolments: {one.npi!r} ends before it begins"
    services = {rows[0].service for rows in rules.codes.values()}
    for key in said.revenue:
        if key not in services and not is_procedure_code(key):
            yield f"{name}: revenue: {key!r} is no procedure code and no service family"


def _presets_and_policies(said: SitePart, name: str, rules: Ruleset) -> Iterable[str]:
    """What the payers name of the mappings, and is not there."""
    for payer in said.payers:
        if payer.preset and payer.preset not in rules.presets:
            yield f"{name}: payers.{payer.id}: no preset {payer.preset!r} in the mappings"
        if payer.endpoint.policy and payer.endpoint.policy not in rules.policies:
            yield f"{name}: payers.{payer.id}: no policy {payer.endpoint.policy!r} in the mappings"


def _built(said: SitePart, prices: Sequence[Price], digest: str, folder: Path, rules: Ruleset) -> Site:
    return Site(
        name=said.name,
        zone=said.zone,
        facilities=tuple(
            Facility(
                f.id,
                f.name,
                f.npi,
                f.setting,
                f.place_of_service,
                tuple(BillingEntity(e.id, e.name, e.npi, e.tin, e.taxonomy, e.bills, e.claim_type) for e in f.entities),
                f.aliases,
            )
            for f in said.facilities
        ),
        payers=tuple(
            Payer(
                p.id,
                p.name,
                p.kind,
                p.aliases,
                {**(rules.presets[p.preset].options if p.preset else {}), **p.options},
                p.endpoint.endpoint(rules.policies[p.endpoint.policy].terms if p.endpoint.policy else {}, folder),
                p.cycle,
                p.wait_days,
                p.timely_filing_days,
                p.after_sending,
                tuple(DatedOptions(later.since, later.options) for later in p.dated_options),
            )
            for p in said.payers
        ),
        feeds=tuple(Feed(**(f.model_dump() | {"rhythm": f.rhythm and f.rhythm.rhythm()})) for f in said.feeds),
        families=tuple(Family(f.service, f.mode, f.since, f.facility, f.prefer) for f in said.families),
        live=live_of(said),
        prices=(*(Price(p.code, p.modifier, p.entity, p.amount, p.start, p.end) for p in said.prices), *prices),
        crosswalk=said.crosswalk,
        options=said.options,
        dated_options=tuple(DatedOptions(later.since, later.options) for later in said.dated_options),
        people=said.people,
        enrolments=tuple(Enrolment(e.npi, e.payer, e.start, e.end, e.filed) for e in said.enrolments),
        revenue=said.revenue,
        supervisors=said.supervisors,
        listeners=tuple(one.listening(folder) for one in said.listeners),
        web=said.web.listening(folder) if said.web else None,
        clients=tuple(one.client(folder) for one in said.clients),
        ehrs=tuple(one.ehr(folder) for one in said.ehrs),
        desks=tuple(one.desk(folder) for one in said.desks),
        digest=digest,
    )


_FEE_COLUMNS = ("code", "modifier", "entity", "amount", "from", "to")


def _read_fees(text: str, name: str, problems: list[str]) -> Iterable[Price]:
    """The rows of a fee table; ill-formed rows, and those that end before they begin, are problems with line numbers."""
    reader = csv.DictReader(io.StringIO(text))
    missing = [column for column in _FEE_COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        problems.append(f"{name}:1: missing columns: {', '.join(missing)}")
        return
    for row in reader:
        try:
            amount = Decimal(row["amount"])
            if not amount.is_finite() or amount <= 0:
                raise ValueError("amount is not above zero")
            start = date.fromisoformat(row["from"])
            end = date.fromisoformat(row["to"]) if row["to"] else None
            if not row["code"] or (end is not None and end < start):
                raise ValueError("no code, or an end before the start")
            yield Price(row["code"], row["modifier"], row["entity"], amount, start, end)
        except (InvalidOperation, ValueError, TypeError):
            problems.append(f"{name}:{reader.line_num}: not a row of code, modifier, entity, amount > 0, from, to")


def site_of(path: Path, rules: Ruleset) -> Site:
    """The site of a site file on disk, with the fee table that it names beside it."""
    text, fees_name, fees = texts_of(path)
    return read_site(text, str(path), rules, fees, fees_name)


def texts_of(path: Path) -> tuple[str, str, str]:
    """The text of a site file, the name of its fee table and the text of that; raises `BadSetup` where one is not there."""
    text = _text(path, f"{path}: the site file")
    fees_name = fees_named(text)
    fees = _text(path.parent / fees_name, f"{path}: fees: {fees_name}") if fees_name else ""
    return text, fees_name, fees


def fees_named(text: str) -> str:
    """The fee table that a site file's text names; empty for none, and for a text that is not TOML."""
    try:
        return str(tomllib.loads(text).get("fees", ""))
    except tomllib.TOMLDecodeError:
        return ""  # read_site tells what is wrong with the text


def digest_of(text: str, fees: str) -> str:
    """The digest of a site file and its fee table."""
    return hashlib.sha256(f"{text}\0{fees}".encode()).hexdigest()


def _text(path: Path, what: str) -> str:
    """A file's text; raises `BadSetup` where there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as missing:
        raise BadSetup((f"{what} cannot be read ({missing.strerror})",)) from missing
    except UnicodeDecodeError as other:
        raise BadSetup((f"{what} is not UTF-8",)) from other
