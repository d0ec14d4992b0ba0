"""Bad input over real sockets: each kind gets its own clear answer, is kept, shown, and read again once mended."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def clinic(make_clinic: Callable[..., Any]) -> Any:
    """A clinic whose service the tests of this module share."""
    return make_clinic()


@pytest.fixture(scope="module")
def served(clinic: Any) -> Iterator[Any]:
    """The running service."""
    running = clinic.serve()
    yield running
    assert running.stop() == 0, "SIGTERM ends the service in order"


def item(clinic: Any, tools: SimpleNamespace, code: str, but: tuple[str, ...] = ()) -> dict[str, Any]:
    """The open work item of that code, once it is there."""
    found: dict[str, Any] = tools.eventually(
        lambda: next((row for row in clinic.work() if row["code"] == code and row["id"] not in but), None)
    )
    return found


def replayed(clinic: Any, tools: SimpleNamespace, kept: dict[str, Any]) -> str:
    """Read a parked message again; the code under which it then is on the work list. The command or the running
    service reads it, whichever comes first."""
    again = clinic.run("replay", kept["about"])
    assert again.err in ("", f"{kept['about']}: parked again ({kept['code']})\n")
    rows = tools.eventually(lambda: [row for row in clinic.work() if row["about"] == kept["about"]])
    assert rows[0]["opened"] > kept["opened"], "it was read again"
    return str(rows[0]["code"])


def codes(clinic: Any) -> list[str]:
    """The codes on the work list."""
    return [row["code"] for row in clinic.work()]


def test_a_cut_frame_is_not_acknowledged_but_kept(clinic: Any, served: Any, tools: SimpleNamespace) -> None:
    before = faults(served, "unfinished-frame")
    with served.line() as line:
        line.socket.sendall(b"\x0b" + tools.dft("CUT-1")[:120])
        line.socket.shutdown(socket.SHUT_WR)
        assert line.socket.recv(100) == b"", "no answer to half a frame: its sender sends it again"
    tools.eventually(lambda: faults(served, "unfinished-frame") == before + 1)
    kept = item(clinic, tools, "broken-frame")
    assert replayed(clinic, tools, kept) == "broken-frame"
    again = served.tell(tools.dft("CUT-1"))
    assert (again.code, again.control) == ("AA", "CUT-1"), "the whole message is taken when it is sent again"
    assert clinic.run("trace", "CUT-1").code == 0


def test_a_frame_broken_off_for_a_new_one_costs_only_itself(clinic: Any, served: Any, tools: SimpleNamespace) -> None:
    before = faults(served, "cut-frame")
    known = tuple(row["id"] for row in clinic.work())
    with served.line() as line:
        line.socket.sendall(b"\x0b" + tools.dft("CUT-2")[:90])
        ack = line.ask(tools.dft("CUT-3"))
    assert (ack.code, ack.control) == ("AA", "CUT-3")
    assert faults(served, "cut-frame") == before + 1
    assert item(clinic, tools, "broken-frame", but=known)
    assert clinic.run("charges", "--json").rows(), "what came behind it is billed"


def test_a_sender_without_framing(clinic: Any, served: Any, tools: SimpleNamespace) -> None:
    before = faults(served, "not-mllp")
    with served.line() as line:
        line.socket.sendall(tools.dft("BARE-1"))
        assert line.socket.recv(100) == b"", "it is hung up on"
    assert faults(served, "not-mllp") == before + 1


def faults(served: Any, kind: str) -> int:
    """How many faults of the kind the metrics count."""
    text = served.get("/metrics", health=True).body.decode()
    name = f'oncoclaims_faults_total{{kind="{kind}",listener="mllp"}}'
    return next((int(float(row.rpartition(" ")[2])) for row in text.splitlines() if row.startswith(name)), 0)


def test_a_message_without_msh(clinic: Any, served: Any, tools: SimpleNamespace) -> None:
    ack = served.tell(b"PID|1||TP-1\rFT1|1\r")
    assert (ack.code, ack.control, ack.error, ack.place) == ("AE", "", "100", "MSH^1")
    kept = item(clinic, tools, "no-msh")
    assert kept["kind"] == "parked-message"
    assert "MSH" in kept["detail"]
    assert replayed(clinic, tools, kept) == "no-msh"


def test_a_message_without_control_id_is_parked_and_not_billed(
    clinic: Any, served: Any, tools: SimpleNamespace
) -> None:
    ack = served.tell(tools.dft("", transaction="NOCTRL", mrn="TP-NOCTRL"))
    assert (ack.code, ack.control, ack.error, ack.place) == ("AE", "", "101", "MSH^1^10")
    tools.eventually(lambda: "no-control-id" in {row["code"] for row in clinic.run("worklist", "--json").rows()})
    # Its sender mends and sends it again; both must not be billed.
    assert "TP-NOCTRL" not in {row["patient"] for row in charges(clinic)}


def charges(clinic: Any) -> list[dict[str, Any]]:
    """The charges on file."""
    rows: list[dict[str, Any]] = clinic.run("charges", "--json").rows()
    return rows


def test_a_test_message_is_refused_and_kept_unread(clinic: Any, served: Any, tools: SimpleNamespace) -> None:
    ack = served.tell(tools.dft("TESTMODE-1", mode="T", mrn="TP-TESTMODE"))
    assert (ack.code, ack.control, ack.error, ack.place) == ("AR", "TESTMODE-1", "202", "MSH^1^11")
    assert ack.fields("MSH")[10] == "T", "the answer to a test message is a test message"
    refused = item(clinic, tools, "processing-id")
    assert refused["kind"] == "parked-message"
    assert str(refused["action"]).endswith("have the message sent again"), "read again it would be refused again"
    assert "TP-TESTMODE" not in {row["patient"] for row in charges(clinic)}


def test_an_unknown_type_is_taken_and_accounted_for(clinic: Any, served: Any, tools: SimpleNamespace) -> None:
    ack = served.tell(tools.dft("ODD-1", kind="ZZZ^Z99"))
    assert (ack.code, ack.control, ack.error) == ("AA", "ODD-1", "")
    said = tools.eventually(lambda: "not-used-yet" in clinic.run("trace", "ODD-1").out and clinic.run("trace", "ODD-1"))
    assert "FT1: not-used-yet" in said.out


def test_a_batch_in_one_frame_gets_one_answer(clinic: Any, served: Any, tools: SimpleNamespace) -> None:
    one, two = tools.dft("B-1", mrn="TP-B1"), tools.dft("B-2", mrn="TP-B2")
    ack = served.tell(b"BHS|^~\\&|TERNIS|TERN|||||||BATCH-7\r" + one + two + b"BTS|2\r")
    assert (ack.code, ack.control) == ("AA", "BATCH-7")
    patients = tools.eventually(lambda: {"TP-B1", "TP-B2"} <= {row["patient"] for row in charges(clinic)})
    assert patients
    assert "ill-formed" not in codes(clinic)


def test_a_batch_that_lacks_a_message_is_told(clinic: Any, served: Any, tools: SimpleNamespace) -> None:
    one = tools.dft("B-3", mrn="TP-B3")
    ack = served.tell(b"BHS|^~\\&|TERNIS|TERN|||||||BATCH-8\r" + one + b"BTS|2\r")
    assert ack.code == "AA"
    found = item(clinic, tools, "ill-formed")
    assert found["kind"] == "incomplete-message"
    assert "batch-count" in found["detail"]
    assert "TP-B3" in {row["patient"] for row in charges(clinic)}, "what came is used"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"is": "no resource"}', "not-fhir"),
        (b'{"resourceType": "Bundle"', "not-json"),
        (b'{"resourceType":"Bundle","type":"batch","type":"collection"}', "duplicate-key"),
        (b'{"resourceType":"Bundle","total":NaN}', "number-not-finite"),
        (b"\xff\xfe{}", "not-utf8"),
        (b'{"a":' * 80 + b"1" + b"}" * 80, "too-deep"),
    ],
)
def test_json_that_is_no_resource(clinic: Any, served: Any, tools: SimpleNamespace, body: bytes, code: str) -> None:
    answer = served.post("/fhir", body)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/fhir+json"
    said = answer.json()
    assert said["resourceType"] == "OperationOutcome"
    assert [issue["details"]["coding"][0]["code"] for issue in said["issue"]] == [code]
    assert {issue["severity"] for issue in said["issue"]} == {"error"}
    kept = item(clinic, tools, code)
    assert replayed(clinic, tools, kept) == code


def test_a_resource_at_the_wrong_address(served: Any) -> None:
    patient = b'{"resourceType":"Patient","id":"a"}'
    for path, method, status in (
        ("/fhir/Encounter", "POST", 400),
        ("/fhir/Patient/b", "PUT", 400),
        ("/fhir/Claim", "POST", 404),
        ("/fhir/Patient", "DELETE", 405),
    ):
        answer = served.post(path, patient, method=method)
        assert (path, answer.status, answer.json()["resourceType"]) == (path, status, "OperationOutcome")
    assert served.post("/fhir", patient, media="text/xml").status == 415
    assert served.post("/hl7v2", b"MSH", media="application/json").status == 415


FRACTION = {
    "resourceType": "Procedure",
    "id": "fx-1",
    "status": "completed",
    "subject": {"reference": "Patient/stranger"},
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "1297069006"}]},
    "performedDateTime": "2026-02-03T10:00:00-05:00",
}
STRANGER = {
    "resourceType": "Patient",
    "id": "stranger",
    "identifier": [{"system": "urn:tern:mrn", "value": "TP-STRANGER"}],
    "name": [{"family": "Nobody", "given": ["Yet"]}],
    "birthDate": "1960-01-02",
    "gender": "female",
}


def test_a_procedure_of_an_unknown_patient_waits_for_the_patient(
    clinic: Any, served: Any, tools: SimpleNamespace
) -> None:
    answer = served.post("/fhir/Procedure", json.dumps(FRACTION).encode())
    assert (answer.status, answer.headers["location"].endswith("/fhir/Procedure/fx-1")) == (201, True)
    waiting = item(clinic, tools, "person-unknown")
    assert "read by itself" in waiting["action"]
    assert served.post("/fhir/Patient/stranger", json.dumps(STRANGER).encode(), method="PUT").status == 200
    tools.eventually(lambda: "person-unknown" not in codes(clinic))
    told = clinic.run("trace", waiting["about"])
    assert told.code == 0
    assert "Procedure" in told.out, "the message is read, and its parts are accounted for"


def test_an_ill_formed_date_is_shown_and_mended_by_a_new_report(
    clinic: Any, served: Any, tools: SimpleNamespace
) -> None:
    ack = served.tell(tools.dft("DATE-1", transaction="DT1", on="2026AB99", mrn="TP-DATE"))
    assert (ack.code, ack.control) == ("AA", "DATE-1"), "stored is stored; what is wrong inside becomes work"
    found = item(clinic, tools, "ill-formed-date")
    assert (found["kind"], found["detail"]) == ("incomplete-message", "FT1-4: not a date")
    assert "TP-DATE" not in {row["patient"] for row in charges(clinic)}
    assert clinic.run("trace", "DATE-1").out.count("FT1-4: ill-formed-date") == 1
    refused = clinic.run("replay", found["about"])
    assert (refused.code, refused.err.strip()) == (1, f"{found['about']}: not parked")
    served.tell(tools.dft("DATE-2", transaction="DT1", mrn="TP-DATE"))
    tools.eventually(lambda: "TP-DATE" in {row["patient"] for row in charges(clinic)})


def test_an_unknown_sender_is_read_once_the_site_file_knows_it(
    make_clinic: Callable[..., Any], tools: SimpleNamespace
) -> None:
    clinic = make_clinic()
    served = clinic.serve()
    assert served.tell(tools.dft("OTHER-1", application="OTHERIS", mrn="TP-O1")).code == "AA"
    assert served.tell(tools.dft("OTHER-2", application="OTHERIS", mrn="TP-O2", mode="T")).code == "AA"
    parked = tools.eventually(lambda: (w := clinic.work()) and len(w) == 2 and w)
    assert {row["code"] for row in parked} == {"feed-unknown"}
    assert not charges(clinic)
    assert served.stop() == 0
    ids = [row["about"] for row in parked]
    assert clinic.run("replay", *ids).code == 1, "nothing is mended yet"
    clinic.write(tools.site(more=tools.other_feed))
    again = clinic.run("replay", *ids)
    assert again.code == 1
    assert again.err.count("parked again") == again.err.count("(processing-id)") == 1, "a test message is never billed"
    assert [row["patient"] for row in charges(clinic)] == ["TP-O1"]
    assert [row["code"] for row in clinic.work()] == ["processing-id"]
    restarted = clinic.serve()
    assert restarted.tell(tools.dft("OTHER-1", application="OTHERIS", mrn="TP-O1")).code == "AA"
    assert restarted.tell(tools.dft("OTHER-3", application="OTHERIS", mrn="TP-O3")).code == "AA"
    assert restarted.tell(tools.dft("OTHER-4", application="OTHERIS", mode="T")).code == "AR"
    tools.eventually(lambda: sorted(row["patient"] for row in charges(clinic)) == ["TP-O1", "TP-O3"])
    assert restarted.stop() == 0
