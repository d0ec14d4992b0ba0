"""Doses, dispenses, orders, appointments, documents and results: what a message says becomes events with their places."""

from __future__ import annotations

import pathlib
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

import mappings
from adapters.hl7v2.capture import NEEDS_A_PERSON, Refused, capture
from adapters.model.event import Event, Status, problems_of
from adapters.model.record import Captured
from adapters.model.site import Feed
from adapters.rules.dialect import Dialect, parse_dialect

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
FEED = Feed("ward", "hl7v2", "example-ras", "America/New_York", "main", person_system="urn:clinic:mrn")
PHYSICIAN = "1999999901^Ardenne^Mira^^^^^^NPI^L^^^NPI"
PV1 = "PV1|1|O|INFUS^C07^^MAIN||||||||||||||||V88"


def shipped(name: str) -> Dialect:
    file = pathlib.Path(mappings.__file__).parent / "feeds" / f"{name}.toml"
    found = parse_dialect(tomllib.loads(file.read_text(encoding="utf-8")), file.name)
    assert isinstance(found, Dialect)
    return found


RAS, ORU, ZSEG = shipped("example-ras"), shipped("example-oru-course"), shipped("example-dft-zseg")


def read(kind: str, *segments: str, by: Dialect = RAS, message: str = "m1", sent: str = "20260106080000") -> Captured:
    head = (f"MSH|^~\\&|WARD|MAIN|ONC|BILL|{sent}||{kind}|C1|P|2.5.1", "PID|1||MR900^^^CLINIC^MR||Quill^Petra")
    body = "\r".join((*head, *segments)).encode()
    found = capture(body, feed=FEED, dialect=by, message=message, received=NOW)
    assert not isinstance(found, Refused), found
    (captured,) = found
    for event in captured.events:
        assert list(problems_of(event)) == []
    return captured


def only(captured: Captured) -> Event:
    (event,) = captured.events
    return event


def told(captured: Captured) -> list[tuple[str, str]]:
    return [(omission.reason, omission.source.at) for omission in captured.omissions]


def facts(event: Event) -> dict[str, tuple[str, str]]:
    return {fact.name: (fact.value, fact.source.at) for fact in event.facts}


def seg(name: str, fields: dict[int, str]) -> str:
    """A segment with the fields numbered; the others are empty."""
    return "|".join([name, *(fields.get(n, "") for n in range(1, max(fields) + 1))])


def rxa(**fields: str) -> str:
    values = {
        1: "0", 2: "1", 3: "20260105091500", 4: "20260105105200", 5: "00006-3026-02^exampline^NDC^J9999^^HCPCS",
        6: "200", 7: "mg^^UCUM", 10: "RN5^Moss^Ida", 15: "LOT1~LOT2", 16: "20270131", 20: "CP", 21: "A",
    }  # fmt: skip
    values.update({int(name[1:]): value for name, value in fields.items()})
    return seg("RXA", values)


ORC = f"ORC|RE|OR7^EPC|RX8^RX||CM|||||||{PHYSICIAN}"


