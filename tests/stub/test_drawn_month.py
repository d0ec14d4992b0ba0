"""A clinic's month: the same for the same seed, as real clinics send it, and with exactly the faults that it lists."""

import hashlib
from collections import Counter
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from adapters.fhir.capture import capture as fhir_capture
from adapters.fhir.problem import Refused as FhirRefused
from adapters.hl7v2.capture import Refused, capture
from adapters.model.site import Feed
from adapters.settings import rules_of
from fhir_server_stub.course import Outgoing
from fhir_server_stub.month import Month, coded_level, make_month
from fhir_server_stub.month_faults import FEWEST, KINDS, RATES, Fault, FaultKind
from fhir_server_stub.month_infusion import DOSES

FEEDS = {
    "MOSAIQ": "example-dft-zseg",
    "TXREC": "example-oru-course",
    "INFREC": "example-ras",
    "CHGS": "plain-dft",
}


@pytest.fixture(scope="module")
def month() -> Month:
    return make_month(1)


def segments(message: Outgoing, name: str) -> list[list[str]]:
    """The fields of every segment of that name."""
    assert isinstance(message.body, bytes)
    return [line.split("|") for line in message.body.decode().split("\r") if line.startswith(f"{name}|")]


def control(message: Outgoing) -> str:
    return segments(message, "MSH")[0][9]


def spoken_by(month: Month, application: str) -> list[Outgoing]:
    mllp = [message for message in month.messages if message.channel == "mllp"]
    return [message for message in mllp if segments(message, "MSH")[0][2] == application]


def coded(month: Month, mrn: str) -> list[list[str]]:
    """The FT1 of all coded charges of a patient."""
    of_person = [m for m in spoken_by(month, "CHGS") if segments(m, "PID")[0][3].startswith(mrn)]
    return [ft1 for message in of_person for ft1 in segments(message, "FT1")]


def of_kind(month: Month, kind: str) -> list[Fault]:
    return [fault for fault in month.faults if fault.kind == kind]


def digest(month: Month) -> str:
    whole = hashlib.sha256()
    for message in month.messages:
        whole.update(message.wire)
    return whole.hexdigest()


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert digest(make_month(4, 12)) == digest(make_month(4, 12))
    assert digest(make_month(4, 12)) != digest(make_month(5, 12))


def test_a_month_needs_a_course_for_each_kind_of_fault() -> None:
    with pytest.raises(ValueError, match="at least"):
        make_month(1, FEWEST - 1)
    for seed in range(12):
        faults = make_month(seed, FEWEST).faults
        assert {fault.kind for fault in faults} == set(KINDS)
        assert all(fault.control for fault in faults if fault.kind == "parked")


def test_messages_leave_in_order_under_names_of_their_own(month: Month) -> None:
    assert [m.at for m in month.messages] == sorted(m.at for m in month.messages)
    for application in FEEDS:
        names = [control(message) for message in spoken_by(month, application)]
        assert names, application
        assert len(names) == len(set(names)), application


def test_every_tongue_machine_shape_and_payer_is_there(month: Month) -> None:
    assert {one.tongue for one in month.courses} == {"zseg", "codex", "oru"}
    assert {one.machine for one in month.courses} == {"TX1", "TX2", "TX3"}
    assert len({one.shape.name for one in month.courses}) == 10
    payers = {policy.payer_id for one in month.courses for policy in one.script.policies}
    assert payers == {"MCRB", "NWHP", "CSMH"}
    assert any(one.changes for one in month.courses)
    kinds = Counter(segments(m, "MSH")[0][8].split("^")[0] for m in month.messages if m.channel == "mllp")
    assert set(kinds) == {"ADT", "SIU", "DFT", "ORU", "RDE", "RDS", "RAS", "REF"}


def test_what_the_systems_say_is_read_without_loss(month: Month) -> None:
    """Each message but the torn ones gives at least one event, by the dialect of its feed."""
    rules = rules_of()
    torn = {fault.control for fault in of_kind(month, "parked")}
    for application, dialect in FEEDS.items():
        feed = Feed(application.lower(), "hl7v2", dialect, "America/New_York", "MAIN", person_system="urn:clinic:mrn")
        for message in spoken_by(month, application):
            assert isinstance(message.body, bytes)
            found = capture(message.body, feed=feed, dialect=rules.dialect(dialect), message="m", received=message.at)
            if control(message) in torn:
                assert isinstance(found, Refused)
            else:
                assert not isinstance(found, Refused), found
                assert any(one.events for one in found), control(message)


