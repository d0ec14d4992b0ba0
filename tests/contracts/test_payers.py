"""P4 at payers that others wrote: through faults every claim takes effect once, counted at the payer.

`sekmet-fhir` behind TLS and SMART tokens, by `Claim/$submit`, where the same claim sent twice is two claims, and by
conditional create; Medplum's router, which decides nothing by itself. Neither names our identifier in an answer, and the
second answers no search through references: what counts as evidence has to be asked for.
"""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from adapters.payers import write_new
from tests import soak
from tests.contracts.authority import Authority
from tests.contracts.elsewhere import ran, reached
from tests.e2e.conftest import Clinic, dft, eventually, site
from tests.e2e.payer_weather import Weather

pytestmark = [pytest.mark.system, pytest.mark.timeout(24 * 3600)]

DELAY = timedelta(hours=6)
STORM = 5
"""For so many rounds the weather is bad."""
COUNTER = "a-token-of-the-test-that-counts"
SECRET = "a-secret-of-more-than-thirty-two-characters"
LOGIN = """
[payers.endpoint.login]
token_url = "{token_url}"
client_id = "tern"
scopes = ["system/Claim.crs", "system/ClaimResponse.rs"]
keys = ["{key}"]

[payers.endpoint.tls]
ca = "{ca}"

"""
SETTINGS = """
base_url: {base}
host: 127.0.0.1
port: {port}
data_dir: {folder}/data
tls_certfile: {folder}/tls.crt
tls_keyfile: {folder}/tls.key
log_inbound: false
server_auth:
  types: [smart, bearer]
  tokens: ["{counter}"]
  smart_clients:
    - client_id: tern
      public_key_path: {folder}/public.pem
      scopes: "system/Claim.crs system/ClaimResponse.rs"
simulator: {{enabled: true, delay_seconds: 0.05}}
"""


@dataclass
class Desk:
    """A foreign payer: its address, how it is counted at, and what the site file says of it beside the address."""

    base: str
    counting: httpx.Client
    login: str = ""
    outside: ssl.SSLContext | None = None
    inside: ssl.SSLContext | None = None

    def claims(self) -> Counter[str]:
        """How many claims of each identifier are there."""
        found: Counter[str] = Counter()
        offset = 0
        while True:
            page = self.counting.get("/Claim", params={"_count": "200", "_offset": str(offset)}).json().get("entry", [])
            found.update(entry["resource"]["identifier"][0]["value"] for entry in page)
            offset += len(page)
            if not page:
                return found


@pytest.fixture
def sekmet_pays(peers: Path, tmp_path: Path) -> Iterator[Desk]:
    """sekmet as a payer: TLS with a certificate of its own, a token for every call, a ClaimResponse for every claim."""
    key = tmp_path / "signing"
    write_new(key, "RS384")
    private = load_pem_private_key(key.read_bytes(), None)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "public.pem").write_bytes(public)
    done = ran(peers / "sekmet", "keys", "tls-cert", "127.0.0.1", "--out", tmp_path / "tls", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"https://127.0.0.1:{port}/fhir"
    settings = tmp_path / "settings.yaml"
    settings.write_text(SETTINGS.format(base=base, port=port, folder=tmp_path, counter=COUNTER))
    words = [str(peers / "sekmet"), "serve", "--config", str(settings)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    authority = Authority(tmp_path)
    certificate, door = authority.issue("proxy")
    both = tmp_path / "both.pem"
    both.write_bytes(authority.file.read_bytes() + (tmp_path / "tls.crt").read_bytes())
    inside = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))
    outside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    outside.load_cert_chain(certificate, door)
    with subprocess.Popen(words, cwd=tmp_path, **quiet) as process:  # type: ignore[call-overload]
        reached(port)
        bearer = {"Authorization": f"Bearer {COUNTER}"}
        with httpx.Client(base_url=base, verify=inside, headers=bearer, trust_env=False, timeout=30) as counting:
            token_url = counting.get("/.well-known/smart-configuration").json()["token_endpoint"]
            login = LOGIN.format(token_url=token_url, key=key, ca=both)
            yield Desk(base, counting, login, outside, inside)
        process.terminate()
        process.wait(20)


