"""Promise P16: wrong clocks, both changes of the clocks, leap day, New Year, and times that name no zone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.demo.day import lay_out
from adapters.hl7v2.capture import capture
from adapters.model.claim import ClaimState
from adapters.model.record import ChargeStatus, PersonRecord, Reading
from adapters.payers import PayerClient
from adapters.pipeline import House
from adapters.pipeline.receive import receive_v2
from adapters.serve.lanes import Lanes
from adapters.store import KeyRing, SqlStore, open_store
from adapters.wiring import WalkedClock
from fhir_server_stub.payer import Stub
from fhir_server_stub.server import running
from fhir_server_stub.story import make_story
from tests.model.clinic import ZONE, rules
from tests.properties import telling
from tests.properties.simulation import simulate
from tests.soak import size

# ---------------------------------------------------------------- a clock that is wrong


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_wrong_clock_changes_no_bill() -> None:
    """Sixty times in a few days the program's clock jumps, by ten minutes at most, forwards and backwards.

    What is billed in the end is what a right clock would have billed; `simulate` asserts the rest.
    """
    back = lines = 0
    for seed in range(size(10, 2_000)):
        right, wrong = simulate(seed, only="nothing"), simulate(seed, only="clock")
        assert not right.problems, f"seed {seed}: {right.problems}"
        assert not wrong.problems, f"seed {seed}: {wrong.problems}"
        assert wrong.fired["clock ahead"] + wrong.fired["clock behind"] == 60
        assert right.plan.messages == wrong.plan.messages
        assert wrong.billed == right.billed, f"seed {seed}"
        lines += wrong.billed.total()
        back += wrong.fired["clock set back"]
    assert back > 200
    assert lines > 15


@pytest.mark.slow
@pytest.mark.system
def test_a_real_process_under_wrong_clocks(tmp_path: Path) -> None:
    """Debian's `faketime` around each command: ten minutes ahead, ten behind, and so on; against a payer on a socket."""
    faketime = shutil.which("faketime")
    if faketime is None:
        pytest.skip("NO WRONG CLOCK WAS TRIED on the real process: apt-get install faketime")
    story = make_story(5)
    begin = datetime.combine(story.ends.date() + timedelta(days=10), time(12), UTC)
    stub = Stub(now=lambda: begin)
    command = (sys.executable, "-c", "from adapters.cli import main; main()")
    with running(stub) as payer_url:
        said = lay_out(tmp_path, payer_url)
        environ = {
            **os.environ,
            "ONCOCLAIMS_STORE": said.store,
            "ONCOCLAIMS_SITE": str(said.site),
            "ONCOCLAIMS_KEYS": str(said.keys),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }

        def run(minutes: int, *words: str, hours: int = 0) -> str:
            at = begin + timedelta(minutes=minutes, hours=hours)
            done = subprocess.run(
                [faketime, at.strftime("%Y-%m-%d %H:%M:%S"), *command, *words],
                env={**environ, "TZ": "UTC", "NO_FAKE_STAT": "1"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
            return done.stdout

        run(0, "init")
        for channel, suffix in (("mllp", "hl7"), ("fhir", "json")):
            (tmp_path / channel).mkdir()
            for n, message in enumerate(m for m in story.messages if m.channel == channel):
                (tmp_path / channel / f"{n:03}.{suffix}").write_bytes(message.wire)
        run(10, "ingest", str(tmp_path / "mllp"), "--feed", "mosaiq")
        run(-10, "ingest", str(tmp_path / "fhir"), "--feed", "ehr")
        for hour, minutes in enumerate((-10, 10, -7, 10)):
            run(minutes, "run-due", hours=hour)
        run(10, "verify")
        run(-10, "rebuild", "--check")
    with open_store(said.store, KeyRing.load(said.keys)) as store:
        states = [claim.value.state for claim in store.claims()]
    assert ClaimState.COMPLETE in states
    assert not {ClaimState.READY, ClaimState.UNKNOWN, ClaimState.ACCEPTED, ClaimState.QUEUED} & set(states)
    assert stub.books.accounts
    assert not stub.books.doubles()
    assert not stub.books.repeats()


# ---------------------------------------------------------------- days that are not as long as others


class Program:
    """The whole program on a store in memory, its clock put by hand; nothing is sent, for the payers have no address."""

    def __init__(self, *, cycle: str = "day", zone: str = ZONE.key) -> None:
        self.site = replace(telling.clinic(cycle=cycle, zone=zone))
        self.clock = WalkedClock(datetime(2024, 1, 1, tzinfo=UTC))
        self.house = House.of(rules(), self.site)
        self.store: SqlStore = open_store("sqlite://", KeyRing.ephemeral("clock"), self.clock)
        self.payers = PayerClient()
        self.lanes = Lanes(self.store, self.house, self.payers, self.clock)

    def close(self) -> None:
        """Let go of everything."""
        self.payers.close()
        self.store.close()

    def at(self, instant: datetime, *messages: bytes, feed: str = "rt") -> PersonRecord:
        """At that instant these messages come, what waits is worked, what is due is done; the record then."""
        self.clock.walk(instant)
        for wire in messages:
            intake = receive_v2(wire, listener=feed, peer="", site=self.site, now=instant, ack_id="A")
            assert intake.receipt is not None
            self.store.receive(intake.receipt)
        self.lanes.run_due()
        assert not self.store.parked()
        (person,) = self.store.lanes()
        return self.store.load(person)


@pytest.fixture
def program():
    """`program(cycle=…)`: the program, closed in the end."""
    made: list[Program] = []

    def make(**more: str) -> Program:
        made.append(Program(**more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def fraction(n: int, start: str, *, said: str = "") -> bytes:
    """A session whose FT1-4 is this text, as a sender with a clock of its own writes it."""
    plain = telling.session("freestanding", 0, n).wire.decode()
    old = telling.local(telling.workday(n), 9)
    for minutes in (0, 12):
        plain = plain.replace(f"{old + timedelta(minutes=minutes):%Y%m%d%H%M%S}", start)
    told = telling.session("freestanding", 0, n).at.astimezone(ZONE).strftime("%Y%m%d%H%M%S")
    return plain.replace(told, said or start[:14]).encode()


def standing(record: PersonRecord) -> list[tuple[str, date]]:
    """What is charged for deliveries, and of which day."""
    found = [
        c.charge for c in record.charges if c.status is not ChargeStatus.VOID and c.charge.slot.service == "delivery"
    ]
    return sorted((charge.code, charge.start) for charge in found)


def ready(record: PersonRecord) -> int:
    """How many claims could leave."""
    return sum(claim.state is ClaimState.READY for claim in record.claims)


REGISTERED = telling.registration("freestanding", 0).wire.replace(b"20250101", b"20200101")


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 3, 9), 24)], ids=str
)
def test_a_day_closes_at_its_own_midnight(program, day: date, hours: int) -> None:
    """On the days of 23 and of 25 hours too: not a minute before, and at the first look after."""
    one = program()
    midnight = datetime.combine(day, time(), ZONE).astimezone(UTC)
    following = datetime.combine(day + timedelta(days=1), time(), ZONE).astimezone(UTC)
    assert following - midnight == timedelta(hours=hours)
    told = fraction(0, f"{day:%Y%m%d}090000")
    record = one.at(midnight + timedelta(hours=14), REGISTERED, told)
    assert standing(record) == [("77407", day)]
    assert [due.not_before for due in record.due if due.what == "claim"] == [following]
    assert ready(one.at(following - timedelta(seconds=1))) == 0
    assert ready(one.at(following)) == 1


