"""`poll --ehr`, `subscribe` and the service over an EHR on a socket; the site file's part about EHRs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import BadSetup
from adapters.pipeline.receive import FHIR_TYPES
from adapters.settings import read_site, rules_of
from tests.cli.conftest import SITE, Clinic
from tests.ehr.conftest import NOON, Desk, patient

pytestmark = pytest.mark.slow

SECRET = "a-secret-of-more-than-thirty-two-characters"
AT = ("--now", "2026-01-12T17:00:00+00:00")


@pytest.fixture
def clinic(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """A clinic whose feed `ehr` has an EHR."""
    for name in [name for name in os.environ if name.startswith("ONCOCLAIMS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    made = Clinic(tmp_path)
    made.file("hook", SECRET)
    (tmp_path / "hook").chmod(0o600)
    made.file(
        "site.toml",
        SITE + said(desk.base, 'types = ["Patient", "Coverage", "ChargeItem"]', 'hook_secret_file = "hook"'),
    )
    assert made("init").code == 0
    return made


def said(base: str, *lines: str) -> str:
    """The `[[ehrs]]` of a site file."""
    hook = 'hook_url = "https://adapter.clinic.example/hooks/ehr"'
    return "\n".join(["", "[[ehrs]]", 'feed = "ehr"', f'base_url = "{base}"', "page_size = 2", hook, *lines, ""])


def coverage() -> dict[str, Any]:
    """How the invented person is insured."""
    return {
        "resourceType": "Coverage",
        "id": "cov-1",
        "status": "active",
        "subscriberId": "SB-7002",
        "beneficiary": {"reference": "Patient/p1"},
        "period": {"start": "2025-01-01"},
        "payor": [{"display": "Sandbar Mutual"}],
        "order": 1,
    }


def charge(number: int) -> dict[str, Any]:
    """A coded charge of the invented person."""
    return {
        "resourceType": "ChargeItem",
        "id": f"ch-{number}",
        "status": "billable",
        "code": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "77300"}]},
        "subject": {"reference": "Patient/p1"},
        "occurrenceDateTime": f"2026-01-{number:02}",
        "reason": [{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C61"}]}],
    }


def test_an_ehr_is_asked_and_its_charges_are_there(clinic: Clinic, desk: Desk) -> None:
    desk.put(patient(), at=NOON - timedelta(minutes=20))
    desk.put(coverage(), at=NOON - timedelta(minutes=20))
    for number in (5, 6, 7):
        desk.put(charge(number), at=NOON - timedelta(minutes=number))
    first = clinic("poll", "--ehr", "ehr", "--json", *AT)
    assert first.err == ""
    assert (first.code, first.rows()) == (0, [{"feed": "ehr", "taken": 5, "repeated": 0, "pages": 4}])
    assert [row["code"] for row in clinic("charges", "--json").rows()] == ["77300"] * 3
    again = clinic("poll", "--ehr", "all", "--json", *AT)
    # A patient, a coverage and three charges in the window that laps over: the mark of each type is its own.
    assert (again.rows()[0]["taken"], again.rows()[0]["repeated"]) == (0, 5)
    assert clinic("rebuild", "--check").code == 0
    assert clinic("verify").code == 0


def test_what_went_wrong_is_told_and_the_rest_is_kept(clinic: Clinic, desk: Desk) -> None:
    desk.put(patient(), at=NOON - timedelta(minutes=20))
    desk.faults.append((404, {}))
    desk.put(charge(5), at=NOON - timedelta(minutes=5))
    done = clinic("poll", "--ehr", "ehr", "--json", *AT)
    assert (done.code, done.err.strip()) == (1, "ehr: Patient: status-404")
    assert done.rows()[0]["taken"] == 1
    assert [row["code"] for row in clinic("worklist", "--json").rows() if row["kind"] == "feed-silent"] == [
        "ehr-not-asked"
    ]
    assert clinic("poll", "--ehr", "nobody").code == 1


def test_subscriptions_are_made_renewed_and_taken_back(clinic: Clinic, desk: Desk) -> None:
    made = clinic("subscribe", "ehr", "--json")
    assert [(row["type"], row["done"]) for row in made.rows()] == [
        (kind, "made") for kind in ("Patient", "Coverage", "ChargeItem")
    ]
    one = desk.written[0][2]
    assert one["channel"]["endpoint"] == "https://adapter.clinic.example/hooks/ehr"
    assert one["channel"]["header"] == [f"Authorization: Bearer {SECRET}"]
    assert (one["criteria"], one["status"]) == ("Patient?", "requested")
    other = {**one, "id": "of-somebody", "channel": {**one["channel"], "endpoint": "https://other.example/hook"}}
    desk.put(other)
    assert {row["done"] for row in clinic("subscribe", "ehr", "--json").rows()} == {"renewed"}
    assert [method for method, _, _ in desk.written] == ["POST"] * 3 + ["PUT"] * 3
    assert {row["done"] for row in clinic("subscribe", "ehr", "--delete", "--json").rows()} == {"taken-back"}
    assert list(desk.held) == ["Subscription/of-somebody"]
    assert clinic("subscribe", "ehr", "--delete", "--json").out == ""


def test_an_ehr_that_takes_no_subscription_is_told_of(clinic: Clinic, desk: Desk) -> None:
    desk.faults.append((403, {}))
    done = clinic("subscribe", "all", "--json")
    assert done.code == 1
    assert done.err.splitlines() == [f"ehr: {kind}: status-403" for kind in ("Patient", "Coverage", "ChargeItem")]
    assert SECRET not in done.out + done.err


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (('types = ["Claim"]',), "'Claim' is not taken here"),
        (('since = "2026-01-01T00:00:00"',), "since has no offset"),
        (("every_seconds = 0",), "every_seconds"),
        (("surprise = 1",), "surprise"),
        ((), "hook_url needs a hook_secret_file"),
    ],
)
def test_faults_of_the_site_file_are_told(lines: tuple[str, ...], words: str) -> None:
    with pytest.raises(BadSetup, match=words):
        read_site(SITE + said("https://ehr.example/fhir", *lines), "site.toml", rules_of())


@pytest.mark.parametrize(
    "base", ["http://ehr.example/fhir", "https://user@ehr.example/fhir", "https://e.example/f?x=1"]
)
def test_an_address_that_may_not_be_called_is_told(base: str) -> None:
    with pytest.raises(BadSetup, match="base_url"):
        read_site(SITE + said(base, 'hook_secret_file = "hook"'), "site.toml", rules_of())


def test_a_site_file_says_an_ehr_in_three_lines() -> None:
    part = '\n[[ehrs]]\nfeed = "ehr"\nbase_url = "https://ehr.example/fhir"\n'
    [ehr] = read_site(SITE + part, "site.toml", rules_of()).ehrs
    assert (ehr.types, ehr.by, ehr.every_seconds, ehr.hook_url) == (FHIR_TYPES, "search", 300, "")
    with pytest.raises(BadSetup, match="no FHIR feed"):
        read_site(SITE + part.replace('"ehr"', '"charges"'), "site.toml", rules_of())
    with pytest.raises(BadSetup, match="there twice"):
        read_site(SITE + part * 2, "site.toml", rules_of())


@pytest.mark.system
def test_the_service_asks_and_is_told(clinic: Clinic, desk: Desk) -> None:
    desk.put(patient(), at=NOON - timedelta(minutes=20))
    desk.put(coverage(), at=NOON - timedelta(minutes=20))
    desk.put(charge(5), at=NOON - timedelta(minutes=5))
    ports = [str(port) for port in free_ports(3)]
    words = ("serve", "--mllp-port", ports[0], "--http-port", ports[1], "--health-port", ports[2])
    script = str(Path(sys.executable).parent / "oncoclaims")
    process = subprocess.Popen(
        [script, *words], cwd=clinic.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: len(clinic("charges", "--json").rows()) == 1, process)
        desk.put(charge(6), at=NOON)
        sent = json.dumps(desk.held["ChargeItem/ch-6"]).encode()
        assert notify(int(ports[1]), sent) == 200
        until(lambda: len(clinic("charges", "--json").rows()) == 2, process)
    finally:
        process.terminate()
        _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Quailthorn" not in told
    assert "EHR-4401" not in told
    assert SECRET not in told
    assert clinic("rebuild", "--check").code == 0


def notify(port: int, body: bytes) -> int:
    """Tell the service of a resource, as an EHR's rest-hook does; its status."""
    head = f"PUT /hooks/ehr/ChargeItem/ch-6 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {SECRET}\r\n"
    with socket.create_connection(("127.0.0.1", port), 10) as peer:
        peer.sendall(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        return int(peer.recv(65536).split(b" ")[1])


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return found


def until(holds: Any, process: subprocess.Popen[str]) -> None:
    """Wait until it holds, while the service runs."""
    deadline = time.monotonic() + 60
    while not holds():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.3)
