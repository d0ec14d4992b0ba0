"""Weather: the process is killed, the disk is full, the payer garbles. Nothing acknowledged is lost or sent twice."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.conftest import Clinic, site

pytestmark = pytest.mark.system


def test_nothing_acknowledged_is_lost_to_kill_9(make_clinic: Callable[..., Any], tools: SimpleNamespace) -> None:
    clinic = make_clinic()
    acked: dict[str, bytes] = {}
    for life in range(3):
        served = clinic.serve()
        for number in range(4):
            control = f"K-{life}-{number}"
            ack = served.tell(tools.dft(control, mrn=f"TP-{control}"))
            assert (ack.code, ack.control) == ("AA", control)
            acked[control] = ack.raw
        if life < 2:
            # The last of them is killed with messages on the way: whatever was acknowledged by then counts.
            with served.line() as line, contextlib.suppress(OSError):
                for number in range(4, 24):
                    line.socket.sendall(
                        b"\x0b" + tools.dft(f"K-{life}-{number}", mrn=f"TP-K-{life}-{number}") + b"\x1c\r"
                    )
                for _ in range(3):
                    ack = line.read()
                    acked[ack.control] = ack.raw
                served.kill()
                while True:
                    ack = line.read()
                    acked[ack.control] = ack.raw
        else:
            last = served.tell(tools.dft("K-1-3", mrn="TP-K-1-3"))
            assert last.raw == acked["K-1-3"], "a message sent again gets the answer that was stored with it"
            tools.eventually(lambda: {f"TP-{control}" for control in acked} <= patients(clinic))
            assert served.stop() == 0
    assert len(acked) >= 12 + 3
    billed = [row["patient"] for row in clinic.run("charges", "--json").rows()]
    assert len(set(billed)) == len(billed), "no charge twice"
    assert clinic.run("verify").code == 0


def patients(clinic: Any) -> set[str]:
    """Whoever has a charge on file."""
    return {row["patient"] for row in clinic.run("charges", "--json").rows()}


def test_a_full_disk_acknowledges_nothing_and_passes(make_clinic: Callable[..., Any], tools: SimpleNamespace) -> None:
    if sys.platform != "linux":
        pytest.skip("no prlimit: the size of files cannot be limited from outside")
    import resource

    clinic = make_clinic()
    served = clinic.serve()
    for number in range(30):
        assert served.tell(tools.dft(f"D-{number}", mrn=f"TP-{number}")).code == "AA"
    log = clinic.folder / "store.db-wal"
    before = resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, before[1]))
    with pytest.raises(OSError, match=r"closed|reset"):
        served.tell(tools.dft("D-FULL"))
    tools.eventually(lambda: served.get("/readyz", health=True).status == 503)
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset: nothing is taken at the door
        served.tell(tools.dft("D-FULL"))
    http = served.post("/hl7v2", tools.dft("D-HTTP"), media="application/hl7-v2")
    assert (http.status, http.headers.get("retry-after")) == (503, "5")
    assert http.json()["issue"][0]["code"] == "transient"
    assert served.process.poll() is None, "the process goes on"
    assert served.get("/healthz", health=True).status == 200
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, before)
    tools.eventually(lambda: served.get("/readyz", health=True).status == 200, 40)
    assert served.tell(tools.dft("D-FULL")).code == "AA", "sent again it is taken"
    tools.eventually(lambda: len(clinic.run("charges", "--json").rows()) == 31)
    assert clinic.run("trace", "D-HTTP").code == 1, "what was refused is not on file"
    assert served.stop() == 0
    assert "Traceback" not in served.said()
    assert clinic.run("verify").code == 0


def test_a_full_file_system_acknowledges_nothing_and_passes(
    small_disk: tuple[Clinic, Path], tools: SimpleNamespace
) -> None:
    """The same on a file system that has no room left, which says so in another way (ENOSPC) and to every file."""
    clinic, room = small_disk
    served = clinic.serve()
    for number in range(5):
        assert served.tell(tools.dft(f"F-{number}", mrn=f"TP-{number}")).code == "AA"
    filler = room / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    sent = 0
    with pytest.raises(OSError, match=r"closed|reset"):  # noqa: PT012 - until what was set aside before is used up
        for sent in range(200):
            assert served.tell(tools.dft(f"FULL-{sent}", mrn=f"TP-FULL-{sent}")).code == "AA"
    tools.eventually(lambda: served.get("/readyz", health=True).status == 503)
    assert served.process.poll() is None, "the process goes on"
    filler.unlink()
    tools.eventually(lambda: served.get("/readyz", health=True).status == 200, 40)
    assert served.tell(tools.dft(f"FULL-{sent}", mrn=f"TP-FULL-{sent}")).code == "AA", "sent again it is taken"
    tools.eventually(lambda: len(clinic.run("charges", "--json").rows()) == 5 + sent + 1)
    assert served.stop() == 0
    assert clinic.run("verify").code == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Clinic, Path]]:
    """A clinic on a file system of eight megabytes, and where that is; skipped where none can be mounted."""
    room = tmp_path / "room"
    room.mkdir()
    mount = shutil.which("mount")
    words = [mount or "mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(room)]
    if mount is None or subprocess.run(words, capture_output=True, check=False, timeout=20).returncode != 0:
        pytest.skip("A FULL FILE SYSTEM WAS NOT TESTED: only root may mount one")
    try:
        clinic = Clinic(room, site())
        clinic.write()
        assert clinic.run("init").code == 0
        yield clinic, room
        clinic.end()
    finally:
        subprocess.run(["umount", "--lazy", str(room)], check=True, timeout=20)


GARBLES = """name = "a payer whose first answer is cut"

