"""The MLLP listener on real sockets: framing, order, limits, and what happens when the store is down."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.errors import BadSetup, StoreDown
from adapters.model.listening import Listening
from adapters.serve import metrics
from adapters.serve.lanes import Lanes
from adapters.serve.mllp import Limits, start_listener, start_mllp

START, END = b"\x0b", b"\x1c\r"


@pytest.fixture
def listen(program):
    """`listen(program, limits=…)`: a listener on a free port."""
    made = []

    def start(one, **more):
        listener = start_mllp(one, "127.0.0.1", 0, "charges", **more)
        made.append(listener)
        return listener

    yield start
    for listener in made:
        listener.close()


@contextlib.contextmanager
def talking(listener, timeout: float = 5.0) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", listener.port), timeout) as peer:
        yield peer


def heard(peer: socket.socket, count: int) -> list[bytes]:
    """That many acknowledgements, or as many as came before the connection ended."""
    read = b""
    while read.count(END) < count:
        try:
            piece = peer.recv(65536)
        except ConnectionError:
            break
        if not piece:
            break
        read += piece
    return [frame.removeprefix(START) for frame in read.split(END)[:-1]]


def over(peer: socket.socket) -> bool:
    """Whether the listener has ended the connection without another word."""
    try:
        return peer.recv(65536) == b""
    except ConnectionError:
        return True


def codes(acks: list[bytes]) -> list[tuple[str, str]]:
    """(code, control id) of each."""
    found = []
    for ack in acks:
        msa = next(segment for segment in ack.split(b"\r") if segment.startswith(b"MSA|"))
        found.append(tuple(part.decode() for part in msa.split(b"|")[1:3]))
    return found


def framed(*bodies: bytes) -> bytes:
    return b"".join(START + body + END for body in bodies)


def faults(kind: str) -> float:
    return metrics.REGISTRY.get_sample_value("oncoclaims_faults_total", {"listener": "mllp", "kind": kind}) or 0.0


def until(holds, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def test_a_message_is_stored_before_it_is_acknowledged(program, listen, message):
    one = program()
    woken = []
    listener = listen(one, wake=lambda: woken.append(1))
    with talking(listener) as peer:
        peer.sendall(framed(message("C7")))
        assert codes(heard(peer, 1)) == [("AA", "C7")]
    assert one.store.counts().journal == 1
    assert woken == [1]
    one.lanes.work()
    assert one.states() == ["ready"]


def test_split_at_every_byte(program, listen, message):
    one = program()
    listener = listen(one)
    body = framed(message("C1"))
    with talking(listener) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(body)):
            peer.sendall(body[:at])
            peer.sendall(body[at:])
        assert codes(heard(peer, len(body))) == [("AA", "C1")] * len(body)
    assert one.store.counts().journal == 1


def test_one_byte_at_a_time(program, listen, message):
    one = program()
    with talking(listen(one)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in framed(message("C1")):
            peer.sendall(bytes([byte]))
        assert codes(heard(peer, 1)) == [("AA", "C1")]


@pytest.mark.parametrize("count", [1, 2, 7, 50])
def test_pipelined_messages_are_acknowledged_in_order(program, listen, message, count):
    one = program()
    names = [f"C{n}" for n in range(count)]
    with talking(listen(one)) as peer:
        peer.sendall(framed(*(message(name, transaction=name) for name in names)))
        assert codes(heard(peer, count)) == [("AA", name) for name in names]
    assert one.store.counts().journal == count
    assert [entry.control for entry in one.store.unread(100)] == names


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_however_it_is_cut_the_acknowledgements_are_the_same(program, listen, message, data):
    one = program()
    names = [f"C{n}" for n in range(data.draw(st.integers(1, 5)))]
    stream = b"\r\n".join(framed(message(name, transaction=name)) for name in names)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    with talking(listen(one)) as peer:
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            peer.sendall(stream[start:end])
        assert codes(heard(peer, len(names))) == [("AA", name) for name in names]


def test_a_resend_gets_the_same_answer_and_makes_no_entry(program, listen, message):
    one = program()
    before = metrics.REGISTRY.get_sample_value("oncoclaims_repeated_total", {"media": "hl7v2"}) or 0
    listener = listen(one)
    answers = []
    for _ in range(2):
        with talking(listener) as peer:
            peer.sendall(framed(message("C1")) * 2)
            answers += heard(peer, 2)
    assert len(set(answers)) == 1
    assert one.store.counts().journal == 1
    assert metrics.REGISTRY.get_sample_value("oncoclaims_repeated_total", {"media": "hl7v2"}) == before + 3


def test_a_control_id_used_again_keeps_both(program, listen, message):
    one = program()
    with talking(listen(one)) as peer:
        peer.sendall(framed(message("C1"), message("C1", transaction="T2")))
        assert codes(heard(peer, 2)) == [("AA", "C1")] * 2
    assert one.store.counts().journal == 2


def test_a_test_message_is_refused_and_kept_unread(program, listen, message):
    one = program()
    before = metrics.REGISTRY.get_sample_value("oncoclaims_refused_total", {"media": "hl7v2", "code": "202"}) or 0
    with talking(listen(one)) as peer:
        peer.sendall(framed(message("C1", mode="T"), message("C2")))
        assert codes(heard(peer, 2)) == [("AR", "C1"), ("AA", "C2")]
    assert kept(one) == [("processing-id", message("C1", mode="T"))]
    assert one.states() == ["ready"], "only the other one is billed"
    assert (
        metrics.REGISTRY.get_sample_value("oncoclaims_refused_total", {"media": "hl7v2", "code": "202"}) == before + 1
    )


def test_a_refused_message_is_taken_when_it_comes_again_after_the_site_was_mended(program, listen, message):
    one = program()
    body = message("C1", mode="T")
    with talking(listen(one)) as peer:
        peer.sendall(framed(body) * 2)
        assert codes(heard(peer, 2)) == [("AR", "C1")] * 2
    assert one.store.counts().journal == 1, "the same refusal, kept once"
    one.site = replace(one.site, feeds=tuple(replace(feed, processing="T") for feed in one.site.feeds))
    with talking(listen(one)) as peer:
        peer.sendall(framed(body))
        assert codes(heard(peer, 1)) == [("AA", "C1")]


def test_an_acknowledgement_is_kept_and_not_acknowledged(program, listen, message):
    one = program()
    ack = b"MSH|^~\\&|QBAY|BAY|ONCO|BAY|20260105||ACK|K1|P|2.5.1\rMSA|AA|X1\r"
    with talking(listen(one)) as peer:
        peer.sendall(framed(ack, message("C2")))
        assert codes(heard(peer, 1)) == [("AA", "C2")]
    assert one.store.counts().journal == 2


def test_the_limits_of_a_listener_are_those_of_the_site_file(program, message):
    one = program()
    said = Listening("charges", port=0, frame_bytes=5000, connections=1, frame_seconds=9, idle_seconds=8, per_peer=3)
    limits = Limits.of(said)
    assert (limits.frame, limits.connections, limits.per_peer) == (5000, 1, 3)
    assert (limits.frame_seconds, limits.idle_seconds) == (9, 8)
    listener = start_listener(one, said)
    try:
        with talking(listener) as peer:
            peer.sendall(framed(message("C1") + b"NTE|1||" + b"x" * 6000))
            assert codes(heard(peer, 1)) == [("AE", "C1")]
    finally:
        listener.close()


def test_a_message_longer_than_its_feed_may_send_gets_an_error_and_the_feed_goes_on(program, listen, message):
    one = program()
    one.site = replace(one.site, feeds=tuple(replace(feed, frame_bytes=2000) for feed in one.site.feeds))
    long = message("C1", extra="NTE|1||" + "x" * 3000)
    with talking(listen(one)) as peer:
        peer.sendall(framed(long, message("C2")))
        first, second = heard(peer, 2)
    assert codes([first, second]) == [("AE", "C1"), ("AA", "C2")]
    assert b"|104^" in first
    assert kept(one) == [("too-long", long)]


def test_a_message_over_a_limit_of_content_is_acknowledged_and_parked(program, listen, message):
    one = program()
    many = message("C1", extra="\r".join(f"NTE|{n}" for n in range(20_001)))
    wide = message("C2", extra="ZZZ|" + "|" * 1100)
    often = message("C3", extra="ZZZ|" + "~" * 1100)
    parts = message("C4", extra="ZZZ|" + "^" * 600 + "&" * 600)
    with talking(listen(one)) as peer:
        peer.sendall(framed(many, wide, often, parts, message("C5")))
        assert codes(heard(peer, 5)) == [("AA", f"C{n}") for n in range(1, 6)]
    reasons = [reason for reason, _ in kept(one)]
    assert reasons == ["too-many-segments", "too-many-fields", "too-many-repetitions", "too-many-parts"]


def application(one, answer):
    """The site's feeds, with this setting for application acknowledgements."""
    one.site = replace(one.site, feeds=tuple(replace(feed, application_ack=answer) for feed in one.site.feeds))


