"""The part of the site file that says how HL7 v2 comes in, through the door that site files come by."""

from __future__ import annotations

from datetime import date, time, timedelta
from importlib import resources

import pytest

from adapters.errors import BadSetup
from adapters.model.listening import LARGEST_FRAME, Listening, TlsFiles
from adapters.model.rhythm import Rhythm
from adapters.model.site import Site
from adapters.rules import Ruleset
from adapters.settings import read_site, rules_of

BASE = (
    resources.files("adapters.demo").joinpath("site.toml").read_text(encoding="utf-8").replace('fees = "fees.csv"', "")
)
FEEDS = """
[[feeds]]
name = "wired"
media = "hl7v2"
dialect = "plain-dft"
zone = "America/New_York"
facility = "{facility}"
applications = ["EPIC"]
sending_facilities = ["ONC"]
types = ["DFT", "ADT^A08"]
certificates = ["engine.example"]
frame_bytes = 1048576
application_ack = "after-work"
batch_answer = "each"
"""
LISTENERS = """
[[listeners]]
name = "engine"
host = "10.20.0.5"
port = 2575
feeds = ["wired"]
tls = { certificate = "tls/server.pem", key = "tls/server.key", ca = "/etc/hospital/ca.pem" }
frame_bytes = 2097152
connections = 20
per_peer = 5
idle_seconds = 600

[[listeners]]
name = "inside"
"""


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    """The mappings as shipped."""
    return rules_of()


def facility() -> str:
    """A facility of the site."""
    return BASE.split("[[facilities]]", 1)[1].split('id = "', 1)[1].partition('"')[0]


def site(text: str, rules: Ruleset, name: str = "conf/site.toml") -> Site:
    return read_site(BASE + FEEDS.format(facility=facility()) + text, name, rules)


def test_what_a_site_says_of_its_doors(rules: Ruleset) -> None:
    said = site(LISTENERS, rules)
    assert said.listeners == (
        Listening(
            "engine",
            "10.20.0.5",
            2575,
            ("wired",),
            TlsFiles("conf/tls/server.pem", "conf/tls/server.key", "/etc/hospital/ca.pem"),
            frame_bytes=2 * 2**20,
            connections=20,
            per_peer=5,
            idle_seconds=600,
        ),
        Listening("inside"),
    )
    feed = said.feed("wired")
    assert feed is not None
    assert (feed.sending_facilities, feed.types, feed.certificates) == (
        ("ONC",),
        ("DFT", "ADT^A08"),
        ("engine.example",),
    )
    assert (feed.frame_bytes, feed.application_ack, feed.batch_answer) == (2**20, "after-work", "each")


def test_what_it_need_not_say(rules: Ruleset) -> None:
    said = site("", rules)
    assert said.listeners == ()
    feed = next(feed for feed in said.feeds if feed.name != "wired")
    assert (feed.frame_bytes, feed.application_ack, feed.batch_answer) == (LARGEST_FRAME, "never", "one")
    assert (feed.types, feed.certificates) == ((), ())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "engine"', 'name = "The Engine"', "listeners.0.name: "),
        ("port = 2575", "port = 70000", "listeners.0.port: "),
        ('certificate = "tls/server.pem", ', "", "listeners.0.tls.certificate: "),
        ("connections = 20", "connections = 0", "listeners.0.connections: "),
        ("idle_seconds = 600", "idle = 600", "listeners.0.idle: "),
        ('feeds = ["wired"]', 'feeds = ["wire"]', "listeners.engine: feeds: no HL7 v2 feed 'wire'"),
        ("tls = {", "# tls = {", "beyond this machine it needs tls"),
    ],
)
def test_a_fault_is_told_with_its_place(rules: Ruleset, old: str, new: str, words: str) -> None:
    assert old in LISTENERS
    with pytest.raises(BadSetup) as told:
        site(LISTENERS.replace(old, new), rules)
    assert any(words in problem for problem in told.value.problems)
    assert all(problem.startswith("conf/site.toml: ") for problem in told.value.problems)


@pytest.mark.parametrize("wrong", ['application_ack = "soon"', 'batch_answer = "two"', "frame_bytes = 10"])
def test_a_feed_says_no_other_words(rules: Ruleset, wrong: str) -> None:
    name = wrong.partition(" ")[0]
    lines = [wrong if line.startswith(name) else line for line in FEEDS.splitlines()]
    facility = BASE.split("[[facilities]]", 1)[1].split('id = "', 1)[1].partition('"')[0]
    with pytest.raises(BadSetup, match=f"feeds.*{name}"):
        read_site(BASE + "\n".join(lines).format(facility=facility), "site.toml", rules)


def test_a_feed_says_when_it_speaks(rules: Ruleset) -> None:
    said = 'rhythm = { every_minutes = 90, weekdays = ["sat", "mon"], opens = 08:00:00, holidays = [2026-01-19] }\n'
    read = read_site(BASE + FEEDS.format(facility=facility()) + said + "sequence_numbers = true\n", "site.toml", rules)
    feed = read.feed("wired")
    assert feed is not None
    assert feed.rhythm == Rhythm(
        timedelta(minutes=90), frozenset({0, 5}), time(8), None, frozenset({date(2026, 1, 19)})
    )
    assert feed.sequence_numbers
    assert all(other.rhythm is None and not other.sequence_numbers for other in read.feeds if other is not feed)


@pytest.mark.parametrize(
    ("rhythm", "problem"),
    [
        ("{ every_minutes = 0 }", "feeds.{n}.rhythm.every_minutes"),
        ("{ }", "feeds.{n}.rhythm.every_minutes"),
        ('{ every_minutes = 5, weekdays = ["day"] }', "feeds.{n}.rhythm.weekdays.0"),
        ("{ every_minutes = 5, weekdays = [] }", "feeds.{n}.rhythm.weekdays"),
        ("{ every_minutes = 5, opens = 09:00:00, closes = 08:00:00 }", "it closes before it opens"),
    ],
)
def test_a_rhythm_that_says_nothing_is_refused(rules: Ruleset, rhythm: str, problem: str) -> None:
    with pytest.raises(BadSetup) as refused:
        read_site(BASE + FEEDS.format(facility=facility()) + f"rhythm = {rhythm}\n", "site.toml", rules)
    assert any(problem.format(n=BASE.count("[[feeds]]")) in said for said in refused.value.problems)