[[rule]]
verb = "garble"
when = { nth = 1 }
times = 1
"""


def test_a_garbled_answer_leaves_the_claim_known_until_a_poll_settles_it(
    make_clinic: Callable[..., Any], stub: Callable[[str], str], tools: SimpleNamespace
) -> None:
    payer = stub(GARBLES)
    clinic = make_clinic(payer)
    served = clinic.serve()
    assert served.tell(tools.dft("G-1")).code == "AA"
    known = tools.eventually(lambda: [row for row in claims(clinic) if row["state"] != "ready"])
    claim = known[0]["id"]
    shown = tools.eventually(lambda: [row for row in clinic.work() if row["about"] == claim])
    assert [(row["kind"], row["code"], row["amount"]) for row in shown] == [
        ("unmatched-response", "unreadable", "120.50")
    ]
    assert [row["state"] for row in claims(clinic)] == ["accepted"], "the payer has it; what it decided is not known"
    assert served.stop() == 0
    later = datetime.now(ZoneInfo("America/New_York")) + timedelta(hours=1)
    assert clinic.run("run-due", "--now", later.isoformat()).code == 0
    settled = claims(clinic)
    assert [row["state"] for row in settled] == ["paid"]
    assert settled[0]["payer_claim_number"]
    assert not clinic.work()
    assert requests(payer) == {f"urn:oncoclaims:claim|{claim}": 1}, "it was sent once and never again"
    sums: Counter[str] = Counter()
    for entry in clinic.run("ledger", "--json").rows():
        for line in entry["lines"]:
            sums[line["account"]] += int(line["amount"].replace(".", ""))
    assert (sums["charges"], sums["receivable"], sum(sums.values())) == (-12050, 0, 0)


def claims(clinic: Any) -> list[dict[str, Any]]:
    """The claims on file."""
    rows: list[dict[str, Any]] = clinic.run("claims", "--json").rows()
    return rows


def requests(payer: str) -> dict[str, int]:
    """How often the payer was sent each claim."""
    with urllib.request.urlopen(payer.removesuffix("/fhir") + "/control/requests", timeout=10) as answer:  # noqa: S310
        said: dict[str, int] = json.loads(answer.read())["submissions"]
    return said