def test_a_dose_carries_drug_times_route_lot_waste_and_status_with_their_places() -> None:
    captured = read(
        "RAS^O17",
        PV1,
        ORC,
        rxa(f19="C61^^I10C"),
        "RXR|IV^Intravenous|LA^Left arm",
        "OBX|1|NM|WASTE||12.5|mg",
        "OBX|2|NM|RATE||150|mL/h",
    )
    event = only(captured)
    assert (event.kind, event.status, event.day) == ("administration", Status.DONE, date(2026, 1, 5))
    assert event.start == datetime(2026, 1, 5, 14, 15, tzinfo=UTC)
    assert event.end == datetime(2026, 1, 5, 15, 52, tzinfo=UTC)
    assert event.keys == ("placer:OR7", "order:RX8")
    assert facts(event) == {
        "waste": ("12.5", "OBX-5"),
        "waste.unit": ("mg", "OBX-6"),
        "site": ("LA", "RXR-2"),
        "rate": ("150", "OBX[2]-5"),
        "rate.unit": ("mL/h", "OBX[2]-6"),
        "drug": ("00006-3026-02", "RXA-5.1"),
        "drug.name": ("exampline", "RXA-5.2"),
        "drug.system": ("NDC", "RXA-5.3"),
        "ndc": ("00006-3026-02", "RXA-5.1"),
        "code": ("J9999", "RXA-5.4"),
        "dose": ("200", "RXA-6"),
        "dose.unit": ("mg", "RXA-7"),
        "lot": ("LOT2", "RXA-15[2]"),
        "expires": ("2027-01-31", "RXA-16"),
        "route": ("IV", "RXR-1"),
        "placer": ("OR7", "ORC-2.1"),
        "filler_order": ("RX8", "ORC-3.1"),
        "facility": ("MAIN", "PV1-3.4"),
        "visit": ("V88", "PV1-19.1"),
        "completion": ("complete", "RXA-20"),
        "action": ("add", "RXA-21"),
        "counter": ("1", "RXA-2"),
        "ordered_by": ("1999999901", "ORC-12.1"),
        "diagnosis": ("C61", "RXA-19.1"),
    }
    assert event.values("lot") == ("LOT1", "LOT2")
    assert told(captured) == []


def test_a_correction_restates_its_dose_and_a_deletion_withdraws_it() -> None:
    first = only(read("RAS^O17", ORC, rxa(f4="")))
    later = only(read("RAS^O17", ORC, rxa(f21="U"), message="m2"))
    gone = only(read("RAS^O17", ORC, rxa(f21="D"), message="m3"))
    assert first.line == later.line == gone.line
    assert (first.end, first.status) == (None, Status.DONE)
    assert later.end is not None
    assert gone.status is Status.WITHDRAWN


def test_two_doses_of_one_order_are_two_though_the_counters_never_move() -> None:
    captured = read("RAS^O17", ORC, rxa(), rxa(f3="20260105140000", f4="20260105150000"), rxa(f5="J1^other^L"))
    assert len({event.line for event in captured.events}) == 3


@pytest.mark.parametrize(
    ("fields", "status", "completion"),
    [
        ({"f20": "RE", "f18": "00^refused^NIP002"}, Status.NOT_DONE, "refused"),
        ({"f20": "NA"}, Status.NOT_DONE, "not-given"),
        ({"f20": "PA"}, Status.DONE, "partial"),
        ({"f20": "", "f18": "00^refused"}, Status.NOT_DONE, ""),
        ({"f20": ""}, Status.DONE, ""),
    ],
)
def test_what_was_refused_is_no_dose(fields: dict[str, str], status: Status, completion: str) -> None:
    event = only(read("RAS^O17", ORC, rxa(**fields)))
    assert (event.status, event.value("completion")) == (status, completion)


@pytest.mark.parametrize(
    ("fields", "expected", "events"),
    [
        ({"f4": "20260105080000"}, [("ill-formed-date", "RXA-4")], 1),  # over midnight or mistyped: a person decides
        ({"f3": ""}, [("no-date", "RXA-3")], 0),
        ({"f3": "5 Jan"}, [("ill-formed-date", "RXA-3")], 0),
        ({"f5": ""}, [("no-code", "RXA-5")], 0),
        ({"f6": "some"}, [("ill-formed", "RXA-6")], 1),
        ({"f20": "ZZ"}, [("unknown-value", "RXA-20")], 1),
        ({"f6": "999"}, [], 1),
    ],
)
def test_what_a_dose_does_not_say_rightly_is_told(
    fields: dict[str, str], expected: list[tuple[str, str]], events: int
) -> None:
    captured = read("RAS^O17", rxa(**fields))
    assert told(captured)[: len(expected)] == expected
    assert len(captured.events) == events
    if events and fields.get("f6"):
        assert only(captured).fact("dose") is None
    assert all(o.line.startswith("ward|administration|") for o in captured.omissions if o.reason in NEEDS_A_PERSON)