def test_the_application_acknowledgement_follows_when_the_work_is_done(program, listen, message):
    one = program()
    application(one, "after-work")
    listener = listen(one, limits=Limits(later_seconds=0.01))
    nobody = message("C2", accept="AL|AL").replace(b"CNRY-770031^^^BAY^MR", b"")
    with talking(listener) as peer:
        peer.sendall(framed(message("C1", accept="AL|AL"), nobody))
        assert codes(heard(peer, 2)) == [("CA", "C1"), ("CA", "C2")]
        peer.settimeout(0.2)
        with pytest.raises(TimeoutError):
            peer.recv(1)
        peer.settimeout(5)
        one.lanes.work()
        later = heard(peer, 2)
    assert sorted(codes(later)) == [("AA", "C1"), ("AE", "C2")]
    parked = next(ack for ack in later if b"MSA|AE" in ack)
    assert b"|no-patient|" in parked


@pytest.mark.parametrize(
    ("answer", "accept", "expected"),
    [
        ("never", "AL|AL", ["CA"]),
        ("after-work", "AL|NE", ["CA"]),
        ("after-work", "AL|ER", ["CA"]),
        ("after-work", "AL|SU", ["CA", "AA"]),
        ("after-work", "NE|AL", ["AA"]),
        ("after-work", "", ["AA"]),
    ],
)
def test_it_follows_only_where_the_site_and_the_sender_say_so(program, listen, message, answer, accept, expected):
    one = program()
    application(one, answer)
    with talking(listen(one, limits=Limits(later_seconds=0.01))) as peer:
        peer.sendall(framed(message("C1", accept=accept)))
        first = heard(peer, 1)
        one.lanes.work()
        rest = heard(peer, len(expected) - 1)
        assert [code for code, _ in codes(first + rest)] == expected
        peer.settimeout(0.15)
        with pytest.raises(TimeoutError):
            peer.recv(1)


