"""FT1 field by field: what a charge says becomes facts with their places, or an omission that names the place."""

from __future__ import annotations

import pathlib
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

import mappings
from adapters.hl7v2.capture import REASONS, Refused, capture
from adapters.model.event import Event, Status, problems_of
from adapters.model.record import Captured
from adapters.model.site import Feed
from adapters.rules.dialect import Dialect, parse_dialect
from adapters.rules.location import Location

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
FEED = Feed("clinic", "hl7v2", "plain-dft", "America/New_York", "main", person_system="urn:clinic:mrn")
PHYSICIAN = "1999999901^Ardenne^Mira^^^^^^NPI^L^^^NPI"


def dialect(name: str = "plain-dft", **changes: object) -> Dialect:
    file = pathlib.Path(mappings.__file__).parent / "feeds" / f"{name}.toml"
    found = parse_dialect(tomllib.loads(file.read_text(encoding="utf-8")), file.name)
    assert isinstance(found, Dialect)
    return replace(found, people_from=frozenset(), **changes)  # type: ignore[arg-type]


def ft1(**fields: str) -> str:
    """An FT1 of a coded charge; `f10="3"` sets FT1-10, an empty text empties it."""
    values = {
        1: "1", 2: "T1", 4: "20260105", 5: "20260106", 6: "CG", 7: "RT77412^LOCAL^L", 10: "1",
        25: "77412^^C4",
    }  # fmt: skip
    values.update({int(name[1:]): value for name, value in fields.items()})
    return "|".join(["FT1", *(values.get(n, "") for n in range(1, max(values) + 1))])


def dft(*segments: str, trigger: str = "P03", sent: str = "20260106080000") -> bytes:
    head = (
        f"MSH|^~\\&|MOSAIQ|RADONC|ONC|BILL|{sent}||DFT^{trigger}|C1|P|2.5.1",
        f"EVN|{trigger}|20260106075959",
        "PID|1||MR900^^^CLINIC^MR||Quill^Petra||19610203|F",
    )
    return "\r".join((*head, *segments)).encode() + b"\r"


def read(*segments: str, by: Dialect | None = None, trigger: str = "P03", sent: str = "20260106080000") -> Captured:
    body = dft(*segments, trigger=trigger, sent=sent)
    found = capture(body, feed=FEED, dialect=by or dialect(), message="m1", received=NOW)
    assert not isinstance(found, Refused), found
    (captured,) = found
    for event in captured.events:
        assert list(problems_of(event)) == []
    for omission in captured.omissions:
        assert omission.reason in REASONS
    return captured


def only(captured: Captured) -> Event:
    (event,) = captured.events
    return event


def told(captured: Captured) -> list[tuple[str, str]]:
    return [(omission.reason, omission.source.at) for omission in captured.omissions]


def facts(event: Event) -> dict[str, tuple[str, str]]:
    return {fact.name: (fact.value, fact.source.at) for fact in event.facts}


