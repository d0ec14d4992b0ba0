"""What is particular of drugs and visits, each by the messages of a real feed, from the wire to the line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from adapters.explain import explain
from adapters.model.record import PersonRecord
from adapters.pipeline import House
from adapters.pipeline.sending import document_of
from tests.intake.live import live, told, v2
from tests.intake.live import tick as at

Line = tuple[str, tuple[str, ...], int]


def registration(payer: str = "first") -> bytes:
    """Who it is, why they come, how they are insured."""
    insured = {1: "1", 2: payer, 3: payer, 4: payer.title(), 12: "20150101", 17: "SEL", 22: "1", 36: "M-1"}
    in1 = "|".join(["IN1", *(insured.get(n, "") for n in range(1, 37))])
    return v2(
        "ADT^A04^ADT_A01", "reg", "202001010800", "PV1|1|O|INF^^^place||||||||||||||||REG", "DG1|1||C50.412^^I10C", in1
    )


def dose(number: str, start: str, end: str, way: str, drug: str, amount: str, *beside: str, code: str = "") -> bytes:
    """One dose of visit V-1; `beside` are codes and values that the standard has no field for."""
    coded = f"^{code}^^HCPCS" if code else ""
    route, method = way.split("/")
    obx = [f"OBX|{n}|ST|{name}||{value}|{unit}" for n, (name, value, unit) in enumerate(map(_three, beside), 1)]
    return v2(
        "RAS^O17^RAS_O17",
        f"ras-{number}",
        start,
        "PV1|1|O|INF^^^place||||||||||||||||V-1",
        f"ORC|RE|{number}",
        f"RXA|0|1|{start}|{end}|{drug}^{drug}^L{coded}|{'|'.join(amount.split())}|||||||||||||CP|A",
        f"RXR|{route}|||{method}",
        *obx,
    )


def _three(said: str) -> tuple[str, str, str]:
    name, value, unit = (*said.split(), "", "")[:3]
    return name, value, unit


def activity(code: str, start: str, *more: str) -> bytes:
    """A visit, a refill, a disconnection or a flush."""
    ft1 = f"FT1|1|{code}-{start}||{start}|{start[:8]}|CG|{code}"
    return v2("DFT^P03^DFT_P03", f"dft-{code}-{start}", start, "PV1|1|O|INF^^^place||||||||||||||||V-1", ft1, *more)


def lines(record: PersonRecord) -> list[Line]:
    return sorted((c.charge.code, c.charge.modifiers, c.charge.units) for c in record.charges if c.status == "due")


def held(record: PersonRecord) -> list[tuple[str, str]]:
    return sorted((hold.code, hold.would.code if hold.would else hold.slot.service) for hold in record.holds)


def heard(house: House, bodies: Iterable[bytes], payer: str = "first", year: int = 2026) -> PersonRecord:
    return told(PersonRecord("p1"), house, at(year, 5, 4), registration(payer), *bodies)


PUSH = ("202605040900", "202605040900", "IV/IVP")


@pytest.mark.parametrize(
    ("day", "modifiers"),
    [("20220504", ("JG",)), ("20240504", ("JZ", "JG")), ("20241231", ("JZ", "JG")), ("20250101", ("JZ", "TB"))],
)
def test_a_340b_drug_bears_the_modifier_of_its_day(day: str, modifiers: tuple[str, ...]) -> None:
    house = live(drugs__modifier_340b_2024="JG")
    body = dose(
        "O-1", f"{day}0900", f"{day}0900", "IV/IVP", "DRUGA", "20 mg", "WASTE 0 mg", "ACQUIRED 340b", code="J1453"
    )
    assert ("J1453", modifiers, 20) in lines(heard(house, [body]))


def test_a_drug_without_a_code_goes_out_as_one_unit_with_its_name_dose_route_and_ndc() -> None:
    handed = v2(
        "RDS^O13^RDS_O13",
        "rds",
        "202605040830",
        "PV1|1|O|INF^^^place||||||||||||||||V-1",
        "ORC|RE|O-1",
        "RXD|1|99701-310-12^^NDC|202605040830|1|VIAL|||||||||||25|mg",
        "OBX|1|ST|CONTAINER||sdv",
    )
    new = dose("O-1", *PUSH, "newdrug", "22.5 mg", "WASTE 2.5 mg", "CLASS antineoplastic", code="J9999")
    waits = heard(live(), [handed, new])
    assert ("review-needed", "drug") in held(waits)
    house = live(drugs__unclassified="one-unit")
    record = heard(house, [handed, new])
    (charge,) = (c.charge for c in record.charges if c.charge.code == "J9999")
    assert (charge.units, charge.modifiers, charge.ndc) == (1, ("JZ",), "99701031012")
    assert charge.narrative == "newdrug 22.5 mg iv 99701031012"
    (line_id,) = (c.id for c in record.charges if c.charge.code == "J9999")
    why = explain(record, line_id, house.rules, str)
    assert why is not None
    assert f"told on the claim in words: {charge.narrative}" in [part.says for part in why.parts]
    later = told(record, house, at(2026, 5, 20))
    (line,) = (one for c in later.claims for one in c.claim.lines if one.code == "J9999")
    assert line.narrative == charge.narrative
    (claim,) = (c.claim for c in later.claims)
    payer = house.site.payer("first")
    assert payer is not None
    assert f'"text":"{charge.narrative}"' in document_of(claim, payer).body.decode().replace('": "', '":"')


def test_two_drugs_without_a_code_are_two_lines_and_one_without_a_dose_waits() -> None:
    house = live(drugs__unclassified="one-unit")
    first = dose("O-1", *PUSH, "newdrug", "20 mg", "CLASS antineoplastic", code="J9999")
    other = dose("O-2", "202605041000", "202605041000", "IV/IVP", "other", "5 mg", "CLASS antineoplastic", code="J9999")
    record = heard(house, [first, other])
    told_of = sorted(c.charge.narrative for c in record.charges if c.charge.code == "J9999")
    assert told_of == ["newdrug 20 mg iv", "other 5 mg iv"]
    unsaid = dose("O-1", *PUSH, "newdrug", "999 mg", "CLASS antineoplastic", code="J9999")
    assert ("documentation-missing", "drug") in held(heard(house, [unsaid]))


def test_a_dose_beyond_the_limit_of_the_date_is_held_and_remarked() -> None:
    house = live()
    (row,) = house.rules.codes["J9263"]
    limit = {**house.rules.codes, "J9263": (replace(row, mue=700, mai="3"),)}
    limited = House.of(replace(house.rules, codes=limit), house.site)
    much = dose("O-1", *PUSH, "DRUGA", "400 mg", "WASTE 0 mg", "CLASS antineoplastic", code="J9263")
    record = heard(limited, [much])
    assert ("units-exceeded", "J9263") in held(record)
    (found,) = (one for one in record.findings if one.kind == "dose-over-limit")
    assert found.value == "J9263: 800 units, the limit is 700"
    usual = dose("O-1", *PUSH, "DRUGA", "170 mg", "WASTE 0 mg", "CLASS antineoplastic", code="J9263")
    assert not [one for one in heard(limited, [usual]).findings if one.kind == "dose-over-limit"]


def test_an_offices_pump_that_goes_home_includes_its_refill_and_disconnection() -> None:
    pump = dose(
        "O-1",
        "202605041000",
        "",
        "IV/IVPB",
        "DRUGA",
        "2400 mg",
        "CLASS antineoplastic",
        "FORM pump",
        "PUMP office",
        "PUMPHOME Y",
        "PUMPHOURS 46",
        "PUMPTYPE portable",
    )
    taken_off = activity("MODISC", "202605060800")
    record = told(heard(live(), [pump]), live(), at(2026, 5, 6), taken_off)
    assert [code for code, _, _ in lines(record)] == ["G0498"]
    assert [skip.reason for skip in record.skips if skip.reason == "included-in-pump"] == ["included-in-pump"]
    other = told(heard(live(kind="commercial"), [pump]), live(kind="commercial"), at(2026, 5, 6), taken_off)
    assert [code for code, _, _ in lines(other)] == ["96416"]


@pytest.mark.parametrize(
    ("level", "separate", "expected"),
    [
        ("99214", "Y", [("99214", ("25",), 1)]),
        ("99214", "N", []),
        ("99214", "", []),
        ("99211", "Y", []),
    ],
)
def test_a_visit_beside_drugs_bears_25_and_99211_is_never_billed(
    level: str, separate: str, expected: list[Line]
) -> None:
    push = dose("O-1", *PUSH, "DRUGA", "999", "CLASS supportive")
    visit = activity("MOVISIT", "202605040830", f"ZVS|{level}|{separate}")
    record = heard(live(), [push, visit])
    assert [line for line in lines(record) if line[0].startswith("992")] == expected
    why = {"N": "bundled", "": "documentation-missing"}.get(separate)
    if why:
        assert (why, "99214") in held(record)
    if level == "99211":
        assert "included-in-administration" in {skip.reason for skip in record.skips}
        assert not any(code == "99211" for _, code in held(record))
    alone = heard(live(), [visit])
    assert [code for code, modifiers, _ in lines(alone) if not modifiers] == [level]
