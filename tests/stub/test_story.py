"""The demo course is the one promised; drawn courses hold together for any seed."""

import hashlib
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fhir_server_stub.course import Outgoing, Story
from fhir_server_stub.story import make_story
from fhir_server_stub.wire import loads

seeds = st.integers(min_value=0, max_value=10**9)


def fields(message: Outgoing, name: str) -> list[list[str]]:
    """Fields of every segment with that name, the name at 0."""
    assert isinstance(message.body, bytes)
    lines = message.body.decode().split("\r")
    return [line.split("|") for line in lines if line.startswith(name + "|")]


def fractions_in(bundle: dict) -> list[dict]:
    resources = [entry["resource"] for entry in bundle["entry"]]
    return [r for r in resources if r["resourceType"] == "Procedure" and _code(r) == "1297069006"]


def _code(resource: dict) -> str:
    return resource["code"]["coding"][0]["code"]


def keys(story: Story, service: str) -> list[str]:
    return [done.key for done in story.delivered if done.service == service]


def test_demo_days_and_services():
    story = make_story()
    days = [done.day for done in story.delivered if done.service == "delivery"]
    assert days == [date(2025, 12, 29), date(2025, 12, 30), date(2025, 12, 31)] + [
        date(2026, 1, day) for day in (2, 5, 6)
    ]
    assert Counter(done.service for done in story.delivered) == {
        "simulation": 1,
        "imrt-plan": 1,
        "device": 1,
        "calculation": 1,
        "delivery": 6,
        "guidance": 6,
        "visit": 2,
        "physics": 1,
    }
    assert [d.said("reviewed") for d in story.delivered if d.service == "guidance"] == (
        ["in-time"] * 4 + ["late"] + ["in-time"]
    )
    assert [d.said("units") for d in story.delivered if d.service == "calculation"] == ["5"]
    assert story.voided == ()


def test_demo_channels_and_the_repeated_message():
    story = make_story()
    told = {}
    for done in story.delivered:
        if done.service == "delivery":
            told[done.said("fraction")] = done.said("channels")
    assert told == {"1": "mllp", "2": "mllp", "3": "mllp+fhir", "4": "fhir", "5": "mllp", "6": "fhir"}
    second = [m for m in story.messages if m.note.startswith("fraction 2")]
    assert len(second) == 2
    assert second[0].wire == second[1].wire
    assert second[0].at < second[1].at


def test_demo_third_fraction_has_one_uid_on_both_channels():
    story = make_story()
    by_v2, by_fhir = [m for m in story.messages if m.note == "fraction 3"]
    uid = fields(by_v2, "ZRT")[0][6]
    (fraction,) = fractions_in(loads(by_fhir.wire))
    assert fraction["identifier"][0]["value"] == f"urn:oid:{uid}"
    assert by_v2.about == by_fhir.about == (uid,)
    # The v2 feed gives local time, FHIR the offset: the same instants.
    start = fields(by_v2, "FT1")[0][4].split("^")[0]
    assert datetime.fromisoformat(fraction["performedPeriod"]["start"]).strftime("%Y%m%d%H%M%S") == start


def test_demo_correction_keeps_the_identity():
    story = make_story()
    first, second = [m for m in story.messages if m.note.startswith("fraction 5")]
    assert fields(first, "FT1")[0][2] == fields(second, "FT1")[0][2]
    assert fields(first, "ZRT")[0][6] == fields(second, "ZRT")[0][6]
    assert (fields(first, "ZRT")[0][8], fields(second, "ZRT")[0][8]) == ("1", "2")
    assert fields(first, "MSH")[0][6] < fields(second, "MSH")[0][6]
    assert fields(first, "MSH")[0][9] != fields(second, "MSH")[0][9]
    fifth = next(d for d in story.delivered if d.said("fraction") == "5" and d.service == "delivery")
    assert fifth.said("isocenters") == "2"