def test_a_coded_charge_carries_every_field_with_its_place() -> None:
    captured = read(
        "PV1|1|O|RADONC^TX1^^MAIN||||||||||||||||V77",
        ft1(
            f3="B9",
            f12="75",
            f4="20260105101500^20260105103000",
            f10="2",
            f11="150.00&USD^UP",
            f13="RADONC^Radiation Oncology^L",
            f16="RADONC^TX2^^ANNEX",
            f19="C61^^I10C~Z510^^I10C",
            f20=PHYSICIAN,
            f21="1999999919^Okoro^Teun^^^^^^&2.16.840.1.113883.4.6&ISO",
            f23="ORD5^MOSAIQ",
            f26="26~59",
            f29="50242-060-01^^NDC",
            f27="1",
            f28="2",
            f30="PAY1",
            f31="77",
            f36="SP",
            f37="CL2",
            f38="REF1",
            f39="PA77",
            f40="207RH0003X",
            f41="0333",
            f42="RX9",
            f43="26.5^ML",
        ),
    )
    event = only(captured)
    assert event.kind == "coded-charge"
    assert facts(event) == {
        "code": ("77412", "FT1-25"),
        "local_code": ("RT77412", "FT1-7"),
        "modifier": ("59", "FT1-26[2]"),
        "units": ("2", "FT1-10"),
        "amount": ("150.00", "FT1-11.1"),
        "type": ("CG", "FT1-6"),
        "ndc": ("50242-060-01", "FT1-29.1"),
        "revenue": ("0333", "FT1-41.1"),
        "authorization": ("PA77", "FT1-39.1"),
        "department": ("RADONC", "FT1-13.1"),
        "unit_amount": ("75", "FT1-12.1"),
        "posted": ("2026-01-06", "FT1-5"),
        "batch": ("B9", "FT1-3.1"),
        "filler_order": ("ORD5", "FT1-23.1"),
        "abn": ("1", "FT1-27.1"),
        "duplicate_reason": ("2", "FT1-28.1"),
        "payment_reference": ("PAY1", "FT1-30.1"),
        "transaction_reference": ("77", "FT1-31.1"),
        "special": ("SP", "FT1-36.1"),
        "clinic": ("CL2", "FT1-37.1"),
        "referral": ("REF1", "FT1-38.1"),
        "taxonomy": ("207RH0003X", "FT1-40.1"),
        "prescription": ("RX9", "FT1-42.1"),
        "ndc.quantity": ("26.5", "FT1-43.1"),
        "ndc.unit": ("ML", "FT1-43.2"),
        "diagnosis": ("Z51.0", "FT1-19[2].1"),
        "by": ("1999999901", "FT1-20.1"),
        "ordered_by": ("1999999919", "FT1-21.1"),
        "facility": ("ANNEX", "FT1-16.4"),
        "visit": ("V77", "PV1-19.1"),
    }
    assert event.values("modifier") == ("26", "59")
    assert event.values("diagnosis") == ("C61", "Z51.0")
    assert event.day == date(2026, 1, 5)
    assert event.start == datetime(2026, 1, 5, 15, 15, tzinfo=UTC)
    assert event.end == datetime(2026, 1, 5, 15, 30, tzinfo=UTC)
    assert event.said == datetime(2026, 1, 6, 13, tzinfo=UTC)
    assert event.line == "clinic|T1|coded"
    assert event.keys == ("order:ORD5", "txn:clinic|T1", "ft1:m1|1")
    assert event.status is Status.DONE
    assert event.source.message == "m1"
    assert event.source.at == "FT1"
    assert told(captured) == []


def test_the_same_bytes_give_the_same_ids_and_another_message_others() -> None:
    body = dft(ft1(), ft1(f1="2", f2="T2"))

    def ids(message: str) -> list[str]:
        found = capture(body, feed=FEED, dialect=dialect(), message=message, received=NOW)
        assert not isinstance(found, Refused)
        return [event.id for event in found[0].events]

    assert ids("m1") == ids("m1")
    assert len({*ids("m1"), *ids("m2")}) == 4


@pytest.mark.parametrize(
    ("text", "units", "omitted"),
    [
        ("", "1", []),
        ("3", "3", []),
        ("1.0", "1", []),
        ("1.50", "1.5", []),
        ("100", "100", []),
        ('""', None, []),
        ("1,5", None, [("ill-formed", "FT1-10")]),
        ("1 O", None, [("ill-formed", "FT1-10")]),
    ],
)
def test_quantity(text: str, units: str | None, omitted: list[tuple[str, str]]) -> None:
    captured = read(ft1(f10=text))
    fact = only(captured).fact("units")
    assert (fact and fact.value) == units
    assert told(captured) == omitted
    if not text:
        assert fact is not None
        assert fact.source.at == "assumed: FT1-10 is empty"


def test_without_an_agreed_default_an_empty_quantity_is_no_quantity() -> None:
    assert only(read(ft1(f10=""), by=dialect(quantity_default=""))).fact("units") is None