def test_a_dispense_fills_an_order() -> None:
    captured = read(
        "RDS^O13",
        ORC,
        seg("RXD", {1: "1", 2: "00006-3026-02^exampline^NDC", 3: "20260105", 4: "4", 5: "VIAL", 7: "RX77", 18: "LOT9"}),
        PV1,
    )
    order, dispense = captured.events
    assert (order.kind, dispense.kind) == ("order", "drug-dispense")
    assert dispense.line == "ward|dispense|RX8|RX77|1"
    assert (dispense.value("dose"), dispense.value("prescription"), dispense.value("lot")) == ("4", "RX77", "LOT9")
    assert told(read("RDS^O13", ORC, "RXD|1|X|soon")) == [("ill-formed-date", "RXD-3")]


def test_a_drug_order_says_drug_dose_rate_and_when() -> None:
    event = only(
        read(
            "RDE^O11",
            PV1,
            f"ORC|NW|OR7^EPC|||||||||{PHYSICIAN}|{PHYSICIAN}",
            seg(
                "RXE",
                {1: "^^^20260107090000", 2: "0143-9634-01^exampline^NDC", 3: "5", 5: "mg^^UCUM"}
                | {23: "150", 24: "mL/h", 25: "40", 26: "mg"},
            ),
            "RXR|IV^Intravenous",
        )
    )
    known = facts(event)
    assert (event.kind, event.line, event.status) == ("order", "ward|order|OR7", Status.DONE)
    assert known["state"] == ("new", "ORC-1")
    assert known["dose"] == ("5", "RXE-3")
    assert (known["rate"], known["rate.unit"]) == (("150", "RXE-23"), ("mL/h", "RXE-24"))
    assert (known["strength"], known["strength.unit"]) == (("40", "RXE-25"), ("mg", "RXE-26"))
    assert known["ndc"] == ("0143-9634-01", "RXE-2.1")
    assert known["route"] == ("IV", "RXR-1")
    assert known["scheduled"] == ("2026-01-07T14:00:00+00:00", "RXE-1.4")
    assert event.start == datetime(2026, 1, 7, 14, tzinfo=UTC)


def test_a_give_order_reads_its_own_fields() -> None:
    event = only(read("RGV^O15", ORC, "RXG|1|1|^^^20260107|00006-3026-02^exampline^NDC|200||mg", "RXR|IV"))
    assert (event.value("dose"), event.value("dose.unit"), event.day.isoformat()) == ("200", "mg", "2026-01-07")


def test_a_request_says_what_it_expects_why_and_how_soon() -> None:
    captured = read(
        "OMG^O19",
        "ORC|NW|OR7^EPC|FL9^RIS",
        seg("OBR", {1: "1", 4: "RTSIM^Simulation^L", 5: "S", 16: PHYSICIAN, 31: "C61^^I10C", 36: "20260109130000"}),
        by=ZSEG,
    )
    event = only(captured)
    assert (event.value("local_code"), event.value("expects"), event.value("priority")) == ("RTSIM", "simulation", "S")
    assert (event.value("ordered_by"), event.value("diagnosis")) == ("1999999901", "C61")
    assert event.start == datetime(2026, 1, 9, 18, tzinfo=UTC)
    assert event.keys == ("placer:OR7", "order:FL9")


@pytest.mark.parametrize(
    ("orc", "state", "status"),
    [
        ("ORC|CA|OR7", "cancelled", Status.NOT_DONE),
        ("ORC|DC|OR7", "discontinued", Status.NOT_DONE),
        ("ORC|HD|OR7", "held", Status.DONE),
        ("ORC|SC|OR7|||CM", "complete", Status.DONE),
        ("ORC|SC|OR7|||DC", "discontinued", Status.NOT_DONE),
        ("ORC|OK|OR7", "", Status.DONE),
    ],
)
def test_the_state_of_an_order(orc: str, state: str, status: Status) -> None:
    event = only(read("ORM^O01", orc, "OBR|1|OR7||X^Y^L"))
    assert (event.value("state"), event.status, event.line) == (state, status, "ward|order|OR7")


