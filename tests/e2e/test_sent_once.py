"""P4: a claim takes effect once at its payer, though answers are lost, late, doubled or garbled; counted at the payer.

Four kinds of payers, by what they know of a claim that comes again: conditional create, an idempotency key, a search
only, nothing. Each has its own stub, behind a proxy that spoils one call in three. The commands of the console script do
the rest: `ingest`, `submit`, `poll`, `run-due`, with the clock walked on by `--now`.
"""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests import soak
from tests.e2e.payer_weather import FAULTS, Weather

pytestmark = [pytest.mark.system, pytest.mark.timeout(24 * 3600)]

SEARCH_DELAY = timedelta(hours=6)
STORM = 8
"""For so many rounds the weather is bad."""
KINDS = {
    "conditional": ("", 'call = "create"\nidempotent = true\n'),
    "key": (
        'key_header = "Idempotency-Key"\nkey_seconds = 7200\n',
        'idempotent = true\nidempotency_header = "Idempotency-Key"\nidempotent_seconds = 7200\n',
    ),
    "search": ("", ""),
    "nothing": ("searchable = false\n", 'search = "none"\n'),
}
"""What the payer's scenario says, and what the site file says of it."""
MOODS = """
[[rule]]
verb = "pend"
when = { nth = 3 }
polls = 2

[[rule]]
verb = "deny"
when = { nth = 5 }
carc = "50"

[[rule]]
verb = "twice"
when = { nth = 7 }

[[rule]]
verb = "defer"
when = { nth = 9 }
"""


@pytest.fixture(params=list(KINDS))
def office(
    request: pytest.FixtureRequest, make_clinic: Callable[..., Any], stub: Callable[[str], str], tools: SimpleNamespace
) -> Iterator[tuple[str, Any, str, Weather]]:
    """A payer of that kind, the proxy before it, and a clinic that sends through the proxy."""
    scenario, endpoint = KINDS[request.param]
    # A payer of whom nothing can be learnt must answer at once: what it pends is told by other ways than FHIR.
    rules = MOODS if request.param != "nothing" else ""
    payer = stub(f'name = "{request.param}"\n{scenario}{rules}')
    weather = Weather(payer, soak.seed(), 0.34)
    clinic = make_clinic(weather.base)
    text = tools.site(weather.base, poll_after=600, search_delay=int(SEARCH_DELAY.total_seconds()))
    text = text.replace('call = "submit"\n', "") if "call =" in endpoint else text
    more = f"in_flight = 8\nrest_after = 1000\n{endpoint}"
    clinic.write(text.replace("[payers.endpoint]\n", f"[payers.endpoint]\n{more}"))
    yield request.param, clinic, payer, weather
    weather.shutdown()
    weather.server_close()


def books(payer: str) -> dict[str, Any]:
    """The payer's ledger."""
    with urllib.request.urlopen(payer.removesuffix("/fhir") + "/control/books", timeout=20) as answer:  # noqa: S310
        said: dict[str, Any] = json.loads(answer.read())
    return said


@pytest.mark.soak
def test_every_claim_takes_effect_once(office: tuple[str, Any, str, Weather], tools: SimpleNamespace) -> None:
    kind, clinic, payer, weather = office
    number = soak.size(ci=30, long=1000)
    folder = clinic.folder / "messages"
    folder.mkdir()
    for n in range(number):
        (folder / f"{n:06d}.hl7").write_bytes(tools.dft(f"S-{n}", mrn=f"TP-S{n}"))
    assert clinic.run("ingest", str(folder)).code == 0
    now = datetime.now(UTC) + timedelta(days=65)

    states: Counter[str] = Counter()
    for turn in range(40):
        clinic.run("run-due", "--now", now.isoformat())
        # What is late arrives within the delay that the payer states, and not at once.
        if turn % 3 == 2:
            weather.deliver()
            now += SEARCH_DELAY
        now += timedelta(minutes=20)
        if turn == STORM:
            weather.chance = 0.0
        if turn > STORM:
            states = Counter(row["state"] for row in clinic.run("claims", "--json").rows())
            if not states.keys() & UNDECIDED[kind]:
                break
    weather.deliver()

    held, mine = books(payer), clinic.run("claims", "--json").rows()
    print(f"{kind}: {number} claims, {dict(states)}, weather {dict(weather.fired)}")
    assert held["doubles"] == [], "at the payer no claim is there twice"
    at_payer = {name.partition("|")[2] for name in held["live"]}
    accounted = {row["id"]: row["state"] for row in mine}
    assert at_payer <= set(accounted)
    assert len(accounted) == number
    missing = {id for id, state in accounted.items() if id not in at_payer}
    open_ones = {row["about"] for row in clinic.work() if row["kind"] == "unknown-outcome"}
    assert {accounted[id] for id in missing} <= {"submitted"}, "what the payer has not is not taken for sent"
    assert {id for id, state in accounted.items() if state == "submitted"} <= open_ones
    if kind != "nothing":
        assert missing == set()
        assert open_ones == set()
        assert states.keys() <= {"paid", "denied", "partially-paid"}
        paid = sum(int(claim["paid"].replace(".", "")) for claim in held["claims"] if claim["live"])
        assert account(clinic, "payer-payment") == paid, "every cent of the payer's books is in ours"
    assert all(weather.fired[fault] for fault in FAULTS), "every fault happened"
    assert clinic.run("verify").code == 0
    assert clinic.run("rebuild", "--check").code == 0


UNDECIDED = {kind: {"held", "submitted", "accepted"} for kind in KINDS} | {"nothing": {"held"}}
"""States in which there is still something to wait for; of a payer that tells nothing, only claims that have not left."""


def account(clinic: Any, name: str) -> int:
    """What an account comes to, in cents."""
    lines = [line for entry in clinic.run("ledger", "--json").rows() for line in entry["lines"]]
    return sum(int(line["amount"].replace(".", "")) for line in lines if line["account"] == name)