@pytest.mark.parametrize(
    ("fields", "amount", "omitted"),
    [
        ({"f11": "12.50"}, ("12.50", "FT1-11.1"), []),
        ({"f12": "12.25&USD", "f10": "3"}, ("36.75", "FT1-12.1"), []),
        ({"f11": "12.50", "f12": "1.00"}, ("12.50", "FT1-11.1"), []),
        ({"f11": "twelve"}, None, [("ill-formed", "FT1-11.1")]),
        ({"f12": "12.25", "f10": '""'}, None, [("ill-formed", "FT1-12.1")]),
        ({"f11": '""'}, None, []),
    ],
)
def test_amount(fields: dict[str, str], amount: tuple[str, str] | None, omitted: list[tuple[str, str]]) -> None:
    captured = read(ft1(**fields))
    assert facts(only(captured)).get("amount") == amount
    assert told(captured) == omitted


@pytest.mark.parametrize(
    ("text", "forms", "modifiers", "omitted"),
    [
        ("26", {"repetitions"}, ("26",), []),
        ("26~59~TC", {"repetitions"}, ("26", "59", "TC"), []),
        ("26^59", {"repetitions"}, ("26",), []),
        ("26^59", {"repetitions", "components"}, ("26", "59"), []),
        ("26^Professional^C4", {"repetitions", "components"}, ("26",), []),
        ("26TC59", {"repetitions", "joined"}, ("26", "TC", "59"), []),
        ("26TC59", {"repetitions"}, ("26TC59",), [("ill-formed", "FT1-26")]),
        ("lt", {"repetitions"}, ("LT",), []),
        ('""', {"repetitions"}, (), []),
        ("", {"repetitions"}, ("76",), []),
    ],
)
def test_modifiers(text: str, forms: set[str], modifiers: tuple[str, ...], omitted: list[tuple[str, str]]) -> None:
    captured = read(ft1(f26=text), "PR1|1||77412^^C4|||||||||||||76", by=dialect(modifier_forms=frozenset(forms)))
    assert only(captured).values("modifier") == modifiers
    assert told(captured) == ([*omitted, ("context", "PR1")] if text else omitted)


@pytest.mark.parametrize(
    ("fields", "more", "expected"),
    [
        ({}, (), {"code": "77412", "local_code": "RT77412"}),
        ({"f25": ""}, ("PR1|1||77336^^C4",), {"code": "77336", "local_code": "RT77412"}),
        ({"f25": '""'}, ("PR1|1||77336^^C4",), {"local_code": "RT77412"}),
        ({"f25": ""}, (), {"local_code": "RT77412"}),
        ({"f25": "", "f7": "g6015^^HCPCS"}, (), {"code": "G6015", "local_code": "g6015"}),
    ],
)
def test_where_the_code_is_found(fields: dict[str, str], more: tuple[str, ...], expected: dict[str, str]) -> None:
    event = only(read(ft1(**fields), *more))
    assert {name: event.value(name) for name in ("code", "local_code") if event.fact(name)} == expected


def test_a_code_of_no_known_form_is_told_and_the_local_code_stands() -> None:
    captured = read(ft1(f25="7741^^C4"))
    assert only(captured).value("code") == ""
    assert only(captured).value("local_code") == "RT77412"
    assert told(captured) == [("ill-formed", "FT1-25")]


def test_neither_code_nor_local_code_is_told() -> None:
    captured = read(ft1(f7="", f25=""))
    assert captured.events == ()
    assert told(captured) == [("no-code", "FT1")]


def test_each_procedure_of_an_uncoded_charge_is_a_charge() -> None:
    captured = read(ft1(f25="", f11="90.00"), "PR1|1||77336^^C4", "PR1|2||77427^^C4|||||||||||||26")
    first, second = captured.events
    assert (first.value("code"), first.line) == ("77336", "clinic|T1|coded")
    assert (second.value("code"), second.line) == ("77427", "clinic|T1|coded|2")
    assert (first.values("modifier"), second.values("modifier")) == ((), ("26",))
    # One amount for two procedures says nothing of either.
    assert first.fact("amount") is None
    assert second.fact("amount") is None
    assert first.id != second.id


def test_a_procedure_beside_another_code_is_told() -> None:
    captured = read(ft1(), "PR1|1||77412^^C4", "PR1|2||77336^^C4")
    assert only(captured).value("code") == "77412"
    assert told(captured) == [("second-procedure", "PR1[2]"), ("context", "PR1")]


