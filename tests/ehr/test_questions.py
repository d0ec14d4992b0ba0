"""Questions to the clinic, from the hold to the Task at the EHR and back: asked once, reminded of, answered, withdrawn."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fhir.resources.R4B.task import Task

from adapters.ehr import EhrClient
from adapters.ehr.questions import Asker, ask, remind, tell_of_end
from adapters.errors import BadSetup
from adapters.explain import describer, explain, questioned, with_question
from adapters.model.decision import Decision, Verb
from adapters.model.ehr import Ehr
from adapters.model.people import PersonHint
from adapters.model.question import Question, Stage, question_words
from adapters.model.user import Role
from adapters.model.work import WorkItem
from adapters.pages import signing
from adapters.payers import PayerClient
from adapters.pipeline import House, questions, settling
from adapters.pipeline.deciding import receipt_of
from adapters.pipeline.questions import question_about
from adapters.rules import Ruleset
from adapters.serve.asking import Asking
from adapters.serve.lanes import Lanes
from adapters.serve.questioning import Questioned
from adapters.settings import read_site, rules_of
from adapters.store import SqlStore
from adapters.work.entered import read_entered
from fhir_server_stub.payer import Stub
from fhir_server_stub.scenario import Scenario
from fhir_server_stub.server import running
from tests.cli.conftest import SITE, Clinic
from tests.ehr.conftest import NOON, Clock, Desk, condition, course, patient, session
from tests.ehr.test_command import coverage
from tests.pages.clinic import Clinic as Pages
from tests.pages.visiting import NOBODYS

PHYSICIAN = "1999999976"
MORE = """
[people]
"1999999976" = "radiation-oncologist"

[[prices]]
code = "77427"
amount = 400.00
from = 2020-01-01

