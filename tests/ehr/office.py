"""A billing office whose clinic speaks HL7 v2 alone: the messages of a week that lacks an examination, and rounds of its desk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from adapters.ehr.sending import MllpSender, Sent
from adapters.model.desk import Desk
from adapters.model.journal import JournalEntry
from adapters.model.question import Question
from adapters.model.work import WorkItem
from adapters.pipeline import House, questions
from adapters.pipeline.questions import question_about
from adapters.pipeline.receive import receive_v2
from adapters.rules import Ruleset
from adapters.serve.desks import Desks
from adapters.serve.lanes import Lanes
from adapters.serve.questioning import Questioned
from adapters.settings import read_site
from adapters.store import SqlStore
from tests.cli.conftest import SITE

if TYPE_CHECKING:
    from tests.ehr.conftest import Clock

ZSEG = SITE.replace('dialect = "plain-dft"', 'dialect = "{dialect}"')
MORE = """
[people]
"1999999976" = "radiation-oncologist"

[[prices]]
code = "77427"
amount = 400.00
from = 2020-01-01

[[desks]]
feed = "charges"
port = {port}
timeout_seconds = 0.3
"""
START = datetime(2026, 1, 18, 17, 0, tzinfo=UTC)
"""After the week of sessions."""


def segment(name: str, values: dict[int, str]) -> str:
    """A segment of these fields."""
    return "|".join([name, *(values.get(n, "") for n in range(1, max(values) + 1))])


def heads(kind: str, control: str, on: str) -> list[str]:
    """The head of a message about the patient."""
    return [
        f"MSH|^~\\&|PLIS|PLOVER|ONCO|PLOVER|{on}101500||{kind}|{control}|P|2.5.1",
        f"EVN|{kind[4:7]}|{on}101500",
        "PID|1||PB-44^^^PLOVER^MR||Marshwiggle^Odalys||19520417|F",
        "PV1|1|O|PLOVER||||||||||||||||V-8",
    ]


def registered() -> bytes:
    """The patient, and who insures her."""
    insured = segment("IN1", {1: "1", 2: "SDBR", 3: "SDBR", 4: "Sandbar", 12: "20250101", 17: "SEL", 36: "SB-7001"})
    return "".join(f"{one}\r" for one in (*heads("ADT^A04", "A1", "20260105"), insured)).encode()


def done(activity: str, control: str, on: str, said: dict[int, str], *, credit: bool = False) -> bytes:
    """A report that something was done, or with `credit` that it was not."""
    charge = {
        1: "1",
        2: f"TX-{on}-{activity}",
        4: f"{on}0900",
        5: on,
        6: "CD" if credit else "CG",
        7: activity,
        10: "1",
    }
    charge |= {19: "C61", 20: "1999999976^Reed^Ida^^^^^^NPI"}
    lines = (*heads("DFT^P03", control, on), segment("FT1", charge), segment("ZRT", {1: "1", 2: "C1", **said}))
    return "".join(f"{one}\r" for one in lines).encode()


def session(number: int, *, credit: bool = False) -> bytes:
    """A session of the week."""
    said = {5: str(number), 6: f"2.25.88{number}", 7: "3d", 8: "1", 15: "photon"}
    return done("RTTX", f"S{number}{'C' * credit}", f"202601{11 + number}", said, credit=credit)


def examined() -> bytes:
    """An examination by the physician within it: what is asked for."""
    return done("RTOTV", "OTV1", "20260114", {5: ""})


class Dies:
    """A way to the desk upon which the process ends: before anything leaves, or after it was taken."""

    def __init__(self, inner: MllpSender | None) -> None:
        self._inner = inner

    def send(self, desk: Desk, message: str, control: str) -> Sent:
        if self._inner is not None:
            self._inner.send(desk, message, control)
        raise SystemExit


class Away:
    """A way to a desk that is not there."""

    def send(self, desk: Desk, message: str, control: str) -> Sent:  # noqa: ARG002  # the Protocol's
        return Sent("not-connected")


@dataclass
class Office:
    """The billing office, whose clinic speaks HL7 v2 alone."""

    wired: Any
    desks: Desks
    lanes: Lanes
    clock: Clock

    def takes(self, *messages: bytes) -> None:
        """Messages come in and are worked."""
        for number, body in enumerate(messages):
            intake = receive_v2(
                body, listener="charges", peer=None, site=self.wired.site, now=self.clock.at, ack_id=f"T{number}"
            )
            assert intake.receipt is not None
            self.wired.store.receive(intake.receipt)
        self.lanes.work()

    def round(self, **after: float) -> Questioned:
        """A round of the desk this long after the week of sessions."""
        self.clock.at = START + timedelta(**after)
        told = self.desks.once(self.wired.site.desks[0])
        assert told is not None
        return told

    def counts(self, **after: float) -> dict[str, int]:
        """What a round did, nought left out, with how often it met trouble."""
        told = self.round(**after)
        names = ("asked", "reminded", "answered", "withdrawn")
        found = {name: count for name in names if (count := getattr(told, name))}
        return found | dict.fromkeys(told.troubles, 1)

    def item(self, code: str = "documentation-missing") -> WorkItem:
        """The work item of this code."""
        items: tuple[WorkItem, ...] = self.wired.store.worklist(closed=True)
        return next(one for one in items if one.code == code)

    def question_if_any(self) -> Question | None:
        """What the clinic was asked, as it stands."""
        return question_about(self.wired.store, ("charges",), self.item().id)

    def question(self) -> Question:
        """The same, once it was asked."""
        found = self.question_if_any()
        assert found is not None
        return found

    def notes(self) -> Sequence[JournalEntry]:
        """How the question stood, entry by entry of the journal."""
        channel, control = questions.channel_of("charges"), questions.control_of(self.item().id)
        found: Sequence[JournalEntry] = self.wired.store.noted(channel, control)
        return found


Made = Callable[..., Office]


def office_of(store: SqlStore, clock: Clock, rules: Ruleset, port: int, more: str = "") -> Office:
    """An office to which the week of sessions has come by HL7 v2, and no examination."""
    text = ZSEG.replace("{dialect}", "example-dft-zseg") + MORE.format(port=port) + more
    site = read_site(text, "site.toml", rules)
    wired = SimpleNamespace(site=site, house=House.of(rules, site), store=store, clock=clock)
    lanes = Lanes(store, wired.house, SimpleNamespace(), clock)
    one = Office(wired, Desks(wired, MllpSender()), lanes, clock)
    clock.at = START
    one.takes(registered(), *(session(number) for number in range(1, 6)))
    return one