@pytest.mark.parametrize(
    ("text", "day", "start_hour", "end_hour", "omitted"),
    [
        ("20260105", date(2026, 1, 5), 17, None, []),  # noon in New York
        ("20260105^20260109", date(2026, 1, 5), 17, 17, []),
        ("202601051000^202601051030", date(2026, 1, 5), 15, 15, []),
        ("20260105230000-0800", date(2026, 1, 5), 7, None, []),  # the day as sent, the instant by its offset
        ("20260105^D", date(2026, 1, 5), 17, None, []),  # TS.2 up to v2.4
        ("202601051000^20260105", date(2026, 1, 5), 15, None, []),
        ("20260105^20260101", date(2026, 1, 5), 17, None, [("ill-formed-date", "FT1-4.2")]),
        ("20260105^soon", date(2026, 1, 5), 17, None, [("ill-formed-date", "FT1-4.2")]),
    ],
)
def test_dates(text: str, day: date, start_hour: int, end_hour: int | None, omitted: list[tuple[str, str]]) -> None:
    captured = read(ft1(f4=text))
    event = only(captured)
    assert event.day == day
    assert event.start.hour == start_hour
    assert event.start.tzinfo is UTC
    assert (event.end and event.end.hour) == end_hour
    assert told(captured) == omitted


@pytest.mark.parametrize("text", ["20260231", "202601", "05.01.2026", "00010101"])
def test_a_bad_date_stops_its_charge_and_no_other(text: str) -> None:
    captured = read(ft1(f4=text), ft1(f1="2", f2="T2"))
    assert only(captured).line == "clinic|T2|coded"
    assert told(captured) == [("ill-formed-date", "FT1-4")]


def test_a_missing_date_is_that_of_the_procedure_or_told() -> None:
    assert only(read(ft1(f4=""), "PR1|1||77412^^C4||20260104")).day == date(2026, 1, 4)
    captured = read(ft1(f4=""))
    assert captured.events == ()
    assert told(captured) == [("no-date", "FT1-4")]


@pytest.mark.parametrize(
    ("xcn", "npi"),
    [
        (PHYSICIAN, "1999999901"),
        ("RN55^Pruitt^Dana^^^^RN~" + PHYSICIAN, "1999999901"),
        ("1999999901^Ardenne^Mira", "1999999901"),  # bare, check digit right
        ("1999999902^Ardenne^Mira", None),
        ("1999999901^Ardenne^Mira^^^^^^LOCAL", None),
        ("1999999901^Ardenne^Mira^^^^^^^^^^EN", None),
        ("RN55^Pruitt^Dana^^^^RN", None),
        ('""', None),
    ],
)
def test_a_provider_counts_by_npi_alone(xcn: str, npi: str | None) -> None:
    captured = read(ft1(f20=xcn))
    fact = only(captured).fact("by")
    assert (fact and fact.value) == npi
    assert told(captured) == ([] if npi or xcn == '""' else [("not-an-npi", "FT1-20")])


def test_diagnoses_of_the_message_stand_in_only_where_the_line_says_nothing() -> None:
    dg1 = ("DG1|1||C50.412^^I10C|||F", "DG1|2||Z510^^I10C|||F")
    assert only(read(ft1(), *dg1)).values("diagnosis") == ("C50.412", "Z51.0")
    assert only(read(ft1(f19='""'), *dg1)).values("diagnosis") == ()
    captured = read(ft1(f19="C61^^I10C"), *dg1)
    assert only(captured).values("diagnosis") == ("C61",)
    assert told(captured) == [("not-used-yet", "DG1"), ("not-used-yet", "DG1[2]")]


def test_in_p11_each_charge_has_its_own_diagnoses_and_authorization() -> None:
    own = ("DG1|1||C61^^I10C", "IN1|1|MCR|00450|Medicare", "IN3|1|PA1")
    captured = read(ft1(), *own, ft1(f1="2", f2="T2"), "DG1|1||C34.11^^I10C", trigger="P11")
    first, second = captured.events
    assert (first.values("diagnosis"), first.value("authorization")) == (("C61",), "PA1")
    assert (second.values("diagnosis"), second.value("authorization")) == (("C34.11",), "")


