"""The dialects shipped read as they are; every fault of a dialect file is told, with its line, all at once."""

from __future__ import annotations

import pathlib
import tomllib

import pytest

import mappings
from adapters.model.event import DOSE
from adapters.model.kinds import KINDS
from adapters.rules.dialect import CLINICAL, CODED, Activity, Dialect, KeyRule, parse_dialect
from adapters.rules.location import Location, location
from adapters.rules.problem import Problem

FEEDS = pathlib.Path(mappings.__file__).parent / "feeds"
HEAD = 'id = "x"\nmedia = "hl7v2"\ntitle = "t"\ncite = "c"\n'


def parsed(text: str) -> Dialect | tuple[Problem, ...]:
    return parse_dialect(tomllib.loads(text), "x.toml", text)


def sound(text: str) -> Dialect:
    dialect = parsed(text)
    assert isinstance(dialect, Dialect), dialect
    return dialect


def faults(text: str) -> list[tuple[int, str]]:
    problems = parsed(text)
    assert isinstance(problems, tuple), "no fault was found"
    assert {p.file for p in problems} == {"x.toml"}
    return [(p.line, p.message) for p in problems]


def shipped(name: str) -> Dialect:
    return sound((FEEDS / f"{name}.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FT1-2", Location("FT1", 2)),
        ("ZRT-9.2", Location("ZRT", 9, 2)),
        ("FT1-11.1.2", Location("FT1", 11, 1, 2)),
        ("OBX(TECH)-5", Location("OBX", 5, qualifier="TECH")),
    ],
)
def test_a_location_reads_as_it_is_written(text: str, expected: Location) -> None:
    assert location(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["", "FT1", "FT1-0", "FT1-", "ft1-2", "FT12-2", "FT1-2.0", "FT1-2.1.1.1", "FT1()-2"])
def test_what_is_no_location_is_none(text: str) -> None:
    assert location(text) is None


def test_every_shipped_dialect_is_sound_and_named_as_its_file() -> None:
    files = sorted(FEEDS.glob("*.toml"))
    assert [file.stem for file in files] == [
        "codex-rt", "example-dft-flat", "example-dft-zseg", "example-doses", "example-oru-course", "example-ras",
        "plain-dft",
        "us-core-coded",
    ]  # fmt: skip
    for file in files:
        dialect = shipped(file.stem)
        assert dialect.id == file.stem
        assert dialect.cite
        assert dialect.title


def test_the_clinical_feed_maps_each_activity_of_the_demonstration() -> None:
    dialect = shipped("example-dft-zseg")
    assert {code: activity.kinds for code, activity in dialect.activities.items()} == {
        "RTTX": ("fraction",),
        "RTSIM": ("simulation",),
        "RTPLN": ("planning",),
        "RTIMRT": ("imrt-plan",),
        "RT3D": ("3d-plan",),
        "RTCALC": ("dosimetry-calc",),
        "RTDEV": ("device",),
        "RTOTV": ("on-treatment-visit",),
        "RTPHY": ("physics-check",),
        "RTREV": ("igrt-review",),
        "RTEND": ("course-end",),
        **dict.fromkeys(("RTSBRT", "RTSRS", "RTHDR", "RTSURF", "RTIORT", "RTPROT", "RTNEUT"), ("fraction",)),
        "RTMSIM": ("motion-simulation",),
        "RTISO": ("isodose-plan",),
        "RTBPLN": ("brachy-plan",),
        "RTPORT": ("special-port-plan",),
        "RTSPLN": ("surface-planning",),
        "RTBRACHY": ("brachy-application",),
        "RTSRC": ("source-handling",),
        "RTHEAT": ("hyperthermia",),
        "RTDOSE": ("special-dosimetry",),
        "RTPCON": ("physics-consult",),
        "RTSPEC": ("special-procedure",),
        "RTIMG": ("port-image",),
        "RTCONS": ("consult",),
        "RTFUP": ("follow-up",),
    }
    assert dialect.course == (Location("ZRT", 2),)
    names = [rule.name for rule in dialect.facts_of("fraction")]
    assert {"n", "uid", "technique", "isocenters", "motion.active", "guidance", "guidance.reviewed_at"} <= set(names)
    assert [rule.name for rule in dialect.facts_of("device")] == [
        "phase", "plan", "complexity", "device_type", "count", "tumour",
    ]  # fmt: skip