[[ehrs]]
feed = "ehr"
base_url = "{base}"
types = ["Patient", "Coverage", "Encounter", "Procedure"]
attempts = 1
timeout_seconds = 2.0
{how}
"""
ENTERED = "".join(
    [
        '[patient]\nsystem = "urn:clinic:mrn"\nvalue = "EHR-4401"\n',
        *(
            f'[[event]]\nkind = "fraction"\nstart = 2026-01-{day}T09:00:00-05:00\ncourse = "C1"\n'
            f'facts = {{ n = {day - 11}, technique = "3d", modality = "photon", isocenters = 1, diagnosis = ["C61"] }}\n'
            for day in range(12, 17)
        ),
    ]
)
HOW = 'questions = "task"\nquestion_owner = "Organization/billing"\nquestion_days = 7\nquestion_reminder_days = 3'


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    """The mappings, read once."""
    return rules_of()


@dataclass
class Office:
    """The billing office: a site whose EHR is asked, its store, its lanes, and a clock to walk."""

    wired: Any
    asking: Asking
    lanes: Lanes
    clock: Clock

    def round(self, **after: float) -> Questioned | None:
        """Ask the EHR this long after the week of sessions, work what came, then the questions."""
        self.clock.at = NOON + timedelta(days=6) + timedelta(**after)
        (ehr,) = self.wired.site.ehrs
        polled = self.asking.once(ehr)
        assert polled is not None
        assert polled.troubles == ()
        self.lanes.work()
        return self.asking.question(ehr)

    def counts(self, **after: float) -> dict[str, int]:
        """What a round without trouble did about questions, nought left out."""
        done = self.round(**after)
        assert done is not None
        assert done.troubles == []
        names = ("asked", "reminded", "answered", "withdrawn")
        return {name: count for name in names if (count := getattr(done, name))}

    def item(self) -> WorkItem:
        """The work item of the line that lacks an examination."""
        items: tuple[WorkItem, ...] = self.wired.store.worklist(closed=True)
        return next(one for one in items if one.code == "documentation-missing")

    def question(self) -> Question:
        """What the clinic was asked about it, as it stands."""
        found = question_about(self.wired.store, ("ehr",), self.item().id)
        assert found is not None
        return found


@pytest.fixture
def office(desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, rules: Ruleset) -> Callable[..., Office]:
    """`office(how)`: an office whose EHR holds a week of sessions that no physician has examined."""
    week = [session(number) for number in range(1, 6)]
    for resource in (patient(), coverage(), condition(), course(), *week):
        desk.put(resource, at=NOON)

    def made(how: str = HOW) -> Office:
        site = read_site(SITE + MORE.format(base=desk.base, how=how), "site.toml", rules)
        house = House.of(rules, site)
        wired = SimpleNamespace(site=site, house=house, store=store, clock=clock)
        lanes = Lanes(store, house, SimpleNamespace(), clock)
        return Office(wired, Asking(wired, client), lanes, clock)

    return made


Made = Callable[..., Office]


def tasks(desk: Desk) -> list[dict[str, Any]]:
    """The Tasks that the EHR holds."""
    return [one for name, one in desk.held.items() if name.startswith("Task/")]


def written(desk: Desk) -> list[str]:
    """How Tasks were written to."""
    return [method for method, path, _ in desk.written if path.startswith("Task")]


def examined(status: str = "finished") -> dict[str, Any]:
    """An examination by the physician within the week of sessions."""
    return {
        "resourceType": "Encounter",
        "id": "otv-1",
        "status": status,
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [{"coding": [{"system": "urn:clinic:encounter-type", "code": "OTV"}]}],
        "subject": {"reference": "Patient/p1"},
        "participant": [
            {"individual": {"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": PHYSICIAN}}},
        ],
        "period": {"start": "2026-01-14T11:00:00-05:00", "end": "2026-01-14T11:20:00-05:00"},
    }


def test_a_question_is_asked_once_and_names_what_the_ehr_itself_told(office: Made, desk: Desk) -> None:
    one = office()
    assert one.counts() == {"asked": 1}
    assert one.counts(hours=1) == {}
    (task,) = tasks(desk)
    Task.model_validate(task)
    assert (task["status"], task["priority"], task["intent"]) == ("requested", "routine", "order")
    assert (task["focus"], task["for"]) == ({"reference": "Procedure/fx-5"}, {"reference": "Patient/p1"})
    assert task["owner"] == {"reference": "Organization/billing"}
    assert task["restriction"] == {"period": {"end": "2026-01-25"}}
    assert task["requester"]["identifier"]["value"] == "1999999950"
    assert "no physician examination is recorded from 2026-01-12 to 2026-01-16" in task["description"]
    assert not any(said in json.dumps(task) for said in ("EHR-4401", "Quailthorn", "Isolde", "1951", "SB-7002"))
    question = one.question()
    assert (question.stage, question.task, question.code) == (Stage.OPEN, task["id"], "77427")
    assert question_words(question) == ("the clinic was asked on 2026-01-18 17:00Z by ehr, for 2026-01-25",)


def test_the_document_answers_it(office: Made, desk: Desk, rules: Ruleset) -> None:
    one = office()
    one.round()
    desk.put(examined(), at=NOON + timedelta(days=7))
    assert one.counts(days=2) == {"answered": 1}
    (task,) = tasks(desk)
    Task.model_validate(task)
    assert (task["status"], task["statusReason"]) == ("completed", {"text": "the record is complete"})
    question = one.question()
    assert (question.stage, question.told, question.closed) == (Stage.ANSWERED, True, one.clock.at)
    (entry,) = one.wired.store.entries([question.answer])
    assert b"otv-1" in entry.body
    record = one.wired.store.load(one.item().person)
    charge = next(c for c in record.charges if c.charge.code == "77427")
    assert questioned(record, charge.id) == one.item().id
    told = explain(record, charge.id, rules, describer(one.wired.store.messages()))
    assert told is not None
    said = [words for _, words, _ in with_question(told, question).lines()]
    assert "answered on 2026-01-20 17:00Z: the record is complete" in said
    assert one.counts(days=3) == {}


def test_it_is_asked_anew_when_the_hold_comes_back(office: Made, desk: Desk) -> None:
    one = office()
    one.round()
    desk.put(examined(), at=NOON + timedelta(days=7))
    one.round(days=2)
    desk.put(examined("entered-in-error"), at=NOON + timedelta(days=9))
    assert one.counts(days=4) == {"asked": 1}
    first, second = tasks(desk)
    assert (first["status"], second["status"]) == ("completed", "requested")
    assert first["identifier"] != second["identifier"]
    assert one.question().number == 2


def test_it_is_withdrawn_when_the_office_lets_the_line_go(office: Made, desk: Desk, rules: Ruleset) -> None:
    one = office()
    one.round()
    found = settling.found_of(one.wired.store, one.item())
    let = settling.letting(found, Verb.RELEASE, rules, supervisor=False)
    assert not isinstance(let, str)
    decision = settling.decision_about(found, let, "kim", "seen on paper", NOON + timedelta(days=7), supervisor=False)
    one.clock.at = NOON + timedelta(days=7)
    one.wired.store.receive(receipt_of(decision))
    assert one.counts(days=2) == {"withdrawn": 1}
    (task,) = tasks(desk)
    assert (task["status"], task["statusReason"]) == ("cancelled", {"text": "the billing office has settled it"})
    assert (one.question().stage, one.question().answer) == (Stage.WITHDRAWN, "")


def test_it_is_withdrawn_when_nothing_is_due_any_more(office: Made, desk: Desk) -> None:
    one = office()
    one.round()
    for number in range(1, 6):
        desk.put({**session(number), "status": "entered-in-error"}, at=NOON + timedelta(days=7))
    assert one.counts(days=2) == {"withdrawn": 1}
    assert tasks(desk)[0]["statusReason"] == {"text": "the line is not due any more"}


def test_one_reminder_raises_the_priority(office: Made, desk: Desk) -> None:
    one = office()
    one.round()
    assert one.counts(days=2) == {}
    assert one.counts(days=3) == {"reminded": 1}
    assert one.counts(days=5) == {}
    (task,) = tasks(desk)
    Task.model_validate(task)
    assert (task["status"], task["priority"], len(task["note"])) == ("requested", "urgent", 1)
    assert task["note"][0]["text"].startswith("Reminder from billing: this was asked on 2026-01-18, for 2026-01-25")
    assert one.question().reminded == NOON + timedelta(days=9)


def test_a_reminder_whose_outcome_was_not_heard_is_not_given_twice(office: Made, desk: Desk) -> None:
    one = office()
    one.round()
    desk.swallows = 1
    done = one.round(days=3)
    assert done is not None
    assert done.troubles == ["no-answer"]
    assert one.counts(days=4) == {"reminded": 1}
    assert (tasks(desk)[0]["priority"], len(tasks(desk)[0]["note"])) == ("urgent", 1)


def test_what_the_clinic_ended_itself_stays_so_and_is_told(office: Made, desk: Desk) -> None:
    one = office()
    one.round()
    (task,) = tasks(desk)
    desk.put({**task, "status": "rejected"})
    assert one.counts(days=3) == {}
    assert "the clinic has set it to rejected, and the line is still held" in question_words(one.question())
    desk.put(examined(), at=NOON + timedelta(days=9))
    assert one.counts(days=4) == {"answered": 1}
    assert (tasks(desk)[0]["status"], written(desk)) == ("rejected", ["POST"])


def test_what_the_clinic_wrote_into_the_task_is_kept(office: Made, desk: Desk) -> None:
    one = office()
    one.round()
    (task,) = tasks(desk)
    desk.put({**task, "status": "in-progress", "note": [{"text": "with the physician"}]})
    one.round(days=3)
    desk.put(examined(), at=NOON + timedelta(days=9))
    assert one.counts(days=4) == {"answered": 1}
    (task,) = tasks(desk)
    assert task["status"] == "completed"
    assert task["note"][0] == {"text": "with the physician"}
    assert len(task["note"]) == 3


def test_a_task_whose_making_was_not_heard_of_is_found_and_not_made_again(office: Made, desk: Desk) -> None:
    one = office()
    desk.swallows = 1
    done = one.round()
    assert done is not None
    assert done.troubles == ["no-answer"]
    (task,) = tasks(desk)
    assert one.question().stage is Stage.ASKING
    assert one.counts(hours=1) == {"asked": 1}
    assert [kept["id"] for kept in tasks(desk)] == [task["id"]]
    assert written(desk) == ["POST"]
    assert one.question().task == task["id"]


def test_a_refused_question_is_shown_and_tried_again_after_a_day(office: Made, desk: Desk) -> None:
    one = office()
    desk.refused = ("Task", 403)
    done = one.round()
    assert done is not None
    assert done.troubles == ["status-403"]
    assert question_words(one.question()) == ("the clinic is being asked since 2026-01-18 17:00Z by ehr (status-403)",)
    desk.refused = ("", 0)
    assert one.counts(hours=1) == {}
    assert one.counts(days=1) == {"asked": 1}


def test_a_crash_before_the_outcome_asks_nothing_twice(office: Made, desk: Desk) -> None:
    one = office()
    one.round()
    store, question = one.wired.store, one.question()
    # As a process leaves it that ends between the call and the note of its outcome.
    open_again = replace(question, stage=Stage.ASKING, task="")
    channel, control = questions.channel_of("ehr"), questions.control_of(question.item)
    store.note(channel, control, lambda last: questions.note_of(open_again, last, one.clock.at))
    assert one.counts(hours=1) == {"asked": 1}
    assert (len(tasks(desk)), written(desk)) == (1, ["POST"])


def test_a_line_of_which_the_ehr_told_nothing_is_not_asked_about(office: Made, desk: Desk) -> None:
    one = office()
    for name in [name for name in desk.held if name.startswith("Procedure/")]:
        desk.delete(name)
    by = read_entered(ENTERED, as_json=False, zone=ZoneInfo("America/New_York"))
    assert not isinstance(by, tuple)
    assert by.patient is not None
    said = Decision("kim", "the record of the machine", NOON, by.says, PersonHint((by.patient,)))
    one.wired.store.receive(receipt_of(said))
    assert one.counts() == {}
    assert one.item().closed is None
    assert one.counts(hours=1) == {}
    assert tasks(desk) == []
    for resource in (course(), *(session(number) for number in range(1, 6))):
        desk.put(resource, at=NOON + timedelta(days=6, hours=1))
    assert one.counts(hours=2) == {"asked": 1}


def test_the_stub_takes_it_once_and_its_end(client: EhrClient, ehr: Callable[..., Ehr]) -> None:
    stub, asker = Stub(Scenario(), now=lambda: NOON), Asker("Billing of the clinic", "1999999950")
    about = ("Procedure/fx-5", "Patient/p1", "management", "77427")
    question = Question("item", "emr", *about, NOON.date(), "no note", NOON, NOON.date() + timedelta(days=7))
    with running(stub) as base:
        at = replace(ehr(), base_url=f"{base}/fhir")
        first = ask(at, client, question, asker, NOON, again=False)
        assert (first.stage, first.problem) == (Stage.OPEN, "")
        assert [ask(at, client, question, asker, NOON, again=again).task for again in (True, False)] == [first.task] * 2
        assert remind(at, client, first, asker, NOON).reminded == NOON
        over = replace(first, stage=Stage.WITHDRAWN, closed=NOON, why="the line is not due any more")
        assert tell_of_end(at, client, over, asker, NOON).told
    (task,) = stub.resources.search("Task", [])
    assert (task["status"], task["priority"], task["meta"]["versionId"]) == ("cancelled", "urgent", "3")


def test_nothing_is_asked_where_nobody_said_so(office: Made, desk: Desk) -> None:
    assert office("").round() is None
    assert tasks(desk) == []


def test_the_service_asks_by_itself(office: Made, desk: Desk) -> None:
    one = office()
    one.clock.at = NOON + timedelta(days=6)
    one.asking.once(one.wired.site.ehrs[0])
    one.lanes.work()
    assert tasks(desk) == []
    with one.asking.going_on():
        end = time.monotonic() + 20
        while not tasks(desk) and time.monotonic() < end:
            time.sleep(0.01)
    assert one.question().stage is Stage.OPEN


def test_the_pages_show_it(office: Made, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "NOBODYS", NOBODYS)
    one = office()
    one.round()
    with PayerClient() as payers:
        there = Pages(one.wired.store, one.wired.house, one.clock, payers, one.lanes)  # type: ignore[arg-type]
        browser = there.signed_in(Role.VIEWER)
        page = browser.get(f"/work/{one.item().id}").text
        words = "the clinic was asked on 2026-01-18 17:00Z by ehr, for 2026-01-25"
        assert f"<b>Asked:</b> {words}." in page
        (why,) = set(re.findall(r'href="(/explain/[^"]+)"', page))
        assert words in browser.get(why).text
        desk.put(examined(), at=NOON + timedelta(days=7))
        one.round(minutes=5)
        record = one.wired.store.load(one.item().person)
        charge = next(c.id for c in record.charges if c.charge.code == "77427")
        assert "answered on 2026-01-18 17:05Z: the record is complete" in browser.get(f"/explain/{charge}").text


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ('questions = "mdm"', "ehrs.0.questions: Input should be 'task' or 'off'"),
        ('questions = "task"\nquestion_owner = "Patient/1"', "question_owner is no reference like Organization/12"),
        ('questions = "task"\nquestion_days = 0', "ehrs.0.question_days: Input should be greater than or equal to 1"),
    ],
)
def test_the_site_file_says_how_or_is_refused(rules: Ruleset, said: str, problem: str) -> None:
    with pytest.raises(BadSetup) as refused:
        read_site(SITE + MORE.format(base="https://ehr.example/fhir", how=said), "site.toml", rules)
    assert any(problem in one for one in refused.value.problems)


@pytest.mark.system
def test_the_commands_ask_and_show_it(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ONCOCLAIMS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    clinic = Clinic(tmp_path)
    clinic.file("site.toml", SITE + MORE.format(base=desk.base, how=HOW))
    assert clinic("init").code == 0
    for resource in (patient(), coverage(), condition(), course(), *(session(number) for number in range(1, 6))):
        desk.put(resource, at=NOON)
    first = clinic("poll", "--ehr", "ehr", "--now", (NOON + timedelta(days=6)).isoformat())
    assert (first.code, "ehr: questions to the clinic: 1 asked" in first.out) == (0, True)
    rows = clinic("worklist", "--json").rows()
    item = next(row["id"] for row in rows if row["code"] == "documentation-missing")
    words = "the clinic was asked on 2026-01-18 17:00Z by ehr, for 2026-01-25"
    assert words in clinic("work", "show", item).out
    held = next(row["id"] for row in clinic("charges", "--held", "--json").rows() if row["code"] == "77427")
    assert words in clinic("explain", held).out
    desk.put(examined(), at=NOON + timedelta(days=7))
    second = clinic("poll", "--ehr", "ehr", "--json", "--now", (NOON + timedelta(days=8)).isoformat())
    assert second.rows()[0]["questions"] == {"asked": 0, "reminded": 0, "answered": 1, "withdrawn": 0}
    question = clinic("work", "show", item, "--json").rows()[0]["question"]
    assert (question["stage"], question["told"]) == ("answered", True)
    assert "on-treatment-visit" in clinic("trace", question["answer"]).out
    assert clinic("rebuild", "--check").code == 0
    assert clinic("verify").code == 0
