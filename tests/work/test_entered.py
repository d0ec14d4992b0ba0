"""The file that a person enters, read strictly."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.model.decision import Verb
from adapters.model.people import Identifier
from adapters.work.entered import Entered, read_entered

ZONE = ZoneInfo("America/New_York")
WHO = '[patient]\nsystem = "mrn"\nvalue = "R-1"\n'


def entered(text: str, *, as_json: bool = False) -> Entered:
    found = read_entered(text, as_json=as_json, zone=ZONE)
    assert isinstance(found, Entered), found
    return found


def problems(text: str, *, as_json: bool = False) -> list[str]:
    found = read_entered(text, as_json=as_json, zone=ZONE)
    assert isinstance(found, tuple)
    return list(found)


def test_what_a_file_says() -> None:
    text = (
        WHO
        + """
[[event]]
kind = "simulation"
start = 2026-01-05T22:30:00-05:00
end = 2026-01-05T23:00:00-05:00
course = "C1"
besides = 1
facts = { complexity = "complex", diagnosis = ["C61", "C79.51"], report = true, images = 3 }

[[fact]]
plan = "PA"
course = "C1"
name = "isocenters"
value = 2

[[fact]]
event = "e-1"
name = "course"
value = "C2"

[[do-not-bill]]
line = "c-1"