def test_in_p03_what_follows_the_charges_holds_for_the_message() -> None:
    captured = read(ft1(), ft1(f1="2", f2="T2"), "DG1|1||C61^^I10C", "IN1|1|MCR", "IN3|1|PA1")
    assert [event.values("diagnosis") for event in captured.events] == [("C61",), ("C61",)]


@pytest.mark.parametrize(
    ("text", "reason"), [("363346000^^SCT", "other-code-system"), ("PROSTATE^^I10C", "ill-formed")]
)
def test_a_diagnosis_that_is_none_is_told(text: str, reason: str) -> None:
    captured = read(ft1(f19=f"{text}~C61^^I10C"))
    assert only(captured).values("diagnosis") == ("C61",)
    assert told(captured) == [(reason, "FT1-19.1")]


def test_what_a_field_says_in_no_known_form_is_named() -> None:
    captured = read(ft1(f5="yesterday", f11="10", f12="ten", f43="26 mL"))
    assert len(captured.events) == 1
    assert told(captured) == [("ill-formed", "FT1-12.1"), ("ill-formed", "FT1-43.1"), ("unknown-value", "FT1-5")]


@pytest.mark.parametrize(
    ("dates", "text", "day"),
    [
        ({"iso"}, "2026-01-05T09:30", "2026-01-05"),
        ({"iso"}, "2026-01-05T23:30-05:00", "2026-01-05"),
        ({"us"}, "1/5/2026", "2026-01-05"),
        ({"european"}, "05.01.2026 09:30", "2026-01-05"),
        ({"iso", "us"}, "20260105", "2026-01-05"),
    ],
)
def test_a_date_is_read_in_the_notations_agreed_and_in_no_other(dates: set[str], text: str, day: str) -> None:
    event = only(read(ft1(f4=text), by=dialect(dates=frozenset(dates))))
    assert event.day.isoformat() == day
    if text != "20260105":
        assert told(read(ft1(f4=text))) == [("ill-formed-date", "FT1-4")]


def test_a_decimal_comma_is_read_where_it_was_agreed() -> None:
    agreed = only(read(ft1(f10="1,5", f11="10,20"), by=dialect(decimal_comma=True)))
    assert (agreed.value("units"), agreed.value("amount")) == ("1.5", "10.20")
    assert told(read(ft1(f10="1,5"))) == [("ill-formed", "FT1-10")]


def test_what_is_left_out_of_a_charge_names_its_line_so_that_a_resend_can_mend_it() -> None:
    (omission,) = read(ft1(f4="20260230")).omissions
    assert (omission.line, omission.said) == ("clinic|T1", datetime(2026, 1, 6, 13, tzinfo=UTC))
    (unnamed,) = read(ft1(f2="", f4="20260230")).omissions
    assert (unnamed.line, unnamed.said) == ("", None)


def test_an_overlong_value_drops_out_and_the_rest_of_the_charge_stands() -> None:
    captured = read(ft1(f13="X" * 501))
    assert only(captured).value("code") == "77412"
    assert only(captured).fact("department") is None
    assert told(captured) == [("ill-formed", "FT1-13.1")]


@pytest.mark.parametrize("kind", ["PY", "AJ", "CO"])
def test_payments_are_no_charges(kind: str) -> None:
    captured = read(ft1(f6=kind))
    assert captured.events == ()
    assert told(captured) == [("not-a-charge", "FT1")]


@pytest.mark.parametrize("kind", ["", "XX", '""'])
def test_a_type_outside_the_agreement_is_told(kind: str) -> None:
    captured = read(ft1(f6=kind))
    assert captured.events == ()
    assert told(captured) == [("unknown-transaction-type", "FT1")]


@pytest.mark.parametrize(
    ("fields", "units"),
    [
        ({"f6": "CD", "f10": "-1"}, "1"),  # (a)
        ({"f6": "CR", "f10": "-2"}, "2"),  # (a)
        ({"f6": "CD", "f10": "1"}, "1"),  # (b)
        ({"f6": "cr"}, "1"),  # (b)
        ({"f10": "-1"}, "1"),  # (c) by quantity
        ({"f11": "-150.00"}, "1"),  # (c) by amount
    ],
)
def test_a_credit_restates_the_line_as_withdrawn(fields: dict[str, str], units: str) -> None:
    charged, credited = only(read(ft1())), only(read(ft1(**fields)))
    assert credited.status is Status.WITHDRAWN
    assert credited.line == charged.line
    assert credited.value("units") == units
    assert "-" not in credited.value("amount")