@pytest.fixture
def medplum_pays(medplum: str) -> Iterator[Desk]:
    """Medplum's router as a payer that takes claims and leaves deciding to others."""
    with httpx.Client(base_url=medplum, trust_env=False, timeout=30) as counting:
        yield Desk(medplum, counting)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Callable[..., tuple[Clinic, Weather]]]:
    """`office(desk, endpoint)`: a clinic with claims for that payer, and the bad weather between them."""
    ended: list[Weather] = []

    def made(desk: Desk, endpoint: str, number: int, *, doubles: bool) -> tuple[Clinic, Weather]:
        weather = Weather(desk.base, soak.seed(), 0.34, doubles=doubles, outside=desk.outside, inside=desk.inside)
        ended.append(weather)
        # The certificate is of this name.
        base = weather.base.replace("127.0.0.1", "localhost")
        text = site(base, poll_after=600, search_delay=int(DELAY.total_seconds()))
        text = text.replace('call = "submit"\n', endpoint + "in_flight = 8\nrest_after = 1000\n")
        text = text.replace("[[feeds]]", f"{desk.login}[[feeds]]", 1)
        folder = tmp_path / "clinic"
        (folder / "messages").mkdir(parents=True)
        clinic = Clinic(folder, text)
        clinic.write()
        assert clinic.run("init").code == 0
        for n in range(number):
            (folder / "messages" / f"{n:06d}.hl7").write_bytes(dft(f"F-{n}", mrn=f"TP-F{n}"))
        assert clinic.run("ingest", str(folder / "messages")).code == 0
        return clinic, weather

    yield made
    for weather in ended:
        weather.shutdown()
        weather.server_close()


def sent(clinic: Clinic, weather: Weather, until: Callable[[Counter[str]], bool]) -> tuple[dict[str, str], datetime]:
    """Call until it is so, bad weather first; the claims with their states, and the instant."""
    now = datetime.now(UTC) + timedelta(days=65)
    states: dict[str, str] = {}
    for turn in range(40):
        done = clinic.run("run-due", "--now", now.isoformat())
        assert done.code == 0, done.err
        if turn % 3 == 2:
            # What is late arrives within the delay that the payer states, and not at once.
            weather.deliver()
            now += DELAY
        now += timedelta(minutes=20)
        if turn == STORM:
            weather.chance = 0.0
        states = {row["id"]: row["state"] for row in clinic.run("claims", "--json").rows()}
        if turn > STORM and until(Counter(states.values())):
            break
    weather.deliver()
    print(f"{len(states)} claims, {dict(Counter(states.values()))}, weather {dict(weather.fired)}")
    return states, now


def arrived(states: Counter[str]) -> bool:
    """Whether of every claim it is known that the payer has it."""
    return not states.keys() & {"held", "submitted"}


def in_order(clinic: Clinic) -> None:
    """Nobody has to ask what became of a claim, and the books stand."""
    assert not [row for row in clinic.work() if row["kind"] == "unknown-outcome"]
    assert clinic.run("verify").code == 0
    assert clinic.run("rebuild", "--check").code == 0


@pytest.mark.soak
@pytest.mark.parametrize(
    ("endpoint", "doubles"),
    [('call = "submit"\n', False), ('call = "create"\nidempotent = true\n', True)],
    ids=["submit", "conditional"],
)
def test_at_sekmet_every_claim_is_there_once(
    sekmet_pays: Desk, office: Callable[..., tuple[Clinic, Weather]], endpoint: str, doubles: bool
) -> None:
    number = soak.size(ci=30, long=1000)
    clinic, weather = office(sekmet_pays, endpoint, number, doubles=doubles)
    states, _ = sent(clinic, weather, arrived)
    assert sekmet_pays.claims() == Counter(dict.fromkeys(states, 1)), "none twice, none missing"
    assert len(states) == number
    # It pays four fifths and does not say where the rest stays: none of it is posted, and a person sees each of them.
    items = {row["about"]: row for row in clinic.work()}
    assert {row["code"] for row in items.values()} == {"out-of-balance"}
    assert set(items) == set(states)
    assert all(row["action"] for row in items.values())
    assert all(weather.fired[fault] for fault in weather.faults), "every fault happened"
    in_order(clinic)