[[bill]]
line = "c-2"
code = "77280"
modifiers = ["76", "59"]
units = 2
"""
    )
    found = entered(text)
    assert found.patient == Identifier("mrn", "R-1")
    event, plan, course = found.says
    assert (event.verb, event.value("day"), event.value("besides")) == (Verb.EVENT, "2026-01-05", "1")
    assert event.values("fact.diagnosis") == ("C61", "C79.51")
    assert (event.value("fact.report"), event.value("fact.images")) == ("true", "3")
    assert (plan.value("about.plan"), plan.value("about.course"), plan.value("fact.value")) == ("PA", "C1", "2")
    assert (course.value("about.event"), course.value("fact.name")) == ("e-1", "course")
    assert found.events == (("fact[2].event", "e-1"),)
    assert [(line.verb, line.id) for line in found.lines] == [(Verb.DROP, "c-1"), (Verb.BILL, "c-2")]
    assert [value for name, value in found.lines[1].words if name == "modifier"] == ["76", "59"]


def test_toml_and_json_say_the_same() -> None:
    toml = WHO + '[[event]]\nkind = "simulation"\ndate = 2026-01-05\n[[fact]]\nplan = "P"\nname = "kv"\nvalue = 1.50\n'
    said: dict[str, Any] = {
        "patient": {"system": "mrn", "value": "R-1"},
        "event": [{"kind": "simulation", "date": "2026-01-05"}],
        "fact": [{"plan": "P", "name": "kv", "value": "1.50"}],
    }
    assert entered(toml) == entered(json.dumps(said), as_json=True)


def test_a_date_alone_is_noon_at_the_site_and_a_time_without_a_zone_is_the_sites() -> None:
    (by_date, by_time) = entered(
        WHO
        + '[[event]]\nkind = "simulation"\ndate = 2026-07-05\n[[event]]\nkind = "simulation"\nstart = 2026-07-05T23:30:00\n'
    ).says
    assert by_date.value("start") == "2026-07-05T12:00:00-04:00"
    assert (by_time.value("start"), by_time.value("day")) == ("2026-07-05T23:30:00-04:00", "2026-07-05")


def test_the_day_of_a_time_is_the_sites_day_of_it() -> None:
    (event,) = entered(WHO + '[[event]]\nkind = "simulation"\nstart = 2026-07-06T02:00:00Z\n').says
    assert event.value("day") == "2026-07-05"


PAID = WHO + '[[event]]\nkind = "patient-payment"\ndate = 2026-01-05\n'


def test_a_payment_says_how_much_and_one_that_was_none_need_not() -> None:
    (paid,) = entered(PAID + "facts = { amount = 25.50 }").says
    assert paid.values("fact.amount") == ("25.50",)
    (back,) = entered(PAID + "facts = { amount = -5 }").says
    assert back.values("fact.amount") == ("-5",)
    (withdrawn,) = entered(PAID + 'status = "not-done"\n').says
    assert withdrawn.values("fact.amount") == ()


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", "the file: says nothing"),
        ("no = toml = at all", "the file cannot be read"),
        ('colour = "red"', "the file: 'colour' is unknown"),
        ('"Quill, Ada" = 1', "the file: a key is unknown"),
        ('[[event]]\nkind = "simulation"\ndate = 2026-01-05', "patient: is missing"),
        (WHO + '[[event]]\nkind = "decision"\ndate = 2026-01-05', "event[1].kind"),
        (WHO + '[[event]]\nkind = "simulation"', "event[1]: has either a date or a start"),
        (WHO + '[[event]]\nkind = "simulation"\ndate = 2026-01-05T09:00:00', "event[1].date: is no date"),
        (WHO + '[[event]]\nkind = "simulation"\ndate = 0026-01-05', "event[1].date: is no date"),
        (WHO + '[[event]]\nkind = "simulation"\nstart = 0001-01-01T00:00:00+14:00', "event[1].start: is no date"),
        (WHO + '[[event]]\nkind = "simulation"\nstart = 9999-12-31T23:00:00', "event[1].start: is no date"),
        (WHO + '[[event]]\nkind = "simulation"\nstart = 2026-01-05', "event[1].start"),
        (WHO + '[[event]]\nkind = "simulation"\ndate = 2026-01-05\nstatus = "withdrawn"', "event[1].status"),
        (WHO + '[[event]]\nkind = "simulation"\ndate = 2026-01-05\nbesides = -1', "event[1].besides"),
        (
            WHO + '[[event]]\nkind = "simulation"\ndate = 2026-01-05\nfacts = { tea = "green" }',
            "no fact is named 'tea'",
        ),
        (WHO + '[[event]]\nkind = "simulation"\ndate = 2026-01-05\nfacts = { count = "two" }', "event[1].facts.count"),
        (
            WHO + '[[event]]\nkind = "infusion"\nstart = 2026-01-05T10:00:00\nend = 2026-01-05T09:00:00',
            "event[1].end: is before the start",
        ),
        (PAID, "event[1].facts.amount: is missing: how much the patient paid"),
        (PAID + "facts = { amount = [5.00, 6.00] }", "event[1].facts.amount: is one amount"),
        (PAID + "facts = { amount = 0.00 }", "event[1].facts.amount: is nothing"),
        (PAID + "facts = { amount = 5.005 }", "event[1].facts.amount: has parts of a cent"),
        ('[[fact]]\nevent = "e"\nname = "amount"\nvalue = 5.005', "fact[1].amount: has parts of a cent"),
        ('[[fact]]\nname = "isocenters"\nvalue = 1', "fact[1]: is of an event, or of a plan or course"),
        ('[[fact]]\nevent = "e"\nplan = "P"\nname = "isocenters"\nvalue = 1', "fact[1]: is of an event, or of a plan"),
        ('[[fact]]\nevent = "e"\nname = "isocenters"', "fact[1].isocenters"),
        ('[[bill]]\nline = "c"', "bill[1]: says neither code"),
        ('[[bill]]\nline = "c"\ncode = "772"', "bill[1].code"),
        ('[[bill]]\nline = "c"\nunits = 0', "bill[1].units"),
        ('[[bill]]\nline = "c"\nmodifiers = "59"', "bill[1].modifiers"),
        ("[[do-not-bill]]", "do-not-bill[1].line: is missing"),
        ("bill = 1", "bill: is a list of tables"),
        ("bill = [1]", "bill[1]: is a table"),
        ('lane = "x"\n' + WHO + '[[do-not-bill]]\nline = "c"', "lane: the patient is named already"),
    ],
)
def test_what_is_wrong_is_told_with_its_path(text: str, path: str) -> None:
    assert path in "\n".join(problems(text))


def test_all_problems_are_told_at_once_and_no_value_is_repeated() -> None:
    said = problems('[[event]]\nkind = "Quill"\n[[fact]]\nname = "Ada"\n[[bill]]\nline = "c"\n')
    assert len(said) == 5
    assert not [words for words in said if "Quill" in words or "Ada" in words]


def test_json_with_a_key_twice_is_refused() -> None:
    assert problems('{"bill": [], "bill": []}', as_json=True) == [
        "the file cannot be read: a key stands twice in one object"
    ]
    assert problems("[]", as_json=True) == ["the file: is a table"]
    assert problems("{", as_json=True) == ["the file cannot be read: line 1"]
