"""What comes after trouble: how long until a killed service answers again, and how long a journal takes to fold again.

Ten thousand messages by default, `--messages 100000` for a year of a large department. The service is killed with
SIGKILL while senders wait for answers; the time runs from its new start to the first acknowledgement.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, timedelta
from pathlib import Path

from _clinic import Told, fees_text, house, mix, shifted, site_text
from _common import Figure, Row, folder, keep, machine, spread, table

from adapters.hl7v2.mllp import wrap
from adapters.payers import PayerClient
from adapters.pipeline.receive import receive_v2
from adapters.serve.lanes import Lanes
from adapters.store import KeyRing, open_store
from adapters.wiring import WalkedClock

EACH = 50
"""Messages of a person."""
KILLS = 10
SENDERS = 4
PATIENCE = 60
_COMMAND = "from adapters.cli import main; main()"


def fill(at: Path, told: list[Told]) -> float:
    """A store with all these messages received and worked; seconds that the work took."""
    clock = WalkedClock(max(message.at for message in told).astimezone(UTC) + timedelta(hours=1))
    houses = house()
    with open_store(f"sqlite:///{at / 'serve.db'}", KeyRing.generate(at / "keys"), clock, create=True) as store:
        start = time.perf_counter()
        for n in range(0, len(told), 2000):
            waiting = []
            for message in told[n : n + 2000]:
                at_ = message.at.astimezone(UTC)
                intake = receive_v2(
                    message.body, listener=message.feed, peer="", site=houses.site, now=at_, ack_id="BENCH"
                )
                assert intake.receipt is not None
                waiting.append(store.receive_soon(intake.receipt))
            for answer in waiting:
                answer.result()
            Lanes(store, houses, PayerClient(), clock).work()
        return time.perf_counter() - start


def environment(at: Path) -> dict[str, str]:
    """Of the commands upon that store."""
    return {
        **os.environ,
        "ONCOCLAIMS_STORE": f"sqlite:///{at / 'serve.db'}",
        "ONCOCLAIMS_SITE": str(at / "site.toml"),
        "ONCOCLAIMS_KEYS": str(at / "keys"),
        "ONCOCLAIMS_LOG_LEVEL": "error",
    }


def folded(at: Path) -> tuple[float, float, str]:
    """(seconds, MiB at most, what it said) of `rebuild --check` in a process of its own."""
    measure = (
        "import resource, atexit, sys; atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,"
        " file=sys.stderr)); "
    )
    command = [sys.executable, "-c", measure + _COMMAND, "rebuild", "--check"]
    start = time.perf_counter()
    done = subprocess.run(command, env=environment(at), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    assert done.returncode == 0, done.stderr
    return seconds, int(done.stderr.splitlines()[-1]) / 1024, done.stdout.strip()


def recovered(at: Path, told: list[Told]) -> tuple[list[float], int]:
    """(seconds from each start to the first answer, messages answered) over so many kills under load."""
    port, http, health = _free_ports(3)
    words = ["serve", "--mllp-port", str(port), "--http-port", str(http), "--health-port", str(health)]
    stop = threading.Event()
    answered: list[float] = []
    running = [threading.Thread(target=_send, args=(port, told[n::SENDERS], stop, answered)) for n in range(SENDERS)]
    times: list[float] = []
    for thread in running:
        thread.start()
    try:
        for _ in range(KILLS):
            start = time.perf_counter()
            with subprocess.Popen(
                [sys.executable, "-c", _COMMAND, *words],
                env=environment(at),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            ) as service:
                deadline = start + PATIENCE
                while not (since := [moment for moment in answered if moment > start]):
                    assert service.poll() is None, "the service ended by itself"
                    assert time.perf_counter() < deadline, "no answer in time"
                    time.sleep(0.001)
                times.append(since[0] - start)
                time.sleep(0.4)
                service.send_signal(signal.SIGKILL)
    finally:
        stop.set()
        for thread in running:
            thread.join()
    return times, len(answered)


def _send(port: int, told: list[Told], stop: threading.Event, answered: list[float]) -> None:
    """As an integration engine does: each message until it is answered, then the next."""
    n = 0
    while not stop.is_set():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as line:
            while not stop.is_set():
                line.sendall(wrap(shifted(told[n % len(told)], 1_000_000 + n).body))
                answer = b""
                while not answer.endswith(b"\x1c\r"):
                    got = line.recv(65536)
                    if not got:
                        raise OSError("hung up")
                    answer += got
                answered.append(time.perf_counter())
                n += 1
        time.sleep(0.005)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]


def main() -> None:
    """Measure and print."""
    logging.disable(logging.WARNING)
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--messages", type=int, default=10_000)
    wanted = asked.parse_args().messages
    before, day = mix(max(wanted // (EACH + 20), 1), EACH, sessions_before=0)
    told = [*before, *day]
    with folder() as at:
        (at / "site.toml").write_text(site_text(), encoding="utf-8")
        (at / "fees.csv").write_text(fees_text(), encoding="utf-8")
        worked = fill(at, told)
        size = sum(path.stat().st_size for path in at.glob("serve.db*")) / 2**20
        seconds, memory, said = folded(at)
        times, answered = recovered(at, day)
    recovery = Figure.of(times)
    print(machine())
    table(
        f"{len(told):,} messages on file, {size:,.0f} MiB, received and worked in {worked:.0f} s",
        ("", "", ""),
        [
            ("rebuild --check", f"{seconds:.1f} s", f"{len(told) / seconds:,.0f} messages/s, {memory:,.0f} MiB"),
            (f"kill -9 to the first answer, {KILLS} times", spread(recovery), f"{answered:,} messages answered"),
        ],
    )
    print(f"\n  {said}")
    print(f"  folding again against receiving and working: {worked / seconds:.2f} times as fast")
    keep(
        __file__,
        [
            Row(
                f"folding {len(told):,} messages again (`rebuild --check`)",
                f"{seconds:.0f} s",
                f"{len(told) / seconds:,.0f} messages/s, {memory:,.0f} MiB; taking them took {worked:.0f} s",
            ),
            Row(
                "from a kill -9 under load to the first acknowledgement",
                f"{recovery.median:.2f} s",
                f"{KILLS} kills, slowest {recovery.high:.2f} s; most of it the start of the interpreter",
            ),
        ],
    )


if __name__ == "__main__":
    main()