def test_a_review_does_not_share_the_identity_of_the_session_it_reviews() -> None:
    dialect = shipped("example-dft-zseg")
    for kind in CLINICAL | {CODED}:
        shared = [rule.name for rule in dialect.keys if rule.concerns(kind)]
        assert ("uid" in shared) == (kind in {"fraction", CODED})
        assert ("order" in shared) == (kind != "igrt-review")


def test_the_coded_feed_takes_people_from_its_charges_and_the_clinical_one_does_not() -> None:
    assert shipped("plain-dft").states_people("DFT", "P03")
    assert not shipped("example-dft-zseg").states_people("DFT", "P03")
    assert shipped("example-dft-zseg").states_people("ADT", "A08")
    assert not shipped("plain-dft").states_people("ADT", "A11")


def test_the_fhir_dialect_maps_the_encounter_type() -> None:
    dialect = shipped("codex-rt")
    assert dialect.media == "fhir"
    assert dict(dialect.encounter_types) == {"urn:clinic:encounter-type|OTV": "on-treatment-visit"}


def test_defaults_follow_the_standard() -> None:
    dialect = sound(HEAD)
    assert dialect.charge_types == {"CG"}
    assert dialect.credit_types == {"CD", "CR"}
    assert dialect.codes == (Location("FT1", 25), Location("PR1", 3))
    assert dialect.quantity_default == "1"
    assert not dialect.activities
    assert dialect.facts_of("fraction") == ()


def test_activities_keys_and_facts_are_typed() -> None:
    dialect = sound(
        HEAD
        + """
[keys]
course = ["ZRT-2", "PV1-50"]
original = "FT1-3"
uid = "ZRT-6"
order = { from = ["ORC-3.1", "FT1-23.1"], kinds = ["fraction"] }
[activities.RT3DTX]
kind = ["fraction", "igrt-review"]
facts = { technique = "3d" }
[facts."motion.active"]
from = "ZRT-9.1"
type = "flag"
values = { Ja = "true" }
kinds = ["fraction"]
"""
    )
    assert dialect.course == (Location("ZRT", 2), Location("PV1", 50))
    assert dialect.original == Location("FT1", 3)
    assert dialect.keys == (
        KeyRule("uid", (Location("ZRT", 6),)),
        KeyRule("order", (Location("ORC", 3, 1), Location("FT1", 23, 1)), frozenset({"fraction"})),
    )
    assert dialect.activities["RT3DTX"] == Activity(("fraction", "igrt-review"), (("technique", "3d"),))
    (rule,) = dialect.facts
    assert rule.values == {"ja": "true"}
    assert dialect.facts_of("fraction") == (rule,)
    assert dialect.facts_of("simulation") == ()
    assert dialect.facts_of(CODED) == ()


