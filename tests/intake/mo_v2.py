"""Events of a medical-oncology case as HL7 v2 messages of the example dialect `example-ras`.

A dose is a RAS^O17, with the RDS^O13 of the vials before it where the case names them; visits, refills, disconnections,
flushes and transactions are DFT^P03.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from adapters.cases.case import Case, Happening
from adapters.cases.document import Tree, items, text, texts, tree
from adapters.cases.feed import amended, member_of
from adapters.cases.place import ZONE

_PLACE: Final = ZoneInfo(ZONE)
DOSES: Final = frozenset({"infusion", "push", "injection", "hydration", "pump-start"})
ACTIVITIES: Final = {
    "visit": "MOVISIT",
    "pump-refill": "MOREFILL",
    "pump-disconnect": "MODISC",
    "port-flush": "MOFLUSH",
}
CLASSES: Final = {"chemo": "antineoplastic", "therapeutic": "supportive", "hydration": "fluid", "hormonal": "hormonal"}
_METHODS: Final = {"infusion": "IVPB", "hydration": "IVPB", "push": "IVP"}


def registration(case: Case, at: datetime) -> bytes:
    """ADT^A04: who it is, why they come, how they are insured."""
    insured = [
        _segment(
            "IN1",
            {1: str(n), 2: text(c["payer"]), 3: text(c["payer"]), 4: text(c["payer"]), 12: _day(c.get("from"))}
            | {13: _day(c.get("to")), 17: "SEL", 22: text(c.get("order")) or "1", 36: member_of(c)},
        )
        for n, c in enumerate(case.coverages, 1)
    ]
    reasons = [f"DG1|{n}||{code}^^I10C" for n, (_, code) in enumerate(case.diagnoses, 1)]
    return _message("ADT^A04^ADT_A01", f"{case.id}-reg", at, case, [_visit(case, "REG"), *reasons, *insured])


def authorized(case: Case, at: datetime) -> bytes:
    """REF^I12: what the payers have authorized; one AUT after the PR1 of each code."""
    payers = {text(c["id"]): text(c["payer"]) for c in case.coverages}
    lines: list[str] = []
    for authorization in case.authorizations:
        payer = text(authorization.get("payer")) or payers[text(authorization.get("coverage"))]
        aut = {2: payer, 4: _day(authorization.get("from")), 5: _day(authorization.get("to"))}
        aut |= {6: text(authorization["number"]), 9: text(authorization.get("units"))}
        for code in items(authorization.get("codes")):
            lines += [f"PR1|{len(lines) // 2 + 1}||{text(code)}^^HCPCS", _segment("AUT", aut)]
    return _message("REF^I12^REF_I12", f"{case.id}-authorized", at, case, lines)


def told(case: Case, event: Happening, at: datetime) -> list[bytes]:
    """The messages that an event is: what the pharmacy handed out comes before the dose."""
    said = amended(case, event)
    id = event.text("message") or f"{case.id}-{event.id}"
    if said.kind not in DOSES:
        return [_message("DFT^P03^DFT_P03", id, at, case, _transaction(case, event, said))]
    dose = _message("RAS^O17^RAS_O17", id, at, case, _dose(case, event, said))
    handed = _dispensed(case, event, said)
    if event.kind == "amendment" or not handed:
        return [dose]
    return [_message("RDS^O13^RDS_O13", f"{id}-rds", at, case, handed), dose]


def order_of(case: Case, event: Happening) -> str:
    """The number of the dose's order: the case's, else one for each dose."""
    while event.kind == "amendment":
        event = next(other for other in case.events if other.id == event.text("replaces"))
    return event.text("order") or f"O-{event.id}"


def first_part(case: Case, event: Happening) -> str:
    """The first part of an interrupted dose; empty for one that was not interrupted."""
    by_id = {other.id: other for other in case.events}
    if before := event.text("continues"):
        return first_part(case, by_id[before]) or before
    return event.id if any(other.text("continues") == event.id for other in case.events) else ""


def _dose(case: Case, event: Happening, said: Happening) -> list[str]:
    drug = tree(said.get("drug"))
    given, wasted = tree(drug.get("administered")), tree(drug.get("wasted"))
    code = f"^{text(drug['hcpcs'])}^^HCPCS" if drug.get("hcpcs") else ""
    name = text(drug.get("name"))
    rxa = {1: "0", 2: said.text("occurrence") or "1", 3: f"{said.at:%Y%m%d%H%M}", 5: f"{name}^{name}^L{code}"}
    rxa |= {4: _time(said.text("end")), 6: text(given.get("value")) or "999", 7: text(given.get("unit"))}
    rxa |= {20: "CP", 21: "U" if event.kind == "amendment" else "A"}
    if by := said.text("provider"):
        rxa[10] = f"{text(case.providers[by]['npi'])}^^^^^^^^NPI^L^^^NPI"
    pump, beside = tree(said.get("pump")), []
    for place, value, unit in (
        ("ACCESS", said.text("site"), ""),
        ("CLASS", CLASSES.get(said.text("category"), ""), ""),
        ("REASON", "Y" if said.text("primary_reason") == "true" else "", ""),
        ("SECONDSITE", said.text("second_site_reason"), ""),
        ("PLANNED", said.text("planned_duration_min"), ""),
        ("ACQUIRED", text(drug.get("acquired")), ""),
        ("WASTE", text(wasted.get("value")), text(wasted.get("unit"))),
        ("RATE", *_quantity(said.get("rate"))),
        ("VOLUME", *_quantity(said.get("volume"))),
        ("FORM", "pump" if said.kind == "pump-start" else "", ""),
        ("PUMP", text(pump.get("owner")), ""),
        ("PUMPHOME", text(pump.get("goes_home")), ""),
        ("PUMPHOURS", text(pump.get("planned_hours")), ""),
        ("PART", first_part(case, said), ""),
    ):
        if value:
            beside.append(_segment("OBX", {1: str(len(beside) + 1), 2: "ST", 3: place, 5: value, 6: unit}))
    rxr = _segment("RXR", {1: said.text("route").upper(), 4: _METHODS.get(said.kind, "")})
    visit = _visit(case, said.text("encounter"))
    return [visit, f"ORC|RE||{order_of(case, event)}", _segment("RXA", rxa), rxr, *beside]


def _dispensed(case: Case, event: Happening, said: Happening) -> list[str]:
    found: list[str] = []
    for n, container in enumerate(map(tree, items(tree(said.get("drug")).get("containers"))), 1):
        rxd = {1: str(n), 2: f"{text(container.get('ndc'))}^^NDC", 3: f"{said.at:%Y%m%d%H%M}", 7: f"{event.id}"}
        rxd |= {4: text(container["count"]), 5: "VIAL", 16: text(container["strength"]), 17: text(container["unit"])}
        kind = {"single-dose": "sdv", "multi-dose": "mdv"}[text(container["type"])]
        value, unit = _quantity(container.get("volume"))
        found += [_segment("RXD", rxd), f"OBX|1|ST|CONTAINER||{kind}"]
        found += [f"OBX|2|ST|VOLUME||{value}|{unit}"] if value else []
    return [_visit(case, said.text("encounter")), f"ORC|RE||{order_of(case, event)}", *found] if found else []


def _transaction(case: Case, event: Happening, said: Happening) -> Iterable[str]:
    ft1 = {1: "1", 2: f"{case.id}-{event.id}", 4: _day(said.text("date")) or f"{said.at:%Y%m%d%H%M}", 6: "CG"}
    ft1[5] = f"{said.at:%Y%m%d}"
    if by := said.text("provider"):
        ft1[20] = f"{text(case.providers[by]['npi'])}^^^^^^^^NPI^L^^^NPI"
    if said.kind in ("charge", "charge-transaction"):
        codes = dict(case.diagnoses)
        ft1 |= {6: said.text("ft1_type") or "CG", 7: "CDM", 10: said.text("units")}
        ft1 |= {19: "~".join(f"{codes[one]}^^I10C" for one in texts(said.get("dx")))}
        ft1 |= {25: f"{said.text('code')}^^HCPCS", 26: "~".join(texts(said.get("modifiers")))}
        return [*([_visit(case, number)] if (number := said.text("encounter")) else []), _segment("FT1", ft1)]
    separate = {"true": "Y", "false": "N"}.get(said.text("significant_separate"), "")
    level = [_segment("ZVS", {1: said.text("code"), 2: separate})] if said.kind == "visit" else []
    return [_visit(case, said.text("encounter")), _segment("FT1", {**ft1, 7: ACTIVITIES[said.kind]}), *level]


def _visit(case: Case, encounter: str) -> str:
    return _segment("PV1", {1: "1", 2: "O", 3: "INF^^^place", 19: f"{case.id}-{encounter or 'visit'}"})


def _quantity(value: object) -> tuple[str, str]:
    said: Tree = tree(value)  # type: ignore[arg-type]
    return text(said.get("value")), text(said.get("unit"))


def _message(kind: str, id: str, at: datetime, case: Case, segments: Iterable[str]) -> bytes:
    said = f"{at.astimezone(_PLACE):%Y%m%d%H%M%S%z}"
    pid = f"PID|1||{text(case.patient['id'])}^^^CLINIC^MR||Case^{case.id}||{_day(case.patient.get('birth'))}|U"
    head = f"MSH|^~\\&|CASES|INF|ONCOCLAIMS|BILL|{said}||{kind}|{id}|P|2.5.1"
    return ("\r".join([head, f"EVN|{kind.split('^')[1]}|{said}", pid, *segments]) + "\r").encode()


def _day(value: object) -> str:
    return "" if value is None else str(value).replace("-", "")


def _time(value: str) -> str:
    return f"{datetime.fromisoformat(value):%Y%m%d%H%M}" if value else ""


def _segment(name: str, values: Mapping[int, str]) -> str:
    return "|".join([name, *(values.get(n, "") for n in range(1, max(values) + 1))]).rstrip("|")
