"""A small clinic behind its pages: a real store in memory, lanes that work when something is decided, invented people."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi.testclient import TestClient

from adapters.model.decision import Decision
from adapters.model.people import PersonHint
from adapters.model.site import Site
from adapters.model.user import Role, User
from adapters.model.work import WorkItem
from adapters.pages.links import Links
from adapters.payers import PayerClient
from adapters.pipeline import House
from adapters.pipeline.deciding import decision_of, receipt_of
from adapters.pipeline.receive import receive_v2
from adapters.serve.http import create_app
from adapters.serve.lanes import Lanes
from adapters.settings import read_site, rules_of
from adapters.smart.passwords import secret_of
from adapters.store import KeyRing, SqlStore, open_store
from adapters.work.entered import read_entered
from tests.model.entered import END, TWICE, WEEK, of_patient
from tests.pages.visiting import CHEAP, OURS, PASSWORD
from tests.serve.conftest import FAMILY, GIVEN, MRN, dft, endpoint

NOW = datetime(2026, 1, 20, 14, 0, tzinfo=UTC)
CANARIES = (FAMILY, GIVEN, MRN)
RULES = rules_of()
_PRICES = "".join(
    f'\n[[prices]]\ncode = "{code}"\namount = {amount}\nfrom = 2020-01-01\n'
    for code, amount in (("77290", "180.00"), ("77336", "90.00"), ("77407", "250.00"), ("77427", "310.00"))
)


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class Clinic:
    """The program put together, and a browser at its pages."""

    store: SqlStore
    house: House
    clock: Hand
    payers: PayerClient
    lanes: Lanes
    links: Links = field(default_factory=lambda: Links(lambda: "token-of-a-link"))
    client: TestClient = field(init=False)

    def __post_init__(self) -> None:
        app = create_app(self, wake=self.lanes.work, links=self.links)
        self.client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)

    @property
    def site(self) -> Site:
        return self.house.site

    def user(self, name: str, role: Role, password: str = PASSWORD) -> User:
        """A user with this password."""
        user = User(name, role, secret_of(password, b"salt of the test", CHEAP), self.clock.at)
        self.store.put_user(user, "console")
        return user

    def sign_in(self, name: str, password: str = PASSWORD, then: str = "", **headers: str) -> Any:
        """Send the form of signing in, as a browser does."""
        form = {"name": name, "password": password, "then": then}
        return self.client.post("/sign-in", data=form, headers={**OURS, **headers})

    def signed_in(self, role: Role, name: str = "") -> TestClient:
        """The browser, after a user of this role has signed in."""
        name = name or f"a.{role}"
        if self.store.user(name) is None:
            self.user(name, role)
        self.client.cookies.clear()
        assert self.sign_in(name).status_code == 303
        return self.client

    def decide(self, text: str) -> None:
        """Enter what a file says."""
        entered = read_entered(text, as_json=False, zone=ZoneInfo(self.site.zone))
        assert not isinstance(entered, tuple), entered
        assert entered.patient is not None
        made = Decision("lee", "the machine was offline", self.clock.at, entered.says, PersonHint((entered.patient,)))
        self.store.receive(receipt_of(made))
        self.lanes.work()

    def item(self, code: str) -> WorkItem:
        """The open item of this code."""
        (found,) = [one for one in self.store.worklist() if one.code == code]
        return found

    def decisions(self) -> list[Decision]:
        """All decisions in the journal."""
        return [decision_of(one) for one in self.store.journal() if one.kind.value == "decision"]

    def journalled(self) -> list[str]:
        """What the journal tells of users, by kind of turn."""
        return [str(one.body) for one in self.store.journal() if one.kind.value == "user"]

    def close(self) -> None:
        self.lanes.stop()
        self.payers.close()
        self.store.close()


def clinic(*, treated: bool = False) -> Clinic:
    """A clinic; `treated`: with a week of treatment whose management lacks its examination, and a simulation twice."""
    site = read_site(endpoint("http://127.0.0.1:1/fhir") + _PRICES, "site.toml", RULES)
    clock, house = Hand(), House.of(RULES, site)
    store = open_store("sqlite://", KeyRing.ephemeral("pages"), clock)
    payers = PayerClient(sleep=lambda _: None, now=clock.now)
    made = Clinic(store, house, clock, payers, Lanes(store, house, payers, clock))
    if treated:
        taken = receive_v2(dft(), listener="http", peer="", site=site, now=clock.at, ack_id="A1")
        assert taken.receipt is not None
        store.receive(taken.receipt)
        made.decide(of_patient("urn:quietbay:mrn", MRN) + WEEK + TWICE + END)
    return made


def shown(made: Clinic, path: str, status: int = 200) -> str:
    """The page at the address, once it is found what it rests on."""
    for _ in range(40):
        answer = made.client.get(path)
        if answer.status_code != 202:
            break
        assert 'http-equiv="refresh"' in answer.text
    assert answer.status_code == status, (path, answer.status_code, answer.text[:600])
    return answer.text


def sheet(made: Clinic, path: str) -> list[dict[str, str]]:
    """The rows of the file at the address."""
    return list(csv.DictReader(io.StringIO(shown(made, path).removeprefix("\ufeff"))))
