"""The EHR's senders over real loopback sockets."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fhir_server_stub.ehr import UnansweredError, play, post_bundle, send_mllp
from fhir_server_stub.payer import Stub
from fhir_server_stub.server import running
from fhir_server_stub.story import make_story

Reply = Callable[[bytes, int], bytes | None]
FIRST, SECOND = (
    b"MSH|^~\\&|A|B|C|D|20260105||ADT^A04|K1|P|2.5.1\r",
    b"MSH|^~\\&|A|B|C|D|20260105||ADT^A04|K2|P|2.5.1\r",
)


def ack(message: bytes, code: str = "AA") -> bytes:
    control = message.split(b"|")[9].decode()
    return f"\x0bMSH|^~\\&|C|D|A|B|20260105||ACK|X|P|2.5.1\rMSA|{code}|{control}\r\x1c\r".encode()


@contextmanager
def receiver(reply: Reply) -> Iterator[tuple[int, list[bytes], list[int]]]:
    """An MLLP listener: port, messages received, connections opened; `reply` None closes the connection."""
    messages: list[bytes] = []
    connections: list[int] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(1)
            with connection:
                buffer = b""
                while read := connection.recv(65536):
                    buffer += read
                    while b"\x1c\r" in buffer:
                        frame, _, buffer = buffer.partition(b"\x1c\r")
                        messages.append(frame.lstrip(b"\x0b"))
                        answer = reply(messages[-1], len(messages))
                        if answer is None:
                            break
                        connection.sendall(answer)
                    else:
                        continue
                    break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], messages, connections
    finally:
        # Closing alone would leave accept() waiting.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def test_messages_go_in_order_over_one_connection():
    with receiver(lambda message, _: ack(message)) as (port, messages, connections):
        acks = send_mllp("127.0.0.1", port, [FIRST, SECOND])
    assert messages == [FIRST, SECOND]
    assert len(connections) == 1
    assert [(a.control_id, a.code, a.accepted, a.attempts) for a in acks] == [
        ("K1", "AA", True, 1),
        ("K2", "AA", True, 1),
    ]


def test_no_answer_repeats_the_same_bytes_on_a_new_connection():
    with receiver(lambda message, n: None if n == 1 else ack(message)) as (port, messages, connections):
        (answer,) = send_mllp("127.0.0.1", port, [FIRST])
    assert messages == [FIRST, FIRST]
    assert len(connections) == 2
    assert answer.accepted
    assert answer.attempts == 2


def test_silence_counts_as_no_answer():
    with receiver(lambda message, n: b"" if n == 1 else ack(message)) as (port, messages, _):
        (answer,) = send_mllp("127.0.0.1", port, [FIRST], timeout=0.1)
    assert answer.attempts == 2
    assert messages == [FIRST, FIRST]


def test_an_answer_to_another_message_is_not_ours():
    with receiver(lambda message, _: ack(SECOND)) as (port, _, _):
        (answer,) = send_mllp("127.0.0.1", port, [FIRST])
    assert (answer.code, answer.matches, answer.accepted) == ("AA", False, False)


def test_a_refusal_is_an_answer():
    with receiver(lambda message, _: ack(message, "AE")) as (port, messages, _):
        (answer,) = send_mllp("127.0.0.1", port, [FIRST])
    assert (answer.code, answer.accepted, len(messages)) == ("AE", False, 1)


def test_never_an_answer_is_an_error_without_the_message():
    with receiver(lambda message, n: None) as (port, messages, _), pytest.raises(UnansweredError) as caught:
        send_mllp("127.0.0.1", port, [FIRST], attempts=2)
    assert len(messages) == 2
    assert "K1" in str(caught.value)
    assert "MSH" not in str(caught.value)


def test_bundle_meets_a_fhir_store_and_again():
    story, stub = make_story(), Stub()
    bundle = next(m.body for m in story.messages if m.channel == "fhir")
    assert isinstance(bundle, dict)
    with running(stub) as base:
        first, second = post_bundle(f"{base}/fhir", bundle), post_bundle(f"{base}/fhir", bundle)
    assert (first.status_code, second.status_code) == (200, 200)
    assert {e["response"]["status"] for e in first.json()["entry"]} == {"201"}
    assert {e["response"]["status"] for e in second.json()["entry"]} == {"200"}


def test_no_fhir_server_is_unanswered():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(UnansweredError):
            post_bundle(f"http://127.0.0.1:{port}/fhir", {"resourceType": "Bundle"}, attempts=2)


def test_play_sends_what_is_due_and_goes_on_from_there():
    story, stub = make_story(), Stub()
    middle = story.messages[9].at
    with running(stub) as base, receiver(lambda message, _: ack(message)) as (port, messages, _):
        where = {"mllp": ("127.0.0.1", port), "fhir_base": f"{base}/fhir"}
        morning = play(story, **where, until=middle)
        evening = play(story, **where, until=story.ends, since=middle)
    assert [sent.message for sent in morning + evening] == list(story.messages)
    assert all(sent.accepted and sent.attempts == 1 for sent in morning + evening)
    assert messages == [m.wire for m in story.messages if m.channel == "mllp"]
    fractions = stub.resources.search("Procedure", [("code", "1297069006")])
    uids = {r["identifier"][0]["value"].removeprefix("urn:oid:") for r in fractions}
    by_fhir = {d.key for d in story.delivered if d.service == "delivery" and "fhir" in d.said("channels")}
    assert uids == by_fhir