def test_an_application_acknowledgement_that_is_not_due_in_time_is_not_given(program, listen, message):
    one = program()
    application(one, "after-work")
    with talking(listen(one, limits=Limits(later_seconds=0.01, later_at_most=0.05))) as peer:
        peer.sendall(framed(message("C1", accept="AL|AL")))
        assert codes(heard(peer, 1)) == [("CA", "C1")]
        time.sleep(0.2)
        one.lanes.work()
        peer.sendall(framed(message("C2")))
        assert codes(heard(peer, 1)) == [("AA", "C2")], "a late one would be taken for the next message's"


def test_a_batch_gets_a_batch_of_answers_where_the_feed_says_so(program, listen, message):
    one = program()
    one.site = replace(one.site, feeds=tuple(replace(feed, batch_answer="each") for feed in one.site.feeds))
    two = message("C1", mrn="A") + message("C2", mrn="B", transaction="T2")
    with talking(listen(one)) as peer:
        peer.sendall(framed(b"BHS|^~\\&|QBAY|BAY|ONCO|BAY|||||B7\r" + two + b"BTS|2\r"))
        (answer,) = heard(peer, 1)
    segments = [line.split(b"|") for line in answer.split(b"\r") if line]
    assert [line[0] for line in segments] == [b"BHS", b"MSH", b"MSA", b"MSH", b"MSA", b"BTS"]
    assert segments[0][11] == b"B7"
    assert [line[1:3] for line in segments if line[0] == b"MSA"] == [[b"AA", b"C1"], [b"AA", b"C2"]]
    assert segments[-1][1] == b"2"
    assert one.store.counts().journal == 1


def test_who_may_connect_is_asked_before_a_byte_is_read(program, message):
    one = program()
    before = faults("network-not-allowed")
    listener = start_listener(one, Listening("charges", "0.0.0.0", 0, networks=("198.51.100.0/24",)))  # noqa: S104
    try:
        with talking(listener) as peer:  # this machine always may
            peer.sendall(framed(message("C1")))
            assert codes(heard(peer, 1)) == [("AA", "C1")]
        if (outer := _own_address()) is None:
            pytest.skip("this machine has no address but loopback")
        with socket.create_connection((outer, listener.port), 5) as peer:
            assert over(peer)
    finally:
        listener.close()
    assert faults("network-not-allowed") == before + 1


