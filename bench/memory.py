"""Memory of `oncoclaims serve`: at rest, and after a morning of messages over MLLP; beside its imports alone."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from _clinic import Told, fees_text, mix, site_text
from _common import Figure, Row, folder, keep, machine, table

from adapters.hl7v2.mllp import wrap
from adapters.store import KeyRing

AIM = 200
"""MiB at rest."""
ROUNDS = 3
PATIENCE = 60
_IMPORTS = "import adapters.cli.app"
_SERVE = "from adapters.cli import main; main()"
_RSS = "; print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmRSS')))"


def imports(code: str) -> float:
    """MiB of a fresh interpreter after running the code."""
    done = subprocess.run([sys.executable, "-c", code + _RSS], check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024


def resident(pid: int) -> float:
    """MiB of a running process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@contextlib.contextmanager
def served(at: Path) -> Iterator[tuple[int, int, int, float]]:
    """(process id, MLLP port, health port, seconds until ready) of a service with the demo's site and an empty store."""
    at.mkdir()
    (at / "site.toml").write_text(site_text(), encoding="utf-8")
    (at / "fees.csv").write_text(fees_text(), encoding="utf-8")
    KeyRing.generate(at / "keys")
    mllp, http, health = _free_ports(3)
    environment = {
        **os.environ,
        "ONCOCLAIMS_STORE": f"sqlite:///{at / 'serve.db'}",
        "ONCOCLAIMS_SITE": str(at / "site.toml"),
        "ONCOCLAIMS_KEYS": str(at / "keys"),
        "ONCOCLAIMS_LOG_LEVEL": "error",
    }
    ports = ["--mllp-port", str(mllp), "--http-port", str(http), "--health-port", str(health)]
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, "serve", *ports, "--fhir-feed", "ehr"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as service:
        try:
            _until(lambda: _ready(service, health))
            yield service.pid, mllp, health, time.perf_counter() - start
        finally:
            service.send_signal(signal.SIGTERM)
            code = service.wait(timeout=PATIENCE)
        assert code == 0, f"the service ended with {code}"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]


def _until(holds: object) -> None:
    assert callable(holds)
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "the service took too long"
        time.sleep(0.05)


def _ready(service: subprocess.Popen[bytes], health: int) -> bool:
    assert service.poll() is None, "the service ended by itself"
    try:
        return _asked(health, "readyz") == "ready\n"
    except (urllib.error.URLError, ConnectionError):
        return False


def _asked(health: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{health}/{path}", timeout=10) as answer:
        return str(answer.read().decode())


def _unread(health: int) -> int:
    line = next(line for line in _asked(health, "metrics").splitlines() if 'entries{state="unread"}' in line)
    return int(float(line.rpartition(" ")[2]))


def send(port: int, told: Sequence[Told]) -> None:
    """All messages over one MLLP connection, each after the answer to the one before."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        for message in told:
            line.sendall(wrap(message.body))
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                got = line.recv(65536)
                assert got, "the service hung up"
                answer += got
            assert b"\rMSA|AA|" in answer, "a message was not taken"


def main() -> None:
    """Measure and print."""
    print(machine())
    if not Path("/proc/self/status").exists():
        print("there is no /proc here: memory is not measured")
        keep(__file__, [])
        return
    before, told = mix(40, 30, sessions_before=0)
    day = [*before, *told]
    bare, loaded, rest, busy, ready = [], [], [], [], []
    for n in range(ROUNDS):
        bare.append(imports("import sys"))
        loaded.append(imports(_IMPORTS))
        with folder() as at, served(at / str(n)) as (pid, mllp, health, seconds):
            time.sleep(0.5)
            rest.append(resident(pid))
            ready.append(seconds)
            send(mllp, day)
            _until(lambda port=health: _unread(port) == 0)
            busy.append(resident(pid))
    figures = {
        "the interpreter": Figure.of(bare),
        "imports alone (every command of the program)": Figure.of(loaded),
        "oncoclaims serve, ready, at rest": Figure.of(rest),
        f"after {len(day):,} messages over MLLP, 40 persons": Figure.of(busy),
    }
    table(
        f"resident memory, MiB; {ROUNDS} rounds; ready after {Figure.of(ready).median:.1f} s",
        ("", "MiB", "min to max", f"of {AIM} MiB"),
        [
            (name, f"{f.median:.0f}", f"{f.low:.0f} to {f.high:.0f}", f"{f.median / AIM:.0%}")
            for name, f in figures.items()
        ],
    )
    resting, full = Figure.of(rest), Figure.of(busy)
    keep(
        __file__,
        [
            Row(
                "memory of `serve` at rest",
                f"{resting.median:.0f} MiB",
                f"aim: under {AIM} MiB; imports alone {Figure.of(loaded).median:.0f} MiB",
            ),
            Row(
                f"after {len(day):,} messages over 40 persons",
                f"{full.median:.0f} MiB",
                "64 records are kept in memory",
            ),
        ],
    )


if __name__ == "__main__":
    main()