SCH = "SCH|AP1^SCH|FA1^EPC|||||RT^Treatment|RTTX^^L|15|min|^^15^20260115090000^20260115091500"


def test_an_appointment_is_an_expected_service() -> None:
    captured = read(
        "SIU^S12",
        SCH,
        PV1,
        "RGS|1",
        "AIS|1|A|RTTX^Session^L|20260115090000|||15|min",
        "AIL|1||LINAC2^TX1^^ANNEX",
        by=ZSEG,
    )
    event = only(captured)
    assert (event.kind, event.line, event.keys) == ("appointment", "ward|appointment|FA1", ("appointment:FA1",))
    assert event.start == datetime(2026, 1, 15, 14, tzinfo=UTC)
    assert event.end == datetime(2026, 1, 15, 14, 15, tzinfo=UTC)
    known = facts(event)
    assert known["expects"] == ("fraction", "AIS-3")
    assert known["state"] == ("booked", "MSH-9")
    assert known["minutes"] == ("15", "AIS-7")
    assert known["machine"] == ("TX1", "AIL-3.2")
    assert known["reason"] == ("RT", "SCH-7")


@pytest.mark.parametrize(
    ("trigger", "filler", "state", "status"),
    [
        ("S13", "", "rescheduled", Status.DONE),
        ("S14", "", "modified", Status.DONE),
        ("S14", "Arrived", "arrived", Status.DONE),
        ("S15", "Cancelled", "cancelled", Status.NOT_DONE),
        ("S17", "", "deleted", Status.WITHDRAWN),
        ("S26", "Noshow", "no-show", Status.NOT_DONE),
        ("S14", "No-show", "no-show", Status.NOT_DONE),
    ],
)
def test_the_state_of_an_appointment(trigger: str, filler: str, state: str, status: Status) -> None:
    booked = only(read("SIU^S12", SCH, "AIS|1|A|77412^^C4|20260115090000"))
    event = only(read(f"SIU^{trigger}", SCH + "|" * 14 + filler))
    assert (event.value("state"), event.status) == (state, status)
    assert event.line == booked.line  # also by SCH alone
    assert booked.value("code") == "77412"


def test_each_service_of_a_visit_is_expected_by_itself() -> None:
    captured = read("SIU^S12", SCH, "AIS|1|A|A1^^L|20260115090000", "AIS|2|A|B1^^L|20260115100000", "AIL|1||R^M1")
    assert [event.line for event in captured.events] == ["ward|appointment|FA1", "ward|appointment|FA1|2"]
    assert [event.value("machine") for event in captured.events] == ["M1", "M1"]
    assert [event.start.hour for event in captured.events] == [14, 15]


def test_an_appointment_without_a_time_says_so() -> None:
    captured = read("SIU^S12", "SCH|AP1")
    assert told(captured) == [("context", "SCH-11")]
    assert only(captured).start == datetime(2026, 1, 6, 13, tzinfo=UTC)


SIGNER = "1999999919^Okoro^Teun^^^^^^NPI^L^^^NPI^^20260105113000"


def txa(status: str, availability: str = "AV", signer: str = "") -> str:
    when = {4: "20260105101500", 5: PHYSICIAN, 6: "20260105103000"}
    return seg(
        "TXA",
        {1: "1", 2: "OTV", 12: "DOC7^EHR", 13: "DOC3^EHR", 14: "OR7", 17: status, 19: availability, 22: signer} | when,
    )