def _own_address() -> str | None:
    """An address of this machine that is not loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith("127.") else address


def test_poison_is_acknowledged_and_the_feed_goes_on(program, listen, message):
    one = program()
    with talking(listen(one)) as peer:
        peer.sendall(framed(b"MSH|", b"", b"\x00" * 50, message("C1")))
        assert [code for code, _ in codes(heard(peer, 4))] == ["AE", "AE", "AE", "AA"]
    one.lanes.work()
    assert one.store.counts().parked == 3
    assert one.states() == ["ready"]


def test_a_sender_that_wants_no_answer_gets_none(program, listen, message):
    one = program()
    with talking(listen(one)) as peer:
        peer.sendall(framed(message("C1", accept="NE|NE"), message("C2")))
        assert codes(heard(peer, 1)) == [("AA", "C2")]
    assert one.store.counts().journal == 2


def test_junk_between_frames_is_passed_over(program, listen, message):
    one = program()
    with talking(listen(one)) as peer:
        peer.sendall(b"\r\n" + framed(message("C1")) + b"\r\n\x00junk\r" + framed(message("C2")) + b"\n")
        assert codes(heard(peer, 2)) == [("AA", "C1"), ("AA", "C2")]


def kept(one):
    """What lies where people see it, after the lanes have read what there is: reason and bytes of each."""
    Lanes(one.store, one.house, one.payers, one.clock).work()
    return [(parked.reason, one.store.entry(parked.entry).body) for parked in one.store.parked()]


def test_a_frame_broken_off_is_not_acknowledged(program, listen, message):
    one = program()
    before = faults("cut-frame")
    with talking(listen(one)) as peer:
        peer.sendall(START + message("C1")[:40] + framed(message("C2")))
        assert codes(heard(peer, 1)) == [("AA", "C2")]
    assert faults("cut-frame") == before + 1
    # Kept beside the whole message, and never read: its last charges may be missing.
    assert ("broken-frame", message("C1")[:40]) in kept(one)
    assert "broken-frame" in [item.code for item in one.store.worklist()]


def test_an_unfinished_frame_at_the_end_is_kept_unread(program, listen, message):
    one = program()
    before = faults("unfinished-frame")
    with talking(listen(one)) as peer:
        peer.sendall(START + message("C1"))
        peer.shutdown(socket.SHUT_WR)
        assert over(peer)
    assert until(lambda: faults("unfinished-frame") == before + 1)
    assert until(lambda: one.store.counts().journal == 1)
    assert kept(one) == [("broken-frame", message("C1"))]
    assert one.store.lanes() == ()


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"POST /hl7v2 HTTP/1.1\r\n\r\n"]
)
def test_other_protocols_are_hung_up_on(program, listen, said):
    one = program()
    before = faults("not-mllp")
    with talking(listen(one)) as peer:
        peer.sendall(said)
        assert over(peer)
    assert faults("not-mllp") == before + 1
    [(reason, body)] = kept(one)
    assert reason == "broken-frame"
    # Without what is tolerated between frames.
    assert body == said.translate(None, b"\r\n\0")


def test_a_frame_over_the_limit_gets_one_error_and_the_end(program, listen, message):
    one = program()
    with talking(listen(one, limits=Limits(frame=5000))) as peer:
        peer.sendall(START + message("C1") + b"NTE|1||" + b"x" * 100_000)
        assert codes(heard(peer, 1)) == [("AE", "C1")]
        assert over(peer)
    [(reason, body)] = kept(one)
    assert reason == "broken-frame"
    assert len(body) <= 4096
    assert message("C1").startswith(body[:20])


def test_an_endless_frame_is_ended(program, listen, message):
    one = program()
    before = faults("frame-too-slow")
    with talking(listen(one, limits=Limits(frame_seconds=0.4, idle_seconds=60))) as peer:
        began = time.monotonic()
        peer.sendall(START)
        with contextlib.suppress(ConnectionError, TimeoutError):
            peer.settimeout(0.05)
            while time.monotonic() - began < 5:
                peer.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    if peer.recv(1) == b"":
                        break
        assert 0.3 < time.monotonic() - began < 3
    assert faults("frame-too-slow") == before + 1


def test_an_idle_connection_is_ended_but_not_between_quick_messages(program, listen, message):
    one = program()
    with talking(listen(one, limits=Limits(frame_seconds=0.3, idle_seconds=0.6))) as peer:
        for n in range(4):
            peer.sendall(framed(message(f"C{n}")))
            assert codes(heard(peer, 1)) == [("AA", f"C{n}")]
            time.sleep(0.2)
        began = time.monotonic()
        assert over(peer)
        assert time.monotonic() - began < 3


def test_connections_are_counted(program, listen, message):
    one = program()
    listener = listen(one, limits=Limits(connections=10, per_peer=2))
    before = faults("too-many-connections")
    with talking(listener) as first, talking(listener) as second:
        for peer in (first, second):
            peer.sendall(framed(message("C1")))
            assert len(heard(peer, 1)) == 1
        with talking(listener) as third:
            assert over(third)
        assert faults("too-many-connections") == before + 1
        first.sendall(framed(message("C2")))
        assert len(heard(first, 1)) == 1
    assert until(lambda: metrics.REGISTRY.get_sample_value("oncoclaims_mllp_connections") == 0)
    with talking(listener) as fourth:
        fourth.sendall(framed(message("C3")))
        assert codes(heard(fourth, 1)) == [("AA", "C3")]


def test_a_peer_that_reads_no_answers_is_left(program, listen, message):
    one = program()
    listener = listen(one, limits=Limits(answer_seconds=0.3))
    body = framed(message("C1")) * 200
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        peer.connect(("127.0.0.1", listener.port))
        peer.settimeout(1)
        ended = False
        began = time.monotonic()
        while not ended and time.monotonic() - began < 20:
            try:
                peer.sendall(body)
            except (ConnectionError, TimeoutError):
                ended = True
        assert ended
    assert until(lambda: metrics.REGISTRY.get_sample_value("oncoclaims_mllp_connections") == 0)


class Failing:
    """A store that is down when told; it answers questions again when told."""

    def __init__(self, store):
        self._store = store
        self.down = False

    def __getattr__(self, name):
        return getattr(self._store, name)

    def receive_soon(self, receipt):
        if not self.down:
            return self._store.receive_soon(receipt)
        failed: Future = Future()
        failed.set_exception(StoreDown("disk full"))
        return failed

    def counts(self):
        if self.down:
            raise StoreDown("disk full")
        return self._store.counts()


def test_a_store_that_is_down_acknowledges_nothing_and_takes_nobody(program, listen, message):
    one = program()
    one.store = Failing(one.store)
    listener = listen(one, limits=Limits(retry_seconds=0.05))
    with talking(listener) as bystander, talking(listener) as peer:
        peer.sendall(framed(message("C1")))
        assert codes(heard(peer, 1)) == [("AA", "C1")]
        one.store.down = True
        peer.sendall(framed(message("C2")))
        assert heard(peer, 1) == []
        assert over(bystander)
    assert until(lambda: not listener.accepting)
    with pytest.raises(ConnectionRefusedError), talking(listener):
        pass
    one.store.down = False
    assert until(lambda: listener.accepting)
    with talking(listener) as peer:
        peer.sendall(framed(message("C2")))
        assert codes(heard(peer, 1)) == [("AA", "C2")]
    assert one.store.counts().journal == 2


def test_nothing_is_acknowledged_behind_a_message_that_was_not_stored(program, listen, message):
    one = program()
    good = one.store

    class Second(Failing):
        seen = 0

        def receive_soon(self, receipt):
            self.seen += 1
            self.down = self.seen == 2
            return super().receive_soon(receipt)

    one.store = Second(good)
    with talking(listen(one)) as peer:
        peer.sendall(
            framed(message("C1", transaction="1"), message("C2", transaction="2"), message("C3", transaction="3"))
        )
        assert codes(heard(peer, 3)) == [("AA", "C1")]


def test_closing_ends_the_connections_and_the_port(program, message):
    one = program()
    listener = start_mllp(one, "127.0.0.1", 0, "charges")
    with talking(listener) as peer:
        peer.sendall(framed(message("C1")))
        assert len(heard(peer, 1)) == 1
        listener.close()
        assert over(peer)
    assert not listener.accepting
    with pytest.raises(ConnectionRefusedError), talking(listener):
        pass
    listener.close()


def test_what_is_being_stored_is_acknowledged_before_the_end(program, message):
    one = program()

    class Slow(Failing):
        def receive_soon(self, receipt):
            import threading

            later: Future = Future()

            def done():
                time.sleep(0.3)
                later.set_result(self._store.receive(receipt))

            threading.Thread(target=done).start()
            return later

    one.store = Slow(one.store)
    listener = start_mllp(one, "127.0.0.1", 0, "charges")
    with talking(listener) as peer:
        peer.sendall(framed(message("C1")))
        time.sleep(0.1)
        listener.close()
        assert codes(heard(peer, 1)) == [("AA", "C1")]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "example.org", ""])  # noqa: S104
def test_beyond_this_machine_only_with_certificates_or_named_networks(program, host):
    with pytest.raises(BadSetup, match="beyond this machine TLS with client certificates"):
        start_mllp(program(), host, 0, "charges")


def test_a_port_that_is_taken_is_said(program, listen):
    one = program()
    listener = listen(one)
    with pytest.raises(BadSetup, match=str(listener.port)):
        start_mllp(one, "127.0.0.1", listener.port, "charges")