def test_the_hour_that_is_not_there(program) -> None:
    """A sender whose clock was not set forward writes 02:30 on the day that has none: a session of that day."""
    one = program()
    record = one.at(datetime(2026, 3, 8, 20, tzinfo=UTC), REGISTERED, fraction(0, "20260308023000"))
    assert standing(record) == [("77407", date(2026, 3, 8))]
    assert [e.start for e in record.events if e.kind == "fraction"] == [datetime(2026, 3, 8, 7, 30, tzinfo=UTC)]


def test_the_hour_that_is_there_twice(program) -> None:
    """Two sessions, by the wall clock at 01:30 both: each is one, and an offset tells which hour is meant."""
    one = program()
    record = one.at(
        datetime(2026, 11, 1, 20, tzinfo=UTC),
        REGISTERED,
        fraction(0, "20261101013000-0400", said="20261101014000-0400"),
        fraction(1, "20261101013000-0500", said="20261101014000-0500"),
    )
    assert standing(record) == [("77407", date(2026, 11, 1))] * 2
    starts = sorted(e.start for e in record.events if e.kind == "fraction")
    assert starts == [datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)]
    again = one.at(
        datetime(2026, 11, 2, 20, tzinfo=UTC), fraction(0, "20261101013000-0400", said="20261101014000-0400")
    )
    assert standing(again) == standing(record)


def test_corrections_in_the_hour_that_is_there_twice_follow_what_was_said_last(program) -> None:
    """Of two statements half an hour apart, across the change of the clocks, the one said later holds."""
    first = fraction(0, "20261101010000-0400", said="20261101015000-0400")
    later = fraction(0, "20261101010000-0400", said="20261101012000-0500").replace(b"|3d|1|", b"|3d|2|")
    assert later != first
    for order in ((first, later), (later, first)):
        one = program()
        record = one.at(datetime(2026, 11, 1, 20, tzinfo=UTC), REGISTERED, *order)
        assert standing(record) == [("77412", date(2026, 11, 1))]