def test_a_credit_and_its_rebill_in_one_message() -> None:  # (d)
    captured = read(ft1(f6="CR", f10="-1", f26="26"), ft1(f1="2", f2="T2", f26="TC"))
    back, again = captured.events
    assert (back.line, back.status) == ("clinic|T1|coded", Status.WITHDRAWN)
    assert (again.line, again.status, again.values("modifier")) == ("clinic|T2|coded", Status.DONE, ("TC",))
    assert back.said == again.said


def test_a_rebill_under_the_same_number_is_said_after_its_credit() -> None:
    captured = read(ft1(f6="CR", f10="-1"), ft1(f1="2", f26="TC"))
    back, again = captured.events
    assert back.line == again.line
    assert back.said < again.said
    assert again.status is Status.DONE


def test_a_credit_that_names_its_charge_elsewhere() -> None:  # (e)
    by = dialect(credits=frozenset(), original=Location("FT1", 3))
    event = only(read(ft1(f6="CD", f2="T9", f3="T1"), by=by))
    assert (event.line, event.status) == ("clinic|T1|coded", Status.WITHDRAWN)
    assert "txn:clinic|T1" in event.keys
    captured = read(ft1(f6="CD", f2="T9"), by=by)
    assert captured.events == ()
    assert told(captured) == [("credit-unmatched", "FT1")]


def test_a_quantity_below_zero_outside_the_agreement_is_no_credit() -> None:
    captured = read(ft1(f10="-1"), by=dialect(credits=frozenset({"same-transaction"})))
    assert only(captured).status is Status.DONE
    assert only(captured).fact("units") is None
    assert told(captured) == [("ill-formed", "FT1-10")]


def test_without_a_transaction_number_the_line_is_the_place() -> None:
    captured = read(ft1(f2=""), ft1(f1="2", f2=""))
    assert [event.line for event in captured.events] == ["m1|FT1|coded", "m1|FT1[2]|coded"]
    assert [event.keys for event in captured.events] == [("ft1:m1|1",), ("ft1:m1|2",)]


def test_a_charge_cut_by_a_line_break_is_not_trusted() -> None:
    captured = read(ft1(f2="T0"), "and the rest of its text|||77412", ft1())
    assert only(captured).line == "clinic|T1|coded"
    assert told(captured) == [("cut-short", "FT1"), ("stray-line", "line 5")]


def test_msh_7_says_when_else_evn_2_else_the_receipt() -> None:
    assert only(read(ft1(), sent="20260106080000.5+0000")).said == datetime(2026, 1, 6, 8, 0, 0, 500_000, tzinfo=UTC)
    assert only(read(ft1(), sent="")).said == datetime(2026, 1, 6, 12, 59, 59, tzinfo=UTC)
    body = dft(ft1(), sent="yesterday").replace(b"EVN|P03|20260106075959", b"EVN|P03")
    found = capture(body, feed=FEED, dialect=dialect(), message="m1", received=NOW)
    assert not isinstance(found, Refused)
    assert only(found[0]).said == NOW


ACTIVITIES = """
id = "x"
media = "hl7v2"
title = "t"
cite = "c"
[keys]
course = ["ZRT-1", "PV1-50"]
uid = { from = "OBX(UID)-5", kinds = ["fraction"] }
[activities.RT3DTX]
kind = ["fraction", "igrt-review"]
facts = { technique = "3d", modality = "photon" }
[facts.technique]
from = "ZRT-2"
values = { I = "imrt" }
kinds = ["fraction"]
[facts.n]
from = ["OBX(FX)-5", "ZRT-3"]
type = "whole"
kinds = ["fraction"]
[facts."motion.active"]
from = "ZRT-4"
type = "flag"
kinds = ["fraction"]
[facts."guidance.reviewed_at"]
from = "ZRT-5"
type = "instant"
[facts.about]
from = "ZRT-6"
prefix = "uid:"
repeat = true
kinds = ["igrt-review"]
[facts.images]
from = "ZRT-7"
type = "whole"
default = "1"
kinds = ["igrt-review"]
[facts.group]
from = "ZRT-8"
kinds = ["coded-charge"]
"""


