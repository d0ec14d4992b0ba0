"""No name, record number, birth date or member number of a patient is seen outside the journal and the bills."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from importlib import resources
from types import SimpleNamespace
from typing import Any

import pytest

from fhir_server_stub.ehr import play
from fhir_server_stub.story import make_story

pytestmark = pytest.mark.system

NAME, GIVEN, MRN, BORN, MEMBER = "Canarywhistle", "Philomena", "CNRY-660042", "19430731", "CNRYMEM-77"
STREET = "13 Canary Quay"
CANARIES = (NAME, GIVEN, MRN, BORN, "1943-07-31", MEMBER, STREET)


def bad_v2(tools: SimpleNamespace) -> Iterable[bytes]:
    """Messages with a fault each, the canaries in the very places at fault.

    MSH-3 to MSH-6 name systems, not patients: an acknowledgement has to echo them.
    """
    yield f"PID|1||{MRN}||{NAME}^{GIVEN}||{BORN}\r".encode()
    yield f"MSH|^~\\&|TERNIS||||{BORN}||{NAME}^{MRN}|PHI-1|P|2.5.1\rPID|||{MRN}||{NAME}\r".encode()
    yield tools.dft("PHI-2", mode=NAME)
    yield tools.dft("PHI-3", version=MRN)
    yield tools.dft("PHI-4", on=NAME)
    yield tools.dft("PHI-5", application="STRANGER")
    yield tools.dft("PHI-6", kind=f"{NAME}^{MRN}")
    yield tools.dft("PHI-7").replace(b"77300", NAME.encode()).replace(b"|CG|", f"|{GIVEN}|".encode())
    yield tools.dft("PHI-8").replace(b"FT1|1", f"{NAME}\rFT1|{MRN}".encode())
    yield tools.dft("PHI-9").replace(BORN.encode(), NAME.encode())
    yield tools.dft("PHI-10").decode().replace(GIVEN, "Philom\u00e9na \u4e2d").encode("utf-16")
    yield tools.dft("PHI-11").replace(b"C61", NAME.encode())
    yield tools.dft("PHI-12").replace(b"MSH|^~\\&|", f"MSH|{NAME}|".encode())


def bad_fhir() -> Iterable[tuple[str, str, bytes]]:
    """(method, path, body), with faults."""
    patient = {"resourceType": "Patient", "id": MRN, "name": [{"family": NAME, "given": [GIVEN]}], "birthDate": BORN}
    yield "POST", "/fhir", f'{{"resourceType":"{NAME}'.encode()
    yield "POST", "/fhir", f'{{"resourceType":"Patient","{NAME}":1,"{NAME}":2}}'.encode()
    yield "POST", "/fhir", f'{{"{NAME}":"{MRN}"}}'.encode()
    yield "POST", "/fhir", json.dumps([NAME]).encode()
    yield "POST", f"/fhir/{NAME}", json.dumps(patient).encode()
    yield "PUT", f"/fhir/Patient/{NAME}-{MRN}", json.dumps(patient).encode()
    yield "PUT", f"/fhir/Patient/{MRN}", json.dumps(patient).encode()
    yield "POST", "/fhir/Encounter", json.dumps(patient | {"resourceType": NAME}).encode()
    yield "POST", f"/{NAME}/{MRN}?birthdate={BORN}", b"x"
    yield "PATCH", f"/fhir/Patient/{MRN}?name={NAME}", b"{}"
    coverage = {"resourceType": "Coverage", "id": "c", "beneficiary": {"reference": f"Patient/{MRN}"}, "order": NAME}
    yield "POST", "/fhir/Coverage", json.dumps(coverage | {"period": {"start": NAME}, "subscriberId": MEMBER}).encode()
    fraction = {"resourceType": "Procedure", "id": "f", "subject": {"identifier": {"value": MRN}, "display": NAME}}
    yield "POST", "/fhir/Procedure", json.dumps(fraction | {"performedDateTime": NAME, "status": NAME}).encode()
    bundle = {"resourceType": "Bundle", "type": NAME, "entry": [{"resource": patient}, {"resource": NAME}, NAME]}
    yield "POST", "/fhir", json.dumps(bundle).encode()


def test_no_canary_anywhere(make_clinic: Callable[..., Any], tools: SimpleNamespace) -> None:
    clinic = make_clinic("http://127.0.0.1:1/fhir")
    seen: list[tuple[str, bytes]] = []
    served = clinic.serve(ONCOCLAIMS_LOG_LEVEL="debug")
    person = {"mrn": MRN, "name": f"{NAME}^{GIVEN}", "born": BORN, "member": MEMBER}
    phi = SimpleNamespace(dft=lambda control, **more: tools.dft(control, **(person | more)))
    street = phi.dft("PHI-0").replace(b"1 Wharf Rd", STREET.encode())
    for body in (street, street, *bad_v2(phi)):
        seen.append(("ack by MLLP", served.tell(body).raw))
        answer = served.post("/hl7v2", body, media="application/hl7-v2")
        seen.append(("ack by HTTP", answer.body + repr(answer.headers).encode()))
    with served.line() as line:
        line.socket.sendall(b"\x0b" + street[:200] + b"\x0bMSH|" + NAME.encode())
    with served.line() as line:
        line.socket.sendall(b"GET /" + NAME.encode() + b" HTTP/1.1\r\n\r\n")
        seen.append(("answer to a stranger", line.socket.recv(1000)))
    for method, path, body in bad_fhir():
        answer = served.post(path, body, method=method)
        headers = {name: value for name, value in answer.headers.items() if name != "location"}
        seen.append((f"answer to {method}", answer.body + repr(headers).encode()))
        if answer.status >= 400:
            assert "location" not in answer.headers
    paths = (f"/patient/{MRN}", f"/open/{NAME}", f"/fhir/Claim/{MRN}", f"/?name={NAME}")
    seen += [("page", served.get(path).body) for path in paths]
    tools.eventually(lambda: clinic.run("charges", "--json").rows())
    tools.eventually(lambda: clinic.run("claims", "--json").rows())
    seen.append(("readiness", served.get("/readyz", health=True).body))
    seen.append(("metrics", served.get("/metrics", health=True).body))
    seen.append(("work list", clinic.run("worklist", "--json").out.encode()))
    seen.append(("replay", clinic.run("replay", *[row["about"] for row in clinic.work()]).err.encode()))
    assert served.stop() == 0
    seen.append(("log", served.errors.read_bytes()))
    seen.append(("verify", clinic.run("verify").out.encode()))
    seen.append(("doctor", clinic.run("doctor").out.encode()))
    files = (file for file in clinic.folder.rglob("*") if file.is_file())
    seen += [(f"file {file.name}", file.name.encode() + file.read_bytes()) for file in files]
    assert [(where, canary) for where, said in seen for canary in CANARIES if canary.encode() in said] == []
    assert any(b'"level": "info"' in said for where, said in seen if where == "log"), "there was a log to look through"
    documents = clinic.run("claims", "--fhir").out
    assert NAME in documents, "the claim itself names the patient: that is what it is for"


def test_a_whole_story_leaves_no_trace_of_the_person(
    make_clinic: Callable[..., Any], stub: Callable[[str], str], tools: SimpleNamespace
) -> None:
    clinic = make_clinic()
    shipped = resources.files("adapters.demo")
    payer = stub('name = "pays"\n')
    text = shipped.joinpath("site.toml").read_text(encoding="utf-8")
    clinic.write(text.replace("[payers.endpoint]", f'[payers.endpoint]\nbase_url = "{payer}"'))
    (clinic.folder / "fees.csv").write_text(shipped.joinpath("fees.csv").read_text(encoding="utf-8"), encoding="utf-8")
    story = make_story(7)
    served = clinic.serve(ONCOCLAIMS_LOG_LEVEL="debug")
    base = f"http://127.0.0.1:{served.http}/fhir"
    sent = play(story, mllp=("127.0.0.1", served.mllp), fhir_base=base, until=story.ends)
    assert [one for one in sent if not one.accepted] == []

    def settled() -> bool:
        states = [row["state"] for row in clinic.run("claims", "--json").rows()]
        return bool(states) and not {"ready", "submitted", "queued"} & set(states)

    try:
        tools.eventually(settled, 10)
    except BaseException:
        print(clinic.run("claims").out, clinic.run("worklist").out, served.said()[-3000:])
        raise
    metrics = served.get("/metrics", health=True).body
    assert served.stop() == 0
    assert clinic.run("verify").code == 0
    who = story.patient
    canaries = [who.family, who.given, who.mrn, who.born.isoformat(), who.born.strftime("%Y%m%d")]
    canaries += [policy.member for policy in story.coverages]
    seen = [("metrics", metrics), ("log", served.errors.read_bytes())]
    seen += [(f.name, f.name.encode() + f.read_bytes()) for f in clinic.folder.iterdir() if f.is_file()]
    assert [(where, canary) for where, said in seen for canary in canaries if canary.encode() in said] == []
    assert {row["patient"] for row in clinic.run("claims", "--json").rows()} == {who.mrn}