def test_a_document_says_type_time_author_and_who_signed_it_when() -> None:
    captured = read("MDM^T02", PV1, txa("AU", signer=SIGNER), "OBX|1|TX|NOTE||what nobody reads here", by=ORU)
    event = only(captured)
    assert (event.kind, event.line, event.status) == ("document", "ward|document|DOC7", Status.DONE)
    assert event.start == datetime(2026, 1, 5, 15, 15, tzinfo=UTC)
    assert facts(event) == {
        "document": ("DOC7", "TXA-12.1"),
        "document.type": ("OTV", "TXA-2.1"),
        "document.status": ("AU", "TXA-17"),
        "availability": ("AV", "TXA-19"),
        "about": ("DOC3", "TXA-13.1"),
        "placer": ("OR7", "TXA-14.1"),
        "facility": ("MAIN", "PV1-3.4"),
        "visit": ("V88", "PV1-19.1"),
        "signed": ("true", "TXA-17"),
        "by": ("1999999901", "TXA-5.1"),
        "signed_by": ("1999999919", "TXA-22.1"),
        "signed_at": ("2026-01-05T16:30:00+00:00", "TXA-22.15"),
    }
    assert told(captured) == [("context", "OBX")]


def test_a_document_that_waits_for_its_signature_is_not_signed_whoever_stands_in_it() -> None:
    draft = only(read("MDM^T01", txa("DI", signer=SIGNER)))
    assert (draft.value("signed"), draft.fact("signed_by"), draft.fact("signed_at")) == ("false", None, None)
    assert only(read("MDM^T01", txa(""))).fact("signed") is None


def test_a_cancelled_document_is_withdrawn() -> None:
    assert only(read("MDM^T11", txa("AU"))).status is Status.WITHDRAWN
    assert only(read("MDM^T02", txa("AU", "CA"))).status is Status.WITHDRAWN


def obx(n: int, name: str, value: str, unit: str = "") -> str:
    return f"OBX|{n}|ST|{name}^^L||{value}|{unit}||||F"


def test_a_course_summary_says_fractions_dose_and_days() -> None:
    captured = read(
        "ORU^R01",
        "ORC|RE|C1^RT|SUM1^RT",
        seg("OBR", {2: "C1^RT", 3: "SUM1^RT", 4: "RTSUM^^L", 7: "20260301", 16: PHYSICIAN, 25: "F"}),
        obx(1, "DOSE_DELIV", "6000", "cGy"),
        obx(2, "FX_DELIV", "30"),
        obx(3, "FIRST_FX", "20260105"),
        obx(4, "LAST_FX", "20260227"),
        obx(5, "TECH", "IMRT"),
        by=ORU,
    )
    event = only(captured)
    assert (event.kind, event.course, event.line) == ("course-summary", "C1", "ward|result|SUM1|RTSUM")
    assert {name: value for name, (value, _) in facts(event).items()} == {
        "technique": "imrt",
        "fractions": "30",
        "delivered_dose": "6000",
        "delivered_dose.unit": "cGy",
        "first": "2026-01-05",
        "last": "2026-02-27",
        "activity": "RTSUM",
        "ordered_by": "1999999901",
    }
    assert told(captured) == [("context", "ORC")]


def test_a_session_reported_as_a_result_is_a_fraction() -> None:
    obr = seg("OBR", {2: "C1", 3: "FX9", 4: "RTFX^^L", 7: "20260105091500", 8: "20260105093000", 25: "{status}"})
    values = (obx(1, "FX_NUMBER", "9"), obx(2, "SESSION", "2.25.9"), obx(3, "TECH", "imrt"), obx(4, "IGRT", "cbct"))
    event = only(read("ORU^R01", obr.format(status="F"), *values, by=ORU))
    assert (event.kind, event.whole("n"), event.value("guidance")) == ("fraction", 9, "cbct")
    assert "uid:2.25.9" in event.keys
    assert event.end is not None
    early = read("ORU^R01", obr.format(status="P"), *values, by=ORU)
    assert early.events == ()
    assert ("in-progress", "OBR") in told(early)
    assert only(read("ORU^R01", obr.format(status="X"), *values, by=ORU)).status is Status.WITHDRAWN
    assert only(read("ORU^R01", obr.format(status="C"), *values, by=ORU)).line == event.line


