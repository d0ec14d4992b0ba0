"""Receivers that others wrote, against our sender: what leaves is read there as HL7 v2, and its answer is heard."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hl7.mllp import start_hl7_server
from hl7apy.mllp import AbstractErrorHandler, AbstractHandler, MLLPServer
from hl7apy.parser import parse_message

from adapters.ehr.sending import MllpSender, Sent
from adapters.errors import BadSetup
from adapters.hl7v2.question import Writer, message_of
from adapters.model.desk import Desk
from adapters.model.listening import TlsFiles
from adapters.model.question import Step
from adapters.settings import rules_of
from tests.contracts.authority import Authority
from tests.hl7v2.test_question import NOW, QUESTION, REPORT

pytestmark = pytest.mark.system

SENDERS = Path(__file__).parent / "senders"


@pytest.fixture(scope="module")
def writes() -> Callable[[str], str]:
    """`writes(dialect)`: the question as the dialect has it."""
    rules = rules_of()

    def made(dialect: str) -> str:
        form = rules.dialect(dialect).question
        assert form is not None
        text = message_of(
            QUESTION, Step.ASKED, REPORT, Writer(form, ZoneInfo("America/New_York"), "Billing", "1999999950"), NOW
        )
        assert text is not None
        return text

    return made


CONTROL = QUESTION.control(Step.ASKED)


class Keeps(AbstractHandler):  # type: ignore[misc]  # untyped library
    """Parses with the structures of the standard, keeps, and says AA."""

    kept: list[Any] = []  # noqa: RUF012  # one server a test

    def reply(self) -> str:
        told = parse_message(self.incoming_message.strip("\x0b\x1c\r") + "\r", find_groups=True)
        told.validate()
        self.kept.append(told)
        control = told.msh.message_control_id.value
        return f"\x0bMSH|^~\\&|E|E|O|O|20260118||ACK|1|P|2.5.1\rMSA|AA|{control}\r\x1c\r"


class Refuses(AbstractErrorHandler):  # type: ignore[misc]  # untyped library
    """Says AR to a type that it does not know."""

    def reply(self) -> str:
        return f"\x0bMSH|^~\\&|E|E|O|O|20260118||ACK|1|P|2.5.1\rMSA|AR|{CONTROL}|{type(self.exc).__name__}\r\x1c\r"


@contextmanager
def served(server: Any) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_the_server_of_hl7apy_reads_results_and_documents(writes: Callable[[str], str]) -> None:
    Keeps.kept.clear()
    known = dict.fromkeys(("ORU^R01^ORU_R01", "MDM^T02^MDM_T02"), (Keeps,))
    with served(MLLPServer("127.0.0.1", 0, known)) as port:
        desk = Desk("charges", "127.0.0.1", port, timeout_seconds=10)
        for dialect in ("example-dft-zseg", "example-oru-course"):
            assert MllpSender().send(desk, writes(dialect), CONTROL) == Sent()
    results, documents = Keeps.kept
    order = results.oru_r01_patient_result.oru_r01_order_observation.obr
    assert order.filler_order_number.entity_identifier.value == QUESTION.id
    assert documents.txa.unique_document_number.entity_identifier.value == QUESTION.id
    assert documents.pid.patient_identifier_list[0].id_number.value == "QB-77"


def test_the_server_of_hl7apy_refuses_what_it_does_not_know(writes: Callable[[str], str]) -> None:
    with served(MLLPServer("127.0.0.1", 0, {"ERR": (Refuses,)})) as port:
        desk = Desk("charges", "127.0.0.1", port, timeout_seconds=10)
        sent = MllpSender().send(desk, writes("example-dft-zseg"), CONTROL)
    assert sent == Sent("refused-AR", "UnsupportedMessageType")


@contextmanager
def python_hl7(context: ssl.SSLContext) -> Iterator[tuple[int, list[Any]]]:
    """The server of python-hl7 by TLS, which gives each message its own acknowledgement."""
    kept: list[Any] = []
    loop = asyncio.new_event_loop()

    async def answer(reader: Any, writer: Any) -> None:
        while not writer.is_closing():
            try:
                told = await reader.readmessage()
            except asyncio.IncompleteReadError:
                return
            kept.append(told)
            writer.writemessage(told.create_ack("AA"))
            await writer.drain()

    server = loop.run_until_complete(start_hl7_server(answer, "127.0.0.1", 0, encoding="utf-8", ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1], kept
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def test_the_server_of_python_hl7_with_certificates_on_both_sides(
    writes: Callable[[str], str], authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue("engine", names=("engine.example",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    own, own_key = authority.issue("billing")
    files = TlsFiles(str(own), str(own_key), str(authority.file))
    rogue = Authority(tmp_path, "rogue")
    foreign, foreign_key = rogue.issue("impostor")
    text = writes("example-dft-zseg")
    with python_hl7(context) as (port, kept):

        def sent(tls: TlsFiles, name: str) -> Sent:
            desk = Desk("charges", "127.0.0.1", port, tls, name, timeout_seconds=10)
            return MllpSender().send(desk, text, CONTROL)

        assert sent(files, "engine.example") == Sent()
        assert [str(one.segment("MSH")[10]) for one in kept] == [CONTROL]
        # Another name than its certificate bears, a CA that is not its, and a client that it does not know.
        assert sent(files, "other.example").problem == "not-connected"
        assert sent(TlsFiles(str(own), str(own_key), str(rogue.file)), "engine.example").problem == "not-connected"
        strange = TlsFiles(str(foreign), str(foreign_key), str(authority.file))
        assert sent(strange, "engine.example").problem in ("not-connected", "no-answer")
        assert len(kept) == 1
        own_key.chmod(0o644)
        with pytest.raises(BadSetup, match="others may read the key"):
            sent(files, "engine.example")


def test_the_server_of_medplum(writes: Callable[[str], str], npm_modules: Path) -> None:
    words = ["node", str(SENDERS / "medplum_server.mjs"), str(npm_modules)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        desk = Desk("charges", "127.0.0.1", int(process.stdout.readline()), timeout_seconds=10)
        assert MllpSender().send(desk, writes("example-oru-course"), CONTROL) == Sent()
        assert json.loads(process.stdout.readline()) == ["MDM", CONTROL, QUESTION.id]
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