def activities() -> Dialect:
    found = parse_dialect(tomllib.loads(ACTIVITIES), "x.toml", ACTIVITIES)
    assert isinstance(found, Dialect)
    return found


def test_an_activity_gives_its_events_and_a_code_beside_it_a_charge_that_meets_them() -> None:
    captured = read(
        ft1(f7="RT3DTX"),
        "ZRT|C1||4|Y|202601051100|u1~u2||G",
        "OBX|1|ST|UID^^L||2.25.7",
        "OBX|2|NM|FX^^L||5",
        by=activities(),
    )
    session, review, coded = captured.events
    assert [event.kind for event in captured.events] == ["fraction", "igrt-review", "coded-charge"]
    assert {event.course for event in captured.events} == {"C1"}
    assert [event.line for event in captured.events] == ["clinic|T1", "clinic|T1|igrt-review", "clinic|T1|coded"]
    assert facts(session) == {
        "activity": ("RT3DTX", "FT1-7"),
        "technique": ("3d", "FT1-7"),
        "modality": ("photon", "FT1-7"),
        "n": ("5", "OBX[2]-5"),
        "motion.active": ("true", "ZRT-4"),
        "guidance.reviewed_at": ("2026-01-05T11:00:00-05:00", "ZRT-5"),
    }
    assert review.values("about") == ("uid:u1", "uid:u2")
    assert review.fact("images") is not None
    assert facts(review)["images"] == ("1", "assumed: ZRT-7 is empty")
    assert facts(coded)["group"] == ("G", "ZRT-8")
    assert coded.fact("technique") is None
    assert "uid:2.25.7" in session.keys
    assert "uid:2.25.7" not in coded.keys
    assert {"txn:clinic|T1", "ft1:m1|1"} <= set(session.keys) & set(review.keys) & set(coded.keys)
    assert told(captured) == [("context", "OBX")]  # it gave an identity, no fact


def test_an_activity_without_a_code_is_no_coded_charge() -> None:
    captured = read(ft1(f7="RT3DTX", f25=""), "ZRT|C1", by=activities())
    assert [event.kind for event in captured.events] == ["fraction", "igrt-review"]


def test_a_field_outranks_what_the_activity_alone_says() -> None:
    session = read(ft1(f7="RT3DTX"), "ZRT|C1|i", by=activities()).events[0]
    assert facts(session)["technique"] == ("imrt", "ZRT-2")


def test_a_word_the_mapping_does_not_know_is_told_and_nothing_put_in_its_place() -> None:
    captured = read(ft1(f7="RT3DTX"), "ZRT|C1|VMATX|four|maybe|today", by=activities())
    session = captured.events[0]
    assert {"technique", "n", "motion.active", "guidance.reviewed_at"}.isdisjoint(facts(session))
    assert [(r, at) for r, at in told(captured) if at != "ZRT-5"] == [
        ("unknown-value", "ZRT-2"),
        ("ill-formed", "ZRT-3"),
        ("ill-formed", "ZRT-4"),
    ]


def test_the_facts_of_a_charge_come_from_the_segments_that_follow_it() -> None:
    captured = read(ft1(f7="RT3DTX"), "ZRT|C1||1", ft1(f1="2", f2="T2", f7="RT3DTX"), "ZRT|C2||2", by=activities())
    sessions = [event for event in captured.events if event.kind == "fraction"]
    assert [(s.course, s.value("n"), s.fact("n") and facts(s)["n"][1]) for s in sessions] == [
        ("C1", "1", "ZRT-3"),
        ("C2", "2", "ZRT[2]-3"),
    ]


def test_a_credit_withdraws_the_activity_and_its_charge() -> None:
    captured = read(ft1(f6="CD", f7="RT3DTX"), "ZRT|C1", by=activities())
    assert {event.status for event in captured.events} == {Status.WITHDRAWN}
    assert len(captured.events) == 3