def test_all_faults_are_told_at_once_with_their_lines() -> None:
    text = (
        'id = "x"\n'  # 1
        'media = "paper"\n'  # 2
        'title = "t"\n'  # 3
        'credit_type = ["CD"]\n'  # 4, misspelt
        'codes = ["FT1-25", "25"]\n'  # 5
        "[keys]\n"  # 6
        'uid = { from = "ZRT-6", kinds = ["fractions"] }\n'  # 7
        "[activities]\n"  # 8
        'RTTX = { kind = "patient" }\n'  # 9
        "[facts.technique]\n"  # 10
        'from = "ZRT-7"\n'  # 11
        'values = { I = "imtr" }\n'  # 12
        "[facts.isocentres]\n"  # 13
        'from = "ZRT-8"\n'  # 14
    )
    found = faults(text)
    assert [line for line, _ in found] == [1, 2, 4, 5, 7, 9, 12, 13]
    told = dict(found)
    assert told[1] == "cite is missing"
    assert "'paper'" in told[2]
    assert told[4] == "unknown key 'credit_type'"
    assert "'25'" in told[5]
    assert "'fractions'" in told[7]
    assert "'patient'" in told[9]
    assert "'imtr'" in told[12]
    assert "'isocentres'" in told[13]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ('kind = "decision"\n', "kind must be"),
        ("id = 3\n", "id must be text"),
        ('ignored_types = ["CG"]\n', "already has another meaning"),
        ('credits = ["guess"]\n', "'guess'"),
        ('modifier_forms = ["any"]\n', "'any'"),
        ('local_code = ["FT1-7", "FT1-25"]\n', "must be one place"),
        ('quantity_default = "one"\n', "not a quantity"),
        ('charge_types = "CG"\nkeys = "no"\n', "keys must be a table"),
        ("activities = 3\n", "activities must be a table"),
        ("[activities]\nX = 3\n", "must be a table"),
        ("[activities.X]\nfacts = {}\n", "kind is missing"),
        ('[activities.X]\nkind = "fraction"\nfacts = { technique = "9d" }\n', "is not a technique"),
        ('[activities.X]\nkind = "fraction"\nfacts = { colour = "red" }\n', "no fact is named"),
        ('[activities.X]\nkind = "fraction"\ncode = "77412"\n', "unknown key"),
        ("[keys]\nuid = {}\n", "from is missing"),
        ('[keys]\ntxn = "FT1-2"\n', "cannot name a key"),
        ('[keys]\n"My Key" = "FT1-2"\n', "cannot name a key"),
        ("[facts.n]\n", "from is missing"),
        ('[facts.n]\nfrom = "ZRT-5"\ntype = "float"\n', "'float'"),
        ('[facts.n]\nfrom = "ZRT-5"\nrepeat = "yes"\n', "true or false"),
        ('[facts.n]\nfrom = "ZRT-5"\ndefault = "first"\n', "default: 'first'"),
        ('[facts.n]\nfrom = "ZRT-5"\nwhen = "x"\n', "unknown key"),
        ('[facts.motion.active]\nfrom = "ZRT-9"\n', "in quotes"),
        ('[encounter_types]\nOTV = "on-treatment-visit"\n', "system|code"),
        ('[encounter_types]\n"a|b" = "visit"\n', "no such kind"),
        ('[encounter_types]\n"a|b" = 3\n', "table of texts"),
        ("people_from = [1]\n", "list of texts"),
    ],
)
def test_each_fault_is_told(more: str, word: str) -> None:
    text = (HEAD.replace('id = "x"\n', "") if more.startswith("id") else HEAD) + more
    messages = [message for _, message in faults(text)]
    assert any(word in message for message in messages), messages


def test_only_services_and_evidence_can_be_activities_and_no_dose_that_has_yet_to_be_named() -> None:
    assert {kind for kind, role in KINDS.items() if role.value in ("service", "evidence")} - {DOSE} == CLINICAL
    assert CODED not in CLINICAL


def test_notations_of_dates_and_numbers_are_agreed_by_name() -> None:
    plain = sound(HEAD)
    assert (plain.dates, plain.decimal_comma) == (frozenset(), False)
    agreed = sound(HEAD + 'dates = ["iso", "us"]\ndecimal_comma = true\n')
    assert (agreed.dates, agreed.decimal_comma) == ({"iso", "us"}, True)
    assert [line for line, _ in faults(HEAD + 'dates = ["roman"]\n')] == [5]
    ((line, words),) = faults(HEAD + 'dates = ["us", "european"]\n')
    assert line == 5
    assert "two different days" in words


def test_what_names_one_dose_is_the_dialects() -> None:
    assert Location("RXA", 3) in sound(HEAD).administration
    assert shipped("example-ras").administration == (Location("ORC", 3, 1), Location("RXA", 3), Location("RXA", 5))


def test_a_fact_without_kinds_is_of_clinical_events_alone_and_others_are_named() -> None:
    dialect = sound(
        HEAD + '[facts.site]\nfrom = "RXR-2"\n[facts.waste]\nfrom = "OBX(W)-5"\nkinds = ["administration"]\n'
    )
    assert [rule.name for rule in dialect.facts_of("fraction")] == ["site"]
    assert [rule.name for rule in dialect.facts_of("administration")] == ["waste"]
    assert dialect.facts_of(CODED) == ()


@pytest.mark.parametrize("kind", ["administration", "merge", "patient", "coded-charge"])
def test_an_activity_is_a_service_or_the_summary_of_a_course(kind: str) -> None:
    assert sound(HEAD + '[activities]\nX = { kind = "course-summary" }\n').activities["X"].kinds == ("course-summary",)
    assert faults(HEAD + f'[activities]\nX = {{ kind = "{kind}" }}\n')


def test_only_a_citation_lets_a_dialect_bear_a_vendors_name() -> None:
    """No public field table of any vendor's charge export was found, so none is named (notes on HL7 v2, section 1.3)."""
    vendors = ("mosaiq", "aria", "varian", "elekta", "epic", "beacon", "cerner", "oracle", "meditech", "oncoemr")
    for file in FEEDS.glob("*.toml"):
        assert not [name for name in vendors if name in file.stem], file.name