def test_demo_registration_comes_first_and_coverage_in_the_first_bundle_only():
    story = make_story()
    (insurance,) = fields(story.messages[0], "IN1")
    bundles = [loads(m.wire) for m in story.messages if m.channel == "fhir"]
    with_coverage = [
        entry["resource"]
        for bundle in bundles
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Coverage"
    ]
    assert fields(story.messages[0], "MSH")[0][8] == "ADT^A04^ADT_A01"
    assert len(with_coverage) == 1
    assert with_coverage[0] in [entry["resource"] for entry in bundles[0]["entry"]]
    assert with_coverage[0]["subscriberId"] == insurance[36] == story.coverages[0].member


def test_activity_fields_stand_where_the_dialect_says():
    story = make_story()
    plan = next(m for m in story.messages if m.note.startswith("plan"))
    first, device, sums = fields(plan, "FT1")
    assert [f[7].split("^")[0] for f in (first, device, sums)] == ["RTIMRT", "RTDEV", "RTCALC"]
    assert sums[10] == "5"
    assert first[6] == "CG"
    assert first[13] == "RADONC^Radiation Oncology^L"
    assert first[16] == "RADONC^TX1^^MAIN"
    assert first[19] == "C61^^I10C"
    assert first[20].split("^")[0] == "1999999901"
    assert first[25] == ""
    assert fields(plan, "ZRT")[1][14] == "mlc"
    assert fields(plan, "PV1")[0][7].split("^")[12] == "NPI"
    assert fields(plan, "PV1")[0][19].startswith("VDEMO-")


def test_demo_bytes_are_pinned():
    """A change of a byte here is a change of the dialect: the adapter's feed file must change with it."""
    digest = hashlib.sha256()
    for message in make_story().messages:
        digest.update(message.at.isoformat().encode() + message.wire)
    assert digest.hexdigest() == DEMO_DIGEST


DEMO_DIGEST = "3e8bb3d252ebe29a62f9119c7f9f96b8fdb100033b1573024d56c36f711fe973"


@given(seeds)
def test_same_seed_same_bytes(seed):
    one, other = make_story(seed), make_story(seed)
    assert [m.wire for m in one.messages] == [m.wire for m in other.messages]
    assert one.delivered == other.delivered


@given(seeds)
def test_every_message_is_about_something_known(seed):
    story = make_story(seed)
    known = {done.key for done in story.delivered} | set(story.voided)
    told = {key for message in story.messages for key in message.about}
    assert told == known
    assert not set(story.voided) & {done.key for done in story.delivered}
    assert [m.at for m in story.messages] == sorted(m.at for m in story.messages)
    assert all(m.at.tzinfo for m in story.messages)


@given(seeds)
def test_control_ids_repeat_only_with_their_bytes(seed):
    seen: dict[str, bytes] = {}
    for message in make_story(seed).messages:
        if message.channel == "mllp":
            control = fields(message, "MSH")[0][9]
            assert seen.setdefault(control, message.wire) == message.wire


@given(seeds)
def test_days_are_open_and_two_on_a_day_are_six_hours_apart(seed):
    story = make_story(seed)
    deliveries = [d for d in story.delivered if d.service == "delivery"]
    starts = [datetime.fromisoformat(d.said("start")) for d in deliveries]
    assert 1 <= len(deliveries) + len(story.voided) <= 12
    assert all(start.weekday() < 5 for start in starts)
    assert all(date(2025, 11, 24) <= start.date() <= date(2026, 2, 9) for start in starts)
    assert not {start.date() for start in starts} & {date(2025, 12, 25), date(2026, 1, 1)}
    for one, following in pairwise(starts):
        assert following - one >= timedelta(hours=6)