@pytest.mark.parametrize(
    ("day", "cycle", "code", "closes"),
    [
        (date(2024, 2, 29), "day", "G6015", date(2024, 3, 1)),
        (date(2028, 2, 29), "day", "77407", date(2028, 3, 1)),
        (date(2028, 2, 29), "month", "77407", date(2028, 3, 1)),
        (date(2025, 12, 31), "week", "G6015", date(2026, 1, 1)),
        (date(2026, 1, 1), "week", "77407", date(2026, 1, 5)),
        (date(2026, 12, 31), "month", "77407", date(2027, 1, 1)),
    ],
    ids=str,
)
def test_leap_day_and_new_year(program, day: date, cycle: str, code: str, closes: date) -> None:
    """The code of its own day, and a cycle that ends with its month and never crosses New Year."""
    one = program(cycle=cycle)
    evening = datetime.combine(day, time(20), ZONE)
    told = fraction(0, f"{day:%Y%m%d}090000").replace(b"|3d|1|", b"|imrt|1|")
    record = one.at(evening.astimezone(UTC), REGISTERED, told)
    assert standing(record) == [(code, day)]
    midnight = datetime.combine(closes, time(), ZONE).astimezone(UTC)
    assert [due.not_before for due in record.due if due.what == "claim"] == [midnight]
    assert ready(one.at(midnight - timedelta(seconds=1))) == 0
    assert ready(one.at(midnight)) == 1


def test_a_year_of_midnights_bills_each_session_once(program) -> None:
    """A session at noon and one near midnight, on every tenth day of a year, the clock walking from day to day."""
    one = program()
    days = [date(2026, 1, 3) + timedelta(days=10 * n) for n in range(14)] + [date(2026, 3, 8), date(2026, 11, 1)]
    record = one.at(datetime(2026, 1, 2, tzinfo=UTC), REGISTERED)
    for n, day in enumerate(sorted(days)):
        late = datetime.combine(day, time(23, 50), ZONE)
        record = one.at(late.astimezone(UTC), fraction(n, f"{day:%Y%m%d}234500"))
    assert standing(record) == [("77407", day) for day in sorted(days)]
    record = one.at(datetime(2026, 12, 31, 12, tzinfo=UTC))
    lines = [line.start for claim in record.claims for line in claim.claim.lines if line.code == "77407"]
    assert sorted(lines) == sorted(days)


# ---------------------------------------------------------------- times without a zone


@pytest.mark.parametrize(
    ("zone", "text", "start", "day"),
    [
        ("America/New_York", "20260105233000", datetime(2026, 1, 6, 4, 30, tzinfo=UTC), date(2026, 1, 5)),
        ("America/Los_Angeles", "20260105233000", datetime(2026, 1, 6, 7, 30, tzinfo=UTC), date(2026, 1, 5)),
        ("Pacific/Honolulu", "20260708233000", datetime(2026, 7, 9, 9, 30, tzinfo=UTC), date(2026, 7, 8)),
        ("America/New_York", "20260708233000", datetime(2026, 7, 9, 3, 30, tzinfo=UTC), date(2026, 7, 8)),
        ("America/New_York", "20260106043000+0000", datetime(2026, 1, 6, 4, 30, tzinfo=UTC), date(2026, 1, 6)),
        ("America/New_York", "20260105203000-0800", datetime(2026, 1, 6, 4, 30, tzinfo=UTC), date(2026, 1, 5)),
        ("Pacific/Honolulu", "20260105", datetime(2026, 1, 5, 22, 0, tzinfo=UTC), date(2026, 1, 5)),
    ],
)
def test_a_time_without_a_zone_is_of_the_feeds_zone(zone: str, text: str, start: datetime, day: date) -> None:
    """And one with an offset is of its own: the date of service is the sender's date."""
    (reading,) = read_by(zone, fraction(0, text, said="20260709120000"))
    assert reading.captured is not None
    (session,) = [event for event in reading.captured.events if event.kind == "fraction"]
    assert (session.start, session.day) == (start, day)
    said = datetime(2026, 7, 9, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert session.said == said


def read_by(zone: str, wire: bytes) -> Sequence[Reading]:
    """What a feed of that zone says in these bytes."""
    site = telling.clinic(zone=zone)
    feed = site.feed("rt")
    assert feed is not None
    found = capture(wire, feed=feed, dialect=rules().dialect(feed.dialect), message="m", received=datetime.now(UTC))
    assert isinstance(found, tuple)
    return [Reading("m", datetime.now(UTC), captured=one) for one in found]