def test_doses_by_fhir_are_read_as_administrations_with_vials_and_waste(month: Month) -> None:
    rules = rules_of()
    feed = Feed("doses", "fhir", "example-doses", "America/New_York", "CENTER", person_system="urn:clinic:mrn")
    told = [message for message in month.messages if message.door == DOSES]
    by_fhir = {one.mrn for one in month.infusions if one.tongue == "doses"}
    assert len(by_fhir) == len(month.infusions) // 2
    assert len(told) == sum(len(v.doses) for one in month.infusions if one.mrn in by_fhir for v in one.visits)
    for message in told:
        found = fhir_capture(
            message.wire,
            feed=feed,
            dialect=rules.dialect("example-doses"),
            message="m",
            received=message.at,
            zone=ZoneInfo(feed.zone),
        )
        assert not isinstance(found, FhirRefused), found
        (event,) = [event for one in found for event in one.events if event.kind != "patient"]
        assert event.kind == "administration"
        assert all(event.value(name) for name in ("code", "dose", "waste", "vial", "class"))


def test_each_session_is_booked_and_coded_once_where_nothing_is_wrong(month: Month) -> None:
    faulty = {fault.mrn for fault in month.faults}
    clean = [one for one in month.courses if one.mrn not in faulty]
    assert clean
    for one in clean:
        lines = coded(month, one.mrn)
        assert [line[4] for line in lines] == [f"{s.start:%Y%m%d}" for s in one.script.sessions]
        assert [line[25].partition("^")[0] for line in lines] == [coded_level(s) for s in one.script.sessions]
        booked = [m for m in month.messages if m.note == "booking" and segments(m, "PID")[0][3].startswith(one.mrn)]
        times = [segments(m, "AIS")[0][4] for m in booked]
        assert times == [f"{s.start:%Y%m%d%H%M%S}" for s in one.script.sessions]


def test_the_rates_are_what_the_table_says(month: Month) -> None:
    courses = len(month.courses)
    persons: tuple[FaultKind, ...] = ("late", "wrong-payer", "lost-answer", "parked", "undocumented")
    for kind in persons:
        assert len(of_kind(month, kind)) == max(1, round(RATES[kind] * courses)), kind
    sessions = sum(len(one.script.sessions) for one in month.courses)
    lines: tuple[FaultKind, ...] = ("doubled", "wrong-level")
    for kind in lines:
        assert len(of_kind(month, kind)) == max(1, round(RATES[kind] * sessions)), kind


def test_coding_faults_are_in_the_coded_charges_and_nowhere_else(month: Month) -> None:
    by_mrn = {one.mrn: one for one in month.courses}
    for fault in month.faults:
        if fault.kind not in ("missed", "doubled", "wrong-level") or fault.mrn not in by_mrn:
            continue
        assert fault.day is not None
        on_day = [line for line in coded(month, fault.mrn) if line[4] == f"{fault.day:%Y%m%d}"]
        assert len(on_day) == {"missed": 0, "doubled": 2, "wrong-level": 1}[fault.kind]
        session = by_mrn[fault.mrn].script.sessions[int(fault.key) - 1]
        assert session.start.date() == fault.day
        codes = {line[25].partition("^")[0] for line in on_day}
        if fault.kind == "doubled":
            assert len({line[2] for line in on_day}) == 2
        if fault.kind == "wrong-level":
            assert codes.isdisjoint({coded_level(session)})


def test_a_missed_drug_is_left_out_of_its_visit(month: Month) -> None:
    missed = [fault for fault in of_kind(month, "missed") if not fault.key.isdigit()]
    assert missed
    for fault in missed:
        assert fault.key not in {line[2] for line in coded(month, fault.mrn)}


def test_faults_of_a_whole_course_have_a_person_of_their_own(month: Month) -> None:
    whole = [f.mrn for kind in ("late", "wrong-payer", "parked", "undocumented") for f in of_kind(month, kind)]
    assert len(whole) == len(set(whole))
    coding = {f.mrn for kind in ("missed", "doubled", "wrong-level") for f in of_kind(month, kind)}
    assert coding.isdisjoint(whole)


def test_a_late_report_comes_after_its_week_was_claimed(month: Month) -> None:
    for fault in of_kind(month, "late"):
        (one,) = [course for course in month.courses if course.mrn == fault.mrn]
        session = one.script.sessions[int(fault.key) - 1]
        assert session.reported_at - session.start > timedelta(days=14)


def test_payers_know_who_is_not_theirs_and_which_answers_get_lost(month: Month) -> None:
    script = month.payer()
    assert [rule.when.member for rule in script.rules if rule.verb == "deny"] == [
        fault.key for fault in of_kind(month, "wrong-payer")
    ]
    lost = sorted(fault.nth for fault in of_kind(month, "lost-answer"))
    assert sorted(rule.when.nth or 0 for rule in script.rules if rule.verb == "hang_up") == lost
    assert min(lost) >= 2


def test_nothing_is_given_of_an_order_that_was_missed(month: Month) -> None:
    missed = [fault for fault in of_kind(month, "not-delivered") if fault.key != "EXTRA"]
    assert missed
    about = [message for message in month.messages if set(message.about) & {fault.key for fault in missed}]
    assert {message.note for message in about} == {"order"}
