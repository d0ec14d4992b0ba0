"""A clinic that tells of one line by FHIR and by HL7 v2: it is asked by one way only, whichever came first."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.ehr import EhrClient
from adapters.ehr.sending import MllpSender
from adapters.model.question import By
from adapters.pipeline import House
from adapters.pipeline.questions import question_about
from adapters.pipeline.receive import receive_v2
from adapters.rules import Ruleset
from adapters.serve.asking import Asking
from adapters.serve.desks import Desks
from adapters.serve.lanes import Lanes
from adapters.settings import read_site
from adapters.store import SqlStore
from tests.ehr.conftest import NOON, Clock, Desk, condition, course, patient
from tests.ehr.conftest import session as procedure
from tests.ehr.engine import Engine, listening
from tests.ehr.office import MORE, ZSEG, registered, session
from tests.ehr.test_command import coverage

EHR = """
[[ehrs]]
feed = "ehr"
base_url = "{base}"
types = ["Patient", "Coverage", "Encounter", "Procedure"]
attempts = 1
timeout_seconds = 2.0
questions = "task"
"""


class Clinic:
    """The office of a clinic with both ways."""

    def __init__(
        self, store: SqlStore, clock: Clock, client: EhrClient, rules: Ruleset, engine: Engine, base: str
    ) -> None:
        same = 'person_system = "urn:clinic:mrn"'
        text = ZSEG.replace("{dialect}", "example-dft-zseg").replace('person_system = "urn:plover:mrn"', same)
        aliased = text.replace(same, f'{same}\nperson_aliases = {{ PLOVER = "urn:clinic:mrn" }}', 1)
        site = read_site(aliased + MORE.format(port=engine.port) + EHR.format(base=base), "site.toml", rules)
        self.wired: Any = SimpleNamespace(site=site, house=House.of(rules, site), store=store, clock=clock)
        self.lanes = Lanes(store, self.wired.house, SimpleNamespace(), clock)
        self.asking, self.desks = Asking(self.wired, client), Desks(self.wired, MllpSender())

    def hears_messages(self) -> None:
        """The week of sessions comes by HL7 v2."""
        for body in (registered(), *map(session, range(1, 6))):
            same = body.replace(b"PB-44", b"EHR-4401").replace(b"|2.25.88", b"|2.25.7200")
            now = self.wired.clock.now()
            intake = receive_v2(same, listener="charges", peer=None, site=self.wired.site, now=now, ack_id="T")
            assert intake.receipt is not None
            self.wired.store.receive(intake.receipt)
        self.lanes.work()

    def asks_the_ehr(self) -> None:
        """The EHR is asked for its resources, and they are worked."""
        assert self.asking.once(self.wired.site.ehrs[0]) is not None
        self.lanes.work()

    def asks_both(self) -> tuple[int, int]:
        """A round of each way: how many questions each asked."""
        task = self.asking.question(self.wired.site.ehrs[0])
        message = self.desks.once(self.wired.site.desks[0])
        assert task is not None
        assert message is not None
        return task.asked, message.asked

    def asked_by(self) -> By:
        """How the last question went."""
        item = next(one for one in self.wired.store.worklist() if one.code == "documentation-missing")
        question = question_about(self.wired.store, self.wired.site.asked_feeds, item.id)
        assert question is not None
        return question.by


@pytest.mark.parametrize("first", ["fhir", "hl7v2"])
def test_a_line_told_of_by_both_is_asked_about_once(
    store: SqlStore, clock: Clock, client: EhrClient, desk: Desk, mapped: Ruleset, first: str
) -> None:
    for resource in (patient(), coverage(), condition(), course(), *map(procedure, range(1, 6))):
        desk.put(resource, at=NOON)
    clock.at = NOON + timedelta(days=6)
    with listening(Engine()) as engine:
        clinic = Clinic(store, clock, client, mapped, engine, desk.base)
        begin, then = clinic.asks_the_ehr, clinic.hears_messages
        if first == "hl7v2":
            begin, then = then, begin
        begin()
        once = clinic.asks_both()
        assert once == ((1, 0) if first == "fhir" else (0, 1))
        then()
        assert (clinic.asks_both(), clinic.asks_both()) == ((0, 0), (0, 0))
        assert clinic.asked_by() is (By.TASK if first == "fhir" else By.MLLP)
        assert (len([name for name in desk.held if name.startswith("Task/")]), len(engine.came)) == once