@pytest.mark.soak
@pytest.mark.parametrize("harmless", [True, False], ids=["conditional", "search"])
def test_at_medplum_every_claim_is_there_once(
    medplum_pays: Desk, office: Callable[..., tuple[Clinic, Weather]], harmless: bool
) -> None:
    number = soak.size(ci=30, long=1000)
    endpoint = f'call = "create"\nsearch = "get"\nidempotent = {str(harmless).lower()}\n'
    clinic, weather = office(medplum_pays, endpoint, number, doubles=True)
    states, now = sent(clinic, weather, arrived)
    assert medplum_pays.claims() == Counter(dict.fromkeys(states, 1)), "none twice, none missing"
    assert set(states.values()) == {"accepted"}
    assert clinic.work() == [], "there is nothing to be done but to wait for the payer"
    assert all(weather.fired[fault] for fault in weather.faults), "every fault happened"

    decided(medplum_pays, set(states))
    for _ in range(3):
        now += timedelta(hours=1)
        assert clinic.run("run-due", "--now", now.isoformat()).code == 0
    assert {row["state"] for row in clinic.run("claims", "--json").rows()} == {"paid"}
    in_order(clinic)


def test_sekmet_tells_us_that_it_takes_back_what_it_paid(
    sekmet_pays: Desk, office: Callable[..., tuple[Clinic, Weather]]
) -> None:
    """By its Subscription: nobody asks about a claim that is decided. It names claims by its own references alone."""
    endpoint = 'call = "submit"\nhook_secret_file = "payer.hook"\n'
    clinic, weather = office(sekmet_pays, endpoint, 3, doubles=False)
    weather.chance = 0.0
    hook = clinic.folder / "payer.hook"
    hook.write_text(SECRET)
    hook.chmod(0o600)
    now = datetime.now(UTC) + timedelta(days=60)
    assert clinic.run("run-due", "--now", now.isoformat()).code == 0
    claims = {row["id"] for row in clinic.run("claims", "--json").rows()}
    assert sekmet_pays.claims() == Counter(dict.fromkeys(claims, 1))
    served = clinic.serve("--role", "web,worker")
    try:
        channel = {
            "type": "rest-hook",
            "endpoint": f"http://127.0.0.1:{served.http}/hooks/payers/harborside",
            "payload": "application/fhir+json",
            "header": [f"Authorization: Bearer {SECRET}"],
        }
        wanted = {"resourceType": "Subscription", "status": "requested", "reason": "answers"}
        wanted |= {"criteria": "ClaimResponse?use=claim", "channel": channel}
        assert sekmet_pays.counting.post("/Subscription", json=wanted).status_code == 201
        decided(sekmet_pays, claims)
        eventually(lambda: {row["state"] for row in clinic.run("claims", "--json").rows()} == {"paid"})
        assert received(clinic) == 3 * 12050
        decided(sekmet_pays, claims, paid=False)
        eventually(lambda: received(clinic) == 0)
        assert served.stop() == 0
    finally:
        clinic.end()
    assert {row["state"] for row in clinic.run("claims", "--json").rows()} == {"denied"}
    in_order(clinic)


def received(clinic: Clinic) -> int:
    """What the payer has paid by our books, in cents."""
    lines = [line for entry in clinic.run("ledger", "--json").rows() for line in entry["lines"]]
    return sum(int(line["amount"].replace(".", "")) for line in lines if line["account"] == "payer-payment")


def decided(desk: Desk, claims: set[str], *, paid: bool = True) -> None:
    """Somebody at the payer decides: every claim of these is paid in full, or nothing of it, in an answer that refers to
    it by its id."""
    for claim in claims:
        asked = {"identifier": f"urn:oncoclaims:claim|{claim}"}
        [entry] = desk.counting.get("/Claim", params=asked).json()["entry"]
        held = entry["resource"]
        total = held["total"]
        given = total if paid else total | {"value": 0}
        told_of = {"submitted": total, "eligible": given, "benefit": given}
        said: list[object] = [
            {"category": {"coding": [{"code": name}]}, "amount": amount} for name, amount in told_of.items()
        ]
        if not paid:
            category = {"coding": [{"code": "adjustment"}], "text": "CO"}
            said.append({"category": category, "reason": {"coding": [{"code": "96"}]}, "amount": total})
        answer = {
            "resourceType": "ClaimResponse",
            "status": "active",
            "type": held["type"],
            "use": "claim",
            "patient": held["patient"],
            "created": datetime.now(UTC).isoformat(),
            "insurer": held["insurer"],
            "request": {"reference": f"Claim/{held['id']}"},
            "outcome": "complete",
            "item": [{"itemSequence": 1, "adjudication": said}],
            "payment": {"type": {"coding": [{"code": "complete"}]}, "amount": given},
        }
        kind = {"Content-Type": "application/fhir+json"}
        told = desk.counting.post("/ClaimResponse", content=json.dumps(answer), headers=kind)
        assert told.status_code == 201, told.text