def test_the_flat_shape_reads_code_joined_modifiers_iso_date_and_the_charge_taken_back() -> None:
    flat = dialect("example-dft-flat")
    charge = only(read(ft1(f4="2026-01-05", f7="77412", f25="", f26="26TC"), by=flat))
    assert (charge.value("code"), charge.values("modifier"), charge.day) == ("77412", ("26", "TC"), date(2026, 1, 5))
    credit = only(read(ft1(f2="T9", f3="T1", f6="CR"), by=flat))
    assert (credit.line, credit.status) == (charge.line, Status.WITHDRAWN)
    assert told(read(ft1(f2="T9", f6="CR"), by=flat)) == [("credit-unmatched", "FT1")]


# ---------------------------------------------------------------- payments


def paid(**fields: str) -> str:
    return ft1(**{"f2": "P1", "f6": "PY", "f7": "COPAY", "f11": "25.00&USD", "f25": ""} | fields)


def payments(captured: Captured) -> list[tuple[str, str, str]]:
    events = [event for event in captured.events if event.kind == "patient-payment"]
    assert [event.kind for event in captured.events] == [event.kind for event in events]
    return [(event.line, event.value("amount"), event.value("unposted")) for event in events]


def test_a_payment_is_left_out_and_told_where_nothing_is_agreed() -> None:
    found = read(paid())
    assert found.events == ()
    assert ("not-a-charge", "FT1") in [(o.reason, o.source.at) for o in found.omissions]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [("clinic|P1|payment", "25.00", "")]),
        ({"f11": "", "f12": "7.5"}, [("clinic|P1|payment", "7.50", "")]),
        ({"f12": "25"}, [("clinic|P1|payment", "25.00", "")]),
        ({"f11": "-25"}, [("clinic|P1|payment", "-25.00", "")]),
        ({"f14": "MCRB"}, [("clinic|P1|payment", "25.00", "insurance")]),
        ({"f2": ""}, [("m1|FT1|payment", "25.00", "number")]),
    ],
)
def test_a_payment_is_the_patients_where_it_is_agreed_and_nothing_speaks_against_it(
    fields: dict[str, str], expected: list[tuple[str, str, str]]
) -> None:
    assert payments(read(paid(**fields), by=dialect(payments="patient"))) == expected


def test_a_payment_may_be_written_as_what_comes_off_and_may_be_of_other_types() -> None:
    by = dialect(payments="patient", payment_sign="negative", payment_types=frozenset({"PA"}))
    assert payments(read(paid(f6="PA", f11="-25.00"), by=by)) == [("clinic|P1|payment", "25.00", "")]
    assert payments(read(paid(f6="PA", f11="5.00"), by=by)) == [("clinic|P1|payment", "-5.00", "")]
    assert read(paid(), by=by).events == ()
    assert payments(read(paid(), by=dialect(payments="note"))) == [("clinic|P1|payment", "25.00", "note")]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"f11": "25.001"}, "ill-formed"),
        ({"f11": "much"}, "ill-formed"),
        ({"f11": "0"}, "ill-formed"),
        ({"f11": ""}, "ill-formed"),
        ({"f11": "1", "f12": "25.00"}, "ill-formed"),
        ({"f4": ""}, "no-date"),
        ({"f4": "soon"}, "ill-formed-date"),
    ],
)
def test_a_payment_that_cannot_be_read_is_told(fields: dict[str, str], reason: str) -> None:
    found = read(paid(**fields), by=dialect(payments="patient"))
    assert found.events == ()
    assert reason in [omission.reason for omission in found.omissions]


@pytest.mark.parametrize(("key", "value"), [("payments", "all"), ("payment_sign", "minus"), ("payment_types", ["CG"])])
def test_what_is_agreed_of_payments_is_one_of_few_words(key: str, value: object) -> None:
    plain: dict[str, object] = {"id": "x", "kind": "dialect", "media": "hl7v2", "title": "t", "cite": "c"}
    found = parse_dialect(plain | {key: value}, "x.toml")
    assert not isinstance(found, Dialect)
    assert [problem.message.partition(":")[0].partition(" ")[0] for problem in found] == [key]