def test_a_laboratory_result_is_named_and_nothing_of_it_kept() -> None:
    captured = read("ORU^R01", "OBR|1|A|B|PSA^^L|||20260105", obx(1, "PSA", "4.2"), by=ORU)
    assert captured.events == ()
    assert told(captured) == [("not-used-yet", "OBR"), ("not-used-yet", "OBX")]


def test_several_messages_in_one_body_keep_their_places_apart() -> None:
    bare = replace(RAS, administration=())
    one = "MSH|^~\\&|W|M|O|B|20260106||RAS^O17|{n}|P|2.5.1\rPID|1||MR{n}^^^C^MR\r" + rxa() + "\r"
    found = capture((one.format(n=1) + one.format(n=2)).encode(), feed=FEED, dialect=bare, message="m1", received=NOW)
    assert not isinstance(found, Refused)
    assert [c.events[0].line for c in found] == ["m1|message[1]/RXA", "m1|message[2]/RXA"]


def test_a_start_with_its_offset_is_the_start_without_it() -> None:
    first = only(read("RAS^O17", ORC, rxa(f4="")))
    later = only(read("RAS^O17", ORC, rxa(f3="20260105091500-0500", f21="U"), message="m2"))
    assert first.line == later.line


# ---------------------------------------------------------------- what the charging of a visit needs


def test_the_method_the_part_and_a_credit_by_code_are_read_as_the_dialect_says() -> None:
    event = only(read("RAS^O17", ORC, rxa(), "RXR|IV|||IVPB^Piggyback^HL70165", "OBX|1|ST|PART||first-7"))
    assert event.value("method") == "IVPB"
    assert event.keys == ("placer:OR7", "order:RX8", "part:first-7")
    charge = "FT1|1|T{n}||20260105|20260105|{type}|CDM|||{units}|" + "|" * 14 + "J1100^^HCPCS"
    credit = only(read("DFT^P03", charge.format(n=2, type="CR", units="4")))
    assert (credit.status, credit.value("credit"), credit.value("units")) == (Status.DONE, "true", "4")
    below = only(read("DFT^P03", charge.format(n=3, type="CG", units="-4")))
    assert (below.status, below.value("credit"), below.value("units")) == (Status.DONE, "true", "4")
    charged = only(read("DFT^P03", charge.format(n=4, type="CG", units="4")))
    assert charged.fact("credit") is None
    assert len({event.line for event in (credit, below, charged)}) == 3
    service = read("DFT^P03", "FT1|1|T5||20260105|20260105|CR|MOVISIT")
    assert ([e.kind for e in service.events], told(service)) == ([], [("credit-unmatched", "FT1")])


@pytest.mark.parametrize(
    ("fields", "times", "ended"),
    [
        ({}, "", True),
        ({"f4": ""}, "", False),
        ({"f4": "20260105080000"}, "unusable", False),
        ({"f4": "soon"}, "unusable", False),
        ({"f4": "20260105"}, "", False),
        ({"f3": "20260105", "f4": "20260105140000"}, "date-only", True),
    ],
)
def test_times_that_cannot_be_reckoned_with_are_told_as_such(fields: dict[str, str], times: str, ended: bool) -> None:
    event = only(read("RAS^O17", ORC, rxa(**fields)))
    assert (event.value("times"), event.end is not None) == (times, ended)


def test_a_recurring_account_names_no_visit() -> None:
    recurring = PV1.replace("|O|", "|R|")
    event = only(read("RAS^O17", recurring, ORC, rxa()))
    assert (event.value("visit"), event.value("facility")) == ("", "MAIN")
    assert only(read("RAS^O17", PV1, ORC, rxa())).value("visit") == "V88"