def last_word(story: Story) -> dict[str, tuple[str, str, str]]:
    """What the newest report of each fraction says: (taken back?, technique, isocenters), by UID."""
    said: dict[str, tuple[str, str, str]] = {}
    for message in story.messages:
        if message.channel == "mllp":
            for ft1, zrt in zip(fields(message, "FT1"), fields(message, "ZRT"), strict=True):
                if ft1[7].startswith("RTTX"):
                    said[zrt[6]] = (ft1[6], zrt[7], zrt[8])
            continue
        for fraction in fractions_in(loads(message.wire)):
            uid = fraction["identifier"][0]["value"].removeprefix("urn:oid:")
            extensions = {e["url"]: e for e in fraction["extension"]}
            technique = fraction["extension"][0]["extension"][1]["valueCodeableConcept"]["coding"][0]["code"]
            said[uid] = (
                "CD" if fraction["status"] == "entered-in-error" else "CG",
                {"441799006": "imrt", "1162782007": "3d"}[technique],
                str(extensions["urn:clinic:isocenters"]["valuePositiveInt"]),
            )
    return said


@given(seeds)
def test_the_last_word_on_a_fraction_is_the_truth(seed):
    story = make_story(seed)
    said = last_word(story)
    for done in story.delivered:
        if done.service == "delivery":
            assert said.pop(done.key) == ("CG", done.said("technique"), done.said("isocenters"))
    assert {uid: word[0] for uid, word in said.items()} == dict.fromkeys(story.voided, "CD")


@given(seeds)
def test_references_of_a_bundle_resolve_inside_it(seed):
    for message in make_story(seed).messages:
        if message.channel == "fhir":
            bundle = loads(message.wire)
            urls = {entry["fullUrl"] for entry in bundle["entry"]}
            assert set(_references(bundle)) <= urls


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [str(value["reference"])] if "reference" in value else []
        return own + [found for item in value.values() for found in _references(item)]
    return [found for item in value for found in _references(item)] if isinstance(value, list) else []


def test_seeds_cover_what_a_clinic_day_brings():
    stories = [make_story(seed) for seed in range(300)]
    notes = Counter(note for story in stories for note in {_kind(m.note) for m in story.messages})
    assert {s.setting for s in stories} == {"hospital", "freestanding"}
    assert {s.payer_kind for s in stories} == {"medicare", "commercial"}
    assert min(notes["corrected"], notes["voided"], notes["again"]) > 30
    assert any(d.said("channels") == "mllp+fhir" for s in stories for d in s.delivered)
    assert {d.said("reviewed") for s in stories for d in s.delivered if d.service == "guidance"} == {
        "in-time",
        "late",
        "never",
    }
    documented = {(d.said("motion"), d.said("motion-documented")) for s in stories for d in s.delivered}
    assert {("Y", "Y"), ("Y", "N"), ("N", "N")} <= documented
    assert all(d.day >= date(2026, 1, 1) for s in stories for d in s.delivered if d.said("motion") == "Y")
    twice = [
        s for s in stories if len({d.day for d in s.delivered if d.service == "delivery"}) < len(keys(s, "delivery"))
    ]
    assert 3 < len(twice) < 100
    without_visit = [s for s in stories if not keys(s, "visit")]
    assert without_visit


def _kind(note: str) -> str:
    return note.rpartition(" ")[2]


def test_npis_have_a_right_check_digit():
    from fhir_server_stub.course import PHYSICIAN, PHYSICIST

    for who in (PHYSICIAN, PHYSICIST):
        digits = [int(digit) for digit in "80840" + who.npi]
        doubled = [sum(divmod(2 * d, 10)) if n % 2 else d for n, d in enumerate(reversed(digits))]
        assert sum(doubled) % 10 == 0


def test_story_carries_no_float():
    def floats(value: object) -> bool:
        if isinstance(value, dict):
            return any(floats(item) for item in value.values())
        if isinstance(value, list):
            return any(floats(item) for item in value)
        return isinstance(value, float)

    for message in make_story(7).messages:
        assert not floats(message.body)
        assert message.channel == "mllp" or not isinstance(loads(message.wire), Decimal)
